import { geometryOf, LEVELS, levelNumber, type EntryVal, type Feature, type Level } from '@pgtable/core';
import { badLeaf, FlagValues, valueFormat, type EntryFormat, type ValueFormat } from '@pgtable/core/arch';
import { A_LO, D_LO, DEVMAP_LO, G_LO, PBMT_HI, PPN_SHIFT, R_LO, RWX_LO, SPECIAL_LO, U_LO, V_LO, W_LO } from './bits.js';
import type { FullConfig } from './config.js';
import { riscvFormats } from './format.js';
import { riscvGeometry } from './geometry.js';
import { nonPresentLayout, SWAP_TYPE_BITS } from './nonpresent.js';

/*
 * Entry values as Linux makes them (arch/riscv/include/asm/pgtable.h, pgtable-64.h, pgtable-32.h, pgtable-bits.h; Linux 6.12).
 *
 * All levels have one layout, so all have one set of rules; they differ in what the kernel counts as present:
 *
 *   pte               V or PROT_NONE
 *   above             V, PROT_NONE, or any of R, W, X: a huge page that is being split has lost V and PROT_NONE (pmd_mkinvalid)
 *
 * The kernel says so of the pmd (pmd_present); entries of higher levels are huge pages of HugeTLB, which looks at them as
 * at a pte, or kernel mappings, which never lose V. Here the pmd's rule is for all of them, as in `decodeNonPresent`.
 */

/** Entries of a Svnapot group, of the one size that there is: 64 KiB. NAPOT_CONT64KB_ORDER is 4. */
export const NAPOT_ENTRIES = 16;

/** Entry values of one level. */
export class RiscvValues<L extends Level> extends FlagValues<L> {
  /** An entry is present if its low word has any of these bits. */
  readonly presentLo: number;
  private readonly entry: EntryFormat;
  private readonly tables: boolean;
  private readonly frameMask: bigint;
  /** The frame number as a Svnapot leaf has it; 0n where this level has no Svnapot. */
  private readonly napotMask: bigint;

  /**
   * @param entry the hardware's view of the same level
   */
  constructor(level: L, format: ValueFormat, entry: EntryFormat) {
    super(level, format);
    this.entry = entry;
    this.presentLo = Number(BigInt.asIntN(32, format.validMask | format.presentInvalid));
    this.tables = format.tableMask !== 0n;
    this.frameMask = mask(entry.tablePaLo, entry.tablePaHi);
    this.napotMask = BigInt(entry.napotHi >>> 0) << 32n;
  }

  /** Whether a leaf is one of a Svnapot group. `pte_napot` */
  napot(value: EntryVal<L>): boolean {
    return (value & this.napotMask) !== 0n;
  }

  /** Reserved encodings are the hardware's: the kernel looks at V, R, W and X alone. */
  override bad(value: EntryVal<L>): boolean {
    if (this.tables) return super.bad(value);
    if (!this.valid(value)) return false;
    const lo = lowWord(value);
    if ((lo & RWX_LO) === 0 || badLeaf(this.entry, lo, highWord(value))) return true;
    return this.napot(value) && ((value >> BigInt(PPN_SHIFT)) & NAPOT_FRAME_MASK) !== NAPOT_FRAME;
  }

  /** Of a Svnapot leaf the first page of its group: the lowest set bit of the frame number tells the group's size. */
  override pfn(value: EntryVal<L>): number {
    if (!this.napot(value)) return super.pfn(value);
    const frame = (value & this.format.pfnMask) >> BigInt(PPN_SHIFT);
    return Number(frame & (frame - 1n));
  }

  /** All entries of a Svnapot group are equal: those of the pages in one group are one value. */
  override advancePfn(value: EntryVal<L>, count: number): EntryVal<L> {
    if (!this.napot(value)) return super.advancePfn(value, count);
    return this.ofPfn(this.pfn(value) + Math.floor(count / NAPOT_ENTRIES) * NAPOT_ENTRIES, this.prot(value));
  }

  /**
   * Writable, and so readable: W without R is reserved. The kernel sets W alone (`pte_mkwrite_novma`), because what it makes writable has R;
   * an execute-only page would become one that faults.
   */
  override mkwrite(value: EntryVal<L>): EntryVal<L> {
    return this.make(value | BigInt(R_LO | W_LO));
  }

  /** `pte_mknapot`. Any other count than that of a Svnapot group makes a leaf of its own. */
  override mkgroup(value: EntryVal<L>, count: number): EntryVal<L> {
    if (this.napotMask === 0n || count !== NAPOT_ENTRIES) return this.mkhuge(value);
    return this.make((value & ~(NAPOT_FRAME_MASK << BigInt(PPN_SHIFT))) | (NAPOT_FRAME << BigInt(PPN_SHIFT)) | this.napotMask);
  }

  /** For users and for the kernel alike, V and nothing else: U is reserved in a table entry. `_PAGE_TABLE` */
  override ofTable(address: number, _user: boolean): EntryVal<L> {
    if (!this.tables) return this.empty;
    return this.make((((BigInt(address) >> 12n) << BigInt(PPN_SHIFT)) & this.frameMask) | BigInt(V_LO));
  }
  override table(value: EntryVal<L>): number {
    return this.tables ? Number((value & this.frameMask) >> BigInt(PPN_SHIFT)) * 4096 : 0;
  }
}

