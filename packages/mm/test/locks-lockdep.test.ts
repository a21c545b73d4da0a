import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  assertNoneHeld, DOCUMENTED_ORDER, downgradeWrite, downRead, downReadTrylock, downWrite, LockClass, lockClasses, lockdepAssertHeld, LockOrder, LockRuleError, MmapLock, Rcu, setCurrentThread, spinLock,
  spinTrylock, spinUnlock, Threads, upRead, upWrite, VmaLock, type Thread,
} from '../src/index.js';

/* Every report is provoked once. Functions have names of their own, by which the places are known in the stacks. */

const { mmapLock, vmaLock, iMmapRwsem, anonVma, pageTableLock, pmdPtl, ptePtl, zoneLock } = lockClasses;
const words = new Int32Array(new SharedArrayBuffer(64 * 4));
let order: LockOrder;
let threads: Threads;
let thread: Thread;
let other: Thread;

beforeEach(() => {
  words.fill(0);
  order = new LockOrder();
  threads = new Threads();
  thread = threads.join('fault', order);
  other = threads.join('collapse', order);
  setCurrentThread(thread);
});
afterEach(() => {
  setCurrentThread(undefined);
});

function takeFirst(lockClass: LockClass, mode: 'spin' | 'read' | 'write' = 'spin', index = 0): void {
  if (mode === 'spin') spinLock(words, index, lockClass);
  else (mode === 'read' ? downRead : downWrite)(words, index, lockClass);
}

function takeSecond(lockClass: LockClass, mode: 'spin' | 'read' | 'write' = 'spin', index = 8): void {
  if (mode === 'spin') spinLock(words, index, lockClass);
  else (mode === 'read' ? downRead : downWrite)(words, index, lockClass);
}

