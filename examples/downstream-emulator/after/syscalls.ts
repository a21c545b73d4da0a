import {
  EntryBuffer, hwPteAdvance, hwPteNext, isSwapPte, MmuGather, PgtableError, pteDirty, pteMkdirty, pteMkyoung, pteModify, pteNone, ptepClearFlush,
  ptepClearFlushYoung, ptePfn, ptepGet, ptepGetAndClear, ptepModifyProtCommit, ptepModifyProtStart, ptePresent, ptepSetAccessFlags, ptepSetWrprotect,
  pteSpecial, pteToSwpEntry, pteWrite, setPte, VmFlags, type EntryPtr,
} from '@pgtable/core';
import { faultIn } from './fault.js';
import type { Ptep } from './family.js';
import type { GuestFile } from './file.js';
import { freeEmptyTables, isPrivate, PAGE, pteAlloc, pteLookup, pteRanges, type Mm, type Vma } from './mm.js';
import { PAGE_BYTES } from './ram.js';

/** Pages that {@link mremap} moves at once. */
const MOVE_BATCH = 16;

/** Maps memory of the program's own, which reads as zeros, or a file, shared. Nothing is there before it is used. */
export function mmap(mm: Mm, start: bigint, pages: number, flags: number, file?: GuestFile, filePage = 0): void {
  const shared = file === undefined ? 0 : VmFlags.Shared;
  mm.addVma({ start, end: start + BigInt(pages) * PAGE, flags: flags | shared, file, filePage });
}

/** Takes a stretch of addresses away. Writes to files through it are known to the file, which has them on disk with its next write-back. */
export function munmap(mm: Mm, start: bigint, pages: number): void {
  const end = start + BigInt(pages) * PAGE;
  mm.splitVmas(start);
  mm.splitVmas(end);
  for (const vma of mm.vmas) {
    if (vma.start >= start && vma.end <= end) zapVma(mm, vma);
  }
  mm.vmas = mm.vmas.filter((vma) => vma.start < start || vma.end > end);
  freeEmptyTables(mm, start, end);
}

function zapVma(mm: Mm, vma: Vma): void {
  const { arch } = mm;
  for (const range of pteRanges(mm, vma.start, vma.end)) {
    let address = range.address;
    let ptep = range.first;
    let left = range.count;
    while (left > 0) {
      if (!pteNone(arch, ptepGet(arch, ptep))) zapPte(mm, vma, address, ptep);
      ptep = hwPteNext(arch, ptep);
      left--;
      address += PAGE;
    }
  }
}

/** Takes one page out of an address space. */
function zapPte(mm: Mm, vma: Vma, address: bigint, ptep: Ptep): void {
  const { arch, kernel } = mm;
  const saved: EntryPtr<'pte'> = kernel.stack.push(ptepClearFlush(arch, mm, address, ptep));
  const old = kernel.stack.get(saved);
  if (isSwapPte(arch, old)) {
    kernel.swap.put(Number(pteToSwpEntry(arch, old).offset));
  } else if (!pteSpecial(arch, old)) {
    if (wasWritten(mm, saved)) vma.file?.markDirty(filePageOf(vma, address));
    kernel.putFrame(ptePfn(arch, old));
  }
  kernel.stack.pop();
}

/** Whether a page was written to, by the entry that was taken out. */
function wasWritten(mm: Mm, held: EntryPtr<'pte'>): boolean {
  return pteDirty(mm.arch, mm.kernel.stack.get(held));
}

function filePageOf(vma: Vma, address: bigint): number {
  return vma.filePage + Number((address - vma.start) / PAGE);
}

/** Changes what the program may do with a stretch of addresses. */
export function mprotect(mm: Mm, start: bigint, pages: number, flags: number): void {
  const { arch, kernel } = mm;
  const end = start + BigInt(pages) * PAGE;
  mm.splitVmas(start);
  mm.splitVmas(end);
  for (const vma of mm.vmas) {
    if (vma.start < start || vma.end > end) continue;
    vma.flags = flags | (vma.flags & VmFlags.Shared);
    const prot = arch.vmProt(vma.flags);
    for (const range of pteRanges(mm, vma.start, vma.end)) {
      let address = range.address;
      let ptep = range.first;
      for (let left = range.count; left > 0; left--, ptep = hwPteNext(arch, ptep), address += PAGE) {
        if (!ptePresent(arch, ptepGet(arch, ptep))) continue;
        const saved: EntryPtr<'pte'> = kernel.stack.push(ptepModifyProtStart(arch, mm, address, ptep));
        const old = kernel.stack.get(saved);
        ptepModifyProtCommit(arch, mm, address, ptep, old, pteModify(arch, old, prot)).flush();
        kernel.stack.pop();
      }
    }
  }
}

