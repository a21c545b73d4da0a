import type { EntryValues, Feature } from './entry-values.js';
import type { Level } from './levels.js';
import { entryVal, type EntryVal, type Prot } from './values.js';

/** Where in a swap entry its parts stand. */
export interface SwapLayout {
  readonly typeShift: number;
  readonly offsetShift: number;
  readonly offsetBits: number;
  /** Bits that every swap entry has set. */
  readonly base: bigint;
  /** Marks; 0n where there is none. */
  readonly softDirty: bigint;
  readonly exclusive: bigint;
  readonly uffdWp: bigint;
}

/**
 * The layout of entry values of one level, as masks of the whole entry. 0n where the level has no such bit.
 *
 * {@link FlagValues} makes constructors and predicates of it. Where an architecture's rule is no mask (arm64's dirty is a bit of
 * software or two of the hardware's), it overrides the method.
 */
export interface ValueFormat {
  /** The empty entry, and bits that do not count when an entry is compared with it. */
  readonly empty: bigint;
  readonly noneIgnores: bigint;
  /** Valid to the hardware: `(value & validMask) === validValue`. */
  readonly validMask: bigint;
  readonly validValue: bigint;
  /** Not valid, but present to the kernel: any of these bits is set. */
  readonly presentInvalid: bigint;
  /** Not valid, and PROT_NONE: any of these bits is set. Where PROT_NONE is valid (powerpc), `protnone` is to be overridden. */
  readonly protnone: bigint;
  /** Points to a table: present and `(value & tableMask) === tableValue`. A mask of 0n: there are no tables at this level. */
  readonly tableMask: bigint;
  readonly tableValue: bigint;
  /**
   * A leaf: present, no table, and `(value & leafMask) === leafValue`. With a mask of 0n, the default, whatever is present and no table is a leaf. A valid entry
   * that is neither is {@link EntryValues.bad}.
   */
  readonly leafMask: bigint;
  readonly leafValue: bigint;
  /** Bits that no entry may have that should point to a table, or at the pte level to a page: {@link EntryValues.bad}. */
  readonly badMask: bigint;
  /** Bits of the frame number, and where its bit 0 stands. */
  readonly pfnMask: bigint;
  readonly pfnShift: number;
  /** As many pages of the smallest size as one entry maps, as a power of two: 9 for 2 MiB. */
  readonly orderShift: number;
  readonly young: bigint;
  readonly dirty: bigint;
  readonly write: bigint;
  readonly special: bigint;
  readonly devmap: bigint;
  readonly softDirty: bigint;
  readonly uffdWp: bigint;
  /** What {@link EntryValues.mkhuge} clears, then sets, to make an entry a leaf. At the pte level nothing. */
  readonly leafClears: bigint;
  readonly leafSets: bigint;
  /** What takes it from the hardware and keeps it present. */
  readonly invalidClears: bigint;
  readonly invalidSets: bigint;
  /**
   * What {@link EntryValues.modify} keeps of the entry, beside the frame. Where one bit is a mark and a right too (LoongArch's young is its valid bit), no mask
   * can say it, and `modify` is to be overridden.
   */
  readonly modifyKeeps: bigint;
  /** Flags of an entry that points to a table, for users and for the kernel, and the address bits, which stand where they do in the address. */
  readonly userTable: bigint;
  readonly kernelTable: bigint;
  readonly tableAddress: bigint;
  /** undefined: no swap entries at this level. */
  readonly swap: SwapLayout | undefined;
  readonly features: readonly Feature[];
}

/**
 * Makes a value format. Defaults: the empty entry is zero, there is no bit of any kind, no table, no swap entry.
 */
export function valueFormat(options: Partial<ValueFormat> & Pick<ValueFormat, 'validMask' | 'validValue' | 'features'>): ValueFormat {
  return {
    empty: 0n, noneIgnores: 0n, presentInvalid: 0n, protnone: 0n, tableMask: 0n, tableValue: 0n, leafMask: 0n, leafValue: 0n, badMask: 0n, pfnMask: 0n, pfnShift: 0, orderShift: 0,
    young: 0n, dirty: 0n, write: 0n, special: 0n, devmap: 0n, softDirty: 0n, uffdWp: 0n, leafClears: 0n, leafSets: 0n, invalidClears: 0n, invalidSets: 0n,
    modifyKeeps: 0n, userTable: 0n, kernelTable: 0n, tableAddress: 0n, swap: undefined, ...options,
  };
}

