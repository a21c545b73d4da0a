/** Integers and texts out of headers whose byte order is found at run time. */
import { PgtableError } from '@pgtable/core/errors';

/** The first address that no machine has: physical addresses here are below 2^56. */
export const ADDRESS_LIMIT = 2 ** 56;

/** A `DataView` over exactly the given bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * The 64-bit field at `offset` of `view` as a number.
 *
 * @param what - the field's name, for the message
 * @throws PgtableError `EBADMSG` if it is 2^53 or more: no offset, size or count of a real file is.
 */
export function readU64(view: DataView, offset: number, littleEndian: boolean, what: string): number {
  const value = view.getBigUint64(offset, littleEndian);
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw new PgtableError('EBADMSG', `${what} is 0x${value.toString(16)}, more than any file can hold`, {
    hint: 'The header is damaged; make the dump again.',
  });
}

/** `value` as an address: a number that is exact and below 2^56, or `undefined` if it has none. */
export function toAddress(value: bigint): number | undefined {
  const address = Number(value);
  return address < ADDRESS_LIMIT && BigInt(address) === value ? address : undefined;
}

/** The text at `start` of `bytes`, one byte a character, up to a NUL or to `length` bytes. */
export function textAt(bytes: Uint8Array, start: number, length: number): string {
  const end = Math.min(bytes.length, start + length);
  let text = '';
  for (let i = start; i < end; i++) {
    const byte = bytes[i] ?? 0;
    if (byte === 0) break;
    text += String.fromCharCode(byte);
  }
  return text;
}

/** `value` in hexadecimal with 0x, for messages. */
export function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

/** A number of bytes for people: in the largest binary unit that it reaches, and exactly. */
export function formatBytes(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  if (unit === 0) return `${bytes} bytes`;
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${units[unit] ?? ''} (${bytes} bytes)`;
}
