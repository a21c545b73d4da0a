import { parseArgs } from 'node:util';
import { soakAccessors } from './soak/accessors.js';
import { soakFault, soakSpaces, type Plan } from './soak/space/soak.js';

/*
 * npm run soak [-- --reads N] [--seconds N | --minutes N] [--threads N] [--seed N] [--configuration NAME] [--checks on|off] [--memory enough|scarce] [--only accessors|spaces] [--fault TEXT]
 *
 * Two parts. Threads that share tables, and read entries without a lock: --reads says how often. And threads that share a kernel, and use its address spaces in all ways that there are: for 60 seconds in all, or as
 * many as --seconds or --minutes says; above two minutes in all configurations. In half of the rounds memory runs out now and then.
 *
 * --fault puts faults of `npm run faults` into the sources that the threads run, those with that text in their names, one after the other, and must find each: --seconds for one.
 */
const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== '--'),
  options: {
    reads: { type: 'string', default: '100000000' }, seconds: { type: 'string', default: '60' }, minutes: { type: 'string' }, threads: { type: 'string', default: '2' }, seed: { type: 'string' },
    configuration: { type: 'string', multiple: true }, checks: { type: 'string' }, memory: { type: 'string' }, only: { type: 'string' }, fault: { type: 'string' },
  },
});

function numberOf(option: string, text: string, least: number): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < least) throw new Error(`--${option} ${text}: a whole number from ${least} up is expected`);
  return number;
}

function oneOf<T extends string>(option: string, text: string | undefined, allowed: readonly T[]): T | undefined {
  const found = allowed.find((one) => one === text);
  if (text !== undefined && found === undefined) throw new Error(`--${option} ${text}: one of ${allowed.join(', ')} is expected`);
  return found;
}

const only = oneOf('only', values.only, ['accessors', 'spaces']);
const checks = oneOf('checks', values.checks, ['on', 'off']);
const memory = oneOf('memory', values.memory, ['enough', 'scarce']);
const seconds = values.minutes === undefined ? numberOf('seconds', values.seconds, 1) : 60 * numberOf('minutes', values.minutes, 1);
const reads = numberOf('reads', values.reads, 1000);
const threads = numberOf('threads', values.threads, 1);
const seed = values.seed === undefined ? Date.now() % 1_000_000 : numberOf('seed', values.seed, 0);

const plan: Plan = {
  seconds, threads, seed, ...(values.configuration === undefined ? {} : { configurations: values.configuration }), ...(checks === undefined ? {} : { checks }), ...(memory === undefined ? {} : { memory }),
};

let failed = 0;
const { fault } = values;
if (fault !== undefined) {
  // Here, for it reads all scenarios and programs.
  const { soakFaults } = await import('./soak/faults.js');
  for (const one of soakFaults(fault)) if (!(await soakFault(one, plan))) failed++;
} else {
  if (only !== 'spaces') failed += await soakAccessors(reads);
  if (only !== 'accessors') failed += await soakSpaces(plan);
}
process.exitCode = failed === 0 ? 0 : 1;
