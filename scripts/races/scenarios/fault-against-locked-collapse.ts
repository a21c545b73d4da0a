import { collapseFile, faultIn, readUser, writeUser } from '../../../packages/mm/src/index.js';
import { endFile, race, readFrame, same, type Place } from '../race.js';
import { cachedFile } from '../setups.js';
import { NO_PMD_RECHECK } from '../withouts.js';

/** Of the page that is mapped from the start, and of the one that the fault is about. */
const FIRST = 0x1111;
const SECOND = 0x2222;

function second({ mm, base }: Place): number {
  return base + mm.pageBytes;
}

/**
 * `do_shared_fault()` against all of `collapse_file()`. Whoever is second waits for the lock of the folio, or for the references of a page that is frozen.
 *
 * Only the fault: with the access, which comes when all is done, there are many times as many interleavings, and nothing more is found.
 */
export default race({
  about: 'a write fault in a shared mapping of a file, and khugepaged, which makes a huge page of the file; the folio\'s lock, and references that are frozen, keep the fault out',
  frames: 64, huge: 2, options: { words: 4096 },
  setup: (place) => {
    const data = cachedFile(place, 'shared');
    writeUser(place.mm, place.base, FIRST);
    return data;
  },
  threads: {
    fault: (place) => { faultIn(place.mm, second(place), true); },
    collapse: ({ kernel }, { file }) => { collapseFile(kernel.mapping(file), 0); },
  },
  check: (place, { file }) => {
    const { kernel, mm, base } = place;
    writeUser(mm, second(place), SECOND);
    same('the word that was there', readUser(mm, base), FIRST);
    same('the word that was written', readUser(mm, second(place)), SECOND);
    const mapping = kernel.mapping(file);
    // By the file too: the process could have a page that is no longer the file's.
    same('the word in the file', readFrame(place, mapping.page(1)!), SECOND);
    return kernel.frames.head(mapping.page(1)!) === mapping.page(0) ? 'a huge page' : 'small pages';
  },
  after: endFile,
  limit: 20_000,
  search: { kind: 'reduced' },
  without: [{
    name: 'the frozen references, and the look into the cache once the folio is locked', loses: /the word in the file/,
    patches: [
      { file: 'packages/mm/src/khugepaged/collapse-file.ts', find: '    if (!folioRefFreeze(frames, pfn, OWN)) return true;\n', replace: '' },
      { file: 'packages/mm/src/khugepaged/collapse-file.ts', find: '  for (const pfn of pages) folioRefUnfreeze(frames, pfn, OWN);\n  retractPageTables', replace: '  retractPageTables' },
      { file: 'packages/mm/src/faults/file.ts', find: '      if (mapping.page(index) !== pfn) return RETRY;\n', replace: '' },
    ],
  }],
  needless: [{
    ...NO_PMD_RECHECK,
    because: 'the fault has the lock of the page\'s folio, and the collapse those of all pages, then that of the huge one, until the table is out',
  }],
});
