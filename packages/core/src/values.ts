import type { Level } from './levels.js';

declare const value: unique symbol;
declare const prot: unique symbol;

/**
 * The value of an entry, as a bigint of the entry's width (32, 64 or 128 bits) in the machine's meaning: bit 0 is the
 * bit that the manual numbers as least significant, whatever the byte order.
 *
 * Values are for places where a person or a constructor handles one entry. Loops over tables use
 * {@link ScanBuffer | scans}, which allocate nothing per entry.
 */
export type EntryVal<L extends Level> = bigint & { readonly [value]: L };

export type PteVal = EntryVal<'pte'>;
export type PmdVal = EntryVal<'pmd'>;
export type PudVal = EntryVal<'pud'>;
export type P4dVal = EntryVal<'p4d'>;
export type PgdVal = EntryVal<'pgd'>;

/** `__pte()` and its siblings: says that these bits are the value of an entry of that level. */
export function entryVal<L extends Level>(_level: L, bits: bigint): EntryVal<L> {
  return bits as EntryVal<L>;
}

/**
 * `pgprot_t`: everything that a leaf says beside its frame, in the architecture's own bits. An architecture makes the common
 * ones ({@link WritableArch.vmProt}, {@link WritableArch.kernelProt}); `values.pte.prot()` takes one from an entry. It may have bits above an
 * entry's, where one bit means different things at different levels (s390, LoongArch): `ofPfn` of the level gives them their place.
 */
export type Prot = bigint & { readonly [prot]: true };
