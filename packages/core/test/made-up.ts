import { FlagValues, valueFormat } from '../src/arch.js';
import { LEVELS, type EntryValues, type Feature, type Geometry, type Level } from '../src/index.js';

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

/* The bits of made-up entries. A table entry has V and TABLE; a leaf V alone. Frames are from bit 12 up. */
export const V = 1n;
export const TABLE = 2n;
export const WRITE = 4n;
export const YOUNG = 0x20n;
export const DIRTY = 0x40n;
export const SPECIAL = 0x80n;
export const SOFT_DIRTY = 0x100n;
/** Not valid, and present to the kernel. */
export const PROT_NONE = 0x200n;
export const UFFD_WP = 0x400n;
export const SWAP_BASE = 0x800n;

const FEATURES: readonly Feature[] = ['leaf', 'special', 'softDirty', 'uffdWp', 'protnone', 'swap', 'swpExclusive', 'swpSoftDirty', 'swpUffdWp'];

/** The values of all levels, over the bits above. @param empty what the empty entry is */
export function makeValues(geometry: Geometry, empty = 0n): { readonly [L in Level]: EntryValues<L> } {
  const of = <L extends Level>(level: L): EntryValues<L> => {
    const lowest = level === 'pte';
    const addressBits = geometry.entryBytes === 4 ? 0xffff_f000n : 0xffff_ffff_f000n;
    return new FlagValues(level, valueFormat({
      empty,
      validMask: V,
      validValue: V,
      presentInvalid: PROT_NONE,
      protnone: PROT_NONE,
      tableMask: lowest ? 0n : V | TABLE,
      tableValue: lowest ? 0n : V | TABLE,
      badMask: SPECIAL,
      pfnMask: addressBits,
      pfnShift: 12,
      orderShift: geometry.levels[LEVELS.indexOf(level)]!.shift - 12,
      young: YOUNG,
      dirty: DIRTY,
      write: WRITE,
      special: SPECIAL,
      softDirty: SOFT_DIRTY,
      uffdWp: UFFD_WP,
      leafClears: lowest ? 0n : TABLE,
      invalidClears: V,
      invalidSets: PROT_NONE,
      modifyKeeps: YOUNG | DIRTY | SPECIAL | SOFT_DIRTY | UFFD_WP,
      userTable: V | TABLE | WRITE,
      kernelTable: V | TABLE,
      tableAddress: addressBits,
      swap: { typeShift: 3, offsetShift: 12, offsetBits: geometry.entryBytes === 4 ? 20 : 36, base: SWAP_BASE, softDirty: SOFT_DIRTY, exclusive: TABLE, uffdWp: WRITE },
      features: lowest ? FEATURES : ['table', ...FEATURES],
    }));
  };
  return { pte: of('pte'), pmd: of('pmd'), pud: of('pud'), p4d: of('p4d'), pgd: of('pgd') };
}
