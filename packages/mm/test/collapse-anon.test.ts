import fc from 'fast-check';
import { pfnPte, pmdpGetOnce, pteMkspecial, pteMkuffdWp, ptepGetOnce, setPtes, swpEntryToPte, VmFlags, type PteVal, type TableHandles } from '@pgtable/core';
import { describe, expect, it } from 'vitest';
import { collapseHugePage, dupRmap, MmCounter, setAnonExclusive, splitHugePmd, VmaFlags } from '../src/index.js';
import { FrameFlag, FrameType, FrameWord } from '../src/frames/memmap.js';
import { Huge, HUGE, ONE_OF_EACH, SMALL } from './huge-machines.js';

type Kind = 'page' | 'read-only' | 'hole' | 'zero' | 'block';

/** Puts an entry that is no page of anonymous memory. */
function put(huge: Huge, page: number, value: (arch: Huge['mm']['arch']) => PteVal): void {
  const { arch, context } = huge.mm;
  huge.set(page, (ptep, address) => { setPtes(arch, context, BigInt(address), ptep, value(arch), 1); });
}

/** Makes an entry that {@link put} wrote empty again. */
function take(huge: Huge, page: number): void {
  const { arch, context } = huge.mm;
  huge.set(page, (ptep, address) => { arch.ops.pte.clear(context, BigInt(address), ptep, 1).flush(); });
}

function raw(huge: Huge): bigint[] {
  const { arch } = huge.mm;
  const values: bigint[] = [];
  huge.set(0, (first) => { for (let at = 0; at < huge.pages; at++) values.push(ptepGetOnce(arch, arch.ops.pte.advance(first, at))); });
  return values;
}

/** The collapse is refused, and nothing has changed. */
function refused(huge: Huge, result: string, control = {}): void {
  const [before, table, free] = [raw(huge), pmdpGetOnce(huge.mm.arch, huge.pmdp()), huge.frames.free];
  expect(collapseHugePage(huge.mm, huge.at(0), control)).toBe(result);
  expect(raw(huge)).toEqual(before);
  expect(pmdpGetOnce(huge.mm.arch, huge.pmdp())).toBe(table);
  expect(huge.frames.free).toBe(free);
}

describe.each(HUGE)('$name', (configuration) => {
  it('collapses small pages into a huge one, splits it, collapses it again', () => {
    const huge = new Huge(configuration);
    for (let page = 0; page < huge.pages; page++) huge.fill(page);
    const before = huge.contents();
    const tables = huge.mm.counter(MmCounter.TableBytes);
    expect(collapseHugePage(huge.mm, huge.at(0))).toBe('succeed');
    expect(huge.isHuge()).toBe(true);
    expect(huge.contents()).toEqual(before);
    splitHugePmd(huge.vma, huge.pmdp(), huge.at(3));
    expect(huge.isHuge()).toBe(false);
    expect(huge.contents()).toEqual(before);
    expect(collapseHugePage(huge.mm, huge.at(0))).toBe('succeed');
    expect(huge.contents()).toEqual(before);
    expect(huge.mm.counter(MmCounter.AnonPages)).toBe(huge.pages);
    expect(huge.mm.counter(MmCounter.TableBytes)).toBe(tables);
    huge.close();
  });
});

