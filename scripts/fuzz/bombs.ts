/** Case `bombs`: kdump pages whose compressed form unpacks to far more than a page, or says so. */
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { isPgtableError } from '@pgtable/core';
import { bytesSource, openMemory } from '@pgtable/memory';
import { kdumpImage, texturedPage, type KdumpCompression } from '../../packages/memory/test/synthetic.js';
import { expect, fuzzCase } from './harness.js';

const PAGE = 4096;
const FLAGS: Readonly<Record<string, number>> = { zlib: 1, lzo: 2, snappy: 4, zstd: 0x20 };

/** `size` zeros as a zlib stream; 64 MiB are 64 KiB, which is more than a page may take in the file. */
const ZLIB = [PAGE + 1, 2 * PAGE, 2 ** 20, 3 * 2 ** 20, 2 ** 26].map((size) => new Uint8Array(deflateSync(new Uint8Array(size), { level: 9 })));

function varint(value: bigint): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return bytes;
}

/** A frame with a content size that may lie, a window that may be huge, and blocks of one byte each. */
function zstdBomb(says: bigint, blocks: number, window: number | undefined): Uint8Array {
  const head = [0x28, 0xb5, 0x2f, 0xfd];
  const size = Array.from({ length: 8 }, (_, i) => Number((says >> BigInt(i * 8)) & 0xffn));
  const descriptor = window === undefined ? [0xe0, ...size] : [0xc0, window, ...size];
  const body = Array.from({ length: blocks }, (_, i) => {
    const header = (131072 << 3) | 2 | (i === blocks - 1 ? 1 : 0);
    return [header & 0xff, (header >> 8) & 0xff, (header >> 16) & 0xff, 0];
  });
  return Uint8Array.from([...head, ...descriptor, ...body.flat()]);
}

/** A literal and then one match that is as long as its length bytes say. */
function lzoBomb(zeros: number): Uint8Array {
  return Uint8Array.from([18, 0, 0x20, ...new Array<number>(zeros).fill(0), 255, 0, 0, 0x11, 0, 0]);
}

/** A literal and copies of 64 bytes each. */
function snappyBomb(says: bigint, copies: number): Uint8Array {
  return Uint8Array.from([...varint(says), 0, 0, ...new Array<number[]>(copies).fill([0xfe, 1, 0]).flat()]);
}

const anySays = fc.constantFrom(0n, 1n, 4095n, 4096n, 4097n, 65536n, 1n << 31n, (1n << 32n) - 1n, 1n << 40n, 1n << 63n, (1n << 64n) - 1n);
const anyBomb = fc.oneof(
  fc.record({ kind: fc.constant('zlib' as const), which: fc.nat(ZLIB.length - 1) }),
  fc.record({ kind: fc.constant('zstd' as const), says: anySays, blocks: fc.constantFrom(1, 2, 100, 900), window: fc.constantFrom(undefined, 0, 0x50, 0xa0, 0xf8, 0xff) }),
  fc.record({ kind: fc.constant('lzo' as const), zeros: fc.constantFrom(16, 100, 1000, 4000) }),
  fc.record({ kind: fc.constant('snappy' as const), says: anySays, copies: fc.constantFrom(1, 64, 1000, 1300) }),
);
const anyRun = fc.record({
  bomb: anyBomb,
  /** Wrong bytes in it: none for a pure bomb. */
  noise: fc.array(fc.tuple(fc.noBias(fc.nat(PAGE)), fc.nat(255)), { maxLength: 3 }),
  /** Which kind of page the descriptor says it is. */
  flags: fc.constantFrom('its own' as const, 'its own' as const, 'its own' as const, 'zlib' as const, 'lzo' as const, 'snappy' as const, 'zstd' as const),
});

/** A sound stream for the same decompressor: afterwards it must still work. */
function soundPage(kind: KdumpCompression): Uint8Array {
  return kdumpImage([{ address: 0x1000, bytes: texturedPage(3) }], { bits: 64, littleEndian: true }, { compression: kind });
}

export const bombs = fuzzCase('bombs', 'decompression bombs in kdump pages, for each compression', 0.03, anyRun, async ({ bomb, noise, flags }, context) => {
  const data =
    bomb.kind === 'zlib'
      ? (ZLIB[bomb.which] ?? new Uint8Array(0)).slice()
      : bomb.kind === 'zstd'
        ? zstdBomb(bomb.says, bomb.blocks, bomb.window)
        : bomb.kind === 'lzo'
          ? lzoBomb(bomb.zeros)
          : snappyBomb(bomb.says, bomb.copies);
  for (const [at, value] of noise) if (at < data.length) data[at] = value;
  const said = flags === 'its own' ? bomb.kind : flags;
  const image = kdumpImage([{ address: 0x1000, bytes: texturedPage(1) }], { bits: 64, littleEndian: true }, { encode: () => ({ data, flags: FLAGS[said] ?? 0 }) });
  const memory = await openMemory(bytesSource(image, 'bomb'));
  const before = process.memoryUsage().arrayBuffers;
  let code = 'read';
  try {
    await memory.read(0x1000, PAGE);
  } catch (error) {
    if (!isPgtableError(error)) throw error;
    code = error.code;
    expect(code === 'EBADMSG', () => `a bomb is refused with ${code}`);
  }
  context.count(code);
  const grown = process.memoryUsage().arrayBuffers - before;
  expect(grown < 64 * 2 ** 20, () => `${grown} bytes of buffers more than before`);
  // Nothing that is pure and too large passes; noise may by chance make a page.
  expect(code === 'EBADMSG' || noise.length > 0 || flags !== 'its own', () => `a ${bomb.kind} bomb passed as a page`);
  const sound = await openMemory(bytesSource(soundPage(said), 'sound'));
  const page = await sound.read(0x1000, PAGE);
  expect(page !== undefined && Buffer.compare(page, texturedPage(3)) === 0, () => `after a bomb, a sound ${said} page reads wrong`);
});
