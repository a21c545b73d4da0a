import { pfnPte, pteMkdirty, pteMkwriteNovma, pteMkyoung, pteNone, ptepGet, setPteAt, type TableHandles } from '@pgtable/core';
import { addNewAnonRmap, addUser, collapseFile, FrameType, mmAllocPmd, pteAlloc, pteOffsetMapLock, pteUnmapUnlock, readUser, VmaFlags } from '../../../packages/mm/src/index.js';
import { endFile, race, same, writeFrame, type Place } from '../race.js';
import { cachedFile } from '../setups.js';
import { NO_PMD_RECHECK } from '../withouts.js';

/** What the page is filled with. */
const FILLED = 0x2222;

function second({ mm, base }: Place): number {
  return base + mm.pageBytes;
}

/**
 * `mfill_atomic_install_pte()` (mm/userfaultfd.c, Linux 6.12): maps a page of its own where nothing is mapped yet.
 *
 * @returns whether it is mapped; if not there was no table: `-EAGAIN`
 */
function install({ mm }: Place, pmdp: TableHandles['pmd'], address: number, copy: number): boolean {
  const { arch, context } = mm;
  const table = pteOffsetMapLock(mm, pmdp, address);
  if (table === undefined) return false;
  try {
    if (!pteNone(arch, ptepGet(arch, table.ptep))) throw new Error('the page is there already, and nobody else fills it');
    addNewAnonRmap(mm, copy, 1);
    setPteAt(arch, context, BigInt(address), table.ptep, pteMkwriteNovma(arch, pteMkdirty(arch, pteMkyoung(arch, pfnPte(arch, copy, arch.vmProt(VmaFlags.Read | VmaFlags.Write))))));
    return true;
  } finally {
    pteUnmapUnlock(table);
  }
}

/** `UFFDIO_COPY`: again and again, until the page is mapped. It was copied before. */
function fill(place: Place, copy: number): void {
  const { mm } = place;
  const address = second(place);
  for (let done = false; !done;) {
    mm.lock.readLock();
    try {
      const pmdp = mmAllocPmd(mm, address);
      pteAlloc(mm, pmdp, address);
      done = install(place, pmdp, address, copy);
    } finally {
      mm.lock.readUnlock();
    }
  }
}

/**
 * A fault against all of `collapse_file()`, with its `retract_page_tables()`, which takes neither the mmap lock nor the VMA's.
 *
 * A fault that maps a page of the file has its folio locked, and the collapse has all of them, then the huge one: see `fault against collapse: a file, its page locked`. But a page of a private mapping that a handler
 * of userfaultfd fills is a page of its own from the start, so there is no folio that both lock: the kernel says so in retract_page_tables(). What is left is the lock of the table, and with it the recheck.
 */
export default race({
  about: 'a fault in a private mapping of a file, which userfaultfd\'s handler resolves (UFFDIO_COPY), and khugepaged, which makes a huge page of the file and takes the table out; nothing but the table\'s lock keeps them apart',
  frames: 64, huge: 2, options: { words: 4096 },
  setup: (place) => {
    const { file } = cachedFile(place, 'private');
    const copy = place.kernel.frames.allocPages(0, FrameType.Anon);
    writeFrame(place, copy, FILLED);
    return { file, copy };
  },
  threads: {
    fault: (place, { copy }) => {
      fill(place, copy);
      addUser(place.mm, second(place), 1);
    },
    collapse: ({ kernel }, { file }) => { same('the collapse', collapseFile(kernel.mapping(file), 0), 'succeed'); },
  },
  check: (place) => {
    const { kernel, mm } = place;
    same('the word that was written', readUser(mm, second(place)), FILLED + 1);
    kernel.rcu.barrier();
    same('the number of PTE tables', kernel.pageTables.nrPageTables('pte', mm.id), 1);
    return undefined;
  },
  after: endFile,
  quick: true,
  limit: 20_000,
  search: { kind: 'reduced' },
  without: [{ ...NO_PMD_RECHECK, loses: /the word that was written/ }],
});
