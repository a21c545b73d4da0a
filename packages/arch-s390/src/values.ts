import { entryVal, type EntryVal, type EntryValues, type Feature, type Level, type Prot } from '@pgtable/core';
import { FlagValues, valueFormat, type SwapLayout, type ValueFormat } from '@pgtable/core/arch';
import { hasPresentBit } from './attributes.js';
import {
  CRST_COMMON, CRST_INVALID, CRST_LARGE, CRST_NOEXEC, CRST_PROTECT, CRST_SW_DIRTY, CRST_SW_PRESENT, CRST_SW_READ, CRST_SW_READ_OLD, CRST_SW_SOFT_DIRTY,
  CRST_SW_SOFT_DIRTY_OLD, CRST_SW_WRITE, CRST_SW_WRITE_OLD, CRST_SW_YOUNG, CRST_TYPE, crstEmpty, PAGE_EMPTY, PAGE_INVALID, PAGE_NOEXEC, PAGE_PROTECT,
  PAGE_SW_DIRTY, PAGE_SW_PRESENT, PAGE_SW_READ, PAGE_SW_SOFT_DIRTY, PAGE_SW_SPECIAL, PAGE_SW_WRITE, PAGE_SW_YOUNG, PAGE_ZERO, REGION_LENGTH,
} from './bits.js';
import type { FullConfig } from './config.js';
import { TYPE_OF_LEVEL, type TopLevel } from './geometry.js';

/*
 * What entries say, in the kernel's way. The hardware keeps no accessed and dirty bits in entries, so Linux makes them of faults:
 *
 *   old      I is set: the next access faults, and makes the page young
 *   clean    P is set: the next store faults, and makes the page dirty
 *
 * An entry has four software bits (readable, writable, young, dirty), and from them follow the two of the hardware:
 *
 *   I is clear  exactly if readable and young
 *   P is clear  exactly if writable and dirty
 *
 * The same with other bit numbers holds for large pages in segment and region-third tables.
 *
 * A Prot is in the format of page-table entries, whatever the level: the low 12 bits of a page-table entry, and what a segment-
 * or region-table entry says beyond that in bits from 64 up, where a page-table entry does not see it.
 *
 * @see arch/s390/include/asm/pgtable.h, Linux 6.12; for segment and region-third tables from Linux 6.14 on, nonpresent.ts
 */

/** The four values that software and hardware bits of one kind of entry are made of; all 0n where an entry is never a leaf. */
interface LeafBits {
  readonly read: bigint;
  readonly invalid: bigint;
  readonly protect: bigint;
}

/** Values whose hardware bits follow from the software bits. */
abstract class S390Values<L extends Level> extends FlagValues<L> {
  protected readonly bits: LeafBits;

  constructor(level: L, format: ValueFormat, bits: LeafBits) {
    super(level, format);
    this.bits = bits;
  }

  override mkyoung(value: EntryVal<L>): EntryVal<L> {
    const young = value | this.format.young;
    return this.make(this.has(value, this.bits.read) ? young & ~this.bits.invalid : young);
  }
  override mkold(value: EntryVal<L>): EntryVal<L> {
    return this.make((value & ~this.format.young) | this.bits.invalid);
  }
  /** As in the kernel, a page that becomes dirty has been written to since its soft-dirty mark was cleared. */
  override mkdirty(value: EntryVal<L>): EntryVal<L> {
    const dirty = value | this.format.dirty | this.format.softDirty;
    return this.make(this.has(value, this.format.write) ? dirty & ~this.bits.protect : dirty);
  }
  override mkclean(value: EntryVal<L>): EntryVal<L> {
    return this.make((value & ~this.format.dirty) | this.bits.protect);
  }
  override mkwrite(value: EntryVal<L>): EntryVal<L> {
    const write = value | this.format.write;
    return this.make(this.has(value, this.format.dirty) ? write & ~this.bits.protect : write);
  }
  override wrprotect(value: EntryVal<L>): EntryVal<L> {
    return this.make((value & ~this.format.write) | this.bits.protect);
  }
  override protnone(value: EntryVal<L>): boolean {
    return this.leaf(value) && !this.valid(value) && !this.has(value, this.bits.read);
  }
  override swap(value: EntryVal<L>): boolean {
    return this.features.has('swap') && super.swap(value);
  }

  /** The entry with I and P as its software bits demand. */
  protected withHardwareBits(value: bigint): EntryVal<L> {
    const { read, invalid, protect } = this.bits;
    const { young, write, dirty } = this.format;
    let result = value | invalid | protect;
    if (this.has(value, young) && this.has(value, read)) result &= ~invalid;
    if (this.has(value, write) && this.has(value, dirty)) result &= ~protect;
    return this.make(result);
  }
}

