import { PgtableError } from '@pgtable/core';
import type { ScenarioPlayers } from './player.js';
import { findRaces, stepAt, stepsOf, type Step, type Stopped } from './races.js';
import { formatSchedule, parseSchedule } from './schedule-text.js';
import { sharedBuffers, type AnyScenario } from './scenario.js';
import { dependent, End, Head, MAX_CHANGES, MAX_PLAYERS, MAX_TOUCHES, Mode, nextRandom, Rule, Stage, TOUCH } from './stage.js';

/** Milliseconds that a worker may take to begin. */
const STARTING = 30_000;

/** Which interleavings are run. */
export type ScheduleSearch =
  /** One of each class of equivalent ones, by partial-order reduction: see races.ts. */
  | { readonly kind: 'reduced' }
  /** All, or all with so many preemptions at most: places where a thread that could go on does not. */
  | { readonly kind: 'all'; readonly preemptions?: number }
  /** Some by chance: at each step any thread is as likely as another. */
  | { readonly kind: 'uniform'; readonly runs: number; readonly seed: number }
  /** Some by chance: threads have priorities, and the one that runs loses its own at `depth` - 1 steps (PCT: S. Burckhardt et al., ASPLOS 2010). Finds what few preemptions can show. */
  | { readonly kind: 'priorities'; readonly runs: number; readonly seed: number; readonly depth: number };

/** How {@link Explorer.explore} goes about it. */
export interface ExploreOptions {
  /** Default: reduced. */
  readonly search?: ScheduleSearch;
  /** Go on after a failure, to count them all. Default false. */
  readonly goOn?: boolean;
  /** Steps that a run may have; more is a failure: nobody gets anywhere. Default 10000. */
  readonly limit?: number;
  /** Runs after which an exhaustive search is given up. Default: none. */
  readonly maxRuns?: number;
  /** Milliseconds that a run may take between two steps; more is an error, and the workers must be ended. Default 20000. */
  readonly patience?: number;
}

/** A run that went wrong. */
export interface ScheduleFailure {
  readonly kind: 'thrown' | 'deadlock' | 'limit' | 'check';
  /** What was thrown, or who waits for what. */
  readonly message: string;
  /** The threads of the steps: `0*12 1*3 0*4`. For {@link Explorer.replay}. */
  readonly schedule: string;
  /** A line for each step: its thread, and what it did. */
  readonly listing: string;
}

/** What an exploration was. */
export interface Exploration {
  /** Runs to the end: interleavings that were looked at. */
  readonly runs: number;
  /** Runs that were given up because all that could come after them is covered by others. */
  readonly pruned: number;
  /** Steps of all runs. */
  readonly steps: number;
  /** Steps of the longest run. */
  readonly longest: number;
  /** Runs at whose end nobody could go on. */
  readonly deadlocks: number;
  readonly failed: number;
  /** The first. */
  readonly failure: ScheduleFailure | undefined;
  /** What {@link Scenario.check} said, and how often. */
  readonly outcomes: ReadonlyMap<string, number>;
  /** Whether the search came to its end: of an exhaustive one, that there is nothing else. */
  readonly complete: boolean;
  readonly milliseconds: number;
}

/** A run, as the explorer sees it. */
interface Run {
  readonly end: End;
  readonly steps: readonly Step[];
  readonly failure: Pick<ScheduleFailure, 'kind' | 'message'> | undefined;
  readonly outcome: string | undefined;
}

/** A state on the way of the present run: what was decided there. */
interface Choice {
  readonly enabled: number;
  chosen: number;
  /** Bits of the threads that are to be tried here. */
  wanted: number;
  /** What was tried, or need not be: by thread, the places that its step touches. */
  readonly asleep: Map<number, readonly number[]>;
  /** Preemptions before. */
  readonly preemptions: number;
  /** What the step touched that was chosen, as one number; undefined: it is being tried for the first time. */
  touched: number | undefined;
}

/**
 * Runs a scenario again and again, each time in another interleaving. The threads are real ones, of which one runs at a time.
 *
 * Make one, explore or replay as often as wanted, and close it. Blocks the thread that it is used in.
 *
 * Locking: nothing may be held: it waits for workers.
 */
export class Explorer {
  private readonly scenario: AnyScenario;
  private readonly names: readonly string[];
  private readonly shared: unknown;
  private readonly memory: readonly Uint8Array[];
  private readonly before: readonly Uint8Array[];
  private readonly stage: Stage;
  private readonly limit: number;
  private readonly patience: number;
  private assembled = false;

