import type { HwHandle } from '@pgtable/core';

/** What handles to live entries are here: opaque at every level. */
export interface D128Handles {
  pte: HwHandle<'pte'>;
  pmd: HwHandle<'pmd'>;
  pud: HwHandle<'pud'>;
  p4d: HwHandle<'p4d'>;
  pgd: HwHandle<'pgd'>;
}
