import type { TableHandles, TableMemory, WritableArch } from '@pgtable/core';
import { freeTableIn, newTableIn, pgdOffsetIn, rootTableIn, tableOps, type TableOpsContext } from '@pgtable/core/arch';
import { arm64Describe, inherit } from './attributes.js';
import { resolveConfig, variantOf, type Arm64Config } from './config.js';
import { arm64Formats } from './format.js';
import { arm64Geometry } from './geometry.js';
import type { Arm64Handles } from './handles.js';
import { arm64NonPresent } from './nonpresent.js';
import { Arm64LevelOps, Arm64PteOps } from './ops.js';
import { arm64HugePages, arm64KernelProt, arm64VmProt } from './prot.js';
import { arm64Ptdump } from './ptdump.js';
import { untag } from './registers.js';
import { arm64LiveChange, arm64Values } from './values.js';

/**
 * One half of an arm64 address space over a table memory.
 *
 * Contiguous blocks of pages are invisible, as the kernel's `ptep_get` and its siblings make them: accessors hide the contiguous bit, and young and dirty are
 * those of the whole block. Scans and HugeTLB's accessors show the bit.
 *
 * What software keeps in entries is that of the kernel release; contiguous blocks are made whatever it is.
 *
 * @typeParam H what handles to live entries are: opaque unless said otherwise
 * @param tables entries of 8 bytes
 * @throws PgtableError `EINVAL` if no processor has this configuration
 */
export function arm64Arch<H extends TableHandles = Arm64Handles>(config: Arm64Config, tables: TableMemory): WritableArch<H> {
  const resolved = resolveConfig(config);
  const geometry = arm64Geometry(resolved);
  const formats = arm64Formats(resolved, geometry);
  const values = arm64Values(resolved, geometry, formats);
  const context: TableOpsContext = { tables, geometry, formats, values };
  const ops = tableOps<H>(context, (level, shared, all) => (level === 'pte' ? new Arm64PteOps(level, resolved, shared, all) : new Arm64LevelOps(level, resolved, shared, all)));
  return {
    name: 'arm64',
    variant: variantOf(resolved),
    geometry,
    littleEndian: resolved.littleEndian,
    tables,
    ops,
    values,
    hugePages: arm64HugePages(resolved, geometry),
    rootTable: (root) => rootTableIn<H>(tables, root),
    pgdOffset: (root, address) => pgdOffsetIn<H>(tables, geometry, root, untag(resolved, address)),
    inherit: (inherited, _level, _lo, hi) => inherit(resolved, inherited, hi),
    describe: arm64Describe(resolved, geometry),
    decodeNonPresent: arm64NonPresent(resolved, geometry, formats),
    untagAddress: (address) => untag(resolved, address),
    vmProt: arm64VmProt(resolved),
    kernelProt: arm64KernelProt(resolved),
    newTable: (level, address, user) => newTableIn<H, typeof level>(context, ops, level, address, user),
    freeTable: (table) => {
      freeTableIn<H>(context, table);
    },
    liveChange: arm64LiveChange(resolved, values),
    ptdump: arm64Ptdump(resolved, geometry),
  };
}
