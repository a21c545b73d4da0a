import { levelNumber, type EntryVal, type Feature, type Level, type Prot } from '@pgtable/core';
import { FlagValues, valueFormat, type ValueFormat } from '@pgtable/core/arch';
import {
  CACHED_WINDOW, D_LO, DEVMAP_HI, G_LO, H_LO, HGLOBAL_LO, MAT_LO, MODIFIED_LO, P_LO, PA_BITS, PLV_LO, PRESENT_INVALID_HI, PROTNONE_LO, SPECIAL_LO, V_LO, W_LO,
} from './bits.js';
import { invalidTableBelow, type FullConfig } from './config.js';
import { loongarchGeometry, pageShift } from './geometry.js';
import { HUGE_SWAP_END, SWAP_EXCLUSIVE, SWAP_OFFSET_SHIFT, SWAP_TYPE_SHIFT } from './nonpresent.js';

/*
 * Entry values as Linux makes them (arch/loongarch/include/asm/pgtable.h, pgtable-bits.h; Linux 6.12).
 *
 * Young is V. Dirty is MODIFIED, which software notes, or D, which the TLB obeys and the hardware's walker notes alone. D is set while
 * a page is writable and dirty, so that the first store to a clean page faults, or is noticed by the walker.
 *
 * What an entry is:
 *
 *                    page-table entry           directory, H clear            directory, H set
 *     empty          nothing but G is set       the address of the table      -
 *                                               that maps nothing, or zero
 *     table          -                          any other address             -
 *     valid          V                          a table                       V
 *     present        V, P or PROTNONE           a table                       V, P, PROTNONE or PRESENT_INVALID
 *
 * An empty page-table entry of the kernel has G: a translation is for two pages, and global if both say so, so that an empty entry
 * without it would make its neighbour's translation one of a single address space.
 *
 * A Prot is in the format of page-table entries at every level: G is bit 6. In a directory that bit is H, so bit 64 of a Prot, which no entry
 * has, says that the entry is a huge page.
 */

const V = BigInt(V_LO);
const D = BigInt(D_LO);
const G = BigInt(G_LO);
const H = BigInt(H_LO);
const P = BigInt(P_LO);
const W = BigInt(W_LO);
const MAT = BigInt(MAT_LO);
const MODIFIED = BigInt(MODIFIED_LO);
const PROTNONE = BigInt(PROTNONE_LO);
const SPECIAL = BigInt(SPECIAL_LO);
const HGLOBAL = BigInt(HGLOBAL_LO);
const DEVMAP = BigInt(DEVMAP_HI) << 32n;
const PRESENT_INVALID = BigInt(PRESENT_INVALID_HI) << 32n;
/** A Prot is of a huge page. */
const HUGE_PROT = 1n << 64n;
/** Bits of an entry that are of an address, whatever the level: 47:12. */
const ADDRESS = (1n << BigInt(PA_BITS)) - (1n << 12n);

/** What is the same for pages and huge pages. */
export class LoongarchValues<L extends Level> extends FlagValues<L> {
  /** Nothing but G, which stands in empty entries of the kernel. */
  override none(value: EntryVal<L>): boolean {
    return (value & ~G) === 0n;
  }
  /** MAT 3 is reserved. */
  override bad(value: EntryVal<L>): boolean {
    return this.valid(value) && (value & MAT) === MAT;
  }

  override mkdirty(value: EntryVal<L>): EntryVal<L> {
    return this.make(value | MODIFIED | (this.has(value, W) ? D : 0n));
  }
  override mkwrite(value: EntryVal<L>): EntryVal<L> {
    return this.make(value | W | (this.has(value, MODIFIED) ? D : 0n));
  }
  override wrprotect(value: EntryVal<L>): EntryVal<L> {
    return this.make(noted(value) & ~(W | D));
  }
  /**
   * Young stays, as long as the page can be used before and after. The kernel's `pte_modify` takes V from the new protection, which makes every page young;
   * one that was PROT_NONE has no V to keep, and becomes young here too.
   */
  override modify(value: EntryVal<L>, prot: Prot): EntryVal<L> {
    const result = super.modify(this.make(noted(value)), prot);
    return this.has(value, P) && this.has(result, P) ? this.make((result & ~V) | (value & V)) : result;
  }
  /** `pmd_mkinvalid`, but for D: the kernel drops it, and knows from what stood there before that the page was dirty. Young is V, and goes. */
  override mkinvalid(value: EntryVal<L>): EntryVal<L> {
    return this.make((noted(value) & ~(P | V | D | PROTNONE)) | PRESENT_INVALID);
  }
}

/** An entry with what the hardware noted in D where it outlasts D. */
function noted(value: bigint): bigint {
  return (value & D) !== 0n ? value | MODIFIED : value;
}

/** Directories: every level but the pte. */
export class DirectoryValues<L extends Level> extends LoongarchValues<L> {
  /** Address of the table that an empty entry points to. */
  private readonly nothing: bigint;

  constructor(level: L, format: ValueFormat) {
    super(level, format);
    this.nothing = format.empty & ADDRESS;
  }

