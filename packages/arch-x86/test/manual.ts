import { EntryKind } from '@pgtable/core';
import type { PagingMode } from '../src/index.js';

/** One level of a paging mode, in the manual's words. */
export interface ManualLevel {
  readonly mode: PagingMode;
  readonly level: 'pte' | 'pmd' | 'pud' | 'p4d' | 'pgd';
  readonly name: string;
}

export const LEVELS_OF: readonly ManualLevel[] = [
  ...(['5-level', '4-level'] as const).flatMap((mode) => [
    { mode, level: 'pte' as const, name: 'PTE' },
    { mode, level: 'pmd' as const, name: 'PDE' },
    { mode, level: 'pud' as const, name: 'PDPTE' },
    ...(mode === '5-level' ? [{ mode, level: 'p4d' as const, name: 'PML4E' }, { mode, level: 'pgd' as const, name: 'PML5E' }] : [{ mode, level: 'pgd' as const, name: 'PML4E' }]),
  ]),
  { mode: 'PAE', level: 'pte', name: 'PTE' },
  { mode: 'PAE', level: 'pmd', name: 'PDE' },
  { mode: 'PAE', level: 'pgd', name: 'PDPTE' },
  { mode: '2-level', level: 'pte', name: 'PTE' },
  { mode: '2-level', level: 'pgd', name: 'PDE' },
];

const bit = (value: bigint, number: number): boolean => ((value >> BigInt(number)) & 1n) === 1n;
/** Bits high:low of a value, in place. */
const bits = (value: bigint, high: number, low: number): bigint => ((value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n)) << BigInt(low);

/**
 * Classifies an entry word by word as SDM volume 3A describes it: slow, and independent of masks.
 *
 * @returns the kind, and the address of the table or page
 */
export function classify({ mode, level }: ManualLevel, value: bigint, options: { nx: boolean; pse: boolean; physicalBits: number }): { kind: EntryKind; pa: bigint } {
  const none = { kind: EntryKind.None, pa: 0n };
  const bad = { kind: EntryKind.Bad, pa: 0n };
  if (value === 0n) return none;
  if (!bit(value, 0)) return { kind: EntryKind.NonPresent, pa: 0n };

  if (mode === '2-level') {
    if (level === 'pte') return { kind: EntryKind.Leaf, pa: bits(value, 31, 12) };
    if (!options.pse || !bit(value, 7)) return { kind: EntryKind.Table, pa: bits(value, 31, 12) };
    return bit(value, 21) ? bad : { kind: EntryKind.Leaf, pa: bits(value, 31, 22) | (bits(value, 20, 13) << 19n) };
  }

  if (options.physicalBits < 52 && bits(value, 51, options.physicalBits) !== 0n) return bad;
  if (mode === 'PAE' && bits(value, 62, 52) !== 0n) return bad;
  if (!options.nx && bit(value, 63)) return bad;
  const table = { kind: EntryKind.Table, pa: bits(value, 51, 12) };
  if (mode === 'PAE' && level === 'pgd') return bit(value, 63) ? bad : table;
  switch (level) {
    case 'pte':
      return { kind: EntryKind.Leaf, pa: bits(value, 51, 12) };
    case 'pmd':
      if (!bit(value, 7)) return table;
      return bits(value, 20, 13) !== 0n ? bad : { kind: EntryKind.Leaf, pa: bits(value, 51, 21) };
    case 'pud':
      if (!bit(value, 7)) return table;
      return bits(value, 29, 13) !== 0n ? bad : { kind: EntryKind.Leaf, pa: bits(value, 51, 30) };
    case 'p4d':
    case 'pgd':
      return bit(value, 7) ? bad : table;
  }
}
