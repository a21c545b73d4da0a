import { randomInt } from 'node:crypto';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { bombs } from './fuzz/bombs.js';
import { containers } from './fuzz/containers.js';
import { Pulse, type CaseResult, type FuzzCase } from './fuzz/harness.js';
import { registers } from './fuzz/registers.js';
import { tables } from './fuzz/tables.js';
import { texts } from './fuzz/texts.js';
import { each, parsed, script, whole } from './options.js';

const CASES: readonly FuzzCase[] = [containers, tables, bombs, registers, texts];

const DEFAULT_RUNS = 20_000;
const MAX_RSS = 1.5 * 2 ** 30;
/** Wall time after which one run counts as hung; other processes may hold the processor, so this is generous. */
const HUNG_MS = 60_000;

interface Order {
  readonly runs: number;
  readonly seed: number;
  readonly only: readonly string[];
  readonly path: string | undefined;
  readonly pulse: SharedArrayBuffer;
}

function mib(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}

function summary(fuzz: FuzzCase, result: CaseResult): string {
  const counts = [...result.counts].sort(([a], [b]) => a.localeCompare(b)).map(([what, number]) => `${what} ${number}`);
  return `  ${fuzz.name}: ${result.runs} runs in ${result.seconds.toFixed(1)} s, slowest ${(result.slowest * 1000).toFixed(0)} ms; ${counts.join(', ')}`;
}

/** In the worker: all cases, one after the other. */
async function work({ runs, seed, only, path, pulse }: Order): Promise<boolean> {
  const words = new Float64Array(pulse);
  let failed = 0;
  let dumps = 0;
  let total = 0;
  for (const [at, fuzz] of CASES.entries()) {
    if (only.length > 0 && !only.includes(fuzz.name)) continue;
    const count = Math.max(1, Math.ceil(runs * fuzz.share));
    words[Pulse.Case] = at;
    words[Pulse.Run] = 0;
    parentPort?.postMessage(`${fuzz.name}: ${fuzz.title}; ${count} runs, seed ${seed}`);
    const result = await fuzz.run({ runs: count, seed, pulse: words, path, count: () => undefined });
    words[Pulse.StartedAt] = 0;
    total += result.runs;
    dumps += result.counts.get('dumps') ?? 0;
    parentPort?.postMessage(summary(fuzz, result));
    if (result.failure !== undefined) {
      failed++;
      parentPort?.postMessage(result.failure);
    }
  }
  parentPort?.postMessage(`fuzz: ${total} runs, ${dumps} damaged dumps, ${failed} failed`);
  return failed === 0;
}

/** In the main thread: starts the worker and watches its memory and its time. */
function watch(order: Omit<Order, 'pulse'>): void {
  const pulse = new SharedArrayBuffer(Pulse.Words * 8);
  const words = new Float64Array(pulse);
  const worker = new Worker(new URL('fuzz/worker.mjs', import.meta.url), { workerData: { ...order, pulse } satisfies Order });
  let ok = false;
  let highest = 0;
  const stop = (why: string): void => {
    const fuzz = CASES[words[Pulse.Case] ?? 0];
    console.error(`FAILED ${fuzz?.name ?? '-'}: ${why}: in run ${words[Pulse.Run]} of seed ${order.seed}\n  repeat it: npm run fuzz -- --runs ${order.runs} --only ${fuzz?.name ?? '-'} --seed ${order.seed} --path ${(words[Pulse.Run] ?? 1) - 1}`);
    process.exit(1);
  };
  const timer = setInterval(() => {
    const rss = process.memoryUsage.rss();
    highest = Math.max(highest, rss);
    if (rss > MAX_RSS) stop(`the process needs ${mib(rss)}, and the limit is ${mib(MAX_RSS)}`);
    const started = words[Pulse.StartedAt] ?? 0;
    if (started > 0 && Date.now() - started > HUNG_MS) stop(`it runs for ${HUNG_MS / 1000} s already`);
  }, 50);
  worker.on('message', (message: string | boolean) => {
    if (typeof message === 'string') console.log(message);
    else ok = message;
  });
  worker.on('error', (error: Error) => {
    console.error(error);
  });
  worker.on('exit', () => {
    clearInterval(timer);
    const peak = Math.max(highest, process.resourceUsage().maxRSS * 1024);
    console.log(`fuzz: at most ${mib(peak)} of memory (limit ${mib(MAX_RSS)})`);
    process.exitCode = ok && peak < MAX_RSS ? 0 : 1;
  });
}

function orderOfUser(): Omit<Order, 'pulse'> {
  const { options } = parsed<{ runs: number; seed?: number; only?: readonly string[]; path?: string }>(
    script('fuzz', 'Damaged input of every kind: each run must give a result or a PgtableError, within 2 s of processor time, and the process must stay below 1.5 GiB.')
      .option('--runs <n>', 'of each case', whole(1), DEFAULT_RUNS)
      .option('--seed <n>', 'of what is tried; by chance where it is left out', whole(-(2 ** 31), 2 ** 31 - 1))
      .option('--only <case>', `one of ${CASES.map(({ name }) => name).join(', ')}; may be given more than once`, each(CASES.map(({ name }) => name)))
      .option('--path <path>', 'to one run, as it was printed where it failed'),
  );
  const { runs, path, only = [], seed = randomInt(2 ** 31) } = options;
  return { runs, seed, only, path };
}

// The work is done in a worker thread, so that this thread can stop one that hangs.
if (isMainThread) {
  watch(orderOfUser());
} else {
  const ok = await work(workerData as Order);
  parentPort?.postMessage(ok);
}
