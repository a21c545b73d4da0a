import fc from 'fast-check';
import { EntryKind, entryVal, type HandleFamily, type Level, type TableMemory } from '@pgtable/core';
import { forAll, law, must, NotApplicable, type Law } from './law.js';
import { Machine, type AnyVal } from './machine.js';

/* Laws of what an architecture does with neighbours on its own: arm64 joins pages to contiguous blocks, and nobody but the hardware may notice. */

/** Entries that are written to: more than two of the smallest blocks. A table has at least so many, or they are all of it. */
const SPAN = 48;

function span<H extends HandleFamily>(machine: Machine<H>, level: Level): number {
  return Math.min(SPAN, machine.entries(level));
}

/** The first entries of a table of the lowest level, and where they are. */
interface Stretch<H extends HandleFamily> {
  readonly machine: Machine<H>;
  readonly level: Level;
  readonly first: H[Level];
  readonly start: bigint;
}

function stretch<H extends HandleFamily>(machine: Machine<H>): Stretch<H> {
  const level = machine.leafLevels()[0];
  if (level === undefined) throw new NotApplicable('no level maps memory');
  const from = machine.address(level, 0);
  const start = from + machine.bytes(level) * BigInt((machine.entries(level) - machine.index(level, from)) % machine.entries(level));
  return { machine, level, first: machine.slot(level, start).entry, start };
}

function groupAt<H extends HandleFamily>({ machine, level, first }: Stretch<H>, index: number): { readonly group: number; readonly pa: number } {
  const look = machine.lookAt(level, first, index);
  if (look.kind !== EntryKind.Leaf) return { group: 1, pa: -1 };
  return { group: machine.arch.describe(level, look.lo, look.hi, machine.root.inherited).group, pa: look.pa };
}

const RUN = fc.record({ at: fc.nat(SPAN - 1), count: fc.integer({ min: 1, max: SPAN }), shift: fc.constantFrom(0, 0, 0, 1, 7), readOnly: fc.boolean() });
/** What may happen to a part of a block. */
const PARTS = ['clear', 'getAndClearFull', 'getAndClear', 'wrprotect', 'establish', 'modifyProt', 'setAccessFlags'] as const;

interface Part {
  readonly at: number;
  readonly count: number;
  readonly how: (typeof PARTS)[number];
}
const PART: fc.Arbitrary<Part> = fc.record({ at: fc.nat(SPAN - 1), count: fc.integer({ min: 1, max: SPAN }), how: fc.constantFrom(...PARTS) });

function changePart<H extends HandleFamily>({ machine, level, first, start }: Stretch<H>, { at, count, how }: Part, all: number): void {
  const { mm } = machine;
  const ops = machine.ops(level);
  const values = machine.values(level);
  const entry = ops.advance(first, at);
  const address = start + BigInt(at) * machine.bytes(level);
  const value = ops.get(entry);
  const marked = values.present(value) ? values.mkyoung(values.mkdirty(value)) : value;
  const others = Array.from({ length: all }, (_, index) => ops.get(ops.advance(first, index)));
  if (values.present(value)) {
    ops.setAccessFlags(mm, address, entry, marked).flush();
    must(!ops.setAccessFlags(mm, address, entry, marked).flush(), level, 'setAccessFlags changes an entry that is so already', { value });
  }
  if (how === 'clear' || how === 'wrprotect') ops[how](mm, address, entry, count).flush();
  else if (how === 'getAndClear') ops.getAndClear(mm, address, entry).flush();
  else if (!values.present(value)) return;
  else if (how === 'getAndClearFull') ops.getAndClearFull(mm, address, entry, ops.batch(entry, ops.get(entry), count, { dirty: true, softDirty: true })).flush();
  else if (how === 'establish') ops.establish(mm, address, entry, values.wrprotect(value)).flush();
  else if (how === 'setAccessFlags') ops.setAccessFlags(mm, address, entry, values.mkwrite(value)).flush();
  else {
    const old = ops.modifyProtStart(mm, address, entry);
    ops.modifyProtCommit(mm, address, entry, old, values.wrprotect(old)).flush();
  }
  const end = at + (how === 'clear' || how === 'wrprotect' || how === 'getAndClearFull' ? count : 1);
  others.forEach((before, index) => {
    if (index >= at && index < end) return;
    const after = ops.get(ops.advance(first, index));
    const alike = values.present(before) === values.present(after) && (!values.present(before) || (values.write(before) === values.write(after) && values.pfn(before) === values.pfn(after)));
    must(alike, level, `${how} changes an entry that it is not about`, { at, count, index, before, after });
  });
}

