import { parentPort, workerData } from 'node:worker_threads';
import type { AliasHandles } from '@pgtable/core';
import { Kernel, VmaFlags, type SharedKernel, type Vma as AnyVma } from '../src/index.js';
import { MACHINE } from './kernel-machines.js';
import { at } from './kernel-places.js';

type Vma = AnyVma<AliasHandles>;

/** What a thread does, over and over; see the functions of these names. */
export type Role = 'changer' | 'reader' | 'fast reader' | 'careless fast reader' | 'file reader' | 'remover' | 'starter';

/** What a thread is told. */
export interface Orders {
  readonly role: Role;
  readonly name: string;
  /** 0: until it is stopped. */
  readonly rounds: number;
  readonly crew: number;
  /** How many of them have no number of rounds. */
  readonly endless: number;
  readonly seed: number;
  readonly kernel: SharedKernel;
  readonly mm: number;
  readonly mapping: number;
  readonly memory: Int32Array;
}

/** What a thread reports. */
export interface Done {
  readonly role: Role;
  readonly rounds: number;
  /** What could not be, and was: in words. */
  readonly wrong: readonly string[];
  /** Rounds in which it found something. */
  readonly found: number;
  /** Rounds in which it could not tell. */
  readonly missed: number;
  readonly error: string;
}

// What the tests beside this file post.
const { role, name, rounds, crew, endless, seed, kernel: image, mm: mmId, mapping: mappingId, memory } = workerData as Orders;
const kernel = Kernel.attach(image, MACHINE);
kernel.join(name);
const mm = kernel.mm(mmId);
const mapping = kernel.mapping(mappingId);
const { pageBytes } = mm;
/** Pages that VMAs of the test are in. */
const PAGES = 64;

const wrong: string[] = [];
let found = 0;
let missed = 0;
let state = seed;

function random(below: number): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
  return (state >>> 8) % below;
}

function pause(steps: number): void {
  for (let step = 0; step < steps; step++) Atomics.load(memory, at.stop);
}

function must(condition: boolean, what: string): void {
  if (!condition) wrong.push(what);
}

/** Every VMA of the test says in its flags and its pgoff where it begins and ends, so that a VMA that is half changed shows. */
function mark(vma: Vma): void {
  mm.setVmaFlags(vma, VmaFlags.Read | (vma.start / pageBytes) << 8 | (vma.end / pageBytes) << 16);
}

function isWhole(vma: Vma): boolean {
  const { start, end, flags } = vma;
  return flags === (VmaFlags.Read | (start / pageBytes) << 8 | (end / pageBytes) << 16) && vma.pgoff === start / pageBytes;
}

function change(): void {
  const start = random(PAGES - 8);
  const end = start + 1 + random(8);
  const there = mm.vmas(start * pageBytes, end * pageBytes);
  const first = there[0];
  const what = random(4);
  if (first === undefined) {
    mark(mm.insertVma({ start: start * pageBytes, end: end * pageBytes, flags: 0, pgoff: start, ...(random(2) === 0 ? {} : { mapping }) }));
  } else if (what === 0) {
    for (const vma of there) mm.removeVma(vma);
  } else if (what === 1 && first.pages > 1) {
    const upper = mm.splitVma(first, first.start + pageBytes * (1 + random(first.pages - 1)));
    mark(first);
    mark(upper);
  } else if (what === 2 && first.pages > 1) {
    mm.adjustVma(first, first.start + pageBytes, first.end);
    mark(first);
  } else {
    const flags = VmaFlags.Read;
    for (const vma of mm.vmas()) if (vma.start <= first.end && vma.end >= first.start) mm.setVmaFlags(vma, flags);
    mm.mergeVmas(first);
    for (const vma of mm.vmas()) mark(vma);
  }
}

function checkAll(vmas: readonly Vma[]): void {
  let end = 0;
  for (const vma of vmas) {
    must(!vma.detached && vma.mm === mm, 'a VMA that is not there');
    must(vma.start >= end, 'VMAs overlap');
    must(isWhole(vma), 'a VMA is half changed');
    ({ end } = vma);
  }
}

