import type { Without } from './race.js';

/** `pte_offset_map_lock()` does not look at the pmd entry again once it has the lock. */
export const NO_PMD_RECHECK = {
  name: 'the recheck of the pmd entry under the lock',
  patches: [{ file: 'packages/mm/src/tables/pte-offset-map.ts', find: 'if (table.unchanged()) return table;', replace: 'if (table.pmd !== undefined) return table;' }],
} as const satisfies Pick<Without, 'name' | 'patches'>;
