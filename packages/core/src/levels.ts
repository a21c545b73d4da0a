/**
 * The five levels of a page table, by their kernel names, lowest first.
 *
 * The top table of an address space is the `pgd`, except on s390, where a table keeps the name of its type and the
 * levels above the root are folded. A level that a configuration does not have is *folded*: its entry is the entry of
 * a neighbouring level under another name (see {@link LevelGeometry.folded}).
 */
export type Level = 'pte' | 'pmd' | 'pud' | 'p4d' | 'pgd';

/** All levels, lowest first: the position of a level here is its {@link levelNumber}. */
export const LEVELS = ['pte', 'pmd', 'pud', 'p4d', 'pgd'] as const satisfies readonly Level[];

/** 0 for `pte` up to 4 for `pgd`. The kernel's ptdump counts the other way: its depth is `4 - levelNumber`. */
export type LevelNumber = 0 | 1 | 2 | 3 | 4;

const NUMBERS: Readonly<Record<Level, LevelNumber>> = { pte: 0, pmd: 1, pud: 2, p4d: 3, pgd: 4 };

export function levelNumber(level: Level): LevelNumber {
  return NUMBERS[level];
}

/** The level that a table entry of a level points to. A `pte` points to no table. */
export interface Below {
  pgd: 'p4d';
  p4d: 'pud';
  pud: 'pmd';
  pmd: 'pte';
  pte: never;
}

/** The levels whose entries can point to a table. */
export type TableLevel = Exclude<Level, 'pte'>;

/** The shape of the tables of one level in one configuration of an architecture. */
export interface LevelGeometry {
  readonly level: Level;
  /** The name for people: `PGD`, or what the manual calls it (`segment table`). */
  readonly title: string;
  /** An entry maps `2 ** shift` bytes of virtual addresses. */
  readonly shift: number;
  /** Entries of a full table of this level; the root table may have fewer ({@link Root.end}). */
  readonly entries: number;
  /**
   * The level does not exist in this configuration. Its entry is the entry of the nearest existing level above it,
   * seen under another name, as in the kernel's `pgtable-nop4d.h` and its siblings.
   */
  readonly folded: boolean;
}

/** The shape of all tables of one configuration. */
export interface Geometry {
  /** By level number, lowest first; always five, some of them folded. */
  readonly levels: readonly [LevelGeometry, LevelGeometry, LevelGeometry, LevelGeometry, LevelGeometry];
  /** Bytes of the smallest page: a `pte` maps this much. */
  readonly pageBytes: number;
  /** Bytes of one entry: 4, 8 or 16. */
  readonly entryBytes: number;
  /** Digits of a virtual address when it is printed: 8 or 16. */
  readonly addressDigits: number;
}

/** The geometry of a level. */
export function geometryOf(geometry: Geometry, level: Level): LevelGeometry {
  return geometry.levels[NUMBERS[level]];
}
