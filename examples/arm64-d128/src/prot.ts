import { VmFlags, type Geometry, type HugePage, type Prot } from '@pgtable/core';
import { AF, DIRTY, NDIRTY, NG, PI_PXN, PI_USER, PI_UXN, PI_WRITE, PRESENT_INVALID, SH_LO, VALID } from './bits.js';
import { hasLeaves, type D128Format } from './format.js';

/** Valid, accessed, inner shareable, normal memory (AttrIndx 0). */
const COMMON = VALID | AF | BigInt(SH_LO);

/**
 * {@link WritableArch.vmProt}: protection_map of arch/arm64/mm/mmap.c, 6.12, with the permissions as PIIndex.
 *
 * Only shared memory is made writable here; and it is clean, so nDirty is set until the first write.
 */
export function vmProt(flags: number): Prot {
  const base = COMMON | NDIRTY | NG | PI_PXN;
  if ((flags & (VmFlags.Read | VmFlags.Write | VmFlags.Exec)) === 0) return ((base & ~VALID) | PRESENT_INVALID | PI_UXN) as Prot;
  const writable = (flags & VmFlags.Shared) !== 0 && (flags & VmFlags.Write) !== 0;
  return (base | PI_USER | ((flags & VmFlags.Exec) === 0 ? PI_UXN : 0n) | (writable ? PI_WRITE : 0n)) as Prot;
}

/**
 * {@link WritableArch.kernelProt}: PAGE_KERNEL and its siblings of arch/arm64/include/asm/pgtable-prot.h, 6.12. They are global.
 */
export function kernelProt(flags: number): Prot {
  return (COMMON | PI_UXN | DIRTY | ((flags & VmFlags.Write) === 0 ? NDIRTY : PI_WRITE) | ((flags & VmFlags.Exec) === 0 ? PI_PXN : 0n)) as Prot;
}

/** A page for each level above the pte that has leaves: 1 MiB, 256 MiB and 64 GiB with 4K pages. */
export function d128HugePages(geometry: Geometry, formats: readonly D128Format[]): readonly HugePage[] {
  return geometry.levels.flatMap(({ level, folded, shift }, number): HugePage[] => {
    const format = formats[number]!;
    return folded || format.level === 3 || !hasLeaves(format) ? [] : [{ bytes: 2 ** shift, level, count: 1 }];
  });
}