  /**
   * Sets the scenario up, and has its threads started.
   *
   * @throws PgtableError `EINVAL` if it has no threads, or too many
   */
  constructor(scenario: AnyScenario, company: ScenarioPlayers, options: Pick<ExploreOptions, 'limit' | 'patience'> = {}) {
    this.scenario = scenario;
    this.names = Object.keys(scenario.threads);
    const count = this.names.length;
    if (count < 1 || count > MAX_PLAYERS) throw new PgtableError('EINVAL', `a scenario of ${count} threads cannot be explored`, { hint: `give it 1 to ${MAX_PLAYERS} threads` });
    this.limit = options.limit ?? 10_000;
    this.patience = options.patience ?? 20_000;
    this.stage = new Stage(this.limit);
    this.shared = scenario.setup();
    this.memory = sharedBuffers(this.shared).map((buffer) => new Uint8Array(buffer));
    this.before = this.memory.map((bytes) => Uint8Array.from(bytes));
    for (let player = 0; player < count; player++) company.play({ stage: this.stage.share(), player, shared: this.shared });
  }

  /**
   * Runs interleavings until there are no others, or one fails.
   *
   * @throws PgtableError `EINVAL` if the same schedule does not do the same twice, `EFAULT` if a thread does not come to its next step
   */
  explore(options: ExploreOptions = {}): Exploration {
    const search = options.search ?? { kind: 'reduced' };
    const tally = new Tally();
    switch (search.kind) {
      case 'reduced':
      case 'all':
        tally.complete = this.exhaust(search, options, tally);
        break;
      case 'uniform':
      case 'priorities':
        tally.complete = this.sample(search, options, tally);
        break;
    }
    return tally.result(this);
  }

  /**
   * Runs one schedule. After its end each thread goes on as long as it can.
   *
   * @param text of a {@link ScheduleFailure}
   * @returns the failure, with the listing; undefined: nothing went wrong
   */
  replay(text: string): ScheduleFailure | undefined {
    const run = this.run(parseSchedule(text), { trace: true });
    if (run.failure === undefined) return undefined;
    return { ...run.failure, schedule: formatSchedule(run.steps.map(({ thread }) => thread)), listing: this.listing(run.steps) };
  }

  /** The workers are free again. */
  close(): void {
    this.stage.head[Head.Mode] = Mode.Quit;
    this.names.forEach((_, player) => { this.stage.pass(player); });
  }

  private exhaust(search: Extract<ScheduleSearch, { kind: 'reduced' | 'all' }>, options: ExploreOptions, tally: Tally): boolean {
    const reduced = search.kind === 'reduced';
    const bound = search.kind === 'all' ? (search.preemptions ?? Infinity) : Infinity;
    const path: Choice[] = [];
    for (;;) {
      const prefix = path.map(({ chosen }) => chosen);
      const run = this.run(prefix, { goOn: options.goOn === true, ...(reduced ? { asleep: path.at(-1)?.asleep } : {}) });
      const fresh = Math.max(0, prefix.length - 1);
      this.checkRepeated(path, run);
      this.extend(path, run, reduced);
      if (reduced) this.addRaces(path, run, fresh);
      else for (let at = prefix.length; at < path.length; at++) path[at]!.wanted = this.within(path[at]!, path[at - 1], bound);
      if (tally.add(run) && options.goOn !== true) return false;
      if (!this.backtrack(path, run)) return true;
      if (tally.all === options.maxRuns) return false;
    }
  }

  private sample(search: Extract<ScheduleSearch, { kind: 'uniform' | 'priorities' }>, options: ExploreOptions, tally: Tally): boolean {
    if (!Number.isInteger(search.seed)) throw new PgtableError('EINVAL', `${search.seed} is no seed`, { hint: 'give a whole number' });
    // Not 0, and seeds that are near each other give numbers that are not.
    let random = nextRandom(nextRandom(Math.imul(search.seed, 0x9e3779b1) | 1));
    for (let number = 0; number < search.runs; number++) {
      random = nextRandom(random);
      const rule = search.kind === 'uniform' ? Rule.Uniform : Rule.Priority;
      const run = this.run([], { goOn: options.goOn === true, rule, random, drops: search.kind === 'priorities' ? search.depth - 1 : 0, length: Math.max(tally.longest, 1) });
      if (tally.add(run) && options.goOn !== true) return false;
    }
    return true;
  }

