import { parentPort, workerData } from 'node:worker_threads';
import type { TableHandles } from '@pgtable/core';
import { addUser, readUser, writeUser } from '../src/access/user-access.js';
import { attachKernel, type SharedMachine } from '../src/boot.js';
import { setHugePolicy } from '../src/faults/policy.js';
import { hugePmdOrder } from '../src/folio/huge.js';
import { getUserPagesFast, putPages } from '../src/gup/get-user-pages.js';
import { collapseHugePage } from '../src/khugepaged/collapse-huge-page.js';
import { fork } from '../src/ops/fork.js';
import { baseOf, shape, zap } from './faults-machine.js';

/** What a thread does, over and over; see the functions of these names. */
export type Role = 'first' | 'adder' | 'forker' | 'collapser' | 'zapper' | 'writer' | 'gup';

/** What a thread is told. */
export interface Orders {
  readonly role: Role;
  readonly configuration: string;
  /** 0: until the others are done. */
  readonly rounds: number;
  readonly seed: number;
  readonly crew: number;
  /** How many of them have no number of rounds: the others begin when each of these has done one. */
  readonly endless: number;
  readonly pages: number;
  readonly kernel: SharedMachine;
  readonly mm: number;
  /** begun, stop, the turn of threads that go in step, and how many of those without a number of rounds are at work. */
  readonly memory: Int32Array;
}

/** What a thread reports. */
export interface Done {
  readonly role: Role;
  readonly rounds: number;
  /** What could not be, and was. */
  readonly wrong: readonly string[];
  /** Rounds in which it did what it is for. */
  readonly did: number;
  readonly error: string;
}

// What the test beside this file posts.
const { role, configuration, rounds, seed, crew, endless, pages, kernel: image, mm: id, memory } = workerData as Orders;
const kernel = attachKernel<TableHandles>(image, shape(configuration));
kernel.join(`${role} ${seed}`);
setHugePolicy(kernel, { pmd: 'never', mthp: 'always', orders: [1, 4] });
const mm = kernel.mm(id);
const { pageBytes } = mm;
const base = baseOf(mm);
const wrong = new Set<string>();
let did = 0;
let state = seed * 7919;

function random(below: number): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
  return (state >>> 8) % below;
}

/** The word in which each page says which one it is: 0 before anybody has written it. */
const MARK = 12;
const markOf = (page: number): number => 1_000_000 + page;

const steps: Record<Role, (round: number) => void> = {
  // All threads touch the same page at the same time; the next one is the next round's.
  'first'(round) {
    Atomics.add(memory, 2, 1);
    while (Atomics.load(memory, 2) < (round + 1) * crew);
    addUser(mm, base + (round % pages) * pageBytes, 1);
    did++;
  },
  // Each addition must be there in the end, whatever happens to the page meanwhile.
  'adder'() {
    addUser(mm, base + random(pages) * pageBytes + (seed % 2) * 4, 1);
    did++;
  },
  // A child has what the parent had at some moment, and what it writes the parent never sees.
  'forker'() {
    const child = fork(mm);
    const page = random(pages);
    const address = base + page * pageBytes;
    const before = readUser(child, address);
    if (readUser(child, address) !== before) wrong.add('memory of a child changes');
    writeUser(child, address + MARK, -1);
    if (readUser(child, address + MARK) !== -1) wrong.add('a child does not read what it has written');
    child.mmput();
    const mark = readUser(mm, address + MARK);
    if (mark === -1) wrong.add('what a child writes the parent reads');
    kernel.rcu.poll();
    did++;
  },
  'collapser'() {
    if (hugePmdOrder(mm) !== undefined && collapseHugePage(mm, base) === 'succeed') did++;
    kernel.rcu.poll();
  },
  'zapper'() {
    mm.lock.readLock();
    const vma = mm.vmaLookup(base);
    const first = random(pages);
    if (vma !== undefined) zap(vma, base + first * pageBytes, base + Math.min(pages, first + 1 + random(4)) * pageBytes);
    mm.lock.readUnlock();
    kernel.rcu.poll();
    did++;
  },
  'writer'() {
    const page = random(pages);
    writeUser(mm, base + page * pageBytes + MARK, markOf(page));
    const mark = readUser(mm, base + page * pageBytes + MARK);
    if (mark !== 0 && mark !== markOf(page)) wrong.add('a page has another page\'s mark');
    did++;
  },
  // What a reference is on stays what it is.
  'gup'() {
    const first = random(pages);
    const count = Math.min(pages - first, 1 + random(6));
    const write = random(2) === 0;
    const got = getUserPagesFast(mm, base + first * pageBytes, count, write);
    if (got.length !== count) wrong.add('pages cannot be had');
    got.forEach((pfn, at) => {
      const word = (pfn - kernel.frames.firstPfn) * pageBytes / 4 + MARK / 4;
      for (let look = 0; look < 5; look++) {
        const mark = Atomics.load(kernel.frames.ram, word);
        if (mark !== 0 && mark !== markOf(first + at)) wrong.add('a page that is referred to is another\'s');
      }
      if (write && pfn === kernel.zeroPfn) wrong.add('the zero page is to be written');
    });
    putPages(mm, got);
    did++;
  },
};

let round = 0;
let error = '';
try {
  Atomics.add(memory, 0, 1);
  while (Atomics.load(memory, 0) < crew);
  while (rounds > 0 && Atomics.load(memory, 3) < endless && Atomics.load(memory, 1) === 0) kernel.rcu.poll();
  while ((rounds === 0 || round < rounds) && Atomics.load(memory, 1) === 0) {
    steps[role](round++);
    if (rounds === 0 && round === 1) Atomics.add(memory, 3, 1);
  }
  kernel.rcu.poll();
  kernel.ledger?.close();
  kernel.leave();
} catch (thrown) {
  error = thrown instanceof Error ? `${thrown.message}\n${thrown.stack ?? ''}` : String(thrown);
  // The others would wait for it.
  Atomics.store(memory, 1, 1);
}
const done: Done = { role, rounds: round, wrong: [...wrong], did, error };
parentPort?.postMessage(done);