/** Entry values of all levels. */
export type RiscvValueTable = { readonly [L in Level]: RiscvValues<L> };

/** The entry values of a configuration; a folded level has the root's. */
export function riscvValues(config: FullConfig): RiscvValueTable {
  const formats = riscvFormats(config);
  const of = <L extends Level>(level: L): RiscvValues<L> => {
    const entry = formats[levelNumber(level)]!;
    return new RiscvValues(level, formatOf(config, level, entry), entry);
  };
  return { pte: of('pte'), pmd: of('pmd'), pud: of('pud'), p4d: of('p4d'), pgd: of('pgd') };
}

/** The level that an entry of a level stands at: itself, or for a folded level the nearest one above that exists. */
export function existingLevel({ mode }: Pick<FullConfig, 'mode'>, level: Level): Level {
  return LEVELS.slice(levelNumber(level)).find((above) => !geometryOf(riscvGeometry(mode), above).folded)!;
}

/** PPN[3:0] of a Svnapot leaf of 64 KiB. */
const NAPOT_FRAME = 8n;
const NAPOT_FRAME_MASK = 15n;

function formatOf(config: FullConfig, level: Level, entry: EntryFormat): ValueFormat {
  const wide = config.mode !== 'Sv32';
  const { shift } = geometryOf(riscvGeometry(config.mode), level);
  const last = shift === 12;
  const layout = nonPresentLayout(config.release);
  const all = wide ? (1n << 64n) - 1n : (1n << 32n) - 1n;
  const leafBits = layout.leafBitsCount && !last ? BigInt(RWX_LO) : 0n;
  // What survives as present without V: R, W and X where they count, else PROT_NONE must.
  const invalid = leafBits !== 0n ? { invalidClears: BigInt(V_LO) | layout.protNone } : { invalidClears: BigInt(V_LO), invalidSets: layout.protNone };
  const permissions = BigInt(V_LO | RWX_LO | U_LO | G_LO) | (config.svpbmt ? mask(0, PBMT_HI) : 0n);
  return valueFormat({
    validMask: BigInt(V_LO),
    validValue: BigInt(V_LO),
    presentInvalid: layout.protNone | leafBits,
    protnone: layout.protNone,
    ...(last ? {} : { tableMask: BigInt(RWX_LO), tableValue: 0n, badMask: mask(entry.reservedTableLo, entry.reservedTableHi) }),
    // A huge page's frame number counts from its size on (pmd_pfn, pud_pfn).
    pfnMask: mask(entry.leafPaLo, entry.leafPaHi) & ~(((1n << BigInt(shift - 12)) - 1n) << BigInt(PPN_SHIFT)),
    pfnShift: PPN_SHIFT,
    orderShift: shift - 12,
    young: BigInt(A_LO),
    dirty: BigInt(D_LO),
    write: BigInt(W_LO),
    special: last ? BigInt(SPECIAL_LO) : 0n,
    devmap: hasDevmap(config, level) ? BigInt(DEVMAP_LO) : 0n,
    ...invalid,
    // _PAGE_CHG_MASK, with the memory type where the processor has one.
    modifyKeeps: all & ~permissions,
    swap: !hasHugePages(shift) ? undefined : {
      typeShift: Number(layout.typeShift),
      offsetShift: Number(layout.typeShift) + SWAP_TYPE_BITS,
      offsetBits: (wide ? 64 : 32) - Number(layout.typeShift) - SWAP_TYPE_BITS,
      base: 0n,
      softDirty: 0n,
      exclusive: last ? layout.exclusive : 0n,
      uffdWp: 0n,
    },
    features: featuresOf(config, level, shift, last, last && layout.exclusive !== 0n),
  });
}

/** Leaves stand at every level in the manual. */
function featuresOf(config: FullConfig, level: Level, shift: number, last: boolean, exclusive: boolean): Feature[] {
  return [
    'leaf', 'protnone',
    ...(hasHugePages(shift) ? (['swap'] as const) : []),
    ...(last ? (['special'] as const) : (['table'] as const)),
    ...(hasDevmap(config, level) ? (['devmap'] as const) : []),
    ...(exclusive ? (['swpExclusive'] as const) : []),
  ];
}

/** ARCH_HAS_PTE_DEVMAP of 64-bit kernels, for pages and for transparent huge pages (pud_devmap() is 0). */
function hasDevmap({ mode }: FullConfig, level: Level): boolean {
  return mode !== 'Sv32' && (level === 'pte' || level === 'pmd');
}

/** The kernel has pages of up to 1 GiB, which can be swapped, migrated or poisoned. */
function hasHugePages(shift: number): boolean {
  return shift <= 30;
}

function mask(lo: number, hi: number): bigint {
  return (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
}

function lowWord(value: bigint): number {
  return Number(BigInt.asIntN(32, value));
}
function highWord(value: bigint): number {
  return Number(BigInt.asIntN(32, value >> 32n));
}