/** Bits 52-63 of a page-table entry: all that is not the frame. */
const PAGE_FLAGS = 0xfffn;
/** Where in a Prot the bits begin that only segment- and region-table entries have. */
const PROT_CRST_SHIFT = 64n;

/** Entries of page tables. */
class PageValues extends S390Values<'pte'> {
  override prot(value: EntryVal<'pte'>): Prot {
    return (value & PAGE_FLAGS) as Prot;
  }
  override ofPfn(pfn: number, prot: Prot): EntryVal<'pte'> {
    return super.ofPfn(pfn, (prot & PAGE_FLAGS) as Prot);
  }
  /** What a protection says of dirty is taken over, as by the kernel's pte_modify: the kernel's own memory is dirty where it is writable, and a page that was mapped read-only would stay protected. */
  override modify(value: EntryVal<'pte'>, prot: Prot): EntryVal<'pte'> {
    return this.withHardwareBits(super.modify(value, prot) | (prot & this.format.dirty));
  }
}

/** A bit of a page-table entry, and the bit of a segment- or region-table entry that means the same. */
type BitPair = readonly [page: bigint, crst: bigint];

/** Entries of segment and region tables. */
class CrstValues<L extends TopLevel> extends S390Values<L> {
  private readonly type: bigint;
  private readonly pairs: readonly BitPair[];
  /** All crst bits of the pairs. */
  private readonly paired: bigint;
  /** The software's present bit; 0n up to Linux 6.13. */
  private readonly presentBit: bigint;

  constructor(level: L, format: ValueFormat, bits: LeafBits, pairs: readonly BitPair[], presentBit: bigint) {
    super(level, format, bits);
    this.type = BigInt(TYPE_OF_LEVEL[level]);
    this.pairs = pairs;
    this.paired = pairs.reduce((all, [, crst]) => all | crst, 0n);
    this.presentBit = presentBit;
  }

  /**
   * The kernel's pgd_folded and its siblings: the entry of a root table below this level, seen under a higher name. It is there, and
   * what it says is the lower level's business.
   */
  private folded(value: bigint): boolean {
    return (value & BigInt(CRST_TYPE)) < this.type;
  }

  /** Up to Linux 6.13 everything but the empty entry is present. */
  override present(value: EntryVal<L>): boolean {
    if (this.presentBit === 0n || this.folded(value)) return !this.none(value);
    return this.valid(value) || this.has(value, this.presentBit);
  }
  override leaf(value: EntryVal<L>): boolean {
    return this.features.has('leaf') && !this.folded(value) && this.has(value, BigInt(CRST_LARGE)) && this.present(value);
  }
  /**
   * The kernel's pmd_bad and its siblings: whether it is invalid does not matter, for an entry that IDTE is just taking out is a table's with I on, until it is empty. Readers without a lock see that.
   *
   * @see _SEGMENT_ENTRY_BITS, _REGION_ENTRY_BITS in arch/s390/include/asm/pgtable.h, Linux 6.12
   */
  override bad(value: EntryVal<L>): boolean {
    return !this.folded(value) && !this.none(value) && super.bad(entryVal(this.level, value & ~BigInt(CRST_INVALID)));
  }

  override prot(value: EntryVal<L>): Prot {
    let prot = this.presentBit === 0n && !this.none(value) ? BigInt(PAGE_SW_PRESENT) : 0n;
    for (const [page, crst] of this.pairs) if ((value & crst) !== 0n) prot |= page;
    return (prot | (((value ^ this.type) & ~(this.format.pfnMask | this.paired)) << PROT_CRST_SHIFT)) as Prot;
  }
  override ofPfn(pfn: number, prot: Prot): EntryVal<L> {
    let bits = this.type ^ (prot >> PROT_CRST_SHIFT);
    for (const [page, crst] of this.pairs) if ((prot & page) !== 0n) bits |= crst;
    return super.ofPfn(pfn, bits as Prot);
  }
  /** As of pages, dirty is taken over too: the kernel's pmd_modify. */
  override modify(value: EntryVal<L>, prot: Prot): EntryVal<L> {
    const taken = this.paired & ~this.format.modifyKeeps;
    return this.withHardwareBits((value & ~taken) | (this.ofPfn(0, prot) & (taken | this.format.dirty)));
  }
}

