import { Vmcoreinfo, type PhysicalReader } from '@pgtable/core';
import { decodeAsce, type Asce } from './registers.js';

/*
 * The lowcore: 8 KiB for each processor, at real address 0 and so at absolute address `prefix`. That at absolute
 * address 0 belongs to nobody once Linux runs, and keeps what the boot left there.
 */

/** `vmcore_info`: absolute address of the VMCOREINFO note. Never moves ("do not change the position of any fields in 0x0e00-0x0f00"). */
const VMCORE_INFO = 0xe0c;
/** Where the kernel's own fields stand that the architecture does not define; `kernel_asce` is at 0x388 in Linux 6.12. */
const KERNEL_FIELDS = 0x200;
const KERNEL_FIELDS_END = 0x400;
/** No VMCOREINFO is longer: it has one page. */
const MAX_NOTE_BYTES = 0x4000;

/** A big-endian 64-bit value. */
export function u64(bytes: Uint8Array, offset: number): bigint {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(offset);
}

/** Text of one byte a letter, up to the first NUL. */
export function latin1(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return Array.from(end < 0 ? bytes : bytes.subarray(0, end), (byte) => String.fromCharCode(byte)).join('');
}

/** The VMCOREINFO that the lowcore at absolute address 0 points to; undefined if it does not. */
export async function lowcoreVmcoreinfo(memory: PhysicalReader): Promise<Vmcoreinfo | undefined> {
  const pointer = await memory.read(VMCORE_INFO, 8);
  if (pointer === undefined) return undefined;
  const address = u64(pointer, 0);
  // Early in boot the field holds the KASLR offset, made odd.
  if (address === 0n || (address & 1n) !== 0n || address >= 1n << 53n) return undefined;
  // An ELF note: namesz, descsz, type, "VMCOREINFO" padded to 12 bytes, then the text.
  const header = await memory.read(Number(address), 24);
  if (header === undefined) return undefined;
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const name = latin1(header.subarray(12, 24));
  const length = view.getUint32(4);
  if (view.getUint32(0) !== 11 || name !== 'VMCOREINFO' || length > MAX_NOTE_BYTES) return undefined;
  const desc = await memory.read(Number(address) + 24, length);
  if (desc === undefined) return undefined;
  return new Vmcoreinfo(latin1(desc), `the VMCOREINFO note at absolute address 0x${address.toString(16)}, which the lowcore points to`);
}

/** `kernel_asce` and `user_asce` of a lowcore. */
export interface LowcoreAsces {
  /** Offset of `kernel_asce` in the lowcore. */
  readonly offset: number;
  readonly kernel: Asce;
  /** What stands after it. */
  readonly user: Asce;
}

/**
 * What may be `kernel_asce` in a lowcore, which moves between releases: 64 bits with a table origin, a region-table type,
 * full length and no flag. `user_asce` is the next field.
 */
export async function lowcoreAsces(memory: PhysicalReader, lowcore: number): Promise<LowcoreAsces[]> {
  const bytes = await memory.read(lowcore + KERNEL_FIELDS, KERNEL_FIELDS_END - KERNEL_FIELDS);
  const found: LowcoreAsces[] = [];
  for (let at = 0; bytes !== undefined && at + 16 <= bytes.length; at += 8) {
    const kernel = decodeAsce(u64(bytes, at));
    const flags = kernel.value & 0x3fffn;
    // Tables of four pages are aligned to their size.
    if (kernel.table === 0 || (flags !== 0x7n && flags !== 0xbn && flags !== 0xfn)) continue;
    found.push({ offset: KERNEL_FIELDS + at, kernel, user: decodeAsce(u64(bytes, at + 8)) });
  }
  return found;
}
