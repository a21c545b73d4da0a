import { geometryOf, LEVELS, NO_TLB, TableMemory, VmFlags, type Level, type Root, type SharedTables, type StrongHandles, type UnlinkedTable, type WritableArch, type WritableOps } from '@pgtable/core';
import { ALL, memoryOf, type Configuration } from '../../arch-testkit/test/configurations.js';
import {
  AccessType, LockClass, lockClasses, MmapLock, Rcu, scenario, schedulePoint, setCurrentThread, spinLock, spinUnlock, Threads, VmaLock, withSchedulePoints,
  type AnyScenario, type SharedRcu, type SharedThreads,
} from '../src/index.js';
import { scheduleBlocked } from '../src/schedule-point.js';
import { programScenario } from './schedule-programs.js';

/** Two counters, and locks. */
interface Board {
  readonly threads: SharedThreads;
  readonly rcu: SharedRcu;
  readonly words: Int32Array;
}

export const at = { count: 0, other: 1, spin: 8, second: 9, mmap: 16, vma: 24, current: 32, first: 40 } as const;
const first = new LockClass('first');
const second = new LockClass('second');

function setup(): Board {
  return { threads: new Threads().share(), rcu: new Rcu({ calls: 4 }).share(), words: new Int32Array(new SharedArrayBuffer(256)) };
}

function join({ threads }: Board, name: string): void {
  setCurrentThread(Threads.attach(threads).join(name));
}

function read(words: Int32Array, index: number): number {
  schedulePoint('read a word', words, index, AccessType.Read);
  return Atomics.load(words, index);
}

function write(words: Int32Array, index: number, value: number): void {
  schedulePoint('write a word', words, index);
  Atomics.store(words, index, value);
}

/** What a thread does, as a scenario has it. */
type Thread = (board: Board) => () => void;

function thread(name: string, body: (board: Board) => void): Thread {
  return (board) => {
    join(board, name);
    return () => { body(board); };
  };
}

function increment({ words }: Board): void {
  write(words, at.count, read(words, at.count) + 1);
}

function lockedIncrement(board: Board): void {
  spinLock(board.words, at.spin, first);
  increment(board);
  spinUnlock(board.words, at.spin);
}

/** So many writes of words of its own, or of the same. */
function straight(count: number, index: number): Thread {
  return thread('straight', ({ words }) => { for (let number = 0; number < count; number++) write(words, index, number); });
}

function outcome({ words }: Board): string {
  return `count ${words[at.count]}`;
}

function checkTwo({ words }: Board): string {
  if (words[at.count] !== 2) throw new Error(`an update was lost: ${words[at.count]} is not 2`);
  return 'count 2';
}

function inOrder(one: number, other: number): (board: Board) => void {
  return ({ words }) => {
    spinLock(words, one, one === at.spin ? first : second);
    spinLock(words, other, other === at.spin ? first : second);
    spinUnlock(words, other);
    spinUnlock(words, one);
  };
}

/** RCU: `at.current` is which of two objects is published, and `at.first` and the word after it say whether each is there. */
function readerOf(words: Int32Array, rcu: Rcu): void {
  rcu.readLock();
  const object = at.first + read(words, at.current);
  if (read(words, object) === 0) throw new Error('the reader is in an object that was freed');
  rcu.readUnlock();
}

function freer(wait: (rcu: Rcu, free: () => void) => void): (board: Board) => void {
  return ({ words, rcu: image }) => {
    write(words, at.current, 1);
    wait(Rcu.attach(image), () => { write(words, at.first, 0); });
  };
}

function setupRcu(): Board {
  const board = setup();
  board.words[at.first] = 1;
  board.words[at.first + 1] = 1;
  return board;
}

