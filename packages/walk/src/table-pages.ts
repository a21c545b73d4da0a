import type { AnyArch, TableMemory } from '@pgtable/core';
import { geometryOf, LEVELS } from '@pgtable/core';

/** The physical pages that hold a set of tables: what `extract` keeps. */
export function tablePages(spaces: readonly { readonly arch: AnyArch; readonly tables: TableMemory }[], pageBytes = 4096): Float64Array {
  const pages = new Set<number>();
  for (const { arch, tables } of spaces) {
    for (const level of LEVELS) {
      const bytes = geometryOf(arch.geometry, level).entries * arch.geometry.entryBytes;
      for (const address of tables.addresses(level)) {
        for (let page = address - (address % pageBytes); page < address + bytes; page += pageBytes) pages.add(page);
      }
    }
  }
  return Float64Array.from(pages).sort();
}
