import { EntryKind, geometryOf, ScanBuffer, scanFilter, TableMemory, type AliasHandles, type Level, type WritableArch, type WritableOps } from '@pgtable/core';
import { walkPageRange } from '@pgtable/walk';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ALL } from '../../arch-testkit/test/configurations.js';
import {
  FrameType, FrameWord, Kernel, lockClasses, MmCounter, setCurrentThread, setScheduler, spinLock, spinUnlock, VmaFlags, type KernelOptions, type Mm, type Platform, type Vma,
} from '../src/index.js';
import { mmAllocPmd, pteAllocKernel } from '../src/tables/table-alloc.js';
import { MACHINE } from './kernel-machines.js';

const SMALL = { mms: 4, vmas: 16, mapCount: 4, journal: 12, mappings: 2 } as const;
const running: Kernel<AliasHandles>[] = [];

function boot(options: KernelOptions<AliasHandles> = {}): Kernel<AliasHandles> {
  const kernel = Kernel.create(MACHINE, { ...SMALL, ...options });
  kernel.join('test');
  running.push(kernel);
  return kernel;
}

afterEach(() => {
  running.splice(0);
  setCurrentThread(undefined);
});

const refused = (code: string, text: string): unknown => expect.objectContaining({ code, message: expect.stringContaining(text) as string });
const PAGE = 4096;

function opsOf<L extends Level>(arch: WritableArch<AliasHandles>, level: L): WritableOps<AliasHandles, L> {
  return arch.ops[level];
}

/** Calls a function before every step of this thread that others could see, until what is returned is called. */
function looking(look: () => void): () => void {
  let inside = false;
  const before = setScheduler({
    point() {
      if (inside) return;
      inside = true;
      try {
        look();
      } finally {
        inside = false;
      }
    },
    blocked() {
      throw new Error('nobody lets go: there is one thread');
    },
  });
  return () => { setScheduler(before); };
}

/** With the mmap lock to write. */
function writing<T>(mm: Mm<AliasHandles>, body: () => T): T {
  mm.lock.writeLock();
  try {
    return body();
  } finally {
    mm.lock.writeUnlock();
  }
}

function insert(mm: Mm<AliasHandles>, start: number, end: number, flags: number = VmaFlags.Read): Vma<AliasHandles> {
  return writing(mm, () => mm.insertVma({ start: start * PAGE, end: end * PAGE, flags }));
}

describe('the first frame', () => {
  it('is the zero page, so that no table begins there: a handle of 0 would be taken for none', () => {
    const kernel = boot();
    expect(kernel.zeroPfn).toBe(kernel.frames.firstPfn);
    expect(kernel.frames.read(kernel.zeroPfn, FrameWord.Type)).toBe(FrameType.Reserved);
  });
});

