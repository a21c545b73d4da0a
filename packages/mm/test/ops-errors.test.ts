import type { PgtableError, TableHandles } from '@pgtable/core';
import { afterEach, describe, expect, it } from 'vitest';
import {
  exitMmap, fork, getUnmappedArea, getUserPagesFast, LockRuleError, madvise, mmap, MmCounter, mprotect, mremap, munmap, pagemapRead, putPages, readUser, setCurrentThread, setHugePolicy, VmaFlags, writeUser, type MmapRequest,
} from '../src/index.js';
import { FrameType } from '../src/frames/memmap.js';
import { areas, boot, CHECKS, HUGE, map, quiet, READ, reading, shape, WRITE, type Machine, type Space } from './ops-machine.js';

/* What cannot be done, and what is left when memory or VMAs run out. */

afterEach(() => {
  setCurrentThread(undefined);
});

function run(test: (kernel: Machine, mm: Space, page: number) => void, frames = 256, name = 'x86 4-level'): void {
  const kernel = boot(shape(name), frames);
  const mm = kernel.newMm();
  test(kernel, mm, mm.pageBytes);
  mm.mmput();
  quiet(kernel);
}

function errorOf(what: () => unknown): PgtableError {
  try {
    what();
  } catch (error) {
    // Everything here throws that.
    return error as PgtableError;
  }
  throw new Error('nothing was thrown');
}

function codeOf(what: () => unknown): string {
  try {
    what();
  } catch (error) {
    // Everything here throws that.
    return (error as PgtableError).code;
  }
  return 'nothing';
}

it('refuses requests that cannot be', () => {
  run((kernel, mm, page) => {
    const start = map(mm, 4, WRITE);
    const bad: readonly [Partial<MmapRequest<TableHandles>>, string][] = [
      [{ bytes: 0 }, 'EINVAL'], [{ prot: 64 }, 'EINVAL'], [{ flags: VmaFlags.Shared }, 'EINVAL'], [{ flags: VmaFlags.DontCopy | VmaFlags.Write }, 'EINVAL'], [{ flags: VmaFlags.MayShare }, 'EINVAL'], [{ sharing: 'shared' }, 'EINVAL'], [{ fixed: true }, 'EINVAL'], [{ fixed: true, address: start + 1 }, 'EINVAL'],
      [{ fixed: 'noReplace', address: start }, 'EINVAL'], [{ fixed: true, address: 0 }, 'ENOMEM'], [{ bytes: 2 ** 50 }, 'ENOMEM'],
    ];
    for (const [request, code] of bad) expect([request, codeOf(() => mmap(mm, { bytes: page, prot: READ, ...request }))]).toEqual([request, code]);
    const end = start + 4 * page;
    expect([
      codeOf(() => { munmap(mm, start + 1, page); }), codeOf(() => { munmap(mm, start, 0); }), codeOf(() => { mprotect(mm, start, 5 * page, READ); }), codeOf(() => { mprotect(mm, start - page, page, READ); }),
      codeOf(() => { mprotect(mm, start, page, 8); }), codeOf(() => mremap(mm, end, page, 2 * page)), codeOf(() => mremap(mm, start, 4 * page, 5 * page)),
      codeOf(() => mremap(mm, start, 4 * page, 4 * page, { to: start + page })), codeOf(() => mremap(mm, start, page, page, { to: 0 })), codeOf(() => mremap(mm, start, 5 * page, 6 * page, { mayMove: true })),
      codeOf(() => { madvise(mm, start, 5 * page, 'dontneed'); }), codeOf(() => { madvise(mm, start, 4 * page, 'cold'); }),
      codeOf(() => { madvise(mm, start, 4 * page, 'willneed' as 'cold'); }),
    ]).toEqual(['EINVAL', 'EINVAL', 'ENOMEM', 'ENOMEM', 'EINVAL', 'EFAULT', 'ENOMEM', 'EINVAL', 'EINVAL', 'EFAULT', 'ENOMEM', 'nothing', 'EINVAL']);
    // The first four pages were protected before the hole was found.
    expect(areas(mm)).toEqual([`${start / page} +4 0x1`]);
  });
});

