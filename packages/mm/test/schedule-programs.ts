import fc from 'fast-check';
import {
  AccessType, downRead, downWrite, LockClass, scenario, schedulePoint, scheduleTouch, setCurrentThread, spinLock, spinTrylock, spinUnlock, Threads, upRead, upWrite,
  type AnyScenario, type SharedThreads,
} from '../src/index.js';
import { scheduleBlocked } from '../src/schedule-point.js';

/*
 * Small programs whose outcome says everything about their order that can matter: each variable and lock keeps a list of who changed it, and each thread of what it saw. So
 * two runs have the same outcome if and only if they are equivalent.
 */

export type Op =
  | { readonly do: 'read' | 'write' | 'add' | 'wait' | 'fail'; readonly what: number }
  | { readonly do: 'both'; readonly what: number; readonly other: number }
  | { readonly do: 'lock' | 'try' | 'read lock' | 'write lock'; readonly what: number; readonly body: readonly Op[] };
export type Program = readonly (readonly Op[])[];

/** What the threads of a program share. */
interface Desk {
  readonly threads: SharedThreads;
  readonly program: Program;
  /** Versions of variables, their additions, locks. */
  readonly words: Int32Array;
  /** Lists: of each variable, each lock, each thread. */
  readonly lists: Int32Array;
}

const VARIABLES = 3;
const LOCKS = 2;
export const THREADS = 3;
const LIST_WORDS = 256;
/** Which additions to a variable a thread has made: a word for each thread, a bit for each operation. */
const additions = (variable: number): number => 8 + variable * THREADS;
const spin = (lock: number): number => 20 + lock;
const rw = (lock: number): number => 24 + lock * 2;
const spins = Array.from({ length: LOCKS }, (_, lock) => new LockClass(`spin ${lock}`));
const rws = Array.from({ length: LOCKS }, (_, lock) => new LockClass(`rw ${lock}`));
const LISTS = { variable: 0, spin: VARIABLES, rw: VARIABLES + LOCKS, thread: VARIABLES + 2 * LOCKS };

class Interpreter {
  private readonly words: Int32Array;
  private readonly lists: Int32Array;
  private readonly me: number;
  private op = 0;

  constructor({ words, lists }: Desk, me: number) {
    this.words = words;
    this.lists = lists;
    this.me = me;
  }

  run(ops: readonly Op[]): void {
    for (const op of ops) this.do(op);
  }

  private do(op: Op): void {
    const { words } = this;
    const id = this.me * 32 + this.op++;
    const { what } = op;
    switch (op.do) {
      case 'read':
      case 'fail':
        schedulePoint(op.do, words, what, AccessType.Read);
        this.look(what);
        if (op.do === 'fail' && words[what] === 1) throw new Error(`thread ${this.me} meets its failure`);
        return;
      case 'write':
        schedulePoint(op.do, words, what);
        this.change(what, id);
        return;
      case 'both':
        schedulePoint(op.do, words, what);
        this.change(what, id);
        if (op.other === what) return;
        scheduleTouch(words, op.other, AccessType.Write);
        this.change(op.other, id);
        return;
      case 'add':
        schedulePoint(op.do, words, what, AccessType.Count);
        words[additions(what) + this.me]! |= 1 << (id % 32);
        this.saw(words[what]!);
        return;
      case 'wait':
        schedulePoint(op.do, words, what, AccessType.Read);
        this.look(what);
        while (words[what] === 0) {
          scheduleBlocked(op.do, words, what, 0);
          this.look(what);
        }
        return;
      case 'lock':
        spinLock(words, spin(what), spins[what]!);
        this.list(LISTS.spin + what, id);
        this.run(op.body);
        spinUnlock(words, spin(what));
        return;
      case 'try':
        if (!spinTrylock(words, spin(what), spins[what]!)) {
          this.list(LISTS.spin + what, -id);
          return;
        }
        this.list(LISTS.spin + what, id);
        this.run(op.body);
        spinUnlock(words, spin(what));
        this.list(LISTS.spin + what, 1000 + id);
        return;
      case 'read lock':
        downRead(words, rw(what), rws[what]!);
        this.saw(this.lists[(LISTS.rw + what) * LIST_WORDS]!);
        this.run(op.body);
        upRead(words, rw(what));
        return;
      case 'write lock':
        downWrite(words, rw(what), rws[what]!);
        this.list(LISTS.rw + what, id);
        this.run(op.body);
        upWrite(words, rw(what));
        return;
    }
  }