function rcuScenario(wait: (rcu: Rcu, free: () => void) => void, readers = 1): AnyScenario {
  const reader = thread('reader', ({ words, rcu }) => { readerOf(words, Rcu.attach(rcu)); });
  const names = Array.from({ length: readers }, (_, number) => `reader ${number}`);
  return scenario<Board>({ setup: setupRcu, threads: { ...Object.fromEntries(names.map((name) => [name, reader])), freer: thread('freer', freer(wait)) } });
}

/** Two words that belong together, under the mmap lock. */
function pairWriter({ words }: Board): void {
  const lock = new MmapLock(words, at.mmap);
  lock.writeLock();
  write(words, at.count, read(words, at.count) + 1);
  write(words, at.other, read(words, at.other) + 1);
  lock.writeUnlock();
}

function downgrader({ words }: Board): void {
  const lock = new MmapLock(words, at.mmap);
  lock.writeLock();
  write(words, at.count, read(words, at.count) + 1);
  write(words, at.other, read(words, at.other) + 1);
  lock.writeDowngrade();
  comparePair(words);
  lock.readUnlock();
}

function comparePair(words: Int32Array): void {
  const one = read(words, at.count);
  const other = read(words, at.other);
  if (one !== other) throw new Error(`a reader sees half of a change: ${one} and ${other}`);
}

function pairReader({ words }: Board): void {
  const lock = new MmapLock(words, at.mmap);
  lock.readLock();
  comparePair(words);
  lock.readUnlock();
}

/** The lock of a VMA whose words are at `at.vma`. */
function vmaOf(words: Int32Array): { readonly mmap: MmapLock; readonly vma: VmaLock } {
  const mmap = new MmapLock(words, at.mmap);
  return { mmap, vma: new VmaLock(mmap, words, at.vma) };
}

function setupVma(): Board {
  const board = setup();
  vmaOf(board.words).vma.init();
  return board;
}

/** A fault: with the VMA's lock if that can be had, else with the mmap lock. */
function faultPair({ words }: Board): void {
  const { mmap, vma } = vmaOf(words);
  const fast = vma.startRead();
  if (!fast) mmap.readLock();
  comparePair(words);
  if (fast) vma.endRead();
  else mmap.readUnlock();
}

function vmaWriter(careful: boolean): (board: Board) => void {
  return ({ words }) => {
    const { mmap, vma } = vmaOf(words);
    mmap.writeLock();
    if (careful) vma.startWrite();
    write(words, at.count, 1);
    write(words, at.other, 1);
    mmap.writeUnlock();
  };
}

/** An address space down to a PMD table, and a lock. */
interface Yard {
  readonly threads: SharedThreads;
  readonly tables: SharedTables;
  readonly words: Int32Array;
}

const ROOT = 0x4000_0000;
const ADDRESS = 0x40_0000n;
const PTE_TABLES = [0x10_0000, 0x20_0000] as const;
const mm = { user: true, tlb: NO_TLB };

function pmdOf(arch: WritableArch<StrongHandles>, root: Root): StrongHandles['pmd'] {
  const pgdp = arch.pgdOffset(root, ADDRESS);
  const p4dp = pgdp === undefined ? undefined : arch.ops.pgd.offset(pgdp, ADDRESS);
  const pudp = p4dp === undefined ? undefined : arch.ops.p4d.offset(p4dp, ADDRESS);
  const pmdp = pudp === undefined ? undefined : arch.ops.pud.offset(pudp, ADDRESS);
  if (pmdp === undefined) throw new Error('there is no PMD table');
  return pmdp;
}

/** Makes the tables above the PTE tables. */
function build(arch: WritableArch<StrongHandles>, root: Root): void {
  const levels = LEVELS.slice(1, LEVELS.indexOf(root.top)).filter((level) => !geometryOf(arch.geometry, level).folded);
  const tables = levels.map((level, number): UnlinkedTable<StrongHandles> => arch.newTable(level, 0x100_0000 * (number + 1), true));
  const top: UnlinkedTable<StrongHandles> = arch.newTable(root.top, root.table, true);
  // From the lowest up: what is live has no entries to be had.
  tables.forEach((table, number) => {
    const above = tables[number + 1] ?? top;
    const ops: WritableOps<StrongHandles, Level> = arch.ops[above.level];
    ops.populate(mm, ADDRESS, above.entry(Number((ADDRESS >> BigInt(geometryOf(arch.geometry, above.level).shift)) % BigInt(above.entries))), table);
  });
  top.link();
}

