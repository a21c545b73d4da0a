import { PgtableError, type Arch, type TableMemory } from '@pgtable/core';
import { pgdOffsetIn, rootTableIn, tableOps } from '@pgtable/core/arch';
import { describe, inherit } from './attributes.js';
import { fullConfig, type X86Config } from './config.js';
import { x86Formats } from './format.js';
import { x86Geometry, type PagingMode } from './geometry.js';
import type { X86Handles } from './index.js';
import { decodeNonPresent } from './nonpresent.js';
import { x86Ptdump } from './ptdump.js';

/** The modes by the field's words. */
export const VARIANTS: Readonly<Record<PagingMode, string>> = { '5-level': '5-level (LA57)', '4-level': '4-level', PAE: 'PAE', '2-level': '2-level' };

/**
 * x86 in one configuration, over one memory of tables.
 *
 * @throws PgtableError `EINVAL` if the configuration makes no sense, or the table memory's entries are not as wide as the mode's
 */
export function x86Arch(config: X86Config, tables: TableMemory): Arch<X86Handles> {
  const full = fullConfig(config);
  const geometry = x86Geometry(full.mode);
  if (tables.entryBytes !== geometry.entryBytes) {
    throw new PgtableError('EINVAL', `${full.mode} paging has entries of ${geometry.entryBytes} bytes, the table memory of ${tables.entryBytes}`, {
      hint: `make the TableMemory with entryBytes: ${geometry.entryBytes}`,
    });
  }
  return {
    name: 'x86',
    variant: VARIANTS[full.mode],
    geometry,
    littleEndian: true,
    tables,
    ops: tableOps<X86Handles>({ tables, geometry, formats: x86Formats(full) }),
    rootTable: (root) => rootTableIn<X86Handles>(tables, root),
    pgdOffset: (root, address) => pgdOffsetIn<X86Handles>(tables, geometry, root, address),
    inherit: (inherited, level, lo, hi) => inherit(full, inherited, level, lo, hi),
    describe: (level, lo, hi, inherited) => describe(full, level, lo, hi, inherited),
    decodeNonPresent: (level, value) => decodeNonPresent(full, level, value),
    ptdump: x86Ptdump(full),
  };
}
