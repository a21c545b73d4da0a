import { ARCHITECTURE_NAMES } from '../../packages/arch-testkit/test/configurations.js';
import { RACES } from '../races/scenarios.js';
import type { Fault } from './fault.js';
import { ENTRIES } from './list/entries.js';
import { LOCKS } from './list/locks.js';
import { TABLES } from './list/tables.js';

/** What the races of `npm run races` are lost without. A fault that several of them show is one fault. */
function ofRaces(): readonly Fault[] {
  const seen = new Set<string>();
  return Object.entries(RACES).flatMap(([interleaving, { without = [], quick }]) => without.flatMap(({ name, patches, loses, except = {} }): Fault[] => {
    const key = JSON.stringify(patches);
    if (seen.has(key)) return [];
    seen.add(key);
    const on = ARCHITECTURE_NAMES.filter((architecture) => except[architecture] === undefined);
    return [{ name: `left out of '${interleaving}': ${name}`, patches, interleaving, on, says: loses, ...(quick === true ? {} : { slow: true }) }];
  }));
}

/** All faults. */
export const FAULTS: readonly Fault[] = [...TABLES, ...LOCKS, ...ENTRIES, ...ofRaces()];
