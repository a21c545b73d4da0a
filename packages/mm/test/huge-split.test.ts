import { pmdpGetOnce, pteDirty, ptepGetOnce, pteYoung, setPmdAt, swpEntryToPmd } from '@pgtable/core';
import { describe, expect, it } from 'vitest';
import {
  collapseHugePage, folioMapcount, isAnonExclusive, MmCounter, pageTableLock, pmdLock, pteOffsetMapLock, pteUnmapUnlock, splitHuge, splitHugePmd, splitHugePmdLocked,
} from '../src/index.js';
import { Huge, HUGE, ONE_OF_EACH } from './huge-machines.js';

/** A huge page. @returns its first frame */
function hugePage(huge: Huge): number {
  for (let page = 0; page < huge.pages; page++) huge.fill(page);
  expect(collapseHugePage(huge.mm, huge.at(0))).toBe('succeed');
  return huge.mm.arch.values.pmd.pfn(pmdpGetOnce(huge.mm.arch, huge.pmdp()));
}

/** Changes the huge entry under its lock. */
function change(huge: Huge, value: (pmd: ReturnType<typeof pmdpGetOnce>) => ReturnType<typeof pmdpGetOnce>): void {
  const { arch, context } = huge.mm;
  const ptl = pmdLock(huge.mm, huge.pmdp());
  arch.ops.pmd.establish(context, BigInt(huge.at(0)), huge.pmdp(), value(pmdpGetOnce(arch, huge.pmdp()))).flush();
  ptl.unlock();
}

describe.each(HUGE)('the split of a huge page: $name', (configuration) => {
  it.each([
    { write: true, young: true, dirty: true }, { write: true, young: true, dirty: false }, { write: false, young: true, dirty: true }, { write: true, young: false, dirty: true },
    { write: false, young: false, dirty: false },
  ])('keeps what was said of it: %o', ({ write, young, dirty }) => {
    const huge = new Huge(configuration);
    const { mm } = huge;
    const { arch, arch: { values: { pmd: values } } } = mm;
    const first = hugePage(huge);
    change(huge, (pmd) => {
      const marked = dirty ? values.mkdirty(pmd) : values.mkclean(pmd);
      const aged = young ? values.mkyoung(marked) : values.mkold(marked);
      return write ? values.mkwrite(aged) : values.wrprotect(aged);
    });
    const said = pmdpGetOnce(arch, huge.pmdp());
    const before = huge.contents();
    splitHugePmd(huge.vma, huge.pmdp(), huge.at(1));
    expect(huge.contents()).toEqual(before);
    huge.set(0, (ptep) => {
      for (const at of [0, 1, 17, huge.pages - 1]) {
        const pte = ptepGetOnce(arch, arch.ops.pte.advance(ptep, at));
        expect([pteYoung(arch, pte), pteDirty(arch, pte), arch.values.pte.write(pte)]).toEqual([values.young(said), values.dirty(said), values.write(said)]);
        expect(arch.values.pte.pfn(pte)).toBe(first + at);
      }
    });
    expect([huge.refcount(first), folioMapcount(huge.frames, first), mm.counter(MmCounter.AnonPages)]).toEqual([huge.pages, huge.pages, huge.pages]);
    expect([isAnonExclusive(mm, first), isAnonExclusive(mm, first + huge.pages - 1)]).toEqual([true, true]);
    huge.close();
  });
});

describe.each(ONE_OF_EACH)('a split: $name', (configuration) => {
  it('does nothing to a table, or to nothing', () => {
    const huge = new Huge(configuration, 2);
    huge.fill(0);
    const before = pmdpGetOnce(huge.mm.arch, huge.pmdp());
    splitHugePmd(huge.vma, huge.pmdp(), huge.at(0));
    splitHugePmd(huge.vma, huge.pmdp(huge.pages), huge.at(huge.pages));
    expect(pmdpGetOnce(huge.mm.arch, huge.pmdp())).toBe(before);
    expect(huge.mm.arch.values.pmd.none(pmdpGetOnce(huge.mm.arch, huge.pmdp(huge.pages)))).toBe(true);
    huge.close();
  });

  it('needs the lock, and a table that was put aside', () => {
    const huge = new Huge(configuration);
    hugePage(huge);
    const { mm, kernel: { pageTables } } = huge;
    expect(() => splitHugePmdLocked(huge.vma, huge.pmdp(), huge.at(0))).toThrow('without pmd ptl');
    const ptl = pmdLock(mm, huge.pmdp());
    const pmdTable = tableOf(huge);
    const aside = pageTables.withdraw(pmdTable);
    expect(() => splitHugePmdLocked(huge.vma, huge.pmdp(), huge.at(0))).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    pageTables.deposit(pmdTable, aside);
    ptl.unlock();
    huge.close();
  });

  it('is what a walk asks for', () => {
    const huge = new Huge(configuration);
    hugePage(huge);
    huge.mm.splitHuge(huge.vma, { level: 'pmd', entry: huge.pmdp() }, huge.at(0));
    expect(huge.isHuge()).toBe(false);
    const table = pteOffsetMapLock(huge.mm, huge.pmdp(), huge.at(0));
    if (table === undefined) throw new Error('there is no table');
    expect(() => { splitHuge(huge.mm, huge.vma, { level: 'pte', entry: table.ptep }, huge.at(0)); }).toThrow(expect.objectContaining({ code: 'ENOTSUP' }));
    pteUnmapUnlock(table);
    expect(pageTableLock(huge.mm).heldByMe).toBe(false);
    huge.close();
  });

  it('of a migration entry is not modelled', () => {
    const huge = new Huge(configuration, 2);
    const { mm: { arch, context } } = huge;
    // So that the entry of the second huge page is there, and empty.
    huge.fill(0);
    const pmdp = huge.pmdp(huge.pages);
    const address = huge.at(huge.pages);
    const swap = arch.values.pmd.features.has('swap');
    const ptl = pmdLock(huge.mm, pmdp);
    if (swap) setPmdAt(arch, context, BigInt(address), pmdp, swpEntryToPmd(arch, { type: 3, offset: 7n }));
    const split = (): boolean => splitHugePmdLocked(huge.vma, pmdp, address);
    if (swap) expect(split).toThrow(expect.objectContaining({ code: 'ENOTSUP' }));
    else expect(split()).toBe(false);
    arch.ops.pmd.clear(context, BigInt(address), pmdp, 1).flush();
    ptl.unlock();
    huge.close();
  });
});

function tableOf(huge: Huge): number {
  const { frames } = huge;
  return frames.head(Math.floor(huge.mm.arch.ops.pmd.entryAddress(huge.pmdp()) / frames.pageBytes)) * frames.pageBytes;
}
