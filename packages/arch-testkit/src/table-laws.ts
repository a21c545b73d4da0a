import fc from 'fast-check';
import {
  EntryKind, entryVal, FlushLedger, geometryOf, LEVELS, ScanBuffer, scanFilter, type BatchIgnore, type FlushPromise, type FlushRange, type HandleFamily, type Level, type MmContext, type WritableOps,
} from '@pgtable/core';
import { forAll, law, must, mustRefuse, NotApplicable, type Law, type LawOptions, type Subject } from './law.js';
import { Machine, type AnyVal, type AnyValues, type Slot } from './machine.js';

/* Laws of the accessors: what they read and write, alone and in batches, and what they refuse. */

/** Entries that the laws of batches work on: enough for a contiguous group of arm64 and some of its neighbours. */
export const SPAN = 48;

/** What stands in one entry at the start of a case. */
export interface Cell {
  readonly what: 'empty' | 'swap' | 'leaf';
  readonly young: boolean;
  readonly dirty: boolean;
  readonly readOnly: boolean;
  /** Soft-dirty says something else than dirty does: it was cleared of a dirty entry, or set in a clean one. */
  readonly softDirty: boolean;
  /** Write-protected for userfaultfd. */
  readonly uffdWp: boolean;
  /** Begins a run of frames of its own instead of the one before. */
  readonly apart: boolean;
  /** Dirty as the hardware makes it, where that is another bit than software's (arm64). */
  readonly byHardware: boolean;
}

const BOOLEAN = fc.boolean();
/** One in ten. */
const SELDOM = fc.nat(9).map((number) => number === 0);
export const CELL: fc.Arbitrary<Cell> = fc.record({
  what: fc.constantFrom('leaf', 'leaf', 'leaf', 'leaf', 'leaf', 'leaf', 'empty', 'swap'), young: BOOLEAN, dirty: BOOLEAN, readOnly: BOOLEAN, softDirty: fc.nat(3).map((number) => number === 0), uffdWp: SELDOM, apart: SELDOM, byHardware: BOOLEAN,
});
/** {@link SPAN} entries: any, or one long run in which few are not as the others, for loops that take several entries at a time. */
export const CELLS: fc.Arbitrary<readonly Cell[]> = fc.oneof(
  fc.array(CELL, { minLength: SPAN, maxLength: SPAN }),
  fc.record({ young: BOOLEAN, dirty: BOOLEAN, readOnly: BOOLEAN, byHardware: BOOLEAN, others: fc.array(fc.record({ young: SELDOM, dirty: SELDOM, readOnly: fc.nat(29).map((number) => number === 0) }), { minLength: SPAN, maxLength: SPAN }) })
    .map(({ young, dirty, readOnly, byHardware, others }) => others.map((other): Cell => (
      { what: 'leaf', young: young !== other.young, dirty: dirty !== other.dirty, readOnly: readOnly !== other.readOnly, softDirty: false, uffdWp: false, apart: false, byHardware }
    ))),
);

const PLAIN: Cell = { what: 'leaf', young: true, dirty: true, readOnly: false, softDirty: false, uffdWp: false, apart: false, byHardware: false };

/** A stretch of entries, filled. */
export interface Stretch<H extends HandleFamily> {
  readonly level: Level;
  readonly ops: WritableOps<H, Level>;
  /** Entry 0 of the stretch. */
  readonly first: Slot<H>;
  readonly count: number;
}

/** Fills entries from one of a table on, the first if nothing else is said, one at a time. */
export function stretch<H extends HandleFamily>(machine: Machine<H>, level: Level, cells: readonly Cell[], mm: MmContext = machine.mm, begin = 0): Stretch<H> {
  const values = machine.values(level);
  const ops = machine.ops(level);
  const first = machine.slot(level, machine.address(level, begin));
  const count = Math.min(cells.length, machine.entries(level) - machine.index(level, first.address));
  const pages = machine.pages(level);
  const prot = machine.writableProt();
  const noted = machine.hardwareDirty(level);
  // An entry's frame is at its place in an aligned run, as architectures ask that join neighbours.
  let frame = -1;
  for (let at = 0; at < count; at++) {
    const cell = cells[at]!;
    frame = (frame + (cell.apart ? 17 : 1)) % 512;
    if (cell.what === 'empty') continue;
    let value = machine.leaf(level, frame * pages, prot);
    value = cell.young ? values.mkyoung(value) : values.mkold(value);
    value = cell.dirty ? values.mkdirty(value) : values.mkclean(value);
    if (cell.softDirty) value = cell.dirty ? values.clearSoftDirty(value) : values.mksoftDirty(value);
    if (cell.uffdWp) value = values.mkuffdWp(value);
    if (cell.readOnly) value = values.wrprotect(value);
    else if (cell.dirty && cell.byHardware && noted !== undefined && values.write(value)) value = entryVal(level, values.mkclean(value) ^ noted);
    if (cell.what === 'swap') {
      if (!values.features.has('swap')) continue;
      // Types and offsets of all kinds: their bits are those of marks and rights in a leaf.
      value = values.ofSwap((frame * 6 + at + 1) % 32, BigInt(frame * 5 + 1));
      if (cell.young) value = values.swpMkexclusive(value);
      if (cell.dirty) value = values.swpMksoftDirty(value);
    }
    ops.set(mm, first.address + BigInt(at) * machine.bytes(level), ops.advance(first.entry, at), value, 1);
  }
  return { level, ops, first, count };
}

