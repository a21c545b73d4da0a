import { setScheduler, Until, type AccessType, type SchedulePlace, type Scheduler } from '../schedule-point.js';
import { rawOwner } from '../locks/raw-lock.js';
import { currentThread } from '../locks/thread.js';
import { sharedBuffers, type AnyScenario } from './scenario.js';
import { ANY, bufferNumber, BUFFERS, End, Head, Mode, PHYSICAL, Stage, State, type SharedStage } from './stage.js';

/** What a worker is told, so that it plays one thread of a scenario. */
export interface ScenarioPart {
  readonly stage: SharedStage;
  /** The thread's number. */
  readonly player: number;
  /** What {@link Scenario.setup} returned. */
  readonly shared: unknown;
}

/** What starts the threads of an exploration: this package knows no workers. */
export interface ScenarioPlayers {
  /** Has a worker call {@link playThread} with the part. It goes on until the explorer says that there is no more to play. */
  play(part: ScenarioPart): void;
}

/** Thrown out of a scheduling point when a run is given up: the thread has to go. */
export class RunGivenUp extends Error {
  override readonly name = 'RunGivenUp';
}

/** Plays one thread of a scenario, run after run, until the explorer has enough. Blocks meanwhile: it is for a worker that has nothing else to do. Locking: nothing may be held. */
export function playThread(one: AnyScenario, part: ScenarioPart): void {
  new Player(one, part).play();
}

class Player implements Scheduler {
  private readonly stage: Stage;
  private readonly me: number;
  private readonly run: (shared: unknown) => () => void;
  private readonly shared: unknown;
  private readonly buffers: readonly Int32Array[];
  private readonly numbers: ReadonlyMap<ArrayBufferLike, number>;

  constructor(one: AnyScenario, part: ScenarioPart) {
    this.stage = Stage.attach(part.stage);
    this.me = part.player;
    this.shared = part.shared;
    // The explorer has as many threads as the scenario.
    this.run = Object.values(one.threads)[part.player]!;
    const memory = sharedBuffers(part.shared);
    this.buffers = memory.map((buffer) => new Int32Array(buffer, 0, Math.floor(buffer.byteLength / 4)));
    this.numbers = new Map(memory.map((buffer, number) => [buffer, number]));
  }

  play(): void {
    const { stage, me } = this;
    const { head } = stage;
    stage.arrive();
    for (;;) {
      stage.await(me);
      if (head[Head.Mode] === Mode.Quit) return;
      if (head[Head.Mode] === Mode.Prologue) this.once();
      head[Head.State + me] = State.Done;
      this.leave();
    }
  }

  point(what: string, place: SchedulePlace, index: number, access: AccessType, until: Until, count: number): void {
    const { stage, me } = this;
    this.refuseToGoOn();
    const alone = until === Until.Always || place === undefined;
    // A thread that would wait for itself is told by an error. That is no step: nobody else can change it, and who waits for the same could not have come first.
    if (!alone && (until === Until.Unowned ? rawOwner(Atomics.load(place, index)) === currentThread().id : Atomics.load(place, index) === -currentThread().id)) return;
    this.pend(what, place, index, access, count);
    if (alone) stage.park(me, Until.Always, 0, 0, 0);
    else stage.park(me, until, bufferNumber(this.numbers, place.buffer, what), place.byteOffset / 4 + index, 0);
    this.yieldTo(what);
  }

  touch(place: SchedulePlace, index: number, access: AccessType, count: number): void {
    const { stage } = this;
    if (stage.head[Head.Mode] !== Mode.Run) return;
    if (place === undefined) stage.touch(index < 0 ? ANY : PHYSICAL, index, index + count, access);
    else {
      const first = place.byteOffset / 4 + index;
      stage.touch(BUFFERS + bufferNumber(this.numbers, place.buffer, 'touch a word'), first, first + count, access);
    }
  }

  blocked(what: string, words: Int32Array, index: number, value: number): void {
    const { stage, me } = this;
    this.refuseToGoOn();
    this.pend(what, words, index, 0, 1);
    stage.park(me, Until.Changed, bufferNumber(this.numbers, words.buffer, what), words.byteOffset / 4 + index, value);
    this.yieldTo(what);
  }

  /** One run. */
  private once(): void {
    try {
      const body = this.run(this.shared);
      setScheduler(this);
      body();
    } catch (error) {
      if (!(error instanceof RunGivenUp)) this.report(error);
    } finally {
      setScheduler(undefined);
    }
  }

  private report(error: unknown): void {
    const { stage, me } = this;
    if (stage.head[Head.End] !== End.Running || stage.head[Head.Culprit]! >= 0) return;
    stage.head[Head.Culprit] = me;
    stage.say(me, `\u0001${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    if (stage.head[Head.GoOn] === 0) stage.giveUp(End.Thrown);
  }

  /** The parked thread chooses who goes next, and returns when it is itself. */
  private yieldTo(what: string): void {
    const { stage, me } = this;
    const { head } = stage;
    if (head[Head.Trace] === 1) stage.say(me, what);
    const next = head[Head.Mode] === Mode.Prologue ? this.afterPrologue() : stage.decide(this.buffers);
    if (next !== me) {
      stage.pass(next);
      stage.await(me);
    }
    this.refuseToGoOn();
  }

  /** In the prologue each thread goes up to its first point. The last one begins the run. */
  private afterPrologue(): number {
    const { stage, me } = this;
    const { head } = stage;
    if (me + 1 < head[Head.Players]!) return me + 1;
    head[Head.Mode] = Mode.Run;
    return stage.decide(this.buffers);
  }

  /** The thread is done. */
  private leave(): void {
    const { stage } = this;
    const mode = stage.head[Head.Mode];
    stage.pass(mode === Mode.Abort ? stage.nextToGo() : mode === Mode.Prologue ? this.afterPrologue() : stage.decide(this.buffers));
  }

  private refuseToGoOn(): void {
    if (this.stage.head[Head.Mode] === Mode.Abort) throw new RunGivenUp('the run was given up');
  }

  /** Writes down what the thread is about to touch. */
  private pend(what: string, place: SchedulePlace, index: number, access: AccessType, count: number): void {
    const { touches } = this.stage;
    const at = this.stage.touchesOf(this.me, false);
    const first = place === undefined ? index : place.byteOffset / 4 + index;
    touches[at] = 1;
    touches[at + 1] = place === undefined ? (index < 0 ? ANY : PHYSICAL) : BUFFERS + bufferNumber(this.numbers, place.buffer, what);
    touches[at + 2] = first;
    touches[at + 3] = first + count;
    touches[at + 4] = access;
  }
}
