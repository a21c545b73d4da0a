import {
  geometryOf, HIGH_WORD, LOW_WORD, PgtableError, type EntryObserver, type EntryVal, type EntryValues, type HandleFamily, type Level, type Root, type WritableArch,
} from '@pgtable/core';
import type { Frames } from '../frames/frames.js';
import { FrameWord, TableWord } from '../frames/memmap.js';
import { hex, infoOf, levelOf, type TableInfo } from './constructor.js';
import { LiveEntries } from './live-entries.js';
import type { PageTables } from './page-tables.js';

/** {@link WriteProtectedTables} in a form that can be posted to a worker. */
export interface SharedShadow {
  readonly shadow: SharedArrayBuffer;
  readonly states: SharedArrayBuffer;
}

/** Of the first frame of a table: whether it is protected, or a thread is just copying it. 0: neither. */
const PROTECTED = 1;
const COPYING = 2;

/** Entries that an error lists. */
const SHOWN = 4;

/**
 * Write-protected page tables: a live table is written inside of accessors, and nowhere else. What writes to it in another way (through a stray pointer:
 * `frames.ram`, `tables.words`) is caught. The idea is that of "pkeys-based page table hardening" (K. Brodsky, 2025), for which constructors and destructors
 * run on every table.
 *
 * No memory can be protected here against stores of the same program, so stores are not stopped but found: of each protected table there is a shadow.
 * Accessors announce every change to an observer, which writes it to the shadow. Whenever an entry is announced to change, when a table is unlinked or
 * destroyed, and at {@link check}, what is in the table is compared with the shadow. So a stray write is found, with the entry, what it is, and what it
 * should be; but after it happened, and not by who it was.
 *
 * A table is protected from the moment in which it becomes live to the one in which it stops: before and after, whoever has the {@link UnlinkedTable} writes
 * to it, and tells nobody. A root is live from {@link observer} on; a table that was made before constructors could run is taken to be live when its
 * constructor runs. Young and dirty marks of leaves may appear and go: the hardware writes them.
 *
 * Off unless one is made. Then it takes as much memory as there is, where tables are. One belongs to one thread; the shadow is in shared memory.
 *
 * Locking: none, where nothing else is said.
 */
export class WriteProtectedTables<H extends HandleFamily = HandleFamily> {
  private readonly pageTables: PageTables<H>;
  private readonly frames: Frames;
  private readonly archs: Readonly<Record<'user' | 'kernel', WritableArch<H>>>;
  private readonly image: SharedShadow;
  private readonly memory: Entries;
  private readonly shadow: Entries;
  private readonly states: Int32Array;
  private readonly remove: () => void;

  /**
   * @param archs of tables of processes, and of all others
   * @param image that of another thread: the same shadow. Left out, it is made
   */
  constructor(pageTables: PageTables<H>, archs: Readonly<Record<'user' | 'kernel', WritableArch<H>>>, image?: SharedShadow) {
    const { frames } = pageTables;
    this.pageTables = pageTables;
    this.frames = frames;
    this.archs = archs;
    this.image = image ?? { shadow: new SharedArrayBuffer(Math.ceil(frames.bytes / 8) * 8), states: new SharedArrayBuffer(frames.count * 4) };
    const { entryBytes } = archs.user.geometry;
    this.memory = new Entries(frames.ram.buffer, entryBytes);
    this.shadow = new Entries(this.image.shadow, entryBytes);
    this.states = new Int32Array(this.image.states);
    this.remove = pageTables.addHook({
      constructed: (table) => {
        if (table.early) this.copy(table);
        this.setState(table.pfn, table.early ? PROTECTED : 0);
      },
      destroying: (table) => {
        this.checkTable(table);
        this.setState(table.pfn, 0);
      },
    });
  }

  /** For the constructor, in another thread. */
  share(): SharedShadow {
    return this.image;
  }

  /** Looks at constructors and destructors of this thread no more. */
  close(): void {
    this.remove();
  }

