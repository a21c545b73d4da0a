import { parentPort, workerData } from 'node:worker_threads';
import { isPgtableError, NO_TLB, TableMemory, type MmContext, type Root, type TableHandles } from '@pgtable/core';
import {
  Frames, FrameTables, lockClasses, LockOrder, PageTables, setCurrentThread, spinLock, spinUnlock, Threads, type SharedFrames, type SharedLockOrder, type SharedShadow, type SharedThreads,
  type TableOwner, WriteProtectedTables,
} from '../src/index.js';
import { LiveEntries } from '../src/pagetable/live-entries.js';
import { EFI, INIT, shape, USER } from './pagetable-machine.js';

/** What a thread does, over and over; see the functions of these names. */
export type Role = 'exchange' | 'deposit' | 'free all' | 'guarded';

/** What a thread is told. */
export interface Orders {
  readonly role: Role;
  readonly configuration: string;
  readonly rounds: number;
  readonly seed: number;
  /** How many threads there are: all begin together. */
  readonly crew: number;
  readonly frames: SharedFrames;
  readonly counters: Int32Array;
  readonly threads: SharedThreads;
  readonly order: SharedLockOrder;
  /** Addresses of tables that threads hand to each other; 0: none. */
  readonly slots: BigInt64Array;
  /** Of page tables that are protected. */
  readonly shadow: SharedShadow | undefined;
  /** How many threads are here. */
  readonly gate: Int32Array;
}

/** What a thread reports. */
export interface Done {
  readonly rounds: number;
  /** Tables that were another thread's, or that this thread was the one to free. */
  readonly got: number;
  readonly refused: number;
  readonly error: string;
}

// What the test beside this file posts.
const orders = workerData as Orders;
setCurrentThread(Threads.attach(orders.threads).join(`${orders.role} ${orders.seed}`, LockOrder.attach(orders.order)));
const configuration = shape(orders.configuration);
const frames = Frames.attach(orders.frames);
const tables: TableMemory = new FrameTables(frames, configuration.entryBytes);
const pageTables = new PageTables<TableHandles>(frames, tables, orders.counters);
const user = configuration.make<TableHandles>('user', tables);
const kernel = configuration.make<TableHandles>('kernel', tables);
const { slots } = orders;
let state = orders.seed * 7919;
let got = 0;
let refused = 0;

function random(below: number): number {
  state = (Math.imul(state, 1664525) + 1013904223) | 0;
  return (state >>> 8) % below;
}

/** Makes a table and puts it into a slot; frees what was there. */
function exchange(): void {
  const owner: TableOwner = [INIT, USER, EFI][random(3)]!;
  const table = pageTables.alloc(owner === USER ? user : kernel, owner, random(2) === 0 ? 'pte' : 'pmd');
  const before = Number(Atomics.exchange(slots, random(slots.length), BigInt(table.address)));
  if (before === 0) return;
  got++;
  pageTables.free(before);
}

/** Puts a table aside in the PMD table of the first slot, or takes one back, which may be another thread's; looks that it is empty. */
function deposit(): void {
  const pmd = Number(slots[0]!);
  const lock = pageTables.lockWord(pmd);
  const own = random(2) === 0 ? pageTables.alloc(user, USER, 'pte') : undefined;
  spinLock(frames.memmap, lock, lockClasses.pmdPtl);
  let taken: number | undefined;
  try {
    if (own !== undefined) pageTables.deposit(pmd, own.address);
    else if (Atomics.load(slots, 1) > 0n) taken = pageTables.withdraw(pmd);
    if (own !== undefined) Atomics.add(slots, 1, 1n);
    else if (taken !== undefined) Atomics.sub(slots, 1, 1n);
  } finally {
    spinUnlock(frames.memmap, lock);
  }
  if (taken === undefined) return;
  got++;
  const table = pageTables.adopt(user, 'pte', taken);
  table.set(random(table.entries), user.values.pte.ofPfn(1, user.vmProt(1)));
  pageTables.free(taken);
}

/** Tries to free every table that is there, as all the others do. */
function freeAll(): void {
  for (const address of slots) {
    try {
      pageTables.free(Number(address));
      got++;
    } catch (error) {
      if (!isPgtableError(error)) throw error;
      refused++;
    }
  }
}

let context: MmContext | undefined;

/** Changes a random entry of the PTE table that all share, under its lock, as an accessor does that tells of it. The root is in the first slot, the table in the second. */
function guarded(): void {
  const root = configuration.root('user', Number(slots[0]!));
  const first = BigInt(root.windows.find(({ half }) => half === 'user')!.start);
  // The first of the threads that come here protects the tables that are there.
  context ??= { user: true, tlb: NO_TLB, observer: new WriteProtectedTables(pageTables, { user, kernel }, orders.shadow).observer(user, root) };
  const lock = pageTables.lockWord(Number(slots[1]!));
  const { size, entry } = entryOf(root, first);
  const index = random(16);
  spinLock(frames.memmap, lock, lockClasses.ptePtl);
  try {
    const { pte: ops } = user.ops;
    const ptep = ops.advance(entry, index);
    if (user.values.pte.none(ops.get(ptep))) ops.set(context, first + BigInt(index) * size, ptep, user.values.pte.ofPfn(random(1000), user.vmProt(1)), 1);
    else ops.clear(context, first + BigInt(index) * size, ptep, 1).ignore('nothing runs here');
  } finally {
    spinUnlock(frames.memmap, lock);
  }
  got++;
}

function entryOf(root: Root, address: bigint): { readonly size: bigint; readonly entry: TableHandles['pte'] } {
  const live = new LiveEntries(user, root);
  return { size: live.bytes('pte'), entry: live.find('pte', address)! };
}

const WORK: Readonly<Record<Role, () => void>> = { exchange, deposit, 'free all': freeAll, guarded };
let rounds = 0;
let error = '';
Atomics.add(orders.gate, 0, 1);
while (Atomics.load(orders.gate, 0) < orders.crew);
try {
  for (; rounds < orders.rounds; rounds++) WORK[orders.role]();
} catch (thrown) {
  error = String(thrown);
}
const done: Done = { rounds, got, refused, error };
parentPort!.postMessage(done);
