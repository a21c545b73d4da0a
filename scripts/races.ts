import { formatExploration } from '../packages/mm/src/schedule/explore.js';
import type { ScheduleSearch } from '../packages/mm/src/index.js';
import { parsed, script, whole } from './options.js';
import type { Order, Report } from './races/main.js';
import { CONFIGURATIONS, type Needless, type Race, type Without } from './races/race.js';
import { RACES } from './races/scenarios.js';
import { Stadium } from './races/stadium.js';

const { options } = parsed<{ scenario?: string; arch?: string; runs?: number; seed: number; replay?: string; without?: string; real?: number; quick?: true; list?: true }>(
  script('races', `Runs threads of the kernel against each other, one step at a time, in every order that matters; or, with --runs, in so many that are chosen by chance. Then something is left out of the sources (in the
bundle; the files stay as they are), and the race must be lost; the schedule that shows it is run again, and must end with the same error. Of some things it is shown that they are not what keeps the threads apart:
without them nothing may be lost either.`)
    .option('--scenario <text>', 'only the scenario of that name, or those with it in their names')
    .option('--arch <text>', 'only the configuration of that name, or those with it in their names')
    .option('--runs <n>', 'so many orders, chosen by chance', whole(1))
    .option('--seed <n>', 'of the first of them', whole(0), 1)
    .option('--replay <schedule>', 'runs one schedule of one scenario on one architecture, as it was printed, and shows each step')
    .option('--without <text>', 'only the faulty sources without something of that name; "none": no faulty ones')
    .option('--real <n>', 'runs each scenario n times on real threads, with small delays and no scheduler', whole(1))
    .option('--quick', 'the scenarios that take seconds')
    .option('--list', 'names them'),
);

let failed = 0;

/** The one of that name, or those whose name contains a text. */
function chosen<T>(what: string, all: readonly (readonly [string, T])[], part: string | undefined): (readonly [string, T])[] {
  const exact = all.filter(([name]) => name === part);
  const found = exact.length > 0 ? exact : all.filter(([name]) => part === undefined || name.includes(part));
  if (found.length === 0) throw new Error(`no ${what} has '${part}' in its name; there are: ${all.map(([name]) => name).join(', ')}`);
  return found;
}

function searchOf({ search }: Race): ScheduleSearch {
  return options.runs === undefined ? search : { kind: 'priorities', runs: options.runs, seed: options.seed, depth: 3 };
}

function textOf(search: ScheduleSearch): string {
  switch (search.kind) {
    case 'reduced': return 'all interleavings, one of each class';
    case 'all': return search.preemptions === undefined ? 'all interleavings' : `all with ${search.preemptions} preemptions at most`;
    case 'uniform': return `${search.runs} by chance, seed ${search.seed}`;
    case 'priorities': return `${search.runs} by chance, with priorities that drop ${search.depth - 1} times, seed ${search.seed}`;
  }
}

function complain(text: string): void {
  failed++;
  console.log(`FAILED: ${text}`);
}

/** The first line of an error: what is the same each time. */
function headOf(message: string): string {
  return message.split('\n')[0]!;
}

/** A listing with many steps of one kind in a row as two, and how many there are between them. */
function shortened(listing: string): string {
  const lines = listing.split('\n');
  const kindOf = (line: string | undefined): string | undefined => line?.replace(/^ *[0-9]+ /, '').replace(/ at 0x[0-9a-f]+/, '');
  const short: string[] = [];
  for (let first = 0, end = 0; first < lines.length; first = end) {
    while (end < lines.length && kindOf(lines[end]) === kindOf(lines[first])) end++;
    if (end - first <= 3) short.push(...lines.slice(first, end));
    else short.push(lines[first]!, `      (${end - first - 2} more of this kind)`, lines[end - 1]!);
  }
  return short.join('\n');
}

function format(indent: string, title: string, { found, error }: Report): string {
  if (found === undefined) return `${indent}${title}: ${error ?? 'nothing was found out'}`;
  const outcomes = found.outcomes.map(([outcome, count]) => `${count} ${outcome}`).join(', ');
  return `${formatExploration(`${indent}${title}`, { ...found, outcomes: new Map(found.outcomes), failure: found.failure && { ...found.failure, listing: shortened(found.failure.listing) } })}${outcomes === '' ? '' : `\n${indent}  in the end: ${outcomes}`}`;
}

/** The race as it is, or without what it does not need: nothing may go wrong. */
async function run(stadium: Stadium, order: Order, indent = '  '): Promise<void> {
  const report = await stadium.run(order);
  console.log(format(indent, order.configuration, report));
  if (report.found === undefined || report.found.failed > 0 || !report.found.complete) complain(`${order.race}, ${order.configuration}`);
}

