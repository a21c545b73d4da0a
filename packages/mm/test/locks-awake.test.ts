import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type * as Mm from '../src/index.js';

/* The main thread of a browser: Atomics.wait throws there, whatever it is asked. */

let mm: typeof Mm;
beforeAll(async () => {
  vi.spyOn(Atomics, 'wait').mockImplementation(() => {
    throw new TypeError('Atomics.wait cannot be called in this context');
  });
  // The answer is asked for once, so these are modules of their own.
  vi.resetModules();
  mm = await import('../src/index.js');
});
afterAll(() => {
  vi.restoreAllMocks();
});

it('a thread that may not sleep looks for a while, then says so, and is not in the way of others', () => {
  const { lockClasses, spinLock, spinUnlock, downRead, upRead, downWrite, upWrite, Rcu, setCurrentThread, Threads } = mm;
  const words = new Int32Array(new SharedArrayBuffer(32));
  const threads = new Threads();
  const worker = threads.join('worker');
  const main = threads.join('main');
  const rcu = new Rcu();
  setCurrentThread(worker);
  spinLock(words, 0, lockClasses.ptePtl);
  downWrite(words, 2, lockClasses.iMmapRwsem);
  downRead(words, 4, lockClasses.mmapLock);
  rcu.readLock();
  setCurrentThread(main);
  const refused: unknown = expect.objectContaining({ code: 'ENOTSUP', hint: expect.stringContaining('in a worker') as string });
  expect(() => { spinLock(words, 0, lockClasses.ptePtl); }).toThrow(refused);
  expect(() => { downRead(words, 2, lockClasses.iMmapRwsem); }).toThrow(refused);
  expect(() => { downWrite(words, 2, lockClasses.iMmapRwsem); }).toThrow(refused);
  expect(() => { downWrite(words, 4, lockClasses.mmapLock); }).toThrow(refused);
  expect(() => { rcu.synchronizeRcu(); }).toThrow(refused);
  setCurrentThread(worker);
  spinUnlock(words, 0);
  upWrite(words, 2);
  upRead(words, 4);
  rcu.readUnlock();
  expect([...words]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  setCurrentThread(main);
  spinLock(words, 0, lockClasses.ptePtl);
  spinUnlock(words, 0);
  downWrite(words, 2, lockClasses.iMmapRwsem);
  upWrite(words, 2);
  rcu.synchronizeRcu();
});
