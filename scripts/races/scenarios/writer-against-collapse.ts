import { pfnPte, pteMkspecial, pteMkyoung, pteNone, ptepGet, setPteAt } from '@pgtable/core';
import { collapseHugePage, mmFindPmd, pteOffsetMapLock, pteUnmapUnlock, readUser, splitHugePmd, VmaFlags, writeUser } from '../../../packages/mm/src/index.js';
import { insertVma, race, same } from '../race.js';
import { NO_PMD_RECHECK } from '../withouts.js';

const FIRST = 0x1111;

export default race({
  about: 'one that maps the zero page by pte_offset_map_lock(), with no other lock, and khugepaged, which makes a huge page of the table and puts the table aside',
  frames: 64, huge: 1,
  setup: (place) => {
    insertVma(place, place.base, place.base + place.hugeBytes);
    writeUser(place.mm, place.base, FIRST);
  },
  threads: {
    writer: ({ kernel, mm, base }) => {
      const { arch, context } = mm;
      const address = base + mm.pageBytes;
      const pmdp = mmFindPmd(mm, address);
      const table = pmdp === undefined ? undefined : pteOffsetMapLock(mm, pmdp, address);
      if (table === undefined) return;
      const zero = pteMkspecial(arch, pteMkyoung(arch, pfnPte(arch, kernel.zeroPfn, arch.vmProt(VmaFlags.Read | VmaFlags.Write))));
      if (pteNone(arch, ptepGet(arch, table.ptep))) setPteAt(arch, context, BigInt(address), table.ptep, zero);
      pteUnmapUnlock(table);
    },
    collapse: ({ mm, base }) => { collapseHugePage(mm, base); },
  },
  check: ({ mm, base }) => {
    // A split takes the table that was put aside, which must be empty.
    mm.lock.readLock();
    const vma = mm.vmaLookup(base);
    const pmdp = mmFindPmd(mm, base);
    if (vma === undefined || pmdp === undefined) throw new Error('the VMA or its tables are gone');
    splitHugePmd(vma, pmdp, base);
    mm.lock.readUnlock();
    same('the word that was there', readUser(mm, base), FIRST);
    same('a word that nobody wrote', readUser(mm, base + mm.pageBytes), 0);
    return undefined;
  },
  search: { kind: 'reduced' },
  without: [{ ...NO_PMD_RECHECK, loses: /cannot adopt a pte table .* not empty/ }],
});
