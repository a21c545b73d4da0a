import {
  hwPmdNext, hwPteNext, p4dOffset, pgdNone, pgdOffset, pgdpGet, pgdPopulate, pgdUnlink, PgtableError, pmdNone, pmdOffset, pmdpGet, pmdPopulate, pmdUnlink,
  pteNone, pteOffset, ptepGet, pudOffset, VmFlags, type FlushLedger, type MmContext, type Root, type TableMemory, type UnlinkedTable,
} from '@pgtable/core';
import { riscvRoot } from '@pgtable/arch-riscv';
import type { Family, Pgdp, Pmdp, Ptep, Riscv } from './family.js';
import type { GuestFile } from './file.js';
import type { Kernel } from './kernel.js';
import { PAGE_BYTES } from './ram.js';
import { SoftTlb } from './tlb.js';

/** Bytes of a page. */
export const PAGE = BigInt(PAGE_BYTES);
/** Entries of a table of Sv39, and what one of a level maps. */
const ENTRIES = 512;
const PMD_SHIFT = 21n;
const PGD_SHIFT = 30n;

/** A stretch of addresses that a program may use. */
export interface Vma {
  /** Half-open: [start, end), multiples of the page size. */
  start: bigint;
  end: bigint;
  /** Of {@link VmFlags}. */
  flags: number;
  /** What is mapped: a file, shared; undefined: memory of the program's own. */
  readonly file: GuestFile | undefined;
  /** The page of the file that `start` maps. */
  readonly filePage: number;
}

/** Consecutive entries of one table. */
export interface PteRange {
  readonly first: Ptep;
  /** The address that the first one translates. */
  readonly address: bigint;
  readonly count: number;
}

/** An address space. */
export class Mm implements MmContext {
  readonly user = true;
  readonly pid: number;
  readonly kernel: Kernel;
  readonly arch: Riscv;
  readonly tables: TableMemory;
  readonly tlb: SoftTlb;
  readonly ledger: FlushLedger;
  readonly root: Root;
  vmas: Vma[] = [];
  /** Where the swapper's clock stands. */
  hand = 0n;
  private readonly pgd: UnlinkedTable<Family, 'pgd'>;

  constructor(kernel: Kernel, pid: number) {
    this.pid = pid;
    this.kernel = kernel;
    this.arch = kernel.arch;
    this.tables = kernel.tables;
    this.ledger = kernel.ledger;
    this.tlb = new SoftTlb(kernel.arch);
    this.pgd = kernel.arch.newTable('pgd', kernel.allocFrame() * PAGE_BYTES, true);
    this.root = riscvRoot('Sv39', this.pgd.address);
  }

  findVma(address: bigint): Vma | undefined {
    return this.vmas.find(({ start, end }) => address >= start && address < end);
  }

  /** Adds a stretch; it may touch others and overlap none. */
  addVma(vma: Vma): void {
    const other = this.vmas.find(({ start, end }) => vma.start < end && start < vma.end);
    if (other !== undefined || vma.start >= vma.end || vma.start % PAGE !== 0n || vma.end % PAGE !== 0n) {
      throw new PgtableError('EINVAL', `0x${vma.start.toString(16)}-0x${vma.end.toString(16)} cannot be mapped`, {
        address: vma.start,
        hint: 'give whole pages that are free',
      });
    }
    this.vmas.push(vma);
    this.vmas.sort((a, b) => (a.start < b.start ? -1 : 1));
  }

  /** Cuts stretches at an address, so that none reaches over it. */
  splitVmas(address: bigint): void {
    const vma = this.findVma(address);
    if (vma === undefined || vma.start === address) return;
    this.vmas.push({ ...vma, start: address, filePage: vma.filePage + Number((address - vma.start) / PAGE) });
    vma.end = address;
    this.vmas.sort((a, b) => (a.start < b.start ? -1 : 1));
  }

  /** The memory of a table that was taken out goes back. */
  drop(table: UnlinkedTable<Family>): void {
    this.arch.freeTable(table);
    this.kernel.frames.put(table.address / PAGE_BYTES);
  }

  /** The root goes back, when nothing is mapped any more. */
  destroy(): void {
    this.arch.freeTable(this.pgd);
    this.kernel.frames.put(this.pgd.address / PAGE_BYTES);
  }
}

