import { Option } from 'commander';
import { each, parsed, script, whole } from './options.js';
import { soakAccessors } from './soak/accessors.js';
import { soakFault, soakSpaces, type Plan } from './soak/space/soak.js';

const { options } = parsed<{
  reads: number; seconds: number; minutes?: number; threads: number; seed?: number; configuration?: readonly string[];
  checks?: 'on' | 'off'; memory?: 'enough' | 'scarce'; only?: 'accessors' | 'spaces'; fault?: string;
}>(script('soak', `Two parts. Threads that share tables, and read entries without a lock. And threads that share a kernel, and use its address spaces in all ways that there are: above two minutes in all configurations. In half of the
rounds memory runs out now and then.`)
  .option('--reads <n>', 'how often entries are read without a lock', whole(1000), 100_000_000)
  .option('--seconds <n>', 'for how long address spaces are used, in all', whole(1), 60)
  .option('--minutes <n>', 'the same in minutes', whole(1))
  .option('--threads <n>', 'that share a kernel', whole(1), 2)
  .option('--seed <n>', 'of what the threads do; by the clock where it is left out', whole(0))
  .option('--configuration <name>', 'of an architecture, as the output names it; may be given more than once', each())
  .addOption(new Option('--checks <state>', 'of the kernel, in all rounds').choices(['on', 'off']))
  .addOption(new Option('--memory <much>', 'in all rounds').choices(['enough', 'scarce']))
  .addOption(new Option('--only <part>', 'leaves out the other part').choices(['accessors', 'spaces']))
  .option('--fault <text>', 'puts faults of `npm run faults` into the sources that the threads run, those with that text in their names, one after the other, and must find each: --seconds for one'));

const { only, checks, memory, configuration, threads, fault } = options;
const seconds = options.minutes === undefined ? options.seconds : 60 * options.minutes;
const seed = options.seed ?? Date.now() % 1_000_000;

const plan: Plan = {
  seconds, threads, seed, ...(configuration === undefined ? {} : { configurations: configuration }), ...(checks === undefined ? {} : { checks }), ...(memory === undefined ? {} : { memory }),
};

let failed = 0;
if (fault !== undefined) {
  // Here, for it reads all scenarios and programs.
  const { soakFaults } = await import('./soak/faults.js');
  for (const one of soakFaults(fault)) if (!(await soakFault(one, plan))) failed++;
} else {
  if (only !== 'spaces') failed += await soakAccessors(options.reads);
  if (only !== 'accessors') failed += await soakSpaces(plan);
}
process.exitCode = failed === 0 ? 0 : 1;
