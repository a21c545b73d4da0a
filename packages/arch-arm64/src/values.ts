import { geometryOf, LEVELS, PgtableError, releaseAtLeast, type EntryVal, type EntryValues, type Feature, type Geometry, type Level, type Prot } from '@pgtable/core';
import { FlagValues, valueFormat, type EntryFormat, type ValueFormat } from '@pgtable/core/arch';
import { contiguousEntries, memoryTypes } from './attributes.js';
import {
  AF_LO, ATTRINDX_LO, ATTRINDX_SHIFT, CONT_HI, DBM_HI, DEVMAP_HI, DIRTY_HI, GP_HI, LPA2_OA_BIT, LPA2_OA_LO, LPA2_OA_SHIFT, LPA_OA_BIT, LPA_OA_LO, LPA_OA_SHIFT, NG_LO, NS_LO,
  PMD_PRESENT_INVALID, POINDEX_HI, PRESENT_INVALID, PROT_NONE, PXN_HI, PXNTABLE_HI, RDONLY_LO, SH_LO, SPECIAL_HI, TABLE_LO, UFFD_WP_HI, USER_LO, UXN_HI, UXNTABLE_HI, VALID_LO,
} from './bits.js';
import type { ResolvedConfig } from './config.js';
import { blocksAllowed } from './format.js';
import { manualLevel } from './geometry.js';
import { swapLayout } from './nonpresent.js';

/** A mask of the high word as one of the whole entry. */
const high = (mask: number): bigint => BigInt(mask >>> 0) << 32n;
/** A mask of the low word as one of the whole entry. */
const low = (mask: number): bigint => BigInt(mask >>> 0);

const VALID = low(VALID_LO);
const TABLE = low(TABLE_LO);
const USER = low(USER_LO);
const RDONLY = low(RDONLY_LO);
const AF = low(AF_LO);
const DBM = high(DBM_HI);
const DIRTY = high(DIRTY_HI);
const UXN = high(UXN_HI);
const SPECIAL = high(SPECIAL_HI);
const DEVMAP = high(DEVMAP_HI);
const UFFD_WP = high(UFFD_WP_HI);

/** The contiguous bit, 52. */
export const CONT = high(CONT_HI);

/** Kernels from 6.10 on have one bit for "present, but not to the hardware" at all levels (PTE_PRESENT_INVALID). Unknown releases count as current. */
export function hasPresentInvalid(config: Pick<ResolvedConfig, 'release'>): boolean {
  return releaseAtLeast(config.release, 6, 10) ?? true;
}

/** Where an address stands in a descriptor: in its own place, and its high bits further down. */
interface AddressBits {
  readonly own: bigint;
  readonly moved: bigint;
  readonly movedBy: bigint;
}

/** Bits `from` and up of an output address. 52-bit addresses with 64K pages keep 51:48 at 15:12 (LPA), with TCR_EL1.DS 51:50 at 9:8 (LPA2). */
function addressBits(config: ResolvedConfig, from: number): AddressBits {
  const own = ((1n << BigInt(config.lpa2 ? 50 : 48)) - 1n) & ~((1n << BigInt(from)) - 1n);
  if (config.lpa2) return { own, moved: low(LPA2_OA_LO), movedBy: BigInt(LPA2_OA_BIT - LPA2_OA_SHIFT) };
  if (config.granule === 65536 && config.paBits === 52) return { own, moved: low(LPA_OA_LO), movedBy: BigInt(LPA_OA_BIT - LPA_OA_SHIFT) };
  return { own, moved: 0n, movedBy: 0n };
}

function addressOf(bits: AddressBits, value: bigint): bigint {
  return (value & bits.own) | ((value & bits.moved) << bits.movedBy);
}

function ofAddress(bits: AddressBits, address: bigint): bigint {
  return (address & bits.own) | ((address >> bits.movedBy) & bits.moved);
}