describe.each(ONE_OF_EACH)('a collapse: $name', (configuration) => {
  it('keeps what was written, whatever the pages are: blocks, holes, zero pages', () => {
    const huge = new Huge(configuration, 2);
    const orders = Math.log2(huge.pages);
    const kind = fc.constantFrom<Kind[]>('page', 'page', 'read-only', 'hole', 'zero', 'block');
    fc.assert(fc.property(fc.infiniteStream(kind), fc.nat(orders), (kinds, order) => {
      let full = false;
      for (let page = huge.pages; page < 2 * huge.pages;) {
        const what: Kind = page === huge.pages ? 'page' : next(kinds);
        const block = what === 'block' ? Math.min(order, Math.log2(page & -page), orders - 1) : 0;
        if (what === 'zero') put(huge, page, (arch) => pteMkspecial(arch, pfnPte(arch, huge.kernel.zeroPfn, arch.vmProt(VmFlags.Read))));
        else if (what !== 'hole') huge.fill(page, { order: block, write: what !== 'read-only', dirty: what !== 'read-only' });
        full ||= what === 'hole' || what === 'zero';
        page += 2 ** block;
      }
      const before = huge.contents();
      if (full) expect(collapseHugePage(huge.mm, huge.at(huge.pages), { khugepaged: true, maxPtesNone: 0 })).toBe('exceedNonePte');
      expect(huge.contents()).toEqual(before);
      expect(collapseHugePage(huge.mm, huge.at(huge.pages))).toBe('succeed');
      expect(huge.contents()).toEqual(before.map((at, page) => page < huge.pages ? undefined : { word: at?.word ?? 0, write: true }));
      expect(huge.mm.counter(MmCounter.AnonPages)).toBe(huge.pages);
      huge.mm.lock.writeLock();
      huge.unmap(huge.pages, 2 * huge.pages);
      huge.mm.lock.writeUnlock();
      expect(huge.mm.counter(MmCounter.AnonPages)).toBe(0);
    }), { numRuns: 8 });
    huge.close();
  });

  it('is refused where somebody has a reference, or the lock of a page', () => {
    const huge = new Huge(configuration);
    for (let page = 0; page < huge.pages - 1; page++) huge.fill(page);
    const last = huge.fill(huge.pages - 1);
    huge.frames.get(last);
    refused(huge, 'pageCount');
    huge.frames.put(last);
    // Another thread's, so this thread has no lock.
    const flags = huge.frames.word(last, FrameWord.Flags);
    Atomics.or(huge.frames.memmap, flags, FrameFlag.Locked);
    refused(huge, 'pageLock');
    Atomics.and(huge.frames.memmap, flags, ~FrameFlag.Locked);
    expect(collapseHugePage(huge.mm, huge.at(0))).toBe('succeed');
    refusedHuge(huge);
    huge.close();
  });

  it('is refused for entries that cannot be in a huge page', () => {
    const huge = new Huge(configuration);
    for (let page = 1; page < huge.pages; page++) huge.fill(page);
    const { arch } = huge.mm;
    put(huge, 0, () => swpEntryToPte(arch, { type: 1, offset: 5n }));
    refused(huge, 'exceedSwapPte');
    take(huge, 0);
    const file = huge.kernel.newMapping(1);
    const page = file.readPage(0);
    put(huge, 0, () => {
      dupRmap(huge.mm, page, 1);
      return pfnPte(arch, page, arch.vmProt(VmFlags.Read));
    });
    refused(huge, 'pageAnon');
    huge.mm.lock.writeLock();
    huge.unmap(0, 1);
    huge.mm.lock.writeUnlock();
    file.free();
    if (arch.values.pte.features.has('uffdWp')) {
      huge.fill(0, { write: false });
      huge.set(0, (ptep, address) => {
        const old = arch.ops.pte.modifyProtStart(huge.mm.context, BigInt(address), ptep);
        arch.ops.pte.modifyProtCommit(huge.mm.context, BigInt(address), ptep, old, pteMkuffdWp(arch, old)).flush();
      });
      refused(huge, 'pteUffdWp');
    }
    huge.close();
  });

  it('of khugepaged is refused where it is not worth while', () => {
    const huge = new Huge(configuration);
    for (let page = 0; page < huge.pages / 2; page++) huge.fill(page, { write: false, young: false });
    refused(huge, 'pageRo');
    refused(huge, 'exceedNonePte', { khugepaged: true, maxPtesNone: huge.pages / 2 - 1 });
    for (let page = huge.pages / 2; page < huge.pages; page++) huge.fill(page, { young: false });
    refused(huge, 'lackReferencedPage', { khugepaged: true });
    expect(collapseHugePage(huge.mm, huge.at(0))).toBe('succeed');
    huge.close();
  });

  it('leaves pages that another address space has too to that one', () => {
    const huge = new Huge(configuration);
    const pages = Array.from({ length: huge.pages }, (_, page) => huge.fill(page, { write: page === 0 }));
    const other = huge.other();
    const { arch, context } = other.mm;
    for (let page = 1; page < huge.pages; page++) {
      other.set(page, (ptep, address) => {
        setAnonExclusive(other.mm, pages[page]!, false);
        dupRmap(other.mm, pages[page]!, 1);
        setPtes(arch, context, BigInt(address), ptep, pfnPte(arch, pages[page]!, arch.vmProt(VmFlags.Read)), 1);
      });
    }
    refused(huge, 'exceedSharedPte', { khugepaged: true, maxPtesShared: huge.pages - 2 });
    const before = other.contents();
    expect(collapseHugePage(huge.mm, huge.at(0))).toBe('succeed');
    expect(other.contents()).toEqual(before);
    expect(huge.contents().map((at) => at?.word)).toEqual(pages.map((_, page) => page + 1));
    expect(huge.frames.read(pages[1]!, FrameWord.Mapcount)).toBe(1);
    other.mm.mmput();
    huge.close();
  });

  it('is refused where there is no such memory', () => {
    const huge = new Huge(configuration, 2, { flags: VmFlags.Read | VmFlags.Write | VmaFlags.NoHugePage });
    expect(collapseHugePage(huge.mm, 0)).toBe('addressRange');
    expect(collapseHugePage(huge.mm, 100 * huge.bytes)).toBe('vmaNull');
    expect(collapseHugePage(huge.mm, huge.at(0))).toBe('vmaCheck');
    huge.mm.lock.writeLock();
    huge.mm.setVmaFlags(huge.vma, VmFlags.Read | VmFlags.Write);
    huge.mm.lock.writeUnlock();
    // Where the root is a PMD table, there is one.
    expect(collapseHugePage(huge.mm, huge.at(0))).toBe(huge.mm.root.top === 'pmd' ? 'pmdNone' : 'pmdNull');
    huge.fill(huge.pages);
    expect(collapseHugePage(huge.mm, huge.at(0))).toBe('pmdNone');
    expect(() => collapseHugePage(huge.mm, huge.at(1))).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    huge.close();
  });

  it('is refused without a block of memory', () => {
    const huge = new Huge(configuration);
    for (let page = 0; page < huge.pages; page++) huge.fill(page);
    const taken: number[] = [];
    for (;;) {
      try {
        taken.push(huge.frames.allocPages(Math.log2(huge.pages), FrameType.Allocated));
      } catch (error) {
        expect(error).toMatchObject({ code: 'ENOMEM' });
        break;
      }
    }
    refused(huge, 'allocHugePageFail');
    for (const pfn of taken) huge.frames.put(pfn);
    expect(collapseHugePage(huge.mm, huge.at(0))).toBe('succeed');
    huge.close();
  });
});

/** Of a stream that does not end. */
function next(kinds: fc.Stream<Kind>): Kind {
  for (const kind of kinds.take(1)) return kind;
  throw new Error('the stream has ended');
}

function refusedHuge(huge: Huge): void {
  const pmd = pmdpGetOnce<TableHandles>(huge.mm.arch, huge.pmdp());
  expect(collapseHugePage(huge.mm, huge.at(0))).toBe('pmdMapped');
  expect(pmdpGetOnce(huge.mm.arch, huge.pmdp())).toBe(pmd);
}

it.each(SMALL)('there are no huge pages: $name', (configuration) => {
  const { kernel, mm } = Huge.without(configuration);
  expect(() => collapseHugePage(mm, 0)).toThrow(expect.objectContaining({ code: 'ENOTSUP' }));
  mm.mmput();
  kernel.assertQuiet();
  kernel.leave();
});