  /** The threads that may be tried in a state without more preemptions than there may be. */
  private within(choice: Choice, before: Choice | undefined, bound: number): number {
    const last = before?.chosen;
    if (choice.preemptions < bound || last === undefined || (choice.enabled & (1 << last)) === 0) return choice.enabled;
    return 1 << last;
  }

  /** One number of all that a step touches. */
  private digest({ from, count }: Step): number {
    let digest = count;
    for (let at = from; at < from + count * TOUCH; at++) digest = (Math.imul(digest, 31) + Math.trunc(this.stage.log[at]! % 2 ** 32)) | 0;
    return digest;
  }

  /** Adds the states that the run came to after those that are known. */
  private extend(path: Choice[], run: Run, reduced: boolean): void {
    const { log } = this.stage;
    const last = path.at(-1);
    if (last !== undefined) last.touched = this.digest(run.steps[path.length - 1]!);
    for (let at = path.length; at < run.steps.length; at++) {
      const { enabled, thread } = run.steps[at]!;
      const asleep = new Map<number, readonly number[]>();
      const before = path[at - 1];
      if (before !== undefined) {
        const last = run.steps[at - 1]!;
        if (reduced) for (const [who, places] of before.asleep) if (who !== last.thread && !dependent(log, last.from, last.count, places, 0, places.length / TOUCH)) asleep.set(who, places);
      }
      path.push({ enabled, chosen: thread, wanted: 1 << thread, asleep, preemptions: before === undefined ? 0 : before.preemptions + preempted(path[at - 2], before), touched: this.digest(run.steps[at]!) });
    }
  }

  private addRaces(path: readonly Choice[], run: Run, fresh: number): void {
    findRaces(this.stage.log, run.steps, this.names.length, fresh, this.stopped(run), (first, initials) => {
      const choice = path[first]!;
      let covered = choice.wanted;
      for (const who of choice.asleep.keys()) covered |= 1 << who;
      if ((covered & initials) !== 0) return;
      const possible = initials & choice.enabled;
      choice.wanted |= possible === 0 ? choice.enabled : possible & -possible;
    });
  }

  /** What threads were about to do that will never come, if nobody slept. */
  private stopped(run: Run): Stopped[] {
    if (run.end !== End.Deadlock && run.end !== End.Limit) return [];
    return this.waiting.map(({ thread, until, places }) => ({ step: stepAt(places, 0, places.length / TOUCH, { thread, enabled: 0, until }), log: places }));
  }

  /** Goes back to the last state where something else is to be tried, and chooses that. Returns: whether there is one. */
  private backtrack(path: Choice[], run: Run): boolean {
    const { log } = this.stage;
    for (let choice = path.at(-1); choice !== undefined; choice = path.at(-1)) {
      const step = run.steps[path.length - 1]!;
      choice.asleep.set(choice.chosen, Array.from(log.subarray(step.from, step.from + step.count * TOUCH)));
      let left = choice.wanted;
      for (const who of choice.asleep.keys()) left &= ~(1 << who);
      if (left !== 0) {
        choice.chosen = 31 - Math.clz32(left & -left);
        choice.touched = undefined;
        return true;
      }
      path.pop();
    }
    return false;
  }

  private checkRepeated(path: readonly Choice[], run: Run): void {
    const at = path.findIndex(({ enabled, chosen, touched }, number) => {
      const step = run.steps[number];
      return step?.enabled !== enabled || step.thread !== chosen || (touched !== undefined && touched !== this.digest(step));
    });
    if (at < 0) return;
    throw new PgtableError('EINVAL', `the same schedule did something else at step ${at} (${formatSchedule(path.slice(0, at + 1).map(({ chosen }) => chosen))}) than it did before`, {
      hint: 'a scenario may depend on nothing but the memory that it shares: no clock, no chance, nothing that is kept from one run to the next',
    });
  }

  /** What threads waited for at the end of the last run. */
  private waiting: { readonly thread: number; readonly until: Step['until']; readonly places: number[] }[] = [];

