import {
  LEVELS, levelNumber, PgtableError, type HugePage, type Level, type MmContext, type TableHandles, type TableMemory, type UnlinkedTable, type WritableArch,
} from '@pgtable/core';
import { freeTableIn, newTableIn, pgdOffsetIn, rootTableIn, tableOps } from '@pgtable/core/arch';
import { describe } from './attributes.js';
import { fullConfig, type FullConfig, type LoongarchConfig } from './config.js';
import { loongarchFormats } from './format.js';
import { loongarchGeometry, untagAddress } from './geometry.js';
import type { LoongarchHandles } from './handles.js';
import { decodeNonPresent } from './nonpresent.js';
import { LoongarchLevelOps, type LoongarchOpsContext } from './ops.js';
import { kernelProt, vmProt } from './prot.js';
import { loongarchPtdump } from './ptdump.js';
import { hugePageShift, loongarchValues } from './values.js';

/**
 * LoongArch, 64-bit, in one configuration, over one memory of tables.
 *
 * @typeParam H what handles are: opaque, unless a caller wants the alias at some level
 * @throws PgtableError `EINVAL` if the configuration is none, or the table memory's entries are not of 8 bytes
 */
export function loongarchArch<H extends TableHandles = LoongarchHandles>(config: LoongarchConfig, tables: TableMemory): WritableArch<H> {
  const full = fullConfig(config);
  if (tables.entryBytes !== 8) {
    throw new PgtableError('EINVAL', `LoongArch has entries of 8 bytes, the table memory of ${tables.entryBytes}`, {
      hint: 'make the TableMemory with entryBytes: 8',
    });
  }
  const geometry = loongarchGeometry(full.layout);
  const values = loongarchValues(full);
  const context: LoongarchOpsContext = { tables, geometry, formats: loongarchFormats(full.layout), values };
  const ops = tableOps<H>(context, (level, _context, all) => new LoongarchLevelOps(level, context, all));
  return {
    name: 'loongarch64',
    variant: full.layout,
    geometry,
    littleEndian: true,
    tables,
    ops,
    values,
    hugePages: hugePages(full),
    rootTable: (root) => rootTableIn<H>(tables, root),
    pgdOffset: (root, address) => pgdOffsetIn<H>(tables, geometry, root, address),
    inherit: () => 0,
    describe,
    decodeNonPresent: (level, value) => decodeNonPresent(full, level, value),
    untagAddress: (address) => untagAddress(full.layout, address),
    ptdump: loongarchPtdump(full.layout),
    vmProt,
    kernelProt,
    newTable: <L extends Level>(level: L, address: number, user: boolean): UnlinkedTable<H, L> => {
      if (isInvalidTable(full, address)) {
        throw new PgtableError('EINVAL', `0x${address.toString(16)} is where the kernel keeps a table that maps nothing`, {
          hint: 'an entry that points there is empty: take another address',
        });
      }
      const table = newTableIn(context, ops, level, address, user);
      // As kernel_pte_init: see values.ts about G in empty entries.
      if (level === 'pte' && !user) table.set(0, table.get(0), table.entries);
      return table;
    },
    freeTable: (table) => {
      freeTableIn(context, table);
    },
    ...(full.ptw ? {} : { updateMmuCache: (mm: MmContext, address: bigint, level: Level, count: number) => {
      const { shift } = geometry.levels[levelNumber(level)];
      mm.tlb.flush({ start: address, end: address + (BigInt(count) << BigInt(shift)), level, tables: false });
    } }),
  };
}

function isInvalidTable({ invalidTables }: FullConfig, address: number): boolean {
  return invalidTables !== undefined && [invalidTables.pte, invalidTables.pmd, invalidTables.pud].includes(address);
}

/** HugeTLB and transparent huge pages have one size: a leaf of the level above the pte. @see arch/loongarch/mm/hugetlbpage.c (Linux 6.12) */
function hugePages(full: FullConfig): HugePage[] {
  const shift = hugePageShift(full);
  const { levels } = loongarchGeometry(full.layout);
  const level = LEVELS.find((name) => !levels[levelNumber(name)].folded && levels[levelNumber(name)].shift === shift)!;
  return [{ bytes: 2 ** shift, level, count: 1 }];
}
