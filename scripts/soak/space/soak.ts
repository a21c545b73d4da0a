import { withBundle } from '../bundle.js';
import type { SoakFault } from '../faults.js';
import { CHECKS, LONG, SHORT } from './machines.js';
import { Stat } from './orders.js';
import { runRound, type Report, type Round } from './round.js';

/** What is soaked, and for how long. */
export interface Plan {
  /** In all. */
  readonly seconds: number;
  /** Names of configurations. Default: one of each architecture for up to two minutes, all of them for longer. */
  readonly configurations?: readonly string[];
  /** Default: rounds with all checks, and rounds without. */
  readonly checks?: 'on' | 'off';
  /** Default: rounds with enough memory, and as many where it is scarce. */
  readonly memory?: 'enough' | 'scarce';
  readonly threads: number;
  readonly seed: number;
}

const WORKER = new URL('./worker.ts', import.meta.url);

/** Operations of each thread between two meetings. */
const BATCH = 80;

/** How a round is run. */
interface Mode {
  readonly checks: 'on' | 'off';
  readonly memory: 'enough' | 'scarce';
}

const MODES: readonly Mode[] = [{ checks: 'on', memory: 'enough' }, { checks: 'off', memory: 'enough' }, { checks: 'on', memory: 'scarce' }, { checks: 'off', memory: 'scarce' }];

/**
 * Threads that use one kernel: its processes, files and vmalloc areas, against models that one thread can keep. At quiescent points everything is counted anew.
 *
 * @returns how many rounds failed
 */
export async function soakSpaces(plan: Plan): Promise<number> {
  const rounds = roundsOf(plan);
  let failed = 0;
  let operations = 0;
  await withBundle(WORKER, async (file) => {
    for (const { mode, round } of rounds) {
      const report = await runRound(file, round);
      operations += report.stat(Stat.Operations);
      console.log(`${nameOf(mode, round)}: ${report.failure === undefined ? figures(report) : 'FAILED'}`);
      if (report.failure === undefined) continue;
      failed++;
      console.log(`seed ${round.seed}\n${report.failure}\nto repeat it: npm run soak -- --only spaces --configuration '${round.configuration}' --checks ${mode.checks} --memory ${mode.memory} --threads ${round.threads} --seed ${round.seed} --seconds ${Math.ceil(round.seconds * 4)}`);
    }
  });
  console.log(`soak: ${operations} operations on address spaces in ${rounds.length} rounds, ${failed === 0 ? 'nothing lost, nothing left' : `${failed} rounds failed`}`);
  return failed;
}

/**
 * The same with a fault in the sources that the threads run, until one of them finds something.
 *
 * @returns whether that was before the time was over
 */
export async function soakFault({ name, patches, on }: SoakFault, { configurations = SHORT, ...plan }: Plan): Promise<boolean> {
  const where = configurations.filter((configuration) => on?.some((part) => configuration.startsWith(part)) ?? true);
  // One after the other, so that each round is of another architecture.
  const rounds = roundsOf({ ...plan, configurations: where }).sort((a, b) => MODES.indexOf(a.mode) - MODES.indexOf(b.mode));
  return await withBundle(WORKER, async (file) => {
    let seconds = 0;
    for (const [at, { mode, round }] of rounds.entries()) {
      const report = await runRound(file, round);
      seconds += report.seconds;
      if (report.failure === undefined) continue;
      console.log(`${name}: found in round ${at + 1} of ${rounds.length}, after ${seconds.toFixed(1)} s, on ${nameOf(mode, round)}, seed ${round.seed}\n  ${report.failure.split('\n').slice(0, 2).join(' ')}`);
      return true;
    }
    console.log(`${name}: NOT FOUND in ${rounds.length} rounds, ${seconds.toFixed(1)} s`);
    return false;
  }, patches);
}

interface Entry {
  readonly mode: Mode;
  readonly round: Round;
}

function roundsOf({ seconds, configurations = seconds <= 120 ? SHORT : LONG, checks, memory, threads, seed }: Plan): Entry[] {
  const modes = MODES.filter((mode) => (checks === undefined || mode.checks === checks) && (memory === undefined || mode.memory === memory));
  return configurations.flatMap((configuration, at) => modes.map((mode, part): Entry => ({
    mode, round: {
      configuration, threads, batch: BATCH, seed: seed + MODES.length * at + part, checks: mode.checks === 'on' ? CHECKS : {}, scarce: mode.memory === 'scarce', seconds: seconds / (configurations.length * modes.length),
    },
  })));
}

function nameOf({ checks, memory }: Mode, { configuration, threads }: Round): string {
  return `${configuration}, ${threads} threads, checks ${checks}, memory ${memory}`;
}

function figures({ seconds, stat }: Report): string {
  const operations = stat(Stat.Operations);
  return `${operations} operations in ${seconds.toFixed(1)} s (${Math.round(operations / seconds)} a second), ${stat(Stat.Faults)} faults, ${stat(Stat.Collapses)} collapses, ${stat(Stat.Splits)} splits, `
    + `${stat(Stat.Forks)} forks, ${stat(Stat.Pins)} pages by references, ${stat(Stat.Refused)} times no memory, ${stat(Stat.Flushes)} flushes that waited for the accesses of all, ${stat(Stat.Deferred)} calls after grace periods, ${stat(Stat.Quiescent)} audits`;
}