/** The values of all levels. A root table below pgd is seen under higher names too: see {@link CrstValues.folded}. */
export function s390Values(config: FullConfig): { readonly [L in Level]: EntryValues<L> } {
  return {
    pte: new PageValues('pte', pageFormat(), { read: BigInt(PAGE_SW_READ), invalid: BigInt(PAGE_INVALID), protect: BigInt(PAGE_PROTECT) }),
    pmd: large(config, 'pmd', SEGMENT),
    pud: large(config, 'pud', REGION3),
    p4d: region('p4d'),
    pgd: region('pgd'),
  };
}

/** Swap entries of page tables: bits 0-51 are the offset, bit 52 the owner's mark, bits 57-61 the type, bit 62 soft dirty. */
const PAGE_SWAP: SwapLayout = {
  typeShift: 2,
  offsetShift: 12,
  offsetBits: 52,
  base: BigInt(PAGE_INVALID | PAGE_PROTECT),
  softDirty: BigInt(PAGE_SW_SOFT_DIRTY),
  exclusive: BigInt(PAGE_ZERO),
  uffdWp: 0n,
};

function pageFormat(): ValueFormat {
  return valueFormat({
    empty: BigInt(PAGE_EMPTY),
    validMask: BigInt(PAGE_INVALID),
    validValue: 0n,
    presentInvalid: BigInt(PAGE_SW_PRESENT),
    badMask: BigInt(PAGE_ZERO),
    pfnMask: 0xfffffffffffff000n,
    pfnShift: 12,
    young: BigInt(PAGE_SW_YOUNG),
    dirty: BigInt(PAGE_SW_DIRTY),
    write: BigInt(PAGE_SW_WRITE),
    special: BigInt(PAGE_SW_SPECIAL),
    softDirty: BigInt(PAGE_SW_SOFT_DIRTY),
    invalidSets: BigInt(PAGE_INVALID),
    modifyKeeps: BigInt(PAGE_SW_YOUNG | PAGE_SW_DIRTY | PAGE_SW_SPECIAL | PAGE_SW_SOFT_DIRTY),
    swap: PAGE_SWAP,
    features: ['leaf', 'special', 'softDirty', 'protnone', 'swap', 'swpExclusive', 'swpSoftDirty'],
  });
}

/** How the two kinds of tables with large pages differ. */
interface LargeKind {
  /** Bits of the large page's frame, and its size in small pages as a power of two. */
  readonly frame: bigint;
  readonly orderShift: number;
  /** Bits of the origin of the table that an entry points to, and flags of such an entry. */
  readonly origin: bigint;
  readonly tableFlags: number;
  /** What such an entry must not have. */
  readonly bad: number;
}

/** _REGION_ENTRY_BITS of Linux, but for TF: a table that does not begin at its first entry is a table all the same. */
const REGION_BAD = 0xd10;

/** 2048 entries at the next level: TF is 0, TL is 3. Of page tables nothing is said. */
const SEGMENT: LargeKind = { frame: 0xfffffffffff00000n, orderShift: 8, origin: 0xfffffffffffff800n, tableFlags: 0, bad: 0x1c0 };
const REGION3: LargeKind = { frame: 0xffffffff80000000n, orderShift: 19, origin: 0xfffffffffffff000n, tableFlags: REGION_LENGTH, bad: REGION_BAD };

