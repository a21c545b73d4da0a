import type { FlushPromise, HandleFamily, Prot } from '@pgtable/core';
import type { AddressSpace } from './address-space.js';
import { mapRange } from './map-range.js';
import { protectRange } from './protect-range.js';
import { unmapRange } from './unmap-range.js';

/**
 * `vmap_range_noflush` of mm/vmalloc.c: {@link mapRange} by its end, and by the shift of the largest page.
 *
 * @throws PgtableError as {@link mapRange}
 */
export function vmapRange<H extends HandleFamily>(space: AddressSpace<H>, start: bigint, end: bigint, pa: number, prot: Prot, maxPageShift: number): void {
  mapRange(space, start, pa, Number(end - start), prot, { largestPage: 2 ** maxPageShift });
}

/**
 * `vunmap_range` of mm/vmalloc.c: {@link unmapRange} by its end, flushed. Tables stay.
 *
 * @throws PgtableError as {@link unmapRange}
 */
export function vunmapRange<H extends HandleFamily>(space: AddressSpace<H>, start: bigint, end: bigint): void {
  unmapRange(space, start, Number(end - start)).flush();
}

/**
 * `change_protection` of mm/mprotect.c: {@link protectRange} by its end.
 *
 * @throws PgtableError as {@link protectRange}
 */
export function changeProtection<H extends HandleFamily>(space: AddressSpace<H>, start: bigint, end: bigint, prot: Prot): FlushPromise<number> {
  return protectRange(space, start, Number(end - start), prot);
}
