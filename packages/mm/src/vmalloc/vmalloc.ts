import { PgtableError, VmFlags, type HandleFamily, type Prot } from '@pgtable/core';
import type { Kernel } from '../kernel/kernel.js';
import { tryAlloc } from '../kernel/try-alloc.js';
import { downWrite, upWrite } from '../locks/rw-lock.js';
import { freePgdRange } from '../tables/free-pgtables.js';
import { TableGather, type PageGather } from '../tables/gather.js';
import { vmallocHugePages } from './kernel-entries.js';
import { MAX_AREA_NAME, PURGE_LOCK, vmapPurgeLock, type VmArea } from './vmap-areas.js';
import { vmallocState, type LazyAreas, type VmallocState } from './vmalloc-state.js';
import { vmapRangeNoflush, vunmapRangeNoflush } from './vmap-range.js';

/*
 * mm/vmalloc.c of Linux 6.12, as far as page tables are concerned: areas of the kernel's addresses, mapped to frames from wherever there are some.
 *
 * vfree() clears the entries, and puts the flush off until many areas can share one (`vmap_lazy_nr`, `__purge_vmap_area_lazy()`); until then nobody is given the addresses. Linux gives the frames back at
 * once, for the owner has promised that nobody uses the mapping any more. Here they too wait for the flush: a frame that a stale translation can still reach is not given to anybody else.
 *
 * Who unmapped purges: what is to be flushed, and which frames wait, is known to that thread alone. So a thread that has called vfree() calls purgeVmapArea() before it ends. Others who must know that no stale
 * translation is left of any area (vmUnmapAliases()) flush the addresses, and free nothing.
 *
 * Tables of the kernel stay when an area is unmapped, as in Linux: other areas use them again. vmallocExit() frees them, at the end of a test. Only an empty table that stands where a block is to be goes earlier.
 */

/** Pages that wait before they are purged: `lazy_max_pages()`, which is 32 MiB for each doubling of the processors. */
export const LAZY_MAX_PAGES = 64;

/** How {@link vmalloc} maps. */
export interface VmallocOptions {
  /** `VM_ALLOW_HUGE_VMAP`: by the largest blocks or groups that fit, if there is memory for them. Default false. */
  readonly huge?: boolean;
  /** What it is for, at most {@link MAX_AREA_NAME} UTF-16 units: a kernel stack, a module. Default: `vmalloc`. */
  readonly name?: string;
  /** Default: that of `PAGE_KERNEL`, which may be read and written. */
  readonly prot?: Prot;
}

/**
 * `vmalloc()`, `vmalloc_huge()`: memory for the kernel, at addresses that follow each other. The bytes of it are whatever they were.
 *
 * Locking: sleeps, so no spin lock may be held.
 *
 * @param bytes above 0; rounded up to pages, with `huge` to the page size that is used
 * @returns the first address
 * @throws PgtableError `EINVAL` for a size or a name that cannot be; `ENOMEM` if there are no addresses, no frames for the memory or its tables, or no room for another area. Nothing is left of it then
 */
export function vmalloc<H extends HandleFamily>(kernel: Kernel<H>, bytes: number, { huge = false, name = 'vmalloc', prot }: VmallocOptions = {}): number {
  if (!Number.isSafeInteger(bytes) || bytes <= 0) throw new PgtableError('EINVAL', `there is no vmalloc area of ${bytes} bytes`, { hint: 'give a whole number above 0' });
  if (name.length > MAX_AREA_NAME) throw new PgtableError('EINVAL', `'${name}' is too long a name for a vmalloc area`, { hint: `it may have ${MAX_AREA_NAME} UTF-16 units` });
  const { arch } = kernel.initMm;
  const flags = prot ?? arch.kernelProt(VmFlags.Read | VmFlags.Write);
  const page = huge ? vmallocHugePages(arch).find((one) => one.bytes <= bytes) : undefined;
  if (page !== undefined) {
    const address = tryAlloc(() => allocate(kernel, bytes, page.bytes, name, flags));
    if (address !== undefined) return address;
    // As in the kernel: without blocks, then.
  }
  return allocate(kernel, bytes, kernel.frames.pageBytes, name, flags);
}

