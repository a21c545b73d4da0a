import { getUserPagesFast, putPages, readUser } from '../../../packages/mm/src/index.js';
import { race, same, writeFrame } from '../race.js';
import { anonymous, collapse } from '../setups.js';

const BEFORE = 0x1111;
const AFTER = 0x2222;

export default race({
  about: 'one that writes to a page by its frame, which GUP-fast gave it, and khugepaged, which copies the page into a huge one',
  frames: 64, huge: 1,
  setup: (place) => { anonymous(place, 'a huge page', BEFORE); },
  threads: {
    gup: (place) => {
      const pages = getUserPagesFast(place.mm, place.base, 1, true);
      for (const pfn of pages) writeFrame(place, pfn, AFTER);
      putPages(place.mm, pages, true);
    },
    collapse,
  },
  check: ({ mm, base }) => {
    same('the word that was written', readUser(mm, base), AFTER);
    return undefined;
  },
  search: { kind: 'reduced' },
  without: [{
    name: 'the look at the references once nobody can reach the page', loses: /the word that was written/,
    patches: [{ file: 'packages/mm/src/khugepaged/collapse-huge-page.ts', find: "return isRefcountSuitable(mm, head) ? undefined : 'pageCount';", replace: 'return undefined;' }],
  }],
});
