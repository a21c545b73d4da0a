import { levelNumber, type EntryVal, type EntryValues, type Feature, type Geometry, type Level } from '@pgtable/core';
import { FlagValues, valueFormat, type ValueFormat } from '@pgtable/core/arch';
import {
  C_LO, DEVMAP_LO, EXEC_LO, INVALID_HI, KERNEL_RPN_HI, L_HI, NLB_HI, NLB_LO, NLS_LO, R_LO, READ_LO, RPN_LO, SOFT_DIRTY_LO, SPECIAL_LO, V_HI, WRITE_LO,
} from './bits.js';
import { radixFormats } from './format.js';
import { swapLayout } from './nonpresent.js';

/*
 * Entry values as the kernel makes them (arch/powerpc/include/asm/book3s/64/pgtable.h and radix.h).
 */

const LEAF = mask(0, L_HI);

/** Values of one level, where masks do not say it: PROT_NONE is valid without any right, and one mark brings another. */
class RadixValues<L extends Level> extends FlagValues<L> {
  override protnone(value: EntryVal<L>): boolean {
    return this.features.has('protnone') && this.valid(value) && this.has(value, LEAF) && !this.has(value, mask(READ_LO | WRITE_LO | EXEC_LO));
  }
  /** Who may write may read. */
  override mkwrite(value: EntryVal<L>): EntryVal<L> {
    return this.make(value | mask(READ_LO | WRITE_LO));
  }
  /** Soft-dirty too, as in the kernel. */
  override mkdirty(value: EntryVal<L>): EntryVal<L> {
    return this.make(value | this.format.dirty | this.format.softDirty);
  }
  /** At the pte level special too, as in the kernel. */
  override mkdevmap(value: EntryVal<L>): EntryVal<L> {
    return this.make(value | this.format.devmap | this.format.special);
  }
}

/** The entry values of all levels; a folded level has the root's. */
export function powerpc64Values(geometry: Geometry): { readonly [L in Level]: EntryValues<L> } {
  const of = <L extends Level>(level: L): EntryValues<L> => new RadixValues(level, formatOf(geometry, level));
  return { pte: of('pte'), pmd: of('pmd'), pud: of('pud'), p4d: of('p4d'), pgd: of('pgd') };
}

function formatOf(geometry: Geometry, level: Level): ValueFormat {
  const { shift } = geometry.levels[levelNumber(level)];
  const { nls, leaf } = radixFormats(geometry)[levelNumber(level)]!;
  const pageShift = Math.log2(geometry.pageBytes);
  const last = nls === 0;
  return valueFormat({
    // An entry that was emptied can still be given R and C by a processor. Only pte_none overlooks that.
    noneIgnores: last ? mask(R_LO | C_LO) : 0n,
    validMask: mask(0, V_HI),
    validValue: mask(0, V_HI),
    presentInvalid: leaf ? mask(0, INVALID_HI) : 0n,
    invalidClears: mask(0, V_HI),
    invalidSets: mask(0, INVALID_HI),
    // Reserved bits that the hardware ignores, and the kernel does not (RADIX_PMD_BAD_BITS): 61 and 7:5.
    ...(last ? {} : { tableMask: mask(NLS_LO, L_HI), tableValue: BigInt(nls), badMask: mask(0xe0, INVALID_HI), leafSets: LEAF }),
    leafMask: LEAF,
    leafValue: LEAF,
    pfnMask: leaf ? mask(RPN_LO, KERNEL_RPN_HI) & ~((1n << BigInt(shift)) - 1n) : 0n,
    pfnShift: pageShift,
    orderShift: shift - pageShift,
    young: mask(R_LO),
    dirty: mask(C_LO),
    write: mask(WRITE_LO),
    special: last ? mask(SPECIAL_LO) : 0n,
    devmap: leaf ? mask(DEVMAP_LO) : 0n,
    softDirty: leaf ? mask(SOFT_DIRTY_LO) : 0n,
    modifyKeeps: mask(R_LO | C_LO | SPECIAL_LO | DEVMAP_LO | SOFT_DIRTY_LO, L_HI),
    tableAddress: mask(NLB_LO, NLB_HI),
    userTable: mask(nls, V_HI),
    kernelTable: mask(nls, V_HI),
    swap: level === 'pte' || level === 'pmd' ? { ...swapLayout(pageShift), exclusive: last ? swapLayout(pageShift).exclusive : 0n } : undefined,
    features: featuresOf(level),
  });
}

/** What a level has. */
function featuresOf(level: Level): Feature[] {
  switch (level) {
    case 'pte':
      return ['leaf', 'protnone', 'swap', 'special', 'devmap', 'softDirty', 'swpExclusive', 'swpSoftDirty'];
    case 'pmd':
      return ['leaf', 'table', 'protnone', 'swap', 'devmap', 'softDirty', 'swpSoftDirty'];
    case 'pud':
      return ['leaf', 'table', 'protnone', 'devmap', 'softDirty'];
    case 'p4d':
    case 'pgd':
      return ['table'];
  }
}

/** An entry's bits from its two words. */
function mask(lo: number, hi = 0): bigint {
  return (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
}