export function at<H extends HandleFamily>(machine: Machine<H>, on: Stretch<H>, index: number): Slot<H> {
  return { level: on.level, entry: on.ops.advance(on.first.entry, index), address: on.first.address + BigInt(index) * machine.bytes(on.level) };
}

function contents<H extends HandleFamily>(on: Stretch<H>): AnyVal[] {
  return Array.from({ length: on.count }, (_, index) => on.ops.get(on.ops.advance(on.first.entry, index)));
}

/** Levels whose leaves can be tried: those that exist in the root's tables. */
function leafLevels<H extends HandleFamily>(subject: Subject<H>): Level[] {
  return new Machine(subject).leafLevels();
}

/** Contexts that must make no difference: nobody watches, there is a TLB, or somebody is told of every entry. */
function contexts<H extends HandleFamily>({ mm }: Machine<H>): readonly { readonly name: string; readonly mm: MmContext }[] {
  const tlb = { flush: () => undefined };
  return [{ name: 'unwatched', mm }, { name: 'with a TLB', mm: { ...mm, tlb } }, { name: 'watched', mm: { ...mm, tlb, observer: { changing: () => undefined } } }];
}

/** Where the last entries of a table begin that the laws of batches work on: who does a whole table at once may go wrong at its end. The root may end elsewhere. */
function lastSpan<H extends HandleFamily>(machine: Machine<H>, level: Level): number {
  return level === machine.root.top ? 0 : Math.max(0, machine.entries(level) - SPAN);
}

/** Says that one call on `count` entries does what `count` calls on one do. */
function sameAsSingles<H extends HandleFamily>(
  subject: Subject<H>, options: LawOptions, name: string,
  batch: (machine: Machine<H>, on: Stretch<H>, first: number, count: number, mm: MmContext) => unknown,
  single: (machine: Machine<H>, on: Stretch<H>, first: number, count: number, mm: MmContext) => unknown,
): void {
  for (const level of leafLevels(subject)) {
    forAll(options, fc.record({ cells: CELLS, from: fc.oneof(fc.nat(SPAN), fc.constantFrom(0, 16, 32)), length: fc.nat(SPAN), atEnd: BOOLEAN }), ({ cells, from, length, atEnd }) => {
      const reference = new Machine(subject);
      const begin = atEnd ? lastSpan(reference, level) : 0;
      const expectedOn = stretch(reference, level, cells, reference.mm, begin);
      const first = from % expectedOn.count;
      // One in three up to the end of the stretch: of the table, where it is the last one.
      const count = from % 3 === 0 ? expectedOn.count - first : 1 + (length % (expectedOn.count - first));
      const expected = single(reference, expectedOn, first, count, reference.mm);
      const after = contents(expectedOn);
      for (const which of [0, 1, 2]) {
        const machine = new Machine(subject);
        const on = stretch(machine, level, cells, machine.mm, begin);
        const context = contexts(machine)[which]!;
        const result = batch(machine, on, first, count, context.mm);
        const where = `${name} of ${count} entries from ${first} on, ${context.name},`;
        must(result === expected, level, `${where} returns something else than one by one`, { result: String(result), expected: String(expected) });
        contents(on).forEach((value, index) => {
          must(value === after[index], level, `${where} leaves entry ${index} otherwise than one by one`, { value, expected: after[index] });
        });
      }
    });
  }
}

/**
 * A frame to begin a run with. Some runs pass 4 GiB and some 16 GiB: there what is added to the low word of an entry carries to the high word, if the address
 * stands in its place or, as riscv's, two bits lower.
 */
function runStart<H extends HandleFamily>(machine: Machine<H>, level: Level, at: number): number {
  const pages = machine.pages(level);
  const near = (at % 3 === 1 ? 2 ** 32 : 2 ** 34) / machine.arch.geometry.pageBytes - 2 * pages;
  const room = near >= 0 && near + SPAN * pages <= 2 ** machine.frameBits(level);
  return at % 6 !== 5 && room ? near : (at % 7) * pages;
}

