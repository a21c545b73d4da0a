import { arm64Arch, arm64Root, type Arm64Config } from '@pgtable/arch-arm64';
import { riscvArch, riscvRoot } from '@pgtable/arch-riscv';
import { decodeAsce, s390Arch, s390Root } from '@pgtable/arch-s390';
import { x86Arch, x86Root } from '@pgtable/arch-x86';
import type { TableHandles } from '@pgtable/core';
import type { Platform } from '@pgtable/mm';

/* A machine to @pgtable/mm: an architecture in one configuration, over tables that the kernel finds, and what a root register would hold. */

const arm64 = (half: 'user' | 'kernel'): Arm64Config => ({ half: half === 'user' ? 'ttbr0' : 'ttbr1', granule: 4096, vaBits: 48 });

/** The ASCE of a region-second table (four levels) of full length; those of processes have the private-space bit. */
const asce = (half: 'user' | 'kernel', table: number): bigint => BigInt(table) | 0x8n | 3n | (half === 'user' ? 0x100n : 0n);

/** What the program runs on, by name. */
export const MACHINES: ReadonlyMap<string, Platform<TableHandles>> = new Map<string, Platform<TableHandles>>([
  ['x86', { entryBytes: 8, make: (_half, tables) => x86Arch({ mode: '4-level' }, tables), root: (_half, table) => x86Root('4-level', table) }],
  ['arm64', { entryBytes: 8, make: (half, tables) => arm64Arch(arm64(half), tables), root: (half, table) => arm64Root(arm64(half), table) }],
  ['riscv', { entryBytes: 8, make: (_half, tables) => riscvArch({ mode: 'Sv48' }, tables), root: (_half, table) => riscvRoot('Sv48', table) }],
  ['s390', { entryBytes: 8, make: (half, tables) => s390Arch({ top: 'p4d', privateSpace: half === 'user' }, tables), root: (half, table) => s390Root(decodeAsce(asce(half, table))) }],
]);
