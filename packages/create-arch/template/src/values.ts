import { levelNumber, type EntryValues, type Feature, type Level } from '@pgtable/core';
import { FlagValues, valueFormat, type ValueFormat } from '@pgtable/core/arch';
import { A_LO, ADDRESS_HI, ADDRESS_LO, D_LO, G_LO, H_LO, NC_LO, NONE_LO, NX_HI, P_LO, RESERVED_HI, SPECIAL_LO, U_LO, W_LO } from './bits.js';
import { TRIO_GEOMETRY } from './geometry.js';
import { SWAP } from './nonpresent.js';

/*
 * Entry values as the kernel makes them. Masks say it all here, so FlagValues does the rest. REPLACE the masks by those of your asm/pgtable.h.
 * Where a rule is no mask (dirty that is two bits, a write bit that is inverted), extend FlagValues and override that one method:
 *
 *     class MyValues<L extends Level> extends FlagValues<L> {
 *       override dirty(value: EntryVal<L>): boolean { ... }
 *     }
 */

/** The entry values of all levels; a folded level has the root's. */
export function trioValues(): { readonly [L in Level]: EntryValues<L> } {
  const of = <L extends Level>(level: L): EntryValues<L> => new FlagValues(level, formatOf(level));
  return { pte: of('pte'), pmd: of('pmd'), pud: of('pud'), p4d: of('p4d'), pgd: of('pgd') };
}

/** What a protection says of a page: pte_modify() replaces these bits and keeps all others (the kernel's _PAGE_CHG_MASK, inverted). */
const PROTECTION = mask(P_LO | W_LO | U_LO | G_LO | NONE_LO, NX_HI);

function formatOf(level: Level): ValueFormat {
  const { shift } = TRIO_GEOMETRY.levels[levelNumber(level)];
  const last = shift === 12;
  const address = mask(ADDRESS_LO, ADDRESS_HI);
  return valueFormat({
    // What the hardware may use, and what is present to the kernel beside.
    validMask: mask(P_LO),
    validValue: mask(P_LO),
    presentInvalid: mask(NONE_LO),
    protnone: mask(NONE_LO),
    // mkinvalid: the hardware may not use it any more, the kernel still counts it as present.
    invalidClears: mask(P_LO),
    invalidSets: mask(NONE_LO),
    // Table or leaf; mkhuge sets what makes a leaf.
    ...(last
      ? { badMask: mask(H_LO, RESERVED_HI) }
      : { tableMask: mask(H_LO), tableValue: 0n, badMask: mask(A_LO | D_LO | G_LO | NC_LO, RESERVED_HI), leafSets: mask(H_LO) }),
    // A large page's frame number counts in pages of the smallest size; its low bits are zero.
    pfnMask: address & ~((1n << BigInt(shift)) - 1n),
    pfnShift: 12,
    orderShift: shift - 12,
    young: mask(A_LO),
    dirty: mask(D_LO),
    write: mask(W_LO),
    special: last ? mask(SPECIAL_LO) : 0n,
    modifyKeeps: ((1n << 64n) - 1n) & ~PROTECTION,
    // Table entries allow all that their addresses may be: what a page does not allow, it says itself.
    tableAddress: address,
    userTable: mask(P_LO | W_LO | U_LO),
    kernelTable: mask(P_LO | W_LO),
    swap: { ...SWAP, exclusive: last ? SWAP.exclusive : 0n },
    features: featuresOf(last),
  });
}

/** Each feature brings laws with it; what a level lacks, its constructors leave alone. */
function featuresOf(last: boolean): Feature[] {
  return ['leaf', 'protnone', 'swap', ...(last ? (['special', 'swpExclusive'] as const) : (['table'] as const))];
}

/** An entry's bits from its two words. */
function mask(lo: number, hi = 0): bigint {
  return (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
}
