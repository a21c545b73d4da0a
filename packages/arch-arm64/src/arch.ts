import type { Arch, TableMemory } from '@pgtable/core';
import { pgdOffsetIn, rootTableIn, tableOps } from '@pgtable/core/arch';
import { arm64Describe, inherit } from './attributes.js';
import { resolveConfig, variantOf, type Arm64Config } from './config.js';
import { arm64Formats } from './format.js';
import { arm64Geometry } from './geometry.js';
import type { Arm64Handles } from './handles.js';
import { arm64NonPresent } from './nonpresent.js';
import { arm64Ptdump } from './ptdump.js';
import { untag } from './registers.js';

/**
 * One half of an arm64 address space over a table memory.
 *
 * The accessors are the kernel's `__ptep_get` and its siblings: an entry of a contiguous group is what stands in memory, and
 * young and dirty are not gathered from the group.
 *
 * @param tables entries of 8 bytes
 * @throws PgtableError `EINVAL` if no processor has this configuration
 */
export function arm64Arch(config: Arm64Config, tables: TableMemory): Arch<Arm64Handles> {
  const resolved = resolveConfig(config);
  const geometry = arm64Geometry(resolved);
  const formats = arm64Formats(resolved, geometry);
  return {
    name: 'arm64',
    variant: variantOf(resolved),
    geometry,
    littleEndian: resolved.littleEndian,
    tables,
    ops: tableOps<Arm64Handles>({ tables, geometry, formats }),
    rootTable: (root) => rootTableIn<Arm64Handles>(tables, root),
    pgdOffset: (root, address) => pgdOffsetIn<Arm64Handles>(tables, geometry, root, untag(resolved, address)),
    inherit: (inherited, _level, _lo, hi) => inherit(resolved, inherited, hi),
    describe: arm64Describe(resolved, geometry),
    decodeNonPresent: arm64NonPresent(resolved, geometry, formats),
    untagAddress: (address) => untag(resolved, address),
    ptdump: arm64Ptdump(resolved, geometry),
  };
}
