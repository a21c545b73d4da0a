import type { HandleFamily } from '../handles.js';
import type { PteVal } from '../values.js';
import type { BatchIgnore, WritableArch } from '../writable.js';

/* Entries that map consecutive pages alike. */

/** `folio_pte_batch`: {@link WritableOps.batch}. Nothing here knows folios, so `max` must end with the folio. */
export function folioPteBatch<H extends HandleFamily>(arch: WritableArch<H>, ptep: H['pte'], pte: PteVal, max: number, ignore: BatchIgnore = {}): number {
  return arch.ops.pte.batch(ptep, pte, max, ignore);
}