/**
 * `vfree()`: an area is unmapped. Its addresses and its frames are given back after a flush, which many areas share: {@link purgeVmapArea}.
 *
 * Locking: takes the lock of the area: who changes its protection is waited for. May sleep.
 *
 * @param address what {@link vmalloc} returned
 * @throws PgtableError `EINVAL` if no area begins there: it was freed already
 */
export function vfree<H extends HandleFamily>(kernel: Kernel<H>, address: number): void {
  const state = vmallocState(kernel);
  const area = state.areas.find(address);
  if (area?.start !== address || !state.areas.lock(area)) {
    throw new PgtableError('EINVAL', `no vmalloc area begins at 0x${hex(address)}`, { ...at(address), hint: 'give what vmalloc() returned, once' });
  }
  try {
    const lazy = lazyOf(kernel, state);
    unmap(kernel, lazy.gather, area);
    state.areas.retire(area);
    lazy.areas.push(area);
  } finally {
    state.areas.unlock(area);
  }
  if (state.areas.lazyPages > LAZY_MAX_PAGES) purgeVmapArea(kernel);
}

/**
 * `__purge_vmap_area_lazy()`: flushes what this thread unmapped, and gives its addresses and frames back.
 *
 * Locking: sleeps: takes vmap_purge_lock.
 */
export function purgeVmapArea<H extends HandleFamily>(kernel: Kernel<H>): void {
  const state = vmallocState(kernel);
  const { lazy, areas } = state;
  if (lazy === undefined) return;
  downWrite(areas.words, areas.at + PURGE_LOCK, vmapPurgeLock);
  try {
    state.lazy = undefined;
    lazy.gather.finish();
    areas.release(lazy.areas, true);
  } finally {
    upWrite(areas.words, areas.at + PURGE_LOCK);
  }
}

/**
 * `vm_unmap_aliases()`: no stale translation of any area is left, whoever unmapped it. What this thread unmapped is purged.
 *
 * Locking: sleeps: takes vmap_purge_lock.
 */
export function vmUnmapAliases<H extends HandleFamily>(kernel: Kernel<H>): void {
  purgeVmapArea(kernel);
  const { areas } = vmallocState(kernel);
  const range = areas.lazyRange();
  if (range === undefined) return;
  const { context, root } = kernel.initMm;
  // Leaves of whatever level were cleared, and no tables.
  context.tlb.flush({ start: BigInt(range.start), end: BigInt(range.end), level: root.top, tables: false });
}

/** `find_vm_area()`: the area that an address is in, its guard page left out. Locking: none; its owner keeps it. */
export function findVmArea<H extends HandleFamily>(kernel: Kernel<H>, address: number): VmArea | undefined {
  return vmallocState(kernel).areas.find(address);
}

/** The areas that are in use, by address: `/proc/vmallocinfo`. Locking: none. */
export function vmallocInfo<H extends HandleFamily>(kernel: Kernel<H>): VmArea[] {
  return vmallocState(kernel).areas.list();
}

/**
 * Frees the tables of the vmalloc ranges that have no other addresses: for the end of a test, for the kernel never does. What this thread unmapped is purged first.
 *
 * Locking: nobody is in those tables, or will be. Takes the mmap lock of init_mm to write.
 *
 * @throws PgtableError `EINVAL` if there are areas, in use or not purged: which
 */
export function vmallocExit<H extends HandleFamily>(kernel: Kernel<H>): void {
  purgeVmapArea(kernel);
  const { areas } = vmallocState(kernel);
  const left = areas.list().map(({ start, name }) => `${name} at 0x${hex(start)}`);
  if (areas.lazyPages > 0) left.push(`${areas.lazyPages} pages that others unmapped`);
  if (left.length > 0) throw new PgtableError('EINVAL', `there are still vmalloc areas: ${left.join(', ')}`, { hint: 'vfree() them; each thread calls purgeVmapArea() before it ends' });
  const { initMm } = kernel;
  initMm.lock.writeLock();
  const gather = new TableGather(initMm);
  for (const { start, end } of kernel.vmalloc) freePgdRange(gather, start, end, start, end);
  gather.finish();
  initMm.lock.writeUnlock();
}

