import { MmCounter, munmap, UserFaultError, writeUser } from '../../../packages/mm/src/index.js';
import { race, same } from '../race.js';
import { anonymous } from '../setups.js';

export default race({
  about: 'a write fault that has the lock of the VMA alone, and munmap of the VMA',
  frames: 64,
  setup: (place) => { anonymous(place, 'a page'); },
  threads: {
    fault: ({ mm, base }) => {
      try {
        writeUser(mm, base, 1);
      } catch (error) {
        if (!(error instanceof UserFaultError && error.signal === 'SIGSEGV')) throw error;
      }
    },
    munmap: ({ mm, base }) => { munmap(mm, base, mm.pageBytes); },
  },
  check: ({ kernel, mm }) => {
    kernel.rcu.barrier();
    same('the number of VMAs', mm.counter(MmCounter.MapCount), 0);
    same('the number of pages', mm.counter(MmCounter.AnonPages), 0);
    same('the number of page tables', kernel.pageTables.nrPageTables(undefined, mm.id), 1);
    return undefined;
  },
  quick: true,
  search: { kind: 'reduced' },
  without: [{
    name: 'the wait for those that have the lock of the VMA', loses: /the number of pages/,
    patches: [{ file: 'packages/mm/src/locks/vma-lock.ts', find: '    downWrite(this.words, this.index, lockClasses.vmaLock);\n', replace: '' }, { file: 'packages/mm/src/locks/vma-lock.ts', find: '    upWrite(this.words, this.index);\n', replace: '' }],
  }],
});
