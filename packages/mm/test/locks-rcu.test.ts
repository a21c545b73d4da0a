import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { PgtableError } from '@pgtable/core';
import { LockOrder, LockRuleError, lockClasses, Rcu, setCurrentThread, setScheduler, spinLock, Threads, type Thread } from '../src/index.js';

let threads: Threads;
let reader: Thread;
let updater: Thread;
beforeEach(() => {
  threads = new Threads();
  reader = threads.join('reader', new LockOrder());
  updater = threads.join('updater');
});
afterEach(() => {
  setCurrentThread(undefined);
  setScheduler(undefined);
});

function as<T>(thread: Thread, action: () => T): T {
  const before = setCurrentThread(thread);
  try {
    return action();
  } finally {
    setCurrentThread(before);
  }
}

function reportOf(action: () => unknown): LockRuleError {
  try {
    action();
  } catch (error) {
    if (error instanceof LockRuleError) return error;
    throw error;
  }
  throw new Error('nothing was reported');
}

describe('read sections', () => {
  it('nest', () => {
    const rcu = new Rcu();
    setCurrentThread(reader);
    expect(rcu.readLockHeld()).toBe(false);
    rcu.readLock();
    rcu.readLock();
    rcu.readUnlock();
    expect(rcu.readLockHeld()).toBe(true);
    expect(as(updater, () => rcu.readLockHeld())).toBe(false);
    rcu.readUnlock();
    expect(rcu.readLockHeld()).toBe(false);
  });

  it('end once', () => {
    const rcu = new Rcu();
    setCurrentThread(updater);
    expect(() => { rcu.readUnlock(); }).toThrow('ends a read section, and is in none');
    setCurrentThread(reader);
    rcu.readLock();
    (function endSection() { rcu.readUnlock(); })();
    const report = reportOf(() => { (function endAgain() { rcu.readUnlock(); })(); });
    expect(report.rule).toBe('release');
    expect(report.message).toContain('endSection');
    expect(report.message).toContain('endAgain');
    expect(reportOf(() => { new Rcu().readUnlock(); }).message).toContain('there is no read section now');
  });

  it('are no place to wait for a grace period, though nothing is checked', () => {
    const rcu = new Rcu();
    setCurrentThread(updater);
    rcu.readLock();
    for (const wait of [() => { rcu.synchronizeRcu(); }, () => { rcu.barrier(); }, () => { rcu.poll(); }]) expect(wait).toThrow('that would wait for itself');
  });
});

describe('grace periods', () => {
  it('wait for sections that had begun, not for those that begin later', () => {
    const rcu = new Rcu();
    as(reader, () => { rcu.readLock(); });
    const late = threads.join('late');
    const waits: string[] = [];
    setCurrentThread(updater);
    setScheduler({
      point() { /* Every step is as good as another. */ },
      blocked(what) {
        waits.push(what);
        const mute = setScheduler(undefined);
        if (waits.length === 1) as(late, () => { rcu.readLock(); });
        if (waits.length === 5) as(reader, () => { rcu.readUnlock(); });
        setScheduler(mute);
      },
    });
    rcu.synchronizeRcu();
    expect(waits).toEqual(Array.from({ length: 5 }, () => 'wait for the end of a read section'));
    expect(as(late, () => rcu.readLockHeld())).toBe(true);
  });

  it('do not pass a reader that read the clock long before it writes its stamp', () => {
    const rcu = new Rcu();
    // While the reader is between the two, many grace periods go by.
    setScheduler({
      point(what) {
        if (what !== 'stamp of a read section') return;
        const mute = setScheduler(undefined);
        as(updater, () => { for (let period = 0; period < 100; period++) rcu.synchronizeRcu(); });
        setScheduler(mute);
      },
      blocked() { throw new Error('nobody waits'); },
    });
    as(reader, () => { rcu.readLock(); });
    let inside = true;
    setScheduler({
      point() { /* Every step is as good as another. */ },
      blocked() {
        const mute = setScheduler(undefined);
        as(reader, () => { rcu.readUnlock(); });
        inside = false;
        setScheduler(mute);
      },
    });
    as(updater, () => { rcu.synchronizeRcu(); });
    expect(inside).toBe(false);
  });

  it('go on when the clock wraps around', () => {
    const rcu = new Rcu();
    const clock = new Int32Array(rcu.share().buffer);
    clock[0] = 2 ** 31 - 3;
    clock[2] = 2 ** 31 - 5;
    const done: number[] = [];
    rcu.handle(1, (number) => { done.push(number); });
    setCurrentThread(updater);
    for (let number = 0; number < 6; number++) {
      as(reader, () => { rcu.readLock(); });
      rcu.callRcu(1, number);
      expect(rcu.poll()).toBe(0);
      as(reader, () => { rcu.readUnlock(); });
      expect(rcu.poll()).toBe(1);
    }
    expect(done).toEqual([0, 1, 2, 3, 4, 5]);
    expect(clock[0]).toBeLessThan(0);
  });
});

