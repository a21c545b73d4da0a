import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { entryVal, FlushLedger, LOW_WORD, TableLevelOps, type EntryVal, type FlushPromise, type MmContext, type StrongHandles, type WritableOps } from './all.js';
import { DIRTY, madeUp, PROT_NONE, SOFT_DIRTY, SWAP_BASE, V, WRITE, YOUNG, type MadeUp } from './made-up.js';

/*
 * Three ways to the same end: loops over words where nobody watches, one atomic step an entry where other threads may look, and the same
 * where an observer wants to hear of each. What is in memory afterwards, what comes back and what is to be flushed must be equal.
 */

type Handle = StrongHandles['pte'];
type PteOps = WritableOps<StrongHandles, 'pte'>;
type PteVal = EntryVal<'pte'>;

/** The generic accessors, with the loops that an architecture may add. */
class LoopOps<L extends 'pte' | 'pmd' | 'pud' | 'p4d' | 'pgd'> extends TableLevelOps<StrongHandles, L> {
  protected override wrprotectRun(index: number, count: number): boolean {
    const { words } = this.tables;
    let stale = false;
    const end = (index + count) * this.stride;
    for (let at = index * this.stride + (this.stride === 1 ? 0 : LOW_WORD); at < end; at += this.stride) {
      const word = words[at]!;
      if ((word & Number(V | PROT_NONE)) === 0) continue;
      stale ||= (word & Number(V)) !== 0 && (word & Number(WRITE)) !== 0;
      words[at] = word & ~Number(WRITE);
    }
    return stale;
  }
  protected override gatherRun(index: number, count: number): EntryVal<L> {
    return this.orRun(index, count);
  }
}

interface Way {
  readonly made: MadeUp;
  readonly mm: MmContext;
  readonly ops: PteOps;
  readonly first: Handle;
  readonly seen: string[];
}

function way(entryBytes: 4 | 8, shared: boolean, observed: boolean, loops: boolean, values: readonly bigint[]): Way {
  const made = madeUp({ entryBytes, shared, empty: 0x800n, ...(loops ? { make: (level, context, all) => new LoopOps(level, context, all) } : {}) });
  const first = made.arch.newTable('pte', 0x1000, true).entry(0);
  const ops = made.arch.ops.pte;
  values.forEach((value, index) => { ops.set(made.mm, 0n, ops.advance(first, index), entryVal('pte', value), 1); });
  const seen: string[] = [];
  const mm: MmContext = observed
    ? { ...made.mm, observer: { changing: (level, address, old, value) => { seen.push(`${level} ${address} ${old} ${value}`); } } }
    : made.mm;
  return { made, mm, ops, first, seen };
}

const marks = [WRITE, YOUNG, DIRTY, SOFT_DIRTY];
const flags = fc.subarray(marks).map((list) => list.reduce((sum, bit) => sum | bit, 0n));
const frame = (entryBytes: 4 | 8) => fc.oneof(
  fc.nat(40).map((n) => BigInt(n)),
  // Around the carry from the low word to the high one: frames of which bit 20 changes.
  fc.nat(40).map((n) => (entryBytes === 4 ? BigInt(n) : 0xf_ffe0n + BigInt(n))),
);
const present = (entryBytes: 4 | 8) => fc.tuple(frame(entryBytes), flags, fc.constantFrom(V, PROT_NONE)).map(([pfn, bits, state]) => (pfn << 12n) | bits | state);
const value = (entryBytes: 4 | 8) => fc.oneof(present(entryBytes), fc.constant(0x800n), fc.nat(31).map((type) => SWAP_BASE | 0x5000n | (BigInt(type) << 3n)));