const SWAP_TYPE_MASK = 31n;

/** Whether an entry has what a leaf must have. */
function maps({ leafMask, leafValue }: ValueFormat, value: bigint): boolean {
  return leafMask === 0n || (value & leafMask) === leafValue;
}

/** The generic constructors and predicates of one level, over a {@link ValueFormat}. */
export class FlagValues<L extends Level> implements EntryValues<L> {
  readonly level: L;
  readonly features: ReadonlySet<Feature>;
  readonly empty: EntryVal<L>;
  protected readonly format: ValueFormat;

  constructor(level: L, format: ValueFormat) {
    this.level = level;
    this.format = format;
    this.features = new Set(format.features);
    this.empty = entryVal(level, format.empty);
  }

  none(value: EntryVal<L>): boolean {
    return (value & ~this.format.noneIgnores) === this.format.empty;
  }
  valid(value: EntryVal<L>): boolean {
    return (value & this.format.validMask) === this.format.validValue;
  }
  present(value: EntryVal<L>): boolean {
    return this.valid(value) || this.has(value, this.format.presentInvalid);
  }
  leaf(value: EntryVal<L>): boolean {
    if (!maps(this.format, value)) return false;
    return this.features.has('leaf') && this.present(value) && !this.isTable(value);
  }
  bad(value: EntryVal<L>): boolean {
    if (this.features.has('table')) return !this.none(value) && (!this.valid(value) || !this.isTable(value) || this.has(value, this.format.badMask));
    return this.valid(value) && (this.has(value, this.format.badMask) || !maps(this.format, value));
  }
  same(a: EntryVal<L>, b: EntryVal<L>): boolean {
    return a === b;
  }

  pfn(value: EntryVal<L>): number {
    return Number((value & this.format.pfnMask) >> BigInt(this.format.pfnShift));
  }
  prot(value: EntryVal<L>): Prot {
    return (value ^ this.ofPfn(this.pfn(value), 0n as Prot)) as Prot;
  }
  ofPfn(pfn: number, prot: Prot): EntryVal<L> {
    return this.make(((BigInt(pfn) << BigInt(this.format.pfnShift)) & this.format.pfnMask) | prot);
  }
  modify(value: EntryVal<L>, prot: Prot): EntryVal<L> {
    const keeps = this.format.modifyKeeps;
    return this.ofPfn(this.pfn(value), ((this.prot(value) & keeps) | (prot & ~keeps)) as Prot);
  }
  advancePfn(value: EntryVal<L>, count: number): EntryVal<L> {
    return this.ofPfn(this.pfn(value) + count * 2 ** this.format.orderShift, this.prot(value));
  }
  mkhuge(value: EntryVal<L>): EntryVal<L> {
    return this.make((value & ~this.format.leafClears) | this.format.leafSets);
  }
  mkinvalid(value: EntryVal<L>): EntryVal<L> {
    return this.make((value & ~this.format.invalidClears) | this.format.invalidSets);
  }
  mkgroup(value: EntryVal<L>, _count: number): EntryVal<L> {
    return this.mkhuge(value);
  }

