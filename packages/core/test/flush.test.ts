import { describe, expect, it } from 'vitest';
import { FlushLedger, FlushPromise, MmuGather, NO_TLB, PgtableError, type FlushRange, type MmContext } from './all.js';
import { codeOf, RecordingTlb } from './made-up.js';

const range = (start: number, end: number, rest: Partial<FlushRange> = {}): FlushRange => ({ start: BigInt(start), end: BigInt(end), level: 'pte', tables: false, ...rest });

function space(): { mm: MmContext; tlb: RecordingTlb; ledger: FlushLedger } {
  const tlb = new RecordingTlb();
  const ledger = new FlushLedger();
  return { mm: { user: true, tlb, ledger }, tlb, ledger };
}

describe('a flush promise', () => {
  it('flushes its range once and gives the result', () => {
    const { mm, tlb } = space();
    const promise = new FlushPromise(mm, 42, range(0x1000, 0x3000));
    expect(promise.owed).toBe(true);
    expect(tlb.flushed).toEqual([]);
    expect(promise.flush()).toBe(42);
    expect(promise.owed).toBe(false);
    expect(tlb.flushed).toEqual([range(0x1000, 0x3000)]);
  });

  it('that owes nothing flushes nothing, whatever is decided', () => {
    const { mm, tlb, ledger } = space();
    const batch = new MmuGather(mm);
    const make = () => new FlushPromise(mm, 'result', undefined);
    expect(make().owed).toBe(false);
    expect([make().flush(), make().gather(batch), make().ignore('nothing was cached')]).toEqual(['result', 'result', 'result']);
    batch.finish();
    expect(tlb.flushed).toEqual([]);
    expect(ledger.dropped()).toEqual([]);
  });

  it('that is ignored does not flush, and wants a reason', () => {
    const { mm, tlb } = space();
    const promise = new FlushPromise(mm, 7, range(0, 0x1000));
    expect(codeOf(() => promise.ignore(' '))).toBe('EINVAL');
    expect(promise.owed).toBe(true);
    expect(promise.ignore('the address space never ran')).toBe(7);
    expect(tlb.flushed).toEqual([]);
  });

  it('is still owed where the decision fails', () => {
    const { mm, tlb, ledger } = space();
    const failing = new FlushPromise({ ...mm, tlb: { flush() { throw new Error('no answer'); } } }, 7, range(0, 0x1000));
    expect(() => failing.flush()).toThrow('no answer');
    const other = new FlushPromise(mm, 8, range(0x1000, 0x2000));
    expect(() => other.map(() => { throw new Error('cannot be changed'); })).toThrow('cannot be changed');
    expect([failing.owed, other.owed]).toEqual([true, true]);
    expect(ledger.dropped()).toHaveLength(2);
    expect([failing.ignore('the machine is off'), other.flush()]).toEqual([7, 8]);
    expect(tlb.flushed).toEqual([range(0x1000, 0x2000)]);
    expect(ledger.dropped()).toEqual([]);
  });

  it('is still in the batch where the batch cannot be finished', () => {
    const { mm, tlb } = space();
    let fails = true;
    const unsure: MmContext = { ...mm, tlb: { flush(what) { if (fails && what.start !== 0n) throw new Error('no answer'); tlb.flush(what); } } };
    const batch = new MmuGather(unsure);
    for (const start of [0, 0x10000, 0x20000]) new FlushPromise(unsure, undefined, range(start, start + 0x1000)).gather(batch);
    expect(() => { batch.finish(); }).toThrow('no answer');
    expect(batch.pending).toEqual([range(0x10000, 0x11000), range(0x20000, 0x21000)]);
    fails = false;
    batch.finish();
    expect([batch.pending, tlb.flushed.map(({ start }) => start)]).toEqual([[], [0n, 0x10000n, 0x20000n]]);
  });

  const decisions: Record<string, (promise: FlushPromise<number>) => unknown> = {
    flush: (promise) => promise.flush(),
    gather: (promise) => promise.gather(new MmuGather({ user: true, tlb: NO_TLB })),
    ignore: (promise) => promise.ignore('a test'),
    map: (promise) => promise.map((result) => result + 1),
  };
  it.each(Object.keys(decisions).flatMap((first) => Object.keys(decisions).map((second) => [first, second] as const)))('cannot be used twice: %s, then %s', (first, second) => {
    const promise = new FlushPromise({ user: true, tlb: NO_TLB }, 1, range(0, 0x1000));
    decisions[first]!(promise);
    expect(codeOf(() => decisions[second]!(promise))).toBe('EINVAL');
  });

  it('passes its duty on with another result', () => {
    const { mm, tlb, ledger } = space();
    const mapped = new FlushPromise(mm, 20, range(0, 0x1000)).map((result) => result * 2);
    expect(mapped.owed).toBe(true);
    expect(ledger.dropped()).toHaveLength(1);
    expect(mapped.flush()).toBe(40);
    expect(tlb.flushed).toHaveLength(1);
    expect(ledger.dropped()).toEqual([]);
  });
});

