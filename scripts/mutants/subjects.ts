import { TableMemory, type StrongHandles } from '@pgtable/core';
import { arm64Arch, arm64Root, type Arm64Config } from '@pgtable/arch-arm64';
import type { Subject } from '@pgtable/arch-testkit';
import { riscvArch, riscvRoot } from '@pgtable/arch-riscv';
import { decodeAsce, s390Arch, s390Root } from '@pgtable/arch-s390';
import { x86Arch, x86Root, type PagingMode } from '@pgtable/arch-x86';

const ROOT = 0x10_0000;

function x86(mode: PagingMode): Subject<StrongHandles> {
  return {
    name: `x86 ${mode}`,
    executeAlways: mode === '2-level',
    make: () => ({ arch: x86Arch<StrongHandles>({ mode }, new TableMemory({ entryBytes: mode === '2-level' ? 4 : 8 })), root: x86Root(mode, ROOT), user: true }),
  };
}

function arm64(name: string, config: Arm64Config): Subject<StrongHandles> {
  return { name: `arm64 ${name}`, make: () => ({ arch: arm64Arch<StrongHandles>(config, new TableMemory()), root: arm64Root(config, ROOT), user: true }) };
}

function riscv(mode: 'Sv39' | 'Sv48'): Subject<StrongHandles> {
  return { name: `riscv ${mode}`, make: () => ({ arch: riscvArch<StrongHandles>({ mode }, new TableMemory()), root: riscvRoot(mode, ROOT), user: true }) };
}

const s390: Subject<StrongHandles> = {
  name: 's390',
  oneSpace: true,
  make: () => ({ arch: s390Arch<StrongHandles>({ top: 'pud', privateSpace: true }, new TableMemory()), root: s390Root(decodeAsce(BigInt(ROOT) | 0x107n)), user: true }),
};

/** What a fault is looked for on: one configuration of each architecture, and those that have something of their own. */
export const SUBJECTS: readonly Subject<StrongHandles>[] = [
  x86('4-level'), x86('PAE'), x86('2-level'),
  arm64('4K', { half: 'ttbr0', granule: 4096, vaBits: 48 }), arm64('64K', { half: 'ttbr0', granule: 65536, vaBits: 52, paBits: 52 }),
  riscv('Sv39'), s390,
];
