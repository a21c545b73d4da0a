import { PgtableError, type HugePage, type Level, type TableHandles, type TableMemory, type WritableArch } from '@pgtable/core';
import { freeTableIn, newTableIn, pgdOffsetIn, rootTableIn, tableOps } from '@pgtable/core/arch';
import { describe, inherit } from './attributes.js';
import { fullConfig, type FullConfig, type X86Config } from './config.js';
import { x86Formats } from './format.js';
import { is64Bit, x86Geometry, type PagingMode } from './geometry.js';
import type { X86Handles } from './index.js';
import { decodeNonPresent } from './nonpresent.js';
import { PaeLevelOps, X86LevelOps } from './ops.js';
import { kernelProt, vmProt } from './prot.js';
import { x86Ptdump } from './ptdump.js';
import { encryptionMask, x86Values } from './values.js';

/** The modes by the field's words. */
export const VARIANTS: Readonly<Record<PagingMode, string>> = { '5-level': '5-level (LA57)', '4-level': '4-level', PAE: 'PAE', '2-level': '2-level' };

/**
 * x86 in one configuration, over one memory of tables.
 *
 * What is written is what Linux 6.12 would write, whatever release the configuration names for reading.
 *
 * @typeParam H the handles; opaque at every level unless said otherwise
 * @throws PgtableError `EINVAL` if the configuration makes no sense, or the table memory's entries are not as wide as the mode's
 */
export function x86Arch<H extends TableHandles = X86Handles>(config: X86Config, tables: TableMemory): WritableArch<H> {
  const full = fullConfig(config);
  const geometry = x86Geometry(full.mode);
  if (tables.entryBytes !== geometry.entryBytes) {
    throw new PgtableError('EINVAL', `${full.mode} paging has entries of ${geometry.entryBytes} bytes, the table memory of ${tables.entryBytes}`, {
      hint: `make the TableMemory with entryBytes: ${geometry.entryBytes}`,
    });
  }
  const values = x86Values(full);
  const context = { tables, geometry, formats: x86Formats(full), values };
  const ops = tableOps<H>(context, (level, shared, all) =>
    full.mode === 'PAE' ? new PaeLevelOps(level, shared, all, full) : new X86LevelOps(level, shared, all, full),
  );
  return {
    name: 'x86',
    variant: VARIANTS[full.mode],
    geometry,
    littleEndian: true,
    tables,
    ops,
    values,
    hugePages: hugePages(full),
    rootTable: (root) => rootTableIn<H>(tables, root),
    pgdOffset: (root, address) => pgdOffsetIn<H>(tables, geometry, root, address),
    inherit: (inherited, level, lo, hi) => inherit(full, inherited, level, lo, hi),
    describe: (level, lo, hi, inherited) => describe(full, level, lo, hi, inherited),
    decodeNonPresent: (level, value) => decodeNonPresent(full, level, value),
    ptdump: x86Ptdump(full),
    vmProt: (flags) => vmProt(full, flags),
    kernelProt: (flags) => kernelProt(full, flags),
    newTable: (level, address, user) => {
      checkTableAddress(full, level, address);
      return newTableIn(context, ops, level, address, user);
    },
    freeTable: (table) => {
      freeTableIn(context, table);
    },
    liveChange: (level, old, value) => liveChange(values[level].leaf(old), values[level].leaf(value)),
  };
}

function hugePages(config: FullConfig): readonly HugePage[] {
  if (config.mode === '2-level') return config.pse ? [{ bytes: 4 << 20, level: 'pgd', count: 1 }] : [];
  const pages: HugePage[] = [{ bytes: 2 << 20, level: 'pmd', count: 1 }];
  if (is64Bit(config.mode)) pages.push({ bytes: 1 << 30, level: 'pud', count: 1 });
  return pages;
}

/** A table's address is one that an entry, or CR3 for the root, can hold. */
function checkTableAddress(config: FullConfig, level: Level, address: number): void {
  // CR3 has 32 bits outside of 64-bit paging.
  const bits = config.mode === '2-level' || (config.mode === 'PAE' && level === 'pgd') ? 32 : config.physicalBits;
  const whole = Number.isSafeInteger(address);
  if (whole && address < 2 ** bits && (BigInt(address) & encryptionMask(config)) === 0n) return;
  throw new PgtableError('EINVAL', `0x${address.toString(16)} cannot be the address of a ${level} table with ${config.mode} paging`, {
    ...(whole ? { address: BigInt(address) } : {}),
    hint: `give an address below 2^${bits}, without the bit that says that memory is encrypted`,
  });
}

/**
 * A change of page size in one step leaves it open which translation is used, or a mixture (SDM volume 3A, "TLBs, Paging-Structure Caches and their
 * invalidation": recommended invalidation), and some processors take a machine check (AMD family 10h, erratum 383). Linux changes one directly only where
 * all small pages are exactly what the large one was, which the entry does not say (arch/x86/mm/pat/set_memory.c, Linux 6.12).
 */
function liveChange(oldLeaf: boolean, newLeaf: boolean): string | undefined {
  if (oldLeaf === newLeaf) return undefined;
  return oldLeaf ? 'a large page may not become a table in one step' : 'a table may not become a large page in one step';
}
