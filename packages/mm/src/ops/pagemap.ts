import type { EntryVal, EntryValues, HandleFamily } from '@pgtable/core';
import { hugePmdBytes } from '../folio/huge.js';
import { isAnon, isAnonExclusive } from '../folio/rmap.js';
import type { Mm } from '../kernel/mm.js';
import { walkPages } from './walk-pages.js';

/** Pages that follow each other and are mapped alike. */
export interface PagemapRun {
  /** Half-open: [start, end). */
  readonly start: number;
  end: number;
  /** `zero`: the shared zero page. `special`: no page of the kernel's. `swap`: not present, and not empty. */
  readonly kind: 'page' | 'zero' | 'special' | 'swap';
  /** The frame of the first page; those of the others follow. Of `swap` 0. */
  readonly pfn: number;
  readonly write: boolean;
  readonly dirty: boolean;
  readonly young: boolean;
  /** An anonymous page that no other entry maps (PM_MMAP_EXCLUSIVE, as far as PageAnonExclusive says it). */
  readonly exclusive: boolean;
  /** A page of a file. */
  readonly file: boolean;
  /** By a pmd entry. */
  readonly huge: boolean;
}

/**
 * What each address of a range maps: what `/proc/PID/pagemap` says (`pagemap_pmd_range()` of fs/proc/task_mmu.c, 6.12, which is not at hand here: this follows Documentation/admin-guide/mm/pagemap.rst), in runs. Empty entries are left out.
 *
 * Locking: the mmap lock, either way. Takes the locks of the tables, so each table is seen at one moment, and two tables at two.
 *
 * @param start,end half-open, page aligned
 */
export function pagemapRead<H extends HandleFamily>(mm: Mm<H>, start: number, end: number): PagemapRun[] {
  const { pageBytes, arch: { ops, values } } = mm;
  const runs: PagemapRun[] = [];
  const add = (run: PagemapRun): void => {
    const last = runs.at(-1);
    if (last !== undefined && goesOn(last, run, pageBytes)) last.end = run.end;
    else runs.push(run);
  };
  walkPages(mm, start, end, {
    hugePmd(_pmdp, pmd, address, next) {
      const first = values.pmd.pfn(pmd);
      // A walk may begin in the middle of a huge page.
      const offset = (address % hugePmdBytes(mm)) / pageBytes;
      add(describe(mm, values.pmd, pmd, first, address, next, first + offset));
    },
    pteRange(ptep, address, count) {
      for (let done = 0; done < count; done++) {
        const pte = ops.pte.get(ops.pte.advance(ptep, done));
        if (values.pte.none(pte)) continue;
        const at = address + done * pageBytes;
        const pfn = values.pte.present(pte) ? values.pte.pfn(pte) : 0;
        add(describe(mm, values.pte, pte, pfn, at, at + pageBytes, pfn));
      }
    },
  });
  return runs;
}

/** @param counted the frame that mapcounts are at */
function describe<H extends HandleFamily, L extends 'pte' | 'pmd'>(mm: Mm<H>, values: EntryValues<L>, value: EntryVal<L>, counted: number, start: number, end: number, pfn: number): PagemapRun {
  const huge = values.level === 'pmd';
  if (!values.present(value)) return { start, end, kind: 'swap', pfn: 0, write: false, dirty: false, young: false, exclusive: false, file: false, huge };
  const { frames, zeroPfn } = mm.kernel;
  const page = pfn !== zeroPfn && pfn >= frames.firstPfn && pfn < frames.firstPfn + frames.count && !values.special(value);
  const anon = page && isAnon(mm, pfn);
  return {
    start, end, pfn, huge, kind: page ? 'page' : pfn === zeroPfn ? 'zero' : 'special', write: values.write(value), dirty: values.dirty(value), young: values.young(value),
    exclusive: anon && isAnonExclusive(mm, counted), file: page && !anon,
  };
}

function goesOn(last: PagemapRun, run: PagemapRun, pageBytes: number): boolean {
  if (last.end !== run.start || last.kind !== run.kind || last.huge !== run.huge || last.file !== run.file || last.exclusive !== run.exclusive) return false;
  if (last.write !== run.write || last.dirty !== run.dirty || last.young !== run.young) return false;
  return run.kind === 'swap' || run.kind === 'zero' || run.pfn === last.pfn + (last.end - last.start) / pageBytes;
}
