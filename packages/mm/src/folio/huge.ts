import { geometryOf, type HandleFamily } from '@pgtable/core';
import { MAX_ORDER } from '../frames/frames.js';
import type { Mm } from '../kernel/mm.js';

/**
 * `HPAGE_PMD_ORDER`: log2 of the pages that one pmd entry maps. Undefined where an address space has no such pages: there are no PMD tables, the level has no leaves, or no block of memory is so large (arm64 with
 * pages of 16 KiB and 64 KiB, where the kernel's largest block is larger than this model's).
 *
 * Locking: none.
 */
export function hugePmdOrder<H extends HandleFamily>(mm: Mm<H>): number | undefined {
  const { geometry, values } = mm.arch;
  const { folded, shift } = geometryOf(geometry, 'pmd');
  const order = shift - Math.log2(geometry.pageBytes);
  return folded || order > MAX_ORDER || !values.pmd.features.has('leaf') ? undefined : order;
}

/** `HPAGE_PMD_SIZE`. Locking: none. */
export function hugePmdBytes<H extends HandleFamily>(mm: Mm<H>): number {
  return 2 ** geometryOf(mm.arch.geometry, 'pmd').shift;
}
