import { geometryOf, PgtableError, type EntryVal, type HugePage, type Level, type MmContext, type TableHandles, type TableMemory, type WritableArch } from '@pgtable/core';
import { freeTableIn, newTableIn, pgdOffsetIn, rootTableIn, tableOps } from '@pgtable/core/arch';
import { describe, inherit } from './attributes.js';
import { A_LO, D_LO, N_HI } from './bits.js';
import { fullConfig, type FullConfig, type RiscvConfig } from './config.js';
import { riscvFormats } from './format.js';
import { riscvGeometry } from './geometry.js';
import type { RiscvHandles } from './handles.js';
import { decodeNonPresent } from './nonpresent.js';
import { RiscvLevelOps, type RiscvOpsContext } from './ops.js';
import { kernelProt, vmProt } from './prot.js';
import { riscvPtdump } from './ptdump.js';
import { existingLevel, NAPOT_ENTRIES, riscvValues } from './values.js';

/**
 * RISC-V in one configuration, over one memory of tables.
 *
 * @typeParam H what handles are: opaque, unless a caller wants the alias at some level
 * @throws PgtableError `EINVAL` if the table memory's entries are not as wide as the mode's
 */
export function riscvArch<H extends TableHandles = RiscvHandles>(config: RiscvConfig, tables: TableMemory): WritableArch<H> {
  const full = fullConfig(config);
  const geometry = riscvGeometry(full.mode);
  if (tables.entryBytes !== geometry.entryBytes) {
    throw new PgtableError('EINVAL', `${full.mode} has entries of ${geometry.entryBytes} bytes, the table memory of ${tables.entryBytes}`, {
      hint: `make the TableMemory with entryBytes: ${geometry.entryBytes}`,
    });
  }
  const values = riscvValues(full);
  const context: RiscvOpsContext = { tables, geometry, formats: riscvFormats(full), values };
  const ops = tableOps<H>(context, (level, _context, all) => new RiscvLevelOps(level, context, all));
  return {
    name: 'riscv',
    variant: full.mode,
    geometry,
    littleEndian: true,
    tables,
    ops,
    values,
    hugePages: hugePages(full),
    rootTable: (root) => rootTableIn<H>(tables, root),
    pgdOffset: (root, address) => pgdOffsetIn<H>(tables, geometry, root, address),
    inherit: (inherited, _level, lo) => inherit(inherited, lo),
    describe: (level, lo, hi, inherited) => describe(full, level, lo, hi, inherited),
    decodeNonPresent: (level, value) => decodeNonPresent(full, level, value),
    ptdump: riscvPtdump(full),
    vmProt: (flags) => vmProt(full.release, flags),
    kernelProt,
    newTable: (level, address, user) => newTableIn(context, ops, level, address, user),
    freeTable: (table) => {
      freeTableIn(context, table);
    },
    ...(full.svnapot ? { liveChange: groupChange } : {}),
    ...(full.svvptc ? {} : { updateMmuCache: (mm: MmContext, address: bigint, level: Level, count: number) => {
      const { shift } = geometryOf(geometry, level);
      mm.tlb.flush({ start: address, end: address + (BigInt(count) << BigInt(shift)), level, tables: false });
    } }),
  };
}

/**
 * The page sizes of HugeTLB: 64 KiB groups where there is Svnapot, and the leaves of the two levels above the pte up to 1 GiB;
 * with Sv32 those of 4 MiB. Levels are those that exist.
 *
 * @see arch_hugetlb_valid_size in arch/riscv/mm/hugetlbpage.c (Linux 6.12)
 */
function hugePages(config: FullConfig): HugePage[] {
  if (config.mode === 'Sv32') return [{ bytes: 2 ** 22, level: 'pgd', count: 1 }];
  return [
    ...(config.svnapot ? [{ bytes: 4096 * NAPOT_ENTRIES, level: 'pte', count: NAPOT_ENTRIES } as const] : []),
    { bytes: 2 ** 21, level: 'pmd', count: 1 },
    { bytes: 2 ** 30, level: existingLevel(config, 'pud'), count: 1 },
  ];
}

/** Bit 63, and what the hardware notes: A and D. */
const NAPOT = BigInt(N_HI >>> 0) << 32n;
const NOTES = BigInt(A_LO | D_LO);

/**
 * {@link WritableArch.liveChange}: entries of a Svnapot group must not differ while they are valid, except in A and D. Everything else may
 * change in one step: until the flush the old or the new translation is used.
 */
function groupChange<L extends Level>(level: L, old: EntryVal<L>, value: EntryVal<L>): string | undefined {
  if (level !== 'pte' || ((old | value) & NAPOT) === 0n || ((old ^ value) & ~NOTES) === 0n) return undefined;
  return 'it is one of a Svnapot group, whose entries must not differ while they are valid';
}