type Operation = (way: Way, at: Handle, address: bigint, count: number, value: PteVal) => FlushPromise<unknown> | undefined;
const OPERATIONS: Record<string, Operation> = {
  set: ({ ops, mm }, at, address, count, pte) => { ops.set(mm, address, at, pte, count); return undefined; },
  clear: ({ ops, mm }, at, address, count) => ops.clear(mm, address, at, count),
  wrprotect: ({ ops, mm }, at, address, count) => ops.wrprotect(mm, address, at, count),
  getAndClearFull: ({ ops, mm }, at, address, count) => ops.getAndClearFull(mm, address, at, count),
  testAndClearYoung: ({ ops, mm }, at, address, count) => ops.testAndClearYoung(mm, address, at, count),
  establish: ({ ops, mm }, at, address, _count, pte) => ops.establish(mm, address, at, pte),
  setAccessFlags: ({ ops, mm }, at, address, _count, pte) => ops.setAccessFlags(mm, address, at, pte),
  modifyProt: ({ ops, mm }, at, address, _count, pte) => ops.modifyProtCommit(mm, address, at, ops.modifyProtStart(mm, address, at), pte),
  hugeSetAccessFlags: ({ ops, mm }, at, address, count, pte) => ops.hugeSetAccessFlags(mm, address, at, pte, count),
};

