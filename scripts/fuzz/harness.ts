/** Runs a property many times: with its time measured, its place known to the watchdog, and its failure told so that it can be repeated. */
import fc from 'fast-check';
import { isPgtableError } from '@pgtable/core';

/** One run may use this much processor time. Wall time would count what other processes do. */
const RUN_SECONDS = 2;

const SHRINK_SECONDS = 20;

/** What the watchdog in the main thread looks at, by index. */
export const Pulse = { Run: 0, StartedAt: 1, Case: 2, Words: 3 } as const;

export interface CaseContext {
  readonly runs: number;
  /** The case's own seed. */
  readonly seed: number;
  readonly pulse: Float64Array;
  /** fast-check's path to one counterexample, to repeat that alone. */
  readonly path: string | undefined;
  /** Counts something that the summary shows: `errors`, `opened`, ... */
  count(what: string, by?: number): void;
}

export interface CaseResult {
  readonly runs: number;
  readonly seconds: number;
  /** Processor seconds of the slowest run. */
  readonly slowest: number;
  readonly counts: ReadonlyMap<string, number>;
  /** What went wrong; undefined if nothing did. */
  readonly failure: string | undefined;
}

export interface FuzzCase {
  readonly name: string;
  readonly title: string;
  /** Runs of this case for each mutated dump that the user asked for. */
  readonly share: number;
  run(context: CaseContext): Promise<CaseResult>;
}

/** A failed expectation of a fuzzer: the code under test gave a wrong answer. */
export function expect(holds: boolean, what: () => string): asserts holds {
  if (!holds) throw new Error(what());
}

/** Does something that may fail with a PgtableError, which is counted; anything else goes on. */
export async function attempt<T>(context: CaseContext, work: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!isPgtableError(error)) throw error;
    context.count(error.code);
    if (error.message.length < 10) throw new Error(`an error without a message: ${JSON.stringify(error.message)}`, { cause: error });
    return undefined;
  }
}

/** Processor seconds of this process. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** A case that checks a property of arbitrary values. */
export function fuzzCase<T>(name: string, title: string, share: number, arbitrary: fc.Arbitrary<T>, check: (value: T, context: CaseContext) => Promise<void>): FuzzCase {
  return {
    name,
    title,
    share,
    async run({ runs, seed, pulse, path }) {
      const counts = new Map<string, number>();
      const context: CaseContext = {
        runs, seed, pulse, path,
        count(what, by = 1) {
          counts.set(what, (counts.get(what) ?? 0) + by);
        },
      };
      let slowest = 0;
      let failedAt = Infinity;
      const property = fc.asyncProperty(arbitrary, async (value) => {
        pulse[Pulse.Run] = (pulse[Pulse.Run] ?? 0) + 1;
        pulse[Pulse.StartedAt] = Date.now();
        // What is repeated may never end, so it is shown first.
        if (path !== undefined) process.stderr.write(`${fc.stringify(value)}\n`);
        // Looking for a smaller counterexample must not take for ever: then the smallest so far will do.
        if (Date.now() - failedAt > SHRINK_SECONDS * 1000) return;
        const before = cpuSeconds();
        try {
          await check(value, context);
          const seconds = cpuSeconds() - before;
          slowest = Math.max(slowest, seconds);
          if (seconds > RUN_SECONDS) throw new Error(`it took ${seconds.toFixed(1)} s of processor time, and the limit is ${RUN_SECONDS}`);
        } catch (error) {
          failedAt = Math.min(failedAt, Date.now());
          throw error;
        }
      });
      const begun = Date.now();
      const details = await fc.check(property, { numRuns: path === undefined ? runs : 1, seed, ...(path === undefined ? {} : { path }), interruptAfterTimeLimit: 3_600_000 });
      return {
        runs: details.numRuns,
        seconds: (Date.now() - begun) / 1000,
        slowest,
        counts,
        failure: details.failed ? failureText(name, details) : undefined,
      };
    },
  };
}

function failureText<T>(name: string, details: fc.RunDetails<[T]>): string {
  const { errorInstance } = details;
  const stack = errorInstance instanceof Error ? (errorInstance.stack ?? errorInstance.message) : String(errorInstance);
  return [
    `FAILED ${name}: seed ${details.seed}, path ${details.counterexamplePath ?? '-'}, after ${details.numRuns} runs and ${details.numShrinks} shrinks`,
    `  repeat it: npm run fuzz -- --only ${name} --seed ${details.seed} --path ${details.counterexamplePath ?? '0'}`,
    `  counterexample: ${fc.stringify(details.counterexample).slice(0, 4000)}`,
    `  ${stack}`,
  ].join('\n');
}