describe('deferred calls', () => {
  it('are made with their numbers, in order, by who waits', () => {
    const rcu = new Rcu();
    const made: number[][] = [];
    rcu.handle(1, (...numbers) => { made.push(numbers); });
    rcu.handle(-7, (a) => { made.push([-7, a]); });
    setCurrentThread(updater);
    rcu.callRcu(1, 2 ** 52, 0.5, -1);
    rcu.callRcu(-7, 3);
    rcu.callRcu(1);
    expect([rcu.pending, made.length]).toEqual([3, 0]);
    rcu.synchronizeRcu();
    expect(made).toEqual([[2 ** 52, 0.5, -1], [-7, 3], [0, 0, 0]]);
    expect(rcu.pending).toBe(0);
  });

  it('do what a list of who was reading would say', () => {
    const step = fc.record({ who: fc.nat(3), what: fc.constantFrom('lock', 'unlock', 'call', 'poll') });
    fc.assert(fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const rcu = new Rcu({ calls: 128 });
      const crew = new Threads();
      const all = Array.from({ length: 4 }, (_, number) => crew.join(`t${number}`));
      const depth = [0, 0, 0, 0];
      // Of each call that waits: the sections that it waits for, as the threads and how many they had begun.
      const begun = [0, 0, 0, 0];
      const waiting: { call: number; for: Map<number, number> }[] = [];
      const made: number[] = [];
      rcu.handle(1, (call) => { made.push(call); });
      let calls = 0;
      for (const { who, what } of steps) {
        setCurrentThread(all[who]);
        if (what === 'lock') {
          if (depth[who]!++ === 0) begun[who]!++;
          rcu.readLock();
        } else if (what === 'unlock') {
          if (depth[who] === 0) continue;
          depth[who]!--;
          rcu.readUnlock();
        } else if (what === 'call') {
          waiting.push({ call: calls, for: new Map(begun.flatMap((count, at) => (depth[at]! > 0 ? [[at, count] as const] : []))) });
          rcu.callRcu(1, calls++);
        } else if (depth[who] === 0) {
          const before = made.length;
          const number = rcu.poll();
          expect(made.length - before).toBe(number);
          for (const call of made.slice(before)) {
            const was = waiting.shift();
            expect(was?.call).toBe(call);
            for (const [at, count] of was?.for ?? []) expect(depth[at] === 0 || begun[at] !== count).toBe(true);
          }
          // With nobody inside nothing waits; nor does what waits for nobody.
          if (depth.every((deep) => deep === 0)) expect(waiting).toEqual([]);
        }
        expect(rcu.pending).toBe(waiting.length);
      }
    }));
  });

  it('need a handler, room, and a kind', () => {
    const rcu = new Rcu({ calls: 3 });
    setCurrentThread(updater);
    for (let call = 0; call < 4; call++) rcu.callRcu(1, call);
    expect(() => { rcu.callRcu(1); }).toThrow(expect.objectContaining({ code: 'ENOMEM', hint: expect.stringContaining('poll()') as string }));
    expect(() => { rcu.callRcu(0.5); }).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    expect(() => rcu.poll()).toThrow(/nothing is known in thread updater of deferred calls of kind 1/);
    expect(rcu.pending).toBe(4);
    // Another JavaScript thread knows what to do.
    const elsewhere = Rcu.attach(rcu.share());
    const made: number[] = [];
    elsewhere.handle(1, (call) => { made.push(call); });
    elsewhere.barrier();
    expect([made, rcu.pending]).toEqual([[0, 1, 2, 3], 0]);
    for (const calls of [0, 1.5, 2 ** 25]) expect(() => new Rcu({ calls })).toThrow(PgtableError);
  });

  it('are over when their handler throws', () => {
    const rcu = new Rcu();
    rcu.handle(1, () => { throw new Error('broken'); });
    setCurrentThread(updater);
    rcu.callRcu(1);
    rcu.callRcu(1);
    expect(() => rcu.poll()).toThrow('broken');
    expect(rcu.pending).toBe(1);
  });

  it('may be asked for in a section, and with locks held', () => {
    const rcu = new Rcu();
    const words = new Int32Array(new SharedArrayBuffer(4));
    rcu.handle(1, () => undefined);
    setCurrentThread(reader);
    rcu.readLock();
    spinLock(words, 0, lockClasses.ptePtl);
    rcu.callRcu(1);
    expect(rcu.pending).toBe(1);
    expect(reportOf(() => rcu.poll()).rule).toBe('sleep');
  });
});