describe('a kernel', () => {
  it('needs memory that threads share', () => {
    vi.stubGlobal('SharedArrayBuffer', undefined);
    // A global that is there and undefined is not how a browser has it.
    Reflect.deleteProperty(globalThis, 'SharedArrayBuffer');
    expect(() => boot()).toThrow(refused('ENOTSUP', 'no SharedArrayBuffer'));
    vi.unstubAllGlobals();
  });

  it.each(ALL.map((configuration) => [configuration.name, configuration] as const))('boots on %s: each address space has an empty root of its own, and its half of the addresses', (_, configuration) => {
    const platform: Platform<AliasHandles> = configuration;
    const kernel = Kernel.create(platform, { ...SMALL, bytes: 64 * platform.make('user', new TableMemory({ entryBytes: platform.entryBytes })).geometry.pageBytes });
    kernel.join('test');
    const user = kernel.newMm();
    const special = kernel.newMm('special');
    for (const mm of [kernel.initMm, user, special]) {
      const { entries } = geometryOf(mm.arch.geometry, mm.root.top);
      const rows = new ScanBuffer(2);
      const root = mm.arch.rootTable(mm.root)!;
      expect(root.level).toBe(mm.root.top);
      expect(mm.root.table % Math.min(entries * platform.entryBytes, kernel.frames.pageBytes)).toBe(0);
      expect(opsOf(mm.arch, root.level).scan(root.table, 0, entries, scanFilter(false), rows)).toBe(entries);
      expect([...rows.kind.subarray(0, rows.count)].every((kind) => kind === EntryKind.None)).toBe(true);
      expect(kernel.pageTables.info(mm.root.table)).toMatchObject({ level: mm.root.top, owner: mm.id, user: mm.kind === 'user' });
    }
    expect(new Set([kernel.initMm, user, special].map(({ root }) => root.table)).size).toBe(3);
    expect([kernel.initMm.kind, user.kind, special.kind]).toEqual(['init', 'user', 'special']);
    expect([kernel.initMm, user, special].map(({ context }) => context.user)).toEqual([false, true, false]);
    expect(kernel.initMm.root.windows.map(({ half }) => half)).toEqual(['kernel']);
    expect(user.root.windows.map(({ half }) => half)).toEqual(['user']);
    expect(special.root.windows).toEqual(platform.root('user', special.root.table).windows);
    user.mmput();
    special.mmput();
    kernel.assertQuiet();
    kernel.leave();
  });

  it('has a zero page that nobody gives back, and is found by walks', () => {
    const kernel = boot();
    const mm = kernel.newMm();
    expect(kernel.frames.read(kernel.zeroPfn, FrameWord.Type)).toBe(FrameType.Reserved);
    const value = (pfn: number) => mm.arch.values.pte.ofPfn(pfn, mm.arch.vmProt(VmaFlags.Read));
    const vma = insert(mm, 1, 2);
    mm.lock.writeLock();
    const entry = pteAllocKernel(mm, mmAllocPmd(mm, PAGE), PAGE);
    mm.lock.writeUnlock();
    const normal = (pfn: number, special = false) => mm.normalPage(vma, PAGE, { level: 'pte', entry }, special ? mm.arch.values.pte.mkspecial(value(pfn)) : value(pfn), pfn);
    expect([normal(kernel.zeroPfn), normal(kernel.frames.firstPfn + 7), normal(kernel.frames.firstPfn + 7, true), normal(kernel.frames.firstPfn - 1)]).toEqual(['zeropage', 'page', undefined, undefined]);
    expect(normal(kernel.frames.firstPfn + kernel.frames.count)).toBeUndefined();
  });

  it('refuses sizes that cannot be', () => {
    expect(() => Kernel.create(MACHINE, { mms: 0 })).toThrow(refused('EINVAL', 'cannot have 0 `mms`'));
    expect(() => Kernel.create(MACHINE, { mms: 1024 })).toThrow(refused('EINVAL', '1024 address spaces'));
    expect(() => Kernel.create(MACHINE, { mapCount: 10, journal: 17 })).toThrow(refused('EINVAL', 'journal of 17 records'));
    expect(() => Kernel.create(MACHINE, { bytes: 5000 })).toThrow(refused('EINVAL', 'memory of 5000 bytes'));
  });

  it('says who joins, and checks their locks if it is to', () => {
    const checked = boot({ checks: { lockdep: true } });
    setCurrentThread(undefined);
    const thread = checked.join('a name');
    expect(thread.name).toBe('a name');
    expect(thread.lockdep).toBeDefined();
    expect(checked.newMm().id).toBe(2);
    checked.initMm.lock.readLock();
    expect(() => { checked.leave(); }).toThrow(expect.objectContaining({ rule: 'leak' }));
    checked.initMm.lock.readUnlock();
    checked.leave();
    expect(boot().join('other').lockdep).toBeUndefined();
  });

  it('says what is left at the end: frames, tables, VMAs, locks, files, flushes', () => {
    const kernel = boot({ checks: { flushes: true } });
    const free = kernel.frames.free;
    kernel.assertQuiet();
    const mm = kernel.newMm();
    const vma = insert(mm, 1, 2);
    const file = kernel.newMapping(3);
    const pfn = kernel.frames.allocPages(1, FrameType.Anon);
    const table = kernel.pageTables.alloc(mm.arch, mm, 'pte');
    mm.lock.readLock();
    spinLock(kernel.words.words, mm.pageTableLock, lockClasses.pageTableLock);
    file.lockRead();
    const live = kernel.pageTables.alloc(mm.arch, mm, 'pmd');
    mm.arch.ops.pmd.set(mm.context, 0n, live.entry(0), mm.arch.values.pmd.mkhuge(mm.arch.values.pmd.ofPfn(0, mm.arch.vmProt(VmaFlags.Read))), 1);
    const promise = mm.arch.ops.pmd.clear(mm.context, 0n, live.entry(0), 1);
    let message = '';
    try {
      kernel.assertQuiet();
    } catch (error) {
      message = (error as Error).message;
    }
    for (const text of [`${free - kernel.frames.free} frames`, '2 Anon', '3 page tables', '2 split locks', '1 VMAs', 'address spaces 2', 'mappings 1', '4 shared words', '1 flush promises', 'mmap_lock of 2', 'page_table_lock of 2', 'i_mmap_rwsem of 1']) {
      expect(message).toContain(text);
    }
    promise.ignore('the address space never ran');
    kernel.pageTables.free(live.address);
    kernel.pageTables.free(table.address);
    file.unlockRead();
    spinUnlock(kernel.words.words, mm.pageTableLock);
    mm.lock.readUnlock();
    kernel.frames.put(pfn);
    file.free();
    writing(mm, () => { mm.removeVma(vma); });
    mm.mmput();
    kernel.assertQuiet();
    const checked = boot({ checks: { lockdep: true } });
    checked.initMm.lock.writeLock();
    expect(() => { checked.assertQuiet(); }).toThrow(expect.objectContaining({ rule: 'leak' }));
    checked.initMm.lock.writeUnlock();
  });

  it('cannot touch page tables without hooks, and hands everything to those that it has', () => {
    const bare = boot().initMm;
    const pmdp = 0 as never;
    const refusals: (() => unknown)[] = [
      () => bare.locks.pteOffsetMapLock(pmdp, 0), () => bare.locks.pteOffsetMap(pmdp, 0), () => bare.locks.pmdLock(pmdp), () => bare.locks.pudLock(pmdp), () => { bare.install.populate({ level: 'pmd', entry: pmdp }, 0); },
    ];
    for (const each of refusals) expect(each).toThrow(refused('ENOTSUP', 'without table hooks'));
    const calls: string[] = [];
    const lock = { unlock: () => undefined };
    const kernel = boot({
      tables: {
        pteOffsetMapLock: (mm, _, address) => { calls.push(`pteOffsetMapLock ${mm.id} ${address}`); return undefined; },
        pteOffsetMap: (mm, _, address) => { calls.push(`pteOffsetMap ${mm.id} ${address}`); return undefined; },
        pmdLock: (mm) => { calls.push(`pmdLock ${mm.id}`); return lock; },
        pudLock: (mm) => { calls.push(`pudLock ${mm.id}`); return lock; },
        populate: (mm, { level }, address) => { calls.push(`populate ${mm.id} ${level} ${address}`); },
        splitHuge: (mm, vma, { level }, address) => { calls.push(`splitHuge ${mm.id} ${vma.id} ${level} ${address}`); },
        exitMmap: (mm) => { calls.push(`exitMmap ${mm.id}`); },
      },
    });
    const mm = kernel.newMm();
    const vma = insert(mm, 1, 2);
    expect(mm.locks.pteOffsetMapLock(pmdp, 1)).toBeUndefined();
    expect(mm.locks.pteOffsetMap(pmdp, 2)).toBeUndefined();
    expect([mm.locks.pmdLock(pmdp), mm.locks.pudLock(pmdp)]).toEqual([lock, lock]);
    mm.install.populate({ level: 'pmd', entry: pmdp }, 3);
    mm.splitHuge(vma, { level: 'pmd', entry: pmdp }, 4);
    writing(mm, () => { mm.removeVma(vma); });
    mm.mmput();
    expect(calls).toEqual(['pteOffsetMapLock 2 1', 'pteOffsetMap 2 2', 'pmdLock 2', 'pudLock 2', 'populate 2 pmd 3', `splitHuge 2 ${vma.id} pmd 4`, 'exitMmap 2']);
  });
});