/** What `pte_alloc()` is about: both threads find no table, and one of them comes too late. */
function allocScenario(configuration: Configuration, locked: boolean): AnyScenario {
  const root = configuration.root('user', ROOT);
  /** The tables as a thread has them: both PTE tables have their places, in the same order everywhere. @param mine the one that this thread makes */
  const open = (image: SharedTables, mine: number | undefined) => {
    const tables = TableMemory.attach(image);
    const plain = configuration.make<StrongHandles>('user', tables);
    const arch = withSchedulePoints(plain);
    const made = PTE_TABLES.map((address, number) => {
      if (number === mine) return arch.newTable('pte', address, true);
      tables.allocate('pte', address, geometryOf(arch.geometry, 'pte').entries);
      return undefined;
    });
    return { arch, pmdp: pmdOf(plain, root), table: mine === undefined ? undefined : made[mine] };
  };
  const fault = (number: number) => ({ threads, tables, words }: Yard) => {
    setCurrentThread(Threads.attach(threads).join(`fault ${number}`));
    const { arch, pmdp, table } = open(tables, number);
    return () => {
      if (table === undefined) throw new Error('this thread has no table');
      table.set(number, arch.values.pte.ofPfn(0x40 + number, arch.vmProt(VmFlags.Read | VmFlags.Write)));
      if (locked) spinLock(words, at.spin, lockClasses.pmdPtl);
      if (arch.values.pmd.none(arch.ops.pmd.getOnce(pmdp))) arch.ops.pmd.populate(mm, ADDRESS, pmdp, table);
      if (locked) spinUnlock(words, at.spin);
      const entry = arch.ops.pmd.offset(pmdp, 0n);
      if (entry === undefined) throw new Error('there is no table, and this thread saw to it that there is one');
    };
  };
  return scenario<Yard>({
    setup: () => {
      const tables = memoryOf(configuration, true);
      build(configuration.make<StrongHandles>('user', tables), root);
      return { threads: new Threads().share(), tables: tables.share(), words: new Int32Array(new SharedArrayBuffer(256)) };
    },
    threads: { 'fault 0': fault(0), 'fault 1': fault(1) },
    check: ({ tables }) => {
      const { arch, pmdp } = open(tables, undefined);
      const entry = arch.ops.pmd.offset(pmdp, 0n);
      return entry === undefined ? 'none' : `table 0x${arch.ops.pte.entryAddress(entry).toString(16)}`;
    },
  });
}

/** The architectures that the tests of tables take. */
export const ARCHITECTURES: readonly Configuration[] = ALL.filter(({ name }) => ['x86 4-level', 'arm64 4K 48-bit', 'riscv Sv39', 's390 pud'].includes(name));

/** Not what a scenario may be: it remembers something from one run to the next. */
let runsSoFar = 0;

function forgetful(board: Board): void {
  if (runsSoFar++ > 0) write(board.words, at.other, 1);
  increment(board);
}

