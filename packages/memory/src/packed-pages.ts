/**
 * Pages that an ELF core of ours carries compressed in a note, because a segment cannot be compressed: dense page tables
 * that nothing but their size speaks against. Other readers see the note and not the pages.
 *
 * The note is `PGTABLE`, type 2, little-endian: u32 number of pages, u32 bytes of a page, a u64 address for each page, then
 * the pages one after the other as one zlib stream.
 */
import { zlibSync } from 'fflate';
import { PgtableError } from '@pgtable/core/errors';
import { loadDecompressor } from './decompress.js';
import type { ElfSegment } from './elf-writer.js';
import { toAddress, viewOf } from './fields.js';
import type { Note } from './memory.js';

const NAME = 'PGTABLE';
const TYPE = 2;
/** Bytes of pages that a note may hold: tables of more belong into segments. */
const MAX_BYTES = 64 * 2 ** 20;

/** Pages out of a note: `bytes` holds them one after the other, in the order of `addresses`. */
export interface PackedPages {
  readonly addresses: readonly number[];
  readonly pageBytes: number;
  readonly bytes: Uint8Array;
}

/**
 * A note that holds these pages.
 *
 * @param pages all of one size
 * @throws PgtableError `EINVAL` if they differ in size, or are more than 64 MiB
 */
export function packPages(pages: readonly ElfSegment[]): Note {
  const pageBytes = pages[0]?.bytes.length ?? 0;
  if (pages.some(({ bytes }) => bytes.length !== pageBytes) || pages.length * pageBytes > MAX_BYTES) {
    throw new PgtableError('EINVAL', `${pages.length} pages cannot be packed into one note: they differ in size, or are more than ${MAX_BYTES} bytes`);
  }
  const all = new Uint8Array(pages.length * pageBytes);
  pages.forEach(({ bytes }, at) => {
    all.set(bytes, at * pageBytes);
  });
  const packed = zlibSync(all, { level: 9 });
  const desc = new Uint8Array(8 + pages.length * 8 + packed.length);
  const view = viewOf(desc);
  view.setUint32(0, pages.length, true);
  view.setUint32(4, pageBytes, true);
  pages.forEach(({ address }, at) => {
    view.setBigUint64(8 + at * 8, BigInt(address), true);
  });
  desc.set(packed, 8 + pages.length * 8);
  return { name: NAME, type: TYPE, desc };
}

/**
 * The pages that a dump carries in its notes.
 *
 * @throws PgtableError `EBADMSG` if such a note is damaged or lies about its size
 */
export async function unpackPages(notes: readonly Note[], file: string): Promise<PackedPages[]> {
  const found = notes.filter(({ name, type }) => name === NAME && type === TYPE);
  if (found.length === 0) return [];
  const inflate = await loadDecompressor('zlib');
  let total = 0;
  return found.map(({ desc }) => {
    const view = viewOf(desc);
    const count = desc.length < 8 ? 0 : view.getUint32(0, true);
    const pageBytes = desc.length < 8 ? 0 : view.getUint32(4, true);
    total += count * pageBytes;
    const head = 8 + count * 8;
    if (count === 0 || pageBytes === 0 || head > desc.length || total > MAX_BYTES) throw damaged(file);
    const addresses = Array.from({ length: count }, (_, at) => toAddress(view.getBigUint64(8 + at * 8, true)));
    const bytes = new Uint8Array(count * pageBytes);
    if (addresses.includes(undefined) || !inflate(desc.subarray(head), bytes)) throw damaged(file);
    return { addresses: addresses.filter((address) => address !== undefined), pageBytes, bytes };
  });
}

function damaged(file: string): PgtableError {
  return new PgtableError('EBADMSG', `${file}: its note of packed pages is damaged`, { hint: 'Copy the file again, or extract it again.' });
}