  /**
   * What an address space tells of its changes; protects the tables that it has now, if no thread did so before. For `MmContext.observer`.
   *
   * Locking: until one thread has made the first one, nobody changes the tables; each thread makes its own before it changes them.
   */
  observer(arch: WritableArch<H>, root: Root): EntryObserver {
    const live = new LiveEntries(arch, root);
    const pfn = this.pfnOf(root.table);
    if (pfn !== undefined && this.settled(pfn) !== PROTECTED) this.protect(live, root.top, root.table, 0n);
    return {
      changing: <L extends Level>(level: L, address: bigint, old: EntryVal<L>, value: EntryVal<L>): void => {
        this.changing(live, level, address, old, value);
      },
    };
  }

  /**
   * Compares all protected tables with their shadows.
   *
   * Locking: nobody changes tables meanwhile; a change is announced before it is made.
   *
   * @throws PgtableError `EBADMSG`: which entries differ, of which table, what they are and what they should be
   */
  check(): void {
    const { frames } = this;
    for (let pfn = frames.firstPfn; pfn < frames.firstPfn + frames.count; pfn++) {
      if (this.stateOf(pfn) !== PROTECTED) continue;
      const word = frames.read(pfn, FrameWord.Table);
      if (levelOf(word) === undefined || (word & TableWord.Constructed) === 0) {
        throw new PgtableError('EBADMSG', `the protected page table at physical address ${hex(pfn * frames.pageBytes)} is none any more, and its destructor did not run: ${frames.describe(pfn)}`);
      }
      this.checkTable(infoOf(frames, pfn, word));
    }
  }

  private changing(live: LiveEntries<H>, level: Level, address: bigint, old: EntryVal<Level>, value: EntryVal<Level>): void {
    const entry = live.find(level, address);
    if (entry === undefined) return;
    const ops: { entryAddress(of: H[Level]): number } = live.arch.ops[level];
    const at = ops.entryAddress(entry);
    const pfn = this.frames.head(Math.floor(at / this.frames.pageBytes));
    if (this.settled(pfn) !== PROTECTED) return;
    const info = this.pageTables.info(pfn * this.frames.pageBytes);
    const index = this.indexOf(at);
    const expected = this.shadow.read(index);
    if (expected !== old && !this.notesOnly(info, expected, old)) throw this.stray(info, [[index - this.indexOf(info.address), old, expected]], address);
    const start = address - (address % live.bytes(level));
    const below = live.below(level);
    const gone = live.tableIn(level, old);
    const come = live.tableIn(level, value);
    if (below !== undefined && gone !== come) {
      if (gone !== undefined) this.unprotect(live, below, gone, start);
      if (come !== undefined) this.protect(live, below, come, start);
    }
    this.shadow.write(index, value);
  }

  /**
   * Has a table that becomes live, and those below it, protected as they are. One that is linked in several places is already, or another thread is at it.
   * The topmost comes last: who finds it protected knows that all are.
   */
  private protect(live: LiveEntries<H>, level: Level, address: number, start: bigint): void {
    const copied: number[] = [];
    this.each(live, level, address, start, (pfn, table) => {
      if (Atomics.compareExchange(this.states, pfn - this.frames.firstPfn, 0, COPYING) !== 0) return;
      this.copy(table);
      copied.push(pfn);
    });
    for (const pfn of copied.reverse()) this.setState(pfn, PROTECTED);
  }

  private copy(table: TableInfo): void {
    const first = this.indexOf(table.address);
    const end = first + this.entriesOf(table);
    for (let index = first; index < end; index++) this.shadow.write(index, this.memory.read(index));
  }

  private unprotect(live: LiveEntries<H>, level: Level, address: number, start: bigint): void {
    this.each(live, level, address, start, (pfn, table) => {
      this.checkTable(table);
      this.setState(pfn, 0);
    });
  }

  /** Each table from one on down that is one of these frames; tables that came from elsewhere are nobody's. */
  private each(live: LiveEntries<H>, level: Level, address: number, start: bigint, what: (pfn: number, table: TableInfo) => void): void {
    live.visit(level, address, start, () => undefined, (of, at) => {
      const pfn = this.pfnOf(at);
      if (pfn === undefined) return;
      const word = this.frames.read(pfn, FrameWord.Table);
      // A table that maps itself is met at other levels too.
      if ((word & TableWord.Constructed) !== 0 && levelOf(word) === of) what(pfn, infoOf(this.frames, pfn, word));
    });
  }

