import { checkOf } from './faults/checks.js';
import type { Fault, Order, Report } from './faults/fault.js';
import { House } from './faults/house.js';
import { configurationsOf } from './faults/interleavings.js';
import { lint } from './faults/lint.js';
import { FAULTS } from './faults/list.js';
import { PROGRAMS } from './faults/programs.js';
import { parsed, script } from './options.js';
import { ALL } from '../packages/arch-testkit/test/configurations.js';
import { CONFIGURATIONS } from './races/race.js';

const { options } = parsed<{ fault?: string; arch?: string; quick?: true; list?: true }>(
  script('faults', `Puts one fault at a time into the sources (in a bundle; the files stay as they are), runs what must find it, and says what it was that did, and in how many interleavings. Before, everything that is to
find faults is run without any: nothing may be found then.`)
    .option('--fault <text>', 'only faults with it in their names')
    .option('--arch <text>', 'only configurations with it in their names')
    .option('--quick', 'leaves out what takes longer, and runs the rest on one architecture each')
    .option('--list', 'names them'),
);

/** Seconds that something may take in one configuration. */
const PATIENCE = 150;
/** Interleavings in which a fault must be found. */
const MOST_RUNS = 20_000;
/** Interleavings of what has no fault. `npm run races` runs them all. */
const CONTROL_RUNS = options.quick === true ? 10 : 100;

type Finder = Pick<Order, 'kind' | 'name'>;

function finderOf({ name, program, interleaving, lint: rule }: Fault): Finder {
  if (rule !== undefined) return { kind: 'lint', name: rule };
  if (program !== undefined && PROGRAMS[program] !== undefined) return { kind: 'program', name: program };
  if (interleaving !== undefined) return { kind: 'interleaving', name: interleaving };
  throw new Error(`the fault '${name}' has nothing that finds it`);
}

/** The configurations that a finder runs in. */
function runsIn({ kind, name }: Finder): readonly string[] {
  if (kind === 'lint') return ['all'];
  if (kind === 'interleaving') return configurationsOf(name);
  const on = PROGRAMS[name]?.on;
  return on === undefined ? CONFIGURATIONS.map((configuration) => configuration.name) : [ALL.find((configuration) => configuration.name.startsWith(on))!.name];
}

/** The configurations in which a fault is looked for. In the short form one of them, another for each fault. */
function placesOf(fault: Fault, number: number): readonly string[] {
  const all = runsIn(finderOf(fault)).filter((name) => fault.on?.some((part) => name.startsWith(part)) ?? true);
  const selected = all.filter((name) => options.arch === undefined || name.includes(options.arch));
  return options.quick === true ? selected.slice(number % Math.max(selected.length, 1)).slice(0, 1) : selected;
}

const chosen = FAULTS.filter(({ name, slow }) => (options.fault === undefined || name.includes(options.fault)) && !(options.quick === true && slow === true))
  .map((fault, number) => ({ fault, finder: finderOf(fault), places: placesOf(fault, number) })).filter(({ places }) => places.length > 0);
if (chosen.length === 0) throw new Error(`there is no fault whose name contains '${options.fault ?? ''}', and that shows on '${options.arch ?? ''}'`);

