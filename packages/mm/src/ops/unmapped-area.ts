import { PgtableError, type HandleFamily } from '@pgtable/core';
import { hugePmdBytes, hugePmdOrder } from '../folio/huge.js';
import type { Mm } from '../kernel/mm.js';

/** Where new mappings go. */
export type MmapLayout = 'topDown' | 'bottomUp';

/** `mmap_min_addr` (CONFIG_DEFAULT_MMAP_MIN_ADDR of most distributions): nothing is mapped below, so that a null pointer leads nowhere. */
const MMAP_MIN_ADDRESS = 65_536;

/**
 * `get_unmapped_area()`: addresses that no VMA has. Top down the highest that are free, bottom up the lowest from a third of the address space on (`TASK_UNMAPPED_BASE`). Ranges that are made of huge pages
 * begin at one (`thp_get_unmapped_area()`).
 *
 * Locking: the mmap lock to write, or somebody else takes what was found.
 *
 * @param bytes a multiple of the page size
 * @param hint page aligned: taken if it is free
 * @throws PgtableError `ENOMEM` if no gap is so large
 * @see mm/mmap.c, Linux 6.12
 */
export function getUnmappedArea<H extends HandleFamily>(mm: Mm<H>, bytes: number, hint?: number, layout: MmapLayout = 'topDown'): number {
  const { start: low, end: high } = taskWindow(mm);
  if (hint !== undefined && hint >= low && hint + bytes <= high && mm.vmas(hint, hint + bytes).length === 0) return hint;
  const huge = hugePmdOrder(mm) === undefined ? undefined : hugePmdBytes(mm);
  const aligned = huge !== undefined && bytes % huge === 0 ? search(mm, bytes, huge, low, high, layout) : undefined;
  const found = aligned ?? search(mm, bytes, mm.pageBytes, low, high, layout);
  if (found !== undefined) return found;
  throw new PgtableError('ENOMEM', `address space ${mm.id} has no ${bytes} addresses in a row that are free`, { hint: 'unmap something' });
}

/** `mmap_min_addr` to `TASK_SIZE`: the addresses that mappings may have. */
export function taskWindow<H extends HandleFamily>(mm: Mm<H>): { readonly start: number; readonly end: number } {
  // A root that is an address space's has one window at least.
  const window = mm.root.windows[0]!;
  // The last page is nobody's: an instruction at its end would be followed by one of the kernel's (TASK_SIZE of x86), and ends of ranges could not be told from errors.
  return { start: Math.max(window.start, Math.ceil(MMAP_MIN_ADDRESS / mm.pageBytes) * mm.pageBytes), end: window.end - mm.pageBytes };
}

function search<H extends HandleFamily>(mm: Mm<H>, bytes: number, align: number, low: number, high: number, layout: MmapLayout): number | undefined {
  if (layout === 'topDown') return topDown(mm, bytes, align, low, high) ?? bottomUp(mm, bytes, align, unmappedBase(low, high, align), high);
  return bottomUp(mm, bytes, align, unmappedBase(low, high, align), high);
}

function unmappedBase(low: number, high: number, align: number): number {
  return Math.max(low, Math.ceil(high / 3 / align) * align);
}

function bottomUp<H extends HandleFamily>(mm: Mm<H>, bytes: number, align: number, low: number, high: number): number | undefined {
  let free = Math.ceil(low / align) * align;
  for (const vma of mm.vmas(low, high)) {
    if (free + bytes <= vma.start) return free;
    free = Math.max(free, Math.ceil(vma.end / align) * align);
  }
  return free + bytes <= high ? free : undefined;
}

function topDown<H extends HandleFamily>(mm: Mm<H>, bytes: number, align: number, low: number, high: number): number | undefined {
  let end = high;
  for (const vma of mm.vmas(low, high).reverse()) {
    const start = Math.floor((end - bytes) / align) * align;
    if (start >= vma.end && start >= low) return start;
    end = Math.min(end, vma.start);
  }
  const start = Math.floor((end - bytes) / align) * align;
  return start >= low ? start : undefined;
}
