import { readUser, retractPageTables, writeUser } from '../../../packages/mm/src/index.js';
import { endFile, race, same } from '../race.js';
import { emptyTable } from '../setups.js';
import { NO_PMD_RECHECK } from '../withouts.js';

const VALUE = 0x1111;

/** The threads of June 2023: `retract_page_tables()` takes no mmap lock, so a fault may be anywhere. */
export default race({
  about: 'a write fault in a file, and khugepaged, which takes the empty table out that the fault puts its entry into',
  frames: 64, options: { words: 4096 },
  setup: emptyTable,
  threads: {
    fault: ({ mm, base }) => { writeUser(mm, base, VALUE); },
    retract: ({ kernel }, { file }) => {
      retractPageTables(kernel.mapping(file), 0);
      kernel.rcu.barrier();
    },
  },
  check: ({ kernel, mm, base }) => {
    same('the word that was written', readUser(mm, base), VALUE);
    const tables = kernel.pageTables.nrPageTables('pte', mm.id);
    same('the number of PTE tables', tables, 1);
    return undefined;
  },
  after: endFile,
  search: { kind: 'reduced' },
  without: [{ ...NO_PMD_RECHECK, loses: /ends, and is not empty/ }],
});