/** Moves a stretch of addresses; what is there stays as it is. */
export function mremap(mm: Mm, from: bigint, pages: number, to: bigint): void {
  const end = from + BigInt(pages) * PAGE;
  mm.splitVmas(from);
  mm.splitVmas(end);
  const moved = mm.vmas.filter((vma) => vma.start >= from && vma.end <= end);
  if (moved.length === 0) throw new PgtableError('EINVAL', 'nothing is mapped that could be moved', { address: from });
  mm.vmas = mm.vmas.filter((vma) => !moved.includes(vma));
  for (const vma of moved) mm.addVma({ ...vma, start: vma.start - from + to, end: vma.end - from + to });
  for (let done = 0; done < pages; done += MOVE_BATCH) {
    const offset = BigInt(done) * PAGE;
    movePtes(mm, from + offset, to + offset, Math.min(MOVE_BATCH, pages - done));
  }
  freeEmptyTables(mm, from, end);
}

/** Takes entries out and puts them in elsewhere; old and new may be in one table, so they are held aside in between. */
function movePtes(mm: Mm, from: bigint, to: bigint, count: number): void {
  const { arch } = mm;
  const taken = new EntryBuffer('pte', count);
  const batch = new MmuGather(mm);
  for (let index = 0; index < count; index++) {
    const address = from + BigInt(index) * PAGE;
    const slot: EntryPtr<'pte'> = taken.at(index);
    const ptep = pteLookup(mm, address);
    if (ptep === undefined) continue;
    taken.set(slot, ptepGetAndClear(arch, mm, address, ptep).gather(batch));
  }
  batch.finish();
  for (let index = 0; index < count; index++) {
    const address = to + BigInt(index) * PAGE;
    const slot: EntryPtr<'pte'> = taken.at(index);
    const pte = taken.get(slot);
    if (pteNone(arch, pte)) continue;
    const ptep = pteAlloc(mm, address);
    setPte(arch, mm, address, ptep, pte);
  }
}

/** A second address space with the same contents. Memory of the program's own is shared until one of the two writes to it. */
export function fork(parent: Mm): Mm {
  const child = parent.kernel.newMm();
  for (const vma of parent.vmas) {
    child.addVma({ ...vma });
    for (const range of pteRanges(parent, vma.start, vma.end)) copyPtes(parent, child, vma, range.address, range.first, range.count);
  }
  return child;
}

function copyPtes(parent: Mm, child: Mm, vma: Vma, start: bigint, first: Ptep, count: number): void {
  const { arch, kernel } = parent;
  for (let index = 0; index < count; index++) {
    const address = start + BigInt(index) * PAGE;
    // Before the parent's entry is read: a frame for a table may be found by taking the parent's page.
    const ptep = pteAlloc(child, address);
    const source = hwPteAdvance(arch, first, index);
    let pte = ptepGet(arch, source);
    if (pteNone(arch, pte)) continue;
    if (isSwapPte(arch, pte)) {
      kernel.swap.get(Number(pteToSwpEntry(arch, pte).offset));
    } else {
      if (!pteSpecial(arch, pte)) kernel.frames.get(ptePfn(arch, pte));
      if (isPrivate(vma) && pteWrite(arch, pte)) {
        ptepSetWrprotect(arch, parent, address, source).flush();
        pte = ptepGet(arch, source);
      }
    }
    setPte(arch, child, address, ptep, pte);
  }
}

/** MADV_WILLNEED: what is there counts as just used, so that it does not go to swap first. Returns: pages that are there. */
export function madviseWillneed(mm: Mm, start: bigint, pages: number): number {
  const { arch } = mm;
  let there = 0;
  for (const range of pteRanges(mm, start, start + BigInt(pages) * PAGE)) {
    let ptep = range.first;
    for (let index = 0; index < range.count; index++, ptep = hwPteNext(arch, ptep)) {
      const address = range.address + BigInt(index) * PAGE;
      const pte = ptepGet(arch, ptep);
      if (ptePresent(arch, pte)) {
        there++;
        ptepSetAccessFlags(arch, mm, address, ptep, pteMkyoung(arch, pte)).flush();
      }
    }
  }
  return there;
}

