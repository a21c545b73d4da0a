import { EntryKind, geometryOf, PgtableError, ScanBuffer, scanFilter, type EntryValues, type HandleFamily, type HugePage, type Level, type MmuGather, type Prot, type WritableOps } from '@pgtable/core';
import type { Mm } from '../kernel/mm.js';
import { freePgdRange } from '../tables/free-pgtables.js';
import { TableGather } from '../tables/gather.js';
import { allocEntry, lookupAddress, spanOf, vmallocHugePages } from './kernel-entries.js';

/** Runs of a scan end where the kind of entry changes, and nowhere else. */
const KINDS = scanFilter(false, 0, 0);

/**
 * `vmap_range_noflush()`: maps addresses of the kernel, or of a special address space, to consecutive frames. Nothing was mapped there, so nothing is flushed.
 *
 * With `huge`, blocks and groups are taken wherever both addresses are aligned to them and enough of the range is left. A table that stands where a block is to be, and is empty, goes
 * (`pmd_free_pte_page()`): it is unlinked, flushed, and freed after a grace period.
 *
 * Locking: the caller owns the range. Takes page_table_lock where tables are missing, and, with `huge`, may take the mmap lock to read: a listing of the tables holds it to write.
 *
 * @param start,end half-open, page aligned
 * @param pfn the first frame
 * @throws PgtableError `EINVAL` if part of the range is mapped; `ENOMEM` if there are no frames for tables. What was mapped until then stays
 * @see mm/vmalloc.c, Linux 6.12
 */
export function vmapRangeNoflush<H extends HandleFamily>(mm: Mm<H>, start: number, end: number, pfn: number, prot: Prot, huge = false): void {
  const { arch, context, pageBytes } = mm;
  const sizes = huge ? vmallocHugePages(arch) : [];
  const smallest = sizes.at(-1)?.bytes ?? Infinity;
  const table = geometryOf(arch.geometry, 'pte').entries * pageBytes;
  let frame = pfn;
  for (let address = start; address < end; ) {
    const page = sizes.find(({ bytes }) => address % bytes === 0 && address + bytes <= end && frame % (bytes / pageBytes) === 0);
    let next: number;
    if (page === undefined) {
      next = Math.min(end, (Math.floor(address / table) + 1) * table, smallest === Infinity ? Infinity : (Math.floor(address / smallest) + 1) * smallest);
      const count = (next - address) / pageBytes;
      const { entry } = allocPte(mm, address);
      if (!isEmpty(arch.ops.pte, entry, count)) throw mapped(mm, address, next);
      arch.ops.pte.set(context, BigInt(address), entry, arch.values.pte.ofPfn(frame, prot), count);
    } else {
      next = address + page.bytes;
      setPage(mm, address, frame, prot, page);
    }
    frame += (next - address) / pageBytes;
    address = next;
  }
}

/**
 * `vunmap_range_noflush()`: clears all entries of a range, whole leaves at a time. The flush is left to the gather. Tables stay, as in the kernel.
 *
 * Locking: the caller owns the range.
 *
 * @param start,end half-open; no leaf may reach over an end
 * @param dropped is called with each frame that a leaf mapped; of leaves that map several with the first alone
 */
export function vunmapRangeNoflush<H extends HandleFamily>(mm: Mm<H>, gather: MmuGather, start: number, end: number, dropped: (pfn: number) => void): void {
  const { arch, context, pageBytes } = mm;
  const table = geometryOf(arch.geometry, 'pte').entries * pageBytes;
  for (let address = start; address < end; ) {
    const { at, value } = lookupAddress(mm, address);
    if (at.level === 'pte') {
      const next = Math.min(end, (Math.floor(address / table) + 1) * table);
      const count = (next - address) / pageBytes;
      const { ops: { pte: ops }, values: { pte: values } } = arch;
      for (let index = 0; index < count; index++) {
        const pte = ops.getOnce(ops.advance(at.entry, index));
        if (values.present(pte)) dropped(values.pfn(pte));
      }
      ops.clear(context, BigInt(address), at.entry, count).gather(gather);
      address = next;
      continue;
    }
    const bytes = spanOf(arch, at.level);
    const values: EntryValues = arch.values[at.level];
    if (values.leaf(value)) {
      const ops: WritableOps<H, Level> = arch.ops[at.level];
      ops.clear(context, BigInt(address), at.entry, 1).gather(gather);
      dropped(values.pfn(value));
    }
    address = (Math.floor(address / bytes) + 1) * bytes;
  }
}

/** Maps one page that a block or a group maps. */
function setPage<H extends HandleFamily>(mm: Mm<H>, address: number, pfn: number, prot: Prot, { bytes, level, count }: HugePage): void {
  const { arch, context } = mm;
  const { entry } = allocEntry(mm, level, address);
  const ops: WritableOps<H, Level> = arch.ops[level];
  const values: EntryValues = arch.values[level];
  if (!isEmpty(ops, entry, count)) {
    if (level === 'pte' || !freeEmptyTables(mm, address, address + bytes)) throw mapped(mm, address, address + bytes);
  }
  ops.hugeSet(context, BigInt(address), entry, values.mkgroup(values.ofPfn(pfn, prot), count), count);
}

/** `pmd_free_pte_page()`, `pud_free_pmd_page()`: makes entries empty that point to tables of a range, if those map nothing. Returns: whether they do not. */
function freeEmptyTables<H extends HandleFamily>(mm: Mm<H>, start: number, end: number): boolean {
  const { arch } = mm;
  const { entries } = geometryOf(arch.geometry, 'pte');
  for (let address = start; address < end; ) {
    const { at } = lookupAddress(mm, address);
    const ops: WritableOps<H, Level> = arch.ops[at.level];
    if (!isEmpty(ops, at.entry, at.level === 'pte' ? entries : 1)) return false;
    const bytes = spanOf(arch, at.level) * (at.level === 'pte' ? entries : 1);
    address = (Math.floor(address / bytes) + 1) * bytes;
  }
  mm.lock.readLock();
  try {
    const gather = new TableGather(mm);
    freePgdRange(gather, start, end, start, end);
    gather.finish();
  } finally {
    mm.lock.readUnlock();
  }
  return true;
}

function allocPte<H extends HandleFamily>(mm: Mm<H>, address: number): { readonly entry: H['pte'] } {
  const at = allocEntry(mm, 'pte', address);
  if (at.level === 'pte') return at;
  throw new PgtableError('EINVAL', `there is no pte entry for 0x${BigInt(address).toString(16)}`, { address: BigInt(address) });
}

function isEmpty<H extends HandleFamily, L extends Level>(ops: WritableOps<H, L>, entry: H[L], count: number): boolean {
  const seen = new ScanBuffer(1);
  return ops.scan(entry, 0, count, KINDS, seen) === count && seen.kind[0] === EntryKind.None;
}

function mapped(mm: { readonly id: number }, start: number, end: number): PgtableError {
  return new PgtableError('EINVAL', `address space ${mm.id} maps something in [0x${BigInt(start).toString(16)}, 0x${BigInt(end).toString(16)}) already`, { address: BigInt(start), hint: 'unmap it, and flush, before it is mapped anew' });
}