/** Says that a batch ends with the run of pages, wherever in a group it begins. All entries have one protection here, but for write. */
function batchesAreRuns<H extends HandleFamily>({ machine, level, first }: Stretch<H>, all: number): void {
  const ops = machine.ops(level);
  const values = machine.values(level);
  const read = Array.from({ length: all }, (_, index) => ops.get(ops.advance(first, index)));
  read.forEach((value, index) => {
    if (!values.present(value)) return;
    let expected = 1;
    while (index + expected < all && values.present(read[index + expected]!) && values.pfn(read[index + expected]!) === values.pfn(value) + expected * machine.pages(level)) expected++;
    const count = ops.batch(ops.advance(first, index), value, all - index, { dirty: true, softDirty: true });
    must(count === expected, level, 'a batch has another length than the run of pages', { index, value, count, expected });
  });
}

const wholeBlocks = law('whole blocks', 'entries that are marked as one group fill an aligned block, map an aligned run of pages, and are all writable or none, whatever is done to a part of them', ['set', 'clear', 'getAndClear', 'getAndClearFull', 'wrprotect', 'establish', 'setAccessFlags', 'modifyProtStart', 'modifyProtCommit', 'batch'], (subject, options) => {
  forAll(options, fc.record({ runs: fc.array(RUN, { minLength: 1, maxLength: 4 }), parts: fc.array(PART, { maxLength: 5 }) }), ({ runs, parts }) => {
    const on = stretch(new Machine(subject));
    const { machine, level, first, start } = on;
    const ops = machine.ops(level);
    const bytes = Number(machine.bytes(level));
    const all = span(machine, level);
    const values = machine.values(level);
    for (const { at: wanted, count, shift, readOnly } of runs) {
      const at = wanted % all;
      const end = Math.min(at + count, all);
      const address = start + BigInt(at) * machine.bytes(level);
      ops.clear(machine.mm, address, ops.advance(first, at), end - at).flush();
      const value = machine.usable(level, (SPAN * 4 + at + shift) * machine.pages(level), machine.writableProt());
      ops.set(machine.mm, address, ops.advance(first, at), readOnly ? values.wrprotect(value) : value, end - at);
    }
    for (const { at, count, how } of parts) changePart(on, { at: at % all, count: Math.min(count, all - (at % all)), how }, all);
    batchesAreRuns(on, all);
    for (let index = 0; index < all; index++) {
      const { group, pa } = groupAt(on, index);
      if (group === 1) continue;
      const writable = values.write(entryVal(level, ops.raw(ops.advance(first, index))));
      const place = index % group;
      must((pa - place * bytes) % (group * bytes) === 0, level, 'one of a group maps a page that is not at its place in an aligned run', { index, group, pa });
      for (let other = index - place; other < index - place + group; other++) {
        const neighbour = groupAt(on, other);
        must(neighbour.group === group && neighbour.pa === pa + (other - index) * bytes, level, 'a group is not whole', { index, group, other, pa: neighbour.pa });
        must(values.write(entryVal(level, ops.raw(ops.advance(first, other)))) === writable, level, 'one of a group can be written to, another cannot', { index, other, group });
      }
    }
  });
});

const hardwareMarks = law('marks of the hardware', 'what the hardware notes in any entry is seen by whoever reads it, and outlasts changes of its neighbours', ['get', 'getLockless', 'getAndClear', 'clear', 'wrprotect'], (subject, options) => {
  const probe = new Machine(subject);
  if (probe.arch.tables?.entryBytes !== 8) throw new NotApplicable('the kit can play the hardware in table memory with entries of 64 bits alone');
  const values = probe.values(stretch(probe).level);
  const all = span(probe, stretch(probe).level);
  const neighbours = fc.record({ index: fc.nat(all - 1), other: fc.nat(all - 1), how: fc.constantFrom('clear' as const, 'getAndClear' as const, 'wrprotect' as const) });
  forAll(options, neighbours, ({ index, other, how }) => {
    const on = stretch(new Machine(subject));
    const { machine, level, first, start } = on;
    const ops = machine.ops(level);
    const plain = values.mkwrite(values.mkclean(values.mkold(machine.usable(level, SPAN * 4 * machine.pages(level), machine.prots()[0]!))));
    ops.set(machine.mm, start, first, plain, all);
    mark(on, index, BigInt(values.mkdirty(values.mkyoung(plain))) ^ BigInt(plain));
    const entry = ops.advance(first, index);
    const check = (value: AnyVal, when: string): void => {
      must(values.young(value) && values.dirty(value), level, `the hardware's marks are not seen ${when}`, { value, index, other });
    };
    check(ops.get(entry), 'by get');
    check(ops.getLockless(entry), 'by getLockless');
    const { group } = groupAt(on, index);
    for (let at = index - (index % group); at < index - (index % group) + group; at++) {
      check(ops.get(ops.advance(first, at)), 'by get of another entry of the group');
      check(ops.getLockless(ops.advance(first, at)), 'by getLockless of another entry of the group');
    }
    if (other === index) return;
    ops[how](machine.mm, start + BigInt(other) * machine.bytes(level), ops.advance(first, other), 1).flush();
    check(ops.get(entry), `after ${how} of another entry`);
  });
});