/** MADV_COLD: makes pages old, so that they go to swap first. Returns: how many were young. */
export function madviseCold(mm: Mm, start: bigint, pages: number): number {
  const { arch } = mm;
  let young = 0;
  for (let address = start; address < start + BigInt(pages) * PAGE; address += PAGE) {
    const ptep = pteLookup(mm, address);
    if (ptep === undefined) continue;
    if (ptePresent(arch, ptepGet(arch, ptep)) && ptepClearFlushYoung(arch, mm, address, ptep)) young++;
  }
  return young;
}

/** MADV_DONTNEED: forgets what is in memory of the program's own. It reads as zeros again. */
export function madviseDontneed(mm: Mm, start: bigint, pages: number): void {
  const { arch } = mm;
  for (let address = start; address < start + BigInt(pages) * PAGE; address += PAGE) {
    const vma = mm.findVma(address);
    const ptep = pteLookup(mm, address);
    if (vma === undefined || ptep === undefined) continue;
    if (!pteNone(arch, ptepGet(arch, ptep))) zapPte(mm, vma, address, ptep);
  }
}

/** Makes pages be there before they are used, as MAP_POPULATE does. Returns: how many were not. */
export function populate(mm: Mm, start: bigint, pages: number): number {
  const { arch } = mm;
  let made = 0;
  for (let address = start; address < start + BigInt(pages) * PAGE; address += PAGE) {
    const ptep = pteAlloc(mm, address);
    if (ptePresent(arch, ptepGet(arch, ptep))) continue;
    faultIn(mm, address, 'write');
    made++;
  }
  return made;
}

/** Tells a file what was written through this mapping, and has it written to the disk. Returns: pages written. */
export function msync(mm: Mm, start: bigint, pages: number): number {
  const { arch } = mm;
  const vma = mm.findVma(start);
  if (vma?.file === undefined) throw new PgtableError('EINVAL', 'no file is mapped here', { address: start });
  for (const range of pteRanges(mm, start, start + BigInt(pages) * PAGE)) {
    let address = range.address;
    let ptep = range.first;
    for (let left = range.count; left > 0; left--, ptep = hwPteNext(arch, ptep), address += PAGE) {
      const pte = ptepGet(arch, ptep);
      if (!ptePresent(arch, pte) || !pteDirty(arch, pte)) continue;
      vma.file.markDirty(filePageOf(vma, address));
      const old = ptepModifyProtStart(arch, mm, address, ptep);
      ptepModifyProtCommit(arch, mm, address, ptep, old, arch.values.pte.mkclean(old)).flush();
    }
  }
  return vma.file.writeBack();
}

/** Writes to a program's memory from the kernel, as read(2) does. */
export function copyToUser(mm: Mm, to: bigint, bytes: Uint8Array): void {
  const { arch, kernel } = mm;
  for (let done = 0; done < bytes.length; ) {
    const at = to + BigInt(done);
    const address = at & -PAGE;
    const offset = Number(at - address);
    const part = bytes.subarray(done, done + PAGE_BYTES - offset);
    const ptep = faultIn(mm, address, 'write');
    const pte = ptepGet(arch, ptep);
    kernel.ram.frame(ptePfn(arch, pte)).set(part, offset);
    // The program's hardware did not see this write.
    ptepSetAccessFlags(arch, mm, address, ptep, pteMkdirty(arch, pteMkyoung(arch, pte))).flush();
    done += part.length;
  }
}

/** Reads a program's memory from the kernel, as write(2) does. */
export function copyFromUser(mm: Mm, from: bigint, length: number): Uint8Array {
  const { arch, kernel } = mm;
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const at = from + BigInt(done);
    const address = at & -PAGE;
    const offset = Number(at - address);
    const count = Math.min(length - done, PAGE_BYTES - offset);
    const ptep = faultIn(mm, address, 'read');
    const pfn = ptePfn(arch, ptepGet(arch, ptep));
    bytes.set(kernel.ram.frame(pfn).subarray(offset, offset + count), done);
    done += count;
  }
  return bytes;
}

/** Takes an address space apart. */
export function exit(mm: Mm): void {
  for (const vma of [...mm.vmas]) munmap(mm, vma.start, Number((vma.end - vma.start) / PAGE));
  mm.destroy();
  mm.kernel.mms.splice(mm.kernel.mms.indexOf(mm), 1);
}