describe('an address space', () => {
  it('ends with its last user and its last reference, and its number is another\'s', () => {
    const kernel = boot();
    const free = kernel.frames.free;
    const mm = kernel.newMm();
    expect([mm.users, mm.references]).toEqual([1, 1]);
    mm.mmget();
    mm.mmgrab();
    expect([mm.users, mm.references, mm.mmgetNotZero()]).toEqual([2, 2, true]);
    mm.mmput();
    mm.mmput();
    expect(kernel.mm(mm.id)).toBe(mm);
    mm.mmput();
    expect([mm.users, mm.references, mm.mmgetNotZero(), mm.alive]).toEqual([0, 1, false, true]);
    expect(() => { mm.mmget(); }).toThrow(refused('EINVAL', 'has no users'));
    expect(() => { mm.mmput(); }).toThrow(refused('EINVAL', 'no user who could leave'));
    expect([mm.users, mm.references]).toEqual([0, 1]);
    mm.mmdrop();
    expect(mm.alive).toBe(false);
    expect(kernel.frames.free).toBe(free);
    expect(() => kernel.mm(mm.id)).toThrow(refused('EINVAL', 'there is no address space 2'));
    expect(() => kernel.mm(77)).toThrow(refused('EINVAL', 'there is no address space 77'));
    expect(() => { mm.mmdrop(); }).toThrow(refused('EINVAL', 'no reference'));
    for (const take of [() => { mm.lock.readLock(); }, () => { mm.lock.writeLock(); }, () => { mm.lock.writeLockNested(); }, () => mm.lock.readTrylock(), () => mm.lock.writeTrylock()]) {
      expect(take).toThrow(refused('EINVAL', 'is gone'));
    }
    const next = kernel.newMm();
    expect([next.id, next === mm, kernel.mm(next.id) === next]).toEqual([mm.id, false, true]);
    expect(() => { kernel.initMm.mmdrop(); }).toThrow(refused('EINVAL', 'no reference on address space 1'));
    expect(kernel.initMm.references).toBe(1);
  });

  it('does not end while it counts VMAs, pages or tables', () => {
    const kernel = boot();
    const mm = kernel.newMm();
    const vma = insert(mm, 1, 2);
    mm.addCounter(MmCounter.AnonPages, 3);
    mm.addCounter(MmCounter.TableBytes, 4096);
    mm.addCounter(MmCounter.FilePages, -1);
    expect(() => { mm.mmput(); }).toThrow(refused('EBADMSG', 'AnonPages 3, FilePages -1, TableBytes 4096, MapCount 1'));
    mm.addCounter(MmCounter.AnonPages, -3);
    mm.addCounter(MmCounter.TableBytes, -4096);
    mm.addCounter(MmCounter.FilePages, 1);
    writing(mm, () => { mm.removeVma(vma); });
    mm.mmdrop();
    kernel.assertQuiet();
  });

  it('is refused when there are too many, and no frame for another', () => {
    const kernel = boot();
    const mms = [kernel.newMm(), kernel.newMm(), kernel.newMm('special')];
    expect(() => kernel.newMm()).toThrow(refused('ENOMEM', '4 address spaces'));
    mms[0]!.mmput();
    const taken: number[] = [];
    while (kernel.frames.free > 0) taken.push(kernel.frames.allocPages(0));
    expect(() => kernel.newMm()).toThrow(expect.objectContaining({ code: 'ENOMEM' }));
    for (const pfn of taken) kernel.frames.put(pfn);
    expect(kernel.newMm().id).toBe(2);
  });

  it('waits in a flush for accesses that have begun, with spin locks held too', () => {
    const kernel = boot({ checks: { lockdep: true } });
    const mm = kernel.newMm();
    spinLock(kernel.words.words, mm.pageTableLock, lockClasses.pageTableLock);
    kernel.rcu.readLock();
    mm.context.tlb.flush({ start: 0n, end: 4096n, level: 'pte', tables: false });
    kernel.accesses.readLock();
    expect(() => { mm.context.tlb.flush({ start: 0n, end: 4096n, level: 'pte', tables: false }); }).toThrow(refused('EINVAL', 'that would wait for itself'));
    kernel.accesses.readUnlock();
    kernel.rcu.readUnlock();
    spinUnlock(kernel.words.words, mm.pageTableLock);
    kernel.leave();
  });
});

