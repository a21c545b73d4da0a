import { parentPort, workerData } from 'node:worker_threads';
import type { TableHandles } from '@pgtable/core';
import {
  addUser, attachKernel, cleanRecordRange, clearYoung, fork, madvise, mmap, mprotect, mremap, munmap, readUser, setHugePolicy, UserFaultError, VmaFlags, writeUser, type SharedMachine,
} from '../src/index.js';
import type { Space } from './ops-machine.js';
import { PAGES } from './ops-places.js';
import { shape } from './pagetable-machine.js';

/** What a thread does, over and over; see the functions of these names. */
export type Role = 'adder' | 'forker' | 'changer' | 'toucher' | 'mover' | 'follower' | 'harvester';

/** What a thread is told. */
export interface Orders {
  readonly role: Role;
  /** 0: until it is stopped. */
  readonly rounds: number;
  readonly seed: number;
  readonly machine: string;
  readonly kernel: SharedMachine;
  readonly mm: number;
  /** Where the regions of the test are, of {@link PAGES} pages each: counters; what is mapped and unmapped; what is moved, and its two places. */
  readonly counters: number;
  readonly changing: number;
  readonly places: readonly [number, number];
  /** Whether to stop; how many threads that run until they are stopped have begun. */
  readonly stop: Int32Array;
  /** How many such threads there are: the others wait for them, so that all run at once however late a thread starts. */
  readonly endless: number;
}

/** What a thread reports. */
export interface Done {
  readonly role: Role;
  /** What it has done or seen. */
  readonly count: number;
  /** What could not be, and was. */
  readonly wrong: readonly string[];
  readonly error: string;
}

const RIGHTS = VmaFlags.Read | VmaFlags.Write;

// What the tests beside this file post.
const { role, rounds, seed, machine, kernel: image, mm: mmId, counters, changing, places, stop, endless } = workerData as Orders;
const kernel = attachKernel<TableHandles>(image, shape(machine));
kernel.join(`${role} ${seed}`);
setHugePolicy(kernel, { pmd: 'never', mthp: 'always', orders: [2] });
const mm: Space = kernel.mm(mmId);
const { pageBytes } = mm;
const wrong: string[] = [];
let count = 0;
let state = seed;

function random(below: number): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
  return (state >>> 8) % below;
}

/** What an access gives; undefined: it faulted. */
function tried<T>(access: () => T): T | undefined {
  try {
    return access();
  } catch (error) {
    if (error instanceof UserFaultError && error.signal === 'SIGSEGV') return undefined;
    throw error;
  }
}

const roles: Readonly<Record<Role, () => void>> = {
  /** Adds to words that all threads of the process add to. */
  adder() {
    addUser(mm, counters + random(PAGES) * pageBytes, 1);
    count++;
  },
  /** A child sees what its parent had at one moment, whatever the parent does. */
  forker() {
    const child = fork(mm);
    const look = (): string => Array.from({ length: PAGES }, (_, page) => readUser(child, counters + page * pageBytes)).join();
    const before = look();
    writeUser(child, counters, -1);
    writeUser(child, counters, Number(before.split(',')[0]));
    munmap(child, changing, PAGES * pageBytes);
    if (look() !== before) wrong.push(`a child had ${before}, and has ${look()}`);
    child.mmput();
    count++;
  },
  /** Maps, unmaps and protects. */
  changer() {
    const first = random(PAGES);
    const address = changing + first * pageBytes;
    const bytes = (1 + random(PAGES - first)) * pageBytes;
    const what = random(4);
    if (what === 0) munmap(mm, address, bytes);
    else if (what === 1) mmap(mm, { address, bytes, fixed: true, prot: RIGHTS });
    else {
      mmap(mm, { address, bytes, fixed: true, prot: VmaFlags.Read });
      if (what === 2) mprotect(mm, address, bytes, RIGHTS);
      else madvise(mm, address, bytes, 'dontneed');
    }
    count++;
  },
  /** Uses what another maps and unmaps: each page is zeros, or has what is written there. */
  toucher() {
    const page = random(PAGES);
    const address = changing + page * pageBytes;
    tried(() => { writeUser(mm, address, page + 1); });
    const word = tried(() => readUser(mm, address));
    if (word !== undefined && word !== 0 && word !== page + 1) wrong.push(`page ${page} had ${word}`);
    if (word !== undefined) count++;
  },
  /** Moves pages to and fro. */
  mover() {
    for (const [from, to] of [places, [places[1], places[0]]] as const) mremap(mm, from, PAGES * pageBytes, PAGES * pageBytes, { to });
    count++;
  },
  /** Looks at what is moved, at both places: it is there as it was, or nothing is. */
  follower() {
    const page = random(PAGES);
    for (const place of places) {
      const word = tried(() => readUser(mm, place + page * pageBytes));
      if (word === undefined) continue;
      count++;
      if (word !== page + 1) wrong.push(`page ${page} at 0x${place.toString(16)} had ${word}`);
    }
  },
  /** Takes young and dirty marks. */
  harvester() {
    mm.lock.readLock();
    try {
      clearYoung(mm, counters, counters + PAGES * pageBytes);
      count += cleanRecordRange(mm, counters, counters + PAGES * pageBytes).length;
    } finally {
      mm.lock.readUnlock();
    }
  },
};

let error = '';
try {
  while (rounds > 0 && Atomics.load(stop, 1) < endless && Atomics.load(stop, 0) === 0) {
    kernel.rcu.poll();
    Atomics.wait(stop, 1, Atomics.load(stop, 1), 1);
  }
  for (let round = 0; (rounds === 0 || round < rounds) && Atomics.load(stop, 0) === 0; round++) {
    roles[role]();
    kernel.rcu.poll();
    if (rounds === 0 && round === 0) Atomics.add(stop, 1, 1);
  }
  kernel.rcu.barrier();
  kernel.leave();
} catch (caught) {
  error = caught instanceof Error ? `${caught.message}\n${caught.stack ?? ''}` : String(caught);
  Atomics.store(stop, 0, 1);
}
parentPort?.postMessage({ role, count, wrong, error } satisfies Done);
