import type { Level } from './levels.js';

/*
 * At each level there are three things, and each has its own type:
 *
 *   EntryVal<L>     the value of an entry
 *   EntryPtr<L>     a pointer to a value that is held aside: a snapshot, a copy
 *   H[L]            a live entry of a hardware table: what the architecture's handle family says
 *
 * A handle family is either the alias (H[L] = EntryPtr<L>: everything compiles, nothing is checked) or strong
 * (H[L] = HwHandle<L>: opaque), level by level. At run time both are the same small integer, the index of the entry in
 * its table memory, unless the architecture keeps its entries elsewhere: core and walk never look.
 */

declare const ptr: unique symbol;
declare const hw: unique symbol;

/** A pointer to an entry value: an index with a brand, so it can be dereferenced. `pte_t *` of a value on the stack. */
export type EntryPtr<L extends Level> = number & { readonly [ptr]: L };

/**
 * An opaque handle to a live entry. It has no property, no arithmetic and no order, it is no index, and a handle of one
 * level is none of another.
 *
 * At run time a handle into table memory is a number, and not 0: `if (ptep)` asks whether there is one. A pointer to a value held aside may be 0.
 */
export interface HwHandle<L extends Level> {
  readonly [hw]: L;
}

/** What the handles of an architecture are, level by level. Core and walk are generic over this and know no more. */
export interface HandleFamily {
  pte: unknown;
  pmd: unknown;
  pud: unknown;
  p4d: unknown;
  pgd: unknown;
}

/** The family of an architecture that has not opted in at any level. */
export interface AliasHandles {
  pte: EntryPtr<'pte'>;
  pmd: EntryPtr<'pmd'>;
  pud: EntryPtr<'pud'>;
  p4d: EntryPtr<'p4d'>;
  pgd: EntryPtr<'pgd'>;
}

/** The family of an architecture that has opted in at every level. */
export interface StrongHandles {
  pte: HwHandle<'pte'>;
  pmd: HwHandle<'pmd'>;
  pud: HwHandle<'pud'>;
  p4d: HwHandle<'p4d'>;
  pgd: HwHandle<'pgd'>;
}

/** Any family whose handles are indices into table memory: alias and strong in any mixture. */
export type TableHandles = { [L in Level]: EntryPtr<L> | HwHandle<L> };

/** A table of some level by its first entry: level and handle go together, so that neither can be mistaken. */
export type TableOf<H extends HandleFamily, L extends Level = Level> = { [K in L]: { readonly level: K; readonly table: H[K] } }[L];