export const scenarios: Readonly<Record<string, AnyScenario>> = {
  'two increments': scenario<Board>({ setup, threads: { a: thread('a', increment), b: thread('b', increment) }, check: outcome }),
  'two increments that must be two': scenario<Board>({ setup, threads: { a: thread('a', increment), b: thread('b', increment) }, check: checkTwo }),
  'two increments with a lock': scenario<Board>({ setup, threads: { a: thread('a', lockedIncrement), b: thread('b', lockedIncrement) }, check: checkTwo }),
  'three increments with a lock': scenario<Board>({
    setup, threads: { a: thread('a', lockedIncrement), b: thread('b', lockedIncrement), c: thread('c', lockedIncrement) }, check: outcome,
  }),
  'straight lines of 4 and 3': scenario<Board>({ setup, threads: { a: straight(4, at.count), b: straight(3, at.count) } }),
  'straight lines apart': scenario<Board>({ setup, threads: { a: straight(4, at.count), b: straight(3, at.other) } }),
  'locks against the order': scenario<Board>({ setup, threads: { a: thread('a', inOrder(at.spin, at.second)), b: thread('b', inOrder(at.second, at.spin)) } }),
  'locks in order': scenario<Board>({ setup, threads: { a: thread('a', inOrder(at.spin, at.second)), b: thread('b', inOrder(at.spin, at.second)) } }),
  'mmap lock': scenario<Board>({ setup, threads: { writer: thread('writer', pairWriter), downgrader: thread('downgrader', downgrader), reader: thread('reader', pairReader) } }),
  'two readers of the mmap lock': scenario<Board>({ setup, threads: { a: thread('a', pairReader), b: thread('b', pairReader) } }),
  'pair without a lock': scenario<Board>({ setup, threads: { writer: thread('writer', pairWriter), reader: thread('reader', ({ words }) => { comparePair(words); }) } }),
  'vma lock': scenario<Board>({ setup: setupVma, threads: { fault: thread('fault', faultPair), writer: thread('writer', vmaWriter(true)), other: thread('other', faultPair) } }),
  'vma that is not locked': scenario<Board>({ setup: setupVma, threads: { fault: thread('fault', faultPair), writer: thread('writer', vmaWriter(false)) } }),
  'rcu': rcuScenario((rcu, free) => { rcu.synchronizeRcu(); free(); }),
  'rcu and two readers': rcuScenario((rcu, free) => { rcu.synchronizeRcu(); free(); }, 2),
  'rcu deferred': rcuScenario((rcu, free) => { rcu.handle(1, free); rcu.callRcu(1); rcu.barrier(); }),
  'rcu, freed at once': rcuScenario((_, free) => { free(); }),
  ...Object.fromEntries(ARCHITECTURES.flatMap((configuration) => [
    [`pte_alloc ${configuration.name}`, allocScenario(configuration, true)],
    [`pte_alloc without a lock ${configuration.name}`, allocScenario(configuration, false)],
  ])),
  'there and back': scenario<Board>({
    setup,
    threads: {
      waiter: thread('waiter', ({ words }) => {
        scheduleBlocked('wait for a word', words, at.count, 0);
        write(words, at.other, 1 + read(words, at.count));
      }),
      changer: thread('changer', ({ words }) => {
        write(words, at.count, 1);
        write(words, at.count, 0);
      }),
    },
    check: ({ words }) => `saw ${words[at.other]! - 1}`,
  }),
  'program': programScenario([[], [], []]),
  'depends on the past': scenario<Board>({ setup, threads: { a: thread('a', forgetful), b: thread('b', increment) } }),
  'circles': scenario<Board>({ setup, threads: { a: thread('a', ({ words }) => { while (read(words, at.count) === 0); }), b: thread('b', ({ words }) => { write(words, at.other, 1); }) } }),
  'asleep': scenario<Board>({ setup, threads: { a: thread('a', ({ words }) => { read(words, at.count); Atomics.wait(words, at.other, 0); }), b: thread('b', increment) } }),
  'throws at once': scenario<Board>({ setup, threads: { a: thread('a', increment), b: () => { throw new Error('it does not even begin'); } } }),
  'memory of its own': scenario<Board>({ setup, threads: { a: thread('a', () => { spinLock(new Int32Array(new SharedArrayBuffer(4)), 0, first); }) } }),
  'takes a lock twice': scenario<Board>({ setup, threads: { a: thread('a', ({ words }) => { spinLock(words, at.spin, first); spinLock(words, at.spin, first); }) } }),
  'no threads': scenario<Board>({ setup, threads: {} }),
};
