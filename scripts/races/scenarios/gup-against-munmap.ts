import { munmap, putPages } from '../../../packages/mm/src/index.js';
import { gupFast } from '../../../packages/mm/src/gup/gup-fast.js';
import { race, readFrame, same } from '../race.js';
import { anonymous } from '../setups.js';

const FIRST = 0x1111;

export default race({
  about: 'GUP-fast, which takes no lock, and munmap, which frees the page and all of its tables; their memory is something else at once',
  frames: 64,
  setup: (place) => { anonymous(place, 'a page', FIRST); },
  threads: {
    gup: (place) => {
      const pages: number[] = [];
      gupFast(place.mm, place.base, 1, true, pages);
      for (const pfn of pages) same('the word of a page that was referred to', readFrame(place, pfn), FIRST);
      putPages(place.mm, pages);
    },
    munmap: ({ kernel, mm, base }) => {
      munmap(mm, base, mm.pageBytes);
      const { frames } = kernel;
      const pfn = frames.allocPages(0);
      frames.zero(pfn);
      frames.put(pfn);
    },
  },
  check: ({ kernel, mm }) => {
    kernel.rcu.barrier();
    same('the number of page tables', kernel.pageTables.nrPageTables(undefined, mm.id), 1);
    return undefined;
  },
  search: { kind: 'reduced' },
  without: [{
    name: 'the second look at the entry', loses: /the word of a page that was referred to/,
    patches: [
      { file: 'packages/mm/src/gup/gup-fast.ts', find: 'if (!pmdSame(arch, pmdpGetLockless(arch, pmdp), pmd) || !pteSame(arch, ptepGetLockless(arch, ptep), pte)) {', replace: 'if (pages === undefined) {' },
    ],
  }],
});