it('does nothing with ranges of no bytes where the kernel does nothing, and unmaps none that processes do not have', () => {
  run((kernel, mm, page) => {
    const start = map(mm, 2, WRITE);
    writeUser(mm, start, 7);
    const { end } = mm.root.windows[0]!;
    expect([
      codeOf(() => { mprotect(mm, start, 0, READ); }), codeOf(() => { mprotect(mm, start + 1, 0, READ); }), codeOf(() => { mprotect(mm, 0, 0, READ); }),
      codeOf(() => { madvise(mm, start, 0, 'dontneed'); }), codeOf(() => { madvise(mm, start + 1, 0, 'dontneed'); }), codeOf(() => { madvise(mm, 0, 0, 'collapse'); }),
      codeOf(() => { munmap(mm, start, 0); }), codeOf(() => mremap(mm, start, page, 0)), codeOf(() => { mprotect(mm, start, -1, READ); }), codeOf(() => { mprotect(mm, start, Number.NaN, READ); }),
      codeOf(() => { munmap(mm, start, end - start + 1); }), codeOf(() => { munmap(mm, start, 2 ** 64); }), codeOf(() => { munmap(mm, end, page); }), codeOf(() => { munmap(mm, start + page, end - start - page); }),
    ]).toEqual(['nothing', 'EINVAL', 'nothing', 'nothing', 'EINVAL', 'nothing', 'EINVAL', 'EINVAL', 'EINVAL', 'EINVAL', 'EINVAL', 'EINVAL', 'EINVAL', 'nothing']);
    expect([areas(mm), readUser(mm, start)]).toEqual([[`${start / page} +1 0x3`], 7]);
  });
});

it('respects what a VMA may have, may not lose, and may not become', () => {
  run((kernel, mm, page) => {
    mm.lock.writeLock();
    const device = mm.insertVma({ start: 2 ** 30, end: 2 ** 30 + page, flags: READ | VmaFlags.MayRead | VmaFlags.PfnMap });
    mm.lock.writeUnlock();
    const locked = map(mm, 1, WRITE, { flags: VmaFlags.Locked });
    expect([
      codeOf(() => { mprotect(mm, device.start, page, WRITE); }), codeOf(() => mremap(mm, device.start, page, 2 * page)), codeOf(() => { madvise(mm, device.start, page, 'dontneed'); }),
      codeOf(() => { madvise(mm, locked, page, 'dontneed'); }), codeOf(() => { madvise(mm, locked, page, 'cold'); }),
    ]).toEqual(['EINVAL', 'EFAULT', 'EINVAL', 'EINVAL', 'EINVAL']);
  });
});

it('looks for addresses from the top, from below, and takes a hint', () => {
  run((kernel, mm, page) => {
    const top = map(mm, 3, READ);
    expect(top + 4 * page).toBe(mm.root.windows[0]!.end);
    expect(map(mm, 2, WRITE)).toBe(top - 2 * page);
    munmap(mm, top + page, page);
    expect(map(mm, 1, WRITE)).toBe(top + page);
    const low = map(mm, 2, READ, { layout: 'bottomUp' });
    expect([low, map(mm, 2, READ, { layout: 'bottomUp' })]).toEqual([Math.ceil((mm.root.windows[0]!.end - page) / 3 / page) * page, low + 2 * page]);
    expect(map(mm, 1, READ, { address: 2 ** 30 + 5 })).toBe(2 ** 30);
    expect(map(mm, 1, READ, { address: 2 ** 30 })).not.toBe(2 ** 30);
    const replaced = map(mm, 2, WRITE, { address: top, fixed: true });
    expect(replaced).toBe(top);
    // Huge ranges are aligned, others are not.
    expect(reading(mm, () => getUnmappedArea(mm, 2 ** 22)) % 2 ** 21).toBe(0);
  });
});

it('merges what goes on alike', () => {
  run((kernel, mm, page) => {
    const start = map(mm, 2, WRITE);
    expect(map(mm, 2, WRITE)).toBe(start - 2 * page);
    expect(areas(mm)).toEqual([`${start / page - 2} +4 0x3`]);
    map(mm, 2, READ);
    expect(areas(mm)).toHaveLength(2);
    mprotect(mm, start - 4 * page, 2 * page, WRITE);
    expect(areas(mm)).toEqual([`${start / page - 4} +6 0x3`]);
  });
});

it('goes on behind a VMA that was merged, though those it was merged with are somebody else\'s already', () => {
  run((kernel, mm, page) => {
    const start = map(mm, 3, READ);
    for (const change of ['mprotect', 'madvise'] as const) {
      if (change === 'mprotect') mprotect(mm, start + page, page, WRITE);
      else madvise(mm, start + page, page, 'hugepage');
      expect(areas(mm)).toHaveLength(3);
      const merge = mm.mergeVmas.bind(mm);
      // Grace periods may end at any time.
      mm.mergeVmas = (vma) => {
        const merged = merge(vma);
        kernel.rcu.barrier();
        return merged;
      };
      if (change === 'mprotect') mprotect(mm, start + page, 2 * page, READ);
      else madvise(mm, start, 3 * page, 'hugepage');
      mm.mergeVmas = merge;
      expect(areas(mm)).toHaveLength(1);
    }
  });
});

