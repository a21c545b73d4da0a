import { badLeaf, leafAddress, tableAddress, type EntryFormat } from './entry-format.js';
import { EntryKind, type ScanBuffer, type ScanFilter } from './scan.js';
import { HIGH_WORD, LOW_WORD } from './table-memory.js';

/**
 * {@link LevelOps.scan} over table memory: entries of 32 or 64 bits whose layout is an {@link EntryFormat}.
 *
 * A run is found by comparing each entry with the one that would continue it: for leaves of a contiguous scan the entry
 * before plus one page, else the first entry again. That is two loads and one compare an entry; an entry is only taken
 * apart where a run begins.
 *
 * @param base index of the table's first entry in `words`
 * @param stride 32-bit words of an entry: 1 or 2
 * @param levelNumber of the table's entries, for the filter's masks
 * @returns the first entry that was not read
 */
export function scanWords(
  words: Int32Array,
  base: number,
  stride: 1 | 2,
  levelNumber: number,
  first: number,
  end: number,
  format: EntryFormat,
  filter: ScanFilter,
  out: ScanBuffer,
): number {
  if ((base + end) * stride >= 2 ** 31) {
    // More than 8 GiB of tables: the loops below count words in int32.
    return scanWords(words.subarray(base * stride, (base + end) * stride), 0, stride, levelNumber, first, end, format, filter, out);
  }
  const low = (stride === 2 ? LOW_WORD : 0) | 0;
  const high = HIGH_WORD | 0;
  const wide = stride === 2;
  const { contiguous } = filter;
  const filterLo = filter.maskLo[levelNumber]!;
  const filterHi = filter.maskHi[levelNumber]!;
  const kindLo = format.validMask | format.tableMask | format.leafMask | format.reservedLeafLo | format.forbiddenLo;
  const kindHi = format.reservedLeafHi | format.forbiddenHi | format.napotHi;
  const rawStep = format.bytes / format.paScale;
  const step = contiguous && rawStep < 2 ** 31 ? rawStep | 0 : 0;
  // Where the address field of the low word ends, counted from bit 0; 2 ** 32 if it goes on in the high word.
  const field = format.leafPaLo | (step - 1);
  const fieldEnd = (~field & (field + 1)) >>> 0 || 2 ** 32;
  const fieldMask = (fieldEnd - 1) | 0;

  let i = first;
  while (i < end) {
    if (out.count === out.capacity) return i;
    const at = (base + i) * stride;
    const lo = words[at + low]!;
    const hi = wide ? (words[at + high]!) : 0;

    if ((lo & format.validMask) !== format.validValue) {
      const empty = lo === format.emptyLo && hi === format.emptyHi;
      // Non-present entries are compared whole in a contiguous scan: there every bit may say where the page is.
      const maskLo = empty || contiguous ? -1 : filterLo | format.validMask;
      const maskHi = empty || contiguous ? -1 : filterHi;
      const stop = ((base + end) * stride) | 0;
      let p = (at + stride) | 0;
      for (; p < stop; p = (p + stride) | 0) {
        const nextLo = words[p + low]!;
        const nextHi = wide ? (words[p + high]!) : 0;
        if ((((nextLo ^ lo) & maskLo) | ((nextHi ^ hi) & maskHi)) !== 0) break;
        if (!empty && nextLo === format.emptyLo && nextHi === format.emptyHi) break;
      }
      const j = i + (wide ? (p - at) >> 1 : p - at);
      out.push(empty ? EntryKind.None : EntryKind.NonPresent, i, j - i, lo, hi, 0);
      i = j;
      continue;
    }

    if ((lo & format.tableMask) === format.tableValue) {
      const bad = ((lo & format.reservedTableLo) | (hi & format.reservedTableHi)) !== 0;
      out.push(bad ? EntryKind.Bad : EntryKind.Table, i, 1, lo, hi, bad ? 0 : tableAddress(format, lo, hi));
      i++;
      continue;
    }

    if (badLeaf(format, lo, hi)) {
      out.push(EntryKind.Bad, i, 1, lo, hi, 0);
      i++;
      continue;
    }

    let pa = leafAddress(format, lo, hi);
    let runEnd = end;
    let runStep = step;
    let maskLo: number;
    let maskHi: number;
    if (contiguous) {
      maskLo = filterLo | kindLo | format.leafPaLo | format.highLo;
      maskHi = filterHi | kindHi | format.leafPaHi;
      if ((hi & format.napotHi) !== 0) {
        const group = napotEntries(format, lo);
        if (group === 0) {
          out.push(EntryKind.Bad, i, 1, lo, hi, 0);
          i++;
          continue;
        }
        // All entries of a group are the same bits: within it the address comes from the index.
        const place = i & (group - 1);
        pa = napotAddress(format, lo, hi, group) + place * format.bytes;
        runStep = 0;
        runEnd = Math.min(end, i - place + group);
      } else {
        // Past the end of its field the address goes on elsewhere, if at all: a run ends there, before it would carry into other bits.
        const left = fieldEnd - ((lo & fieldMask) >>> 0);
        if (runStep === 0) runEnd = i + 1;
        // `| 0`: a double here would make every comparison of the loop below one of doubles.
        else if (left < (end - i) * runStep) runEnd = (i + Math.ceil(left / runStep)) | 0;
      }
    } else {
      maskLo = (filterLo & ~(format.leafPaLo | format.highLo)) | kindLo;
      maskHi = (filterHi & ~format.leafPaHi) | kindHi;
      if ((hi & format.napotHi) !== 0) {
        const group = napotEntries(format, lo);
        if (group === 0) {
          out.push(EntryKind.Bad, i, 1, lo, hi, 0);
          i++;
          continue;
        }
        pa = napotAddress(format, lo, hi, group) + (i & (group - 1)) * format.bytes;
        // The group size stands in address bits, so it ends a run here.
        maskLo |= format.leafPaLo;
        runEnd = Math.min(end, i - (i & (group - 1)) + group);
      }
    }

    // One counter, in words, that is an int32 for certain. Two counters, or one that might leave the int32s, cost a third more
    // (measured over 16 Mi entries in mixed runs: 3.7 and 3.9 ns an entry against 2.9).
    let p = (at + stride) | 0;
    let expected = lo;
    if (wide) {
      const stop = ((base + runEnd) * 2) | 0;
      // Four entries a branch for as long as they all continue the run, then the one that does not: 1.3 ns an entry against 2.1.
      for (; p < stop - 6; p = (p + 8) | 0) {
        const second = (expected + runStep * 2) | 0;
        const fourth = (second + runStep * 2) | 0;
        const differsLo = (words[p + low]! ^ (expected + runStep)) | (words[p + low + 2]! ^ second) | (words[p + low + 4]! ^ (second + runStep)) | (words[p + low + 6]! ^ fourth);
        const differsHi = (words[p + high]! ^ hi) | (words[p + high + 2]! ^ hi) | (words[p + high + 4]! ^ hi) | (words[p + high + 6]! ^ hi);
        if (((differsLo & maskLo) | (differsHi & maskHi)) !== 0) break;
        expected = fourth;
      }
      for (; p < stop; p = (p + 2) | 0) {
        expected = (expected + runStep) | 0;
        if ((((words[p + low]! ^ expected) & maskLo) | ((words[p + high]! ^ hi) & maskHi)) !== 0) break;
      }
    } else {
      const stop = (base + runEnd) | 0;
      for (; p < stop; p = (p + 1) | 0) {
        expected = (expected + runStep) | 0;
        if (((words[p]! ^ expected) & maskLo) !== 0) break;
      }
    }
    const j = i + (wide ? (p - at) >> 1 : p - at);
    out.push(EntryKind.Leaf, i, j - i, lo, hi, pa);
    i = j;
  }
  return i;
}

/**
 * Entries of a NAPOT group: the address bits of its entries are `...y1000` for 16 pages of 4 KiB, the only size that the
 * manual defines. @see RISC-V Privileged, Svnapot
 *
 * Returns: 0 where the encoding is reserved.
 */
export function napotEntries(format: EntryFormat, lo: number): number {
  const lowestAddressBit = format.leafPaLo & -format.leafPaLo;
  return (lo & (lowestAddressBit * 15)) === lowestAddressBit * 8 ? 16 : 0;
}

/** The physical address of the first page of a NAPOT group. */
export function napotAddress(format: EntryFormat, lo: number, hi: number, group: number): number {
  const address = leafAddress(format, lo, hi);
  return address - (address % (group * format.bytes));
}
