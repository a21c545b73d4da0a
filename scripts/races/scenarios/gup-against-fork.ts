import { fork, getUserPagesFast, putPages, readUser, writeUser } from '../../../packages/mm/src/index.js';
import { race, same, writeFrame } from '../race.js';
import { anonymous } from '../setups.js';

const BEFORE = 0x1111;
const AFTER = 0x2222;
const DEVICE = 0x3333;
/** The number of the child: after init_mm and the parent. */
const CHILD = 3;

export default race({
  about: 'a page that GUP got to be written, and fork: what a device writes there the parent sees, though it has written to the page since, and the child does not',
  frames: 64,
  setup: (place) => { anonymous(place, 'a page', BEFORE); },
  threads: {
    gup: (place) => {
      const { mm, base } = place;
      const pages = getUserPagesFast(mm, base, 1, true);
      // Where the parent and the child have the page together, this is a copy of its own.
      writeUser(mm, base + 4, AFTER);
      for (const pfn of pages) writeFrame(place, pfn, DEVICE);
      same('the word that the device wrote', readUser(mm, base), DEVICE);
      putPages(mm, pages, true);
    },
    fork: ({ mm }) => { fork(mm); },
  },
  check: ({ kernel, mm, base }) => {
    const child = kernel.mm(CHILD);
    const seen = readUser(child, base);
    if (seen !== BEFORE && seen !== DEVICE) throw new Error(`the word of the child: ${seen}`);
    same('the word of the parent', readUser(mm, base), DEVICE);
    same('the other word of the parent', readUser(mm, base + 4), AFTER);
    child.mmput();
    return seen === DEVICE ? 'gup first' : 'fork first';
  },
  search: { kind: 'reduced' },
  without: [{
    name: 'the look whether a fork came', loses: /the word that the device wrote/,
    patches: [{ file: 'packages/mm/src/gup/gup-fast.ts', find: 'if (pages.length > before && mm.writeProtectSequence !== sequence) for', replace: 'if (pages.length < before) for' }],
  }],
});
