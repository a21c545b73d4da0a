import { geometryOf, levelNumber, PgtableError, type EntryVal, type Feature, type Geometry, type Level, type Prot } from '@pgtable/core';
import { FlagValues, valueFormat, type ValueFormat } from '@pgtable/core/arch';
import {
  AF, ATTRINDX_LO, CONT, DIRTY, GP, NDIRTY, NG, NS, PI_WRITE, PIINDEX, POINDEX, PRESENT_INVALID, SH_LO, SKL, SKL_SHIFT, SPECIAL, SWP_EXCLUSIVE, SWP_UFFD_WP, UFFD_WP,
  VALID,
} from './bits.js';
import type { ResolvedConfig } from './config.js';
import { addressMask, hasLeaves, type D128Format } from './format.js';

/** Swap entries: 2 exclusive, 3 uffd-wp, 10:6 type, 55:12 offset. As Linux 6.12 in 64-bit entries, whose offset goes on to bit 61. */
export const SWAP = { typeShift: 6, offsetShift: 12, offsetBits: 44 } as const;

/** What entries can say. Leaves of all levels up to the pud are THP and HugeTLB pages with Linux, and can be swapped or migrated. */
function featuresOf(format: D128Format): readonly Feature[] {
  if (format.level === 3) return ['leaf', 'special', 'uffdWp', 'protnone', 'swap', 'swpExclusive', 'swpUffdWp'];
  if (!hasLeaves(format)) return ['table'];
  return ['leaf', 'table', 'special', 'uffdWp', 'protnone', 'swap', 'swpUffdWp'];
}

function formatOf(format: D128Format, shift: number, pageShift: number): ValueFormat {
  const features = featuresOf(format);
  const can = (feature: Feature, mask: bigint): bigint => (features.includes(feature) ? mask : 0n);
  const isPage = format.level === 3;
  return valueFormat({
    features,
    validMask: VALID,
    validValue: VALID,
    presentInvalid: PRESENT_INVALID,
    protnone: can('protnone', PRESENT_INVALID),
    // A page must not skip anything; a table of this example does not.
    ...(isPage ? { badMask: SKL } : { tableMask: VALID | SKL, tableValue: VALID }),
    pfnMask: addressMask(shift),
    pfnShift: pageShift,
    orderShift: shift - pageShift,
    young: can('leaf', AF),
    dirty: can('leaf', DIRTY),
    write: can('leaf', PI_WRITE),
    special: can('special', SPECIAL),
    uffdWp: can('uffdWp', UFFD_WP),
    leafClears: can('leaf', SKL),
    leafSets: can('leaf', BigInt(format.leafSkips) << SKL_SHIFT),
    invalidClears: can('leaf', VALID),
    invalidSets: can('leaf', PRESENT_INVALID),
    // Permission indirection switches the hierarchical permissions of tables off, and it is always on with D128.
    userTable: VALID,
    kernelTable: VALID,
    tableAddress: isPage ? 0n : addressMask(pageShift),
    ...(features.includes('swap')
      ? { swap: { ...SWAP, base: 0n, softDirty: 0n, exclusive: can('swpExclusive', SWP_EXCLUSIVE), uffdWp: can('swpUffdWp', SWP_UFFD_WP) } }
      : {}),
  });
}

/** What {@link D128Values.modify} takes from the new protection: as pte_modify() of Linux 6.12. */
const MODIFIED = VALID | PRESENT_INVALID | NDIRTY | PIINDEX | POINDEX | GP | BigInt(ATTRINDX_LO);

/**
 * Entry values of one level: masks, and Linux's rule for dirty pages (arch/arm64/include/asm/pgtable.h, 6.12), with nDirty where 64-bit entries
 * have RDONLY:
 *
 *     dirty  writable | nDirty  WRITE  DIRTY
 *       0       0     |    1      0      0
 *       0       1     |    1      1      0      the hardware, or a fault, clears nDirty on the first write
 *       1       0     |    1      0      1
 *       1       1     |    0      1     any
 */
export class D128Values<L extends Level> extends FlagValues<L> {
  /** nDirty of leaves; 0n where there are none. */
  private readonly ndirty: bigint;

