import type { Fault } from '../fault.js';

const COPY = 'packages/mm/src/ops/copy-page-range.ts';
const RMAP = 'packages/mm/src/folio/rmap.ts';
const GATHER = 'packages/mm/src/tables/gather.ts';
const WP = 'packages/mm/src/faults/wp.ts';

/** s390 flushes each entry that it takes away, so nothing is left to a batch there. */
const BATCHED = ['x86', 'arm64', 'riscv'];
const STALE = /translations? to it may still be cached/;
const MM = 'packages/mm/src/kernel/mm.ts';

/** Faults in what is written to entries, and in what is done with translations and pages afterwards. */
export const ENTRIES: readonly Fault[] = [
  {
    name: 'a write fault does not look again whether the entry is the same', interleaving: 'two copies', says: /the last reference back on .* it is mapped|what the first thread wrote|what the second thread wrote/,
    patches: [{ file: WP, find: 'if (!pteSame(arch, ptepGet(arch, ptep), pte)) {', replace: 'if (table === undefined) {' }],
  },
  {
    name: 'a fault that marks a page does not look again whether the entry is the same', interleaving: 'old page against dontneed', says: /there is nothing behind the VMA|page_table_check|a frame that is free/,
    patches: [{ file: 'packages/mm/src/faults/handle-pte-fault.ts', find: 'if (!pteSame(arch, ptepGet(arch, table.ptep), pte)) {', replace: 'if (table === undefined) {' }],
  },
  {
    name: 'a flush is dropped', program: 'rights', on: BATCHED, says: /flush promises/,
    patches: [{ file: 'packages/mm/src/ops/change-protection.ts', find: 'ops.modifyProtCommit(context, BigInt(at), ptep, old, value).gather(gather);', replace: 'ops.modifyProtCommit(context, BigInt(at), ptep, old, value);' }],
  },
  {
    name: 'a flush is ignored that must be done', program: 'zero page', on: BATCHED, says: STALE,
    patches: [{ file: 'packages/mm/src/zap/zap.ts', find: 'ops.getAndClearFull(context, BigInt(address), ptep, count).gather(gather);', replace: "ops.getAndClearFull(context, BigInt(address), ptep, count).ignore('nobody reads it');" }],
  },
  {
    name: 'pages and tables are freed before the flush', program: 'zero page', on: BATCHED, says: STALE,
    patches: [
      { file: GATHER, find: '    super.finish();\n', replace: '' },
      { file: GATHER, find: 'rcu.callRcu(RcuKind.FreeTable, address);\n', replace: 'rcu.callRcu(RcuKind.FreeTable, address);\n    super.finish();\n' },
    ],
  },
  {
    name: 'gathered flushes are not done', program: 'zero page', on: BATCHED, says: STALE,
    patches: [{ file: GATHER, find: '    super.finish();\n', replace: '' }],
  },
  {
    name: 'a page that was unmapped is not given back', program: 'zero page', says: /not quiet/,
    patches: [{ file: RMAP, find: '    gather.removePage(pfn + at);\n', replace: '' }],
  },
  {
    name: 'the shared zero page is given back', program: 'zero page', says: /it is reserved/,
    patches: [{ file: MM, find: "    if (pfn === zeroPfn) return 'zeropage';\n", replace: "    if (pfn === zeroPfn) return 'page';\n" }],
  },
  {
    name: 'fork forgets the references of the child', program: 'forks', says: /page_table_check: an anonymous page would be mapped writable, and 1 other entries map it/,
    patches: [{ file: COPY, find: '  dupRmap(to.mm, pfn, count);\n', replace: '' }],
  },
  {
    name: 'fork leaves the entries of the parent writable', program: 'forks', says: /the page that the parent wrote, in the child: 11/,
    patches: [{ file: COPY, find: '    ops.wrprotect(context, at, ptep, count).gather(flushes);\n', replace: '' }],
  },
  {
    name: 'fork leaves a huge entry of the parent writable', program: 'huge pages', says: /what the parent wrote, in the child: 11/,
    patches: [{ file: 'packages/mm/src/ops/copy-huge-pmd.ts', find: '        ops.wrprotect(parent.context, at, pmdp, 1).gather(flushes);\n', replace: '' }],
  },
  {
    name: 'a page that is shared passes for exclusive', program: 'forks', says: /page_table_check|the page that/,
    patches: [{ file: RMAP, find: 'if (isAnon(mm, pfn)) setAnonExclusive(mm, pfn + at, false);', replace: '' }],
  },
  {
    name: 'a collapse does not count references', program: 'collapse', says: /the collapse of a page that a device writes to/,
    patches: [{ file: 'packages/mm/src/khugepaged/scan-ptes.ts', find: 'return folioRefCount(frames, head) === folioMapcount(frames, head);', replace: 'return folioRefCount(frames, head) >= folioMapcount(frames, head);' }],
  },
  {
    name: 'a split fills the table when it is live', interleaving: 'split against write', says: /the word that was/,
    patches: [
      { file: 'packages/mm/src/huge/split-huge-pmd.ts', find: '  table.set(0, smallPte(vma, old), table.entries);\n', replace: '  const count = table.entries;\n' },
      { file: 'packages/mm/src/huge/split-huge-pmd.ts', find: '  pmdPopulate(arch, context, BigInt(start), pmdp, table);\n', replace: '  pmdPopulate(arch, context, BigInt(start), pmdp, table);\n  const first = arch.ops.pmd.offset(pmdp, BigInt(start));\n  const ptl = pteLockptr(mm, pmdpGetOnce(arch, pmdp)).lock();\n  if (first !== undefined) arch.ops.pte.set(context, BigInt(start), first, smallPte(vma, old), count);\n  ptl.unlock();\n' },
      { file: 'packages/mm/src/huge/split-huge-pmd.ts', find: 'import { pmdLock, pmdLockptr } from', replace: 'import { pmdLock, pmdLockptr, pteLockptr } from' },
    ],
  },
  {
    name: 'a split does not take the huge page from the hardware first', program: 'huge pages', says: /a pte table was to be linked to a pmd entry that is not empty/,
    patches: [{ file: 'packages/mm/src/huge/split-huge-pmd.ts', find: 'const old = pmdpInvalidate(arch, context, BigInt(start), pmdp);', replace: 'const old = pmdpGetOnce(arch, pmdp);' }],
  },
  {
    name: 'a contiguous block is unfolded without a break', program: 'contiguous blocks', says: /break-before-make/,
    patches: [{ file: 'packages/arch-arm64/src/ops.ts', find: 'if (stale) mm.tlb.flush({ start: address,', replace: 'if (stale && count < 0) mm.tlb.flush({ start: address,' }],
  },
  {
    name: 'a page that is copied takes the place of the old one in one step', program: 'forks', on: ['arm64', 's390'], says: /break-before-make: the pte entry 0x[0-9a-f]+ is live/,
    patches: [{ file: WP, find: '      ptepClearFlush(arch, context, BigInt(address), ptep);\n', replace: '' }],
  },
  {
    name: 'a page that is copied is mapped before the translation of the old one is flushed', program: 'forks', on: ['arm64'], says: /break-before-make: the pte entry 0x[0-9a-f]+ was made invalid, but may still be cached/,
    patches: [{ file: WP, find: '      ptepClearFlush(arch, context, BigInt(address), ptep);\n', replace: '      arch.ops.pte.getAndClear(context, BigInt(address), ptep).gather(gather);\n' }],
  },
  {
    name: 'set_memory_ro() does not split the block that it changes a part of', program: 'set_memory', says: /the pages: |s390 changes a valid entry by IPTE/,
    patches: [
      { file: 'packages/mm/src/vmalloc/set-memory.ts', find: '        splitKernelLeaf(initMm, start);\n', replace: '' },
      { file: 'packages/mm/src/vmalloc/set-memory.ts', find: '        splitKernelLeaf(initMm, end);\n', replace: '' },
    ],
  },
  {
    name: 'a plain read where nobody has the lock', lint: 'pgtable/prefer-get-once', says: /pgtable\/prefer-get-once/, slow: true,
    patches: [{ file: 'packages/mm/src/faults/handle-pte-fault.ts', find: '    pte = ptepGetLockless(arch, table.ptep);\n', replace: '    pte = ptepGet(arch, table.ptep);\n' }],
  },
  {
    name: 'an entry is read twice, and decided about by both values', lint: 'pgtable/no-double-get', says: /pgtable\/no-double-get/, slow: true,
    patches: [{ file: 'packages/mm/src/gup/gup-fast.ts', find: '    const pfn = ptePfn(arch, pte);\n', replace: '    const pfn = ptePfn(arch, ptepGetLockless(arch, ptep));\n' }],
  },
  {
    name: 'a table that may have gone is used without a look', lint: 'pgtable/pte-offset-map-result', says: /pgtable\/pte-offset-map-result/, slow: true,
    patches: [{ file: 'packages/mm/src/zap/zap.ts', find: '  if (table === undefined) return false;\n', replace: '' }],
  },
  {
    name: 'a flush is promised and nobody looks at the promise', lint: 'pgtable/no-dropped-flush', says: /pgtable\/no-dropped-flush/, slow: true,
    patches: [{ file: 'packages/mm/src/zap/zap.ts', find: 'ops.clear(context, BigInt(address), ptep, 1).gather(gather);', replace: 'ops.clear(context, BigInt(address), ptep, 1);' }],
  },
  {
    name: 'zero passes for an empty entry', program: 'zero page', on: ['s390'], says: /has no pmd entry|faulted 1000 times/,
    patches: [{ file: 'packages/core/src/flag-values.ts', find: 'return (value & ~this.format.noneIgnores) === this.format.empty;', replace: 'return value === 0n;' }],
  },
];
