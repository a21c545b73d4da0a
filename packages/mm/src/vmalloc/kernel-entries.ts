import { geometryOf, type EntryVal, type HandleFamily, type HugePage, type Level, type WritableArch } from '@pgtable/core';
import type { EntryAt } from '@pgtable/walk';
import { MAX_ORDER } from '../frames/frames.js';
import type { Mm } from '../kernel/mm.js';
import { mmAllocPmd, mmAllocPud, p4dAlloc, pgdOf, pteAllocKernel } from '../tables/table-alloc.js';

/** An entry of the kernel's tables: the one that ends the way down for an address. */
export interface KernelEntry<H extends HandleFamily> {
  readonly at: EntryAt<H>;
  /** What it was, read once. */
  readonly value: EntryVal<Level>;
}

/**
 * `lookup_address()`: the entry that ends the way down for an address: a leaf, or what is no table.
 *
 * Locking: the tables of the address are not freed meanwhile: the caller owns the range, or has the mmap lock.
 *
 * @see arch/x86/mm/pat/set_memory.c, Linux 6.12
 */
export function lookupAddress<H extends HandleFamily>(mm: Mm<H>, address: number): KernelEntry<H> {
  const { arch: { ops, values } } = mm;
  const va = BigInt(address);
  const pgdp = pgdOf(mm, address);
  const pgd = ops.pgd.getOnce(pgdp);
  const p4dp = values.pgd.leaf(pgd) ? undefined : ops.pgd.offsetLockless(pgdp, pgd, va);
  if (p4dp === undefined) return { at: { level: 'pgd', entry: pgdp }, value: pgd };
  const p4d = ops.p4d.getOnce(p4dp);
  const pudp = values.p4d.leaf(p4d) ? undefined : ops.p4d.offsetLockless(p4dp, p4d, va);
  if (pudp === undefined) return { at: { level: 'p4d', entry: p4dp }, value: p4d };
  const pud = ops.pud.getOnce(pudp);
  const pmdp = values.pud.leaf(pud) ? undefined : ops.pud.offsetLockless(pudp, pud, va);
  if (pmdp === undefined) return { at: { level: 'pud', entry: pudp }, value: pud };
  const pmd = ops.pmd.getOnce(pmdp);
  const ptep = values.pmd.leaf(pmd) ? undefined : ops.pmd.offsetLockless(pmdp, pmd, va);
  if (ptep === undefined) return { at: { level: 'pmd', entry: pmdp }, value: pmd };
  return { at: { level: 'pte', entry: ptep }, value: ops.pte.getOnce(ptep) };
}

/** The entry of a level for an address, all tables above it made. Locking, throws: `populateEntry` of tables/table-alloc.ts. */
export function allocEntry<H extends HandleFamily>(mm: Mm<H>, level: Level, address: number): EntryAt<H> {
  switch (level) {
    case 'pgd':
      return { level, entry: pgdOf(mm, address) };
    case 'p4d':
      return { level, entry: p4dAlloc(mm, pgdOf(mm, address), address) };
    case 'pud':
      return { level, entry: mmAllocPud(mm, address) };
    case 'pmd':
      return { level, entry: mmAllocPmd(mm, address) };
    case 'pte':
      return { level, entry: pteAllocKernel(mm, mmAllocPmd(mm, address), address) };
  }
}

/** Bytes that an entry translates. */
export function spanOf(arch: WritableArch, level: Level): number {
  return 2 ** geometryOf(arch.geometry, level).shift;
}

/** Pages above the smallest that vmalloc can have: as large as a block of memory can be, the largest first. */
export function vmallocHugePages(arch: WritableArch): HugePage[] {
  const largest = arch.geometry.pageBytes * 2 ** MAX_ORDER;
  return arch.hugePages.filter(({ bytes }) => bytes <= largest).sort((a, b) => b.bytes - a.bytes);
}

/**
 * How many entries map a page together with this one, which is a leaf of the kernel's: 1, or as many as one of the architecture's groups has.
 *
 * Making a member of a group once more changes nothing in it.
 */
export function groupOf<H extends HandleFamily, L extends Level>(arch: WritableArch<H>, level: L, entry: H[L]): number {
  const values = arch.values[level];
  for (const { level: own, count } of arch.hugePages) {
    if (own !== level || count === 1) continue;
    const value = arch.ops[level].hugeGet(entry, 1);
    if (values.leaf(value) && values.mkgroup(value, count) === value) return count;
  }
  return 1;
}
