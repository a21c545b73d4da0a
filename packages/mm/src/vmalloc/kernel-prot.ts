import { VmFlags, type EntryVal, type EntryValues, type HandleFamily, type Level, type WritableArch } from '@pgtable/core';

/** What the kernel may do with a page of its own. It may always read it, unless it is not valid. */
export interface KernelAccess {
  readonly write: boolean;
  readonly exec: boolean;
  /** The hardware may use the entry. */
  readonly valid: boolean;
}

/** The permissions as `kernelProt` has them. */
export function protOf<H extends HandleFamily>(arch: WritableArch<H>, { write, exec }: Pick<KernelAccess, 'write' | 'exec'>): ReturnType<WritableArch<H>['kernelProt']> {
  return arch.kernelProt(VmFlags.Read | (write ? VmFlags.Write : 0) | (exec ? VmFlags.Exec : 0));
}

/**
 * What an entry of the kernel's says: of leaves that were made with `kernelProt`, and changed by {@link withAccess}.
 *
 * No accessor says whether a page may be executed, and levels say it in different bits; so it is seen from whether permission to execute changes anything. Where the hardware cannot forbid execution, all pages
 * have it.
 */
export function accessOf<H extends HandleFamily>(arch: WritableArch<H>, level: Level, value: EntryVal<Level>): KernelAccess {
  const values: EntryValues = arch.values[level];
  const write = values.write(value);
  const valid = values.valid(value);
  const executable = values.modify(value, protOf(arch, { write, exec: true }));
  return { write, exec: values.same(valid ? executable : values.mkinvalid(executable), value), valid };
}

/**
 * An entry with other permissions; the frame, and what else it says, stay.
 *
 * What can be written is dirty, as `kernelProt` makes it: nobody is there to answer the fault that a store to a clean page is on s390, and a read-only page that was made anew when a block was split is clean.
 *
 * @see walk_pte_level() in arch/s390/mm/pageattr.c, Linux 6.12
 */
export function withAccess<H extends HandleFamily>(arch: WritableArch<H>, level: Level, value: EntryVal<Level>, access: KernelAccess): EntryVal<Level> {
  const values: EntryValues = arch.values[level];
  const permitted = values.modify(value, protOf(arch, access));
  const changed = access.write && !values.dirty(permitted) ? values.mkdirty(permitted) : permitted;
  return access.valid ? changed : values.mkinvalid(changed);
}