  young(value: EntryVal<L>): boolean {
    return this.has(value, this.format.young);
  }
  mkyoung(value: EntryVal<L>): EntryVal<L> {
    return this.make(value | this.format.young);
  }
  mkold(value: EntryVal<L>): EntryVal<L> {
    return this.make(value & ~this.format.young);
  }
  dirty(value: EntryVal<L>): boolean {
    return this.has(value, this.format.dirty);
  }
  mkdirty(value: EntryVal<L>): EntryVal<L> {
    return this.make(value | this.format.dirty);
  }
  mkclean(value: EntryVal<L>): EntryVal<L> {
    return this.make(value & ~this.format.dirty);
  }
  write(value: EntryVal<L>): boolean {
    return this.has(value, this.format.write);
  }
  mkwrite(value: EntryVal<L>): EntryVal<L> {
    return this.make(value | this.format.write);
  }
  wrprotect(value: EntryVal<L>): EntryVal<L> {
    return this.make(value & ~this.format.write);
  }
  special(value: EntryVal<L>): boolean {
    return this.has(value, this.format.special);
  }
  mkspecial(value: EntryVal<L>): EntryVal<L> {
    return this.make(value | this.format.special);
  }
  devmap(value: EntryVal<L>): boolean {
    return this.has(value, this.format.devmap);
  }
  mkdevmap(value: EntryVal<L>): EntryVal<L> {
    return this.make(value | this.format.devmap);
  }
  softDirty(value: EntryVal<L>): boolean {
    return this.has(value, this.format.softDirty);
  }
  mksoftDirty(value: EntryVal<L>): EntryVal<L> {
    return this.make(value | this.format.softDirty);
  }
  clearSoftDirty(value: EntryVal<L>): EntryVal<L> {
    return this.make(value & ~this.format.softDirty);
  }
  uffdWp(value: EntryVal<L>): boolean {
    return this.has(value, this.format.uffdWp);
  }
  mkuffdWp(value: EntryVal<L>): EntryVal<L> {
    return this.make(value | this.format.uffdWp);
  }
  clearUffdWp(value: EntryVal<L>): EntryVal<L> {
    return this.make(value & ~this.format.uffdWp);
  }
  protnone(value: EntryVal<L>): boolean {
    return !this.valid(value) && this.has(value, this.format.protnone);
  }

  ofTable(address: number, user: boolean): EntryVal<L> {
    return this.make((BigInt(address) & this.format.tableAddress) | (user ? this.format.userTable : this.format.kernelTable));
  }
  table(value: EntryVal<L>): number {
    return Number(value & this.format.tableAddress);
  }

  ofSwap(type: number, offset: bigint): EntryVal<L> {
    const { swap } = this.format;
    if (swap === undefined) return this.empty;
    const offsetMask = (1n << BigInt(swap.offsetBits)) - 1n;
    return this.make(swap.base | ((BigInt(type) & SWAP_TYPE_MASK) << BigInt(swap.typeShift)) | ((offset & offsetMask) << BigInt(swap.offsetShift)));
  }
  swap(value: EntryVal<L>): boolean {
    return !this.none(value) && !this.present(value);
  }
  swapType(value: EntryVal<L>): number {
    return Number((value >> BigInt(this.format.swap?.typeShift ?? 0)) & SWAP_TYPE_MASK);
  }
  swapOffset(value: EntryVal<L>): bigint {
    const { swap } = this.format;
    return swap === undefined ? 0n : (value >> BigInt(swap.offsetShift)) & ((1n << BigInt(swap.offsetBits)) - 1n);
  }
  swpSoftDirty(value: EntryVal<L>): boolean {
    return this.has(value, this.format.swap?.softDirty ?? 0n);
  }
  swpMksoftDirty(value: EntryVal<L>): EntryVal<L> {
    return this.make(value | (this.format.swap?.softDirty ?? 0n));
  }
  swpClearSoftDirty(value: EntryVal<L>): EntryVal<L> {
    return this.make(value & ~(this.format.swap?.softDirty ?? 0n));
  }
  swpExclusive(value: EntryVal<L>): boolean {
    return this.has(value, this.format.swap?.exclusive ?? 0n);
  }
  swpMkexclusive(value: EntryVal<L>): EntryVal<L> {
    return this.make(value | (this.format.swap?.exclusive ?? 0n));
  }
  swpClearExclusive(value: EntryVal<L>): EntryVal<L> {
    return this.make(value & ~(this.format.swap?.exclusive ?? 0n));
  }
  swpUffdWp(value: EntryVal<L>): boolean {
    return this.has(value, this.format.swap?.uffdWp ?? 0n);
  }
  swpMkuffdWp(value: EntryVal<L>): EntryVal<L> {
    return this.make(value | (this.format.swap?.uffdWp ?? 0n));
  }
  swpClearUffdWp(value: EntryVal<L>): EntryVal<L> {
    return this.make(value & ~(this.format.swap?.uffdWp ?? 0n));
  }

  protected make(bits: bigint): EntryVal<L> {
    return entryVal(this.level, bits);
  }
  protected has(value: bigint, bits: bigint): boolean {
    return (value & bits) !== 0n;
  }
  /** Whether a present entry points to a table. */
  protected isTable(value: EntryVal<L>): boolean {
    return this.format.tableMask !== 0n && (value & this.format.tableMask) === this.format.tableValue;
  }
}
