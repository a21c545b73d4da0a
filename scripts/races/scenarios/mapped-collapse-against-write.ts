import { collapseFile, collapsePteMappedThp, faultIn, madvise, readUser, writeUser } from '../../../packages/mm/src/index.js';
import { endFile, insertFile, race, same } from '../race.js';

const SECOND = 0x2222;

export default race({
  about: 'a write fault in a private mapping of a huge page of a file, which makes a copy, and khugepaged, which takes the table away that maps the huge page by ptes',
  frames: 64, huge: 2, options: { words: 4096 },
  setup: (place) => {
    const { kernel, mm, base } = place;
    const file = insertFile(place, 'private');
    collapseFile(kernel.mapping(file), 0);
    // A fault maps it by a pmd entry; a write to a private page makes that a table. When the copy is gone, a fault puts the page of the huge one into the table.
    writeUser(mm, base, SECOND);
    madvise(mm, base, mm.pageBytes, 'dontneed');
    readUser(mm, base);
    return { file };
  },
  threads: {
    // Only the fault: with the access, which comes when all is done, there are many times as many interleavings (15,315 on s390), and nothing more is found.
    write: ({ mm, base }) => { faultIn(mm, base, true); },
    collapse: ({ mm, base }) => {
      mm.lock.readLock();
      collapsePteMappedThp(mm, base, true);
      mm.lock.readUnlock();
    },
  },
  check: ({ kernel, mm, base }, { file }) => {
    const { frames } = kernel;
    writeUser(mm, base, SECOND);
    const head = kernel.mapping(file).page(0)!;
    same('the word of the file', frames.ram[(head - frames.firstPfn) * frames.pageBytes / 4], 0);
    same('the word that was written', readUser(mm, base), SECOND);
    same('the word beside it', readUser(mm, base + mm.pageBytes), 0);
    return undefined;
  },
  after: endFile,
  search: { kind: 'reduced' },
  without: [{
    name: 'the look at the entries under both locks', loses: /ends, and is not empty/,
    patches: [{
      file: 'packages/mm/src/khugepaged/collapse-pte-mapped-thp.ts', find: "result = table.unchanged() ? clearPtes(gather, table, start, page) : 'fail';", replace: "result = table.unchanged() ? 'succeed' : 'fail';",
    }],
  }],
});
