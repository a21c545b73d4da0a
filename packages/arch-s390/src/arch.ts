import { levelNumber, PgtableError, type HugePage, type Root, type TableHandles, type TableMemory, type WritableArch } from '@pgtable/core';
import { freeTableIn, handleAt, newTableIn, rootIndex, rootTableIn } from '@pgtable/core/arch';
import { s390Describe, s390Inherit } from './attributes.js';
import { fullConfig, type S390Config } from './config.js';
import { s390Formats } from './format.js';
import { GEOMETRY, VARIANTS } from './geometry.js';
import type { S390Handles } from './index.js';
import { s390NonPresent } from './nonpresent.js';
import { s390Ops } from './ops.js';
import { s390KernelProt, s390VmProt } from './prot.js';
import { s390Ptdump } from './ptdump.js';
import { s390LiveChange, s390Values } from './values.js';

/** What EDAT-1 and EDAT-2 give HugeTLB; the configuration does not tell the two apart. */
const HUGE_PAGES: readonly HugePage[] = [
  { bytes: 2 ** 20, level: 'pmd', count: 1 },
  { bytes: 2 ** 31, level: 'pud', count: 1 },
];

/**
 * s390 in one configuration, over one memory of tables, for reading and writing. `H` is what its handles are: s390's own, opaque at
 * every level, unless the caller says otherwise.
 *
 * @throws PgtableError `EINVAL` if the configuration makes no sense, or the table memory's entries are not of 8 bytes
 */
export function s390Arch<H extends TableHandles = S390Handles>(config: S390Config, tables: TableMemory): WritableArch<H> {
  const full = fullConfig(config);
  if (tables.entryBytes !== GEOMETRY.entryBytes) {
    throw new PgtableError('EINVAL', `s390 has entries of ${GEOMETRY.entryBytes} bytes, the table memory of ${tables.entryBytes}`, {
      hint: `make the TableMemory with entryBytes: ${GEOMETRY.entryBytes}`,
    });
  }
  const values = s390Values(full);
  const context = { tables, geometry: GEOMETRY, formats: s390Formats(full), values };
  const ops = s390Ops<H>(context, full.prefix);
  return {
    name: 's390',
    variant: VARIANTS[full.top],
    geometry: GEOMETRY,
    littleEndian: false,
    tables,
    ops,
    values,
    hugePages: full.edat ? HUGE_PAGES.filter(({ level }) => levelNumber(level) <= levelNumber(full.top)) : [],
    rootTable: (root) => rootTableIn<H>(tables, root),
    pgdOffset: (root, address) => pgdOffset<H>(tables, root, address),
    inherit: (inherited, level, lo) => s390Inherit(full, inherited, level, lo),
    describe: (level, lo, _hi, inherited) => s390Describe(full, level, lo, inherited),
    decodeNonPresent: (level, value) => s390NonPresent(full, level, value),
    vmProt: (flags) => s390VmProt(full, flags),
    kernelProt: (flags) => s390KernelProt(full, flags),
    newTable: (level, address, user) => newTableIn<H, typeof level>(context, ops, level, address, user),
    freeTable: (table) => {
      freeTableIn(context, table);
    },
    liveChange: (level, old, value) => s390LiveChange(full, level, old, value),
    ptdump: s390Ptdump(full),
  };
}

/** The root table's entry for an address, of whatever level, under its pgd name; undefined past the table's length. */
function pgdOffset<H extends TableHandles>(tables: TableMemory, root: Root, address: bigint): H['pgd'] | undefined {
  const base = tables.find(root.top, root.table);
  const index = rootIndex(GEOMETRY, root, address);
  return base < 0 || index < root.first || index >= root.end ? undefined : handleAt<H, 'pgd'>('pgd', base + index);
}
