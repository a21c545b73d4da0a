import { isMigrationEntry, makeReadableMigrationEntry, pteMkclean, pteMkold, pteModify, ptepGetAndClear, ptepSetWrprotect, pteWrite, pteYoung, setPteAt, swpEntryToPte, type PteVal } from '@pgtable/core';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { addUser, copyFromUser, copyToUser, readUser, writeUser } from '../src/access/user-access.js';
import { handleMmFault } from '../src/faults/handle-mm-fault.js';
import { setHugePolicy } from '../src/faults/policy.js';
import { isAnonExclusive } from '../src/folio/rmap.js';
import { FrameWord } from '../src/frames/memmap.js';
import { MmCounter } from '../src/kernel/mm.js';
import { setCurrentThread } from '../src/locks/thread.js';
import { pteOffsetMapLock, pteUnmapUnlock } from '../src/tables/pte-offset-map.js';
import { mmFindPmd } from '../src/tables/table-alloc.js';
import { boot, exit, map, NAMES, pfnAt, pteAt, quiet, share, WRITE, zap, type Area, type Space } from './faults-machine.js';

afterEach(() => {
  setCurrentThread(undefined);
});

/** Puts another value in the place of a page's entry, which is not flushed to be one that can be used. */
function replace(mm: Space, address: number, change: (pte: PteVal) => PteVal): void {
  const pmdp = mmFindPmd(mm, address)!;
  const table = pteOffsetMapLock(mm, pmdp, address);
  if (table === undefined) throw new Error('there is no table');
  setPteAt(mm.arch, mm.context, BigInt(address), table.ptep, change(ptepGetAndClear(mm.arch, mm.context, BigInt(address), table.ptep).flush()));
  pteUnmapUnlock(table);
}

describe.each(NAMES)('%s', (name) => {
  it('a page that two address spaces have is copied by the first who writes, and kept by the second', () => {
    const kernel = boot(name);
    const parent = kernel.newMm();
    const child = kernel.newMm();
    const { arch, pageBytes } = parent;
    const vma = map(parent, 4, WRITE);
    map(child, 4, WRITE);
    writeUser(parent, vma.start, 1);
    writeUser(parent, vma.start + pageBytes, 2);
    const pfn = pfnAt(parent, vma.start)!;
    share(vma, child, vma.start);
    expect([isAnonExclusive(parent, pfn), kernel.frames.read(pfn, FrameWord.Mapcount), readUser(child, vma.start), pfnAt(child, vma.start)]).toEqual([false, 2, 1, pfn]);
    writeUser(child, vma.start, 3);
    expect([readUser(parent, vma.start), readUser(child, vma.start), kernel.frames.read(pfn, FrameWord.Mapcount), kernel.frames.read(pfn, FrameWord.Refcount)]).toEqual([1, 3, 1, 1]);
    expect(pteWrite(arch, pteAt(parent, vma.start)!)).toBe(false);
    // Nobody else has it now.
    writeUser(parent, vma.start, 4);
    expect([pfnAt(parent, vma.start), isAnonExclusive(parent, pfn), readUser(parent, vma.start), readUser(child, vma.start)]).toEqual([pfn, true, 4, 3]);
    // A reference that is not an entry's forbids that.
    share(vma, child, vma.start + pageBytes);
    const second = pfnAt(parent, vma.start + pageBytes)!;
    zap(lookup(child, vma.start), vma.start + pageBytes, vma.start + 2 * pageBytes);
    kernel.frames.get(second);
    writeUser(parent, vma.start + pageBytes, 5);
    expect([pfnAt(parent, vma.start + pageBytes) === second, readUser(parent, vma.start + pageBytes)]).toEqual([false, 5]);
    kernel.frames.put(second);
    expect([parent.counter(MmCounter.AnonPages), child.counter(MmCounter.AnonPages)]).toEqual([2, 1]);
    exit(parent);
    exit(child);
    quiet(kernel);
  });

  it('an exclusive page that was write-protected becomes writable; marks that are missing come back', () => {
    const kernel = boot(name);
    const mm = kernel.newMm();
    const { arch, context } = mm;
    const vma = map(mm, 2, WRITE);
    writeUser(mm, vma.start, 1);
    const pfn = pfnAt(mm, vma.start);
    const table = pteOffsetMapLock(mm, mmFindPmd(mm, vma.start)!, vma.start);
    if (table === undefined) throw new Error('there is no table');
    ptepSetWrprotect(arch, context, BigInt(vma.start), table.ptep).flush();
    pteUnmapUnlock(table);
    writeUser(mm, vma.start, 2);
    expect([pfnAt(mm, vma.start), pteWrite(arch, pteAt(mm, vma.start)!)]).toEqual([pfn, true]);
    replace(mm, vma.start, (pte) => pteMkold(arch, pteMkclean(arch, pte)));
    expect([readUser(mm, vma.start), pteYoung(arch, pteAt(mm, vma.start)!)]).toEqual([2, true]);
    expect(addUser(mm, vma.start, 5)).toBe(2);
    expect(readUser(mm, vma.start)).toBe(7);
    // What nobody might use, in a VMA that may be used by now.
    replace(mm, vma.start, (pte) => pteModify(arch, pte, arch.vmProt(0)));
    expect([readUser(mm, vma.start), pfnAt(mm, vma.start)]).toEqual([7, pfn]);
    replace(mm, vma.start, (pte) => pteModify(arch, pte, arch.vmProt(0)));
    writeUser(mm, vma.start, 8);
    expect([readUser(mm, vma.start), pfnAt(mm, vma.start)]).toEqual([8, pfn]);
    // A fault that came of a stale translation changes nothing.
    const before = pteAt(mm, vma.start);
    const quick = mm.lockVmaUnderRcu(vma.start)!;
    expect([handleMmFault(quick, vma.start, { write: true, vmaLock: true }).kind, handleMmFault(quick, vma.start, { vmaLock: true }).kind]).toEqual(['done', 'done']);
    quick.lock.endRead();
    expect(pteAt(mm, vma.start)).toBe(before);
    exit(mm);
    quiet(kernel);
  });

  it('a page that is on its way is waited for; one that is swapped out cannot be had', () => {
    const kernel = boot(name);
    const mm = kernel.newMm();
    const { arch } = mm;
    const vma = map(mm, 2, WRITE);
    writeUser(mm, vma.start, 1);
    const table = pteOffsetMapLock(mm, mmFindPmd(mm, vma.start)!, vma.start + mm.pageBytes);
    if (table === undefined) throw new Error('there is no table');
    const entry = makeReadableMigrationEntry(3n);
    expect(isMigrationEntry(entry)).toBe(true);
    setPteAt(arch, mm.context, BigInt(vma.start + mm.pageBytes), table.ptep, swpEntryToPte(arch, entry));
    pteUnmapUnlock(table);
    expect(() => readUser(mm, vma.start + mm.pageBytes)).toThrow(expect.objectContaining({ code: 'ELOOP' }));
    replace(mm, vma.start + mm.pageBytes, () => swpEntryToPte(arch, { type: 1, offset: 3n }));
    expect(() => readUser(mm, vma.start + mm.pageBytes)).toThrow(expect.objectContaining({ signal: 'SIGBUS' }));
    replace(mm, vma.start + mm.pageBytes, () => arch.values.pte.empty);
    exit(mm);
    quiet(kernel);
  });
});