/**
 * What entries of a level of the manual's count can say under Linux 6.12: arch/arm64/Kconfig and pgtable.h. Blocks at level 2
 * are THP and HugeTLB, at level 1 HugeTLB with 4K pages and device memory (ARCH_SUPPORTS_PUD_PFNMAP).
 */
function featuresOf(config: ResolvedConfig, level: number): readonly Feature[] {
  const uffd: readonly Feature[] = hasPresentInvalid(config) ? ['uffdWp', 'swpUffdWp'] : [];
  if (level === 3) {
    const exclusive: readonly Feature[] = swapLayout(config.release).exclusive === 0n ? [] : ['swpExclusive'];
    return ['leaf', 'special', 'devmap', 'protnone', 'swap', ...exclusive, ...uffd];
  }
  if (level === 2) return ['leaf', 'table', 'special', 'devmap', 'protnone', 'swap', ...uffd];
  if (!blocksAllowed(config, level)) return ['table'];
  if (level === 1) return config.granule === 4096 ? ['leaf', 'table', 'special', 'swap'] : ['leaf', 'table', 'special'];
  return ['leaf', 'table'];
}

function formatOf(config: ResolvedConfig, format: EntryFormat, shift: number): ValueFormat {
  const level = manualLevel(config.pageShift, shift);
  const features = featuresOf(config, level);
  const can = (feature: Feature, mask: bigint): bigint => (features.includes(feature) ? mask : 0n);
  const isPage = level === 3;
  const oneBit = hasPresentInvalid(config);
  const presentInvalid = oneBit ? PRESENT_INVALID : isPage ? PROT_NONE : PROT_NONE | PMD_PRESENT_INVALID;
  const layout = swapLayout(config.release);
  return valueFormat({
    features,
    validMask: VALID,
    validValue: VALID,
    presentInvalid,
    protnone: can('protnone', oneBit ? PRESENT_INVALID : PROT_NONE),
    ...(isPage ? {} : { tableMask: VALID | TABLE, tableValue: VALID | TABLE }),
    badMask: isPage ? low(format.reservedLeafLo) | high(format.reservedLeafHi) : low(format.reservedTableLo) | high(format.reservedTableHi),
    orderShift: shift - config.pageShift,
    young: can('leaf', AF),
    dirty: can('leaf', DIRTY),
    write: can('leaf', DBM),
    special: can('special', SPECIAL),
    devmap: can('devmap', DEVMAP),
    uffdWp: can('uffdWp', UFFD_WP),
    leafClears: isPage ? 0n : can('leaf', TABLE),
    invalidClears: can('leaf', VALID),
    invalidSets: can('leaf', oneBit ? PRESENT_INVALID : isPage ? PROT_NONE : PMD_PRESENT_INVALID),
    // Tables of processes are never executed by EL1, those of the kernel never by EL0 (arch/arm64/include/asm/pgalloc.h, 6.12).
    userTable: VALID | TABLE | high(PXNTABLE_HI),
    kernelTable: VALID | TABLE | high(UXNTABLE_HI),
    ...(features.includes('swap')
      ? {
          swap: {
            typeShift: Number(layout.typeShift), offsetShift: Number(layout.offsetShift), offsetBits: 50, base: 0n, softDirty: 0n,
            exclusive: can('swpExclusive', layout.exclusive), uffdWp: can('swpUffdWp', layout.uffdWp),
          },
        }
      : {}),
  });
}

/**
 * Entry values of one level. Three of Linux's rules are no masks (arch/arm64/include/asm/pgtable.h, 6.12):
 *
 *     dirty  writable | RDONLY  DBM  DIRTY
 *       0       0     |    1     0     0
 *       0       1     |    1     1     0      the hardware, or a fault, clears RDONLY on the first write
 *       1       0     |    1     0     1
 *       1       1     |    0     1     any
 *
 * PROT_NONE is an entry that is not valid, of which EL0 may neither read nor execute anything; and 52-bit addresses stand in two places.
 */