it('maps shared memory a second time where no bytes are to be moved, and no private memory', () => {
  run((kernel, mm, page) => {
    const file = kernel.newMapping(6);
    const shared = map(mm, 4, WRITE, { mapping: file, sharing: 'shared', pgoff: 1 });
    writeUser(mm, shared + page, 7);
    expect(codeOf(() => mremap(mm, shared + page, 0, 2 * page))).toBe('ENOMEM');
    const again = mremap(mm, shared + page, 0, 2 * page, { mayMove: true });
    const fixed = mremap(mm, shared + page, 0, page, { to: 2 ** 30 });
    expect([readUser(mm, shared + page), readUser(mm, again), readUser(mm, fixed), fixed]).toEqual([7, 7, 7, 2 ** 30]);
    writeUser(mm, again + page, 8);
    expect([readUser(mm, shared + 2 * page), mm.counter(MmCounter.FilePages)]).toEqual([8, 5]);
    const own = map(mm, 1, WRITE);
    expect([
      codeOf(() => mremap(mm, own, 0, page, { mayMove: true })), codeOf(() => mremap(mm, 2 ** 31, 0, page, { mayMove: true })), codeOf(() => mremap(mm, shared, 0, 0, { mayMove: true })),
      codeOf(() => mremap(mm, shared, 0, 2 * page, { to: shared - page })),
    ]).toEqual(['EINVAL', 'EFAULT', 'EINVAL', 'EINVAL']);
    munmap(mm, 0, mm.root.windows[0]!.end);
    file.free();
  });
});

it('moves nothing where there is no room for the VMAs of a move', () => {
  for (let vmas = 1; vmas <= 4; vmas++) {
    const kernel = boot(shape('x86 4-level'), 256, { checks: CHECKS, vmas });
    const mm = kernel.newMm();
    const page = mm.pageBytes;
    const start = map(mm, 3, WRITE);
    for (let at = 0; at < 3; at++) writeUser(mm, start + at * page, 7 + at);
    // The middle page: two cuts, and one VMA more.
    const to = 2 ** 30;
    expect(codeOf(() => mremap(mm, start + page, page, page, { to }))).toBe(vmas === 4 ? 'nothing' : 'ENOMEM');
    expect(readUser(mm, vmas === 4 ? to : start + page)).toBe(8);
    expect([readUser(mm, start), readUser(mm, start + 2 * page)]).toEqual([7, 9]);
    mm.mmput();
    quiet(kernel);
  }
});

it('makes no child where the parent cannot be locked', () => {
  run((kernel, mm) => {
    map(mm, 1, WRITE);
    mm.lock.readLock();
    expect(() => fork(mm)).toThrow(LockRuleError);
    mm.lock.readUnlock();
    const gone = kernel.newMm();
    gone.mmput();
    expect(codeOf(() => fork(gone))).toBe('EINVAL');
    // The number that both would have taken is the next one's still, and at the end nothing is left.
    const child = fork(mm);
    expect(child.id).toBe(gone.id);
    child.mmput();
  });
});

it('leaves VMAs out of a fork, or empty', () => {
  run((kernel, mm, page) => {
    const left = map(mm, 1, WRITE, { flags: VmaFlags.DontCopy });
    const wiped = map(mm, 1, WRITE, { flags: VmaFlags.WipeOnFork });
    const locked = map(mm, 1, WRITE, { flags: VmaFlags.Locked });
    for (const address of [left, wiped, locked]) writeUser(mm, address, 5);
    const child = fork(mm);
    expect(reading(child, () => child.vmas().map((vma) => vma.start))).toEqual([locked, wiped]);
    expect([readUser(child, wiped), readUser(child, locked)]).toEqual([0, 5]);
    expect(reading(child, () => child.vmaLookup(locked)!.flags & VmaFlags.Locked)).toBe(0);
    child.mmput();
    munmap(mm, locked, page);
  });
});

it('does not copy tables in a fork where a fault finds the same again', () => {
  run((kernel, mm) => {
    const mapping = kernel.newMapping(4);
    const start = map(mm, 4, WRITE, { mapping, sharing: 'shared' });
    writeUser(mm, start, 1);
    const child = fork(mm);
    expect([child.counter(MmCounter.FilePages), child.counter(MmCounter.TableBytes)]).toEqual([0, 0]);
    expect(readUser(child, start)).toBe(1);
    child.mmput();
    exitMmap(mm);
    mapping.free();
  });
});

