import { VmFlags, type EntryVal, type EntryValues, type HandleFamily, type Level, type WritableArch } from '@pgtable/core';

/** What the kernel may do with a page of its own. It may always read it, unless it is not valid. */
export interface KernelAccess {
  readonly write: boolean;
  readonly exec: boolean;
  /** The hardware may use the entry. */
  readonly valid: boolean;
}

/**
 * What an entry of the kernel's says: of leaves that were made with `kernelProt`, and changed by {@link withAccess}.
 *
 * No accessor says whether a page may be executed, and levels say it in different bits; so it is seen from whether permission to execute changes anything. Where the hardware cannot forbid execution, all pages
 * have it.
 */
export function accessOf<H extends HandleFamily>(arch: WritableArch<H>, level: Level, value: EntryVal<Level>): KernelAccess {
  const values: EntryValues = arch.values[level];
  const access = { write: values.write(value), exec: true, valid: values.valid(value) };
  return { ...access, exec: values.same(withAccess(arch, level, value, access), value) };
}

/** An entry with other permissions; the frame, and what else it says, stay. */
export function withAccess<H extends HandleFamily>(arch: WritableArch<H>, level: Level, value: EntryVal<Level>, access: KernelAccess): EntryVal<Level> {
  const values: EntryValues = arch.values[level];
  const changed = values.modify(value, protOf(arch, access));
  return access.valid ? changed : values.mkinvalid(changed);
}

/** The permissions as `kernelProt` has them. */
export function protOf<H extends HandleFamily>(arch: WritableArch<H>, { write, exec }: KernelAccess): ReturnType<WritableArch<H>['kernelProt']> {
  return arch.kernelProt(VmFlags.Read | (write ? VmFlags.Write : 0) | (exec ? VmFlags.Exec : 0));
}