export class Arm64Values<L extends Level> extends FlagValues<L> {
  /** Entries of a contiguous group at this level; 1 where there is none. */
  private readonly groupEntries: number;
  private readonly isPage: boolean;
  private readonly oneBit: boolean;
  private readonly pageShift: bigint;
  private readonly leafBits: AddressBits;
  private readonly tableBits: AddressBits;
  /** AP[2] of leaves; 0n where there are none. */
  private readonly rdonly: bigint;
  /** What {@link modify} takes from the new protection: pte_modify(). */
  private readonly modifyMask: bigint;

  /** @param shift what an entry maps, as a power of two of bytes */
  constructor(level: L, config: ResolvedConfig, format: EntryFormat, shift: number) {
    const values = formatOf(config, format, shift);
    super(level, values);
    const number = manualLevel(config.pageShift, shift);
    this.isPage = number === 3;
    this.groupEntries = this.features.has('leaf') ? contiguousEntries(config.granule, number) : 1;
    this.oneBit = hasPresentInvalid(config);
    this.pageShift = BigInt(config.pageShift);
    this.leafBits = addressBits(config, shift);
    this.tableBits = addressBits(config, config.pageShift);
    this.rdonly = this.features.has('leaf') ? RDONLY : 0n;
    this.modifyMask = USER | high(PXN_HI | UXN_HI) | RDONLY | values.presentInvalid | VALID | DBM | high(GP_HI) | low(ATTRINDX_LO) | high(POINDEX_HI);
  }

  override bad(value: EntryVal<L>): boolean {
    // At level 3 a valid entry without bit 1 is reserved.
    return super.bad(value) || (this.isPage && (value & (VALID | TABLE)) === VALID);
  }

  override pfn(value: EntryVal<L>): number {
    return Number(addressOf(this.leafBits, value) >> this.pageShift);
  }
  override ofPfn(pfn: number, prot: Prot): EntryVal<L> {
    return this.make(ofAddress(this.leafBits, BigInt(pfn) << this.pageShift) | prot);
  }
  override ofTable(address: number, user: boolean): EntryVal<L> {
    return this.make(ofAddress(this.tableBits, BigInt(address)) | (user ? this.format.userTable : this.format.kernelTable));
  }
  override table(value: EntryVal<L>): number {
    return Number(addressOf(this.tableBits, value));
  }

  /** The new permissions, memory type and key; what the hardware noted as dirty in DBM and RDONLY is kept in DIRTY first. */
  override modify(value: EntryVal<L>, prot: Prot): EntryVal<L> {
    const kept = this.hardwareDirty(value) ? value | this.format.dirty : value;
    const result = this.make((kept & ~this.modifyMask) | (prot & this.modifyMask));
    return this.has(result, this.format.dirty) ? this.mkdirty(result) : result;
  }

  override dirty(value: EntryVal<L>): boolean {
    return this.has(value, this.format.dirty) || this.hardwareDirty(value);
  }
  override mkdirty(value: EntryVal<L>): EntryVal<L> {
    const dirty = value | this.format.dirty;
    return this.make(this.write(value) ? dirty & ~this.rdonly : dirty);
  }
  override mkclean(value: EntryVal<L>): EntryVal<L> {
    return this.make((value & ~this.format.dirty) | this.rdonly);
  }
  override mkwrite(value: EntryVal<L>): EntryVal<L> {
    const writable = value | this.format.write;
    return this.make(this.has(value, this.format.dirty) ? writable & ~this.rdonly : writable);
  }
  override wrprotect(value: EntryVal<L>): EntryVal<L> {
    const kept = this.hardwareDirty(value) ? value | this.format.dirty : value;
    return this.make((kept & ~this.format.write) | this.rdonly);
  }

