import { PgtableError, type HandleFamily } from '@pgtable/core';
import { hugePmdBytes } from '../folio/huge.js';
import { dupRmap } from '../folio/rmap.js';
import type { Vma } from '../kernel/vma.js';
import type { TableGather } from '../tables/gather.js';
import { pmdLock, pmdLockptr } from '../tables/table-locks.js';
import { depositNew } from '../zap/deposits.js';
import { folioMaybePinned } from './cow.js';

/**
 * `copy_huge_pmd()`: the child maps the same huge page, read-only as the parent does from here on, and has a table of its own put aside for it.
 *
 * Locking: as {@link copyPageRange}. Takes the lock of the child's PMD table, and inside of it, nested, that of the parent's.
 *
 * @param flushes of the parent
 * @returns false if there is no huge page (any more), or there was one that may be pinned and is split now: copy what is there
 * @throws PgtableError `ENOMEM`
 * @see mm/huge_memory.c, Linux 6.12
 */
export function copyHugePmd<H extends HandleFamily>(flushes: TableGather<H>, to: Vma<H>, from: Vma<H>, childPmdp: H['pmd'], pmdp: H['pmd'], address: number): boolean {
  const parent = from.mm;
  const child = to.mm;
  const { arch: { ops: { pmd: ops }, values: { pmd: values } }, kernel: { pageTables } } = parent;
  // A fault maps a file's huge page again.
  if (!from.anonymous) return true;
  const table = pageTables.alloc(child.arch, child, 'pte');
  const at = BigInt(address);
  let done = false;
  let pinned = false;
  const childPtl = pmdLock(child, childPmdp);
  const ptl = pmdLockptr(parent, pmdp).lockNested();
  try {
    const pmd = ops.get(pmdp);
    if (values.swap(pmd)) throw new PgtableError('ENOTSUP', `a pmd entry that is not present cannot be copied: 0x${pmd.toString(16)}`, { address: at, hint: 'wait until its page was migrated' });
    if (values.present(pmd) && values.leaf(pmd)) {
      const pfn = values.pfn(pmd);
      const page = parent.normalPage(from, address, { level: 'pmd', entry: pmdp }, pmd, pfn) === 'page';
      pinned = page && folioMaybePinned(parent, pfn);
      if (!pinned) {
        if (page) dupRmap(child, pfn, hugePmdBytes(child) / child.pageBytes, true);
        depositNew(child, childPmdp, table);
        ops.wrprotect(parent.context, at, pmdp, 1).gather(flushes);
        // As of ptes, the mark of userfaultfd is not inherited.
        ops.set(child.context, at, childPmdp, values.mkold(values.wrprotect(values.clearUffdWp(pmd))), 1);
        done = true;
      }
    }
  } finally {
    ptl.unlock();
    childPtl.unlock();
    if (!done) pageTables.free(table.address);
  }
  if (pinned) parent.splitHuge(from, { level: 'pmd', entry: pmdp }, address);
  return done;
}