const batches: readonly Law[] = [
  law('clear many', 'clearing many entries is clearing each', ['clear'], (subject, options) => {
    sameAsSingles(
      subject, options, 'clear',
      (machine, on, first, count, mm) => { on.ops.clear(mm, at(machine, on, first).address, at(machine, on, first).entry, count).ignore('nothing runs here'); },
      (machine, on, first, count, mm) => {
        const values = machine.values(on.level);
        for (let index = first; index < first + count; index++) {
          const slot = at(machine, on, index);
          on.ops.clear(mm, slot.address, slot.entry, 1).ignore('nothing runs here');
          must(values.none(on.ops.get(slot.entry)), on.level, 'an entry that was cleared is not empty', { value: on.ops.get(slot.entry) });
        }
      },
    );
  }),
  law('set many', 'setting many entries is setting each, of one frame after the other', ['set', 'advancePfn'], (subject, options) => {
    const value = <H extends HandleFamily>(machine: Machine<H>, on: Stretch<H>, first: number): AnyVal => {
      const values = machine.values(on.level);
      const base = machine.usable(on.level, runStart(machine, on.level, first), machine.prots()[first % machine.prots().length]!);
      return first % 3 === 0 && values.features.has('swap') ? values.ofSwap(2, BigInt(first + 16)) : base;
    };
    sameAsSingles(
      subject, options, 'set',
      (machine, on, first, count, mm) => {
        const slot = at(machine, on, first);
        on.ops.clear(mm, slot.address, slot.entry, count).ignore('nothing runs here');
        on.ops.set(mm, slot.address, slot.entry, value(machine, on, first), count);
      },
      (machine, on, first, count, mm) => {
        const values = machine.values(on.level);
        const start = value(machine, on, first);
        const begin = at(machine, on, first);
        on.ops.clear(mm, begin.address, begin.entry, count).ignore('nothing runs here');
        for (let index = 0; index < count; index++) {
          const slot = at(machine, on, first + index);
          const expected = values.present(start) ? values.advancePfn(start, index) : start;
          on.ops.set(mm, slot.address, slot.entry, expected, 1);
          const got = on.ops.get(slot.entry);
          must(values.same(got, expected), on.level, 'what was set is not what is read', { set: expected, got });
        }
      },
    );
  }),
  law('wrprotect many', 'write-protecting many entries is write-protecting each; others and dirty stay', ['wrprotect', 'dirty'], (subject, options) => {
    sameAsSingles(
      subject, options, 'wrprotect',
      (machine, on, first, count, mm) => { on.ops.wrprotect(mm, at(machine, on, first).address, at(machine, on, first).entry, count).ignore('nothing runs here'); },
      (machine, on, first, count, mm) => {
        const values = machine.values(on.level);
        for (let index = first; index < first + count; index++) {
          const slot = at(machine, on, index);
          const before = on.ops.get(slot.entry);
          on.ops.wrprotect(mm, slot.address, slot.entry, 1).ignore('nothing runs here');
          const after = on.ops.get(slot.entry);
          const expected = values.present(before) ? values.wrprotect(before) : before;
          must(after === expected, on.level, 'wrprotect makes something else than the value would be', { before, after, expected });
        }
      },
    );
  }),
  law('old many', 'making many entries old is making each old, and says whether any was young', ['testAndClearYoung', 'young', 'mkold'], (subject, options) => {
    sameAsSingles(
      subject, options, 'testAndClearYoung',
      (machine, on, first, count, mm) => on.ops.testAndClearYoung(mm, at(machine, on, first).address, at(machine, on, first).entry, count).ignore('nothing runs here'),
      (machine, on, first, count, mm) => {
        const values = machine.values(on.level);
        let any = false;
        for (let index = first; index < first + count; index++) {
          const slot = at(machine, on, index);
          const before = on.ops.get(slot.entry);
          const was = values.present(before) && values.young(before);
          const result = on.ops.testAndClearYoung(mm, slot.address, slot.entry, 1).ignore('nothing runs here');
          must(result === was, on.level, 'an entry is said to have been young, or not, wrongly', { before, result });
          const after = on.ops.get(slot.entry);
          must(after === (was ? values.mkold(before) : before), on.level, 'an entry that was made old is something else', { before, after });
          any ||= result;
        }
        return any;
      },
    );
  }),
  law('take many', 'taking out many entries of one run is taking each, and tells young and dirty of all', ['getAndClearFull', 'getAndClear', 'batch'], (subject, options) => {
    const run = <H extends HandleFamily>(on: Stretch<H>, machine: Machine<H>, first: number, count: number): number => {
      const slot = at(machine, on, first);
      const value = on.ops.get(slot.entry);
      return machine.values(on.level).present(value) ? on.ops.batch(slot.entry, value, count, { dirty: true, softDirty: true }) : 0;
    };
    // What makes an entry dirty may make it soft-dirty, also one that was dirty, and may say dirty by another bit than the hardware: neither is looked at.
    const told = <H extends HandleFamily>(on: Stretch<H>, machine: Machine<H>, value: AnyVal | undefined): AnyVal | undefined => {
      const values = machine.values(on.level);
      return value === undefined ? undefined : values.clearSoftDirty(values.dirty(value) ? values.mkdirty(value) : value);
    };
    sameAsSingles(
      subject, options, 'getAndClearFull',
      (machine, on, first, count, mm) => {
        const most = run(on, machine, first, count);
        return most === 0 ? undefined : told(on, machine, on.ops.getAndClearFull(mm, at(machine, on, first).address, at(machine, on, first).entry, most).ignore('nothing runs here'));
      },
      (machine, on, first, count, mm) => {
        const values = machine.values(on.level);
        const most = run(on, machine, first, count);
        let result: AnyVal | undefined;
        for (let index = first; index < first + most; index++) {
          const slot = at(machine, on, index);
          const before = on.ops.get(slot.entry);
          const old = on.ops.getAndClear(mm, slot.address, slot.entry).ignore('nothing runs here');
          must(values.same(old, before), on.level, 'getAndClear returns something else than was there', { before, old });
          must(values.none(on.ops.get(slot.entry)), on.level, 'getAndClear leaves something', { value: on.ops.get(slot.entry) });
          result ??= old;
          if (values.young(old)) result = values.mkyoung(result);
          if (values.dirty(old)) result = values.mkdirty(result);
        }
        return told(on, machine, result);
      },
    );
  }),
];

