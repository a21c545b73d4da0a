import { pteNone, ptepGetLockless } from '@pgtable/core';
import { mmFindPmd, pteOffsetMap, pteUnmap, retractPageTables } from '../../../packages/mm/src/index.js';
import { endFile, race } from '../race.js';
import { emptyTable } from '../setups.js';

export default race({
  about: 'one that looks at entries by pte_offset_map(), with no lock, and khugepaged, which takes the table out; its memory is something else after a grace period',
  frames: 64, options: { words: 4096 },
  setup: emptyTable,
  threads: {
    reader: ({ mm, base }) => {
      const pmdp = mmFindPmd(mm, base);
      const table = pmdp === undefined ? undefined : pteOffsetMap(mm, pmdp, base);
      if (table === undefined) return;
      try {
        // Twice, so that the table may go in between.
        for (let look = 0; look < 2; look++) {
          const pte = ptepGetLockless(mm.arch, table.ptep);
          if (!pteNone(mm.arch, pte)) throw new Error(`an entry that nobody wrote: 0x${pte.toString(16)}`);
        }
      } finally {
        pteUnmap(table);
      }
    },
    retract: ({ kernel }, { file }) => {
      retractPageTables(kernel.mapping(file), 0);
      kernel.rcu.barrier();
      const { frames } = kernel;
      const pfn = frames.allocPages(0);
      const first = (pfn - frames.firstPfn) * frames.pageBytes / 4;
      frames.ram.fill(-1, first, first + frames.pageBytes / 4);
      frames.put(pfn);
    },
  },
  check: () => undefined,
  after: endFile,
  quick: true,
  search: { kind: 'reduced' },
  without: [{
    name: 'the grace period', loses: /an entry that nobody wrote/,
    patches: [{ file: 'packages/mm/src/tables/gather.ts', find: 'mm.kernel.rcu.callRcu(RcuKind.FreeTable, table.address);', replace: 'mm.kernel.pageTables.free(table.address);' }],
  }],
});