/** `__vmalloc_node_range()`, with pages of one size. */
function allocate<H extends HandleFamily>(kernel: Kernel<H>, bytes: number, step: number, name: string, prot: Prot): number {
  const { areas } = vmallocState(kernel);
  const { frames } = kernel;
  const pages = (Math.ceil(bytes / step) * step) / frames.pageBytes;
  const attributes = { huge: step > frames.pageBytes, name };
  let area = tryAlloc(() => areas.alloc(pages, step, kernel.vmalloc, attributes));
  if (area === undefined) {
    // Areas that wait for a flush have addresses and slots too.
    purgeVmapArea(kernel);
    area = areas.alloc(pages, step, kernel.vmalloc, attributes);
  }
  if (area === undefined) {
    throw new PgtableError('ENOMEM', `no vmalloc range has ${pages + 1} pages that are free`, { hint: kernel.vmalloc.length === 0 ? 'make the kernel with `vmalloc` ranges' : 'vfree() what is not used, and purgeVmapArea() in the threads that did' });
  }
  const blocks: number[] = [];
  try {
    const order = Math.log2(step / frames.pageBytes);
    for (let count = 0; count < pages; count += 2 ** order) blocks.push(frames.allocPages(order));
    mapBlocks(kernel, area, blocks, 2 ** order, prot);
  } catch (error) {
    abandon(kernel, area, blocks);
    throw error;
  }
  return area.start;
}

/**
 * `__vmap_pages_range_noflush()`: single pages that happen to follow each other are mapped in one go. Larger blocks are not: a leaf that maps several of them would say of the first alone, when it is unmapped, that it is
 * not needed any more.
 */
function mapBlocks<H extends HandleFamily>(kernel: Kernel<H>, area: VmArea, blocks: readonly number[], size: number, prot: Prot): void {
  const { initMm, frames: { pageBytes } } = kernel;
  let address = area.start;
  for (let first = 0; first < blocks.length; ) {
    let end = first + 1;
    while (size === 1 && end < blocks.length && blocks[end] === blocks[end - 1]! + 1) end++;
    const next = address + (end - first) * size * pageBytes;
    vmapRangeNoflush(initMm, address, next, blocks[first]!, prot, area.huge);
    address = next;
    first = end;
  }
}

/** Takes back what was made of an area that cannot be whole. */
function abandon<H extends HandleFamily>(kernel: Kernel<H>, area: VmArea, blocks: readonly number[]): void {
  const gather = new TableGather(kernel.initMm);
  vunmapRangeNoflush(kernel.initMm, gather, area.start, endOf(kernel, area), () => undefined);
  for (const pfn of blocks) gather.removePage(pfn);
  gather.finish();
  vmallocState(kernel).areas.release([area], false);
}

/** Clears the entries of an area. Each of its blocks has one reference, however it is mapped by now. */
function unmap<H extends HandleFamily>(kernel: Kernel<H>, gather: PageGather, area: VmArea): void {
  const { frames } = kernel;
  const heads = new Set<number>();
  vunmapRangeNoflush(kernel.initMm, gather, area.start, endOf(kernel, area), (pfn) => { heads.add(frames.head(pfn)); });
  for (const pfn of heads) gather.removePage(pfn);
}

function lazyOf<H extends HandleFamily>(kernel: Kernel<H>, state: VmallocState): LazyAreas {
  return (state.lazy ??= { gather: new TableGather(kernel.initMm), areas: [] });
}

function endOf<H extends HandleFamily>(kernel: Kernel<H>, { start, pages }: VmArea): number {
  return start + pages * kernel.frames.pageBytes;
}

function at(address: number): { readonly address?: bigint } {
  return Number.isInteger(address) ? { address: BigInt(address) } : {};
}

function hex(address: number): string {
  return Number.isInteger(address) ? BigInt(address).toString(16) : String(address);
}