describe.each([4, 8] as const)('writing entries of %i bytes', (entryBytes) => {
  it.each(Object.keys(OPERATIONS))('%s does the same in words, in atomic steps, and watched', (name) => {
    const operate = OPERATIONS[name]!;
    fc.assert(
      fc.property(
        fc.array(name === 'getAndClearFull' ? present(entryBytes) : value(entryBytes), { minLength: 16, maxLength: 16 }), fc.nat(15), fc.nat(15), present(entryBytes),
        (values, from, length, pte) => {
          const count = Math.min(length + 1, 16 - from);
          const run = (shared: boolean, observed: boolean, loops: boolean) => {
            const one = way(entryBytes, shared, observed, loops, values);
            const before = one.made.tlb.flushed.length;
            const promise = operate(one, one.ops.advance(one.first, from), BigInt(from) * 4096n, count, entryVal('pte', pte));
            const owed = promise?.owed;
            const result = promise?.flush();
            const memory = Array.from({ length: 16 }, (_, index) => one.ops.getOnce(one.ops.advance(one.first, index)));
            return { told: one.seen, outcome: { memory, owed, result, flushed: one.made.tlb.flushed.slice(before) } };
          };
          const plain = run(false, false, false).outcome;
          expect(run(false, false, true).outcome).toEqual(plain);
          expect(run(true, false, false).outcome).toEqual(plain);
          const watched = run(false, true, true);
          expect(watched.outcome).toEqual(plain);
          // Whoever watches hears of every entry that is now another, each at its own address.
          const told = new Set(watched.told.map((line) => Number(line.split(' ')[1]) / 4096));
          values.forEach((old, index) => { if (old !== plain.memory[index]) expect(told).toContain(index); });
          for (const index of told) expect(index >= from && index < from + count).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  it.each([false, true])('asks who watches once a batch, not once an entry (shared memory: %s)', (shared) => {
    const counts = (name: string): number[] => [2, 4, 16].map((count) => {
      const { made, ops, first } = way(entryBytes, shared, false, false, Array.from({ length: 16 }, (_, index) => (BigInt(index) << 12n) | V | WRITE | YOUNG));
      let asked = 0;
      const mm = new Proxy<MmContext>(made.mm, {
        get: (target, name) => {
          if (name === 'observer') asked++;
          return Reflect.get(target, name) as unknown;
        },
      });
      OPERATIONS[name]!({ made, ops, mm, first, seen: [] }, first, 0n, count, entryVal('pte', 0x5000n | V | WRITE))?.flush();
      return asked;
    });
    for (const name of ['set', 'clear', 'wrprotect', 'getAndClearFull', 'testAndClearYoung']) {
      const [two, ...more] = counts(name);
      expect(two, name).toBeLessThanOrEqual(3);
      // In shared memory nobody else asks, whether a loop over words would do.
      if (shared) expect(two, name).toBe(1);
      expect(more, name).toEqual([two, two]);
    }
  });

  it('set writes consecutive frames, over the carry between the words', () => {
    const start = entryBytes === 4 ? 0xf_fff0n : 0xf_fff8n;
    for (const shared of [false, true]) {
      const { made, ops, first } = way(entryBytes, shared, false, false, []);
      ops.set(made.mm, 0n, first, entryVal('pte', (start << 12n) | V | WRITE), 16);
      const expected = Array.from({ length: 16 }, (_, index) => ((start + BigInt(index)) << 12n) | V | WRITE);
      expect(Array.from({ length: 16 }, (_, index) => ops.get(ops.advance(first, index)))).toEqual(expected);
    }
  });

  it('set writes a value that is not present as it is, as often as asked', () => {
    for (const shared of [false, true]) {
      const { made, ops, first } = way(entryBytes, shared, false, false, []);
      const swap = made.arch.values.pte.ofSwap(3, 0x77n);
      ops.set(made.mm, 0n, first, swap, 5);
      expect([0, 4, 5].map((index) => ops.get(ops.advance(first, index)))).toEqual([swap, swap, 0x800n]);
    }
  });

  it.each([false, true])('gives the first of several entries, young and dirty if any of them is; loops over words %s', (loops) => {
    fc.assert(
      fc.property(fc.array(fc.subarray([YOUNG, DIRTY, WRITE]), { minLength: 2, maxLength: 16 }), (noted) => {
        const entries = noted.map((bits, index) => (BigInt(index + 1) << 12n) | V | bits.reduce((sum, bit) => sum | bit, 0n));
        const { mm, ops, first } = way(entryBytes, false, false, loops, entries);
        const any = entries.reduce((sum, entry) => sum | entry, 0n) & (YOUNG | DIRTY);
        expect(ops.hugeGet(first, entries.length)).toBe(entries[0]! | any);
        expect(ops.getAndClearFull(mm, 0n, first, entries.length).flush()).toBe(entries[0]! | any);
        // Nothing is there any more, and nothing has notes.
        expect(ops.hugeGet(first, entries.length)).toBe(0x800n);
      }),
    );
  });

  it('counts a batch of consecutive pages that are alike, whatever they say about young and writable', () => {
    fc.assert(
      fc.property(fc.nat(15), fc.integer({ min: 1, max: 16 }), fc.array(fc.subarray([WRITE, YOUNG]), { minLength: 16, maxLength: 16 }), fc.constantFrom('frame', 'dirty', 'empty'), (odd, max, noise, how) => {
        const { ops, first } = way(entryBytes, false, false, false, Array.from({ length: 16 }, (_, index) => {
          const base = (BigInt(100 + index) << 12n) | V | noise[index]!.reduce((sum, bit) => sum | bit, 0n);
          if (index !== odd) return base;
          return how === 'frame' ? base + 0x8000n : how === 'dirty' ? base | DIRTY : 0x800n;
        }));
        fc.pre(odd > 0);
        expect(ops.batch(first, ops.get(first), max, {})).toBe(Math.min(max, odd));
        expect(ops.batch(first, ops.get(first), max, { dirty: true })).toBe(how === 'dirty' ? max : Math.min(max, odd));
      }),
    );
  });

  it('gives the promises to the ledger that stale translations need, and no others', () => {
    const { made, ops, first } = way(entryBytes, false, false, false, [0x1000n | V | WRITE, 0x2000n | PROT_NONE | WRITE, 0x800n]);
    const ledger = new FlushLedger();
    const mm = { ...made.mm, ledger };
    const at = (index: number) => ops.advance(first, index);
    const owed = (promise: FlushPromise<unknown>) => { const is = promise.owed; promise.ignore('a test'); return is; };
    expect([0, 1, 2].map((index) => owed(ops.wrprotect(mm, 0n, at(index), 1)))).toEqual([true, false, false]);
    // A second time nothing changes.
    expect(owed(ops.wrprotect(mm, 0n, at(0), 1))).toBe(false);
    expect(owed(ops.establish(mm, 0n, at(0), ops.get(at(0))))).toBe(false);
    expect([0, 1, 2].map((index) => owed(ops.getAndClear(mm, 0n, at(index))))).toEqual([true, false, false]);
    expect([0, 1, 2].map((index) => owed(ops.clear(mm, 0n, at(index), 1)))).toEqual([false, false, false]);
    expect(ledger.dropped()).toEqual([]);
  });
});