  private run(prefix: readonly number[], how: HowToRun = {}): Run {
    const { stage } = this;
    const { head } = stage;
    const players = this.names.length;
    if (!this.assembled && !stage.assemble(players, STARTING)) {
      throw new PgtableError('EFAULT', `the workers of ${players} threads were asked for, and ${head[Head.Here]} came`, { hint: 'look at what the workers print: their module may not load' });
    }
    this.assembled = true;
    this.memory.forEach((bytes, number) => { bytes.set(this.before[number]!); });
    head.fill(0, 0, Head.Go);
    head.fill(0, Head.State, Head.Schedule);
    head[Head.Players] = players;
    head[Head.Limit] = this.limit;
    head[Head.Last] = -1;
    head[Head.Culprit] = -1;
    head[Head.Rule] = how.rule ?? Rule.Continue;
    head[Head.Trace] = how.trace === true ? 1 : 0;
    head[Head.GoOn] = how.goOn === true ? 1 : 0;
    head[Head.Random] = how.random ?? 1;
    this.writePrefix(prefix, how.asleep);
    if (how.rule === Rule.Priority) this.writePriorities(how);
    stage.hush();
    stage.pass(0);
    if (!stage.await(players, this.patience)) {
      const who = Math.max(0, head[Head.Last]!);
      throw new PgtableError('EFAULT', `thread ${this.names[who]} does not come to its next step: for ${this.patience} ms there was none after ${head[Head.Steps]} steps`, {
        hint: 'it waits without the scheduler, or runs in circles, or its worker ended',
      });
    }
    return this.look();
  }

  private writePrefix(prefix: readonly number[], asleep: Choice['asleep'] | undefined): void {
    const { head, touches } = this.stage;
    if (prefix.length > this.limit) throw new PgtableError('EINVAL', `a schedule of ${prefix.length} steps is longer than the limit of ${this.limit}`);
    head.set(prefix, Head.Schedule);
    head[Head.Prefix] = prefix.length;
    head[Head.SleepFrom] = Math.max(0, prefix.length - 1);
    for (const [who, places] of asleep ?? []) {
      head[Head.Sleepers]! |= 1 << who;
      const at = this.stage.touchesOf(who, true);
      touches[at] = Math.min(places.length / TOUCH, MAX_TOUCHES);
      touches.set(places, at + 1);
    }
  }

  private writePriorities({ random = 1, drops = 0, length = 1 }: HowToRun): void {
    const { head } = this.stage;
    const order = this.names.map((_, player) => player);
    let number = random;
    for (let left = order.length; left > 0; left--) {
      number = nextRandom(number);
      head[Head.Priority + order.splice((number >>> 0) % left, 1)[0]!] = left;
    }
    const changes = Math.min(drops, MAX_CHANGES);
    head[Head.Changes] = changes;
    for (let change = 0; change < changes; change++) {
      number = nextRandom(number);
      head[Head.ChangeAt + change] = (number >>> 0) % length;
    }
  }

  private look(): Run {
    const { stage } = this;
    const { head } = stage;
    const steps = stepsOf(stage.log, head[Head.Steps]!);
    const end = head[Head.End] as End;
    this.waiting = [];
    if (end === End.Deadlock || end === End.Limit) {
      for (let thread = 0; thread < this.names.length; thread++) {
        const stopped = head[Head.Stopped + thread]!;
        if (stopped === 0) continue;
        const at = stage.touchesOf(thread, false);
        // What park() wrote.
        this.waiting.push({ thread, until: (stopped - 1) as Step['until'], places: Array.from(stage.touches.subarray(at + 1, at + 1 + stage.touches[at]! * TOUCH)) });
      }
    }
    const culprit = head[Head.Culprit]!;
    if (culprit >= 0) return { end, steps, outcome: undefined, failure: { kind: 'thrown', message: `thread ${this.names[culprit]}: ${stage.texts(culprit).find((text) => text.startsWith('\u0001'))?.slice(1) ?? ''}` } };
    switch (end) {
      case End.Deadlock:
        return { end, steps, outcome: undefined, failure: { kind: 'deadlock', message: `deadlock: ${this.waiting.map(({ thread }) => this.names[thread]).join(', ')} wait, and nobody can go on` } };
      case End.Limit:
        return { end, steps, outcome: undefined, failure: { kind: 'limit', message: `the run is not over after ${steps.length} steps: the threads wait for each other, awake` } };
      case End.Astray:
        throw new PgtableError('EINVAL', `thread ${head[Head.Schedule + steps.length]} cannot go on at step ${steps.length} of the schedule`, { hint: 'this is a schedule of another scenario, or of an earlier state of the program' });
      case End.Done:
        return this.checked(end, steps);
      case End.Asleep:
      case End.Thrown:
      case End.Running:
        return { end, steps, outcome: undefined, failure: undefined };
    }
  }

