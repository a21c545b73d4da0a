import { addUser, MmCounter, readUser } from '../../../packages/mm/src/index.js';
import { insertVma, race, same, type Place } from '../race.js';

function adding(value: number): (place: Place) => void {
  return ({ mm, base }) => { addUser(mm, base, value); };
}

export default race({
  about: 'two threads that add to the same word of a page that is not there yet, nor its table',
  frames: 64,
  setup: (place) => { insertVma(place, place.base, place.base + place.mm.pageBytes); },
  threads: { 'fault 0': adding(1), 'fault 1': adding(2) },
  check: ({ mm, base }) => {
    same('the sum', readUser(mm, base), 3);
    same('the number of pages', mm.counter(MmCounter.AnonPages), 1);
    return undefined;
  },
  quick: true,
  search: { kind: 'reduced' },
  without: [{
    name: 'the look whether the entry is empty still', loses: /the sum|the number of pages/,
    patches: [{ file: 'packages/mm/src/faults/anonymous.ts', find: 'if (!isRangeNone(vmf, ptep, count)) {', replace: 'if (vmf === undefined) {' }],
  }, {
    name: 'the look whether there is a table by now', loses: /./,
    patches: [{ file: 'packages/mm/src/tables/table-alloc.ts', find: 'if (isEmpty(mm, level, entry)) {', replace: 'if (!used) {' }],
  }],
});
