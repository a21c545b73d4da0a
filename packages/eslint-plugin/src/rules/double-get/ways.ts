import type { EntryRead } from '../../accessors.js';

/** What was read so far on the way to some place, by the handle: the entry may be assumed unchanged since. */
export type Reads = Map<string, EntryRead>;

/** The end of a way that meets others there. */
export interface Way {
  readonly reads: Reads;
  /** Whether anything may have become another on it. */
  readonly isChanged: boolean;
}

/** What is known on all of some ways. */
export function merged(ways: readonly Reads[]): Reads | undefined {
  const [first, ...others] = ways;
  return first === undefined ? undefined : new Map([...first].filter(([key]) => others.every((other) => other.has(key))));
}

/** What was read on all of some ways. */
export function onAll(ways: readonly Way[]): Reads | undefined {
  return merged(ways.map(({ reads }) => reads));
}

/** What was read on any of some ways: `if (isStrict && !ptePresent(arch, ptepGet(arch, ptep))) return;`. But where another of them changes something, whoever reads again afterwards has to. */
export function met(ways: readonly Way[]): Reads | undefined {
  if (ways.length === 0) return undefined;
  const isKnown = (key: string): boolean => ways.every(({ reads, isChanged }) => !isChanged || reads.has(key));
  return new Map(ways.flatMap(({ reads }) => [...reads]).filter(([key]) => isKnown(key)));
}