/** The race with something left out: it must be lost, twice in the same way. */
async function lose(stadium: Stadium, order: Order, { name: what, loses, except = {} }: Without): Promise<void> {
  const exception = Object.keys(except).find((architecture) => order.configuration.startsWith(architecture));
  if (exception !== undefined) {
    console.log(`    ${order.configuration}: nothing is lost, because ${except[exception]}`);
    return;
  }
  const { found, error } = await stadium.run(order);
  const failure = found?.failure;
  if (found === undefined || failure === undefined) {
    complain(`${order.race}, ${order.configuration}: without ${what} nothing goes wrong in ${found?.runs ?? 0} interleavings${error === undefined ? '' : `: ${error}`}`);
    return;
  }
  const { replayed } = await stadium.run({ race: order.race, configuration: order.configuration, replay: failure.schedule });
  const again = replayed !== undefined && headOf(replayed.message) === headOf(failure.message);
  console.log(`    ${order.configuration}: lost in interleaving ${found.runs + found.pruned} (${(found.milliseconds / 1000).toFixed(2)} s): ${headOf(failure.message)}`);
  console.log(`      --replay '${failure.schedule}': ${again ? 'the same error again' : (replayed?.message ?? 'nothing goes wrong')}`);
  if (!loses.test(failure.message)) complain(`${order.race}, ${order.configuration}: without ${what} another error is expected: ${loses.source}`);
  if (!again) complain(`${order.race}, ${order.configuration}: the schedule does not end the same way twice`);
}

async function replay(race: string, schedule: string, without: Without | undefined): Promise<void> {
  const stadium = await Stadium.open(without?.patches);
  try {
    for (const [configuration] of configurations) {
      const { replayed, error } = await stadium.run({ race, configuration, replay: schedule });
      if (replayed === undefined) console.log(`${race}, ${configuration}: ${error ?? 'nothing goes wrong'}`);
      else complain(`${race}, ${configuration}: ${replayed.message}\n${shortened(replayed.listing)}`);
    }
  } finally {
    await stadium.close();
  }
}

const races = chosen('scenario', Object.entries(RACES).filter(([, { quick }]) => options.quick !== true || quick === true), options.scenario);
const configurations = chosen('architecture', CONFIGURATIONS.map((configuration) => [configuration.name, configuration] as const), options.arch);

/** What of a race is left out: all there is, or what was chosen. */
function withoutsOf({ without = [] }: Race): readonly Without[] {
  return options.without === 'none' ? [] : without.filter(({ name }) => options.without === undefined || name.includes(options.without));
}

function needlessOf({ needless = [] }: Race): readonly Needless[] {
  return options.without === 'none' ? [] : needless.filter(({ name }) => options.without === undefined || name.includes(options.without));
}

/** Does something in each configuration with sources that something is left out of. */
async function inFaulty({ patches }: Pick<Without, 'patches'>, action: (faulty: Stadium, configuration: string) => Promise<void>): Promise<void> {
  const faulty = await Stadium.open(patches);
  try {
    for (const [configuration] of configurations) await action(faulty, configuration);
  } finally {
    await faulty.close();
  }
}

if (options.list === true) {
  for (const [name, race] of races) {
    console.log(`${name}: ${race.about} (${textOf(race.search)})`);
    for (const { name: what } of race.without ?? []) console.log(`  is lost without ${what}`);
    for (const { name: what, because } of race.needless ?? []) console.log(`  is not lost without ${what}, because ${because}`);
  }
} else if (options.replay !== undefined) {
  const [one, another] = races;
  if (one === undefined || another !== undefined) throw new Error(`--replay is about one scenario: ${races.map(([name]) => name).join(', ')} are selected`);
  await replay(one[0], options.replay, options.without === undefined ? undefined : withoutsOf(one[1])[0]);
} else if (options.real !== undefined) {
  const loose = { runs: options.real, seed: options.seed };
  const stadium = await Stadium.open();
  try {
    for (const [race, { about }] of races) {
      console.log(`${race}: ${about} (on real threads)`);
      for (const [configuration] of configurations) {
        const { loose: found } = await stadium.run({ race, configuration, loose });
        console.log(`  ${configuration}: ${found?.runs ?? 0} runs, ${((found?.milliseconds ?? 0) / 1000).toFixed(2)} s`);
        if (found === undefined || found.failure !== undefined) complain(`${race}, ${configuration}: ${found?.failure ?? 'nothing was found out'}`);
      }
    }
  } finally {
    await stadium.close();
  }
} else {
  const stadium = await Stadium.open();
  try {
    for (const [race, one] of races) {
      const search = searchOf(one);
      console.log(`${race}: ${one.about} (${textOf(search)})`);
      for (const [configuration] of configurations) await run(stadium, { race, configuration, search });
      for (const without of withoutsOf(one)) {
        console.log(`  without ${without.name}: the race must be lost`);
        await inFaulty(without, (faulty, configuration) => lose(faulty, { race, configuration, search }, without));
      }
      for (const needless of needlessOf(one)) {
        console.log(`  without ${needless.name}: nothing may be lost here, because ${needless.because}`);
        await inFaulty(needless, (faulty, configuration) => run(faulty, { race, configuration, search }, '    '));
      }
    }
  } finally {
    await stadium.close();
  }
}
if (options.list !== true) console.log(`races: ${failed === 0 ? 'all as they must be' : `${failed} FAILED`}`);
process.exitCode = failed === 0 ? 0 : 1;
