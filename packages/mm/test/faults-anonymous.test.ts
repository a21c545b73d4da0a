import { pteDirty, pteMkspecial, ptePfn, pteSpecial, pteWrite, pteYoung } from '@pgtable/core';
import { afterEach, describe, expect, it } from 'vitest';
import { readUser, writeUser } from '../src/access/user-access.js';
import { handleMmFault } from '../src/faults/handle-mm-fault.js';
import { FrameWord, isAnonExclusive, MmCounter, setCurrentThread } from '../src/index.js';
import { boot, exit, map, NAMES, pfnAt, pteAt, quiet, READ, WRITE } from './faults-machine.js';

afterEach(() => {
  setCurrentThread(undefined);
});

describe.each(NAMES)('%s', (name) => {
  it('reads of anonymous memory map the zero page, writes a page of zeros', () => {
    const kernel = boot(name);
    const mm = kernel.newMm();
    const { arch, pageBytes } = mm;
    const vma = map(mm, 4, WRITE);
    const { start } = vma;
    expect(readUser(mm, start + 8)).toBe(0);
    expect(pfnAt(mm, start)).toBe(kernel.zeroPfn);
    const zero = pteAt(mm, start)!;
    expect([pteSpecial(arch, zero), pteWrite(arch, zero), mm.counter(MmCounter.AnonPages)]).toEqual([pteSpecial(arch, pteMkspecial(arch, zero)), false, 0]);
    writeUser(mm, start + pageBytes + 4, -7);
    const pte = pteAt(mm, start + pageBytes)!;
    const pfn = ptePfn(arch, pte);
    expect([pteWrite(arch, pte), pteDirty(arch, pte), pteYoung(arch, pte), isAnonExclusive(mm, pfn)]).toEqual([true, true, true, true]);
    expect([kernel.frames.read(pfn, FrameWord.Refcount), kernel.frames.read(pfn, FrameWord.Mapcount), mm.counter(MmCounter.AnonPages)]).toEqual([1, 1, 1]);
    expect([readUser(mm, start + pageBytes), readUser(mm, start + pageBytes + 4)]).toEqual([0, -7]);
    // The zero page is copied when it is written to.
    writeUser(mm, start, 5);
    expect(pfnAt(mm, start)).not.toBe(kernel.zeroPfn);
    expect([readUser(mm, start), readUser(mm, start + 8), mm.counter(MmCounter.AnonPages)]).toEqual([5, 0, 2]);
    expect(kernel.frames.ram[(kernel.zeroPfn - kernel.frames.firstPfn) * pageBytes / 4]).toBe(0);
    exit(mm);
    quiet(kernel);
  });

  it('what a VMA does not allow is refused, and so is an address without a VMA', () => {
    const kernel = boot(name);
    const mm = kernel.newMm();
    const vma = map(mm, 2, READ);
    const none = map(mm, 2, 0, { at: 8 });
    expect(() => { writeUser(mm, vma.start, 1); }).toThrow(expect.objectContaining({ signal: 'SIGSEGV' }));
    expect(() => readUser(mm, vma.end)).toThrow(expect.objectContaining({ signal: 'SIGSEGV', code: 'EFAULT' }));
    expect(() => readUser(mm, none.start)).toThrow(expect.objectContaining({ signal: 'SIGSEGV' }));
    expect(() => readUser(mm, vma.start + 2)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    // Without any lock.
    expect(() => handleMmFault(vma, vma.start)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    expect(() => handleMmFault(vma, vma.start, { vmaLock: true })).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    mm.lock.readLock();
    expect(() => handleMmFault(vma, vma.end)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    expect(handleMmFault(vma, vma.start, { exec: true }).kind).toBe('sigsegv');
    mm.lock.readUnlock();
    exit(mm);
    quiet(kernel);
  });
});
