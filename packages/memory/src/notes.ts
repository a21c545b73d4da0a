/** The notes of ELF cores and kdump files: a list of (owner, type, payload) records. */
import { PgtableError } from '@pgtable/core/errors';
import { textAt, viewOf } from './fields.js';
import type { Note } from './memory.js';

/** Most notes that are kept: 16 for each of 65536 CPUs. */
const MAX_NOTES = 2 ** 20;
const HEADER_SIZE = 12;

/**
 * Appends the notes in `bytes` to `notes`. A record is three 32-bit words (name size, payload size, type), the name
 * with a final NUL, and the payload; name and payload are padded to `align` (ELF gABI, "Note Section"; 8 only where
 * the segment's `p_align` is 8, as in the Linux kernel). Records that are all zero are padding.
 *
 * @returns what is wrong with the rest of the bytes, or `undefined` if all could be read
 * @throws PgtableError `ENOMEM` if there are more than 2^20 notes
 */
export function parseNotes(bytes: Uint8Array, littleEndian: boolean, align: 4 | 8, notes: Note[]): string | undefined {
  const view = viewOf(bytes);
  const padded = (size: number): number => Math.ceil(size / align) * align;
  let at = 0;
  while (at + HEADER_SIZE <= bytes.length) {
    const nameSize = view.getUint32(at, littleEndian);
    const descSize = view.getUint32(at + 4, littleEndian);
    const type = view.getUint32(at + 8, littleEndian);
    const desc = at + padded(HEADER_SIZE + nameSize);
    const end = desc + descSize;
    if (end > bytes.length) return `the note at byte ${at} runs past the end of its segment`;
    if (nameSize !== 0 || descSize !== 0 || type !== 0) {
      if (notes.length === MAX_NOTES) throw new PgtableError('ENOMEM', `there are more than ${MAX_NOTES} notes`);
      notes.push({ name: textAt(bytes, at + HEADER_SIZE, nameSize), type, desc: bytes.slice(desc, end) });
    }
    at = desc + padded(descSize);
  }
  return undefined;
}