/** A level whose entries can be leaves, with EDAT. */
function large<L extends 'pmd' | 'pud'>(config: FullConfig, level: L, kind: LargeKind): EntryValues<L> {
  const { edat } = config;
  const withPresent = hasPresentBit(config);
  const type = TYPE_OF_LEVEL[level];
  const present = withPresent ? CRST_SW_PRESENT : 0;
  const table = BigInt(type | kind.tableFlags | present);
  const common = {
    empty: BigInt(crstEmpty(type)),
    validMask: BigInt(CRST_INVALID),
    validValue: 0n,
    tableMask: BigInt(CRST_TYPE | (edat ? CRST_LARGE : 0)),
    tableValue: BigInt(type),
    badMask: BigInt(kind.bad),
    userTable: table,
    kernelTable: table,
    tableAddress: kind.origin,
    invalidSets: BigInt(CRST_INVALID),
  };
  if (!edat) return new CrstValues(level, valueFormat({ ...common, features: ['table'] }), NO_LEAVES, [], BigInt(present));
  const read = withPresent ? CRST_SW_READ : CRST_SW_READ_OLD;
  const write = withPresent ? CRST_SW_WRITE : CRST_SW_WRITE_OLD;
  const softDirty = withPresent ? CRST_SW_SOFT_DIRTY : CRST_SW_SOFT_DIRTY_OLD;
  const features: Feature[] = ['leaf', 'table', 'softDirty', 'protnone'];
  if (withPresent) features.push('swap', 'swpSoftDirty');
  const format = valueFormat({
    ...common,
    pfnMask: kind.frame,
    pfnShift: 12,
    orderShift: kind.orderShift,
    young: BigInt(CRST_SW_YOUNG),
    dirty: BigInt(CRST_SW_DIRTY),
    write: BigInt(write),
    softDirty: BigInt(softDirty),
    leafSets: BigInt(CRST_LARGE),
    modifyKeeps: BigInt(CRST_SW_YOUNG | CRST_SW_DIRTY | softDirty),
    swap: withPresent ? crstSwap(type) : undefined,
    features,
  });
  const pairs: BitPair[] = [
    [BigInt(PAGE_SW_SOFT_DIRTY), BigInt(softDirty)],
    [BigInt(PAGE_SW_YOUNG), BigInt(CRST_SW_YOUNG)],
    [BigInt(PAGE_SW_DIRTY), BigInt(CRST_SW_DIRTY)],
    [BigInt(PAGE_SW_READ), BigInt(read)],
    [BigInt(PAGE_SW_WRITE), BigInt(write)],
    [BigInt(PAGE_NOEXEC), BigInt(CRST_NOEXEC)],
    [BigInt(PAGE_PROTECT), BigInt(CRST_PROTECT)],
    [BigInt(PAGE_INVALID), BigInt(CRST_INVALID)],
  ];
  if (withPresent) pairs.push([BigInt(PAGE_SW_PRESENT), BigInt(CRST_SW_PRESENT)]);
  return new CrstValues(level, format, { read: BigInt(read), invalid: BigInt(CRST_INVALID), protect: BigInt(CRST_PROTECT) }, pairs, BigInt(present));
}

/** Swap entries of segment and region-third tables from Linux 6.14 on: bits 0-51 are the offset, bits 53-57 the type, bit 62 soft dirty. */
function crstSwap(type: number): SwapLayout {
  return { typeShift: 6, offsetShift: 12, offsetBits: 52, base: BigInt(CRST_INVALID | CRST_COMMON | type), softDirty: BigInt(CRST_SW_SOFT_DIRTY), exclusive: 0n, uffdWp: 0n };
}

const NO_LEAVES: LeafBits = { read: 0n, invalid: 0n, protect: 0n };

/** A level whose entries point to tables or nowhere. */
function region<L extends 'p4d' | 'pgd'>(level: L): EntryValues<L> {
  const type = TYPE_OF_LEVEL[level];
  const table = BigInt(type | REGION_LENGTH);
  const format = valueFormat({
    empty: BigInt(crstEmpty(type)),
    validMask: BigInt(CRST_INVALID),
    validValue: 0n,
    tableMask: BigInt(CRST_TYPE),
    tableValue: BigInt(type),
    badMask: BigInt(REGION_BAD),
    userTable: table,
    kernelTable: table,
    tableAddress: 0xfffffffffffff000n,
    invalidSets: BigInt(CRST_INVALID),
    features: ['table'],
  });
  return new CrstValues(level, format, NO_LEAVES, [], 0n);
}

/** The hardware's bits of large pages: what Linux calls _SEGMENT_ENTRY_HARDWARE_BITS_LARGE and _REGION3_ENTRY_HARDWARE_BITS_LARGE. */
const LARGE_HARDWARE: Readonly<Partial<Record<Level, bigint>>> = { pmd: 0xfffffffffff1073cn, pud: 0xffffffff8001073cn };

/**
 * {@link WritableArch.liveChange}: nothing of a valid entry that the hardware looks at may be changed by a plain store. Software bits may.
 *
 * @see Principles of Operation, chapter 3, "Modification of Translation Tables"; ptep_reset_dat_prot in arch/s390/mm/pgtable.c, Linux 6.12
 */
export function s390LiveChange(config: Pick<FullConfig, 'edat'>, level: Level, old: bigint, value: bigint): string | undefined {
  const large = config.edat && (old & value & BigInt(CRST_LARGE)) !== 0n ? LARGE_HARDWARE[level] : undefined;
  const software = level === 'pte' ? 0xffn : large === undefined ? 0n : ~large & 0xffffffffffffffffn;
  if (((old ^ value) & ~software) === 0n) return undefined;
  return 's390 changes a valid entry by IPTE, IDTE or CRDTE alone, which invalidate it and flush it first';
}
