import { levelNumber, PgtableError, type HugePage, type TableHandles, type TableMemory, type WritableArch } from '@pgtable/core';
import { freeTableIn, NEVER_VALID, newTableIn, pgdOffsetIn, rootTableIn, tableOps, type TableOpsContext } from '@pgtable/core/arch';
import { describe } from './attributes.js';
import { fullConfig, type Powerpc64Config } from './config.js';
import { radixFormats } from './format.js';
import { powerpc64Geometry } from './geometry.js';
import type { Powerpc64Handles } from './handles.js';
import { liveChange } from './live.js';
import { decodeNonPresent } from './nonpresent.js';
import { RadixLevelOps } from './ops.js';
import { kernelProt, vmProt } from './prot.js';
import { powerpc64Ptdump } from './ptdump.js';
import { powerpc64Values } from './values.js';

const HUGE_PAGES: readonly HugePage[] = [{ bytes: 2 ** 21, level: 'pmd', count: 1 }, { bytes: 2 ** 30, level: 'pud', count: 1 }];

/**
 * PowerPC64 with the radix MMU in one configuration, over one memory of tables.
 *
 * @typeParam H what handles are: opaque at the levels that have opted in, unless a caller wants something else
 * @throws PgtableError `EINVAL` if the table memory's entries are not of 8 bytes
 */
export function powerpc64Arch<H extends TableHandles = Powerpc64Handles>(config: Powerpc64Config, tables: TableMemory): WritableArch<H> {
  const full = fullConfig(config);
  const geometry = powerpc64Geometry(full.pageBytes);
  if (tables.entryBytes !== geometry.entryBytes) {
    throw new PgtableError('EINVAL', `powerpc64 has entries of ${geometry.entryBytes} bytes, the table memory of ${tables.entryBytes}`, {
      hint: `make the TableMemory with entryBytes: ${geometry.entryBytes}`,
    });
  }
  const values = powerpc64Values(geometry);
  const radix = radixFormats(geometry);
  // Core's formats say nothing of entries whose kind is in the high word: RadixLevelOps takes the place of all that would ask them.
  const context: TableOpsContext = { tables, geometry, formats: radix.map(() => NEVER_VALID), values };
  const ops = tableOps<H>(context, (level, shared, all) => new RadixLevelOps(level, shared, all, radix));
  return {
    name: 'powerpc64',
    variant: variantName(full.pageBytes),
    geometry,
    littleEndian: false,
    tables,
    ops,
    values,
    hugePages: HUGE_PAGES,
    rootTable: (root) => rootTableIn<H>(tables, root),
    pgdOffset: (root, address) => pgdOffsetIn<H>(tables, geometry, root, address),
    inherit: () => 0,
    describe,
    decodeNonPresent: (level, value) => decodeNonPresent(full, radix[levelNumber(level)]!, level, value),
    ptdump: powerpc64Ptdump,
    vmProt,
    kernelProt,
    newTable: (level, address, user) => newTableIn(context, ops, level, address, user),
    freeTable: (table) => {
      freeTableIn(context, table);
    },
    liveChange: (_level, old, value) => liveChange(old, value),
  };
}

/** A configuration in the words of the field. */
export function variantName(pageBytes: 4096 | 65536): string {
  return pageBytes === 4096 ? 'radix, 4K pages' : 'radix, 64K pages';
}
