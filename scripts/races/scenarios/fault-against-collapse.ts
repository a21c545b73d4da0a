import { readUser, writeUser } from '../../../packages/mm/src/index.js';
import { race, same, type Place } from '../race.js';
import { anonymous, collapse } from '../setups.js';
import { NO_PMD_RECHECK } from '../withouts.js';

/** Of the page that is mapped from the start, and of the one that the fault is about. */
const FIRST = 0x1111;
const SECOND = 0x2222;

function second({ mm, base }: Place): number {
  return base + mm.pageBytes;
}

/**
 * `handle_pte_fault()` against khugepaged's collapse of anonymous memory: one thread writes to a page that is not there yet, another makes a huge page of the table that it would be in.
 *
 * The locks of the VMA and of the address space keep the two apart, so a fault is never in the table that was taken out, and the recheck of the pmd entry is not needed here. Of a file it is.
 */
export default race({
  about: 'a write fault in anonymous memory, and khugepaged, which makes a huge page of it; the lock of the VMA keeps the fault out',
  frames: 64, huge: 1,
  setup: (place) => { anonymous(place, 'a huge page', FIRST); },
  threads: {
    fault: (place) => { writeUser(place.mm, second(place), SECOND); },
    collapse,
  },
  check: (place) => {
    same('the word that was there', readUser(place.mm, place.base), FIRST);
    same('the word that was written', readUser(place.mm, second(place)), SECOND);
    return undefined;
  },
  quick: true,
  search: { kind: 'reduced' },
  without: [{
    name: 'the lock of the VMA',
    loses: /became 0x[0-9a-f]+ while its table was taken out|the threads wait for each other, awake/,
    patches: [{ file: 'packages/mm/src/khugepaged/collapse-huge-page.ts', find: '  vma.lock.startWrite();\n', replace: '' }],
  }],
  needless: [{
    ...NO_PMD_RECHECK,
    because: 'the collapse has the mmap lock and the VMA\'s to write from before it takes the table out: no fault is between its look at the pmd entry and the lock of the table then',
  }],
});
