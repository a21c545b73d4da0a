import { geometryOf, type EntryVal, type EntryValues, type Feature, type Level, type Prot } from '@pgtable/core';
import { FlagValues, valueFormat, type SwapLayout, type ValueFormat } from '@pgtable/core/arch';
import {
  A, ADDRESS_1G_LO, ADDRESS_2M_LO, ADDRESS_4K_LO, ADDRESS_4M_LO, ADDRESS_HI, D, DEVMAP_HI, NX_HI, P, PAT_4K, PAT_LARGE, PCD, PROTNONE, PS, PSE36_BIT, PSE36_LO,
  PSE36_SHIFT, PWT, RESERVED_PAE_HI, RW, SAVED_DIRTY_32, SAVED_DIRTY_HI, SOFT_DIRTY, SPECIAL, UFFD_WP, US,
} from './bits.js';
import type { FullConfig } from './config.js';
import { is64Bit, x86Geometry } from './geometry.js';

/*
 * Entry values as Linux makes them (arch/x86/include/asm/pgtable.h, pgtable_types.h, pgtable-invert.h, pgtable_64.h, pgtable-3level.h,
 * pgtable-2level.h; Linux 6.12). Three rules are no masks:
 *
 *   Present. Without P an entry is still present if it has PROTNONE (bit 8), or, above the pte level, PS: a large page that is being split.
 *   Such an entry holds the complement of its frame, against L1TF, unless entries have 32 bits.
 *
 *   Dirty. R/W clear with D set means shadow stack. So D moves to the saved dirty bit where R/W goes, and back where it comes.
 *
 *   Empty. Some processors set A and D of an empty entry (Knights Landing), so the two do not count, except where entries have 32 bits.
 */

