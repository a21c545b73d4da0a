import { parentPort, workerData } from 'node:worker_threads';
import {
  downgradeWrite, downRead, downWrite, LockClass, LockOrder, lockClasses, MmapLock, Rcu, setCurrentThread, spinLock, spinTrylock, spinUnlock, Threads, upRead, upWrite, VmaLock,
  type SharedLockOrder, type SharedRcu, type SharedThreads,
} from '../src/index.js';
import { at, OBJECT_WORDS, OBJECTS } from './locks-places.js';

/** What a thread does, over and over; see the functions of these names. */
export type Role =
  | 'increment' | 'increment without lock' | 'increment slowly' | 'hog' | 'patient' | 'try' | 'pair writer' | 'pair reader' | 'downgrader' | 'greedy reader' | 'one writer' | 'fault' | 'vma writer' | 'careless vma writer'
  | 'rcu reader' | 'rcu updater' | 'hasty rcu updater' | 'deferring updater' | 'left then right' | 'right then left';

/** What a thread is told. */
export interface Orders {
  readonly role: Role;
  readonly name: string;
  readonly rounds: number;
  /** How many threads there are: all begin together. */
  readonly crew: number;
  /** How many of them have no number of rounds: the others begin when each of these has done one. */
  readonly endless: number;
  readonly threads: SharedThreads;
  /** Checks the thread's locks. */
  readonly order: SharedLockOrder | undefined;
  readonly rcu: SharedRcu;
  /** Its places are in locks-places.ts. */
  readonly memory: Int32Array;
}

/** What a thread reports. */
export interface Done {
  readonly role: Role;
  readonly rounds: number;
  /** What could not be, and was. */
  readonly wrong: number;
  /** Rounds in which somebody slept meanwhile, or in which it did the other of two things. */
  readonly other: number;
  readonly error: string;
}

/** The kind of the deferred calls. */
const FREE = 1;

// What the tests beside this file post.
const { role, name, rounds, crew, endless, threads: threadsImage, order, rcu: rcuImage, memory } = workerData as Orders;
const threads = Threads.attach(threadsImage);
const thread = threads.join(name, order === undefined ? undefined : LockOrder.attach(order));
setCurrentThread(thread);
const rcu = Rcu.attach(rcuImage);
const mmap = new MmapLock(memory, at.mmap);
const vma = new VmaLock(mmap, memory, at.vma);
const spin = lockClasses.ptePtl;
const rw = lockClasses.iMmapRwsem;
const left = new LockClass('left');
const right = new LockClass('right');

let wrong = 0;
let other = 0;
const mine: number[] = [];

function pause(steps: number): void {
  for (let step = 0; step < steps; step++) Atomics.load(memory, at.stop);
}

/** One plain increment, with time between its two halves. */
function increment(steps: number): void {
  const before = memory[at.count]!;
  pause(steps);
  memory[at.count] = before + 1;
}

/** Two words that are equal whenever nobody writes them. */
function writePair(steps: number): void {
  memory[at.left] = memory[at.left]! + 1;
  pause(steps);
  memory[at.right] = memory[at.right]! + 1;
}

function readPair(steps: number): void {
  const before = memory[at.left];
  pause(steps);
  if (memory[at.right] !== before || memory[at.left] !== before) wrong++;
}

const objectAt = (object: number): number => at.objects + object * OBJECT_WORDS;

/** Publishes another object. Returns the one that nobody can find any more. */
function replace(next: number): number {
  Atomics.store(memory, objectAt(next), 1);
  return Atomics.exchange(memory, at.current, next);
}

function free(object: number): void {
  Rcu.retire(memory, objectAt(object) + 1);
  Atomics.store(memory, objectAt(object), 0);
  mine.push(object);
}

function takeBoth(outerAt: number, outer: LockClass, innerAt: number, inner: LockClass): void {
  spinLock(memory, outerAt, outer);
  try {
    spinLock(memory, innerAt, inner);
    spinUnlock(memory, innerAt);
  } finally {
    spinUnlock(memory, outerAt);
  }
}

rcu.handle(FREE, free);

