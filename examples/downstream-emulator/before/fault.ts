import {
  entryVal, isSwapPte, PgtableError, pteDirty, pteMkclean, pteMkdirty, pteMkold, pteMkspecial, pteMkwriteNovma, pteMkyoung, pteNone, ptePfn, ptePresent,
  pteSame, pteSpecial, pteToSwpEntry, pteWrite, pteWrprotect, VmFlags, type EntryPtr, type PteVal,
} from '@pgtable/core';
import type { Ptep } from './family.js';
import type { Kernel } from './kernel.js';
import { flushPage, isPrivate, PAGE, pteAlloc, pteLookup, readPte, type Mm, type Vma } from './mm.js';
import type { AccessKind } from './mmu.js';

/** Pages of a file that are mapped together, if the cache has them. */
const FAULT_AROUND = 4n;

/** A page fault that is being handled. */
interface Fault {
  readonly mm: Mm;
  readonly vma: Vma;
  /** Of the page. */
  readonly address: bigint;
  readonly access: AccessKind;
  /** The live entry. */
  readonly ptep: Ptep;
  /** What it was when the fault was taken. */
  readonly orig: EntryPtr<'pte'>;
}

/** What became of a fault: try the access again, or it is refused. */
export type FaultResult = 'retry' | 'refused';

/** Handles a page fault. */
export function handleFault(mm: Mm, where: bigint, access: AccessKind): FaultResult {
  const { kernel, tables } = mm;
  const vma = mm.findVma(where);
  if (vma === undefined || !vmaAllows(vma, access)) {
    kernel.counters.refused++;
    return 'refused';
  }
  const address = where & -PAGE;
  const ptep = pteAlloc(mm, address);
  const orig: Ptep = kernel.stack.push(entryVal('pte', Atomics.load(tables.elements, ptep)));
  try {
    handlePteFault({ mm, vma, address, access, ptep, orig });
  } finally {
    kernel.stack.pop();
  }
  return 'retry';
}

function vmaAllows(vma: Vma, access: AccessKind): boolean {
  switch (access) {
    case 'read':
      return (vma.flags & (VmFlags.Read | VmFlags.Write)) !== 0;
    case 'write':
      return (vma.flags & VmFlags.Write) !== 0;
    case 'execute':
      return (vma.flags & VmFlags.Exec) !== 0;
  }
}

function handlePteFault(fault: Fault): void {
  const { mm, vma, access } = fault;
  const { arch, kernel } = mm;
  const pte = kernel.stack.get(fault.orig);
  if (pteNone(arch, pte)) {
    if (vma.file === undefined) anonymousFault(fault);
    else fileFault(fault);
  } else if (isSwapPte(arch, pte)) {
    swapFault(fault);
  } else if (ptePresent(arch, pte) && access === 'write' && !pteWrite(arch, pte)) {
    writeFault(fault);
  } else {
    // The TLB had an older entry, or another processor was faster.
    kernel.counters.raced++;
    noteYoung(fault);
  }
}

/** The first access to memory of the program's own. */
function anonymousFault(fault: Fault): void {
  const { mm, vma, address, access, ptep } = fault;
  const { arch, kernel, tables } = mm;
  const prot = arch.vmProt(vma.flags);
  kernel.counters.minor++;
  if (access !== 'write') {
    const zero = pteMkspecial(arch, pteWrprotect(arch, arch.values.pte.ofPfn(kernel.zeroPfn, prot)));
    tables.elements[ptep] = zero;
    return;
  }
  const pfn = kernel.allocZeroed();
  // To get a frame pages may have gone to swap, but nobody else can have used an entry that was empty: its table is locked.
  const fresh = pteMkdirty(arch, pteMkwriteNovma(arch, arch.values.pte.ofPfn(pfn, prot)));
  tables.elements[ptep] = fresh;
  flushPage(mm, address);
}

/** The first access to a page of a file through this mapping. */
function fileFault(fault: Fault): void {
  const { mm, vma, address, ptep } = fault;
  const { arch, kernel, tables } = mm;
  const file = vma.file!;
  const page = vma.filePage + Number((address - vma.start) / PAGE);
  let pfn = file.cached(page);
  if (pfn === undefined) {
    pfn = kernel.allocFrame();
    kernel.counters.major++;
    kernel.wait();
    file.fill(page, pfn);
  } else {
    kernel.counters.minor++;
  }
  kernel.frames.get(pfn);
  const entry = arch.values.pte.ofPfn(pfn, arch.vmProt(vma.flags));
  tables.elements[ptep] = entry;
  flushPage(mm, address);
  faultAround(fault);
}