  /** Zero, or a pointer to the table that maps nothing. The bits above the address do not count: no walk looks at them. */
  override none(value: EntryVal<L>): boolean {
    return value === 0n || (value & ((1n << BigInt(PA_BITS)) - 1n)) === this.nothing;
  }
  override valid(value: EntryVal<L>): boolean {
    return this.isTable(value) ? !this.none(value) : this.has(value, V);
  }
  override present(value: EntryVal<L>): boolean {
    return this.isTable(value) ? !this.none(value) : super.present(value);
  }
  /** What should point to a table is bad if it is no table's address. */
  override bad(value: EntryVal<L>): boolean {
    return !this.none(value) && (!this.isTable(value) || this.has(value, this.format.badMask));
  }

  /** G goes to its place in a huge page's entry here, and not in {@link mkhuge} as in the kernel: bit 6 is never G in a directory. */
  override ofPfn(pfn: number, prot: Prot): EntryVal<L> {
    const bits = (prot & ~(HUGE_PROT | G)) | (this.has(prot, G) ? HGLOBAL : 0n) | (this.has(prot, HUGE_PROT) ? H : 0n);
    return this.make((super.ofPfn(pfn, 0n as Prot) as bigint) | bits);
  }
  /** The address bits below the page's size are left out: nothing looks at them. */
  override prot(value: EntryVal<L>): Prot {
    const bits = value & ~(ADDRESS | H);
    return (bits | (this.has(value, HGLOBAL) ? G : 0n) | (this.isTable(value) ? 0n : HUGE_PROT)) as Prot;
  }
  /** `pmd_mkhuge`, without moving G: it is in its place already, and a second call would take H for it. */
  override mkhuge(value: EntryVal<L>): EntryVal<L> {
    return this.make(value | H);
  }
}

/** Entry values of all levels. */
export type LoongarchValueTable = { readonly pte: LoongarchValues<'pte'> } & { readonly [L in Exclude<Level, 'pte'>]: DirectoryValues<L> };

/** The entry values of a configuration; a folded level has the root's. */
export function loongarchValues(config: FullConfig): LoongarchValueTable {
  const of = <L extends Exclude<Level, 'pte'>>(level: L): DirectoryValues<L> => new DirectoryValues(level, formatOf(config, level));
  return { pte: new LoongarchValues('pte', formatOf(config, 'pte')), pmd: of('pmd'), pud: of('pud'), p4d: of('p4d'), pgd: of('pgd') };
}

/** Shift of the one size of huge pages that Linux makes: HPAGE_SHIFT. */
export function hugePageShift(config: Pick<FullConfig, 'layout'>): number {
  return 2 * pageShift(config.layout) - 3;
}

function formatOf(config: FullConfig, level: Level): ValueFormat {
  const { shift } = loongarchGeometry(config.layout).levels[levelNumber(level)];
  const page = pageShift(config.layout);
  const last = level === 'pte';
  const address = (1n << BigInt(PA_BITS)) - 1n;
  const nothing = invalidTableBelow(config, level);
  const linux = last || shift === hugePageShift(config);
  return valueFormat({
    empty: nothing === undefined ? 0n : CACHED_WINDOW | BigInt(nothing),
    validMask: V,
    validValue: V,
    presentInvalid: P | PROTNONE | (last ? 0n : PRESENT_INVALID),
    protnone: PROTNONE,
    ...(last ? {} : {
      tableMask: H, tableValue: 0n, badMask: (1n << BigInt(page)) - 1n, leafSets: H,
      userTable: CACHED_WINDOW, kernelTable: CACHED_WINDOW, tableAddress: address & ~((1n << BigInt(page)) - 1n),
    }),
    pfnMask: address & ~((1n << BigInt(shift)) - 1n),
    pfnShift: page,
    orderShift: shift - page,
    young: V,
    dirty: D | MODIFIED,
    write: W,
    special: last ? SPECIAL : 0n,
    devmap: linux ? DEVMAP : 0n,
    // _PAGE_CHG_MASK, _HPAGE_CHG_MASK.
    modifyKeeps: MODIFIED | SPECIAL | DEVMAP | MAT | BigInt(PLV_LO) | HUGE_PROT,
    swap: linux ? {
      typeShift: SWAP_TYPE_SHIFT,
      offsetShift: SWAP_OFFSET_SHIFT,
      offsetBits: (last ? 64 : HUGE_SWAP_END) - SWAP_OFFSET_SHIFT,
      base: last ? 0n : H,
      softDirty: 0n,
      exclusive: last ? SWAP_EXCLUSIVE : 0n,
      uffdWp: 0n,
    } : undefined,
    features: featuresOf(last, linux),
  });
}

/** Leaves stand in every directory in the manual; Linux has those of one size. */
function featuresOf(last: boolean, linux: boolean): Feature[] {
  return ['leaf', 'protnone', ...(last ? (['special', 'swpExclusive'] as const) : (['table'] as const)), ...(linux ? (['swap', 'devmap'] as const) : [])];
}
