import { ptePfn, ptepGet, ptePresent } from '@pgtable/core';
import { mmFindPmd, pteOffsetMapLock, pteUnmapUnlock, putPages, readUser, writeUser } from '../../../packages/mm/src/index.js';
import { race, same, writeFrame, type Place } from '../race.js';
import { anonymous, collapse } from '../setups.js';
import { NO_PMD_RECHECK } from '../withouts.js';

const BEFORE = 0x1111;
const AFTER = 0x2222;

/** The page that the pte of an address maps, with a reference on it: `follow_page_pte()`, but for the mmap lock. */
function follow({ kernel: { frames }, mm }: Place, address: number): number | undefined {
  const pmdp = mmFindPmd(mm, address);
  const table = pmdp === undefined ? undefined : pteOffsetMapLock(mm, pmdp, address);
  if (table === undefined) return undefined;
  try {
    const pte = ptepGet(mm.arch, table.ptep);
    if (!ptePresent(mm.arch, pte)) return undefined;
    const pfn = ptePfn(mm.arch, pte);
    frames.get(pfn);
    return pfn;
  } finally {
    pteUnmapUnlock(table);
  }
}

export default race({
  about: 'one that finds a page by pte_offset_map_lock(), with no other lock, refers to it and writes to it, and khugepaged, which makes a huge page of it',
  frames: 64, huge: 1,
  setup: (place) => { anonymous(place, 'a huge page', BEFORE); },
  threads: {
    reader: (place) => {
      const { mm, base } = place;
      const pfn = follow(place, base);
      if (pfn === undefined) writeUser(mm, base, AFTER);
      else {
        writeFrame(place, pfn, AFTER);
        putPages(mm, [pfn], true);
      }
    },
    collapse,
  },
  check: ({ mm, base }) => {
    same('the word that was written', readUser(mm, base), AFTER);
    return undefined;
  },
  search: { kind: 'reduced' },
  without: [{ ...NO_PMD_RECHECK, loses: /the word that was written/ }],
});
