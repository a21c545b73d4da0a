import { PgtableError, type HugePage, type TableHandles, type TableMemory, type WritableArch } from '@pgtable/core';
import { freeTableIn, newTableIn, pgdOffsetIn, rootTableIn, tableOps, type TableOpsContext } from '@pgtable/core/arch';
import { describe, inherit } from './attributes.js';
import { fullConfig, type TrioConfig } from './config.js';
import { trioFormats } from './format.js';
import { TRIO_GEOMETRY } from './geometry.js';
import type { TrioHandles } from './handles.js';
import { decodeNonPresent } from './nonpresent.js';
import { kernelProt, vmProt } from './prot.js';
import { trioPtdump } from './ptdump.js';
import { trioValues } from './values.js';

/** Page sizes above the smallest, ascending. REPLACE by those of your hugetlbpage.c; `count` is above 1 where several entries map one page. */
const HUGE_PAGES: readonly HugePage[] = [{ bytes: 2 ** 21, level: 'pmd', count: 1 }, { bytes: 2 ** 30, level: 'pgd', count: 1 }];

/**
 * Trio in one configuration, over one memory of tables: puts the other files together. Little here is to be replaced; what to add:
 *
 * - `liveChange`, where the hardware forbids changes of a live entry in one step (break-before-make)
 * - `updateMmuCache`, where a TLB may remember that an entry was not valid
 * - a second argument of `tableOps`, where an accessor differs from the generic one: a class in `ops.ts` that extends TableLevelOps
 *
 * @typeParam H what handles are: opaque at the levels that have opted in, unless a caller wants something else
 * @throws PgtableError `EINVAL` if the table memory's entries are not of 8 bytes
 */
export function trioArch<H extends TableHandles = TrioHandles>(config: TrioConfig, tables: TableMemory): WritableArch<H> {
  const geometry = TRIO_GEOMETRY;
  if (tables.entryBytes !== geometry.entryBytes) {
    throw new PgtableError('EINVAL', `trio has entries of ${geometry.entryBytes} bytes, the table memory of ${tables.entryBytes}`, {
      hint: `make the TableMemory with entryBytes: ${geometry.entryBytes}`,
    });
  }
  const full = fullConfig(config);
  const values = trioValues();
  const context: TableOpsContext = { tables, geometry, formats: trioFormats(), values };
  const ops = tableOps<H>(context);
  return {
    name: 'trio',
    variant: '3-level',
    geometry,
    littleEndian: true,
    tables,
    ops,
    values,
    hugePages: HUGE_PAGES,
    rootTable: (root) => rootTableIn<H>(tables, root),
    pgdOffset: (root, address) => pgdOffsetIn<H>(tables, geometry, root, address),
    inherit: (inherited, _level, lo, hi) => inherit(inherited, lo, hi),
    describe,
    decodeNonPresent: (level, value) => decodeNonPresent(full, level, value),
    ptdump: trioPtdump,
    vmProt,
    kernelProt,
    newTable: (level, address, user) => newTableIn(context, ops, level, address, user),
    freeTable: (table) => {
      freeTableIn(context, table);
    },
  };
}