  /** At the pte level special too, as pte_mkdevmap() says. */
  override mkdevmap(value: EntryVal<L>): EntryVal<L> {
    return this.isPage ? this.make(value | this.format.devmap | this.format.special) : super.mkdevmap(value);
  }
  /** Read-only too: the mark is to fault on writes. */
  override mkuffdWp(value: EntryVal<L>): EntryVal<L> {
    return this.format.uffdWp === 0n ? value : this.wrprotect(super.mkuffdWp(value));
  }
  override protnone(value: EntryVal<L>): boolean {
    return super.protnone(value) && (!this.oneBit || (!this.has(value, USER) && this.has(value, UXN)));
  }

  /** @throws PgtableError `EINVAL` if `count` is neither 1 nor the number of entries in a contiguous group of this level */
  override mkgroup(value: EntryVal<L>, count: number): EntryVal<L> {
    const leaf = this.mkhuge(value);
    if (count === 1) return leaf;
    if (count !== this.groupEntries) {
      throw new PgtableError('EINVAL', `${count} ${this.level} entries are no contiguous group`, {
        hint: this.groupEntries === 1 ? 'this level has no groups' : `a group of this level has ${this.groupEntries}`,
      });
    }
    // PROT_NONE stays what it is: nobody may use the page.
    return this.make(leaf | CONT);
  }

  /** Writable, and the hardware or mkdirty() has taken RDONLY away. */
  private hardwareDirty(value: EntryVal<L>): boolean {
    return this.write(value) && !this.has(value, this.rdonly);
  }
}

/** The values of all levels. A folded level has those of the top level that it stands for, under its own name. */
export function arm64Values(config: ResolvedConfig, geometry: Geometry, formats: readonly EntryFormat[]): { readonly [L in Level]: EntryValues<L> } {
  const of = <L extends Level>(level: L): EntryValues<L> => new Arm64Values(level, config, formats[LEVELS.indexOf(level)]!, geometryOf(geometry, level).shift);
  return { pte: of('pte'), pmd: of('pmd'), pud: of('pud'), p4d: of('p4d'), pgd: of('pgd') };
}

/**
 * Which changes of a valid entry need break-before-make (Arm ARM D8.16, "Using break-before-make when updating translation table
 * entries"; Linux's pgattr_change_is_safe() in arch/arm64/mm/mmu.c, 6.12, is a little stricter with contiguous entries): table
 * against block, another address, memory type, shareability, the contiguous bit, and from one ASID to all.
 *
 * Permissions, the access flag and the bits of software may change. So may Normal and Normal-Tagged, which Linux counts as a permission.
 */
export function arm64LiveChange(
  config: ResolvedConfig, values: { readonly [L in Level]: EntryValues<L> },
): <L extends Level>(level: L, old: EntryVal<L>, value: EntryVal<L>) => string | undefined {
  const normal = new Set<bigint>();
  memoryTypes(config).forEach((type, index) => {
    if (type === 'MEM/NORMAL' || type === 'MEM/NORMAL-TAGGED') normal.add(BigInt(index));
  });
  const typeOf = (value: bigint): bigint => (value & low(ATTRINDX_LO)) >> BigInt(ATTRINDX_SHIFT);
  return (level, old, value) => {
    const own: EntryValues = values[level];
    const changed = old ^ value;
    if (own.leaf(old) !== own.leaf(value)) return 'a table and a block cannot take each other\'s place in one step';
    if (!own.leaf(old)) return own.table(old) === own.table(value) ? undefined : 'it would point to another table in one step';
    if (own.pfn(old) !== own.pfn(value)) return 'the output address changes';
    if ((changed & CONT) !== 0n) return 'the contiguous bit changes';
    if (typeOf(old) !== typeOf(value) && !(normal.has(typeOf(old)) && normal.has(typeOf(value)))) return 'the memory type (AttrIndx) changes';
    if (!config.lpa2 && (changed & low(SH_LO)) !== 0n) return 'the shareability changes';
    if ((changed & low(NS_LO)) !== 0n) return 'the output address space (NS) changes';
    if ((old & ~value & low(NG_LO)) !== 0n) return 'what was of one ASID would become global';
    return undefined;
  };
}
