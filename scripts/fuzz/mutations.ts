/** Damage to a file: as values that print well, so that a counterexample says what was done. */
import fc from 'fast-check';

export type Change =
  | { readonly do: 'byte'; readonly at: Place; readonly value: number }
  | { readonly do: 'field'; readonly at: Place; readonly width: 2 | 4 | 8; readonly value: bigint; readonly littleEndian: boolean }
  | { readonly do: 'copy'; readonly from: Place; readonly at: Place; readonly length: number }
  | { readonly do: 'insert'; readonly from: Place; readonly at: Place; readonly length: number }
  | { readonly do: 'remove'; readonly at: Place; readonly length: number }
  | { readonly do: 'cut'; readonly at: Place }
  | { readonly do: 'grow'; readonly length: number; readonly fill: number };

/** Where: `n` counts through the header bytes or through all bytes, and wraps around. */
export interface Place {
  readonly header: boolean;
  readonly n: number;
}

/** A damaged file's parts that deserve more attention. */
export type HeaderRanges = readonly (readonly [from: number, to: number])[];

/** Values that sizes, counts and offsets are lied about with. */
export const LIES: readonly bigint[] = [
  0n, 1n, 2n, 7n, 0xffn, 0x1000n, 0x1001n, 0xffffn, 0x10000n, 0x10_0000n, 0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn, 0x1_0000_0000n, 1n << 40n, 1n << 47n, 1n << 52n, (1n << 53n) - 1n, 1n << 53n,
  1n << 56n, (1n << 63n) - 1n, 1n << 63n, (1n << 64n) - 1n, (1n << 64n) - 4096n,
];

const anyN = fc.noBias(fc.nat(2 ** 30));
const anyPlace: fc.Arbitrary<Place> = fc.record({ header: fc.noBias(fc.boolean()), n: anyN });
const headerPlace: fc.Arbitrary<Place> = fc.record({ header: fc.constant(true), n: anyN });
const anyValue = fc.oneof(fc.constantFrom(...LIES), fc.bigInt(0n, (1n << 64n) - 1n), fc.bigInt(0n, 0x20_0000n));
const anyLength = fc.oneof(fc.constantFrom(1, 4, 8, 12, 16, 24, 32, 56, 512, 4096, 65536), fc.noBias(fc.integer({ min: 1, max: 20000 })));

export const anyChange: fc.Arbitrary<Change> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('byte' as const), at: anyPlace, value: fc.nat(255) }) },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('field' as const), at: headerPlace, width: fc.constantFrom(2 as const, 4 as const, 8 as const), value: anyValue, littleEndian: fc.noBias(fc.boolean()) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('copy' as const), from: anyPlace, at: anyPlace, length: anyLength }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('insert' as const), from: anyPlace, at: anyPlace, length: anyLength }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), at: anyPlace, length: anyLength }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cut' as const), at: anyPlace }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('grow' as const), length: anyLength, fill: fc.constantFrom(0, 0xff, 0x41) }) },
);

function offsetOf({ header, n }: Place, size: number, headers: HeaderRanges): number {
  const total = headers.reduce((sum, [from, to]) => sum + to - from, 0);
  if (header && total > 0) {
    let left = n % total;
    for (const [from, to] of headers) {
      if (left < to - from) return Math.min(from + left, size);
      left -= to - from;
    }
  }
  return size === 0 ? 0 : n % size;
}

/** The damaged file, in a new array. */
export function damage(image: Uint8Array, headers: HeaderRanges, changes: readonly Change[]): Uint8Array {
  let bytes = image.slice();
  for (const change of changes) {
    const place = (where: Place): number => offsetOf(where, bytes.length, headers);
    switch (change.do) {
      case 'byte': {
        const at = place(change.at);
        if (at < bytes.length) bytes[at] = change.value;
        break;
      }
      case 'field': {
        // Fields of headers are aligned more often than not.
        const at = Math.floor(place(change.at) / 2) * 2;
        for (let i = 0; i < change.width && at + i < bytes.length; i++) {
          const byte = change.littleEndian ? i : change.width - 1 - i;
          bytes[at + i] = Number((change.value >> BigInt(byte * 8)) & 0xffn);
        }
        break;
      }
      case 'copy': {
        const from = place(change.from);
        bytes.copyWithin(place(change.at), from, from + change.length);
        break;
      }
      case 'insert': {
        const [from, at] = [place(change.from), place(change.at)];
        bytes = joined(bytes.subarray(0, at), bytes.subarray(from, from + change.length), bytes.subarray(at));
        break;
      }
      case 'remove': {
        const at = place(change.at);
        bytes = joined(bytes.subarray(0, at), bytes.subarray(at + change.length));
        break;
      }
      case 'cut':
        bytes = bytes.slice(0, place(change.at));
        break;
      case 'grow':
        bytes = joined(bytes, new Uint8Array(change.length).fill(change.fill));
        break;
    }
  }
  return bytes;
}

function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