describe.each([['not checked', false], ['checked', true]])('assertions of a thread that is %s', (_, lockdep) => {
  const unprotected: unknown = lockdep ? expect.objectContaining({ rule: 'unprotected' }) : expect.objectContaining({ code: 'EINVAL' });

  it('VMAs are looked for with the mmap lock, and changed with it to write', () => {
    const mm = boot({ checks: { lockdep } }).newMm();
    const vma = insert(mm, 4, 8);
    for (const look of [() => mm.findVma(0), () => mm.vmaLookup(0), () => mm.vmaBefore(1), () => mm.vmas(), () => { mm.locks.assertMmapReadLocked(); }]) expect(look).toThrow(unprotected);
    const changes: (() => unknown)[] = [
      () => mm.insertVma({ start: 0, end: PAGE, flags: 0 }), () => { mm.removeVma(vma); }, () => mm.splitVma(vma, 5 * PAGE), () => { mm.adjustVma(vma, 4 * PAGE, 9 * PAGE); }, () => { mm.setVmaFlags(vma, 0); },
      () => mm.mergeVmas(vma), () => { mm.locks.assertMmapWriteLocked(); }, () => { mm.locks.vmaStartWrite(vma); }, () => { mm.locks.assertVmaWriteLocked(vma); },
      () => { vma.setRange(0, PAGE, 0); }, () => { vma.resetFlags(0); }, () => { vma.markDetached(true); },
    ];
    for (const change of changes) expect(change).toThrow(unprotected);
    mm.lock.readLock();
    mm.locks.assertMmapReadLocked();
    for (const change of changes) expect(change).toThrow(unprotected);
    expect(mm.vmas().map(({ start, end, flags }) => [start, end, flags])).toEqual([[4 * PAGE, 8 * PAGE, VmaFlags.Read]]);
    mm.lock.readUnlock();
  });

  it('a VMA is write-locked before it changes, and a walk sees that it is', () => {
    const kernel = boot({ checks: { lockdep } });
    const mm = kernel.newMm();
    const vma = insert(mm, 4, 8);
    mm.lock.writeLock();
    for (const change of [() => { vma.setRange(0, PAGE, 0); }, () => { vma.resetFlags(0); }, () => { vma.markDetached(true); }, () => { mm.locks.assertVmaWriteLocked(vma); }]) {
      expect(change).toThrow(refused('EINVAL', 'not write-locked'));
    }
    mm.locks.vmaStartWrite(vma);
    mm.locks.assertVmaWriteLocked(vma);
    mm.locks.assertVmaReadLocked(vma);
    vma.resetFlags(VmaFlags.Write);
    mm.lock.writeUnlock();
    expect(() => { mm.locks.assertVmaReadLocked(vma); }).toThrow(unprotected);
    const found = mm.lockVmaUnderRcu(4 * PAGE);
    expect(found).toBe(vma);
    mm.locks.assertVmaReadLocked(vma);
    vma.lock.endRead();
    expect(() => { mm.locks.assertInitWriteLocked(); }).toThrow(unprotected);
    writing(kernel.initMm, () => { mm.locks.assertInitWriteLocked(); });
  });

  it('the VMAs of a file are looked at with its lock, and changed with it to write', () => {
    const kernel = boot({ checks: { lockdep } });
    const mm = kernel.newMm();
    const file = kernel.newMapping(8);
    const vma = writing(mm, () => mm.insertVma({ start: 0, end: PAGE, flags: 0, mapping: file }));
    for (const look of [() => { file.assertLocked(); }, () => file.vmas()]) expect(look).toThrow(unprotected);
    file.lockRead();
    file.assertLocked();
    for (const change of [() => { file.assertWriteLocked(); }, () => { file.link(vma); }, () => { file.unlink(vma); }]) expect(change).toThrow(refused('EINVAL', 'does not have i_mmap_rwsem'));
    expect(file.vmas()).toEqual([vma]);
    file.unlockRead();
    file.lock();
    file.assertLocked();
    file.assertWriteLocked();
    file.unlock();
  });
});

