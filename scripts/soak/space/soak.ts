import { withBundle } from '../bundle.js';
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
  readonly threads: number;
  readonly seed: number;
}

/** Operations of each thread between two meetings. */
const BATCH = 80;

/**
 * Threads that use one kernel: its processes, files and vmalloc areas, against models that one thread can keep. At quiescent points everything is counted anew.
 *
 * @returns how many rounds failed
 */
export async function soakSpaces({ seconds, configurations = seconds <= 120 ? SHORT : LONG, checks, threads, seed }: Plan): Promise<number> {
  const modes = checks === undefined ? (['on', 'off'] as const) : [checks];
  const rounds = configurations.flatMap((configuration, at) => modes.map((mode, half): { readonly mode: 'on' | 'off'; readonly round: Round } => ({
    mode, round: { configuration, threads, batch: BATCH, seed: seed + 2 * at + half, checks: mode === 'on' ? CHECKS : {}, seconds: seconds / (configurations.length * modes.length) },
  })));
  let failed = 0;
  let operations = 0;
  await withBundle(new URL('./worker.ts', import.meta.url), async (file) => {
    for (const { mode, round } of rounds) {
      const report = await runRound(file, round);
      operations += report.stat(Stat.Operations);
      console.log(`${round.configuration}, ${threads} threads, checks ${mode}: ${report.failure === undefined ? figures(report) : 'FAILED'}`);
      if (report.failure === undefined) continue;
      failed++;
      console.log(`seed ${round.seed}\n${report.failure}\nto repeat it: npm run soak -- --only spaces --configuration '${round.configuration}' --checks ${mode} --threads ${threads} --seed ${round.seed} --seconds ${Math.ceil(round.seconds * 4)}`);
    }
  });
  console.log(`soak: ${operations} operations on address spaces in ${rounds.length} rounds, ${failed === 0 ? 'nothing lost, nothing left' : `${failed} rounds failed`}`);
  return failed;
}

function figures({ seconds, stat }: Report): string {
  const operations = stat(Stat.Operations);
  return `${operations} operations in ${seconds.toFixed(1)} s (${Math.round(operations / seconds)} a second), ${stat(Stat.Faults)} faults, ${stat(Stat.Collapses)} collapses, ${stat(Stat.Splits)} splits, `
    + `${stat(Stat.Forks)} forks, ${stat(Stat.Flushes)} flushes that waited for the accesses of all, ${stat(Stat.Deferred)} calls after grace periods, ${stat(Stat.Quiescent)} audits`;
}
