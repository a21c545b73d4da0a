import { EntryKind, hexAddress, Insecure, levelNumber, ptdumpSize, type Level, type PtdumpStyle } from '@pgtable/core';
import { CRST_LARGE, PAGE_INVALID, PAGE_NOEXEC, PAGE_PROTECT } from './bits.js';
import type { FullConfig } from './config.js';

/** The bits that the kernel compares: P and IEP, which stand at the same place at all levels, and "invalid". */
const PROTECTION = PAGE_PROTECT | PAGE_NOEXEC;

/** The kernel counts levels from the ASCE down, so its names are one off from ours. */
const NAMES: Readonly<Record<Level, string>> = { pgd: 'ASCE', p4d: 'PGD', pud: 'PUD', pmd: 'PMD', pte: 'PTE' };

/** End of the first page of the address space, where the lowcore is. */
const FIRST_PAGE_END = 4096;

/**
 * The kernel's listing.
 *
 * The W+X check leaves out the first page if the kernel needs to run instructions there: without the BEAR
 * enhancement facility (before z16), and when it uses trampolines against Spectre. Neither is in a dump in so many words,
 * but without BEAR the kernel makes that very page executable. So it counts as meant to be whenever it is.
 *
 * @see arch/s390/mm/dump_pagetables.c, vmem_map_init() in arch/s390/mm/vmem.c (Linux 6.12)
 */
export function s390Ptdump(config: Pick<FullConfig, 'noexec' | 'lowcoreExecutable'>): PtdumpStyle {
  const passed = config.lowcoreExecutable === false ? 'passed, no W+X pages found' : 'passed, no unexpected W+X pages found';
  return {
    source: 'arch/s390/mm/dump_pagetables.c, Linux 6.12',
    // From 0 to the limit of the table type, whatever the table length.
    ranges: (root) => [{ start: 0, end: 2 ** (31 + 11 * (levelNumber(root.top) - 1)) }],
    maskLo: new Int32Array(5).fill(PROTECTION | PAGE_INVALID),
    maskHi: new Int32Array(5),
    attributes(kind, level, lo, _hi, out) {
      out[0] = lineBits(kind, level, lo);
      out[1] = 0;
    },
    effective: () => 0,
    heading: '---[ Kernel Virtual Address Space ]---',
    markerAdvance: 'all',
    prints: () => true,
    line: (start, end, _pa, level, lo) => `${hexAddress(start)}-${hexAddress(end)} ${ptdumpSize(end - start, 'KMGTPE', 1024)} ${NAMES[level]} ${protection(lo)}`,
    insecure(end, _level, lo) {
      // MACHINE_HAS_NX: else the kernel does not check.
      if (!config.noexec || (lo & (PROTECTION | PAGE_INVALID)) !== 0) return 0;
      return end === FIRST_PAGE_END ? 0 : Insecure.WritableExecutable;
    },
    finding: (_insecure, _address, symbol) => `s390/mm: Found insecure W+X mapping at address ${symbol}`,
    verdict({ writableExecutable }) {
      if (!config.noexec) return 'W+X mappings not checked: no instruction-execution protection';
      return `Checked W+X mappings: ${writableExecutable > 0 ? `FAILED, ${writableExecutable} W+X pages found` : passed}`;
    },
  };
}

/**
 * What counts of an entry: PAGE_INVALID alone for page-table entries that are invalid and for holes above. Of a large entry
 * the kernel looks at the protection even if it is invalid.
 */
function lineBits(kind: EntryKind, level: Level, lo: number): number {
  if (level === 'pte') return (lo & PAGE_INVALID) !== 0 || kind === EntryKind.None ? PAGE_INVALID : lo & PROTECTION;
  const large = kind === EntryKind.Leaf || ((level === 'pmd' || level === 'pud') && kind !== EntryKind.None && (lo & CRST_LARGE) !== 0);
  return large ? lo & PROTECTION : PAGE_INVALID;
}

function protection(lo: number): string {
  if ((lo & PAGE_INVALID) !== 0) return 'I';
  return `${(lo & PAGE_PROTECT) !== 0 ? 'RO' : 'RW'} ${(lo & PAGE_NOEXEC) !== 0 ? 'NX' : 'X'}`;
}
