import { lockClasses, MmapLock, Rcu, scenario, schedulePoint, setCurrentThread, spinLock, spinUnlock, Threads, type AnyScenario, type SharedRcu, type SharedThreads } from '../src/index.js';
import { Access, LockClass } from '../src/index.js';

/** Two counters, and locks. */
interface Board {
  readonly threads: SharedThreads;
  readonly rcu: SharedRcu;
  readonly words: Int32Array;
}

export const at = { count: 0, other: 1, spin: 8, second: 9, mmap: 16, current: 32, first: 40 } as const;
const first = new LockClass('first');
const second = new LockClass('second');

function setup(): Board {
  return { threads: new Threads().share(), rcu: new Rcu({ calls: 4 }).share(), words: new Int32Array(new SharedArrayBuffer(256)) };
}

function join({ threads }: Board, name: string): void {
  setCurrentThread(Threads.attach(threads).join(name));
}

function read(words: Int32Array, index: number): number {
  schedulePoint('read a word', words, index, Access.Read);
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
};
void [MmapLock, lockClasses];
