/**
 * Where a pointer came from, as far as the code says.
 *
 * live: a hardware table: a handle. aside: a value held aside (`EntryBuffer.at`, anything declared `EntryPtr`).
 * mixed: one or the other, by the way that the code takes. unknown: nothing says.
 */
export type Origin = 'live' | 'aside' | 'mixed' | 'unknown';

/** What something is that may come from either of two places. */
export function either(a: Origin, b: Origin): Origin {
  if (a === b || b === 'unknown') return a;
  return a === 'unknown' ? b : 'mixed';
}
