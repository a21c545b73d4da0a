import { pteDirty, pteWrite } from '@pgtable/core';
import { afterEach, describe, expect, it } from 'vitest';
import { readUser, writeUser } from '../src/access/user-access.js';
import { handleMmFault } from '../src/faults/handle-mm-fault.js';
import { isAnon } from '../src/folio/rmap.js';
import { FrameFlag, FrameWord } from '../src/frames/memmap.js';
import { MmCounter } from '../src/kernel/mm.js';
import { VmaFlags } from '../src/kernel/vma-flags.js';
import { setCurrentThread } from '../src/locks/thread.js';
import { boot, exit, map, NAMES, pfnAt, pteAt, quiet, READ, WRITE } from './faults-machine.js';

afterEach(() => {
  setCurrentThread(undefined);
});

describe.each(NAMES)('%s', (name) => {
  it('shared and private mappings of a file: what is read, what is written, who sees it', () => {
    const kernel = boot(name);
    const mm = kernel.newMm();
    const other = kernel.newMm();
    const { arch, pageBytes } = mm;
    const file = kernel.newMapping(8);
    const shared = map(mm, 4, WRITE | VmaFlags.Shared, { mapping: file, pgoff: 2 });
    const own = map(mm, 4, WRITE, { mapping: file, pgoff: 2, at: 16 });
    const seen = map(other, 4, READ | VmaFlags.Shared, { mapping: file, pgoff: 3 });
    // Both read the page of the cache.
    expect([readUser(mm, shared.start), readUser(mm, own.start)]).toEqual([0, 0]);
    const page = file.page(2)!;
    expect([pfnAt(mm, shared.start), pfnAt(mm, own.start), kernel.frames.read(page, FrameWord.Mapcount), kernel.frames.read(page, FrameWord.Refcount), mm.counter(MmCounter.FilePages)]).toEqual([page, page, 2, 3, 2]);
    expect(pteWrite(arch, pteAt(mm, own.start)!)).toBe(false);
    writeUser(mm, shared.start, 11);
    expect([readUser(mm, own.start), pteDirty(arch, pteAt(mm, shared.start)!), pfnAt(mm, shared.start)]).toEqual([11, true, page]);
    // A private mapping that was read gets a copy.
    writeUser(mm, own.start + 4, 22);
    const copy = pfnAt(mm, own.start)!;
    expect([copy === page, isAnon(mm, copy), readUser(mm, own.start), readUser(mm, own.start + 4), readUser(mm, shared.start + 4)]).toEqual([false, true, 11, 22, 0]);
    expect([mm.counter(MmCounter.FilePages), mm.counter(MmCounter.AnonPages), kernel.frames.read(page, FrameWord.Mapcount)]).toEqual([1, 1, 1]);
    // Written at once: the shared one is dirty, the private one a copy of what is there.
    writeUser(mm, shared.start + pageBytes, 33);
    expect(kernel.frames.read(file.page(3)!, FrameWord.Flags) & FrameFlag.Dirty).toBe(FrameFlag.Dirty);
    writeUser(mm, own.start + pageBytes + 4, 44);
    expect([readUser(mm, own.start + pageBytes), readUser(other, seen.start), readUser(other, seen.start + 4)]).toEqual([33, 33, 0]);
    expect(() => { writeUser(other, seen.start, 1); }).toThrow(expect.objectContaining({ signal: 'SIGSEGV' }));
    exit(mm);
    exit(other);
    file.free();
    quiet(kernel);
  });

  it('there is nothing beyond the end of a file', () => {
    const kernel = boot(name);
    const mm = kernel.newMm();
    const file = kernel.newMapping(2);
    const vma = map(mm, 4, WRITE, { mapping: file });
    const { pageBytes } = mm;
    writeUser(mm, vma.start + pageBytes, 1);
    for (const write of [false, true]) {
      expect(() => { if (write) writeUser(mm, vma.start + 2 * pageBytes, 1); else readUser(mm, vma.start + 2 * pageBytes); }).toThrow(expect.objectContaining({ signal: 'SIGBUS', code: 'EFAULT' }));
    }
    // Shared memory without a file, and what has no struct page.
    const odd = map(mm, 1, WRITE | VmaFlags.Shared, { at: 16 });
    const device = map(mm, 1, WRITE | VmaFlags.PfnMap, { at: 32 });
    mm.lock.readLock();
    expect([handleMmFault(odd, odd.start, { write: true }).kind, handleMmFault(device, device.start).kind]).toEqual(['sigbus', 'sigbus']);
    mm.lock.readUnlock();
    exit(mm);
    file.free();
    quiet(kernel);
  });

  it('without memory nothing is mapped and nothing is lost', () => {
    const kernel = boot(name, 128);
    const mm = kernel.newMm();
    const file = kernel.newMapping(4);
    const vma = map(mm, 4, WRITE, { mapping: file });
    const anonymous = map(mm, 4, WRITE, { at: 16 });
    const { pageBytes } = mm;
    // The page of the file is there, the page tables are; nothing else can be had.
    readUser(mm, vma.start);
    readUser(mm, anonymous.start);
    const taken: number[] = [];
    expect(() => { for (;;) taken.push(kernel.frames.allocPages(0)); }).toThrow(expect.objectContaining({ code: 'ENOMEM' }));
    for (const address of [vma.start, anonymous.start, anonymous.start + pageBytes]) {
      expect(() => { writeUser(mm, address, 1); }).toThrow(expect.objectContaining({ signal: 'SIGKILL', code: 'ENOMEM' }));
    }
    expect(() => readUser(mm, vma.start + pageBytes)).toThrow(expect.objectContaining({ signal: 'SIGKILL' }));
    expect([pfnAt(mm, vma.start), pfnAt(mm, anonymous.start), readUser(mm, vma.start)]).toEqual([file.page(0), kernel.zeroPfn, 0]);
    for (const pfn of taken) kernel.frames.put(pfn);
    writeUser(mm, vma.start, 1);
    expect(readUser(mm, vma.start)).toBe(1);
    exit(mm);
    file.free();
    quiet(kernel);
  });
});
