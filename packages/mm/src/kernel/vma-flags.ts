import { VmFlags } from '@pgtable/core';

/**
 * `vm_flags`: what a VMA is for. The values are the kernel's, so the lowest four are core's {@link VmFlags}, the index of `protection_map`.
 *
 * @see include/linux/mm.h, Linux 6.12
 */
export const VmaFlags = {
  ...VmFlags,
  /** `VM_MAYREAD`: mprotect may make it readable. */
  MayRead: 0x10,
  MayWrite: 0x20,
  MayExec: 0x40,
  MayShare: 0x80,
  /** `VM_PFNMAP`: no struct page behind it. */
  PfnMap: 0x400,
  /** `VM_LOCKED`: pages stay. */
  Locked: 0x2000,
  /** `VM_IO`: memory of a device. */
  Io: 0x4000,
  /** `VM_DONTCOPY`: fork leaves it out. */
  DontCopy: 0x2_0000,
  /** `VM_DONTEXPAND`: mremap does not make it longer. */
  DontExpand: 0x4_0000,
  /** `VM_WIPEONFORK`: the child's is empty. */
  WipeOnFork: 0x200_0000,
  /** `VM_SOFTDIRTY`: it is new since soft-dirty marks were cleared. Does not keep VMAs from being merged. */
  SoftDirty: 0x800_0000,
  /** `VM_MIXEDMAP`: pages with and without a struct page. */
  MixedMap: 0x1000_0000,
  /** `VM_HUGEPAGE`: madvise(MADV_HUGEPAGE). */
  HugePage: 0x2000_0000,
  /** `VM_NOHUGEPAGE`: madvise(MADV_NOHUGEPAGE). */
  NoHugePage: 0x4000_0000,
} as const;

/** `VM_SPECIAL`: VMAs with one of these are never merged. */
export const SPECIAL_FLAGS = VmaFlags.Io | VmaFlags.DontExpand | VmaFlags.PfnMap | VmaFlags.MixedMap;