  private checkTable(table: TableInfo): void {
    if (this.stateOf(table.pfn) !== PROTECTED) return;
    const first = this.indexOf(table.address);
    const end = first + this.entriesOf(table);
    const wrong: [number, bigint, bigint][] = [];
    for (let index = first; index < end; index++) {
      const is = this.memory.read(index);
      const expected = this.shadow.read(index);
      if (is !== expected && !this.notesOnly(table, is, expected)) wrong.push([index - first, is, expected]);
    }
    if (wrong.length > 0) throw this.stray(table, wrong);
  }

  /** Whether two values of an entry differ in nothing but what the hardware notes in leaves. */
  private notesOnly({ level, user }: TableInfo, a: bigint, b: bigint): boolean {
    const values: EntryValues = this.archs[user ? 'user' : 'kernel'].values[level];
    const [one, other] = [a, b] as [EntryVal<Level>, EntryVal<Level>];
    if (!values.present(one) || !values.present(other) || !values.leaf(one) || !values.leaf(other)) return false;
    return values.mkyoung(values.mkdirty(one)) === values.mkyoung(values.mkdirty(other));
  }

  private stray({ level, address, owner }: TableInfo, entries: readonly (readonly [number, bigint, bigint])[], virtual?: bigint): PgtableError {
    const list = entries.slice(0, SHOWN).map(([index, is, expected]) => `entry ${index} is 0x${is.toString(16)} and should be 0x${expected.toString(16)}`).join(', ');
    const more = entries.length > SHOWN ? ` and ${entries.length - SHOWN} more` : '';
    return new PgtableError('EBADMSG', `a stray write to the ${level} table at physical address ${hex(address)} of owner ${owner}: ${list}${more}`, {
      address: virtual ?? BigInt(address), hint: 'write entries by accessors, with the observer in the MmContext; look for what writes to frames.ram or to the words of the table memory',
    });
  }

  private entriesOf({ level, user }: TableInfo): number {
    return geometryOf(this.archs[user ? 'user' : 'kernel'].geometry, level).entries;
  }

  private indexOf(address: number): number {
    return (address - this.frames.base) / this.memory.entryBytes;
  }

  private pfnOf(address: number): number | undefined {
    const pfn = Math.floor(address / this.frames.pageBytes);
    return pfn >= this.frames.firstPfn && pfn < this.frames.firstPfn + this.frames.count ? pfn : undefined;
  }

  private stateOf(pfn: number): number {
    return Atomics.load(this.states, pfn - this.frames.firstPfn);
  }

  /** As {@link stateOf}, when no thread is copying any more: who copies waits for nobody. */
  private settled(pfn: number): number {
    for (;;) {
      const state = this.stateOf(pfn);
      if (state !== COPYING) return state;
    }
  }

  private setState(pfn: number, state: number): void {
    Atomics.store(this.states, pfn - this.frames.firstPfn, state);
  }
}

/** Memory as entries of one size, each read and written by whole words of at most 64 bits. */
class Entries {
  readonly entryBytes: number;
  private readonly words: Int32Array;
  private readonly elements: BigUint64Array;

  constructor(buffer: ArrayBufferLike, entryBytes: number) {
    this.entryBytes = entryBytes;
    this.words = new Int32Array(buffer);
    this.elements = new BigUint64Array(buffer, 0, Math.floor(buffer.byteLength / 8));
  }

  read(index: number): bigint {
    if (this.entryBytes === 4) return BigInt(Atomics.load(this.words, index) >>> 0);
    if (this.entryBytes === 8) return Atomics.load(this.elements, index);
    return (Atomics.load(this.elements, index * 2 + HIGH_WORD) << 64n) | Atomics.load(this.elements, index * 2 + LOW_WORD);
  }

  write(index: number, value: bigint): void {
    if (this.entryBytes === 4) Atomics.store(this.words, index, Number(BigInt.asIntN(32, value)));
    else if (this.entryBytes === 8) Atomics.store(this.elements, index, value);
    else {
      Atomics.store(this.elements, index * 2 + LOW_WORD, BigInt.asUintN(64, value));
      Atomics.store(this.elements, index * 2 + HIGH_WORD, value >> 64n);
    }
  }
}