/** The beginning of a message. */
function shortened(message: string): string {
  const line = message.split('\n')[0]!;
  return line.length > 150 ? `${line.slice(0, 149)}…` : line;
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(2)} s`;
}

const CATCHERS: Readonly<Record<Finder['kind'], string>> = { program: 'the program', interleaving: 'the interleavings of', lint: 'the lint rule' };

/** What it was that found a fault. */
function catcherOf({ kind, name }: Finder): string {
  return `${CATCHERS[kind]} '${name}'`;
}

function complain(text: string): 1 {
  console.log(`FAILED without any fault: ${text}`);
  return 1;
}

function linted({ patches }: Fault, faulty: boolean): Promise<Report[]> {
  return Promise.all(patches.map((patch) => lint(patch, faulty)));
}

/** Everything that is to find faults, without any. @returns how many things went wrong */
async function control(house: House): Promise<number> {
  const finders = new Map<string, Order & { readonly configurations: string[] }>();
  let wrong = 0;
  for (const { fault, finder, places } of chosen) {
    if (finder.kind === 'lint') {
      for (const { message } of await linted(fault, false)) if (message !== undefined) wrong += complain(`${catcherOf(finder)} on what has no fault: ${message}`);
      continue;
    }
    const order = finders.get(`${finder.kind} ${finder.name}`) ?? { ...finder, configurations: [], maxRuns: CONTROL_RUNS };
    for (const place of places) if (!order.configurations.includes(place)) order.configurations.push(place);
    finders.set(`${finder.kind} ${finder.name}`, order);
  }
  await house.build();
  let runs = 0;
  let milliseconds = 0;
  for (const order of finders.values()) {
    for (const report of await house.run(order, PATIENCE * order.configurations.length)) {
      runs += report.schedules;
      milliseconds += report.milliseconds;
      if (report.message === undefined) continue;
      wrong += complain(`${catcherOf(order)} on ${report.configuration}: ${report.message}${report.schedule === undefined ? '' : `\n  schedule: ${report.schedule}`}`);
    }
  }
  console.log(`without any fault: ${finders.size} programs and scenarios, ${runs} interleavings, ${seconds(milliseconds)}: ${wrong === 0 ? 'nothing is found' : `${wrong} FAILED`}`);
  return wrong;
}

function tookOf({ schedules, milliseconds }: Report): string {
  return `${schedules === 0 ? '' : `${schedules} schedules, `}${seconds(milliseconds)}`;
}

/** Prints what came of a fault. @returns whether it was found everywhere */
function show(finder: Finder, reports: readonly Report[], expected: RegExp): boolean {
  const found = new Map<string, { readonly message: string; readonly where: string[] }>();
  let everywhere = true;
  for (const report of reports) {
    const { configuration, message } = report;
    if (message === undefined || !expected.test(message)) {
      everywhere = false;
      console.log(`    ${configuration}, ${tookOf(report)}: ${message === undefined ? 'NOT FOUND' : `ANOTHER ERROR than ${String(expected)}: ${message}`}`);
      continue;
    }
    // Addresses and numbers differ from one machine to another.
    const kind = message.split('\n')[0]!.replace(/0x[0-9a-f]+|[0-9]+/g, '0');
    const same = found.get(kind) ?? { message, where: [] };
    same.where.push(`${configuration} ${tookOf(report)}`);
    found.set(kind, same);
  }
  for (const { message, where } of found.values()) console.log(`    ${checkOf(message)}, ${catcherOf(finder)}: ${shortened(message)}\n      ${where.join('; ')}`);
  return everywhere;
}

async function examine(house: House, { fault, finder, places }: (typeof chosen)[number]): Promise<boolean> {
  let reports: readonly Report[];
  if (finder.kind === 'lint') reports = await linted(fault, true);
  else {
    await house.build(fault.patches);
    reports = await house.run({ ...finder, configurations: places, maxRuns: MOST_RUNS }, PATIENCE * places.length);
  }
  console.log(fault.name);
  return show(finder, reports, fault.says) && reports.length === places.length;
}

if (options.list === true) {
  for (const { fault, finder, places } of chosen) console.log(`${fault.name} (${[...new Set(fault.patches.map(({ file }) => file))].join(', ')}): ${catcherOf(finder)} on ${places.join(', ')}`);
} else {
  const house = new House();
  try {
    const wrong = await control(house);
    let found = 0;
    for (const one of chosen) if (await examine(house, one)) found++;
    console.log(`faults: ${found} of ${chosen.length} found`);
    process.exitCode = found === chosen.length && wrong === 0 ? 0 : 1;
  } finally {
    house.close();
  }
}