describe('VMAs', () => {
  it('are refused where they cannot be', () => {
    const kernel = boot();
    const mm = kernel.newMm();
    const other = kernel.newMm();
    const vma = insert(mm, 4, 8);
    const [window] = mm.root.windows;
    const wrong: readonly [number, number][] = [[1, PAGE], [0, PAGE + 1], [PAGE, PAGE], [2 * PAGE, PAGE], [-PAGE, 0], [window!.end - PAGE, window!.end + PAGE], [Number.NaN, PAGE], [0, Infinity]];
    writing(mm, () => {
      for (const [start, end] of wrong) expect(() => mm.insertVma({ start, end, flags: 0 })).toThrow(expect.objectContaining({ code: 'EINVAL' }));
      expect(() => mm.insertVma({ start: 7 * PAGE, end: 9 * PAGE, flags: 0 })).toThrow(refused('EINVAL', 'VMA 1 [0x4000, 0x8000) is there'));
      expect(() => mm.insertVma({ start: 0, end: PAGE, flags: 0, pgoff: -1 })).toThrow(refused('EINVAL', 'page -1'));
      expect(() => { mm.adjustVma(vma, 9 * PAGE, 10 * PAGE); }).toThrow(refused('EINVAL', 'no page of it would stay'));
      for (const address of [4, 8, 4.5]) expect(() => mm.splitVma(vma, address * PAGE)).toThrow(refused('EINVAL', 'no page in the middle'));
    });
    writing(other, () => { expect(() => { other.removeVma(vma); }).toThrow(refused('EINVAL', 'of address space 2')); });
    expect(() => { other.locks.assertVmaReadLocked(vma); }).toThrow(refused('EINVAL', 'not of it'));
    writing(mm, () => {
      mm.removeVma(vma);
      expect(() => { mm.removeVma(vma); }).toThrow(refused('EINVAL', 'detached'));
      expect(() => { mm.setVmaFlags(vma, 0); }).toThrow(refused('EINVAL', 'detached'));
    });
  });

  it('of the last page of the addresses are found', () => {
    const kernel = boot();
    const { initMm } = kernel;
    const last = initMm.root.windows.at(-1)!;
    const vma = writing(initMm, () => initMm.insertVma({ start: last.end - PAGE, end: last.end, flags: VmaFlags.Read }));
    expect([vma.end, vma.pages, vma.indexOf(last.end - PAGE)]).toEqual([2 ** 64, 1, 2 ** 52 - 1]);
    expect(initMm.lockVmaUnderRcu(last.end - PAGE)).toBe(vma);
    vma.lock.endRead();
  });

  it('that were removed cannot be used after their grace period, and their slots are others\'', () => {
    const kernel = boot();
    const mm = kernel.newMm();
    const vma = insert(mm, 4, 8);
    kernel.rcu.readLock();
    writing(mm, () => { mm.removeVma(vma); });
    kernel.rcu.readUnlock();
    // The slot is still its own.
    expect([vma.detached, vma.start]).toEqual([true, 4 * PAGE]);
    const between = insert(mm, 4, 5);
    expect(between.id).not.toBe(vma.id);
    kernel.rcu.barrier();
    expect(() => vma.start).toThrow(refused('EINVAL', 'was freed'));
    const next = insert(mm, 6, 7);
    expect([next.id, next.start]).toEqual([vma.id, 6 * PAGE]);
    expect(() => vma.detached).toThrow(refused('EINVAL', 'was freed'));
    expect(() => { kernel.slots.free(next.id); }).toThrow(refused('EINVAL', 'in its address space'));
    writing(mm, () => { mm.removeVma(next); });
    kernel.rcu.barrier();
    expect(() => { kernel.slots.free(next.id); }).toThrow(refused('EINVAL', 'gone already'));
  });

  it('wait for slots whose grace periods are over, and are refused when there are none', () => {
    const kernel = boot({ vmas: 3 });
    const mm = kernel.newMm();
    for (let round = 0; round < 20; round++) {
      const vma = insert(mm, 4, 8);
      writing(mm, () => { mm.removeVma(vma); });
    }
    for (const page of [1, 2, 3]) insert(mm, page, page + 1);
    expect(() => insert(mm, 9, 10)).toThrow(refused('ENOMEM', 'there are 3 VMAs'));
  });

  it('are write-locked while they are made, so that nobody without the mmap lock gets them half made', () => {
    const mm = boot().newMm();
    mm.lock.writeLock();
    mm.insertVma({ start: 0, end: 4 * PAGE, flags: VmaFlags.Read });
    expect(mm.lockVmaUnderRcu(0)).toBeUndefined();
    mm.lock.writeDowngrade();
    const vma = mm.lockVmaUnderRcu(0);
    expect(vma?.contains(0)).toBe(true);
    vma?.lock.endRead();
    mm.lock.readUnlock();
    expect(mm.lockVmaUnderRcu(4 * PAGE)).toBeUndefined();
  });

  it('are not found without the mmap lock while the journal is being written anew, and are afterwards', () => {
    const kernel = boot();
    const mm = kernel.newMm();
    const vma = insert(mm, 0, 1);
    const far = Kernel.attach(kernel.share(), MACHINE).mm(mm.id);
    let half = 0;
    // A thread that looks whenever the writer is about to do a step.
    for (let round = 0; round < 30; round++) {
      writing(mm, () => {
        const previous = looking(() => {
          const found = far.lockVmaUnderRcu(0);
          if (found === undefined) half++;
          else {
            expect([found.id, found.start, found.end]).toEqual([vma.id, 0, PAGE]);
            found.lock.endRead();
          }
        });
        try {
          mm.removeVma(mm.insertVma({ start: 4 * PAGE, end: 5 * PAGE, flags: 0 }));
        } finally {
          previous();
        }
      });
    }
    expect(half).toBeGreaterThan(0);
    const found = far.lockVmaUnderRcu(0);
    expect(found?.id).toBe(vma.id);
    found?.lock.endRead();
  });

  it('are walked with the locks that they have', () => {
    const mm = boot().newMm();
    insert(mm, 4, 8);
    const holes: number[] = [];
    const ops = { walkLock: 'read' as const, pteHole: (start: number, end: number) => { holes.push(start, end); return undefined; } };
    expect(() => walkPageRange(mm, 4 * PAGE, 8 * PAGE, ops)).toThrow(refused('EINVAL', 'mmap_lock'));
    mm.lock.readLock();
    walkPageRange(mm, 4 * PAGE, 8 * PAGE, ops);
    mm.lock.readUnlock();
    expect(holes).toEqual([4 * PAGE, 8 * PAGE]);
  });
});

