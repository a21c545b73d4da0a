import { PageWalkLock, walkKernelPageTableRangeLockless, walkPageRange, walkPageVma } from '@pgtable/walk';
import { VmaFlags, writeUser } from '../../../packages/mm/src/index.js';
import { map, refused, run } from '../machine.js';
import { program } from '../program.js';

const look = { pteRange: () => undefined };

export default program({
  about: 'walks that say they have no lock, of memory that needs one; and a walk that has none, and says it has',
  run: (configuration) => {
    const { windows } = configuration.root('kernel', 0x4000_0000);
    const { start } = windows.find(({ half }) => half === 'kernel')!;
    run(configuration, { vmalloc: [{ start, end: start + 2 ** 24 }] }, ({ kernel, mm }) => {
      const address = map(mm, 1);
      writeUser(mm, address, 1);
      const end = address + mm.pageBytes;
      refused('a walk of a process without a lock', () => walkKernelPageTableRangeLockless(mm, address, end, { ...look, walkLock: PageWalkLock.NoLock }), /of kind user/);
      refused('a walk of VMAs without a lock', () => walkPageRange(mm, address, end, { ...look, walkLock: PageWalkLock.NoLock }), /no-lock/);
      mm.lock.readLock();
      const area = mm.vmaLookup(address)!;
      mm.lock.readUnlock();
      refused('a walk without the mmap lock', () => walkPageVma(area, { ...look, walkLock: PageWalkLock.Read }), /mmap_lock/);
      const { initMm } = kernel;
      initMm.lock.writeLock();
      const vma = initMm.insertVma({ start, end: start + initMm.pageBytes, flags: VmaFlags.Read });
      initMm.lock.writeUnlock();
      refused('a walk without a lock of a VMA', () => walkKernelPageTableRangeLockless(initMm, start, start + initMm.pageBytes, { ...look, walkLock: PageWalkLock.NoLock }), /met the VMA/);
      initMm.lock.writeLock();
      initMm.removeVma(vma);
      initMm.lock.writeUnlock();
    });
  },
});
