import { PgtableError, type EntryVal, type EntryValues, type HandleFamily, type Level, type WritableOps } from '@pgtable/core';
import { levelBelow, type EntryAt } from '@pgtable/walk';
import { MmCounter, type Mm } from '../kernel/mm.js';
import { tableBytes } from '../tables/table-alloc.js';
import { pageTableLock } from '../tables/table-locks.js';
import { groupOf, lookupAddress, spanOf } from './kernel-entries.js';
import { accessOf, protOf } from './kernel-prot.js';

/**
 * `split_kernel_leaf_mapping()`: an address becomes the edge of a leaf: a block or a group that reaches over it is replaced by smaller leaves that map the same, level by level, until none does.
 *
 * The new table is filled before it is linked. Where the architecture lets a table take a block's place in one step, it does; elsewhere the block is taken out, flushed, and the table linked then
 * (break-before-make). In between nothing is mapped there: who executes or reads that memory faults, which is why Linux splits live blocks only on arm64 machines that need no break (BBML2_NOABORT). A group is always
 * taken out.
 *
 * Locking: the lock of the area keeps the range; the mmap lock of init_mm, to read, keeps out who lists tables and would see the gap. Takes page_table_lock.
 *
 * @param address page aligned
 * @throws PgtableError `ENOMEM` if there are no frames for a table; everything is mapped as it was
 * @see arch/arm64/mm/mmu.c of kernels after 6.12; 6.12 refuses areas that have blocks
 */
export function splitKernelLeaf<H extends HandleFamily>(mm: Mm<H>, address: number): void {
  const { arch } = mm;
  for (;;) {
    const { at, value } = lookupAddress(mm, address);
    const values: EntryValues = arch.values[at.level];
    if (!values.leaf(value)) return;
    const bytes = spanOf(arch, at.level);
    const group = groupOf<H, Level>(arch, at.level, at.entry);
    if (address % (bytes * group) === 0) return;
    if (group > 1) ungroup(mm, at, address, group);
    else splitBlock(mm, at, value, Math.floor(address / bytes) * bytes);
  }
}

/** Makes single leaves of a group that map the same. */
function ungroup<H extends HandleFamily>(mm: Mm<H>, at: EntryAt<H>, address: number, group: number): void {
  const { arch, context } = mm;
  const { level } = at;
  const ops: WritableOps<H, Level> = arch.ops[level];
  const bytes = spanOf(arch, level);
  const start = Math.floor(address / (bytes * group)) * bytes * group;
  const first = ops.advance(at.entry, -(address - start - ((address - start) % bytes)) / bytes);
  const ptl = pageTableLock(mm).lock();
  try {
    const old = ops.hugeGetAndClear(context, BigInt(start), first, group).flush();
    ops.set(context, BigInt(start), first, singleLike(mm, level, old, level), group);
  } finally {
    ptl.unlock();
  }
}

/** Puts a table of smaller leaves in the place of a block. */
function splitBlock<H extends HandleFamily>(mm: Mm<H>, at: EntryAt<H>, value: EntryVal<Level>, start: number): void {
  const { arch, context, kernel: { pageTables } } = mm;
  const { level } = at;
  const below = levelBelow(arch, level);
  if (below === undefined) throw new PgtableError('EINVAL', `the page at 0x${BigInt(start).toString(16)} is the smallest there is`, { address: BigInt(start) });
  const table = pageTables.alloc<Level>(arch, mm, below);
  table.set(0, singleLike(mm, level, value, below), table.entries);
  const ops: WritableOps<H, Level> = arch.ops[level];
  const values: EntryValues = arch.values[level];
  const entry = values.ofTable(table.address, context.user);
  const ptl = pageTableLock(mm).lock();
  try {
    if (arch.liveChange?.(level, value, entry) === undefined) {
      table.link();
      ops.establish(context, BigInt(start), at.entry, entry).flush();
    } else {
      ops.getAndClear(context, BigInt(start), at.entry).flush();
      ops.populate(context, BigInt(start), at.entry, table);
    }
    mm.addCounter(MmCounter.TableBytes, tableBytes(mm, below));
  } finally {
    ptl.unlock();
  }
}

/** A leaf of a level, in no group, that says of the first frame of another leaf what that one does. */
function singleLike<H extends HandleFamily>({ arch }: Mm<H>, level: Level, value: EntryVal<Level>, wanted: Level): EntryVal<Level> {
  const values: EntryValues = arch.values[wanted];
  const access = accessOf(arch, level, value);
  const above: EntryValues = arch.values[level];
  const single = values.mkhuge(values.ofPfn(above.pfn(value), protOf(arch, access)));
  return access.valid ? single : values.mkinvalid(single);
}
