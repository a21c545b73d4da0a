import {
  checkedContext, entryVal, FlushLedger, geometryOf, NO_TLB, PgtableError, scanFilter, TableMemory, type HandleFamily, type Level, type MmContext,
  type WritableArch, type WritableOps,
} from '@pgtable/core';
import { expect } from 'vitest';
import { newRoot, RunKind, walkRuns, type AddressSpace } from '../src/index.js';
import { ACCESSED, DIRTY, GROUP, NX, RecordingTlb, rootWith, SOFT_DIRTY, SPECIAL, U, VALID, W, writableToy, type LevelBits } from './map-toy.js';

export const PAGE = 4096;
export const ROOT = 0x10_0000;

/** A space with its root table made, and what was asked of it. */
export interface Made<H extends HandleFamily> {
  readonly space: AddressSpace<H>;
  readonly tlb: RecordingTlb;
  readonly ledger: FlushLedger;
  /** Tables that alloc gave. */
  readonly allocated: number[];
}

export function make<H extends HandleFamily>(arch: WritableArch<H>, top: Level = 'pgd', watched = true): Made<H> {
  const tlb = new RecordingTlb();
  const ledger = new FlushLedger();
  const root = rootWith(arch.geometry, ROOT, top);
  const plain: MmContext = { user: true, tlb, ledger };
  const allocated: number[] = [];
  // An architecture whose handles are nobody's business is any architecture.
  const mm = watched ? checkedContext(arch, plain) : plain;
  const space: AddressSpace<H> = {
    arch, root, mm,
    alloc: () => {
      allocated.push(ROOT + (allocated.length + 1) * PAGE);
      return allocated.at(-1)!;
    },
  };
  newRoot(space);
  return { space, tlb, ledger, allocated };
}

/** A space in table memory. */
export const memory = (bits: LevelBits, top: Level = 'pgd', watched = true) => make(writableToy(new TableMemory(), bits), top, watched);

/** What one page is mapped to, as the walk sees it. */
export interface Mapped {
  readonly pa: number;
  readonly level: Level;
  readonly bits: bigint;
}

const FLAGS = VALID | W | U | NX | ACCESSED | DIRTY | SOFT_DIRTY | SPECIAL | GROUP | 128n;

/** Every page that is mapped or PROT_NONE, by its address. */
export function pagesOf<H extends HandleFamily>(space: AddressSpace<H>): Map<number, Mapped> {
  const pages = new Map<number, Mapped>();
  walkRuns(
    space,
    (run) => {
      if (run.kind === RunKind.None) return undefined;
      const words = (BigInt(run.hi >>> 0) << 32n) | BigInt(run.lo >>> 0);
      const first = run.kind === RunKind.Leaf ? run.pa : Number(words & 0xffff_ffff_f000n);
      if (run.kind === RunKind.NonPresent) expect(run.count).toBe(1);
      for (let va = run.va; va < run.end; va += PAGE) pages.set(va, { pa: first + va - run.va, level: run.level, bits: words & FLAGS });
      return undefined;
    },
    { filter: scanFilter(true) },
  );
  return pages;
}

/** Bytes that an entry of a level translates. */
export const bytesOf = (space: AddressSpace, level: Level) => 2 ** geometryOf(space.arch.geometry, level).shift;

export function thrownBy(work: () => unknown): PgtableError {
  try {
    work();
  } catch (error) {
    if (error instanceof PgtableError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** Writes an entry as hardware does: nobody is told. */
export function writeBit(space: AddressSpace, va: number, level: Level, value: bigint): void {
  const { arch, root } = space;
  let table = arch.rootTable(root)!;
  const window = root.windows.find(({ start, end }) => va >= start && va < end)!;
  let index = window.index + Math.floor((va - window.start) / bytesOf(space, root.top));
  const opsOf = <L extends Level>(of: L): WritableOps<HandleFamily, L> => arch.ops[of];
  while (table.level !== level) {
    const ops = opsOf(table.level);
    table = ops.child(ops.advance(table.table, index))!;
    index = Math.floor(va / bytesOf(space, table.level)) % geometryOf(arch.geometry, table.level).entries;
  }
  const ops = opsOf(table.level);
  ops.establish({ user: true, tlb: NO_TLB }, BigInt(va), ops.advance(table.table, index), entryVal(table.level, value)).ignore('the hardware did it');
}
