import { afterEach, describe, expect, it } from 'vitest';
import { copyFromUser, copyToUser, readUser, writeUser } from '../src/access/user-access.js';
import { handleMmFault } from '../src/faults/handle-mm-fault.js';
import { hugePmdOrder } from '../src/folio/huge.js';
import { MmCounter } from '../src/kernel/mm.js';
import { VmaFlags } from '../src/kernel/vma-flags.js';
import { setCurrentThread } from '../src/locks/thread.js';
import { boot, exit, map, NAMES, pfnAt, quiet, READ, WRITE, zap } from './faults-machine.js';

afterEach(() => {
  setCurrentThread(undefined);
});

const { Read, Write, Exec, Shared } = VmaFlags;

describe.each(NAMES)('%s', (name) => {
  it('every combination of rights, private and shared, allows what it says', () => {
    const kernel = boot(name);
    const mm = kernel.newMm();
    const file = kernel.newMapping(1);
    // Of the four, riscv alone has pages that are executed and not read.
    const execOnly = name.startsWith('riscv');
    for (const shared of [0, Shared]) {
      for (const rights of [0, Read, Write, Exec, Read | Write, Read | Exec, Write | Exec, Read | Write | Exec]) {
        const vma = map(mm, 1, rights | shared | VmaFlags.MayWrite, { mapping: file });
        const readable = (rights & (Read | Write)) !== 0 || (rights === Exec && !execOnly);
        const writable = (rights & Write) !== 0;
        mm.lock.readLock();
        expect(handleMmFault(vma, vma.start, { exec: true }).kind).toBe((rights & Exec) === 0 ? 'sigsegv' : 'done');
        mm.lock.readUnlock();
        // Of what was executed before, the entry says it.
        if (readable) expect(readUser(mm, vma.start)).toBeTypeOf('number');
        else expect(() => readUser(mm, vma.start)).toThrow(expect.objectContaining({ signal: 'SIGSEGV' }));
        if (writable) writeUser(mm, vma.start, rights);
        else expect(() => { writeUser(mm, vma.start, 1); }).toThrow(expect.objectContaining({ signal: 'SIGSEGV' }));
        if (writable) expect(readUser(mm, vma.start)).toBe(rights);
        zap(vma, vma.start, vma.end);
        mm.lock.writeLock();
        mm.removeVma(vma);
        mm.lock.writeUnlock();
      }
    }
    exit(mm);
    file.free();
    quiet(kernel);
  });

  it('copies end where they cannot go on, and what they did stays', () => {
    const kernel = boot(name);
    const mm = kernel.newMm();
    const { pageBytes } = mm;
    const vma = map(mm, 2, WRITE);
    map(mm, 1, READ, { at: 2 });
    const words = pageBytes / 4;
    const from = Int32Array.from({ length: 3 * words }, (_, word) => word + 1);
    expect(() => { copyToUser(mm, vma.start, from); }).toThrow(expect.objectContaining({ signal: 'SIGSEGV', address: BigInt(vma.end) }));
    const to = new Int32Array(3 * words);
    copyFromUser(mm, to, vma.start);
    expect([to.subarray(0, 2 * words).every((word, at) => word === at + 1), to.subarray(2 * words).every((word) => word === 0)]).toEqual([true, true]);
    const two = new Int32Array(2);
    copyFromUser(mm, two, vma.start + pageBytes - 4);
    expect([...two]).toEqual([words, words + 1]);
    expect(() => { copyToUser(mm, vma.start + 1, from); }).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    exit(mm);
    quiet(kernel);
  });

  it('without memory for page tables, or for what is put aside, nothing is mapped', () => {
    const kernel = boot(name, 4096);
    const mm = kernel.newMm();
    const order = hugePmdOrder(mm);
    const vma = map(mm, 2 ** (order ?? 4), WRITE | VmaFlags.HugePage);
    const taken: number[] = [];
    const take = (size: number): void => {
      try {
        for (;;) taken.push(kernel.frames.allocPages(size));
      } catch (error) {
        expect(error).toMatchObject({ code: 'ENOMEM' });
      }
    };
    for (let size = 10; size >= 0; size--) take(size);
    expect(() => { writeUser(mm, vma.start, 1); }).toThrow(expect.objectContaining({ signal: 'SIGKILL', code: 'ENOMEM' }));
    if (order !== undefined) {
      // A block for the page, and one for each table above it, none for the table that would be put aside.
      const whole = taken.findIndex((pfn) => kernel.frames.describe(pfn).includes(`order ${order}`) || kernel.frames.describe(pfn).includes('order 10'));
      kernel.frames.put(taken.splice(whole, 1)[0]!);
      for (let left = 0; left < 64 && mm.counter(MmCounter.AnonPages) === 0; left++) {
        try {
          writeUser(mm, vma.start, 1);
        } catch (error) {
          expect(error).toMatchObject({ signal: 'SIGKILL' });
          expect(pfnAt(mm, vma.start)).toBe(undefined);
          kernel.frames.put(taken.pop()!);
        }
      }
      expect(mm.counter(MmCounter.AnonPages)).toBeGreaterThan(0);
    }
    for (const pfn of taken) kernel.frames.put(pfn);
    writeUser(mm, vma.start, 2);
    expect(readUser(mm, vma.start)).toBe(2);
    exit(mm);
    quiet(kernel);
  });
});