const IGNORES: readonly BatchIgnore[] = [{}, { dirty: true }, { softDirty: true }, { dirty: true, softDirty: true }];

const batch = law('batch', 'a batch is the entries that follow in frames and are alike, whatever they say about young and writable', ['batch'], (subject, options) => {
  for (const level of leafLevels(subject)) {
    const cases = fc.record({ cells: CELLS, from: fc.nat(SPAN), most: fc.nat(SPAN), ignore: fc.constantFrom(...IGNORES) });
    forAll(options, cases, ({ cells, from, most, ignore }) => {
      const machine = new Machine(subject);
      const values = machine.values(level);
      const on = stretch(machine, level, cells);
      const first = from % on.count;
      const max = 1 + (most % (on.count - first));
      const all = contents(on);
      const start = all[first]!;
      if (!values.present(start)) return;
      const reduced = (value: AnyVal): AnyVal => {
        const clean = ignore.dirty === true ? values.mkclean(value) : value;
        const clear = ignore.softDirty === true ? values.clearSoftDirty(clean) : clean;
        return values.wrprotect(values.mkold(clear));
      };
      let expected = 1;
      while (expected < max) {
        const next = all[first + expected]!;
        if (!values.present(next) || reduced(next) !== values.advancePfn(reduced(start), expected)) break;
        expected++;
      }
      const count = on.ops.batch(at(machine, on, first).entry, start, max, ignore);
      must(count === expected, level, 'a batch has another length', { value: start, count, expected, max });
    });
  }
});

const getters = law('getters agree', 'the three getters read the same where nobody writes; one entry of a group may have its own young and dirty', ['get', 'getOnce', 'getLockless', 'raw'], (subject, options) => {
  for (const level of leafLevels(subject)) {
    forAll(options, CELLS, (cells) => {
      const machine = new Machine(subject);
      const values = machine.values(level);
      const on = stretch(machine, level, cells);
      for (let index = 0; index < on.count; index++) {
        const { entry } = at(machine, on, index);
        const value = on.ops.get(entry);
        must(on.ops.getLockless(entry) === value, level, 'getLockless reads something else than get', { value, lockless: on.ops.getLockless(entry) });
        const once = on.ops.getOnce(entry);
        const plain = (read: AnyVal): AnyVal => (values.present(read) ? values.mkold(values.mkclean(read)) : read);
        must(plain(once) === plain(value), level, 'getOnce reads something else than get, beside young and dirty', { value, once });
        if (!values.present(value)) {
          must(on.ops.raw(entry) === (value as bigint), level, 'raw reads something else of an entry that is not present', { value, raw: on.ops.raw(entry) });
          continue;
        }
        must((values.young(value) || !values.young(once)) && (values.dirty(value) || !values.dirty(once)), level, 'get knows less of young and dirty than getOnce', { value, once });
      }
    });
  }
});

const stepping = law('handle stepping', 'handles advance by entries, forwards and back, and tell their distance and their address', ['advance', 'distance', 'entryAddress'], (subject, options) => {
  const machine = new Machine(subject);
  for (const level of machine.levels) {
    const ops = machine.ops(level);
    const table = machine.newTable(level);
    const last = table.entries - 1;
    for (let index = 0; index < Math.min(table.entries, 64); index++) {
      const value = index % 2 === 0 ? machine.values(level).empty : undefined;
      if (value !== undefined) table.set(index, value);
    }
    forAll(options, fc.record({ from: fc.nat(last), to: fc.nat(last), over: fc.nat(last) }), ({ from, to, over }) => {
      const a = table.entry(from);
      const b = table.entry(to);
      must(ops.distance(a, b) === to - from, level, 'the distance of two entries is another', { from, to, distance: ops.distance(a, b) });
      must(ops.distance(a, ops.advance(a, to - from)) === to - from, level, 'an entry advances by another number', { from, to });
      const address = ops.entryAddress(b);
      must(address === table.address + to * machine.arch.geometry.entryBytes, level, 'the address of an entry is not its place in the table', { table: table.address, to, address });
      must(ops.distance(ops.advance(ops.advance(a, over - from), to - over), b) === 0, level, 'advancing twice is not advancing by the sum', { from, over, to });
    });
  }
});

