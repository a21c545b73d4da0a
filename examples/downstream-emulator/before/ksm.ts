import { entryVal, pteDirty, ptePfn, ptePresent, pteSpecial, pteWrite, pteWrprotect, type PteVal } from '@pgtable/core';
import type { Ptep } from './family.js';
import { flushPage, isPrivate, pteRanges, PAGE, type Mm } from './mm.js';

/** A page that others may turn out to be equal to. */
interface Seen {
  readonly mm: Mm;
  readonly address: bigint;
  readonly ptep: Ptep;
}

/**
 * Merges pages of equal contents: all but one frame are given back, and the programs share the one that is left until they write
 * to it.
 *
 * Returns: how many frames were given back.
 */
export function mergePages(mms: readonly Mm[]): number {
  const seen = new Map<string, Seen>();
  let merged = 0;
  for (const mm of mms) {
    const { arch, tables } = mm;
    for (const vma of mm.vmas.filter(isPrivate)) {
      for (const range of pteRanges(mm, vma.start, vma.end)) {
        let address = range.address;
        const stop = (range.first + range.count) as Ptep;
        for (let ptep = range.first; ptep < stop; ptep++, address += PAGE) {
          const pte = entryVal('pte', tables.elements[ptep]!);
          if (!ptePresent(arch, pte) || pteSpecial(arch, pte)) continue;
          const key = contents(mm, pte);
          const first = seen.get(key);
          if (first === undefined) seen.set(key, { mm, address, ptep });
          else if (merge(first, { mm, address, ptep })) merged++;
        }
      }
    }
  }
  return merged;
}

/** The contents of a page, as something to look up. */
function contents({ arch, kernel }: Mm, pte: PteVal): string {
  return Buffer.from(kernel.ram.frame(ptePfn(arch, pte))).toString('base64');
}

/** Makes the second page show the first one's frame. Returns: false if it does already. */
function merge(first: Seen, second: Seen): boolean {
  const { mm, address, ptep } = second;
  const { arch, kernel, tables } = mm;
  const pte = entryVal('pte', tables.elements[ptep]!);
  const kept = entryVal('pte', tables.elements[first.ptep]!);
  if (ptePfn(arch, kept) === ptePfn(arch, pte)) return false;
  protect(first);
  tables.elements[ptep] = 0n;
  flushPage(mm, address);
  kernel.frames.get(ptePfn(arch, kept));
  kernel.putFrame(ptePfn(arch, pte));
  let shared = arch.values.pte.ofPfn(ptePfn(arch, kept), arch.values.pte.prot(pteWrprotect(arch, pte)));
  // Nobody may drop the contents as long as one of the two has not been written.
  if (pteDirty(arch, kept)) shared = arch.values.pte.mkdirty(shared);
  tables.elements[ptep] = shared;
  return true;
}

/** Nobody may write to a page that two programs show: the next write makes a copy. */
function protect({ mm, address, ptep }: Seen): void {
  const { arch, tables } = mm;
  const pte = entryVal('pte', tables.elements[ptep]!);
  if (!pteWrite(arch, pte)) return;
  tables.elements[ptep] = pteWrprotect(arch, pte);
  flushPage(mm, address);
}
