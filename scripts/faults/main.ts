import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { Explorer, playThread, type ScenarioPart } from '../../packages/mm/src/index.js';
import { configurationOf } from '../races/race.js';
import type { Order, Report } from './fault.js';
import { interleavingOf } from './interleavings.js';
import { PROGRAMS } from './programs.js';

/*
 * The program that faults are put into: all that can find one, in one bundle. Runs in a process of its own, once; its argument says what is to be run, and each message what came of it.
 */

/** What a worker is told. */
interface Role {
  readonly name: string;
  readonly configuration: string;
  readonly part: ScenarioPart;
}

const workers: Worker[] = [];

function workerOf(number: number): Worker {
  return (workers[number] ??= new Worker(fileURLToPath(import.meta.url)));
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function runProgram(name: string, configuration: string): Report {
  const begun = performance.now();
  let message: string | undefined;
  try {
    // Looked up by the caller of this process.
    PROGRAMS[name]!.run(configurationOf(configuration));
  } catch (error) {
    message = textOf(error);
  }
  return { configuration, message, schedule: undefined, schedules: 0, milliseconds: performance.now() - begun };
}

function explore(name: string, configuration: string, maxRuns: number): Report {
  const begun = performance.now();
  try {
    const { scenario, search, limit } = interleavingOf(name, configuration);
    const explorer = new Explorer(scenario, { play: (part) => { workerOf(part.player).postMessage({ name, configuration, part } satisfies Role); } }, { limit });
    const { runs, pruned, failure } = explorer.explore({ search, maxRuns });
    explorer.close();
    return { configuration, message: failure?.message, schedule: failure?.schedule, schedules: runs + pruned, milliseconds: performance.now() - begun };
  } catch (error) {
    return { configuration, message: textOf(error), schedule: undefined, schedules: 0, milliseconds: performance.now() - begun };
  }
}

function carryOut({ kind, name, configurations, maxRuns }: Order): void {
  for (const configuration of configurations) process.send?.(kind === 'program' ? runProgram(name, configuration) : explore(name, configuration, maxRuns));
  process.disconnect();
}

if (isMainThread) {
  process.on('disconnect', () => { process.exit(); });
  // Written by faults.ts.
  carryOut(JSON.parse(process.argv[2]!) as Order);
} else {
  parentPort?.on('message', ({ name, configuration, part }: Role) => { playThread(interleavingOf(name, configuration).scenario, part); });
}
