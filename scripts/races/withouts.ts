import type { Without } from './race.js';

/** `pte_offset_map_lock()` does not look at the pmd entry again once it has the lock. @param loses what the error says */
export function noPmdRecheck(loses: RegExp): Without {
  return {
    name: 'the recheck of the pmd entry under the lock', loses,
    patches: [{ file: 'packages/mm/src/tables/pte-offset-map.ts', find: 'if (table.unchanged()) return table;', replace: 'if (table.pmd !== undefined) return table;' }],
  };
}
