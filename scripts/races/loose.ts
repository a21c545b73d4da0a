import { setScheduler, type AnyScenario, type Scheduler } from '../../packages/mm/src/index.js';
import { sharedBuffers } from '../../packages/mm/src/schedule/scenario.js';

/*
 * Races on real threads: nobody says who goes next. What a scenario's threads do is done at the same time, again and again, each time with other small delays; every second time with none at all. It shows what a
 * schedule cannot (the processor's own order of memory accesses, wake-ups that are lost), and cannot be run again.
 */

/** How often, and the seed of the delays. */
export interface LooseOrder {
  readonly runs: number;
  readonly seed: number;
}

/** What a worker is told. */
export interface LoosePart {
  readonly control: Int32Array;
  readonly player: number;
  readonly players: number;
  readonly seed: number;
  readonly shared: unknown;
}

/** What came of it. */
export interface LooseReport {
  readonly runs: number;
  readonly milliseconds: number;
  /** What went wrong first; undefined: nothing. */
  readonly failure: string | undefined;
  /** The worker that will say what it has thrown. */
  readonly thrownBy: number | undefined;
}

/** Words of the control: the number of the run, 0 before the first, -1 at the end; threads that are ready, and that are done; who has thrown something, plus 1. */
const RUN = 0;
const READY = 1;
const DONE = 2;
const CULPRIT = 3;
/** Milliseconds that a run may take. */
const PATIENCE = 20_000;
const WAIT = 1;

/** Runs a scenario so often. @param play has a worker call {@link playLoose} */
export function runLoose(scenario: AnyScenario, { runs, seed }: LooseOrder, play: (part: LoosePart) => void): LooseReport {
  const players = Object.keys(scenario.threads).length;
  const shared = scenario.setup();
  const memory = sharedBuffers(shared).map((buffer) => new Uint8Array(buffer));
  const before = memory.map((bytes) => Uint8Array.from(bytes));
  const control = new Int32Array(new SharedArrayBuffer(16));
  for (let player = 0; player < players; player++) play({ control, player, players, seed, shared });
  const begun = Date.now();
  let failure: string | undefined;
  let thrownBy: number | undefined;
  let run = 0;
  while (run < runs && failure === undefined) {
    memory.forEach((bytes, number) => { bytes.set(before[number]!); });
    control[READY] = 0;
    control[DONE] = 0;
    run++;
    Atomics.store(control, RUN, run);
    Atomics.notify(control, RUN);
    for (let done = 0; done < players; done = Atomics.load(control, DONE)) {
      if (Atomics.wait(control, DONE, done, PATIENCE) === 'timed-out') return { runs: run, milliseconds: Date.now() - begun, failure: `run ${run} is not over after ${PATIENCE} ms`, thrownBy: undefined };
    }
    const culprit = control[CULPRIT]!;
    if (culprit !== 0) {
      thrownBy = culprit - 1;
      failure = `run ${run}: thread ${Object.keys(scenario.threads)[thrownBy]}`;
    } else failure = checked(scenario, shared, run);
  }
  Atomics.store(control, RUN, -1);
  Atomics.notify(control, RUN);
  return { runs: run, milliseconds: Date.now() - begun, failure, thrownBy };
}

/** Plays one thread, run after run. @returns what it has thrown; undefined if it was told that there is no more to play */
export function playLoose(scenario: AnyScenario, { control, player, players, seed, shared }: LoosePart): string | undefined {
  const thread = Object.values(scenario.threads)[player]!;
  const delays = new Delays(seed * 31 + player + 1);
  for (let last = 0; ;) {
    Atomics.wait(control, RUN, last);
    last = Atomics.load(control, RUN);
    if (last < 0) return undefined;
    let thrown: string | undefined;
    try {
      const body = thread(shared);
      Atomics.add(control, READY, 1);
      while (Atomics.load(control, READY) < players);
      if (last % 2 === 0) setScheduler(delays);
      body();
    } catch (error) {
      thrown = error instanceof Error ? (error.stack ?? error.message) : String(error);
      Atomics.compareExchange(control, CULPRIT, 0, player + 1);
    } finally {
      setScheduler(undefined);
    }
    Atomics.add(control, DONE, 1);
    Atomics.notify(control, DONE);
    if (thrown !== undefined) return thrown;
  }
}

function checked(scenario: AnyScenario, shared: unknown, run: number): string | undefined {
  try {
    scenario.check?.(shared);
    return undefined;
  } catch (error) {
    return `run ${run}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
  }
}

/** Not a scheduler at all: at some points the thread stays for a moment. */
class Delays implements Scheduler {
  private random: number;
  private idle = 0;

  constructor(seed: number) {
    this.random = Math.imul(seed, 0x9e3779b1) | 1;
  }

  point(): void {
    this.random ^= this.random << 13;
    this.random ^= this.random >>> 17;
    this.random ^= this.random << 5;
    if ((this.random & 7) !== 0) return;
    for (let spins = (this.random >>> 8) & 0x3ff; spins > 0; spins--) this.idle++;
  }

  blocked(_what: string, words: Int32Array, index: number, value: number): void {
    Atomics.wait(words, index, value, WAIT);
  }
}