it('copies a pinned page in a fork at once', () => {
  run((kernel, mm, page) => {
    const start = map(mm, 3, WRITE);
    for (let at = 0; at < 3; at++) writeUser(mm, start + at * page, at + 1);
    const pfn = reading(mm, () => pagemapRead(mm, start + page, start + 2 * page))[0]!.pfn;
    kernel.frames.get(pfn);
    const child = fork(mm);
    expect(reading(mm, () => pagemapRead(mm, start + page, start + 2 * page))).toMatchObject([{ pfn, write: true, exclusive: true }]);
    expect(reading(child, () => pagemapRead(child, start + page, start + 2 * page))).toMatchObject([{ write: true, exclusive: true }]);
    expect([readUser(child, start), readUser(child, start + page), readUser(child, start + 2 * page)]).toEqual([1, 2, 3]);
    // Without the pin they share.
    kernel.frames.put(pfn);
    const second = fork(mm);
    expect(reading(second, () => pagemapRead(second, start + page, start + 2 * page))).toMatchObject([{ pfn, write: false, exclusive: false }]);
    child.mmput();
    second.mmput();
  });
});

it('copies a pinned page of a block at once, though the pages before it are shared already', () => {
  run((kernel, mm, page) => {
    setHugePolicy(kernel, { pmd: 'never', mthp: 'always', orders: [2] });
    const start = mmap(mm, { address: 2 ** 30, fixed: true, bytes: 4 * page, prot: WRITE });
    const away = 2 ** 31;
    writeUser(mm, start + page, 7);
    const exclusive = (): boolean[] => reading(mm, () => pagemapRead(mm, start, start + 4 * page)).flatMap((run) => Array.from({ length: (run.end - run.start) / page }, () => run.exclusive));
    // A fork that ends between the VMA of the first page and that of the second leaves the one shared, and the other not.
    mremap(mm, start + page, page, page, { to: away });
    for (let left = 0; exclusive()[0] === true; left++) {
      const give = hoard(kernel, left);
      expect(codeOf(() => fork(mm))).toBe('ENOMEM');
      give();
    }
    mremap(mm, away, page, page, { to: start + page });
    expect(exclusive()).toEqual([false, true, false, false]);
    const pins = getUserPagesFast(mm, start + page, 1, true);
    const child = fork(mm);
    writeUser(mm, start + page, 8);
    expect(reading(mm, () => pagemapRead(mm, start + page, start + 2 * page))).toMatchObject([{ pfn: pins[0], write: true, exclusive: true }]);
    expect([readUser(mm, start + page), readUser(child, start + page)]).toEqual([8, 7]);
    putPages(mm, pins);
    child.mmput();
  });
});

/** Takes frames until so many are left. @returns gives them back */
function hoard(kernel: Machine, left: number): () => void {
  const taken: number[] = [];
  while (kernel.frames.free > left) taken.push(kernel.frames.allocPages(0, FrameType.Allocated));
  return () => { for (const pfn of taken) kernel.frames.put(pfn); };
}

it('gives everything back if a fork runs out of memory, wherever it does', () => {
  run((kernel, mm, page) => {
    const starts = [0, 1, 2].map((at) => map(mm, 3, WRITE, { address: (at + 1) * 2 ** 31, fixed: true }));
    for (const [at, start] of starts.entries()) writeUser(mm, start, at + 1);
    const pinned = reading(mm, () => pagemapRead(mm, starts[2]!, starts[2]! + page))[0]!.pfn;
    kernel.frames.get(pinned);
    const codes = new Set<string>();
    for (let left = 0; left < 14; left++) {
      const back = hoard(kernel, left);
      const before = kernel.frames.free;
      codes.add(codeOf(() => { fork(mm).mmput(); }));
      kernel.rcu.barrier();
      expect(kernel.frames.free).toBe(before);
      back();
      expect(starts.map((start) => readUser(mm, start))).toEqual([1, 2, 3]);
    }
    expect([...codes]).toEqual(['ENOMEM', 'nothing']);
    kernel.frames.put(pinned);
  });
});

it('says why a fork failed, also if its child does not end well', () => {
  run((kernel, mm) => {
    writeUser(mm, map(mm, 1, WRITE), 1);
    const whole = kernel.newMm.bind(kernel);
    let child: Space | undefined;
    kernel.newMm = () => {
      child = whole();
      child.addCounter(MmCounter.AnonPages, 1);
      return child;
    };
    const back = hoard(kernel, 1);
    const error = errorOf(() => fork(mm));
    back();
    expect([error.code, error.message, error.cause]).toEqual([
      'EBADMSG', expect.stringMatching(/^fork failed \(no memory for a \w+ table .*\), and the child cannot be taken down: .* is not empty: AnonPages 1$/), expect.objectContaining({ code: 'ENOMEM' }),
    ]);
    child?.addCounter(MmCounter.AnonPages, -1);
    child?.mmdrop();
  });
});

