import { madvise, readUser } from '../../../packages/mm/src/index.js';
import { race, same } from '../race.js';
import { huge, split } from '../setups.js';

const FIRST = 0x1111;

export default race({
  about: 'MADV_DONTNEED of one page of a huge page, and the split of it by somebody else',
  frames: 64, huge: 1,
  setup: (place) => { huge(place, FIRST, FIRST); },
  threads: {
    zap: ({ mm, base }) => { madvise(mm, base + mm.pageBytes, mm.pageBytes, 'dontneed'); },
    split,
  },
  check: ({ mm, base }) => {
    same('the word that was there', readUser(mm, base), FIRST);
    same('the word that is not needed', readUser(mm, base + mm.pageBytes), 0);
    return undefined;
  },
  search: { kind: 'reduced' },
  without: [{
    name: 'the look under the lock whether it is a huge page still', loses: /none is put aside|page_table_check/,
    patches: [{ file: 'packages/mm/src/huge/split-huge-pmd.ts', find: 'if (!pmdPresent(arch, pmd) || !pmdLeaf(arch, pmd)) return false;', replace: '' }],
  }],
});
