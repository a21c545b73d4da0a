import { LEVELS, type Geometry, type Level } from '../src/index.js';

/**
 * A geometry with the given levels, by index bits; the others are folded: a folded level has the shift and entries of the
 * existing level that it stands for, the nearest above, or the nearest below if there is none above.
 */
export function makeGeometry(bits: Partial<Record<Level, number>>, pageShift = 12, entryBytes = 8): Geometry {
  let next = pageShift;
  const real = new Map<Level, { shift: number; entries: number }>();
  for (const level of LEVELS) {
    const width = bits[level];
    if (width === undefined) continue;
    real.set(level, { shift: next, entries: 2 ** width });
    next += width;
  }
  const levels = LEVELS.map((level, number) => {
    const own = real.get(level);
    const above = LEVELS.slice(number).find((candidate) => real.has(candidate));
    const below = LEVELS.slice(0, number).findLast((candidate) => real.has(candidate));
    const shape = own ?? real.get(above ?? below ?? 'pte') ?? { shift: pageShift, entries: 1 };
    return { level, title: level.toUpperCase(), ...shape, folded: own === undefined };
  });
  const [pte, pmd, pud, p4d, pgd] = levels;
  return { levels: [pte!, pmd!, pud!, p4d!, pgd!], pageBytes: 2 ** pageShift, entryBytes, addressDigits: 16 };
}
