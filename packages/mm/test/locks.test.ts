import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import fc from 'fast-check';
import { PgtableError } from '@pgtable/core';
import {
  currentThread, downgradeWrite, downRead, downReadTrylock, downWrite, downWriteTrylock, lockClasses, LockOrder, MAX_THREADS, MMAP_LOCK_WORDS, MmapLock, rwIsContended, rwIsLocked,
  RW_LOCK_WORDS, rwWriteHeldByMe, schedulePoint, setCurrentThread, setScheduler, spinHeldByMe, spinIsLocked, spinLock, spinTrylock, spinUnlock, Threads, upRead, upWrite,
  VMA_LOCK_WORDS, VmaLock, type Thread,
} from '../src/index.js';

const spin = lockClasses.ptePtl;
const rw = lockClasses.iMmapRwsem;

/** Threads that take turns in this one, with a lockdep or without. */
function players(count: number, order?: LockOrder): Thread[] {
  const threads = new Threads();
  return Array.from({ length: count }, (_, number) => threads.join(`player ${number}`, order));
}

function shared(words: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(words * 4));
}

function errorOf(action: () => unknown): PgtableError {
  try {
    action();
  } catch (error) {
    if (error instanceof PgtableError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

afterEach(() => {
  setCurrentThread(undefined);
  setScheduler(undefined);
});

describe('threads', () => {
  it('have numbers that nobody else has meanwhile', () => {
    const threads = new Threads();
    const others = Threads.attach(threads.share());
    const all = Array.from({ length: MAX_THREADS }, (_, at) => (at % 2 === 0 ? threads : others).join(`t${at}`));
    expect(new Set(all.map(({ id }) => id)).size).toBe(MAX_THREADS);
    expect(errorOf(() => threads.join('one more'))).toMatchObject({ code: 'ENOMEM', hint: expect.stringContaining('leave()') as string });
    others.leave(all[5]!);
    expect(threads.join('one more').id).toBe(all[5]!.id);
  });

  it('say who they are before they lock', () => {
    const words = shared(1);
    expect(errorOf(() => { spinLock(words, 0, spin); })).toMatchObject({ code: 'EINVAL', hint: expect.stringContaining('setCurrentThread') as string });
    const [first, second] = players(2) as [Thread, Thread];
    expect(setCurrentThread(first)).toBe(undefined);
    expect(setCurrentThread(second)).toBe(first);
    expect(currentThread()).toBe(second);
  });

  it('are nobody when they have left', () => {
    const threads = new Threads();
    const thread = threads.join('short');
    setCurrentThread(thread);
    threads.leave(thread);
    expect(() => currentThread()).toThrow('which thread it is');
  });
});

describe('a spin lock', () => {
  const words = shared(4);
  let mine: Thread;
  let other: Thread;
  beforeEach(() => {
    words.fill(0);
    [mine, other] = players(2) as [Thread, Thread];
    setCurrentThread(mine);
  });

  it('is one word, beside which nothing changes', () => {
    spinLock(words, 2, spin);
    expect([...words]).toEqual([0, 0, mine.id, 0]);
    expect([spinHeldByMe(words, 2), spinIsLocked(words, 2), spinIsLocked(words, 1)]).toEqual([true, true, false]);
    setCurrentThread(other);
    expect([spinHeldByMe(words, 2), spinTrylock(words, 2, spin)]).toEqual([false, false]);
    setCurrentThread(mine);
    spinUnlock(words, 2);
    expect([...words]).toEqual([0, 0, 0, 0]);
  });

  it('is released by who has it', () => {
    expect(errorOf(() => { spinUnlock(words, 0); }).message).toContain('nobody has');
    spinLock(words, 0, spin);
    setCurrentThread(other);
    expect(errorOf(() => { spinUnlock(words, 0); })).toMatchObject({ code: 'EINVAL', message: expect.stringContaining(`thread ${mine.id} has`) as string });
    expect(words[0]).toBe(mine.id);
  });

  it('is not waited for by who has it, though nothing is checked', () => {
    spinLock(words, 0, spin);
    expect(errorOf(() => { spinLock(words, 0, spin); }).message).toContain('would wait for itself');
  });

  it('goes to who was woken in vain eight times, and to nobody else', () => {
    setCurrentThread(other);
    spinLock(words, 0, spin);
    let taken = 0;
    let refused = 0;
    // While one thread sleeps the other releases the lock, and tries to have it again before the first can run.
    const wait = vi.spyOn(Atomics, 'wait').mockImplementation((at: Int32Array | BigInt64Array) => {
      // Whether a thread may sleep at all is asked elsewhere.
      if (at !== words) return 'not-equal';
      setCurrentThread(other);
      spinUnlock(words, 0);
      if (spinTrylock(words, 0, spin)) taken++;
      else refused++;
      setCurrentThread(mine);
      return 'ok';
    });
    try {
      setCurrentThread(mine);
      spinLock(words, 0, spin);
    } finally {
      wait.mockRestore();
    }
    expect([taken, refused, spinHeldByMe(words, 0)]).toEqual([8, 1, true]);
    spinUnlock(words, 0);
    expect(words[0]).toBe(0);
  });
});

describe('a read-write lock', () => {
  const words = shared(RW_LOCK_WORDS);
  let mine: Thread;
  let other: Thread;
  beforeEach(() => {
    words.fill(0);
    [mine, other] = players(2) as [Thread, Thread];
    setCurrentThread(mine);
  });

  it('is released in the mode in which it was taken', () => {
    downRead(words, 0, rw);
    expect(errorOf(() => { upWrite(words, 0); }).message).toContain('one reader has it');
    expect(errorOf(() => { downgradeWrite(words, 0); }).message).toContain('one reader has it');
    upRead(words, 0);
    expect(errorOf(() => { upRead(words, 0); }).message).toContain('nobody has it');
    downWrite(words, 0, rw);
    expect(errorOf(() => { upRead(words, 0); }).message).toContain(`thread ${mine.id} has it for writing`);
    setCurrentThread(other);
    expect(errorOf(() => { upWrite(words, 0); }).code).toBe('EINVAL');
    setCurrentThread(mine);
    upWrite(words, 0);
    expect([...words]).toEqual([0, 0]);
  });

  it('does as a counter of readers and one writer would', () => {
    const steps = fc.array(fc.record({ who: fc.nat(2), what: fc.constantFrom('read', 'write', 'upRead', 'upWrite', 'downgrade') }), { maxLength: 60 });
    fc.assert(fc.property(steps, (sequence) => {
      words.fill(0);
      const all = players(3);
      const readers = [0, 0, 0];
      let writer = -1;
      for (const { who, what } of sequence) {
        setCurrentThread(all[who]);
        const reading = readers.reduce((sum, count) => sum + count, 0);
        if (what === 'read') {
          expect(downReadTrylock(words, 0, rw)).toBe(writer < 0);
          if (writer < 0) readers[who]!++;
        } else if (what === 'write') {
          expect(downWriteTrylock(words, 0, rw)).toBe(writer < 0 && reading === 0);
          if (writer < 0 && reading === 0) writer = who;
        } else if (what === 'upRead') {
          if (readers[who] === 0) continue;
          upRead(words, 0);
          readers[who]!--;
        } else if (writer === who) {
          if (what === 'upWrite') upWrite(words, 0);
          else downgradeWrite(words, 0);
          if (what === 'downgrade') readers[who]!++;
          writer = -1;
        } else expect(() => { (what === 'upWrite' ? upWrite : downgradeWrite)(words, 0); }).toThrow(PgtableError);
        expect([rwIsLocked(words, 0), rwWriteHeldByMe(words, 0), rwIsContended(words, 0)]).toEqual([writer >= 0 || readers.some((count) => count > 0), writer === who, false]);
      }
    }));
  });
});

describe('mmap and VMA locks', () => {
  const words = shared(MMAP_LOCK_WORDS + 3 * VMA_LOCK_WORDS);
  const mm = new MmapLock(words, 0);
  const vmas = [0, 1, 2].map((number) => new VmaLock(mm, words, MMAP_LOCK_WORDS + number * VMA_LOCK_WORDS));

  beforeEach(() => {
    words.fill(0);
    for (const vma of vmas) vma.init();
    setCurrentThread(players(1)[0]);
  });

  it('have a sequence that is odd while there is a writer', () => {
    const seen = [mm.sequence];
    mm.writeLock();
    seen.push(mm.sequence);
    mm.writeDowngrade();
    seen.push(mm.sequence);
    mm.readUnlock();
    expect(mm.writeTrylock()).toBe(true);
    seen.push(mm.sequence);
    mm.writeUnlock();
    mm.readLock();
    expect(mm.writeTrylock()).toBe(false);
    seen.push(mm.sequence);
    expect(seen).toEqual([0, 1, 2, 3, 4]);
    expect(mm.isContended()).toBe(false);
  });

  it('ask for the mmap lock to write before a VMA is write-locked', () => {
    const [vma] = vmas as [VmaLock];
    expect(errorOf(() => { vma.startWrite(); })).toMatchObject({ code: 'EINVAL', message: expect.stringContaining('nobody has it') as string });
    mm.readLock();
    expect(errorOf(() => { vma.startWrite(); }).message).toContain('mmap_lock to write');
    mm.assertLocked('look');
    mm.readUnlock();
    expect(errorOf(() => { mm.assertLocked('look'); }).message).toContain('cannot look');
    expect(errorOf(() => { mm.writeUnlock(); }).message).toContain('release mmap_lock');
    expect(errorOf(() => { mm.writeDowngrade(); }).message).toContain('downgrade mmap_lock');
    mm.writeLock();
    expect(errorOf(() => { vma.assertWriteLocked('change it'); }).message).toContain('not write-locked');
    expect(errorOf(() => { vma.assertLocked('look at it'); }).message).toContain('not write-locked');
    vma.startWrite();
    vma.assertWriteLocked('change it');
    vma.assertLocked('look at it');
    mm.writeUnlock();
    expect(errorOf(() => { vma.assertLocked('look at it'); }).code).toBe('EINVAL');
  });

  it('go on when the sequence wraps around, but for one read lock that is refused by mistake', () => {
    const [vma] = vmas as [VmaLock];
    words[RW_LOCK_WORDS] = -4;
    mm.writeLock();
    vma.startWrite();
    expect(vma.startRead()).toBe(false);
    mm.writeUnlock();
    mm.writeLock();
    // The number of a lock that was never write-locked.
    expect(mm.sequence).toBe(-1);
    expect(vmas[1]!.startRead()).toBe(false);
    mm.writeUnlock();
    expect(mm.sequence).toBe(0);
    expect([vma.startRead(), vmas[1]!.startRead()]).toEqual([true, true]);
  });

  it('are looked at again when a writer comes between the look at a VMA and its lock', () => {
    const [vma] = vmas as [VmaLock];
    const [fault, writer] = players(2) as [Thread, Thread];
    setCurrentThread(fault);
    setScheduler({
      point(what) {
        if (what !== 'take vma_lock') return;
        setScheduler(undefined);
        setCurrentThread(writer);
        mm.writeLock();
        vma.startWrite();
        setCurrentThread(fault);
      },
      blocked() { throw new Error('nobody waits'); },
    });
    expect(vma.startRead()).toBe(false);
    expect(rwIsLocked(words, vma.index)).toBe(false);
    setCurrentThread(writer);
    mm.writeUnlock();
    setCurrentThread(fault);
    expect(vma.startRead()).toBe(true);
  });

  it.each([false, true])('do as the table of process_addrs.rst says (checked: %s)', (checked) => {
    const what = fc.constantFrom('mmap read', 'mmap write', 'mmap unlock', 'downgrade', 'vma read', 'vma unlock', 'vma write', 'assert');
    const steps = fc.array(fc.record({ who: fc.nat(1), what, which: fc.nat(2) }), { maxLength: 80 });
    fc.assert(fc.property(steps, (sequence) => {
      words.fill(0);
      for (const vma of vmas) vma.init();
      const all = players(2, checked ? new LockOrder() : undefined);
      const mode: ('none' | 'read' | 'write')[] = ['none', 'none'];
      const reads = vmas.map(() => [false, false]);
      const written = vmas.map(() => false);
      for (const { who, what: step, which } of sequence) {
        setCurrentThread(all[who]);
        const vma = vmas[which]!;
        const read = reads[which]!;
        if (step === 'mmap read') {
          if (mode[who] !== 'none') continue;
          expect(mm.readTrylock()).toBe(mode[1 - who] !== 'write');
          if (mode[1 - who] !== 'write') mode[who] = 'read';
        } else if (step === 'mmap write') {
          if (mode[who] !== 'none') continue;
          expect(mm.writeTrylock()).toBe(mode[1 - who] === 'none');
          if (mode[1 - who] === 'none') mode[who] = 'write';
        } else if (step === 'mmap unlock') {
          if (mode[who] === 'write') {
            mm.writeUnlock();
            written.fill(false);
          } else if (mode[who] === 'read') mm.readUnlock();
          mode[who] = 'none';
        } else if (step === 'downgrade') {
          if (mode[who] !== 'write') continue;
          mm.writeDowngrade();
          written.fill(false);
          mode[who] = 'read';
        } else if (step === 'vma read') {
          if (read[who]) continue;
          // Needs nothing else, and fails while there is a writer.
          expect(vma.startRead()).toBe(!written[which]);
          read[who] = !written[which];
        } else if (step === 'vma unlock') {
          if (read[who]) vma.endRead();
          read[who] = false;
        } else if (step === 'vma write') {
          if (mode[who] !== 'write') {
            expect(() => { vma.startWrite(); }).toThrow(PgtableError);
            continue;
          }
          // It would wait for the readers, and for itself; and a checked thread takes no lock of the class that it has already.
          if (!written[which] && (read[0] || read[1] || (checked && reads.some((others) => others[who])))) continue;
          vma.startWrite();
          written[which] = true;
        } else {
          const writes = mode[who] === 'write' && written[which]!;
          // Who is not checked is content if anybody reads.
          const reader = checked ? read[who]! : read[0]! || read[1]!;
          const passes = (action: () => void): boolean => {
            try {
              action();
              return true;
            } catch (error) {
              expect(error).toBeInstanceOf(PgtableError);
              return false;
            }
          };
          expect(passes(() => { vma.assertWriteLocked('change it'); })).toBe(writes);
          expect(passes(() => { vma.assertLocked('look at it'); })).toBe(writes || reader);
          expect(passes(() => { mm.assertWriteLocked('change it'); })).toBe(mode[who] === 'write');
          expect(passes(() => { mm.assertLocked('look at it'); })).toBe(mode[who] !== 'none' || (!checked && mode[1 - who] !== 'none'));
        }
      }
    }));
  });
});

describe('a scheduler', () => {
  it('is told of every operation, and waits in the place of who is blocked', () => {
    const words = shared(8);
    const [mine, other] = players(2) as [Thread, Thread];
    setCurrentThread(other);
    spinLock(words, 0, spin);
    downWrite(words, 2, rw);
    setCurrentThread(mine);
    const told: string[] = [];
    const before = setScheduler({
      point: (what) => { told.push(what); },
      blocked(what, at, index, value) {
        told.push(`blocked: ${what}`);
        expect([at, at[index], value]).toEqual([words, value, index === 0 ? other.id : -other.id]);
        // Another thread goes on.
        setCurrentThread(other);
        const mute = setScheduler(undefined);
        if (spinHeldByMe(words, 0)) spinUnlock(words, 0);
        else upWrite(words, 2);
        setScheduler(mute);
        setCurrentThread(mine);
      },
    });
    expect(before).toBe(undefined);
    schedulePoint('a step');
    spinLock(words, 0, spin);
    spinUnlock(words, 0);
    downRead(words, 2, rw);
    upRead(words, 2);
    expect(told).toEqual([
      'a step', 'take pte ptl', 'blocked: take pte ptl', 'release a spin lock', 'take i_mmap_rwsem', 'blocked: take i_mmap_rwsem', 'release a read lock',
    ]);
    expect([...words]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  });
});
