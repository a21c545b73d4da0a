import { collapseHugePage, mmFindPmd, readUser, splitHugePmd, writeUser, zapPageRangeSingle } from '../../packages/mm/src/index.js';
import { insertFile, insertVma, reading, same, type Place, type WithFile } from './race.js';

/* What several races begin with, and what several of their threads do. */

/** Anonymous memory of one page, or of one huge page, with words at the beginning of its first pages: the others are not there yet. */
export function anonymous(place: Place, size: 'a page' | 'a huge page', ...words: readonly number[]): void {
  const { mm, base } = place;
  insertVma(place, base, base + (size === 'a page' ? mm.pageBytes : place.hugeBytes));
  words.forEach((word, page) => { writeUser(mm, base + page * mm.pageBytes, word); });
}

/** A huge page of anonymous memory, with words at the beginning of its first pages. */
export function huge(place: Place, ...words: readonly number[]): void {
  anonymous(place, 'a huge page', ...words);
  same('the collapse', collapseHugePage(place.mm, place.base), 'succeed');
}

/** A file of one huge page that is mapped shared, and of which nothing is: its PTE table is there, and empty. */
export function emptyTable(place: Place): WithFile {
  const file = insertFile(place, 'shared');
  readUser(place.mm, place.base);
  reading(place, (vma) => { zapPageRangeSingle(vma, vma.start, vma.end); });
  return { file };
}

/** A file of one huge page, all of whose pages are in its cache. The first is mapped. */
export function cachedFile(place: Place, sharing: 'private' | 'shared'): WithFile {
  const file = insertFile(place, sharing);
  const mapping = place.kernel.mapping(file);
  for (let index = 0; index < mapping.pages; index++) mapping.readPage(index);
  readUser(place.mm, place.base);
  return { file };
}

/** khugepaged, of anonymous memory. */
export function collapse({ mm, base }: Place): void {
  collapseHugePage(mm, base);
}

/** Splits the huge page, if there is one. */
export function split(place: Place): void {
  reading(place, (vma) => {
    const pmdp = mmFindPmd(place.mm, place.base);
    if (pmdp !== undefined) splitHugePmd(vma, pmdp, place.base);
  });
}
