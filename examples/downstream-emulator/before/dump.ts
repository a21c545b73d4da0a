import {
  entryVal, hexAddress, isSwapPte, PgtableError, pteDirty, pteNone, ptePfn, ptePresent, pteProtnone, pteSpecial, pteToSwpEntry, pteWrite, pteYoung,
  type PteVal,
} from '@pgtable/core';
import { R_LO, U_LO, X_LO } from '@pgtable/arch-riscv';
import type { Ptep } from './family.js';
import { PAGE, pgdLookup, pmdLookup, pteLookup, pteRanges, type Mm, type PteRange } from './mm.js';

/** Bits of an entry that a listing shows, in its order. */
const FLAGS: readonly (readonly [number, string])[] = [[R_LO, 'r'], [X_LO, 'x'], [U_LO, 'u']];
const ENTRIES = 512;
/** Digits of an address of Sv39. */
const DIGITS = 10;

/** Lists what the tables say: a line for each run of pages that are alike, as ptdump does. */
export function dumpTables(mm: Mm): string[] {
  const lines: string[] = [];
  for (const vma of mm.vmas) {
    lines.push(`${hexAddress(vma.start, DIGITS)}-${hexAddress(vma.end, DIGITS)} ${vma.file?.name ?? '[anon]'}`);
    for (const range of pteRanges(mm, vma.start, vma.end)) dumpRange(mm, range, lines);
  }
  return lines;
}

function dumpRange(mm: Mm, range: PteRange, lines: string[]): void {
  const { arch, kernel, tables } = mm;
  let run = 0;
  // The entry that began the run, as it was when it was looked at.
  let began: Ptep = kernel.stack.push(entryVal('pte', tables.elements[range.first]!));
  const end = (range.first + range.count) as Ptep;
  for (let ptep = range.first; ptep < end; ptep++) {
    const pte = entryVal('pte', tables.elements[ptep]!);
    if (describe(mm, pte) === describe(mm, kernel.stack.get(began))) {
      run++;
      continue;
    }
    lines.push(runLine(mm, range, (ptep - run) as Ptep, run, began));
    kernel.stack.pop();
    began = kernel.stack.push(pte);
    run = 1;
  }
  lines.push(runLine(mm, range, (end - run) as Ptep, run, began));
  kernel.stack.pop();
  if (run > arch.geometry.levels[0].entries) throw new PgtableError('EINVAL', `a run of ${run} entries ends at entry ${end}`);
}

/** @param began what the first entry of the run was */
function runLine(mm: Mm, range: PteRange, first: Ptep, run: number, began: Ptep): string {
  const { kernel } = mm;
  const address = range.address + BigInt(Number(first) - Number(range.first)) * PAGE;
  return `  ${hexAddress(address, DIGITS)} ${String(run).padStart(4)} ${describe(mm, kernel.stack.get(began))}`;
}

/** What an entry says, in few characters; entries of different frames are alike. */
export function describe({ arch }: Mm, pte: PteVal): string {
  if (pteNone(arch, pte)) return 'none';
  if (isSwapPte(arch, pte)) return 'swap';
  const flags = FLAGS.map(([bit, name]) => ((pte & BigInt(bit)) === 0n ? '-' : name)).join('');
  const marks = [pteWrite(arch, pte) ? 'w' : '-', pteYoung(arch, pte) ? 'Y' : '-', pteDirty(arch, pte) ? 'D' : '-', pteSpecial(arch, pte) ? 'Z' : '-'];
  return `${flags}${marks.join('')}${pteProtnone(arch, pte) ? 'N' : ''}`;
}

/** One character for each page, as a map of what is where: `.` nothing, `S` swap, `z` zeros, `c` clean, `D` dirty, in capitals or `Y` where young. */
export function residency(mm: Mm, start: bigint, pages: number): string {
  const { arch, tables } = mm;
  let map = '';
  for (let index = 0; index < pages; index++) {
    const ptep = pteLookup(mm, start + BigInt(index) * PAGE);
    if (ptep === undefined) {
      map += '.';
      continue;
    }
    const { [ptep]: bits } = tables.elements;
    const pte = entryVal('pte', bits!);
    if (pteNone(arch, pte)) map += '.';
    else if (isSwapPte(arch, pte)) map += 'S';
    else if (pteSpecial(arch, pte)) map += 'z';
    else if (pteDirty(arch, pte)) map += pteYoung(arch, pte) ? 'D' : 'd';
    else map += pteYoung(arch, pte) ? 'C' : 'c';
  }
  return map;
}

