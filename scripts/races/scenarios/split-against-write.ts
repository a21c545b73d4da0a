import { readUser, writeUser } from '../../../packages/mm/src/index.js';
import { race, same } from '../race.js';
import { huge, split } from '../setups.js';

const FIRST = 0x1111;
const SECOND = 0x2222;

export default race({
  about: 'a read and a write of a process, and the split of the huge page that they are in',
  frames: 64, huge: 1,
  setup: (place) => { huge(place, FIRST); },
  threads: {
    write: ({ mm, base }) => {
      same('the word that was there', readUser(mm, base), FIRST);
      writeUser(mm, base + mm.pageBytes, SECOND);
    },
    split,
  },
  check: ({ mm, base }) => {
    same('the word that was there', readUser(mm, base), FIRST);
    same('the word that was written', readUser(mm, base + mm.pageBytes), SECOND);
    return undefined;
  },
  search: { kind: 'reduced' },
  without: [{
    name: 'the entries in the table before it is live', loses: /the word that was there/,
    patches: [{ file: 'packages/mm/src/huge/split-huge-pmd.ts', find: '  table.set(0, smallPte(vma, old), table.entries);\n', replace: '' }],
  }],
});