const newTables = law('new tables', 'a new table is all empty, scans as one empty run, and goes back empty; wrong ones are refused', ['newTable', 'freeTable', 'scan', 'childRange'], (subject) => {
  const machine = new Machine(subject);
  const { arch } = machine;
  for (const level of machine.levels) {
    const values = machine.values(level);
    const table = machine.newTable(level);
    const full = geometryOf(arch.geometry, level).entries;
    must(table.entries === full && table.level === level && !table.live, level, 'a new table has another shape', { entries: table.entries, expected: full });
    const below = machine.levels[machine.levels.indexOf(level) - 1];
    if (below !== undefined) {
      const pointer = values.ofTable(2 ** 24, machine.user);
      const range = machine.ops(level).childRange(Number(BigInt.asIntN(32, pointer)), Number(BigInt.asIntN(32, pointer >> 32n)));
      const all = geometryOf(arch.geometry, below).entries;
      must((range & 0xffff) === 0 && range >>> 16 === all, level, 'an entry that points to a whole table says that it has other entries', { value: pointer, range, entries: all });
    }
    const out = new ScanBuffer(8);
    let next = 0;
    while (next < full) {
      out.count = 0;
      next = machine.ops(level).scan(table.entry(0), next, full, scanFilter(true), out);
      for (let row = 0; row < out.count; row++) must(out.kind[row] === EntryKind.None, level, 'a new table is not empty for a scan', { kind: out.kind[row], index: out.index[row] });
    }
    for (const index of [0, 1, full - 1]) must(values.none(table.get(index)), level, 'an entry of a new table is not empty', { value: table.get(index), index });
    // Its memory is used again: nothing of what was written may be seen.
    if (values.features.has('swap')) table.set(full - 1, values.ofSwap(3, 5n));
    const { address } = table;
    arch.freeTable(table);
    const again = arch.newTable(level, address, machine.user);
    must(values.none(again.get(full - 1)), level, 'a table that was given back and made again is not empty', { value: again.get(full - 1) });
    mustRefuse(level, 'a second table at one address', () => arch.newTable(level, address, machine.user));
    mustRefuse(level, 'a table at an address that is no multiple of an entry', () => arch.newTable(level, 2 ** 30 + 1, machine.user));
    mustRefuse(level, 'an entry past the end of a table', () => again.entry(full));
  }
  for (const level of LEVELS) {
    if (geometryOf(arch.geometry, level).folded) mustRefuse(level, 'a table of a folded level', () => arch.newTable(level, 2 ** 30, machine.user));
  }
});

/** The ways to take out an entry for a table beside `unlink`, the table being lost. */
const TAKES: readonly (readonly [string, <H extends HandleFamily>(ops: WritableOps<H, Level>, mm: MmContext, address: bigint, entry: H[Level]) => FlushPromise<unknown>])[] = [
  ['clear', (ops, mm, address, entry) => ops.clear(mm, address, entry, 1)],
  ['getAndClear', (ops, mm, address, entry) => ops.getAndClear(mm, address, entry)],
];