it('brings pages back if a move runs out of memory', () => {
  run((kernel, mm, page) => {
    const start = map(mm, 4, WRITE, { address: 2 ** 31 - 2 * page, fixed: true });
    for (let at = 0; at < 4; at++) writeUser(mm, start + at * page, at + 1);
    const codes: string[] = [];
    for (let left = 0; left < 12; left++) {
      const back = hoard(kernel, left);
      codes.push(codeOf(() => { mremap(mm, start, 4 * page, 4 * page, { to: 2 ** 40 - page }); }));
      back();
      if (codes.at(-1) === 'ENOMEM') expect([0, 1, 2, 3].map((at) => readUser(mm, start + at * page))).toEqual([1, 2, 3, 4]);
      else break;
    }
    expect([codes[0], codes.at(-1)]).toEqual(['ENOMEM', 'nothing']);
    expect([0, 1, 2, 3].map((at) => readUser(mm, 2 ** 40 - page + at * page))).toEqual([1, 2, 3, 4]);
    expect(areas(mm)).toHaveLength(1);
  });
});

it('unmaps nothing if there would be too many VMAs', () => {
  const kernel = boot(shape('riscv Sv39'), 256, { checks: CHECKS, mapCount: 3, journal: 16 });
  const mm = kernel.newMm();
  const page = mm.pageBytes;
  const start = map(mm, 3, WRITE);
  map(mm, 1, READ, { address: 2 ** 30, fixed: true });
  map(mm, 1, READ, { address: 2 ** 31, fixed: true });
  writeUser(mm, start + page, 7);
  expect([codeOf(() => { munmap(mm, start + page, page); }), codeOf(() => { mprotect(mm, start + page, page, READ); }), codeOf(() => mremap(mm, start, page, 2 * page, { mayMove: true }))]).toEqual(['ENOMEM', 'ENOMEM', 'ENOMEM']);
  expect(readUser(mm, start + page)).toBe(7);
  mm.mmput();
  quiet(kernel);
});

it('unmaps both ends of VMAs though there can be no more of them, and makes a hole where there can be one more', () => {
  const kernel = boot(shape('x86 4-level'), 256, { checks: CHECKS, mapCount: 3, journal: 16 });
  const mm = kernel.newMm();
  const page = mm.pageBytes;
  const start = map(mm, 6, WRITE, { address: 2 ** 30, fixed: true });
  map(mm, 3, READ, { address: start + 6 * page, fixed: true });
  for (let at = 0; at < 6; at++) writeUser(mm, start + at * page, at + 1);
  // A hole: two become three.
  munmap(mm, start + 2 * page, page);
  expect(areas(mm)).toEqual([`${start / page} +2 0x3`, `${start / page + 3} +3 0x3`, `${start / page + 6} +3 0x1`]);
  // The end of one, the beginning of one, and both of two at once.
  munmap(mm, start + page, page);
  munmap(mm, start + 3 * page, page);
  munmap(mm, start + 5 * page, 2 * page);
  expect(areas(mm)).toEqual([`${start / page} +1 0x3`, `${start / page + 4} +1 0x3`, `${start / page + 7} +2 0x1`]);
  expect([codeOf(() => { map(mm, 1, READ, { address: 2 ** 31, fixed: true }); }), readUser(mm, start), readUser(mm, start + 4 * page)]).toEqual(['ENOMEM', 1, 5]);
  mm.mmput();
  quiet(kernel);
});

describe.each(HUGE)('$name', (configuration) => {
  it('forks huge pages or gives everything back', () => {
    const kernel = boot(configuration, 2048);
    setHugePolicy(kernel, { pmd: 'always', mthp: 'never', orders: [] });
    const mm = kernel.newMm();
    const start = map(mm, 512, WRITE, { address: 2 ** 28, fixed: true });
    writeUser(mm, start, 1);
    for (let left = 0; left < 8; left++) {
      const back = hoard(kernel, left);
      const before = kernel.frames.free;
      expect(['ENOMEM', 'nothing']).toContain(codeOf(() => { fork(mm).mmput(); }));
      kernel.rcu.barrier();
      expect(kernel.frames.free).toBe(before);
      back();
    }
    expect(readUser(mm, start)).toBe(1);
    mm.mmput();
    quiet(kernel);
  });
});
