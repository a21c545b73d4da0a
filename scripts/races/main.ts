import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { Explorer, playThread, type AnyScenario, type Exploration, type Failure, type Part, type Search } from '../../packages/mm/src/index.js';
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
  readonly search?: Search;
  /** A schedule, to be run once. */
  readonly replay?: string;
  /** Go on after a failure. */
  readonly goOn?: boolean;
  readonly maxRuns?: number;
}

/** What came of an order. */
export interface Report {
  readonly order: Order;
  /** Of an exploration. */
  readonly found?: Omit<Exploration, 'outcomes'> & { readonly outcomes: readonly (readonly [string, number])[] };
  /** Of a replay: what went wrong; undefined: nothing. */
  readonly replayed?: Failure | undefined;
  /** The run could not be done. */
  readonly error?: string;
}

/** What a worker is told. */
interface Role {
  readonly race: string;
  readonly configuration: string;
  readonly part: Part;
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

async function carryOut(order: Order): Promise<Report> {
  const { race, configuration, replay, search = raceOf(race).search, goOn = false, maxRuns } = order;
  const company = { play: (part: Part) => { workerOf(part.player).postMessage({ race, configuration, part } satisfies Role); } };
  try {
    const explorer = new Explorer(scenarioOf(order), company, { limit: raceOf(race).limit ?? 3000 });
    try {
      if (replay !== undefined) return { order, replayed: explorer.replay(replay) };
      const found = explorer.explore({ search, goOn, ...(maxRuns === undefined ? {} : { maxRuns }) });
      return { order, found: { ...found, outcomes: [...found.outcomes] } };
    } finally {
      explorer.close();
    }
  } catch (error) {
    // Nobody knows where they are.
    await endWorkers();
    return { order, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

if (isMainThread) {
  process.on('message', (order: Order) => {
    void carryOut(order).then((report) => process.send?.(report));
  });
  process.on('disconnect', () => { void endWorkers().then(() => process.exit()); });
} else {
  parentPort?.on('message', ({ race, configuration, part }: Role) => { playThread(scenarioOf({ race, configuration }), part); });
}