/** Maps what the cache has of the pages beside the one that was needed, so that they do not fault too. */
function faultAround(fault: Fault): void {
  const { mm, vma } = fault;
  const { arch, kernel, tables } = mm;
  const block = PAGE * FAULT_AROUND;
  const start = (fault.address / block) * block;
  for (let address = start; address < start + block; address += PAGE) {
    const pfn = address >= vma.start && address < vma.end ? vma.file!.cached(vma.filePage + Number((address - vma.start) / PAGE)) : undefined;
    const ptep = pteLookup(mm, address);
    if (pfn === undefined || ptep === undefined || !pteNone(arch, entryVal('pte', tables.elements[ptep]!))) continue;
    kernel.frames.get(pfn);
    const entry = pteMkold(arch, arch.values.pte.ofPfn(pfn, arch.vmProt(vma.flags)));
    tables.elements[ptep] = entry;
    flushPage(mm, address);
  }
}

/** The page is in swap. */
function swapFault(fault: Fault): void {
  const { mm, vma, address, access, ptep } = fault;
  const { arch, kernel, tables } = mm;
  const pte = kernel.stack.get(fault.orig);
  const slot = Number(pteToSwpEntry(arch, pte).offset);
  const pfn = kernel.allocFrame();
  kernel.counters.major++;
  kernel.swap.read(slot, kernel.ram.frame(pfn));
  kernel.wait();
  // Whoever ran meanwhile may have needed the page too.
  if (!pteSame(arch, readPte(kernel.stack.values, fault.orig), pte)) {
    kernel.counters.raced++;
    kernel.frames.put(pfn);
    return;
  }
  kernel.counters.swapIn++;
  const exclusive = kernel.swap.count(slot) === 1;
  if (exclusive) kernel.swapCache.set(pfn, slot);
  else kernel.swap.put(slot);
  let entry = pteMkclean(arch, arch.values.pte.ofPfn(pfn, arch.vmProt(vma.flags)));
  if (access === 'write') entry = pteMkdirty(arch, pteMkwriteNovma(arch, entry));
  tables.elements[ptep] = entry;
  flushPage(mm, address);
}

/** A write to a page that is there and read-only: it is copied if somebody else has it too. */
function writeFault(fault: Fault): void {
  const { mm, vma, address, ptep } = fault;
  const { arch, kernel, tables } = mm;
  const pte = kernel.stack.get(fault.orig);
  const pfn = ptePfn(arch, pte);
  if (!isPrivate(vma) || (!pteSpecial(arch, pte) && kernel.frames.count(pfn) === 1)) {
    kernel.counters.reused++;
    const writable = pteMkdirty(arch, pteMkyoung(arch, pteMkwriteNovma(arch, pte)));
    tables.elements[ptep] = writable;
    flushPage(mm, address);
    return;
  }
  copyPage(fault, pfn);
}

/** Copy on write. @param from the frame that the entry had when the fault was taken */
function copyPage(fault: Fault, from: number): void {
  const { mm, vma, address, ptep } = fault;
  const { arch, kernel, tables } = mm;
  const pfn = kernel.allocFrame();
  kernel.ram.copyFrame(from, pfn);
  const now = entryVal('pte', tables.elements[ptep]!);
  if (!samePte(fault, now, fault.orig)) {
    kernel.counters.raced++;
    kernel.frames.put(pfn);
    return;
  }
  kernel.counters.copied++;
  tables.elements[ptep] = 0n;
  flushPage(mm, address);
  if (!pteSpecial(arch, now)) kernel.putFrame(from);
  const copy = pteMkdirty(arch, pteMkwriteNovma(arch, arch.values.pte.ofPfn(pfn, arch.vmProt(vma.flags))));
  tables.elements[ptep] = copy;
}

/** Whether an entry still is what it was when the fault was taken, but for what the hardware has noted. */
function samePte(fault: Fault, now: PteVal, orig: Ptep): boolean {
  const { arch, kernel } = fault.mm;
  return pteSame(arch, pteMkyoung(arch, now), pteMkyoung(arch, kernel.stack.get(orig)));
}

/** After a fault that had nothing to do: the page was used. */
function noteYoung(fault: Fault): void {
  const { mm, address, ptep } = fault;
  const { arch, tables } = mm;
  const pte = entryVal('pte', tables.elements[ptep]!);
  if (!ptePresent(arch, pte)) return;
  tables.elements[ptep] = pteMkyoung(arch, pte);
  flushPage(mm, address);
}

/** Makes a page writable and dirty from the kernel's side, as if the program had written to it. */
export function faultIn(mm: Mm, address: bigint, access: AccessKind): Ptep {
  const { arch, tables } = mm;
  for (let tried = 0; tried < 4; tried++) {
    const ptep = pteAlloc(mm, address);
    const pte = entryVal('pte', tables.elements[ptep]!);
    if (arch.values.pte.valid(pte) && (access !== 'write' || pteWrite(arch, pte))) return ptep;
    if (handleFault(mm, address, access) === 'refused') break;
  }
  throw new PgtableError('EFAULT', `the program may not ${access} here`, { address });
}

/** Whether a page of the program's own differs from its copy in swap, or has none. */
export function needsWriting(kernel: Kernel, pte: PteVal): boolean {
  const { arch } = kernel;
  return pteDirty(arch, pte) || !kernel.swapCache.has(ptePfn(arch, pte));
}
