import { pfnPte, pteMkspecial, pteMkyoung, pteNone, ptepGet, setPteAt } from '@pgtable/core';
import { mmFindPmd, pteOffsetMapLock, pteUnmapUnlock, readUser, VmaFlags } from '../../../packages/mm/src/index.js';
import { race, same } from '../race.js';
import { anonymous, collapse, split } from '../setups.js';
import { NO_PMD_RECHECK } from '../withouts.js';

const FIRST = 0x1111;

export default race({
  about: 'one that maps the zero page by pte_offset_map_lock(), with no other lock, and khugepaged, which makes a huge page of the table and puts the table aside',
  frames: 64, huge: 1,
  setup: (place) => { anonymous(place, 'a huge page', FIRST); },
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
    collapse,
  },
  check: (place) => {
    const { mm, base } = place;
    // A split takes the table that was put aside, which must be empty.
    split(place);
    same('the word that was there', readUser(mm, base), FIRST);
    same('a word that nobody wrote', readUser(mm, base + mm.pageBytes), 0);
    return undefined;
  },
  search: { kind: 'reduced' },
  without: [{ ...NO_PMD_RECHECK, loses: /cannot adopt a pte table .* not empty/ }],
});