const linking = law(
  'populate and unlink', 'tables are linked to empty entries of the level above, found again, and come out as they were; however one is taken out, entries for tables are flushed',
  ['populate', 'unlink', 'child', 'offset', 'offsetLockless', 'freeTable', 'clear', 'getAndClear'],
  (subject) => {
    const machine = new Machine(subject);
    const { arch, mm } = machine;
    for (const level of machine.tableLevels()) {
      const values = machine.values(level);
      const below = machine.below(level);
      if (below === undefined) continue;
      const ops = machine.ops(level);
      const { entry, address } = machine.slot(level, machine.address(level, level === machine.root.top ? 1 : 0));
      if (!values.none(ops.get(entry))) continue;
      const direct = LEVELS[LEVELS.indexOf(level) - 1] === below;
      must(ops.child(entry) === undefined && (!direct || ops.offset(entry, address) === undefined), level, 'something is found below an empty entry');
      mustRefuse(level, 'taking a table out of an empty entry', () => ops.unlink(mm, address, entry));
      mustRefuse(level, 'linking a table of the same level', () => { ops.populate(mm, address, entry, machine.newTable(level)); });
      must(values.none(ops.get(entry)), level, 'a refused populate leaves something', { value: ops.get(entry) });

      const table = machine.newTable(below);
      const marker = machine.values(below).features.has('leaf') ? machine.usable(below, 0, machine.prots()[0]!) : machine.values(below).empty;
      table.set(3 % table.entries, marker);
      const first = table.entry(0);
      ops.populate(mm, address, entry, table);
      must(table.live, level, 'a table that was linked does not say that it is live');
      must(values.table(ops.get(entry)) === table.address, level, 'the entry points elsewhere than to the table', { value: ops.get(entry), table: table.address });
      const child = ops.child(entry);
      const value = ops.get(entry);
      if (direct) {
        // Below[L] is the level whose accessors these are, which no type can say of levels that are not known.
        const steps = machine.ops(below) as { distance(a: unknown, b: unknown): number };
        const down = ops.offset(entry, address);
        const lockless = ops.offsetLockless(entry, value, address);
        must(down !== undefined && lockless !== undefined && steps.distance(down, lockless) === 0, level, 'offsetLockless by the value that is there is not offset');
      }
      must(child?.level === below && machine.ops(below).distance(child.table, first) === 0, level, 'child is not the table that was linked');
      mustRefuse(level, 'linking to an entry that is not empty', () => { ops.populate(mm, address, entry, machine.newTable(below)); });
      mustRefuse(level, 'giving back a live table', () => { arch.freeTable(table); });
      mustRefuse(level, 'a handle from an UnlinkedTable that is live', () => table.entry(0));

      const { ranges, ledger, watched } = recording(machine);
      const promise = ops.unlink(watched, address, entry);
      // Some flush at once (s390's IDTE), others owe it.
      const flushed = [...ranges, ...ledger.dropped().map(({ range }) => range)];
      must(flushed.some((range) => range.tables && range.start <= address && range.end >= address + machine.bytes(level)), level, 'taking a table out neither flushes nor owes a flush of table entries');
      const out = promise.ignore('nothing runs here');
      must(values.none(ops.get(entry)) && ops.get(entry) === values.empty, level, 'unlink leaves something else than the empty entry', { value: ops.get(entry) });
      must(!direct || ops.offsetLockless(entry, value, address) !== undefined, level, 'offsetLockless looks at the entry, not at the value that was read before');
      must(!direct || ops.offsetLockless(entry, ops.get(entry), address) === undefined, level, 'offsetLockless finds something below an empty entry');
      must(out.address === table.address && out.level === below && !out.live, level, 'another table comes out than was linked', { address: out.address, expected: table.address });
      must(out.get(3 % table.entries) === marker, level, 'a table that was taken out has lost an entry', { value: out.get(3 % table.entries) });
      ops.populate(mm, address, entry, out);
      arch.freeTable(ops.unlink(mm, address, entry).ignore('nothing runs here'));
      for (const [what, take] of TAKES) {
        ops.populate(mm, address, entry, machine.newTable(below));
        const on = recording(machine);
        const taken = take(ops, on.watched, address, entry);
        const ranges = [...on.ranges, ...on.ledger.dropped().map(({ range }) => range)];
        must(ranges.some((range) => range.tables && range.start <= address && range.end >= address + machine.bytes(level)), level, `${what} of an entry for a table neither flushes nor owes a flush of table entries`);
        taken.ignore('nothing runs here');
        must(ops.get(entry) === values.empty, level, `${what} of an entry for a table leaves something else than the empty entry`, { value: ops.get(entry) });
      }
    }
  },
);

const clearing = law('empty again', 'clear and getAndClear leave the empty entry of the level, whatever stood there', ['clear', 'getAndClear', 'none'], (subject, options) => {
  for (const level of leafLevels(subject)) {
    forAll(options, fc.record({ cell: CELL, take: BOOLEAN }), ({ cell, take }) => {
      const machine = new Machine(subject);
      const on = stretch(machine, level, [cell]);
      const { entry, address } = on.first;
      if (take) on.ops.getAndClear(machine.mm, address, entry).ignore('nothing runs here');
      else on.ops.clear(machine.mm, address, entry, 1).ignore('nothing runs here');
      must(on.ops.get(entry) === machine.values(level).empty, level, 'what is left is not the empty entry', { value: on.ops.get(entry), empty: machine.values(level).empty });
    });
  }
});

