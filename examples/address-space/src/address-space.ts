import type { TableHandles } from '@pgtable/core';
import { bootKernel, collapseHugePage, fork, hugePmdBytes, mmap, mprotect, munmap, readUser, setHugePolicy, VmaFlags, writeUser, type Mm, type Platform } from '@pgtable/mm';
import { ptdump } from '@pgtable/walk';

const { Read, Write } = VmaFlags;
const BASE = 0x10000000;

/**
 * The life of an address space: a process maps memory, touches it, forks, gets a huge page, and ends. After each step the page tables are listed.
 *
 * @param print is called with each line
 */
export function addressSpace(platform: Platform<TableHandles>, print: (line: string) => void): void {
  const checks = { lockdep: true, flushes: true, pageTableCheck: true, staleTranslations: true, writeProtect: true };
  const kernel = bootKernel(platform, { bytes: 32 << 20, checks });
  kernel.join('the program');
  const mm = kernel.newMm();
  const huge = hugePmdBytes(mm);

  mmap(mm, { address: BASE, fixed: true, bytes: 2 * huge, prot: Read | Write });
  show('mmap: there is a VMA, and no page', mm);

  writeUser(mm, BASE + 0x1234, 42);
  show(`a write: a fault made tables, ${kernel.pageTables.nrPageTables(undefined, mm.id)} with the root, and mapped one page`, mm);

  setHugePolicy(kernel, { pmd: 'madvise', mthp: 'always', orders: [4] });
  writeUser(mm, BASE + huge, 1);
  show('a write where faults may map 16 pages at once', mm);

  const child = fork(mm);
  show('fork: both may read the same pages', mm, child);

  writeUser(child, BASE + 0x1234, 43);
  show(`the child wrote ${readUser(child, BASE + 0x1234)} and has a copy; the parent reads ${readUser(mm, BASE + 0x1234)}`, mm, child);
  child.mmput();

  writeUser(mm, BASE + 0x1234, 44);
  show('the child has ended, the parent writes: nobody else has the page, so it is not copied', mm);

  const result = collapseHugePage(mm, BASE);
  show(`collapse: ${result}; a huge page is in the place of a table, and the word is ${readUser(mm, BASE + 0x1234)}`, mm);

  mprotect(mm, BASE, 0x4000, Read);
  show('mprotect of four pages: the huge page was split', mm);

  munmap(mm, BASE, 2 * huge);
  show('munmap', mm);
  mm.mmput();
  kernel.assertQuiet();
  print('\nAll frames are free, no table is left, no lock is held.');
  kernel.leave();

  function show(title: string, ...spaces: Mm<TableHandles>[]): void {
    for (const space of spaces) {
      print(`\n--- ${title}${spaces.length > 1 ? (space === mm ? ' (the parent)' : ' (the child)') : ''}`);
      space.lock.writeLock();
      ptdump(space, print, { ranges: space.vmas() });
      space.lock.writeUnlock();
    }
  }
}
