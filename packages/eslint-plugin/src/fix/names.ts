import { capital, type Level } from '../levels.js';

/** The accessors of `@pgtable/core` by what they do and the level, as a fix writes them. */
export const accessorName = {
  /** `ptepGet(arch, ptep)` */
  get: (level: Level): string => `${level}pGet`,
  /** `ptepGetOnce(arch, ptep)` */
  getOnce: (level: Level): string => `${level}pGetOnce`,
  /** `setPte(arch, mm, address, ptep, pte)` */
  set: (level: Level): string => `set${capital(level)}`,
  /** `hwPteNext(arch, ptep)` */
  next: (level: Level): string => `hw${capital(level)}Next`,
  /** `hwPteAdvance(arch, ptep, count)` */
  advance: (level: Level): string => `hw${capital(level)}Advance`,
  /** `hwPteDistance(arch, a, b)` */
  distance: (level: Level): string => `hw${capital(level)}Distance`,
  /** `pteNone(arch, pte)` */
  none: (level: Level): string => `${level}None`,
  /** `pteClear(arch, mm, address, ptep)` */
  clear: (level: Level): string => `${level}Clear`,
} as const;
