import { entryVal, pteDirty, pteMkdirty, pteMkyoung, ptePfn, pteWrite, type PteVal } from '@pgtable/core';
import { R_LO, X_LO } from '@pgtable/arch-riscv';
import type { Riscv } from './family.js';
import { pteLookup, type Mm } from './mm.js';
import { PAGE_BYTES } from './ram.js';

/** What an instruction wants of memory. */
export type AccessKind = 'read' | 'write' | 'execute';

const READ = BigInt(R_LO);
const EXECUTE = BigInt(X_LO);

/**
 * The memory management unit: translates an address of the running address space and notes the access in the entry.
 *
 * Returns: the physical address; undefined for a page fault.
 */
export function translate(mm: Mm, address: bigint, access: AccessKind): number | undefined {
  const cached = mm.tlb.lookup(address);
  // A copy that is not dirty cannot serve a write: the bit must be noted in the table first.
  if (cached !== undefined && allows(mm.arch, cached, access) && (access !== 'write' || pteDirty(mm.arch, cached))) return physical(mm, cached, address);
  const pte = walk(mm, address, access);
  if (pte === undefined) return undefined;
  mm.tlb.fill(address, pte);
  return physical(mm, pte, address);
}

/** Reads 64 bits as the running program does. Returns: undefined for a page fault. */
export function load64(mm: Mm, address: bigint, access: 'read' | 'execute'): bigint | undefined {
  const at = translate(mm, address, access);
  return at === undefined ? undefined : mm.kernel.ram.read64(at);
}

/** Writes 64 bits as the running program does. Returns: false for a page fault. */
export function store64(mm: Mm, address: bigint, value: bigint): boolean {
  const at = translate(mm, address, 'write');
  if (at === undefined) return false;
  mm.kernel.ram.write64(at, value);
  return true;
}

/** Looks in the tables, without a lock, as hardware does; the young and dirty bits are set in one step with the look. */
function walk(mm: Mm, address: bigint, access: AccessKind): PteVal | undefined {
  const { arch, tables } = mm;
  const ptep = pteLookup(mm, address);
  if (ptep === undefined) return undefined;
  for (;;) {
    const pte = entryVal('pte', Atomics.load(tables.elements, ptep));
    if (!allows(arch, pte, access)) return undefined;
    const noted = noteAccess(arch, pte, access);
    if (noted === pte || Atomics.compareExchange(tables.elements, ptep, pte, noted) === pte) return noted;
  }
}

function noteAccess(arch: Riscv, pte: PteVal, access: AccessKind): PteVal {
  const young = pteMkyoung(arch, pte);
  return access === 'write' ? pteMkdirty(arch, young) : young;
}

function allows(arch: Riscv, pte: PteVal, access: AccessKind): boolean {
  if (!arch.values.pte.valid(pte)) return false;
  switch (access) {
    case 'read':
      return (pte & READ) !== 0n;
    case 'write':
      return pteWrite(arch, pte);
    case 'execute':
      return (pte & EXECUTE) !== 0n;
  }
}

function physical({ arch }: Mm, pte: PteVal, address: bigint): number {
  return ptePfn(arch, pte) * PAGE_BYTES + Number(address % BigInt(PAGE_BYTES));
}
