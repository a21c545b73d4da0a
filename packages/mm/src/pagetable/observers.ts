import type { EntryObserver, EntryVal, Level } from '@pgtable/core';

/**
 * Several observers of one address space as one. Those that may refuse a change come first: what an observer noted of a change that a later one refuses stays
 * noted.
 *
 * Locking: none.
 *
 * @returns undefined if there are none, which costs nothing where it is `MmContext.observer`
 */
export function observers(...all: readonly (EntryObserver | undefined)[]): EntryObserver | undefined {
  const present = all.filter((one) => one !== undefined);
  if (present.length <= 1) return present[0];
  return {
    changing<L extends Level>(level: L, address: bigint, old: EntryVal<L>, value: EntryVal<L>): void {
      for (const one of present) one.changing(level, address, old, value);
    },
  };
}