describe('a file', () => {
  it('has pages that are 0 at first, the same for all, until they are exchanged', () => {
    const kernel = boot();
    const far = Kernel.attach(kernel.share(), MACHINE);
    const file = kernel.newMapping(3);
    expect(file.page(1)).toBeUndefined();
    const pfn = file.readPage(1);
    expect([file.page(1), file.readPage(1), far.mapping(file.id).page(1), far.mapping(file.id).readPage(1)]).toEqual([pfn, pfn, pfn, pfn]);
    expect([FrameWord.Type, FrameWord.Owner, FrameWord.Index, FrameWord.Refcount].map((word) => kernel.frames.read(pfn, word))).toEqual([FrameType.File, file.id, 1, 1]);
    const other = kernel.frames.allocPages(0, FrameType.File);
    expect(file.exchangePage(1, other)).toBe(pfn);
    expect(far.mapping(file.id).page(1)).toBe(other);
    kernel.frames.put(pfn);
    for (const index of [3, -1, 0.5]) for (const use of [() => file.page(index), () => file.readPage(index), () => file.exchangePage(index, undefined)]) expect(use).toThrow(refused('EFAULT', `page ${index} of mapping 1`));
    file.free();
    kernel.assertQuiet();
    expect(() => kernel.mapping(file.id)).toThrow(refused('EINVAL', 'there is no mapping 1'));
    expect(() => kernel.mapping(0)).toThrow(refused('EINVAL', 'there is no mapping 0'));
    const next = kernel.newMapping(5);
    expect([next.id, next.pages, next.page(4)]).toEqual([1, 5, undefined]);
    expect(kernel.newMapping(1).id).toBe(2);
    expect(() => kernel.newMapping(1)).toThrow(refused('ENOMEM', '2 files'));
  });

  it('stays while it is mapped, in whichever address space', () => {
    const kernel = boot();
    const [one, two] = [kernel.newMm(), kernel.newMm()];
    const file = kernel.newMapping(8);
    const a = writing(one, () => one.insertVma({ start: 0, end: 4 * PAGE, flags: 0, mapping: file, pgoff: 2 }));
    const b = writing(two, () => two.insertVma({ start: 8 * PAGE, end: 9 * PAGE, flags: 0, mapping: file, pgoff: 6 }));
    expect(() => { file.free(); }).toThrow(refused('EINVAL', '2 VMAs map it'));
    file.lockRead();
    expect([file.vmas(0, 2), file.vmas(0, 3), file.vmas(5, 6), file.vmas(6, 7), new Set(file.vmas())]).toEqual([[], [a], [a], [b], new Set([a, b])]);
    file.unlockRead();
    expect([a.mapping, a.anonymous, a.indexOf(PAGE)]).toEqual([file, false, 3]);
    writing(one, () => { one.removeVma(a); });
    expect(() => { file.free(); }).toThrow(refused('EINVAL', '1 VMAs map it'));
    writing(two, () => { two.removeVma(b); });
    file.free();
  });
});
