import type { HandleFamily } from '@pgtable/core';
import type { TableHooks } from '../kernel/table-hooks.js';
import { pteOffsetMap, pteOffsetMapLock } from './pte-offset-map.js';
import { populateEntry } from './table-alloc.js';
import { pmdLock, pudLock } from './table-locks.js';

/** What walks need of the tables of an address space: the functions of this folder. */
export function tableHooks<H extends HandleFamily>(): Omit<TableHooks<H>, 'splitHuge' | 'exitMmap'> {
  return {
    pteOffsetMapLock,
    pteOffsetMap,
    pmdLock,
    pudLock: (mm) => pudLock(mm),
    populate: populateEntry,
  };
}
