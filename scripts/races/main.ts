import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { Explorer, playThread, type AnyScenario, type Exploration, type ScheduleFailure, type ScenarioPart, type ScheduleSearch } from '../../packages/mm/src/index.js';
import { playLoose, runLoose, type LooseOrder, type LoosePart, type LooseReport } from './loose.js';
import { configurationOf, type Race } from './race.js';
import { RACES } from './scenarios.js';

/*
 * The program that races are run in: explorer and threads in one bundle, so that what is patched is patched in both. Runs in a process of its own, which is told what to do by messages, and
 * answers each by one.
 */

/** What is to be run. */
export interface Order {
  readonly race: string;
  readonly configuration: string;
  /** Left out: what the race says. */
  readonly search?: ScheduleSearch;
  /** A schedule, to be run once. */
  readonly replay?: string;
  /** Go on after a failure. */
  readonly goOn?: boolean;
  readonly maxRuns?: number;
  /** On real threads, with no scheduler. */
  readonly loose?: LooseOrder;
}

/** What came of an order. */
export interface Report {
  readonly order: Order;
  /** Of an exploration. */
  readonly found?: Omit<Exploration, 'outcomes'> & { readonly outcomes: readonly (readonly [string, number])[] };
  /** Of a replay: what went wrong; undefined: nothing. */
  readonly replayed?: ScheduleFailure | undefined;
  /** Of real threads. */
  readonly loose?: Pick<LooseReport, 'runs' | 'milliseconds' | 'failure'>;
  /** The run could not be done. */
  readonly error?: string;
}

/** What a worker is told. */
interface Role {
  readonly race: string;
  readonly configuration: string;
  /** Of an exploration. */
  readonly part?: ScenarioPart;
  readonly loose?: LoosePart;
}

function raceOf(name: string): Race {
  const race = RACES[name];
  if (race === undefined) throw new Error(`there is no race ${name}; there are ${Object.keys(RACES).join(', ')}`);
  return race;
}

function scenarioOf({ race, configuration }: Pick<Order, 'race' | 'configuration'>): AnyScenario {
  return raceOf(race).scenario(configurationOf(configuration));
}

const workers: Worker[] = [];

function workerOf(number: number): Worker {
  return (workers[number] ??= new Worker(fileURLToPath(import.meta.url)));
}

async function endWorkers(): Promise<void> {
  await Promise.all(workers.splice(0).map((worker) => worker.terminate()));
}

function carryOut(order: Order): Report {
  const { race, configuration, replay, goOn = false, maxRuns } = order;
  const company = { play: (part: ScenarioPart) => { workerOf(part.player).postMessage({ race, configuration, part } satisfies Role); } };
  const explorer = new Explorer(scenarioOf(order), company, { limit: raceOf(race).limit ?? 3000 });
  try {
    if (replay !== undefined) return { order, replayed: explorer.replay(replay) };
    const found = explorer.explore({ search: order.search ?? raceOf(race).search, goOn, ...(maxRuns === undefined ? {} : { maxRuns }) });
    return { order, found: { ...found, outcomes: [...found.outcomes] } };
  } finally {
    explorer.close();
  }
}

async function carryOutLoose(order: Order, loose: LooseOrder): Promise<Report> {
  const { race, configuration } = order;
  const { runs, milliseconds, failure, thrownBy } = runLoose(scenarioOf(order), loose, (part) => { workerOf(part.player).postMessage({ race, configuration, loose: part } satisfies Role); });
  // It has been posted already.
  const thrown = thrownBy === undefined ? undefined : await new Promise<string>((resolve) => workerOf(thrownBy).once('message', resolve));
  if (failure !== undefined) await endWorkers();
  return { order, loose: { runs, milliseconds, failure: thrown === undefined ? failure : `${failure}: ${thrown}` } };
}

async function perform(order: Order): Promise<Report> {
  return order.loose === undefined ? carryOut(order) : await carryOutLoose(order, order.loose);
}

if (isMainThread) {
  process.on('message', (order: Order) => {
    void perform(order).catch(async (error: unknown): Promise<Report> => {
      // Nobody knows where they are.
      await endWorkers();
      return { order, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }).then((report) => process.send?.(report));
  });
  process.on('disconnect', () => { void endWorkers().then(() => process.exit()); });
} else {
  parentPort?.on('message', ({ race, configuration, part, loose }: Role) => {
    const scenario = scenarioOf({ race, configuration });
    if (part !== undefined) playThread(scenario, part);
    const thrown = loose === undefined ? undefined : playLoose(scenario, loose);
    if (thrown !== undefined) parentPort?.postMessage(thrown);
  });
}
