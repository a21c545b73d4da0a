import {
  p4dOffsetLockless, pgdpGetOnce, pmdLeaf, pmdOffsetLockless, pmdpGetLockless, pteOffsetLockless, ptepGetLockless, pudLeaf, pudOffsetLockless, pudpGetOnce, p4dpGetOnce, geometryOf,
  type EntryVal, type EntryValues, type HandleFamily, type Level,
} from '@pgtable/core';
import { hasExecOnly } from '../faults/vm-fault.js';
import type { Mm } from '../kernel/mm.js';
import { VmaFlags } from '../kernel/vma-flags.js';

/**
 * What a processor does with an address: walks the tables down to a leaf, and looks at its rights and marks. It sets no marks itself: a page that is not young, or is to be written and is not dirty, is left to
 * a fault, as on hardware whose marks are software's.
 *
 * Locking: a read section of `kernel.accesses`, from before this until the access is done: tables and pages that are taken out are freed after a flush, which waits for it.
 *
 * @param address any of the address space's half; above 2^53 the first of a page, for others have no number
 * @returns the number of the frame that has the address; undefined: a fault
 */
export function translate<H extends HandleFamily>(mm: Mm<H>, address: number, write: boolean): number | undefined {
  const { arch } = mm;
  const page = BigInt(Math.floor(address / mm.pageBytes) * mm.pageBytes);
  const pgdp = arch.pgdOffset(mm.root, page);
  if (pgdp === undefined) return undefined;
  const pgd = pgdpGetOnce(arch, pgdp);
  const p4dp = isUsable(mm, 'pgd', pgd) ? p4dOffsetLockless(arch, pgdp, pgd, page) : undefined;
  if (p4dp === undefined) return undefined;
  const p4d = p4dpGetOnce(arch, p4dp);
  const pudp = isUsable(mm, 'p4d', p4d) ? pudOffsetLockless(arch, p4dp, p4d, page) : undefined;
  if (pudp === undefined) return undefined;
  const pud = pudpGetOnce(arch, pudp);
  if (pudLeaf(arch, pud)) return leaf(mm, 'pud', pud, address, write);
  const pmdp = isUsable(mm, 'pud', pud) ? pmdOffsetLockless(arch, pudp, pud, page) : undefined;
  if (pmdp === undefined) return undefined;
  const pmd = pmdpGetLockless(arch, pmdp);
  if (pmdLeaf(arch, pmd)) return leaf(mm, 'pmd', pmd, address, write);
  const ptep = isUsable(mm, 'pmd', pmd) ? pteOffsetLockless(arch, pmdp, pmd, page) : undefined;
  return ptep === undefined ? undefined : leaf(mm, 'pte', ptepGetLockless(arch, ptep), address, write);
}

/** Whether hardware goes through an entry: s390 makes one invalid while its table is being taken out, and the address of the table is in it still. A folded level has no entries. */
function isUsable<H extends HandleFamily, L extends Level>({ arch }: Mm<H>, level: L, value: EntryVal<L>): boolean {
  const values: EntryValues<L> = arch.values[level];
  return geometryOf(arch.geometry, level).folded || values.valid(value);
}

function leaf<H extends HandleFamily, L extends Level>(mm: Mm<H>, level: L, value: EntryVal<L>, address: number, write: boolean): number | undefined {
  const values: EntryValues<L> = mm.arch.values[level];
  if (!values.valid(value) || !values.young(value)) return undefined;
  if (write ? !values.write(value) || !values.dirty(value) : !isReadable(mm, values, value)) return undefined;
  const bytes = 2 ** geometryOf(mm.arch.geometry, level).shift;
  return values.pfn(value) + Math.floor((address % bytes) / mm.pageBytes);
}

/** What can be executed alone is the only thing that is valid and cannot be read. */
function isReadable<H extends HandleFamily, L extends Level>(mm: Mm<H>, values: EntryValues<L>, value: EntryVal<L>): boolean {
  return !hasExecOnly(mm) || !values.same(values.modify(value, mm.arch.vmProt(VmaFlags.Exec)), value);
}