/** The root's entry for an address. */
export function pgdLookup(mm: Mm, address: bigint): Pgdp {
  const pgdp = pgdOffset(mm.arch, mm.root, address);
  if (pgdp === undefined) throw new PgtableError('EFAULT', 'the root does not translate this address', { address });
  return pgdp;
}

/** The second level's entry for an address; undefined if there is no table. */
export function pmdLookup(mm: Mm, address: bigint): Pmdp | undefined {
  const { arch } = mm;
  const pgdp = pgdLookup(mm, address);
  const p4dp = p4dOffset(arch, pgdp, address);
  const pudp = p4dp === undefined ? undefined : pudOffset(arch, p4dp, address);
  return pudp === undefined ? undefined : pmdOffset(arch, pudp, address);
}

/** The lowest level's entry for an address; undefined if there is no table. */
export function pteLookup(mm: Mm, address: bigint): Ptep | undefined {
  const { arch } = mm;
  const pmdp = pmdLookup(mm, address);
  if (pmdp === undefined) return undefined;
  return pteOffset(arch, pmdp, address);
}

/** As {@link pteLookup}; tables that are missing are made. */
export function pteAlloc(mm: Mm, address: bigint): Ptep {
  const { arch, kernel } = mm;
  const pgdp = pgdLookup(mm, address);
  if (pgdNone(arch, pgdpGet(arch, pgdp))) {
    const table = arch.newTable('pmd', kernel.allocFrame() * PAGE_BYTES, true);
    pgdPopulate(arch, mm, address, pgdp, table);
  }
  const pmdp = pmdLookup(mm, address)!;
  if (pmdNone(arch, pmdpGet(arch, pmdp))) {
    const table = arch.newTable('pte', kernel.allocFrame() * PAGE_BYTES, true);
    pmdPopulate(arch, mm, address, pmdp, table);
  }
  return pteLookup(mm, address)!;
}

/** The entries of a stretch of addresses, table by table; where there is no table there are none. */
export function* pteRanges(mm: Mm, start: bigint, end: bigint): Generator<PteRange> {
  for (let address = start; address < end; ) {
    const tableEnd = ((address >> PMD_SHIFT) + 1n) << PMD_SHIFT;
    const stop = tableEnd < end ? tableEnd : end;
    const first = pteLookup(mm, address);
    if (first !== undefined) yield { first, address, count: Number((stop - address) / PAGE) };
    address = stop;
  }
}

/** How many entries of a table of the lowest level are in use. @param first the table's first entry */
export function usedEntries(mm: Mm, first: Ptep): number {
  const { arch } = mm;
  let used = 0;
  let ptep = first;
  for (let left = ENTRIES; left > 0; left--, ptep = hwPteNext(arch, ptep)) {
    if (!pteNone(arch, ptepGet(arch, ptep))) used++;
  }
  return used;
}

/** Frees the tables that a stretch of addresses has emptied. */
export function freeEmptyTables(mm: Mm, start: bigint, end: bigint): void {
  const { arch } = mm;
  for (let address = (start >> PMD_SHIFT) << PMD_SHIFT; address < end; address += 1n << PMD_SHIFT) {
    const pmdp = pmdLookup(mm, address);
    const first = pteLookup(mm, address);
    if (pmdp === undefined || first === undefined || usedEntries(mm, first) > 0) continue;
    mm.drop(pmdUnlink(arch, mm, address, pmdp).flush());
  }
  for (let address = (start >> PGD_SHIFT) << PGD_SHIFT; address < end; address += 1n << PGD_SHIFT) {
    const pgdp = pgdLookup(mm, address);
    let pmdp = pmdLookup(mm, address);
    if (pmdp === undefined) continue;
    let used = 0;
    for (let index = 0; index < ENTRIES; index++) {
      if (!pmdNone(arch, pmdpGet(arch, pmdp))) used++;
      pmdp = hwPmdNext(arch, pmdp);
    }
    if (used > 0) continue;
    mm.drop(pgdUnlink(arch, mm, address, pgdp).flush());
  }
}

/** Whether a stretch is memory that a write makes a copy of. */
export function isPrivate(vma: Vma): boolean {
  return (vma.flags & VmFlags.Shared) === 0;
}
