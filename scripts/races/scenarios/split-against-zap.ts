import { collapseHugePage, madvise, mmFindPmd, readUser, splitHugePmd, writeUser } from '../../../packages/mm/src/index.js';
import { insertVma, race, reading, same } from '../race.js';

const FIRST = 0x1111;

export default race({
  about: 'MADV_DONTNEED of one page of a huge page, and the split of it by somebody else',
  frames: 64, huge: 1,
  setup: (place) => {
    const { mm, base, hugeBytes } = place;
    insertVma(place, base, base + hugeBytes);
    writeUser(mm, base, FIRST);
    writeUser(mm, base + mm.pageBytes, FIRST);
    same('the collapse', collapseHugePage(mm, base), 'succeed');
  },
  threads: {
    zap: ({ mm, base }) => { madvise(mm, base + mm.pageBytes, mm.pageBytes, 'dontneed'); },
    split: (place) => {
      reading(place, (vma) => {
        const pmdp = mmFindPmd(place.mm, place.base);
        if (pmdp !== undefined) splitHugePmd(vma, pmdp, place.base);
      });
    },
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