  private checked(end: End, steps: readonly Step[]): Run {
    try {
      return { end, steps, outcome: this.scenario.check?.(this.shared), failure: undefined };
    } catch (error) {
      return { end, steps, outcome: undefined, failure: { kind: 'check', message: error instanceof Error ? (error.stack ?? error.message) : String(error) } };
    }
  }

  private listing(steps: readonly Step[]): string {
    const texts = this.names.map((_, player) => this.stage.texts(player).filter((text) => !text.startsWith('\u0001')));
    const taken = this.names.map(() => 0);
    const width = Math.max(...this.names.map((name) => name.length));
    const lines = steps.map(({ thread }, number) => `${String(number).padStart(4)}  ${thread} ${this.names[thread]!.padEnd(width)}  ${'  '.repeat(thread)}${texts[thread]![taken[thread]!++] ?? ''}`);
    const waiting = this.waiting.map(({ thread }) => `      ${thread} ${this.names[thread]!.padEnd(width)}  ${'  '.repeat(thread)}(waits) ${texts[thread]![taken[thread]!] ?? ''}`);
    return [...lines, ...waiting].join('\n');
  }
}

interface HowToRun {
  readonly trace?: boolean;
  readonly goOn?: boolean;
  /** Who sleeps where the last step of the prefix begins. */
  readonly asleep?: Choice['asleep'] | undefined;
  readonly rule?: Rule;
  readonly random?: number;
  readonly drops?: number;
  readonly length?: number;
}

/** 1 if the choice was another thread than before, which could have gone on. */
function preempted(before: Choice | undefined, choice: Choice): number {
  return before !== undefined && before.chosen !== choice.chosen && (choice.enabled & (1 << before.chosen)) !== 0 ? 1 : 0;
}

/** What an exploration counts. */
class Tally {
  complete = false;
  longest = 0;
  private readonly begun = Date.now();
  private runs = 0;
  private pruned = 0;
  private steps = 0;
  private deadlocks = 0;
  private failed = 0;
  private schedule: string | undefined;
  private readonly outcomes = new Map<string, number>();

  /** Runs, whole or not. */
  get all(): number {
    return this.runs + this.pruned;
  }

  /** Counts a run. Returns: whether it failed. */
  add({ end, steps, failure, outcome }: Run): boolean {
    this.steps += steps.length;
    this.longest = Math.max(this.longest, steps.length);
    if (end === End.Asleep) this.pruned++;
    else this.runs++;
    if (end === End.Deadlock) this.deadlocks++;
    if (outcome !== undefined) this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
    if (failure === undefined) return false;
    this.failed++;
    this.schedule ??= formatSchedule(steps.map(({ thread }) => thread));
    return true;
  }

  /** Runs the first failure again, for its listing. */
  result(explorer: Explorer): Exploration {
    const { runs, pruned, steps, longest, deadlocks, failed, outcomes, complete } = this;
    const milliseconds = Date.now() - this.begun;
    const failure = this.schedule === undefined ? undefined : explorer.replay(this.schedule);
    if (this.schedule !== undefined && failure === undefined) {
      throw new PgtableError('EINVAL', `a run failed, and the same schedule does not fail again: ${this.schedule}`, { hint: 'a scenario may depend on nothing but the memory that it shares' });
    }
    return { runs, pruned, steps, longest, deadlocks, failed, failure, outcomes, complete, milliseconds };
  }
}

/** An exploration in a few lines, for people. Locking: none. */
export function formatExploration(name: string, one: Exploration): string {
  const rate = Math.round((one.steps / Math.max(one.milliseconds, 1)) * 1000);
  const lines = [
    `${name}: ${one.runs} interleavings${one.complete ? '' : ' (not all)'}, ${one.pruned} given up early, ${one.steps} steps (${one.longest} in the longest), ${one.deadlocks} deadlocks, ` +
    `${one.failed} failures, ${(one.milliseconds / 1000).toFixed(2)} s, ${rate} steps/s`,
  ];
  if (one.failure !== undefined) lines.push(`  ${one.failure.message.split('\n').join('\n  ')}`, `  schedule: ${one.failure.schedule}`, shortened(one.failure.listing));
  return lines.join('\n');
}

/** The beginning and the end of a long listing: a run that does not end says the same again and again. */
function shortened(listing: string): string {
  const lines = listing.split('\n');
  const [first, last] = [150, 30];
  const left = lines.length - first - last;
  return left <= 0 ? listing : [...lines.slice(0, first), `      ... ${left} steps ...`, ...lines.slice(-last)].join('\n');
}