/** Masks of both words as one. */
function both(lo: number, hi = 0): bigint {
  return (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
}

const ONES_64 = both(-1, -1);
const P_BIT = both(P);
const RW_BIT = both(RW);
const D_BIT = both(D);
const PROTNONE_BIT = both(PROTNONE);
const PS_BIT = both(PS);

/** `_PAGE_TABLE` and `_KERNPG_TABLE`, without encryption. */
const USER_TABLE = both(P | RW | US | A | D);
const KERNEL_TABLE = both(P | RW | A | D);

/** The C-bit. */
export function encryptionMask(config: FullConfig): bigint {
  return both(config.encryptionLo, config.encryptionHi);
}

/** The level whose entries a level has: a folded one has those of the pgd. */
export function realLevel(config: FullConfig, level: Level): Level {
  return geometryOf(x86Geometry(config.mode), level).folded ? 'pgd' : level;
}

/** Whether entries of a level can map memory. */
export function hasLeaves(config: FullConfig, level: Level): boolean {
  switch (realLevel(config, level)) {
    case 'pte':
    case 'pmd':
      return true;
    case 'pud':
      return is64Bit(config.mode);
    case 'p4d':
      return false;
    case 'pgd':
      return config.mode === '2-level' && config.pse;
  }
}

/** The bits of the low word that make an entry of a level present. */
export function presentBits(config: FullConfig, level: Level): number {
  if (!hasLeaves(config, level)) return P;
  return level === 'pte' ? P | PROTNONE : P | PROTNONE | PS;
}

/** What an x86 level has beside its masks. */
interface X86Format extends ValueFormat {
  /** Where D goes when R/W is cleared; 0n where entries are never dirty. */
  readonly savedDirty: bigint;
  /** Entries that are not valid hold the complement of their frame. */
  readonly inverts: boolean;
  /** Bits that an entry must have that points to a table. */
  readonly tableNeeds: bigint;
  /** Marked as memory of a device: `devmap`, and at the pte level special. */
  readonly devmapSets: bigint;
}

/** The entry values of x86 in one configuration. A folded level has those of the pgd. */
export function x86Values(config: FullConfig): { readonly [L in Level]: EntryValues<L> } {
  return { pte: levelValues(config, 'pte'), pmd: levelValues(config, 'pmd'), pud: levelValues(config, 'pud'), p4d: levelValues(config, 'p4d'), pgd: levelValues(config, 'pgd') };
}

function levelValues<L extends Level>(config: FullConfig, level: L): EntryValues<L> {
  const format = x86ValueFormat(config, level);
  const pse36 = config.mode === '2-level' && level !== 'pte' && config.pse;
  return pse36 ? new Pse36Values(level, format) : new X86Values(level, format);
}

class X86Values<L extends Level> extends FlagValues<L> {
  protected override readonly format: X86Format;

  constructor(level: L, format: X86Format) {
    super(level, format);
    this.format = format;
  }

  /** `pmd_bad`: beside what no entry that points to a table may have, some kernels' tests ask for bits that each has. */
  override bad(value: EntryVal<L>): boolean {
    return super.bad(value) || (this.features.has('table') && !this.none(value) && (value & this.format.tableNeeds) !== this.format.tableNeeds);
  }

  override pfn(value: EntryVal<L>): number {
    return this.decodeFrame((this.inverted(value) ? ~value : value) & this.format.pfnMask);
  }
  override prot(value: EntryVal<L>): Prot {
    return (value & ~this.format.pfnMask) as Prot;
  }
  override ofPfn(pfn: number, prot: Prot): EntryVal<L> {
    const frame = this.encodeFrame(pfn);
    return this.make((this.inverted(prot) ? frame ^ this.format.pfnMask : frame) | prot);
  }
  override modify(value: EntryVal<L>, prot: Prot): EntryVal<L> {
    const { modifyKeeps, pfnMask } = this.format;
    const stays = modifyKeeps | pfnMask;
    const changed = this.flip(value, (value & stays) | (prot & ~stays));
    // A page that was not writable and has D set is a shadow stack, and stays one.
    return this.make((value & RW_BIT) !== 0n ? this.saveDirty(changed) : this.restoreDirty(changed));
  }
  override mkinvalid(value: EntryVal<L>): EntryVal<L> {
    return this.make(this.flip(value, super.mkinvalid(value)));
  }

  override mkdirty(value: EntryVal<L>): EntryVal<L> {
    const { dirty, savedDirty, softDirty } = this.format;
    return this.make(this.saveDirty(value | (dirty & ~savedDirty) | softDirty));
  }
  override mkwrite(value: EntryVal<L>): EntryVal<L> {
    return this.make(this.restoreDirty(super.mkwrite(value)));
  }
  override wrprotect(value: EntryVal<L>): EntryVal<L> {
    return this.make(this.saveDirty(super.wrprotect(value)));
  }
  /** Also makes the page read-only. */
  override mkuffdWp(value: EntryVal<L>): EntryVal<L> {
    return this.format.uffdWp === 0n ? value : this.wrprotect(super.mkuffdWp(value));
  }
  override mkdevmap(value: EntryVal<L>): EntryVal<L> {
    return this.make(value | this.format.devmapSets);
  }

  override ofSwap(type: number, offset: bigint): EntryVal<L> {
    return super.ofSwap(type, this.format.inverts ? ~offset : offset);
  }
  override swapOffset(value: EntryVal<L>): bigint {
    const { inverts, swap } = this.format;
    const offset = super.swapOffset(value);
    return inverts && swap !== undefined ? offset ^ ((1n << BigInt(swap.offsetBits)) - 1n) : offset;
  }

  /** The frame bits of an entry for a frame. */
  protected encodeFrame(pfn: number): bigint {
    return (BigInt(pfn) << 12n) & this.format.pfnMask;
  }
  /** The frame of frame bits. */
  protected decodeFrame(bits: bigint): number {
    return Number(bits >> 12n);
  }

  /** Whether an entry holds the complement of its frame. The empty entry does not. @see __pte_needs_invert() */
  private inverted(value: bigint): boolean {
    return this.format.inverts && value !== 0n && (value & P_BIT) === 0n;
  }
  /** What became of an entry, its frame turned over if the entry became valid or ceased to be. */
  private flip(old: bigint, value: bigint): bigint {
    return this.inverted(old) === this.inverted(value) ? value : value ^ this.format.pfnMask;
  }
  private saveDirty(value: bigint): bigint {
    const { savedDirty } = this.format;
    return savedDirty === 0n || (value & RW_BIT) !== 0n || (value & D_BIT) === 0n ? value : (value & ~D_BIT) | savedDirty;
  }
  private restoreDirty(value: bigint): bigint {
    const { savedDirty } = this.format;
    return (value & RW_BIT) === 0n || (value & savedDirty) === 0n ? value : (value & ~savedDirty) | D_BIT;
  }
}

/** 4 MiB pages: bits 39:32 of the address stand in bits 20:13 (PSE-36). */
class Pse36Values<L extends Level> extends X86Values<L> {
  protected override encodeFrame(pfn: number): bigint {
    const address = BigInt(pfn) << 12n;
    return (address & both(ADDRESS_4M_LO)) | (((address >> BigInt(PSE36_BIT)) << BigInt(PSE36_SHIFT)) & both(PSE36_LO));
  }
  protected override decodeFrame(bits: bigint): number {
    const high = (bits & both(PSE36_LO)) >> BigInt(PSE36_SHIFT);
    return Number(((high << BigInt(PSE36_BIT)) | (bits & both(ADDRESS_4M_LO))) >> 12n);
  }
}

function x86ValueFormat(config: FullConfig, level: Level): X86Format {
  const real = realLevel(config, level);
  const narrow = config.mode === '2-level';
  const wide = is64Bit(config.mode);
  const leaves = hasLeaves(config, level);
  const encryption = encryptionMask(config);
  const all = narrow ? both(-1) : ONES_64;
  const tableAddress = both(ADDRESS_4K_LO, narrow ? 0 : ADDRESS_HI) & ~encryption;
  const pdpte = config.mode === 'PAE' && real === 'pgd';
  // The one level whose test of emptiness is exact: its entries point to tables alone, and no processor with the erratum has five levels.
  const exact = narrow || (config.mode === '5-level' && real === 'pgd');
  const kernelsPmd = real === 'pmd' || (narrow && real === 'pgd');
  const fixedTable = pdpte || (narrow && !config.pse);
  const userTable = (pdpte ? P_BIT : USER_TABLE) | encryption;
  const savedDirty = wide ? both(0, SAVED_DIRTY_HI) : both(SAVED_DIRTY_32);
  const devmap = wide ? both(0, DEVMAP_HI) : 0n;
  const softDirty = wide ? both(SOFT_DIRTY) : 0n;
  const uffdWp = wide ? both(UFFD_WP) : 0n;
  const dirty = D_BIT | savedDirty;

  const marks = {
    young: both(A), dirty, write: RW_BIT, special: both(SPECIAL), devmap, softDirty, uffdWp, protnone: PROTNONE_BIT,
    modifyKeeps: both(PCD | PWT | SPECIAL | A) | dirty | softDirty | devmap | uffdWp | encryption | (level === 'pte' ? both(PAT_4K) : both(PS | PAT_LARGE)),
  };
  const large = { presentInvalid: PROTNONE_BIT | PS_BIT, leafSets: PS_BIT, invalidClears: P_BIT | PROTNONE_BIT };
  const small = { presentInvalid: PROTNONE_BIT, invalidClears: P_BIT, invalidSets: PROTNONE_BIT };
  const table = {
    tableMask: fixedTable ? P_BIT : PS_BIT,
    tableValue: fixedTable ? P_BIT : 0n,
    userTable,
    kernelTable: (pdpte ? P_BIT : KERNEL_TABLE) | encryption,
    tableAddress,
    // Page-table isolation marks the entries for users in the kernel's root table with NX.
    badMask: (all & ~(tableAddress | USER_TABLE | encryption | (wide && (real === 'pgd' || real === 'p4d') ? both(0, NX_HI) : 0n))) | reservedBits(config),
  };
  const swap = leaves && (wide || level === 'pte') ? swapLayout(config, level) : undefined;
  return {
    ...valueFormat({
      validMask: P_BIT,
      validValue: P_BIT,
      noneIgnores: exact ? 0n : both(A | D),
      pfnMask: leaves ? leafAddressBits(config, real) & ~encryption : tableAddress,
      pfnShift: 12,
      orderShift: geometryOf(x86Geometry(config.mode), level).shift - 12,
      ...(leaves ? { ...marks, ...(level === 'pte' ? small : large) } : { invalidClears: P_BIT }),
      ...(level === 'pte' ? { badMask: reservedBits(config) } : table),
      swap,
      features: featuresOf(config, level, leaves, swap),
    }),
    savedDirty: leaves ? savedDirty : 0n,
    inverts: !narrow && leaves,
    tableNeeds: level === 'pte' ? 0n : tableNeeds(config, kernelsPmd, real),
    devmapSets: !leaves || !wide ? 0n : level === 'pte' ? devmap | both(SPECIAL) : devmap,
  };
}

/** What the kernel's tests ask of an entry that points to a table: pmd_bad() and, of five levels, pgd_bad(). */
function tableNeeds(config: FullConfig, kernelsPmd: boolean, real: Level): bigint {
  if (kernelsPmd) return both(P | RW | D) | encryptionMask(config);
  return config.mode === '5-level' && real === 'pgd' ? KERNEL_TABLE | encryptionMask(config) : P_BIT;
}

function leafAddressBits(config: FullConfig, real: Level): bigint {
  const hi = config.mode === '2-level' ? 0 : ADDRESS_HI;
  switch (real) {
    case 'pte':
      return both(ADDRESS_4K_LO, hi);
    case 'pmd':
      return both(ADDRESS_2M_LO, hi);
    case 'pud':
      return both(ADDRESS_1G_LO, hi);
    case 'p4d':
    case 'pgd':
      return both(ADDRESS_4M_LO | PSE36_LO);
  }
}

/** Bits on which the processor faults, at every level: address bits that it does not have, NX without EFER.NXE, and more with PAE. */
function reservedBits(config: FullConfig): bigint {
  if (config.mode === '2-level') return 0n;
  const tooHigh = ADDRESS_HI & ~(2 ** (config.physicalBits - 32) - 1);
  return both(0, tooHigh | (config.nx ? 0 : NX_HI) | (config.mode === 'PAE' ? RESERVED_PAE_HI : 0)) & ~encryptionMask(config);
}

/**
 * As `decodeNonPresent` reads it for a kernel since 6.3. With 64-bit entries the offset is stored inverted. HugeTLB and THP have no swap entries that one
 * process owns alone, so only a pte's can say so.
 */
function swapLayout(config: FullConfig, level: Level): SwapLayout {
  const none = { base: 0n, softDirty: 0n, uffdWp: 0n, exclusive: 0n };
  if (config.mode === '2-level') return { ...none, typeShift: 1, offsetShift: 9, offsetBits: 23, exclusive: PS_BIT };
  const layout = { ...none, typeShift: 59, offsetShift: 9, offsetBits: 50 };
  if (config.mode === 'PAE') return { ...layout, exclusive: PS_BIT };
  return { ...layout, softDirty: RW_BIT, uffdWp: both(US), exclusive: level === 'pte' ? both(PWT) : 0n };
}

function featuresOf(config: FullConfig, level: Level, leaves: boolean, swap: SwapLayout | undefined): Feature[] {
  const features: Feature[] = [];
  if (level !== 'pte') features.push('table');
  if (!leaves) return features;
  features.push('leaf', 'special', 'protnone');
  if (is64Bit(config.mode)) features.push('devmap', 'softDirty', 'uffdWp');
  if (swap === undefined) return features;
  features.push('swap');
  if (level === 'pte') features.push('swpExclusive');
  if (is64Bit(config.mode)) features.push('swpSoftDirty', 'swpUffdWp');
  return features;
}
