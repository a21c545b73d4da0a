import { parseArgs } from 'node:util';
import { soakAccessors } from './soak/accessors.js';
import { soakSpaces } from './soak/space/soak.js';

/*
 * npm run soak [-- --reads N] [--seconds N | --minutes N] [--threads N] [--seed N] [--configuration NAME] [--checks on|off] [--only accessors|spaces]
 *
 * Two parts. Threads that share tables, and read entries without a lock: --reads says how often. And threads that share a kernel, and use its address spaces in all ways that there are: for 60 seconds in all, or as
 * many as --seconds or --minutes says; above two minutes in all configurations.
 */
const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== '--'),
  options: {
    reads: { type: 'string', default: '100000000' }, seconds: { type: 'string', default: '60' }, minutes: { type: 'string' }, threads: { type: 'string', default: '2' }, seed: { type: 'string' },
    configuration: { type: 'string', multiple: true }, checks: { type: 'string' }, only: { type: 'string' },
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
const seconds = values.minutes === undefined ? numberOf('seconds', values.seconds, 1) : 60 * numberOf('minutes', values.minutes, 1);
const reads = numberOf('reads', values.reads, 1000);
const threads = numberOf('threads', values.threads, 1);
const seed = values.seed === undefined ? Date.now() % 1_000_000 : numberOf('seed', values.seed, 0);

let failed = 0;
if (only !== 'spaces') failed += await soakAccessors(reads);
if (only !== 'accessors') {
  failed += await soakSpaces({
    seconds, threads, seed, ...(values.configuration === undefined ? {} : { configurations: values.configuration }), ...(checks === undefined ? {} : { checks }),
  });
}
process.exitCode = failed === 0 ? 0 : 1;
