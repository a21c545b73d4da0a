import { PgtableError, type HandleFamily } from '@pgtable/core';
import { levelBelow } from '../space.js';
import type { AddressSpace } from '../map/address-space.js';
import type { WalkInstall } from './mm.js';

/**
 * What {@link MmWalkOps.installPte} writes with, in an address space that nobody else changes meanwhile: missing tables are had from `alloc`.
 *
 * Locking: none.
 *
 * @throws what `alloc` throws, when a walk needs a table
 */
export function installInto<H extends HandleFamily>(space: AddressSpace<H>): WalkInstall<H> {
  const { arch, mm } = space;
  return {
    arch,
    context: mm,
    populate({ level, entry }, address) {
      const below = levelBelow(arch, level);
      if (below === undefined) throw new PgtableError('EINVAL', `no table can stand below a ${level} entry`, { address: BigInt(address) });
      const table = arch.newTable(below, space.alloc(below), mm.user);
      arch.ops[level].populate(mm, BigInt(address), entry, table);
    },
  };
}
