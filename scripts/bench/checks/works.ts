import { geometryOf, VmFlags, type TableHandles } from '@pgtable/core';
import {
  fork, lockClasses, mmap, munmap, setHugePolicy, setMemoryRo, setMemoryRw, spinLock, spinUnlock, vmalloc, vmallocInit, VmaFlags, writeUser, type Kernel, type Mm,
} from '@pgtable/mm';
import { bootBench } from '../mm-machines.js';

/*
 * What `mm-checks` runs, on a kernel without checks. It is bundled with the sources as they are, and with sources from which the checks were taken out, and both are loaded side by side.
 */

/** Something to be measured. */
export interface Work {
  readonly what: string;
  /** What one is that `count` counts: `page`. */
  readonly unit: string;
  /** How many of them a call of `run` does. */
  readonly count: number;
  /** Comes before each `run`, and is not measured. */
  prepare?(): void;
  run(): void;
}

const PAGES = 512;
const PARENT_PAGES = 2048;
const TABLES = 16;
const LOCKS = 20_000;
const START = 2 ** 30;
const WRITE = VmaFlags.Read | VmaFlags.Write;

function write(mm: Mm<TableHandles>, start: number, pages: number): void {
  for (let at = start; at < start + pages * mm.pageBytes; at += mm.pageBytes) writeUser(mm, at, 1);
}

/** Operations on address spaces. */
function operations(kernel: Kernel<TableHandles>): Work[] {
  const mm = kernel.newMm();
  const parent = kernel.newMm();
  mmap(parent, { bytes: PARENT_PAGES * parent.pageBytes, prot: WRITE, fixed: true, address: START });
  write(parent, START, PARENT_PAGES);
  vmallocInit(kernel, { areas: 2 });
  const area = vmalloc(kernel, PARENT_PAGES * kernel.frames.pageBytes, { huge: false });
  return [
    {
      what: 'mmap, faults, munmap', unit: 'page', count: PAGES,
      run() {
        const bytes = PAGES * mm.pageBytes;
        mmap(mm, { bytes, prot: WRITE, fixed: true, address: START });
        write(mm, START, PAGES);
        munmap(mm, START, bytes);
      },
    },
    { what: 'fork, exit', unit: 'page', count: PARENT_PAGES, run() { fork(parent).mmput(); } },
    {
      what: 'set_memory', unit: 'page', count: PARENT_PAGES * 2,
      run() {
        setMemoryRo(kernel, area, PARENT_PAGES);
        setMemoryRw(kernel, area, PARENT_PAGES);
      },
    },
  ];
}

/** Batches over whole tables, with the context that the operations of an address space have. */
function batches(kernel: Kernel<TableHandles>): Work[] {
  const mm = kernel.newMm();
  const { arch, context } = mm;
  const { entries } = geometryOf(arch.geometry, 'pte');
  const tables = Array.from({ length: TABLES }, (): TableHandles['pte'] => kernel.pageTables.alloc(arch, { id: mm.id, kind: 'user' }, 'pte').entry(0));
  const page = arch.values.pte.mkdirty(arch.values.pte.mkyoung(arch.values.pte.mkwrite(arch.values.pte.ofPfn(entries, arch.vmProt(VmFlags.Read | VmFlags.Write)))));
  const ops = arch.ops.pte;
  const each = (what: (table: TableHandles['pte']) => void) => (): void => { for (const table of tables) what(table); };
  const fill = each((table) => { ops.set(context, 0n, table, page, entries); });
  const why = 'nothing runs on these tables';
  const batch = { unit: 'entry', count: TABLES * entries, prepare: fill };
  return [
    { what: 'set', ...batch, prepare: each((table) => { ops.clear(context, 0n, table, entries).ignore(why); }), run: fill },
    { what: 'wrprotect', ...batch, run: each((table) => { ops.wrprotect(context, 0n, table, entries).ignore(why); }) },
    { what: 'get_and_clear_full', ...batch, run: each((table) => { ops.getAndClearFull(context, 0n, table, entries).ignore(why); }) },
  ];
}

function locks(kernel: Kernel<TableHandles>): Work[] {
  const { words } = kernel.words;
  const index = kernel.words.alloc(1);
  const { lock } = kernel.newMm();
  const pairs = (what: string, pair: () => void): Work => ({ what, unit: 'pair', count: LOCKS, run() { for (let at = 0; at < LOCKS; at++) pair(); } });
  return [
    pairs('a spin lock', () => {
      spinLock(words, index, lockClasses.zoneLock);
      spinUnlock(words, index);
    }),
    pairs('the mmap lock, to read', () => {
      lock.readLock();
      lock.readUnlock();
    }),
    pairs('rcu_read_lock', () => {
      kernel.rcu.readLock();
      kernel.rcu.readUnlock();
    }),
  ];
}

/** All of it, on a kernel of its own. @param name of a configuration */
export function worksOf(name: string): Work[] {
  const kernel = bootBench(name, 64 * 2 ** 20, {});
  setHugePolicy(kernel, { pmd: 'never', mthp: 'never', orders: [] });
  return [...operations(kernel), ...batches(kernel), ...locks(kernel)];
}
