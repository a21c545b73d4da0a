import type { HandleFamily } from '@pgtable/core';
import { VmaFlags } from '../kernel/vma-flags.js';
import type { Mm } from '../kernel/mm.js';
import type { Vma } from '../kernel/vma.js';

/** What was tried: `FAULT_FLAG_WRITE`, `FAULT_FLAG_INSTRUCTION`, `FAULT_FLAG_VMA_LOCK` of include/linux/mm_types.h. */
export interface FaultFlags {
  /** A write; else a read or the fetch of an instruction. */
  readonly write?: boolean;
  readonly exec?: boolean;
  /** The caller has the VMA's lock, and not the mmap lock. */
  readonly vmaLock?: boolean;
}

/**
 * How a fault ended (`vm_fault_t`):
 *
 * - `done`: there is nothing more to do but to repeat the access. If somebody else was faster, or it can be seen only then whether it is enough, it faults again;
 * - `retry`: a page table went away meanwhile, or what is there is on its way to another place: look at everything again, the VMA too;
 * - `oom`: no memory is left; nothing has changed;
 * - `sigsegv`: the VMA does not allow the access;
 * - `sigbus`: there is nothing that could be mapped: beyond the end of a file.
 */
export interface FaultResult {
  readonly kind: 'done' | 'retry' | 'oom' | 'sigsegv' | 'sigbus';
}

export const DONE: FaultResult = { kind: 'done' };
export const RETRY: FaultResult = { kind: 'retry' };
export const OOM: FaultResult = { kind: 'oom' };
export const SIGSEGV: FaultResult = { kind: 'sigsegv' };
export const SIGBUS: FaultResult = { kind: 'sigbus' };

/** `struct vm_fault`: what is known of a fault on its way down. */
export interface VmFault<H extends HandleFamily = HandleFamily> {
  readonly mm: Mm<H>;
  readonly vma: Vma<H>;
  /** Of the page. */
  readonly address: number;
  readonly write: boolean;
  readonly pmdp: H['pmd'];
}

/** `vma_is_accessible()`: whether anything is allowed in it at all. */
export function vmaIsAccessible<H extends HandleFamily>(vma: Vma<H>): boolean {
  return (vma.flags & (VmaFlags.Read | VmaFlags.Write | VmaFlags.Exec)) !== 0;
}

/**
 * Whether a VMA allows an access: `access_error()` of arch/x86/mm/fault.c and arch/riscv/mm/fault.c, and what the others have in its place. What may be written may be read; what may be executed too,
 * unless the architecture has pages that can be executed alone.
 *
 * Locking: what keeps the VMA: the mmap lock, or its own.
 */
export function vmaPermits<H extends HandleFamily>(vma: Vma<H>, { write, exec }: FaultFlags): boolean {
  if (write === true) return (vma.flags & VmaFlags.Write) !== 0;
  if (exec === true) return (vma.flags & VmaFlags.Exec) !== 0;
  return (vma.flags & (VmaFlags.Read | VmaFlags.Write)) !== 0 || ((vma.flags & VmaFlags.Exec) !== 0 && !hasExecOnly(vma.mm));
}

/** Whether pages can be executed and not read (riscv). */
export function hasExecOnly<H extends HandleFamily>({ arch }: Mm<H>): boolean {
  return arch.vmProt(VmaFlags.Exec) !== arch.vmProt(VmaFlags.Read | VmaFlags.Exec);
}

/** `maybe_mkwrite()`, as a question: whether new entries for a write may be writable. */
export function mayWrite<H extends HandleFamily>(vma: Vma<H>): boolean {
  return (vma.flags & VmaFlags.Write) !== 0;
}
