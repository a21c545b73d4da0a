import type { AnyScenario, ScheduleSearch } from '../../packages/mm/src/index.js';
import { scenarios as collapses } from '../../packages/mm/test/collapse-scenarios.js';
import { scenarios as accesses } from '../../packages/mm/test/faults-scenarios.js';
import { scenarios as areas } from '../../packages/mm/test/vmalloc-scenarios.js';
import { CONFIGURATIONS, configurationOf, type Race } from '../races/race.js';
import { RACES } from '../races/scenarios.js';
import oldPageAgainstDontneed from './races/old-page-against-dontneed.js';
import twoCopies from './races/two-copies.js';

/** Threads whose interleavings are explored, in one configuration. */
export interface Interleaving {
  readonly scenario: AnyScenario;
  readonly search: ScheduleSearch;
  /** Steps that a run may have. */
  readonly limit: number;
}

/** Beside those of `npm run races`. */
const OTHERS: Readonly<Record<string, Race>> = { 'old page against dontneed': oldPageAgainstDontneed, 'two copies': twoCopies };
const ALL_RACES: Readonly<Record<string, Race>> = { ...RACES, ...OTHERS };

/** Those of the tests of packages/mm: by name and configuration. */
const OF_TESTS: Readonly<Record<string, Readonly<Record<string, AnyScenario>>>> = { collapses, accesses, areas };

/** Steps that a run of a test's may have. */
const LIMIT = 10_000;

/** @throws Error if there is none of that name */
export function interleavingOf(name: string, configuration: string): Interleaving {
  const race = ALL_RACES[name];
  if (race !== undefined) return { scenario: race.scenario(configurationOf(configuration)), search: race.search, limit: race.limit ?? 3000 };
  const [list, rest] = partsOf(name);
  const scenario = OF_TESTS[list]?.[`${rest} ${configuration}`];
  if (scenario === undefined) throw new Error(`there is no interleaving ${name} in ${configuration}`);
  return { scenario, search: { kind: 'reduced' }, limit: LIMIT };
}

/** The configurations that there is one of that name for. @throws Error if there is none */
export function configurationsOf(name: string): readonly string[] {
  if (ALL_RACES[name] !== undefined) return CONFIGURATIONS.map((configuration) => configuration.name);
  const [list, rest] = partsOf(name);
  const names = TEST_CONFIGURATIONS.filter((configuration) => OF_TESTS[list]?.[`${rest} ${configuration}`] !== undefined);
  if (names.length === 0) throw new Error(`there is no interleaving ${name}`);
  return names;
}

const TEST_CONFIGURATIONS = ['x86 4-level', 'arm64 4K 48-bit', 'riscv Sv39', 's390 pud'];

/** `collapses: gup` is one of collapse-scenarios.ts. */
function partsOf(name: string): readonly [string, string] {
  const at = name.indexOf(': ');
  return [name.slice(0, at), name.slice(at + 2)];
}
