import type { AliasHandles } from '@pgtable/core';

/**
 * What handles are at each level. Begin with the alias: everything compiles, nothing is checked. Then opt in, level by level; what no longer
 * compiles treated a live entry as a number:
 *
 *     export interface TrioHandles extends Omit<AliasHandles, 'pte'> {
 *       pte: HwHandle<'pte'>;
 *     }
 *
 * With all five the family is StrongHandles.
 */
export type TrioHandles = AliasHandles;