const steps: Record<Role, () => void> = {
  'changer'() {
    mm.lock.writeLock();
    checkAll(mm.vmas());
    const changes = 1 + random(3);
    for (let count = 0; count < changes; count++) change();
    checkAll(mm.vmas());
    Atomics.add(memory, at.changes, changes);
    if (random(4) === 0) {
      mm.lock.writeDowngrade();
      checkAll(mm.vmas());
      mm.lock.readUnlock();
    } else mm.lock.writeUnlock();
    kernel.rcu.poll();
  },
  'reader'() {
    mm.lock.readLock();
    const before = Atomics.load(memory, at.changes);
    const vmas = mm.vmas();
    checkAll(vmas);
    found += vmas.length;
    for (const vma of vmas) must(mm.findVma(vma.start) === vma, 'find_vma finds another');
    must(Atomics.load(memory, at.changes) === before, 'somebody changed VMAs meanwhile');
    mm.lock.readUnlock();
  },
  'fast reader'() {
    const address = random(PAGES) * pageBytes;
    const vma = mm.lockVmaUnderRcu(address);
    if (vma === undefined) {
      missed++;
      return;
    }
    found++;
    const { start, end } = vma;
    must(vma.contains(address), 'a VMA of another address');
    for (let look = 0; look < 10; look++) {
      pause(20);
      must(!vma.detached && vma.start === start && vma.end === end && isWhole(vma), 'a VMA changes that is locked');
    }
    vma.lock.endRead();
  },
  // As 'fast reader', and does not lock the VMA.
  'careless fast reader'() {
    const address = random(PAGES) * pageBytes;
    const vma = mm.lockVmaUnderRcu(address);
    if (vma === undefined) return;
    vma.lock.endRead();
    pause(500);
    found++;
    try {
      must(!vma.detached && isWhole(vma), 'a VMA changes that is not locked');
    } catch {
      wrong.push('a VMA that is not locked is gone');
    }
  },
  'file reader'() {
    mapping.lockRead();
    const vmas = mapping.vmas(0, PAGES);
    found += vmas.length;
    // Their flags are not protected by this lock, but their ranges are.
    const ranges = vmas.map((vma) => [vma.start, vma.end, vma.pgoff]);
    must(vmas.every((vma) => vma.mapping === mapping && vma.pgoff === vma.start / pageBytes), 'a VMA of another file');
    pause(300);
    must(JSON.stringify(mapping.vmas(0, PAGES).map((vma) => [vma.start, vma.end, vma.pgoff])) === JSON.stringify(ranges), 'VMAs of a file change while it is locked');
    mapping.unlockRead();
  },
  // One VMA, again and again, in whatever slot is free.
  'remover'() {
    mm.lock.writeLock();
    const vma = mm.vmas()[0] ?? mm.insertVma({ start: 0, end: pageBytes * PAGES, flags: 0, pgoff: 0 });
    mark(vma);
    mm.lock.writeUnlock();
    pause(200);
    mm.lock.writeLock();
    mm.removeVma(vma);
    mm.lock.writeUnlock();
    Atomics.add(memory, at.changes, 1);
    kernel.rcu.poll();
  },
  // Address spaces of its own, which begin as a copy of the VMAs of the first: what fork does.
  'starter'() {
    const child = kernel.newMm();
    mm.lock.writeLock();
    child.lock.writeLockNested();
    for (const vma of mm.vmas()) {
      if (vma.mapping === undefined) child.insertVma({ start: vma.start, end: vma.end, flags: vma.flags, pgoff: vma.pgoff });
      else child.insertVma({ start: vma.start, end: vma.end, flags: vma.flags, pgoff: vma.pgoff, mapping: vma.mapping });
    }
    must(JSON.stringify(child.vmas().map(({ start, end, flags }) => [start, end, flags])) === JSON.stringify(mm.vmas().map(({ start, end, flags }) => [start, end, flags])), 'a child has other VMAs');
    child.lock.writeUnlock();
    mm.lock.writeUnlock();
    pause(200);
    child.lock.writeLock();
    for (const vma of child.vmas()) {
      found++;
      child.removeVma(vma);
    }
    child.lock.writeUnlock();
    child.mmput();
    kernel.rcu.poll();
  },
};

let round = 0;
let error = '';
try {
  Atomics.add(memory, at.begun, 1);
  while (Atomics.load(memory, at.begun) < crew) pause(1);
  const step = steps[role];
  // Whoever has a number of rounds goes on until each of the others has met what it is for, which may come late where there are few processors.
  const isEnough = (): boolean => rounds > 0 && round >= rounds && (Atomics.load(memory, at.found) >= endless || round >= rounds * 100);
  let isTold = false;
  while (!isEnough() && Atomics.load(memory, at.stop) === 0) {
    step();
    round++;
    if (rounds > 0 || isTold || found === 0 || (role === 'fast reader' && missed === 0)) continue;
    isTold = true;
    Atomics.add(memory, at.found, 1);
  }
  kernel.leave();
} catch (thrown) {
  error = thrown instanceof Error ? `${thrown.message}\n${thrown.stack ?? ''}` : String(thrown);
}
const done: Done = { role, rounds: round, wrong: [...new Set(wrong)], found, missed, error };
parentPort?.postMessage(done);
