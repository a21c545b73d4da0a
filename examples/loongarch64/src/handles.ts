import type { HwHandle } from '@pgtable/core';

/** Opted in at every level. To go back to the alias at one: `EntryPtr<'pte'>`. */
export interface LoongarchHandles {
  pte: HwHandle<'pte'>;
  pmd: HwHandle<'pmd'>;
  pud: HwHandle<'pud'>;
  p4d: HwHandle<'p4d'>;
  pgd: HwHandle<'pgd'>;
}