/** Pages of an address space by what they are: /proc/PID/smaps, summed. */
export interface PageCounts {
  present: number;
  swap: number;
  zero: number;
  young: number;
  dirty: number;
  writable: number;
}

/** Counts the pages of an address space. */
export function countPages(mm: Mm): PageCounts {
  const { arch, tables } = mm;
  const counts: PageCounts = { present: 0, swap: 0, zero: 0, young: 0, dirty: 0, writable: 0 };
  for (const vma of mm.vmas) {
    for (const range of pteRanges(mm, vma.start, vma.end)) {
      for (let index = 0; index < range.count; index++) {
        const pte = entryVal('pte', tables.elements[range.first + index]!);
        if (isSwapPte(arch, pte)) counts.swap++;
        if (!ptePresent(arch, pte)) continue;
        if (pteSpecial(arch, pte)) counts.zero++;
        else counts.present++;
        if (pteYoung(arch, pte)) counts.young++;
        if (pteDirty(arch, pte)) counts.dirty++;
        if (pteWrite(arch, pte)) counts.writable++;
      }
    }
  }
  return counts;
}

/** /proc/PID/pagemap, as text: where each page is. */
export function pagemap(mm: Mm, start: bigint, pages: number): string[] {
  const { arch, tables } = mm;
  const lines: string[] = [];
  for (const range of pteRanges(mm, start, start + BigInt(pages) * PAGE)) {
    let address = range.address;
    let ptep = range.first;
    for (let left = range.count; left > 0; left--) {
      const pte = entryVal('pte', tables.elements[ptep]!);
      ptep++;
      if (isSwapPte(arch, pte)) lines.push(`${hexAddress(address, DIGITS)} swap ${pteToSwpEntry(arch, pte).offset}`);
      else if (ptePresent(arch, pte)) lines.push(`${hexAddress(address, DIGITS)} frame ${ptePfn(arch, pte)}`);
      address += PAGE;
    }
  }
  return lines;
}

/** Tables of an address space by level, the root among them: what is in use of them. */
export function countTables(mm: Mm): { pmd: number; pte: number; entries: number } {
  const { arch, tables } = mm;
  const counts = { pmd: 0, pte: 0, entries: 0 };
  // The lower half of the root is the program's.
  let pgdp = pgdLookup(mm, 0n);
  for (let top = 0; top < ENTRIES / 2; top++) {
    const pgd = entryVal('pgd', tables.elements[pgdp]!);
    pgdp++;
    if (pgd === 0n) continue;
    counts.pmd++;
    let pmdp = pmdLookup(mm, BigInt(top) << 30n)!;
    for (let middle = 0; middle < ENTRIES; middle++) {
      const pmd = entryVal('pmd', tables.elements[pmdp]!);
      pmdp++;
      if (pmd === 0n) continue;
      counts.pte++;
      const first = tables.find('pte', arch.values.pmd.table(pmd)) as Ptep;
      // Both words of each entry.
      for (let index = 0; index < ENTRIES; index++) {
        const low = tables.words[(first + index) * 2]!;
        const high = tables.words[(first + index) * 2 + 1]!;
        if ((low | high) !== 0) counts.entries++;
      }
    }
  }
  return counts;
}

/** Everything that the program can see, as one number (FNV-1a, 32 bits); where it is does not count. */
export function checksum(mm: Mm): string {
  const { arch, kernel, tables } = mm;
  let hash = 0x811c9dc5;
  const add = (bytes: Uint8Array): void => {
    for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  };
  for (const vma of mm.vmas) {
    for (let address = vma.start; address < vma.end; address += PAGE) {
      const ptep = pteLookup(mm, address);
      if (ptep === undefined) continue;
      const pte = entryVal('pte', tables.elements[ptep]!);
      if (isSwapPte(arch, pte)) add(kernel.swap.peek(Number(pteToSwpEntry(arch, pte).offset)));
      else if (ptePresent(arch, pte)) add(kernel.ram.frame(ptePfn(arch, pte)));
    }
  }
  return (hash >>> 0).toString(16).padStart(8, '0');
}
