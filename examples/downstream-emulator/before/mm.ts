import {
  entryVal, PgtableError, pteNone, VmFlags, type FlushLedger, type MmContext, type PteVal, type Root, type TableMemory, type UnlinkedTable,
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
  /** The tables below the root, by their physical addresses. */
  private readonly below = new Map<number, UnlinkedTable<Family>>();

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

  /** For whoever links a table. */
  keep(table: UnlinkedTable<Family>): void {
    this.below.set(table.address, table);
  }

  /** The table's memory goes back. */
  drop(address: number): void {
    const table = this.below.get(address);
    if (table === undefined) throw new PgtableError('EINVAL', `no table of this address space is at 0x${address.toString(16)}`);
    this.below.delete(address);
    this.arch.freeTable(table);
    this.kernel.frames.put(address / PAGE_BYTES);
  }

  /** The root goes back, when nothing is mapped any more. */
  destroy(): void {
    this.arch.freeTable(this.pgd);
    this.kernel.frames.put(this.pgd.address / PAGE_BYTES);
  }
}

/** Makes the TLB forget one page. */
export function flushPage(mm: Mm, address: bigint): void {
  mm.tlb.flush({ start: address, end: address + PAGE, level: 'pte', tables: false });
}

function indexIn(shift: bigint, address: bigint): number {
  return Number((address >> shift) % BigInt(ENTRIES));
}

/** The root's entry for an address. */
export function pgdLookup(mm: Mm, address: bigint): Pgdp {
  return (mm.tables.find('pgd', mm.root.table) + indexIn(PGD_SHIFT, address)) as Pgdp;
}

/** The second level's entry for an address; undefined if there is no table. */
export function pmdLookup(mm: Mm, address: bigint): Pmdp | undefined {
  const { arch, tables } = mm;
  const pgdp = pgdLookup(mm, address);
  const pgd = entryVal('pgd', tables.elements[pgdp]!);
  if (pgd === 0n) return undefined;
  return (tables.find('pmd', arch.values.pgd.table(pgd)) + indexIn(PMD_SHIFT, address)) as Pmdp;
}

/** The lowest level's entry for an address; undefined if there is no table. */
export function pteLookup(mm: Mm, address: bigint): Ptep | undefined {
  const { arch, tables } = mm;
  const pmdp = pmdLookup(mm, address);
  if (pmdp === undefined) return undefined;
  const pmd = entryVal('pmd', tables.elements[pmdp]!);
  if (pmd === 0n) return undefined;
  return (tables.find('pte', arch.values.pmd.table(pmd)) + indexIn(12n, address)) as Ptep;
}

/** As {@link pteLookup}; tables that are missing are made. */
export function pteAlloc(mm: Mm, address: bigint): Ptep {
  const { arch, kernel, tables } = mm;
  const pgdp = pgdLookup(mm, address);
  const pgd = entryVal('pgd', tables.elements[pgdp]!);
  if (pgd === 0n) {
    const table = arch.newTable('pmd', kernel.allocFrame() * PAGE_BYTES, true);
    mm.keep(table);
    tables.elements[pgdp] = arch.values.pgd.ofTable(table.address, true);
  }
  const pmdp = pmdLookup(mm, address)!;
  const pmd = entryVal('pmd', tables.elements[pmdp]!);
  if (pmd === 0n) {
    const table = arch.newTable('pte', kernel.allocFrame() * PAGE_BYTES, true);
    mm.keep(table);
    tables.elements[pmdp] = arch.values.pmd.ofTable(table.address, true);
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
  const { arch, tables } = mm;
  let used = 0;
  const end = (first + ENTRIES) as Ptep;
  for (let ptep = first; ptep < end; ptep++) {
    if (!pteNone(arch, entryVal('pte', tables.elements[ptep]!))) used++;
  }
  return used;
}

/** Frees the tables that a stretch of addresses has emptied. */
export function freeEmptyTables(mm: Mm, start: bigint, end: bigint): void {
  const { arch, tables } = mm;
  for (let address = (start >> PMD_SHIFT) << PMD_SHIFT; address < end; address += 1n << PMD_SHIFT) {
    const pmdp = pmdLookup(mm, address);
    const first = pteLookup(mm, address);
    if (pmdp === undefined || first === undefined || usedEntries(mm, first) > 0) continue;
    const pmd = entryVal('pmd', tables.elements[pmdp]!);
    tables.elements[pmdp] = 0n;
    mm.tlb.flush({ start: address, end: address + (1n << PMD_SHIFT), level: 'pte', tables: true });
    mm.drop(arch.values.pmd.table(pmd));
  }
  for (let address = (start >> PGD_SHIFT) << PGD_SHIFT; address < end; address += 1n << PGD_SHIFT) {
    const pgdp = pgdLookup(mm, address);
    let pmdp = pmdLookup(mm, address);
    if (pmdp === undefined) continue;
    let used = 0;
    for (let index = 0; index < ENTRIES; index++) {
      if (tables.elements[pmdp] !== 0n) used++;
      pmdp++;
    }
    if (used > 0) continue;
    const pgd = entryVal('pgd', tables.elements[pgdp]!);
    tables.elements[pgdp] = 0n;
    mm.drop(arch.values.pgd.table(pgd));
  }
}

/** Where entries are: the tables, or a buffer. */
export interface Entries {
  readonly elements: BigUint64Array;
}

/** The value of an entry. */
export function readPte(entries: Entries, ptep: Ptep): PteVal {
  return entryVal('pte', entries.elements[ptep]!);
}

/** Changes an entry. */
export function writePte(entries: Entries, ptep: Ptep, pte: PteVal): void {
  entries.elements[ptep] = pte;
}

/** Whether a stretch is memory that a write makes a copy of. */
export function isPrivate(vma: Vma): boolean {
  return (vma.flags & VmFlags.Shared) === 0;
}