function giveBack(index = 0): void {
  spinUnlock(words, index);
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

/** A report has a rule, a hint, and the stacks of functions of these names, in this order. */
function expectReport(report: LockRuleError, rule: string, ...places: string[]): void {
  expect(report.rule).toBe(rule);
  expect(report.code).toBe('EINVAL');
  expect(report.hint).toMatch(/\w+/);
  expect(report.sites.length).toBeGreaterThanOrEqual(2);
  expect(report.message).toContain('thread fault');
  let from = 0;
  for (const place of places) {
    const found = report.sites.findIndex(({ stack }, at) => at >= from && stack.includes(place));
    expect(found, `${place} in ${report.message}`).toBeGreaterThanOrEqual(0);
    from = found + 1;
    expect(report.message).toContain(place);
  }
}

describe('the documented order', () => {
  it('lets the longest way through', () => {
    downWrite(words, 0, mmapLock);
    downWrite(words, 4, vmaLock);
    downWrite(words, 8, iMmapRwsem);
    downWrite(words, 12, anonVma);
    spinLock(words, 16, pmdPtl);
    spinLock(words, 17, ptePtl);
    spinLock(words, 18, ptePtl.nested);
    spinLock(words, 19, zoneLock);
    expect(thread.lockdep?.depth).toBe(8);
    for (const index of [16, 17, 18, 19]) spinUnlock(words, index);
    for (const index of [0, 4, 8, 12]) upWrite(words, index);
    assertNoneHeld('the end');
  });

  it.each(DOCUMENTED_ORDER.map(({ outer, inner, why }) => [outer, inner, why] as const))('has %s before %s', (outer, inner, why) => {
    takeFirst(new LockClass(inner));
    const report = reportOf(() => { takeSecond(new LockClass(outer)); });
    expectReport(report, 'order', 'takeFirst', 'takeSecond');
    expect(report.message).toContain(why);
    expect(words[8]).toBe(0);
  });

  it('has what follows from it', () => {
    takeFirst(zoneLock);
    const report = reportOf(() => { takeSecond(pmdPtl); });
    expectReport(report, 'order', 'takeFirst', 'takeSecond');
    expect(report.message).toContain('pmd ptl, then pte ptl, then lru_lock, then zone lock');
  });

  it('has no mmap lock after a VMA lock, though the VMA lock was only tried for', () => {
    const mm = new MmapLock(words, 0);
    const vma = new VmaLock(mm, words, 8);
    vma.init();
    (function readLockVma() { expect(vma.startRead()).toBe(true); })();
    const report = reportOf(() => { (function fallBackTooLate() { mm.readLock(); })(); });
    expectReport(report, 'order', 'readLockVma', 'fallBackTooLate');
    vma.endRead();
    mm.readLock();
  });

  it('has the second of two locks of a kind inside of the first', () => {
    spinLock(words, 0, ptePtl);
    spinLock(words, 1, ptePtl.nested);
    giveBack();
    giveBack(1);
    takeFirst(ptePtl.nested);
    expectReport(reportOf(() => { takeSecond(ptePtl); }), 'order', 'takeFirst', 'takeSecond');
    expectReport(reportOf(() => { takeSecond(pmdPtl); }), 'order', 'takeFirst', 'takeSecond');
  });
});

describe('an order that was seen', () => {
  const a = new LockClass('a');
  const b = new LockClass('b');
  const c = new LockClass('c');

  function seeing(first: LockClass, second: LockClass): void {
    spinLock(words, 20, first);
    spinLock(words, 21, second);
    spinUnlock(words, 21);
    spinUnlock(words, 20);
  }

  it('counts, though it never deadlocked', () => {
    seeing(a, b);
    seeing(a, b);
    takeFirst(b);
    expectReport(reportOf(() => { takeSecond(a); }), 'order', 'seeing', 'takeFirst', 'takeSecond');
  });

  it('counts over several classes', () => {
    seeing(a, b);
    seeing(b, c);
    takeFirst(c);
    const report = reportOf(() => { takeSecond(a); });
    expectReport(report, 'order', 'seeing', 'seeing', 'takeFirst', 'takeSecond');
    expect(report.message).toContain('the order is a, then b, then c');
  });

  it('counts when another thread saw it', () => {
    setCurrentThread(other);
    seeing(a, b);
    setCurrentThread(thread);
    const attached = new Threads().join('fault', LockOrder.attach(order.share()));
    setCurrentThread(attached);
    takeFirst(b);
    const report = reportOf(() => { takeSecond(a); });
    expectReport(report, 'order', 'seeing', 'takeFirst', 'takeSecond');
    expect(report.message).toContain('thread collapse');
  });

  it('is not made by who only tries', () => {
    spinLock(words, 20, a);
    expect(spinTrylock(words, 21, b)).toBe(true);
    expect(order.rules().filter(({ inner }) => inner === 'b')).toEqual([]);
    // What is taken after a lock that was tried for is in order with it.
    spinLock(words, 22, c);
    expect(order.rules().filter(({ inner }) => inner === 'c').map(({ outer }) => outer).sort()).toEqual(['a', 'b']);
  });

  it('has room for 64 classes', () => {
    spinLock(words, 20, a);
    const known = new Set(DOCUMENTED_ORDER.flatMap(({ outer, inner }) => [outer, inner])).size;
    const more = Array.from({ length: 64 }, (_, number) => new LockClass(`class ${number}`));
    const taken = more.findIndex((lockClass) => {
      try {
        spinLock(words, 22, lockClass);
        spinUnlock(words, 22);
        return false;
      } catch (error) {
        expect(error).toMatchObject({ code: 'ENOMEM' });
        return true;
      }
    });
    expect(taken).toBe(64 - known - 1);
  });
});

describe('lockdep reports', () => {
  it('a lock that is taken again', () => {
    takeFirst(ptePtl);
    expectReport(reportOf(() => { takeSecond(ptePtl, 'spin', 0); }), 'recursion', 'takeFirst', 'takeSecond');
  });

  it('a lock that is read again, between which a writer may come', () => {
    takeFirst(mmapLock, 'read');
    expectReport(reportOf(() => { takeSecond(mmapLock, 'read', 0); }), 'recursion', 'takeFirst', 'takeSecond');
  });

  it('a second lock of a class', () => {
    takeFirst(ptePtl);
    const report = reportOf(() => { takeSecond(ptePtl); });
    expectReport(report, 'recursion', 'takeFirst', 'takeSecond');
    expect(report.hint).toContain('nested');
  });

  it('a reader that wants to write', () => {
    takeFirst(mmapLock, 'read');
    const report = reportOf(() => { takeSecond(mmapLock, 'write', 0); });
    expectReport(report, 'upgrade', 'takeFirst', 'takeSecond');
    expect(report.hint).toContain('look again');
  });

  it('a writer that wants to read', () => {
    takeFirst(mmapLock, 'write');
    const report = reportOf(() => { takeSecond(mmapLock, 'read', 0); });
    expectReport(report, 'upgrade', 'takeFirst', 'takeSecond');
    expect(report.hint).toContain('downgrade');
  });

  it('a lock that may sleep under a spin lock', () => {
    takeFirst(new LockClass('some spin lock'));
    expectReport(reportOf(() => { takeSecond(anonVma, 'read'); }), 'sleep', 'takeFirst', 'takeSecond');
    // Who tries does not sleep.
    expect(downReadTrylock(words, 8, anonVma)).toBe(true);
  });

  it('what may sleep in an RCU read section', () => {
    const rcu = new Rcu();
    (function beginSection() { rcu.readLock(); })();
    expectReport(reportOf(() => { takeSecond(mmapLock, 'read'); }), 'sleep', 'beginSection', 'takeSecond');
    expectReport(reportOf(() => { (function waitInside() { rcu.synchronizeRcu(); })(); }), 'sleep', 'beginSection', 'waitInside');
    expectReport(reportOf(() => { rcu.poll(); }), 'sleep', 'beginSection');
    expectReport(reportOf(() => { rcu.barrier(); }), 'sleep', 'beginSection');
    takeFirst(ptePtl);
    giveBack();
    rcu.readUnlock();
    rcu.synchronizeRcu();
  });

  it('a grace period under a spin lock', () => {
    takeFirst(ptePtl);
    expectReport(reportOf(() => { (function waitLocked() { new Rcu().synchronizeRcu(); })(); }), 'sleep', 'takeFirst', 'waitLocked');
  });

  it('a release that was forgotten', () => {
    takeFirst(mmapLock, 'write');
    takeSecond(ptePtl);
    const report = reportOf(() => { (function endOfOperation() { assertNoneHeld('the end of mmap()'); })(); });
    expectReport(report, 'leak', 'takeFirst', 'takeSecond', 'endOfOperation');
    expect(report.message).toContain('mmap_lock, pte ptl at the end of mmap()');
    expect(reportOf(() => { threads.leave(thread); }).rule).toBe('leak');
    giveBack(8);
    upWrite(words, 0);
    threads.leave(thread);
  });

  it('a read section that was forgotten', () => {
    const rcu = new Rcu();
    (function beginSection() { rcu.readLock(); })();
    expectReport(reportOf(() => { (function endOfOperation() { assertNoneHeld('the end'); })(); }), 'leak', 'beginSection', 'endOfOperation');
  });

  it('a second release, with the first', () => {
    takeFirst(ptePtl);
    giveBack();
    const report = reportOf(() => { (function giveBackAgain() { spinUnlock(words, 0); })(); });
    expectReport(report, 'release', 'giveBack', 'giveBackAgain');
  });

  it('a release of what another thread has', () => {
    setCurrentThread(other);
    takeFirst(ptePtl);
    setCurrentThread(thread);
    const report = reportOf(() => { giveBack(); });
    expectReport(report, 'release', 'giveBack');
    expect(report.message).toContain(`thread ${other.id} has it`);
    expect(words[0]).toBe(other.id);
  });

  it('a release in another mode', () => {
    takeFirst(mmapLock, 'read');
    expectReport(reportOf(() => { (function releaseWrong() { upWrite(words, 0); })(); }), 'release', 'takeFirst', 'releaseWrong');
    expectReport(reportOf(() => { (function downgradeWrong() { downgradeWrite(words, 0); })(); }), 'release', 'takeFirst', 'downgradeWrong');
    // Somebody reads, but not this thread.
    setCurrentThread(other);
    downRead(words, 0, mmapLock);
    upRead(words, 0);
    const report = reportOf(() => { upRead(words, 0); });
    expect(report.rule).toBe('release');
    expect(words[0]).toBe(1);
  });

  it('a table that is touched without its lock, with the place where it was let go', () => {
    takeFirst(ptePtl);
    lockdepAssertHeld(words, 0, ptePtl, 'pte 0x1000');
    giveBack();
    const report = reportOf(() => { (function touch() { lockdepAssertHeld(words, 0, ptePtl, 'pte 0x1000'); })(); });
    expectReport(report, 'unprotected', 'giveBack', 'touch');
    expect(report.message).toContain('touches pte 0x1000 without pte ptl');
  });

  it('a table whose lock another thread has', () => {
    setCurrentThread(other);
    takeFirst(ptePtl);
    setCurrentThread(thread);
    const report = reportOf(() => { (function touch() { lockdepAssertHeld(words, 0, ptePtl, 'pte 0x1000'); })(); });
    expectReport(report, 'unprotected', 'touch');
    expect(report.message).toContain(`thread ${other.id} has it now`);
  });

  it('what needs a writer, of a reader', () => {
    takeFirst(mmapLock, 'write');
    downgradeWrite(words, 0);
    lockdepAssertHeld(words, 0, mmapLock, 'the VMAs', ['read', 'write']);
    expectReport(reportOf(() => { (function change() { lockdepAssertHeld(words, 0, mmapLock, 'the VMAs', ['write']); })(); }), 'unprotected', 'takeFirst', 'change');
    const mm = new MmapLock(words, 0);
    expectReport(reportOf(() => { mm.assertWriteLocked('change a VMA'); }), 'unprotected', 'takeFirst');
    upRead(words, 0);
    const report = reportOf(() => { mm.assertLocked('look at a VMA'); });
    expectReport(report, 'unprotected');
  });

  it('a VMA that is used without its lock', () => {
    const vma = new VmaLock(new MmapLock(words, 0), words, 8);
    vma.init();
    expect(vma.startRead()).toBe(true);
    vma.assertLocked('look at it');
    (function endRead() { vma.endRead(); })();
    expectReport(reportOf(() => { (function look() { vma.assertLocked('look at it'); })(); }), 'unprotected', 'endRead', 'look');
  });

  it('both places, over the functions of the lock, however little the host keeps by itself', () => {
    const before = Error.stackTraceLimit;
    Error.stackTraceLimit = 4;
    try {
      const mm = new MmapLock(words, 0);
      (function outermost() { (function taker() { mm.readLock(); })(); })();
      (function giver() { mm.readUnlock(); })();
      expect(Error.stackTraceLimit).toBe(4);
      const [gone] = reportOf(() => { mm.assertLocked('the VMAs'); }).sites;
      expect(gone?.stack).toMatch(/upRead[^]*MmapLock\.readUnlock[^]*giver/);
      mm.readLock();
      mm.readUnlock();
      (function outermost() { (function taker() { mm.readLock(); })(); })();
      const [held] = reportOf(() => { mm.writeLock(); }).sites;
      expect(held?.stack).toMatch(/downRead[^]*MmapLock\.readLock[^]*taker[^]*outermost/);
    } finally {
      Error.stackTraceLimit = before;
    }
  });

  it('with texts of places that are made for the report alone', () => {
    const before = Object.getOwnPropertyDescriptor(Error, 'prepareStackTrace');
    let made = 0;
    Error.prepareStackTrace = (error) => { made++; return `the place of ${error.message}`; };
    try {
      for (let time = 0; time < 100; time++) {
        takeFirst(ptePtl);
        giveBack();
      }
      expect(made).toBe(0);
      expect(reportOf(() => { lockdepAssertHeld(words, 0, ptePtl, 'pte 0x1000'); }).sites.map(({ stack }) => stack)).toEqual(['the place of a place', 'the place of a place']);
      // The two places; the error itself was not asked.
      expect(made).toBe(2);
    } finally {
      if (before === undefined) Reflect.deleteProperty(Error, 'prepareStackTrace');
      else Object.defineProperty(Error, 'prepareStackTrace', before);
    }
  });

  it('the last of many places at which a lock was released, until there were 64 later ones', () => {
    const again = (index: number) => {
      takeFirst(ptePtl, 'spin', index);
      giveBack(index);
    };
    again(50);
    takeFirst(ptePtl, 'spin', 50);
    (function last() { giveBack(50); })();
    for (let time = 0; time < 63; time++) again(time % 40);
    const [site] = reportOf(() => { lockdepAssertHeld(words, 50, ptePtl, 'pte 0x1000'); }).sites;
    expect(site?.stack).toMatch(/giveBack[^]*last/);
    again(0);
    expect(thread.lockdep?.releaseOf(words, 50)).toBe(undefined);
    expect(thread.lockdep?.releaseOf(words, 0)?.what).toContain('was released (spin) by thread fault');
  });

  it('a wait that does not end', () => {
    takeFirst(iMmapRwsem, 'write');
    setCurrentThread(other);
    downWrite(words, 4, mmapLock);
    setCurrentThread(thread);
    takeSecond(ptePtl);
    giveBack(8);
    // What lockdep is for has to be left out to get there.
    const { lockdep } = thread;
    lockdep!.patience = 50;
    expectReport(reportOf(() => { (function waitForever() { downRead(words, 4, new LockClass('unknown')); })(); }), 'hung', 'takeFirst', 'waitForever');
    upWrite(words, 0);
    expect(reportOf(() => { downRead(words, 4, new LockClass('unknown')); }).message).toContain('it has no lock');
    // The one that gave up is not in the way.
    setCurrentThread(other);
    upWrite(words, 4);
    setCurrentThread(thread);
    downRead(words, 4, mmapLock);
  });
});

describe('a thread that is not checked', () => {
  it('has no lockdep, and does as it likes', () => {
    const free = threads.join('free');
    expect(free.lockdep).toBe(undefined);
    setCurrentThread(free);
    takeFirst(ptePtl);
    takeSecond(pageTableLock);
    downRead(words, 16, mmapLock);
    lockdepAssertHeld(words, 30, ptePtl, 'pte 0x1000');
    assertNoneHeld('the end');
    expect(order.rules().length).toBe(DOCUMENTED_ORDER.length);
  });
});
