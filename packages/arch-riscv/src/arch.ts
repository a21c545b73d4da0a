import { PgtableError, type Arch, type TableMemory } from '@pgtable/core';
import { pgdOffsetIn, rootTableIn, tableOps } from '@pgtable/core/arch';
import { describe, inherit } from './attributes.js';
import { fullConfig, type RiscvConfig } from './config.js';
import { riscvFormats } from './format.js';
import { riscvGeometry } from './geometry.js';
import type { RiscvHandles } from './handles.js';
import { decodeNonPresent } from './nonpresent.js';
import { riscvPtdump } from './ptdump.js';

/**
 * RISC-V in one configuration, over one memory of tables.
 *
 * @throws PgtableError `EINVAL` if the table memory's entries are not as wide as the mode's
 */
export function riscvArch(config: RiscvConfig, tables: TableMemory): Arch<RiscvHandles> {
  const full = fullConfig(config);
  const geometry = riscvGeometry(full.mode);
  if (tables.entryBytes !== geometry.entryBytes) {
    throw new PgtableError('EINVAL', `${full.mode} has entries of ${geometry.entryBytes} bytes, the table memory of ${tables.entryBytes}`, {
      hint: `make the TableMemory with entryBytes: ${geometry.entryBytes}`,
    });
  }
  return {
    name: 'riscv',
    variant: full.mode,
    geometry,
    littleEndian: true,
    tables,
    ops: tableOps<RiscvHandles>({ tables, geometry, formats: riscvFormats(full) }),
    rootTable: (root) => rootTableIn<RiscvHandles>(tables, root),
    pgdOffset: (root, address) => pgdOffsetIn<RiscvHandles>(tables, geometry, root, address),
    inherit: (inherited, _level, lo) => inherit(inherited, lo),
    describe: (level, lo, hi, inherited) => describe(full, level, lo, hi, inherited),
    decodeNonPresent: (level, value) => decodeNonPresent(full, level, value),
    ptdump: riscvPtdump(full),
  };
}