describe('a pointer that was found in a read section', () => {
  const words = new Int32Array(new SharedArrayBuffer(8));
  let rcu: Rcu;
  beforeEach(() => {
    rcu = new Rcu();
    words.fill(0);
    setCurrentThread(reader);
  });

  function find(): ReturnType<Rcu['rcuDereference']> {
    return rcu.rcuDereference(words, 1);
  }

  function use(pointer: ReturnType<typeof find>, otherwise = false): void {
    rcu.rcuDereferenceCheck(pointer, 'the PTE table at 0x1000', otherwise);
  }

  it('is good inside of it', () => {
    rcu.readLock();
    const pointer = find();
    use(pointer);
    rcu.readLock();
    use(pointer);
    rcu.readUnlock();
    use(pointer);
  });

  it('is not found outside of one', () => {
    rcu.readLock();
    (function endSection() { rcu.readUnlock(); })();
    const report = reportOf(() => find());
    expect(report.rule).toBe('rcu');
    expect(report.message).toContain('endSection');
    expect(report.message).toContain('find');
    setCurrentThread(updater);
    expect(reportOf(() => find()).message).toContain('was in no read section');
  });

  it('is no good after it, whatever became of the thing, nor in the next one', () => {
    rcu.readLock();
    const pointer = find();
    (function endSection() { rcu.readUnlock(); })();
    for (const again of [false, true]) {
      if (again) rcu.readLock();
      const report = reportOf(() => { use(pointer); });
      expect(report.rule).toBe('rcu');
      expect(report.message).toContain('by luck');
      for (const place of ['find', 'endSection', 'use']) expect(report.sites.some(({ stack }) => stack.includes(place)), place).toBe(true);
    }
    rcu.readUnlock();
    Rcu.retire(words, 1);
    expect(reportOf(() => { use(pointer); }).message).toContain('something else by now (generation 1, not 0)');
    expect(words[1]).toBe(1);
  });

  it('is another thread\'s', () => {
    rcu.readLock();
    const pointer = find();
    setCurrentThread(updater);
    rcu.readLock();
    const report = reportOf(() => { use(pointer); });
    expect(report.rule).toBe('rcu');
    expect(report.sites.length).toBe(2);
  });

  it('is good with a lock that keeps the thing', () => {
    rcu.readLock();
    const pointer = find();
    rcu.readUnlock();
    use(pointer, true);
    Rcu.retire(words, 1);
    expect(reportOf(() => { use(pointer, true); }).rule).toBe('grace period');
  });

  it('shows a grace period that did not wait', () => {
    rcu.readLock();
    const pointer = find();
    Rcu.retire(words, 1);
    const report = reportOf(() => { use(pointer); });
    expect(report.rule).toBe('grace period');
    expect(report.message).toContain('find');
    expect(report.message).toContain('use');
    expect(report.hint).toContain('callRcu');
  });
});