const changes = law(
  'changes in place', 'establish, setAccessFlags and modifyProt return what was there and leave what they were given', ['establish', 'setAccessFlags', 'modifyProtStart', 'modifyProtCommit'],
  (subject, options) => {
    for (const level of leafLevels(subject)) {
      const shape = new Machine(subject);
      forAll(options, fc.record({ cell: CELL, other: CELL, prot: fc.nat(shape.prots().length - 1) }), ({ cell, other, prot }) => {
        const machine = new Machine(subject);
        const { mm } = machine;
        const values = machine.values(level);
        const on = stretch(machine, level, [{ ...cell, what: 'leaf' }]);
        const { entry, address } = on.first;
        if (other.readOnly) {
          // Soft-dirty may be cleared of an entry that stays dirty.
          const was = on.ops.modifyProtStart(mm, address, entry);
          on.ops.modifyProtCommit(mm, address, entry, was, values.clearSoftDirty(was)).ignore('nothing runs here');
        }
        const start = on.ops.get(entry);

        let wanted = other.young ? values.mkyoung(start) : values.mkold(start);
        if (other.dirty) wanted = values.mkdirty(wanted);
        const before = on.ops.get(entry);
        const grows = (!values.young(before) && values.young(wanted)) || (!values.dirty(before) && values.dirty(wanted)) || (!values.write(before) && values.write(wanted))
          || (!values.softDirty(before) && values.softDirty(wanted));
        const changed = on.ops.setAccessFlags(mm, address, entry, wanted).ignore('nothing runs here');
        const after = on.ops.get(entry);
        must(changed === grows, level, 'setAccessFlags says wrongly whether the entry changed', { before, wanted, after });
        must((values.young(before) || values.young(wanted)) === values.young(after), level, 'setAccessFlags loses or invents young', { before, wanted, after });
        must((values.dirty(before) || values.dirty(wanted)) === values.dirty(after), level, 'setAccessFlags loses or invents dirty', { before, wanted, after });
        must((values.softDirty(before) || values.softDirty(wanted)) === values.softDirty(after), level, 'setAccessFlags loses or invents soft-dirty', { before, wanted, after });
        must((values.write(before) || values.write(wanted)) === values.write(after) && values.pfn(after) === values.pfn(before), level, 'setAccessFlags changes what it must not', { before, wanted, after });

        const target = values.modify(after, machine.prots()[prot]!);
        if (machine.arch.liveChange?.(level, after, target) === undefined) {
          const old = on.ops.establish(mm, address, entry, target).ignore('nothing runs here');
          must(values.same(old, after), level, 'establish returns something else than was there', { was: after, old });
          must(values.same(on.ops.get(entry), target), level, 'establish leaves something else than it was given', { given: target, now: on.ops.get(entry) });
        }

        const current = on.ops.get(entry);
        const old = on.ops.modifyProtStart(mm, address, entry);
        must(values.same(old, current), level, 'modifyProtStart returns something else than was there', { was: current, old });
        must(!values.valid(on.ops.get(entry)), level, 'the hardware can use an entry that modifyProtStart took out', { value: on.ops.get(entry) });
        const final = values.modify(old, machine.prots()[0]!);
        on.ops.modifyProtCommit(mm, address, entry, old, final).ignore('nothing runs here');
        must(values.same(on.ops.get(entry), final), level, 'modifyProtCommit leaves something else than it was given', { given: final, now: on.ops.get(entry) });
      });
    }
  },
);

const scans = law('scan', 'a scan tells every entry once, in order, however small the buffer, and says what the getters and values say', ['scan', 'get'], (subject, options) => {
  for (const level of leafLevels(subject)) {
    forAll(options, fc.record({ cells: CELLS, capacity: fc.constantFrom(1, 2, 3, 64), contiguous: BOOLEAN }), ({ cells: random, capacity, contiguous }) => {
      // Each case begins with pages that the hardware can use.
      const cells = [PLAIN, PLAIN, ...random.slice(2)];
      const machine = new Machine(subject);
      const values = machine.values(level);
      const on = stretch(machine, level, cells);
      const out = new ScanBuffer(capacity);
      const page = machine.arch.geometry.pageBytes;
      let next = 0;
      while (next < on.count) {
        out.count = 0;
        const reached = on.ops.scan(on.first.entry, next, on.count, scanFilter(contiguous), out);
        must(reached > next, level, 'a scan into an empty buffer makes no progress', { next, reached, capacity });
        for (let row = 0; row < out.count; row++) {
          must(out.index[row] === next, level, 'a scan leaves entries out or repeats them', { expected: next, index: out.index[row] });
          for (let index = next; index < next + out.length[row]!; index++) {
            const value = on.ops.get(on.ops.advance(on.first.entry, index));
            const kind = values.none(value) ? EntryKind.None : values.valid(value) ? EntryKind.Leaf : EntryKind.NonPresent;
            must(out.kind[row] === kind, level, 'a scan says that an entry is of another kind', { value, kind: out.kind[row], expected: kind });
            if (kind !== EntryKind.Leaf || (!contiguous && index > next)) continue;
            const pa = out.pa[row]! + (index - next) * Number(machine.bytes(level));
            must(pa === values.pfn(value) * page, level, 'a scan says another address', { value, pa, expected: values.pfn(value) * page });
          }
          next += out.length[row]!;
        }
        must(next === reached, level, 'a scan says that it came further than its rows', { next, reached });
      }
    });
  }
});

/** A context that keeps what is flushed at once, and what is owed. */
function recording<H extends HandleFamily>(machine: Machine<H>): { ranges: FlushRange[]; ledger: FlushLedger; watched: MmContext } {
  const ranges: FlushRange[] = [];
  const ledger = new FlushLedger();
  return { ranges, ledger, watched: { user: machine.user, ledger, tlb: { flush: (range) => { ranges.push(range); } } } };
}

