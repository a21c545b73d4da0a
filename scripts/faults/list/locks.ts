import type { Fault } from '../fault.js';

const PTE_OFFSET_MAP = 'packages/mm/src/tables/pte-offset-map.ts';
const MM = 'packages/mm/src/kernel/mm.ts';

/** Faults in what is held while something is done, and in which order. */
export const LOCKS: readonly Fault[] = [
  {
    name: 'a spin lock is released twice', program: 'zero page', says: /releases a lock \(spin\) that it does not have/,
    patches: [{ file: 'packages/mm/src/tables/table-alloc.ts', find: '    ptl.unlock();\n', replace: '    ptl.unlock();\n    ptl.unlock();\n' }],
  },
  {
    name: 'a spin lock is not released', program: 'zero page', says: /with (pmd ptl|page_table_lock), a spin lock/,
    patches: [{ file: 'packages/mm/src/tables/table-alloc.ts', find: '    ptl.unlock();\n', replace: '' }],
  },
  {
    name: 'the lock of a VMA is not released after a fault', program: 'zero page', says: /takes mmap_lock and has vma_lock: the order is/,
    patches: [{ file: 'packages/mm/src/access/user-fault.ts', find: '      quick.lock.endRead();\n', replace: '' }],
  },
  {
    name: "the lock of the PTE table comes before that of its PMD table", program: 'files', says: /takes pmd ptl and has pte ptl: the order is/,
    patches: [{ file: 'packages/mm/src/khugepaged/retract-page-tables.ts', find: '  const pml = pmdLock(mm, pmdp);\n', replace: '  pteLockptr(mm, pmdpGetOnce(arch, pmdp)).lock();\n  const pml = pmdLock(mm, pmdp);\n' }],
  },
  {
    name: "fork takes the mmap lock of the child as if it were the only one", program: 'forks', says: /second lock of class mmap_lock/,
    patches: [{ file: 'packages/mm/src/ops/fork.ts', find: 'child.lock.writeLockNested();', replace: 'child.lock.writeLock();' }],
  },
  {
    name: 'mremap takes the lock of the new table as if it were the only one', program: 'moves', says: /second lock of class pte ptl/,
    patches: [{ file: 'packages/mm/src/ops/move-page-tables.ts', find: 'newTable.ptl.lockNested()', replace: 'newTable.ptl.lock()' }],
  },
  {
    name: 'munmap does not take the mmap lock', program: 'neighbours', says: /mmap_lock/,
    patches: [{ file: 'packages/mm/src/ops/munmap.ts', find: 'withWriteLock(mm, () => { doMunmap(mm, start, end); });', replace: 'doMunmap(mm, start, end);' }],
  },
  {
    name: 'a VMA is changed and not write-locked', program: 'rights', says: /the VMA is not write-locked/,
    patches: [
      { file: MM, find: "    this.own(vma, 'change the flags of a VMA');\n    vma.lock.startWrite();\n", replace: "    this.own(vma, 'change the flags of a VMA');\n" },
    ],
  },
  {
    name: 'munmap empties entries before it write-locks their VMA', interleaving: 'fault against munmap', says: /./, slow: true,
    patches: [{ file: 'packages/mm/src/zap/unmap-region.ts', find: '      vma.lock.startWrite();\n', replace: '' }],
  },
  {
    name: 'lock_vma_under_rcu() does not look whether the VMA is detached', interleaving: 'fault against munmap', says: /./, slow: true,
    patches: [{ file: MM, find: 'if (!vma.detached) {', replace: 'if (vma.id > 0) {' }],
  },
  {
    name: 'the file\'s lock is not taken for its list of VMAs', program: 'files', says: /i_mmap_rwsem/,
    patches: [
      { file: 'packages/mm/src/khugepaged/retract-page-tables.ts', find: '  mapping.lockRead();\n', replace: '' },
      { file: 'packages/mm/src/khugepaged/retract-page-tables.ts', find: '    mapping.unlockRead();\n', replace: '' },
    ],
  },
  {
    name: 'who takes the mmap lock does not read the journal of VMAs', program: 'two threads', says: /a read of what another thread unmapped was not refused/,
    patches: [{ file: MM, find: '() => { this.replay(); });', replace: '() => undefined);' }],
  },
  {
    name: 'entries are cleared without the lock of their table', program: 'zero page', says: /touches the pte entry of 0x[0-9a-f]+ without pte ptl/,
    patches: [
      { file: 'packages/mm/src/zap/zap.ts', find: 'const table = pteOffsetMapLock(mm, pmdp, address);', replace: 'const table = pteOffsetMap(mm, pmdp, address);' },
      { file: 'packages/mm/src/zap/zap.ts', find: "import { pteOffsetMapLock, pteUnmapUnlock }", replace: "import { pteOffsetMap, pteUnmapUnlock }" },
    ],
  },
  {
    name: 'a table is not given back', program: 'zero page', says: /in an RCU read section, for which a grace period waits/,
    patches: [{ file: PTE_OFFSET_MAP, find: '    this.mm.kernel.rcu.readUnlock();\n', replace: '' }],
  },
  {
    name: 'processes may be walked without a lock', program: 'walks without locks', says: /which no range without locks holds/,
    patches: [
      { file: 'packages/walk/src/page-walk/novma-walks.ts', find: "if (mm.kind === 'init') return;", replace: 'if (mm.kind !== undefined) return;' },
    ],
  },
  {
    name: 'a walk without a lock goes on over a VMA', program: 'walks without locks', says: /a walk without a lock of a VMA was not refused/,
    patches: [{ file: 'packages/walk/src/page-walk/novma-walks.ts', find: 'if (vma !== undefined && vma.start < end) throw vmaWithoutLock(vma.start);', replace: '' }],
  },
  {
    name: 'a walk does not look whether the mmap lock is held', program: 'walks without locks', says: /a walk without the mmap lock was not refused/,
    patches: [{ file: 'packages/walk/src/page-walk/lock.ts', find: '      mm.locks?.assertMmapReadLocked();\n', replace: '' }],
  },
  {
    name: 'a listing takes no lock that keeps the tables', interleaving: 'areas: replaced table', says: /it does not have mmap_lock to write/,
    patches: [
      { file: 'packages/mm/src/vmalloc/ptdump-kernel.ts', find: '  initMm.lock.writeLock();\n', replace: '' },
      { file: 'packages/mm/src/vmalloc/ptdump-kernel.ts', find: '    initMm.lock.writeUnlock();\n', replace: '' },
    ],
  },
];
