import { ptePfn, ptepGet, ptepGetAndClear, pteWrprotect, setPteAt, type MmContext, type PteVal, type TableHandles } from '@pgtable/core';
import { afterEach, describe, expect, it } from 'vitest';
import { attachKernel, FrameType, readUser, setCurrentThread, writeUser, type Ptl } from '../src/index.js';
import { mmFindPmd } from '../src/tables/table-alloc.js';
import { pteLockptr } from '../src/tables/table-locks.js';
import { boot, exit, map, NAMES, quiet, shape, WRITE, type Machine, type Space } from './faults-machine.js';

/* checks.breakBeforeMake: what the architecture forbids in one step is refused in live tables, and nowhere else. */

afterEach(() => {
  setCurrentThread(undefined);
});

const CHECKS = { lockdep: false, staleTranslations: false, breakBeforeMake: true, flushes: false, pageTableCheck: false, writeProtect: false };

interface Place {
  readonly kernel: Machine;
  readonly mm: Space;
  readonly start: number;
  /** Does something to the entry, with its lock. */
  readonly entry: <T>(work: (ptep: TableHandles['pte'], context: MmContext) => T) => T;
}

function run(name: string, test: (place: Place) => void): void {
  const kernel = boot(name, 256, CHECKS);
  const mm = kernel.newMm();
  const { start } = map(mm, 2, WRITE);
  writeUser(mm, start, 1);
  test({
    kernel, mm, start,
    entry: (work) => {
      const pmdp = mmFindPmd(mm, start)!;
      const ptl: Ptl = pteLockptr(mm, mm.arch.ops.pmd.getOnce(pmdp)).lock();
      try {
        return work(mm.arch.ops.pmd.offset(pmdp, BigInt(start))!, mm.context);
      } finally {
        ptl.unlock();
      }
    },
  });
  exit(mm);
  quiet(kernel);
}

describe.each(NAMES)('%s', (name) => {
  it('another frame in one step is refused exactly where the architecture forbids it', () => {
    run(name, ({ kernel, mm: { arch }, start, entry }) => {
      const other = kernel.frames.allocPages(0, FrameType.Anon);
      const [old, changed] = entry((ptep): [PteVal, PteVal] => {
        const value = ptepGet(arch, ptep);
        return [value, arch.values.pte.ofPfn(other, arch.vmProt(WRITE & 7))];
      });
      const forbidden = arch.liveChange?.('pte', old, changed) !== undefined;
      const put = (value: PteVal): void => { entry((ptep, context) => { setPteAt(arch, context, BigInt(start), ptep, value); }); };
      if (forbidden) expect(() => { put(changed); }).toThrow(/^break-before-make: the pte entry 0x[0-9a-f]+ is live, and becomes/);
      else put(changed);
      put(old);
      kernel.frames.put(other);
    });
  });

  it('a flush in between makes it right, and a flush that waits does not', () => {
    run(name, ({ kernel, mm: { arch }, start, entry }) => {
      const other = kernel.frames.allocPages(0, FrameType.Anon);
      const changed = arch.values.pte.ofPfn(other, arch.vmProt(WRITE & 7));
      const at = BigInt(start);
      const old = entry((ptep, context) => {
        const value = ptepGetAndClear(arch, context, at, ptep).flush();
        setPteAt(arch, context, at, ptep, changed);
        ptepGetAndClear(arch, context, at, ptep).flush();
        setPteAt(arch, context, at, ptep, value);
        return value;
      });
      // Where the accessor does not flush by itself, the old translation may be cached now.
      const waits = entry((ptep, context) => {
        const promise = ptepGetAndClear(arch, context, at, ptep);
        const { owed } = promise;
        if (owed && arch.liveChange?.('pte', old, changed) !== undefined) {
          expect(() => { setPteAt(arch, context, at, ptep, changed); }).toThrow(/^break-before-make: the pte entry 0x[0-9a-f]+ was made invalid, but may still be cached/);
        }
        // The same may come back at any time.
        setPteAt(arch, context, at, ptep, old);
        promise.ignore('the entry is what it was');
        return owed;
      });
      expect(waits).toBe(arch.name !== 's390');
      kernel.frames.put(other);
    });
  });
});

it('what is no harm is not refused: other rights of the same frame, and tables that are out of reach', () => {
  run('arm64 4K 48-bit', ({ kernel, mm, start, entry }) => {
    const { arch } = mm;
    entry((ptep, context) => { setPteAt(arch, context, BigInt(start), ptep, pteWrprotect(arch, ptepGet(arch, ptep))); });
    expect(readUser(mm, start)).toBe(1);
    const table = kernel.pageTables.alloc(arch, mm, 'pte');
    const value = entry((ptep) => ptepGet(arch, ptep));
    // At an address whose live table is another.
    const far = BigInt(start) + 2n ** 40n;
    for (const frame of [1, 2, 3]) setPteAt(arch, mm.context, far, table.entry(0), arch.values.pte.modify(arch.values.pte.ofPfn(ptePfn(arch, value) + frame, arch.vmProt(7)), arch.vmProt(7)));
    arch.ops.pte.clear(mm.context, far, table.entry(0), 1).ignore('nobody could reach it');
    kernel.pageTables.free(table.address);
  });
});

it('belongs to one thread: another may fill what this one has emptied and not flushed yet, as in Linux', () => {
  const name = 'arm64 4K 48-bit';
  run(name, ({ kernel, mm: { arch, id }, start, entry }) => {
    const other = kernel.frames.allocPages(0, FrameType.Anon);
    const at = BigInt(start);
    const changed = arch.values.pte.ofPfn(other, arch.vmProt(WRITE & 7));
    const second = attachKernel(kernel.share(), shape(name)).mm(id);
    entry((ptep, context) => {
      const promise = ptepGetAndClear(arch, context, at, ptep);
      // The second has its own context, and so its own check: the first's would refuse.
      setPteAt(second.arch, second.context, at, second.arch.ops.pmd.offset(mmFindPmd(second, start)!, at)!, changed);
      const old = promise.flush();
      ptepGetAndClear(second.arch, second.context, at, second.arch.ops.pmd.offset(mmFindPmd(second, start)!, at)!).flush();
      setPteAt(arch, context, at, ptep, old);
    });
    kernel.frames.put(other);
  });
});
