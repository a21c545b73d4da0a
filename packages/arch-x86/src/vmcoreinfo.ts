import type { Vmcoreinfo } from '@pgtable/core';
import { is64Bit, type PagingMode } from './geometry.js';

/** Where the kernel image is mapped. @see __START_KERNEL_map in arch/x86/include/asm/page_64_types.h (Linux 6.12) */
export const START_KERNEL_MAP = 0xffffffff80000000n;

/** PAGE_OFFSET of the memory splits of 32-bit kernels, the usual one first. @see CONFIG_VMSPLIT_* in arch/x86/Kconfig (Linux 6.12) */
export const PAGE_OFFSETS_32: readonly number[] = [0xc0000000, 0xb0000000, 0x80000000, 0x78000000, 0x40000000];

/** What a VMCOREINFO says of an x86 kernel. @see arch/x86/kernel/vmcore_info_64.c and vmcore_info_32.c (Linux 6.12) */
export interface KernelFacts {
  readonly mode: PagingMode;
  /** The symbol of the kernel's root table, and its virtual address. */
  readonly symbol: string;
  readonly address: bigint;
  /** 64-bit: what to add to an address of the kernel image, less START_KERNEL_MAP, for a physical one. */
  readonly physBase: bigint | undefined;
  /** The C-bit of AMD memory encryption; 0 if there is none. */
  readonly encryptionMask: bigint;
  readonly release: string | undefined;
}

/**
 * Decodes a VMCOREINFO.
 *
 * @param machine ELF's e_machine if it is known: a 32-bit x86 kernel leaves few words that other architectures do not
 * @returns undefined if it is no x86 kernel's, or one that does not say where its root table is
 */
export function kernelFacts(info: Vmcoreinfo, machine: number | undefined): KernelFacts | undefined {
  const { release } = info;
  // Up to 4.12 the table was called init_level4_pgt.
  const top = info.symbol('init_top_pgt');
  const old = top === undefined ? info.symbol('init_level4_pgt') : undefined;
  const swapper = info.symbol('swapper_pg_dir');
  if (top !== undefined || old !== undefined || (swapper !== undefined && info.number('phys_base') !== undefined)) {
    const moved = info.hex('KERNELOFFSET') ?? 0n;
    return {
      mode: info.number('pgtable_l5_enabled') === 1n ? '5-level' : '4-level',
      symbol: top !== undefined ? 'init_top_pgt' : old !== undefined ? 'init_level4_pgt' : 'swapper_pg_dir',
      address: top ?? old ?? swapper ?? 0n,
      // Kernels before 4.10 have no NUMBER(phys_base); one that was not moved has 0.
      physBase: info.number('phys_base') ?? (moved === 0n ? 0n : undefined),
      encryptionMask: info.number('sme_mask') ?? 0n,
      release,
    };
  }
  const pae = info.get('CONFIG_X86_PAE') === 'y';
  if (swapper === undefined || swapper >= 1n << 32n || !(pae || machine === EM_386)) return undefined;
  return { mode: pae ? 'PAE' : '2-level', symbol: 'swapper_pg_dir', address: swapper, physBase: undefined, encryptionMask: 0n, release };
}

/** ELF's e_machine numbers. */
export const EM_386 = 3;
export const EM_X86_64 = 62;

/**
 * The physical address of an address in the kernel image, by arithmetic alone.
 *
 * @param pageOffset of a 32-bit kernel
 * @returns undefined if the facts do not allow it, or the result is no physical address
 */
export function imagePhysical(facts: KernelFacts, address: bigint, pageOffset: number): number | undefined {
  let physical: bigint;
  if (is64Bit(facts.mode)) {
    if (facts.physBase === undefined) return undefined;
    physical = address - START_KERNEL_MAP + facts.physBase;
  } else {
    physical = address - BigInt(pageOffset);
  }
  return physical < 0n || physical >= 1n << 52n ? undefined : Number(physical);
}
