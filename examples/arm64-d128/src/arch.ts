import { PgtableError, type TableHandles, type TableMemory, type WritableArch } from '@pgtable/core';
import { freeTableIn, newTableIn, pgdOffsetIn, rootTableIn } from '@pgtable/core/arch';
import { d128Describe, inherit } from './attributes.js';
import { resolveConfig, variantOf, type D128Config } from './config.js';
import { d128Formats } from './format.js';
import { d128Geometry, ENTRY_BYTES } from './geometry.js';
import type { D128Handles } from './handles.js';
import { d128NonPresent } from './nonpresent.js';
import { d128Ops, type D128OpsContext } from './ops.js';
import { d128HugePages, kernelProt, vmProt } from './prot.js';
import { d128Ptdump } from './ptdump.js';
import { d128LiveChange, d128Values } from './values.js';

/**
 * One half of an arm64 address space with 128-bit descriptors, over a table memory.
 *
 * @typeParam H what handles to live entries are: opaque unless said otherwise
 * @param tables entries of 16 bytes
 * @throws PgtableError `EINVAL` if no processor has this configuration, or the table memory's entries are of another size; `ENOTSUP` if it has other than two to
 *   five levels
 */
export function d128Arch<H extends TableHandles = D128Handles>(config: D128Config, tables: TableMemory): WritableArch<H> {
  const resolved = resolveConfig(config);
  if (tables.entryBytes !== ENTRY_BYTES) {
    throw new PgtableError('EINVAL', `128-bit descriptors have ${ENTRY_BYTES} bytes, the entries of the table memory ${tables.entryBytes}`, {
      hint: `make the TableMemory with entryBytes: ${ENTRY_BYTES}`,
    });
  }
  const geometry = d128Geometry(resolved);
  const formats = d128Formats(resolved, geometry);
  const values = d128Values(resolved, geometry, formats);
  const context: D128OpsContext = { tables, geometry, formats, values };
  const ops = d128Ops<H>(context);
  return {
    name: 'arm64-d128',
    variant: variantOf(resolved),
    geometry,
    littleEndian: resolved.littleEndian,
    tables,
    ops,
    values,
    hugePages: d128HugePages(geometry, formats),
    rootTable: (root) => rootTableIn<H>(tables, root),
    pgdOffset: (root, address) => pgdOffsetIn<H>(tables, geometry, root, address),
    inherit: (_inherited, _level, _lo, hi) => inherit(hi),
    describe: d128Describe(resolved, geometry),
    decodeNonPresent: d128NonPresent(resolved, geometry),
    vmProt,
    kernelProt,
    newTable: (level, address, user) => newTableIn<H, typeof level>(context, ops, level, address, user),
    freeTable: (table) => {
      freeTableIn<H>(context, table);
    },
    liveChange: d128LiveChange(values),
    ptdump: d128Ptdump(resolved, geometry),
  };
}