  /** @param shift what an entry maps, as a power of two of bytes */
  constructor(level: L, format: D128Format, shift: number, pageShift: number) {
    super(level, formatOf(format, shift, pageShift));
    this.ndirty = this.features.has('leaf') ? NDIRTY : 0n;
  }

  override modify(value: EntryVal<L>, prot: Prot): EntryVal<L> {
    const kept = this.hardwareDirty(value) ? value | this.format.dirty : value;
    const result = this.make((kept & ~MODIFIED) | (prot & MODIFIED));
    return this.has(result, this.format.dirty) ? this.mkdirty(result) : result;
  }

  override dirty(value: EntryVal<L>): boolean {
    return super.dirty(value) || this.hardwareDirty(value);
  }
  override mkdirty(value: EntryVal<L>): EntryVal<L> {
    const dirty = super.mkdirty(value);
    return this.write(value) ? this.make(dirty & ~this.ndirty) : dirty;
  }
  override mkclean(value: EntryVal<L>): EntryVal<L> {
    return this.make(super.mkclean(value) | this.ndirty);
  }
  override mkwrite(value: EntryVal<L>): EntryVal<L> {
    const writable = super.mkwrite(value);
    return this.has(value, this.format.dirty) ? this.make(writable & ~this.ndirty) : writable;
  }
  override wrprotect(value: EntryVal<L>): EntryVal<L> {
    const kept = this.hardwareDirty(value) ? super.mkdirty(value) : value;
    return this.make(super.wrprotect(kept) | this.ndirty);
  }

  /** Read-only too: the mark is to fault on writes. */
  override mkuffdWp(value: EntryVal<L>): EntryVal<L> {
    return this.features.has('uffdWp') ? this.wrprotect(super.mkuffdWp(value)) : value;
  }

  /** @throws PgtableError `EINVAL` if `count` is not 1: this example makes no contiguous groups */
  override mkgroup(value: EntryVal<L>, count: number): EntryVal<L> {
    if (count !== 1) throw new PgtableError('EINVAL', `${count} ${this.level} entries are no page here`, { hint: 'take a page of arch.hugePages' });
    return this.mkhuge(value);
  }

  /** Writable, and the hardware or mkdirty() has taken nDirty away. */
  private hardwareDirty(value: EntryVal<L>): boolean {
    return this.write(value) && !this.has(value, this.ndirty);
  }
}

/** The values of every level, by name. */
export type D128ValueTable = { readonly [L in Level]: D128Values<L> };

/** The values of all levels. A folded level has those of the top level that it stands for, under its own name. */
export function d128Values(config: ResolvedConfig, geometry: Geometry, formats: readonly D128Format[]): D128ValueTable {
  const of = <L extends Level>(level: L): D128Values<L> => new D128Values(level, formats[levelNumber(level)]!, geometryOf(geometry, level).shift, config.pageShift);
  return { pte: of('pte'), pmd: of('pmd'), pud: of('pud'), p4d: of('p4d'), pgd: of('pgd') };
}

/**
 * Which changes of a valid entry need break-before-make (Arm ARM D8.16, "Using break-before-make when updating translation table entries"): a table
 * against a block, another address, memory type, shareability, the contiguous bit, NS, and from one ASID to all. Permissions, the access
 * flag and the bits of software may change.
 */
export function d128LiveChange(values: D128ValueTable): <L extends Level>(level: L, old: EntryVal<L>, value: EntryVal<L>) => string | undefined {
  return <L extends Level>(level: L, old: EntryVal<L>, value: EntryVal<L>): string | undefined => {
    const own: D128Values<L> = values[level];
    const changed = old ^ value;
    if (own.leaf(old) !== own.leaf(value)) return 'a table and a block cannot take each other\'s place in one step';
    if (!own.leaf(old)) return own.table(old) === own.table(value) ? undefined : 'it would point to another table in one step';
    if (own.pfn(old) !== own.pfn(value)) return 'the output address changes';
    if ((changed & CONT) !== 0n) return 'the contiguous bit changes';
    if ((changed & BigInt(ATTRINDX_LO)) !== 0n) return 'the memory type (AttrIndx) changes';
    if ((changed & BigInt(SH_LO)) !== 0n) return 'the shareability changes';
    if ((changed & NS) !== 0n) return 'the output address space (NS) changes';
    if ((old & ~value & NG) !== 0n) return 'what was of one ASID would become global';
    return undefined;
  };
}