function lookup(mm: Space, address: number): Area {
  mm.lock.readLock();
  const vma = mm.vmaLookup(address)!;
  mm.lock.readUnlock();
  return vma;
}

interface Step {
  readonly what: 'read' | 'write' | 'copy in' | 'copy out' | 'share' | 'zap';
  readonly space: 0 | 1;
  readonly page: number;
  readonly word: number;
  readonly value: number;
}

const PAGES = 32;
const step: fc.Arbitrary<Step> = fc.record({
  what: fc.constantFrom('read', 'write', 'write', 'copy in', 'copy out', 'share', 'zap'), space: fc.constantFrom(0, 1), page: fc.nat(PAGES - 1), word: fc.nat(3), value: fc.integer({ min: 1, max: 1000 }),
});

/* Memory against plain arrays of words, four for each page. */
it.each(['x86 4-level', 'x86 2-level', 'arm64 4K 48-bit', 'arm64 64K 48-bit', 'riscv Sv39', 's390 pud'])('memory is what plain arrays are: %s', (name) => {
  expect(NAMES).toContain(name);
  fc.assert(fc.property(fc.array(step, { maxLength: 60, size: 'max' }), fc.constantFrom([], [2], [1, 4]), (steps, orders) => {
    const kernel = boot(name, 512);
    setHugePolicy(kernel, { pmd: 'never', mthp: 'always', orders });
    const mms = [kernel.newMm(), kernel.newMm()] as const;
    const vmas = mms.map((mm) => map(mm, PAGES, WRITE));
    const plain = mms.map(() => new Int32Array(PAGES * 4));
    const { pageBytes } = mms[0];
    for (const { what, space, page, word, value } of steps) {
      const [mm, vma, words] = [mms[space], vmas[space]!, plain[space]!];
      const address = vma.start + page * pageBytes;
      if (what === 'read') expect(readUser(mm, address + word * 4)).toBe(words[page * 4 + word]);
      else if (what === 'write') {
        writeUser(mm, address + word * 4, value);
        words[page * 4 + word] = value;
      } else if (what === 'zap') {
        zap(vma, address, address + pageBytes);
        words.fill(0, page * 4, page * 4 + 4);
      } else if (what === 'share') {
        // As fork does, of one page, where the other address space has none.
        const pfn = pfnAt(mm, address);
        const other = mms[1 - space]!;
        if (pfn === undefined || pfn === kernel.zeroPfn || pfnAt(other, address) !== undefined) continue;
        share(vma, other, address);
        plain[1 - space]!.set(words.subarray(page * 4, page * 4 + 4), page * 4);
      } else {
        // Across the border of two pages.
        const start = address + pageBytes - 8;
        if (page === PAGES - 1) continue;
        const buffer = new Int32Array(4);
        copyFromUser(mm, buffer, start);
        expect([buffer[2], buffer[3]]).toEqual([words[page * 4 + 4], words[page * 4 + 5]]);
        if (what === 'copy in') continue;
        buffer.set([buffer[0]!, buffer[1]!, value, value + 1]);
        copyToUser(mm, start, buffer);
        words.set([value, value + 1], page * 4 + 4);
      }
    }
    mms.forEach((mm, space) => { for (let at = 0; at < PAGES * 4; at++) expect(readUser(mm, vmas[space]!.start + Math.floor(at / 4) * pageBytes + (at % 4) * 4)).toBe(plain[space]![at]); });
    for (const mm of mms) exit(mm);
    quiet(kernel);
  }), { numRuns: 15 });
}, 60_000);
