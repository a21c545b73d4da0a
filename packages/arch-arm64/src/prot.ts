import { VmFlags, type HugePage, type Geometry, type Prot } from '@pgtable/core';
import { contiguousEntries, memoryTypes } from './attributes.js';
import { AF_LO, ATTRINDX_SHIFT, DBM_HI, DIRTY_HI, NG_LO, PRESENT_INVALID, PROT_NONE, PXN_HI, RDONLY_LO, SH_LO, TABLE_LO, USER_LO, UXN_HI, VALID_LO } from './bits.js';
import type { ResolvedConfig } from './config.js';
import { levelShift } from './geometry.js';
import { hasPresentInvalid } from './values.js';

const high = (mask: number): bigint => BigInt(mask >>> 0) << 32n;

/** Valid, accessed, inner shareable (TCR_EL1 says so where LPA2 took the bits), normal memory. */
function common(config: ResolvedConfig): bigint {
  const type = Math.max(memoryTypes(config).indexOf('MEM/NORMAL'), 0);
  return BigInt(VALID_LO | TABLE_LO | AF_LO | (type << ATTRINDX_SHIFT) | (config.lpa2 ? 0 : SH_LO));
}

/**
 * {@link WritableArch.vmProt}: protection_map of arch/arm64/mm/mmap.c, 6.12, without Enhanced PAN, so what may be executed may be read.
 *
 * Only shared memory is made writable here; and it is clean, so it is read-only until the first write (DBM).
 */
export function arm64VmProt(config: ResolvedConfig): (flags: number) => Prot {
  const base = common(config) | BigInt(RDONLY_LO | NG_LO) | high(PXN_HI);
  const none = (base & ~BigInt(VALID_LO)) | high(UXN_HI) | (hasPresentInvalid(config) ? PRESENT_INVALID : PROT_NONE);
  return (flags) => {
    if ((flags & (VmFlags.Read | VmFlags.Write | VmFlags.Exec)) === 0) return none as Prot;
    const writable = (flags & VmFlags.Shared) !== 0 && (flags & VmFlags.Write) !== 0;
    return (base | BigInt(USER_LO) | ((flags & VmFlags.Exec) === 0 ? high(UXN_HI) : 0n) | (writable ? high(DBM_HI) : 0n)) as Prot;
  };
}

/**
 * {@link WritableArch.kernelProt}: PAGE_KERNEL and its siblings of arch/arm64/include/asm/pgtable-prot.h, 6.12. They are global: a kernel that keeps
 * itself apart from processes (KPTI) adds nG.
 */
export function arm64KernelProt(config: ResolvedConfig): (flags: number) => Prot {
  const base = common(config) | high(UXN_HI | DIRTY_HI);
  return (flags) => {
    return (base | ((flags & VmFlags.Write) === 0 ? BigInt(RDONLY_LO) : high(DBM_HI)) | ((flags & VmFlags.Exec) === 0 ? high(PXN_HI) : 0n)) as Prot;
  };
}

/**
 * The pages that HugeTLB can have (arch/arm64/mm/hugetlbpage.c, 6.12): contiguous groups of pages and of level 2 blocks, the blocks
 * themselves, and with 4K pages those of level 1.
 */
export function arm64HugePages(config: ResolvedConfig, geometry: Geometry): readonly HugePage[] {
  const pages: HugePage[] = [];
  for (const number of [3, 2, 1]) {
    // Where the level is folded away there is nothing, and the top table may have too few entries for a group.
    const found = geometry.levels.find(({ shift, folded }) => !folded && shift === levelShift(config.pageShift, number));
    if (found === undefined || (number === 1 && config.granule !== 4096)) continue;
    const { level, shift, entries } = found;
    const count = number === 1 ? 1 : contiguousEntries(config.granule, number);
    if (number < 3) pages.push({ bytes: 2 ** shift, level, count: 1 });
    if (count > 1 && count <= entries) pages.push({ bytes: 2 ** shift * count, level, count });
  }
  return pages;
}
