import { geometryOf, PgtableError, type HandleFamily, type HugePage, type Level } from '@pgtable/core';
import { installInto, splitLeaf, type AddressSpace, type EntryAt, type MappedPtes, type TableLock, type VaRange, type WalkInstall, type WalkLocks, type WalkMm, type WalkVma } from '../src/index.js';
import { PROT } from './map-toy.js';

/*
 * A little mm for the tests of the page walk: VMAs in a list, locks that are words in a set, and a log of what the walk did with them.
 */

/** Locks by name: `mmap read`, `mmap write`, `init write`, `i_mmap`, and `vma read` and `vma write` with the VMA's start. */
export type Held = string;

export class LittleMm<H extends HandleFamily> implements WalkMm<H> {
  readonly arch: AddressSpace<H>['arch'];
  readonly root: AddressSpace<H>['root'];
  readonly kind: WalkMm['kind'];
  readonly locklessRanges: readonly VaRange[];
  readonly install: WalkInstall<H>;
  readonly locks: WalkLocks<H>;
  readonly vmas: WalkVma<H>[] = [];
  readonly held = new Set<Held>();
  /** Locks that the walk took and gave back, in order. */
  readonly log: string[] = [];
  /** Locks of tables that are held now. */
  tableLocks = 0;
  /** How often pteOffsetMapLock is still to fail, and what is done to the tables then. */
  failures = 0;
  onFailure: () => void = () => undefined;
  /** Left out, every page is an ordinary one. */
  normalPage?: NonNullable<WalkMm<H>['normalPage']>;
  private readonly space: AddressSpace<H>;

  constructor(space: AddressSpace<H>, kind: WalkMm['kind'] = 'user', locklessRanges: readonly VaRange[] = []) {
    this.space = space;
    this.arch = space.arch;
    this.root = space.root;
    this.kind = kind;
    this.locklessRanges = locklessRanges;
    this.install = installInto(space);
    this.locks = {
      assertMmapReadLocked: () => { this.demand('mmap', ['mmap read', 'mmap write']); },
      assertMmapWriteLocked: () => { this.demand('mmap for writing', ['mmap write']); },
      assertInitWriteLocked: () => { this.demand('init_mm for writing', ['init write']); },
      vmaStartWrite: (vma) => {
        this.demand('mmap for writing', ['mmap write']);
        this.log.push(`write-lock ${vma.start}`);
        this.held.add(`vma write ${vma.start}`);
      },
      assertVmaWriteLocked: (vma) => { this.demand('the VMA for writing', [`vma write ${vma.start}`]); },
      assertVmaReadLocked: (vma) => { this.demand('the VMA', [`vma read ${vma.start}`, `vma write ${vma.start}`]); },
      pteOffsetMapLock: (pmdp, address) => this.map('ptl', pmdp, address),
      pteOffsetMap: (pmdp, address) => this.map('rcu', pmdp, address),
      pmdLock: () => this.take('pmd'),
      pudLock: () => this.take('pud'),
      hugetlbVmaLockRead: (vma) => this.take(`hugetlb ${vma.start}`),
    };
  }

  findVma(address: number): WalkVma<H> | undefined {
    return this.vmas.find(({ end }) => end > address);
  }

  /** A VMA after all that are there. */
  add(start: number, end: number, more: Omit<WalkVma<H>, 'mm' | 'start' | 'end'> = {}): WalkVma<H> {
    const vma = { mm: this, start, end, ...more };
    this.vmas.push(vma);
    return vma;
  }

  splitHuge(_vma: WalkVma<H>, at: EntryAt<H>, address: number): void {
    this.log.push(`split ${at.level} ${address}`);
    splitLeaf(this.space, BigInt(address), PROT.readWrite);
  }

  private demand(what: string, any: readonly Held[]): void {
    if (any.some((lock) => this.held.has(lock))) return;
    throw new PgtableError('EINVAL', `a walk needs the lock of ${what}`, { hint: `take one of: ${any.join(', ')}` });
  }

  private take(name: string): TableLock {
    this.tableLocks++;
    this.log.push(`lock ${name}`);
    return {
      unlock: () => {
        this.tableLocks--;
        this.log.push(`unlock ${name}`);
      },
    };
  }

  private map(name: string, pmdp: H['pmd'], address: number): MappedPtes<H> | undefined {
    if (this.failures > 0) {
      this.failures--;
      this.onFailure();
      return undefined;
    }
    const ptep = this.arch.ops.pmd.offset(pmdp, BigInt(address));
    return ptep === undefined ? undefined : { ...this.take(name), ptep };
  }
}

/** The size of a leaf of a level, as HugeTLB has it. */
export function hugePageOf(mm: WalkMm, level: Level, count = 1): HugePage {
  return { bytes: 2 ** geometryOf(mm.arch.geometry, level).shift * count, level, count };
}