/** Entries that change while they are read: a block of the most entries that any machine joins. */
const BLOCK = 128;

const oneState = law('one state', 'who reads without a lock reads atomically, and sees all that counts as it was or all as it is, while another thread writes', ['getOnce', 'getLockless'], (subject, options) => {
  const shape = new Machine(subject);
  if (shape.arch.tables === undefined || shape.arch.geometry.entryBytes > 8) throw new NotApplicable('the kit can play another thread in table memory with entries of 32 and 64 bits alone');
  for (const level of shape.leafLevels()) {
    const machine = new Machine(subject);
    const { tables } = machine.arch;
    if (tables === undefined || BLOCK * 3 * machine.pages(level) > 2 ** machine.frameBits(level)) continue;
    const { begin, states } = statesOf(machine, level, tables);
    const become = (state: Int32Array): void => { tables.words.set(state, begin); };
    const first = machine.slot(level, machine.address(level, 0)).entry;
    const ops = machine.ops(level);
    forAll(options, fc.record({ index: fc.nat(BLOCK - 1), when: fc.oneof(fc.nat(4), fc.nat(BLOCK + 4)) }), ({ index, when }) => {
      const entry = ops.advance(first, index % machine.entries(level));
      for (const name of ['getOnce', 'getLockless'] as const) {
        const read = (): AnyVal => ops[name](entry);
        const whole = states.map((state) => {
          become(state);
          return read();
        });
        states.forEach((before, from) => {
          states.forEach((after, to) => {
            become(before);
            const { value, loads } = whileItChanges(tables, () => { become(after); }, when, read);
            must(loads > 0, level, `${name} reads shared memory without Atomics.load: another thread's store may be seen in part`, { value });
            must(value === whole[from] || value === whole[to], level, `${name} reads what was there at no time`, { index, value, before: whole[from], after: whole[to], 'loads before the change': when });
          });
        });
      }
    });
  }
});

/** The words of table memory, from one on, as they are with entries that are old and clean, young and dirty of other pages, and empty. */
function statesOf<H extends HandleFamily>(machine: Machine<H>, level: Level, tables: TableMemory): { readonly begin: number; readonly states: readonly Int32Array[] } {
  const values = machine.values(level);
  const ops = machine.ops(level);
  const { entry, address } = machine.slot(level, machine.address(level, 0));
  const count = Math.min(BLOCK, machine.entries(level) - machine.index(level, address));
  const used = machine.usable(level, BLOCK * 2 * machine.pages(level), machine.prots()[0]!);
  const fresh = values.mkold(values.mkclean(values.advancePfn(used, -BLOCK)));
  const all = [fresh, used, undefined].map((value) => {
    ops.clear(machine.mm, address, entry, count).ignore('nothing runs here');
    if (value !== undefined) ops.set(machine.mm, address, entry, value, count);
    return tables.words.slice();
  });
  const differs = (_word: number, at: number): boolean => all.some((state) => state[at] !== all[0]![at]);
  const begin = all[0]!.findIndex(differs);
  const end = all[0]!.findLastIndex(differs) + 1;
  return { begin, states: all.map((state) => state.subarray(begin, end)) };
}

/** Plays another thread, which writes between two of a reader's loads. Returns what was read, and by how many atomic loads. */
function whileItChanges(tables: TableMemory, change: () => void, when: number, read: () => AnyVal): { readonly value: AnyVal; readonly loads: number } {
  // As descriptors: a function that is bound anew would be another one, and slower, for whoever comes later.
  const builtin = Object.getOwnPropertyDescriptor(Atomics, 'load')!;
  const shared = Object.getOwnPropertyDescriptor(tables, 'shared')!;
  const load = Atomics.load.bind(Atomics);
  let loads = 0;
  const loadLater = (array: Int32Array, index: number): number => {
    if (loads++ === when) change();
    return load(array, index);
  };
  // Memory that is not shared may be read plainly.
  Object.defineProperty(tables, 'shared', { ...shared, value: true });
  Object.defineProperty(Atomics, 'load', { ...builtin, value: loadLater });
  try {
    return { value: read(), loads };
  } finally {
    Object.defineProperty(Atomics, 'load', builtin);
    Object.defineProperty(tables, 'shared', shared);
  }
}

/** Plays the hardware: changes bits of an entry in memory, behind everyone's back. The first entry is the only one that says what it says. */
function mark<H extends HandleFamily>({ machine, level, first }: Stretch<H>, index: number, bits: bigint): void {
  const { tables } = machine.arch;
  const base = tables?.elements.indexOf(machine.ops(level).raw(first)) ?? -1;
  if (tables === undefined || base < 0) throw new Error('the entry that was written is not in table memory');
  tables.elements[base + index] = tables.elements[base + index]! ^ bits;
}

export const GROUP_LAWS: readonly Law[] = [wholeBlocks, hardwareMarks, oneState];
