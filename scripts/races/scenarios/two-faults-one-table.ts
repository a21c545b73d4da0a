import { pteAlloc, mmAllocPmd, type Mm } from '../../../packages/mm/src/index.js';
import type { TableHandles } from '@pgtable/core';
import { insertVma, race, same } from '../race.js';

/** A fault, as far as it is about tables. */
function makeTable(mm: Mm<TableHandles>, address: number): void {
  mm.lock.readLock();
  pteAlloc(mm, mmAllocPmd(mm, address), address);
  mm.lock.readUnlock();
}

export default race({
  about: 'two threads that make the same page table',
  frames: 64,
  setup: (place) => {
    const { mm, base } = place;
    insertVma(place, base, base + mm.pageBytes);
    mm.lock.readLock();
    mmAllocPmd(mm, base);
    mm.lock.readUnlock();
  },
  threads: {
    'fault 0': ({ mm, base }) => { makeTable(mm, base); },
    'fault 1': ({ mm, base }) => { makeTable(mm, base); },
  },
  check: ({ kernel, mm }) => {
    same('the number of PTE tables', kernel.pageTables.nrPageTables('pte', mm.id), 1);
    return undefined;
  },
  quick: true,
  search: { kind: 'reduced' },
  without: [{
    name: 'the look whether there is a table by now', loses: /to be linked to a pmd entry that is not empty/,
    patches: [{ file: 'packages/mm/src/tables/table-alloc.ts', find: 'if (isEmpty(mm, level, entry)) {', replace: 'if (!used) {' }],
  }],
});