describe('a batch of flushes', () => {
  it('flushes only when it is finished, and then once', () => {
    const { mm, tlb } = space();
    const batch = new MmuGather(mm);
    expect(new FlushPromise(mm, 'a', range(0x1000, 0x2000)).gather(batch)).toBe('a');
    expect(tlb.flushed).toEqual([]);
    expect(batch.pending).toEqual([range(0x1000, 0x2000)]);
    batch.finish();
    batch.finish();
    expect(tlb.flushed).toEqual([range(0x1000, 0x2000)]);
    expect(batch.pending).toEqual([]);
  });

  it('joins ranges of one level that touch or overlap, from either side, and keeps the others apart', () => {
    const { mm } = space();
    const batch = new MmuGather(mm);
    batch.add(mm, range(0x2000, 0x3000));
    batch.add(mm, range(0x3000, 0x4000));
    batch.add(mm, range(0x1000, 0x2000, { tables: true }));
    expect(batch.pending).toEqual([range(0x1000, 0x4000, { tables: true })]);
    batch.add(mm, range(0x1000, 0x2000));
    expect(batch.pending).toEqual([range(0x1000, 0x4000, { tables: true })]);
    batch.add(mm, range(0x5000, 0x6000));
    batch.add(mm, range(0x6000, 0x8000, { level: 'pmd' }));
    expect(batch.pending).toEqual([range(0x1000, 0x4000, { tables: true }), range(0x5000, 0x6000), range(0x6000, 0x8000, { level: 'pmd' })]);
  });

  it('takes no flush of another address space', () => {
    const mine = space();
    const other = space();
    const batch = new MmuGather(mine.mm);
    expect(codeOf(() => new FlushPromise(other.mm, 1, range(0, 0x1000)).gather(batch))).toBe('EINVAL');
    expect(batch.pending).toEqual([]);
  });
});

describe('the ledger', () => {
  it('names the promises that were dropped, by range and place', () => {
    const { mm, ledger } = space();
    new FlushPromise(mm, 1, range(0x1000, 0x2000)).flush();
    const kept = new FlushPromise(mm, 2, range(0x4000, 0x5000));
    const dropped = new FlushPromise(mm, 3, range(0x7000, 0x8000));
    expect(dropped.owed).toBe(true);
    kept.ignore('a test');
    expect(ledger.dropped().map((entry) => entry.range)).toEqual([range(0x7000, 0x8000)]);
    expect(ledger.dropped()[0]!.site).toContain('flush.test');
    let thrown: unknown;
    try {
      ledger.close();
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(PgtableError);
    expect(thrown).toMatchObject({ code: 'EINVAL', address: 0x7000n });
    expect((thrown as Error).message).toContain('[0x7000, 0x8000) at pte level');
    expect((thrown as Error).message).toContain('1 flush promises');
    // What was reported is not reported again.
    ledger.close();
  });

  it('has the text of a place made when somebody asks for it, and not before', () => {
    const { mm, ledger } = space();
    const before = Object.getOwnPropertyDescriptor(Error, 'prepareStackTrace');
    let made = 0;
    Error.prepareStackTrace = (error) => { made++; return `the place of ${error.message}`; };
    try {
      new FlushPromise(mm, 1, range(0x1000, 0x2000)).flush();
      const late = new FlushPromise(mm, 2, range(0x2000, 0x3000));
      expect(made).toBe(0);
      expect(ledger.dropped()[0]?.site).toBe('the place of promised');
      expect(made).toBe(1);
      late.ignore('a test');
    } finally {
      if (before === undefined) Reflect.deleteProperty(Error, 'prepareStackTrace');
      else Object.defineProperty(Error, 'prepareStackTrace', before);
    }
  });

  it('is content with an address space in which everything was decided', () => {
    const { mm, ledger } = space();
    const batch = new MmuGather(mm);
    new FlushPromise(mm, 1, range(0, 0x1000)).gather(batch);
    ledger.close();
    expect(ledger.dropped()).toEqual([]);
  });
});