const steps: Record<Role, (round: number) => void> = {
  'increment'() {
    spinLock(memory, at.spin, spin);
    increment(3);
    spinUnlock(memory, at.spin);
  },
  'increment without lock'() {
    increment(3);
  },
  // Long enough that who waits goes to sleep.
  'increment slowly'() {
    spinLock(memory, at.spin, spin);
    increment(2000);
    if (Atomics.load(memory, at.spin) !== thread.id) other++;
    spinUnlock(memory, at.spin);
  },
  // Has the lock again before anybody whom it woke can run.
  'hog'() {
    spinLock(memory, at.spin, spin);
    increment(20_000);
    spinUnlock(memory, at.spin);
  },
  // Comes when the hog is at work.
  'patient'() {
    const seen = Atomics.load(memory, at.count);
    while (Atomics.load(memory, at.count) - seen < 2) pause(10);
    spinLock(memory, at.spin, spin);
    spinUnlock(memory, at.spin);
  },
  'try'() {
    while (!spinTrylock(memory, at.spin, spin)) other++;
    increment(3);
    spinUnlock(memory, at.spin);
  },
  'pair writer'() {
    downWrite(memory, at.rw, rw);
    writePair(50);
    upWrite(memory, at.rw);
  },
  'pair reader'() {
    downRead(memory, at.rw, rw);
    readPair(50);
    upRead(memory, at.rw);
  },
  'downgrader'() {
    downWrite(memory, at.rw, rw);
    writePair(20);
    const written = memory[at.left];
    downgradeWrite(memory, at.rw);
    // No writer came in between.
    if (memory[at.left] !== written) wrong++;
    readPair(2000);
    // Another reader is in.
    if (Atomics.load(memory, at.rw) > 1) Atomics.add(memory, at.count, 1);
    upRead(memory, at.rw);
  },
  // Is in again at once, so that with others like it there is hardly a moment without a reader.
  'greedy reader'() {
    downRead(memory, at.rw, rw);
    pause(5000);
    upRead(memory, at.rw);
  },
  'one writer'() {
    downWrite(memory, at.rw, rw);
    writePair(5);
    upWrite(memory, at.rw);
  },
  'fault'() {
    if (vma.startRead()) {
      readPair(50);
      vma.endRead();
      return;
    }
    other++;
    mmap.readLock();
    readPair(50);
    mmap.readUnlock();
  },
  'vma writer'(round) {
    mmap.writeLock();
    vma.startWrite();
    writePair(50);
    if (round % 4 === 0) {
      mmap.writeDowngrade();
      readPair(20);
      mmap.readUnlock();
    } else mmap.writeUnlock();
    pause(500);
  },
  'careless vma writer'() {
    mmap.writeLock();
    writePair(50);
    mmap.writeUnlock();
  },
  'rcu reader'(round) {
    rcu.readLock();
    const nested = round % 3;
    for (let depth = 0; depth < nested; depth++) rcu.readLock();
    const object = objectAt(Atomics.load(memory, at.current));
    const pointer = rcu.rcuDereference(memory, object + 1);
    let gone = false;
    for (let look = 0; look < 20; look++) {
      pause(10);
      if (look < nested) rcu.readUnlock();
      if (Atomics.load(memory, object) === 0) gone = true;
    }
    if (gone) wrong++;
    try {
      rcu.rcuDereferenceCheck(pointer, 'an object');
    } catch {
      other++;
    }
    rcu.readUnlock();
  },
  'rcu updater'() {
    const old = replace(mine.pop()!);
    rcu.synchronizeRcu();
    free(old);
  },
  'hasty rcu updater'() {
    free(replace(mine.pop()!));
    pause(100);
  },
  'deferring updater'() {
    const next = mine.pop();
    if (next === undefined) {
      other++;
      rcu.barrier();
      return;
    }
    rcu.callRcu(FREE, replace(next));
    rcu.poll();
  },
  'left then right'() {
    takeBoth(at.left, left, at.right, right);
  },
  'right then left'() {
    takeBoth(at.right, right, at.left, left);
  },
};

// Each updater has objects of its own; the one that is published first is object 0.
const updaters: readonly Role[] = ['rcu updater', 'hasty rcu updater', 'deferring updater'];
if (updaters.includes(role)) for (let object = 1; object < OBJECTS; object++) mine.push(object);

let round = 0;
let error = '';
try {
  Atomics.add(memory, at.begun, 1);
  while (Atomics.load(memory, at.begun) < crew) pause(1);
  const step = steps[role];
  if (rounds > 0) while (Atomics.load(memory, at.atWork) < endless) pause(1);
  // Those without a number of rounds go on until they are stopped.
  while (round < (rounds === 0 ? Infinity : rounds) && Atomics.load(memory, at.stop) === 0) {
    step(round++);
    if (rounds === 0 && round === 1) Atomics.add(memory, at.atWork, 1);
  }
  if (role === 'deferring updater') rcu.barrier();
  threads.leave(thread);
} catch (thrown) {
  error = thrown instanceof Error ? thrown.message : String(thrown);
  // Nobody waits for it.
  Atomics.add(memory, at.atWork, 1);
}
const done: Done = { role, rounds: round, wrong, other, error };
parentPort?.postMessage(done);
