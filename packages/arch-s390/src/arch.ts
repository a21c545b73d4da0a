import { PgtableError, type Arch, type Root, type TableMemory } from '@pgtable/core';
import { handleAt, rootIndex, rootTableIn } from '@pgtable/core/arch';
import { s390Describe, s390Inherit } from './attributes.js';
import { fullConfig, type S390Config } from './config.js';
import { s390Formats } from './format.js';
import { GEOMETRY, VARIANTS } from './geometry.js';
import type { S390Handles } from './index.js';
import { s390NonPresent } from './nonpresent.js';
import { s390Ops } from './ops.js';
import { s390Ptdump } from './ptdump.js';

/**
 * s390 in one configuration, over one memory of tables.
 *
 * @throws PgtableError `EINVAL` if the configuration makes no sense, or the table memory's entries are not of 8 bytes
 */
export function s390Arch(config: S390Config, tables: TableMemory): Arch<S390Handles> {
  const full = fullConfig(config);
  if (tables.entryBytes !== GEOMETRY.entryBytes) {
    throw new PgtableError('EINVAL', `s390 has entries of ${GEOMETRY.entryBytes} bytes, the table memory of ${tables.entryBytes}`, {
      hint: `make the TableMemory with entryBytes: ${GEOMETRY.entryBytes}`,
    });
  }
  return {
    name: 's390',
    variant: VARIANTS[full.top],
    geometry: GEOMETRY,
    littleEndian: false,
    tables,
    ops: s390Ops({ tables, geometry: GEOMETRY, formats: s390Formats(full) }, full.prefix),
    rootTable: (root) => rootTableIn<S390Handles>(tables, root),
    pgdOffset: (root, address) => pgdOffset(tables, root, address),
    inherit: (inherited, level, lo) => s390Inherit(full, inherited, level, lo),
    describe: (level, lo, _hi, inherited) => s390Describe(full, level, lo, inherited),
    decodeNonPresent: (level, value) => s390NonPresent(full, level, value),
    ptdump: s390Ptdump(full),
  };
}

/** The root table's entry for an address, of whatever level, under its pgd name; undefined past the table's length. */
function pgdOffset(tables: TableMemory, root: Root, address: bigint): S390Handles['pgd'] | undefined {
  const base = tables.find(root.top, root.table);
  const index = rootIndex(GEOMETRY, root, address);
  return base < 0 || index < root.first || index >= root.end ? undefined : handleAt<S390Handles, 'pgd'>('pgd', base + index);
}
