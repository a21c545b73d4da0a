import { addUser, MmCounter, readUser, writeUser } from '../../../packages/mm/src/index.js';
import { insertVma, race, same } from '../race.js';

export default race({
  about: 'two threads that add to the same word of a page that is not there yet; its table is',
  frames: 64,
  setup: (place) => {
    const { mm, base } = place;
    insertVma(place, base, base + 2 * mm.pageBytes);
    writeUser(mm, base + mm.pageBytes, 0);
  },
  threads: {
    'fault 0': ({ mm, base }) => { addUser(mm, base, 1); },
    'fault 1': ({ mm, base }) => { addUser(mm, base, 2); },
  },
  check: ({ mm, base }) => {
    same('the sum', readUser(mm, base), 3);
    same('the number of pages', mm.counter(MmCounter.AnonPages), 2);
    return undefined;
  },
  quick: true,
  search: { kind: 'reduced' },
  without: [{
    name: 'the look whether the entry is empty still', loses: /the sum|the number of pages/,
    patches: [{ file: 'packages/mm/src/faults/anonymous.ts', find: 'if (!isRangeNone(vmf, ptep, count)) {', replace: 'if (vmf === undefined) {' }],
  }],
});
