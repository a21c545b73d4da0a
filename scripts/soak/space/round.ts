import { Worker } from 'node:worker_threads';
import type { TableHandles } from '@pgtable/core';
import { bootKernel, checkPageTables, mmap, setCurrentThread, VmaFlags, vmallocExit, vmallocInit, type Kernel, type KernelChecks, type Mm } from '../../../packages/mm/src/index.js';
import { configurationOf, machineOf } from './machines.js';
import { Control, CONTROL_WORDS, LOG_WORDS, logText, STAT_WORDS, type Done, type Orders, type Regions, type Sabotage, type Stat } from './orders.js';
import { tallyWords, USER_LOCKS } from './shared-words.js';
import { OPERATIONS } from './thread.js';

/** One kernel, and threads that use it for a while. */
export interface Round {
  readonly configuration: string;
  readonly checks: KernelChecks;
  readonly threads: number;
  readonly seed: number;
  readonly seconds: number;
  /** Operations of each thread between two meetings. */
  readonly batch: number;
  /** Meetings after which it ends in any case. Default: none. */
  readonly meetings?: number;
  /** How long all threads may do nothing, in milliseconds, before it is said that they hang. */
  readonly patience?: number;
  /** Memory and VMAs run out now and then. */
  readonly scarce?: boolean;
  readonly sabotage?: Sabotage;
}

/** What came of a round. */
export interface Report {
  /** What was wrong, in words; undefined: nothing. */
  readonly failure: string | undefined;
  readonly seconds: number;
  readonly stat: (which: Stat) => number;
}

/** How long all threads may do nothing, in milliseconds, before it is said that they hang: longer than a checked thread waits for a lock. */
const PATIENCE = 90_000;

/** @param file the bundle of worker.ts */
export async function runRound(file: string, round: Round): Promise<Report> {
  const { configuration, threads, seed, checks, sabotage, scarce = false } = round;
  const { options, regions } = machineOf(configurationOf(configuration), threads, scarce);
  const kernel = bootKernel<TableHandles>(configurationOf(configuration), { ...options, checks });
  const words = (count: number): Int32Array => new Int32Array(new SharedArrayBuffer(count * 4));
  const [control, stats, tally, userLocks] = [words(CONTROL_WORDS), words(threads * STAT_WORDS), words(tallyWords(regions)), words(USER_LOCKS)] as const;
  const start = performance.now();
  try {
    kernel.join('main');
    const areas = vmallocInit(kernel);
    const mm = kernel.newMm();
    const mappings = [kernel.newMapping(regions.huge), ...Array.from({ length: threads }, () => kernel.newMapping(regions.filePages))];
    mapRegions(mm, regions, mappings[0]!);
    const until = Date.now() + round.seconds * 1000;
    const logs = Array.from({ length: threads }, () => words(LOG_WORDS));
    const done = await watched({ logs, stats, control, patience: round.patience ?? PATIENCE }, logs.map((log, number) => {
      const orders: Orders = {
        configuration, kernel: kernel.share(), areas, mm: mm.id, mappings: mappings.map(({ id }) => id), regions, number, threads, seed, batch: round.batch, until, meetings: round.meetings ?? Infinity,
        mms: options.mms ?? 0, control, stats, log, tally, userLocks, scarce, sabotage,
      };
      return new Worker(file, { workerData: orders, execArgv: ['--enable-source-maps'] });
    }));
    const errors = done.filter(({ error }) => error !== '').map(({ number, error }) => `thread ${number}: ${error}`);
    if (errors.length === 0) errors.push(...end(kernel, mm, mappings));
    const seconds = (performance.now() - start) / 1000;
    const last = logs.map((log, number) => `the last operations of thread ${number} (address space, page, pages):\n  ${logText(log, OPERATIONS).join('\n  ')}`);
    return { failure: errors.length === 0 ? undefined : [...errors, ...last].join('\n'), seconds, stat: (which) => sum(stats, which, threads) };
  } finally {
    setCurrentThread(undefined);
  }
}

/** What all threads use. */
function mapRegions(mm: Mm<TableHandles>, { words, file, askew, ground, huge }: Regions, mapping: ReturnType<Kernel<TableHandles>['newMapping']>): void {
  const prot = VmaFlags.Read | VmaFlags.Write;
  const bytes = huge * mm.pageBytes;
  for (const address of [words, ground]) mmap(mm, { address, fixed: true, bytes, prot });
  for (const address of [file, askew]) mmap(mm, { address, fixed: true, bytes, prot, mapping, sharing: 'shared' });
}

/** The end of a round: nothing is left. @returns what is, in words */
function end(kernel: Kernel<TableHandles>, mm: Mm<TableHandles>, mappings: readonly { free(): void }[]): string[] {
  try {
    checkPageTables(kernel);
    mm.mmput();
    for (const mapping of mappings) mapping.free();
    vmallocExit(kernel);
    kernel.ledger?.close();
    kernel.assertQuiet();
    kernel.leave();
    return [];
  } catch (error) {
    return [`at the end of the round: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`];
  }
}

/** By what it is seen whether threads do anything. */
interface Signs {
  readonly logs: readonly Int32Array[];
  readonly stats: Int32Array;
  readonly control: Int32Array;
  readonly patience: number;
}

/** Waits for the workers, and no longer than they may do nothing. */
async function watched({ logs, stats, control, patience }: Signs, workers: readonly Worker[]): Promise<Done[]> {
  const hung = new AbortController();
  let before = '';
  let since = Date.now();
  const timer = setInterval(() => {
    const now = `${stats.join()} ${logs.map((log) => log[0]).join()}`;
    if (now !== before) since = Date.now();
    before = now;
    if (Date.now() - since > patience) hung.abort();
  }, 500);
  try {
    return await Promise.all(workers.map((worker, number) => new Promise<Done>((resolve) => {
      const fail = (error: string): void => {
        Atomics.store(control, Control.Failed, 1);
        resolve({ number, error, abandoned: false });
      };
      worker.once('message', resolve);
      worker.once('error', (error) => { fail(error instanceof Error ? (error.stack ?? error.message) : String(error)); });
      worker.once('exit', (code) => { if (code !== 0) fail('it ended without a word'); });
      hung.signal.addEventListener('abort', () => {
        fail(`no thread has done anything for ${patience / 1000} s: it hangs in its last operation`);
        void worker.terminate();
      });
    })));
  } finally {
    clearInterval(timer);
  }
}

function sum(stats: Int32Array, which: Stat, threads: number): number {
  let total = 0;
  for (let thread = 0; thread < threads; thread++) total += stats[thread * STAT_WORDS + which]!;
  return total;
}
