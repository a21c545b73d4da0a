import { PgtableError, type Arch, type HandleFamily, type Level, type LevelOps, type Root, type ScanBuffer, type ScanFilter, type TableOf } from '@pgtable/core';

/** An architecture in one configuration and a root: one address space that can be walked. */
export interface Space<H extends HandleFamily = HandleFamily> {
  readonly arch: Arch<H>;
  readonly root: Root;
}

/** A half-open range of page-aligned virtual addresses; `end` may be 2 ** 64. */
export interface VaRange {
  readonly start: number;
  readonly end: number;
}

/** All addresses that a root translates. */
export function wholeSpace(root: Root): readonly VaRange[] {
  return root.windows.map(({ start, end }) => ({ start, end }));
}

/**
 * A range of addresses from the edge of the API: rounded outwards to pages, because tables know nothing smaller.
 *
 * @param end exclusive; may be 2n ** 64n
 * @throws PgtableError `EINVAL` if the end is before the start, or one of them is no address of 64 bits
 */
export function vaRange(start: bigint, end: bigint): VaRange {
  if (start < 0n || end < start || end > 2n ** 64n) {
    throw new PgtableError('EINVAL', `there are no addresses from 0x${start.toString(16)} to 0x${end.toString(16)}`, { hint: 'give an end that is not below the start, and at most 2n ** 64n' });
  }
  const page = 4096n;
  return { start: Number(start - (start % page)), end: Number(end + ((page - (end % page)) % page)) };
}

/** The accessors of the level that a table is of. */
export function opsOf<H extends HandleFamily, L extends Level>(arch: Arch<H>, level: L): LevelOps<H, L> {
  return arch.ops[level];
}

/** {@link LevelOps.scan} of a table of whatever level. */
export function scanTable<H extends HandleFamily>(arch: Arch<H>, table: TableOf<H>, first: number, end: number, filter: ScanFilter, out: ScanBuffer): number {
  return opsOf(arch, table.level).scan(table.table, first, end, filter, out);
}

/** {@link LevelOps.child} of the entry with that index in a table of whatever level. */
export function childOf<H extends HandleFamily>(arch: Arch<H>, table: TableOf<H>, index: number): TableOf<H> | undefined {
  const ops = opsOf(arch, table.level);
  return ops.child(ops.advance(table.table, index));
}

/** The bits in memory of the entry with that index in a table of whatever level. */
export function valueOf<H extends HandleFamily>(arch: Arch<H>, table: TableOf<H>, index: number): bigint {
  const ops = opsOf(arch, table.level);
  return ops.raw(ops.advance(table.table, index));
}

/** The level of the tables that table entries of a level point to; undefined for a `pte`. Folded levels are stepped over. */
export function levelBelow(arch: Arch, level: Level): Level | undefined {
  const { levels } = arch.geometry;
  for (let at = levels.findIndex((geometry) => geometry.level === level) - 1; at >= 0; at--) {
    const geometry = levels[at];
    if (geometry !== undefined && !geometry.folded) return geometry.level;
  }
  return undefined;
}