  private change(variable: number, id: number): void {
    this.list(LISTS.variable + variable, id, ...this.words.subarray(additions(variable), additions(variable) + THREADS));
    this.words[variable]!++;
  }

  private look(variable: number): void {
    this.saw(this.words[variable]!, ...this.words.subarray(additions(variable), additions(variable) + THREADS));
  }

  private saw(...what: number[]): void {
    this.list(LISTS.thread + this.me, ...what);
  }

  private list(number: number, ...what: number[]): void {
    const start = number * LIST_WORDS;
    for (const one of what) this.lists[start + ++this.lists[start]!] = one;
  }
}

function outcomeOf({ lists }: Desk): string {
  return Array.from({ length: lists.length / LIST_WORDS }, (_, number) => lists.subarray(number * LIST_WORDS + 1, number * LIST_WORDS + 1 + lists[number * LIST_WORDS]!).join(' ')).join(' / ');
}

/** A program as a scenario. Its workers know it by the name `program`, and what it is by what they share. */
export function programScenario(program: Program): AnyScenario {
  return scenario<Desk>({
    setup: () => ({
      threads: new Threads().share(), program, words: new Int32Array(new SharedArrayBuffer(256)),
      lists: new Int32Array(new SharedArrayBuffer((LISTS.thread + THREADS) * LIST_WORDS * 4)),
    }),
    threads: Object.fromEntries(Array.from({ length: THREADS }, (_, me) => [`thread ${me}`, (desk: Desk) => {
      setCurrentThread(Threads.attach(desk.threads).join(`thread ${me}`));
      return () => { new Interpreter(desk, me).run(desk.program[me]!); };
    }])),
    check: outcomeOf,
  });
}

// Mostly the first: programs that meet.
const variable = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(VARIABLES - 1) });
const lock = fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(LOCKS - 1) });
const plain: fc.Arbitrary<Op> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('read' as const, 'write' as const), what: variable }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('add' as const, 'wait' as const, 'fail' as const), what: variable }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('both' as const), what: variable, other: variable }) },
);
const locking = (body: fc.Arbitrary<Op>): fc.Arbitrary<Op> => fc.record({
  do: fc.constantFrom('lock' as const, 'try' as const, 'read lock' as const, 'write lock' as const), what: lock, body: fc.array(body, { maxLength: 2 }),
});
const anyOp: fc.Arbitrary<Op> = fc.oneof({ weight: 3, arbitrary: plain }, { weight: 2, arbitrary: locking(fc.oneof({ weight: 3, arbitrary: plain }, { weight: 1, arbitrary: locking(plain) })) });

/** Steps that a program takes, if nobody waits. */
export function sizeOf(ops: readonly Op[]): number {
  return ops.reduce((sum, op) => sum + ('body' in op ? 2 + sizeOf(op.body) : 1), 0);
}

/** Programs of three threads with so few steps that all interleavings can be run: some hundreds or thousands. */
export const programs: fc.Arbitrary<Program> = fc.tuple(fc.array(anyOp, { minLength: 1, maxLength: 4 }), fc.array(anyOp, { minLength: 1, maxLength: 4 }), fc.array(anyOp, { maxLength: 3 })).filter((threads) => interleavings(threads.map(sizeOf)) <= 3000);

/** The number of ways to put sequences of these lengths into one. */
export function interleavings(lengths: readonly number[]): number {
  let ways = 1;
  let all = 0;
  for (const length of lengths) for (let at = 1; at <= length; at++) ways = (ways * ++all) / at;
  return Math.round(ways);
}