const promises = law('promises', 'a valid entry that is taken out is flushed or owes a flush, which is found if it is dropped and can be decided about once', ['clear', 'getAndClear', 'getAndClearFull', 'testAndClearYoung', 'wrprotect', 'establish', 'modifyProtStart', 'modifyProtCommit', 'hugeWrprotect', 'hugeGetAndClear'], (subject) => {
  const machine = new Machine(subject);
  const level = machine.leafLevels()[0];
  if (level === undefined) throw new NotApplicable('no level maps memory');
  const ops = machine.ops(level);
  const value = machine.usable(level, 0, machine.prots()[0]!);
  const { entry, address } = machine.slot(level, machine.address(level, 0));
  const { ranges, ledger, watched: mm } = recording(machine);
  ops.set(mm, address, entry, value, 1);
  must(ledger.dropped().length === 0, level, 'writing to an empty entry owes a flush');
  ranges.length = 0;
  const promise = ops.getAndClear(mm, address, entry);
  const dropped = ledger.dropped().map(({ range }) => range);
  must(promise.owed === (dropped.length > 0), level, 'the ledger and the promise disagree about whether a flush is owed');
  const covered = [...ranges, ...dropped].some((range) => range.start <= address && range.end >= address + machine.bytes(level));
  must(covered, level, 'taking out a valid entry neither flushes nor owes a flush of it', { value });
  mustRefuse(level, 'ignoring a flush without a reason', () => promise.ignore(' '));
  must(promise.flush() === value, level, 'the promise gives another result', { value });
  mustRefuse(level, 'deciding twice', () => promise.flush());
  ledger.close();
  ops.set(mm, address, entry, value, 1);
  const second = ops.clear(mm, address, entry, 1);
  if (second.owed) mustRefuse(level, 'closing a ledger with a dropped promise', () => { ledger.close(); });
  const none = ops.clear(mm, address, entry, 1);
  must(!none.owed, level, 'clearing an empty entry owes a flush');
  none.ignore('there is nothing to flush');
  ledger.close();
  // A cached translation of a page that was young lets accesses pass unseen.
  const values = machine.values(level);
  const young = values.mkyoung(value);
  ops.set(mm, address, entry, young, 1);
  ranges.length = 0;
  const aged = ops.testAndClearYoung(mm, address, entry, 1);
  const owed = ledger.dropped().map(({ range }) => range);
  must([...ranges, ...owed].some((range) => range.start <= address && range.end >= address + machine.bytes(level)), level, 'making a young entry old neither flushes nor owes a flush of it', { value: young });
  must(aged.flush() && !values.young(ops.get(entry)), level, 'a young entry was not young, or still is', { value: young });
  ledger.close();
  for (const leafLevel of machine.leafLevels()) owedAtLevel(machine, leafLevel);
});

/** What an accessor may take from the hardware, of one leaf that can be written to, is young and dirty. */
const LOSSES: readonly (readonly [string, <H extends HandleFamily>(ops: WritableOps<H, Level>, values: AnyValues, mm: MmContext, slot: Slot<H>) => FlushPromise<unknown>])[] = [
  ['clear', (ops, _values, mm, { address, entry }) => ops.clear(mm, address, entry, 1)],
  ['getAndClear', (ops, _values, mm, { address, entry }) => ops.getAndClear(mm, address, entry)],
  ['getAndClearFull', (ops, _values, mm, { address, entry }) => ops.getAndClearFull(mm, address, entry, 1)],
  ['testAndClearYoung', (ops, _values, mm, { address, entry }) => ops.testAndClearYoung(mm, address, entry, 1)],
  ['wrprotect', (ops, _values, mm, { address, entry }) => ops.wrprotect(mm, address, entry, 1)],
  ['establish of the empty entry', (ops, values, mm, { address, entry }) => ops.establish(mm, address, entry, values.empty)],
  ['modifyProt to read-only', (ops, values, mm, { address, entry }) => {
    const old = ops.modifyProtStart(mm, address, entry);
    return ops.modifyProtCommit(mm, address, entry, old, values.wrprotect(old));
  }],
  ['hugeWrprotect', (ops, _values, mm, { address, entry }) => ops.hugeWrprotect(mm, address, entry, 1)],
  ['hugeGetAndClear', (ops, _values, mm, { address, entry }) => ops.hugeGetAndClear(mm, address, entry, 1)],
];

function owedAtLevel<H extends HandleFamily>(machine: Machine<H>, level: Level): void {
  const ops = machine.ops(level);
  const slot = machine.slot(level, machine.address(level, 2));
  const value = machine.usable(level, 0, machine.writableProt());
  if (!machine.values(level).none(ops.get(slot.entry))) return;
  for (const [what, lose] of LOSSES) {
    const { ranges, ledger, watched } = recording(machine);
    ops.set(watched, slot.address, slot.entry, value, 1);
    ranges.length = 0;
    const promise = lose(ops, machine.values(level), watched, slot);
    const told = [...ranges, ...ledger.dropped().map(({ range }) => range)];
    must(told.some(({ start, end }) => start <= slot.address && end >= slot.address + machine.bytes(level)), level, `${what} of a valid entry neither flushes nor owes a flush of it`, { value });
    promise.ignore('nothing runs here');
    ops.clear(machine.mm, slot.address, slot.entry, 1).ignore('nothing runs here');
  }
}

export const TABLE_LAWS: readonly Law[] = [stepping, newTables, linking, clearing, changes, getters, ...batches, batch, scans, promises];
