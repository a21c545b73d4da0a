import { PgtableError } from '@pgtable/core';
import type { HandleFamily } from '@pgtable/core';
import type { Kernel } from '../kernel/kernel.js';
import { VmaFlags } from '../kernel/vma-flags.js';
import type { Vma } from '../kernel/vma.js';

/** For which VMAs larger pages are: all but those with `NoHugePage`, those with `HugePage` (madvise), none. */
export type HugePolicyWhen = 'always' | 'madvise' | 'never';

/**
 * When anonymous faults map more than a page: what a kernel has in /sys/kernel/mm/transparent_hugepage, `enabled` of each `hugepages-*kB`.
 */
export interface HugePolicy {
  /** Pages that one pmd entry maps. */
  readonly pmd: HugePolicyWhen;
  /** Blocks between the two: mTHP. */
  readonly mthp: HugePolicyWhen;
  /** Their sizes, as log2 of their pages: 1 and more. */
  readonly orders: readonly number[];
}

const DEFAULT: HugePolicy = { pmd: 'madvise', mthp: 'never', orders: [] };
const policies = new WeakMap<object, HugePolicy>();

/**
 * Says when anonymous faults of this JavaScript thread map more than a page. Without it: huge pages where madvise asks for them, nothing in between.
 *
 * Locking: none; every thread has its own, as each has its own object for a kernel.
 *
 * @returns what held before
 * @throws PgtableError `EINVAL` for orders that are none
 */
export function setHugePolicy<H extends HandleFamily>(kernel: Kernel<H>, policy: HugePolicy): HugePolicy {
  if (policy.orders.some((order) => !Number.isInteger(order) || order < 1)) {
    throw new PgtableError('EINVAL', `faults cannot map blocks of orders ${policy.orders.join(', ')}`, { hint: 'an order is a whole number from 1 on: log2 of the pages' });
  }
  const before = hugePolicyOf(kernel);
  policies.set(kernel, { ...policy, orders: [...policy.orders].sort((a, b) => b - a) });
  return before;
}

/** What {@link setHugePolicy} said; the largest order first. Locking: none. */
export function hugePolicyOf<H extends HandleFamily>(kernel: Kernel<H>): HugePolicy {
  return policies.get(kernel) ?? DEFAULT;
}

/** Whether a VMA is one of those. */
export function isEligible<H extends HandleFamily>(vma: Vma<H>, when: HugePolicyWhen): boolean {
  if ((vma.flags & VmaFlags.NoHugePage) !== 0 || when === 'never') return false;
  return when === 'always' || (vma.flags & VmaFlags.HugePage) !== 0;
}

/** `thp_vma_suitable_order()`: whether the block of that size that an address is in lies inside of the VMA. */
export function suitable<H extends HandleFamily>(vma: Vma<H>, address: number, bytes: number): boolean {
  const start = Math.floor(address / bytes) * bytes;
  return start >= vma.start && start + bytes <= vma.end;
}
