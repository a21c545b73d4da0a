import { geometryOf } from '@pgtable/core';
import { loongarchGeometry, type InvalidTables, type LoongarchLayout } from '../src/index.js';

/** Tables that map nothing, at addresses where no test has any other. */
export function invalidTables(layout: LoongarchLayout): InvalidTables {
  const geometry = loongarchGeometry(layout);
  return {
    pte: 0x1234_567b_0000,
    ...(geometryOf(geometry, 'pmd').folded ? {} : { pmd: 0x1234_567c_0000 }),
    ...(geometryOf(geometry, 'pud').folded ? {} : { pud: 0x1234_567d_0000 }),
  };
}
