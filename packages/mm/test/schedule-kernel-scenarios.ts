import { EntryKind, geometryOf, pmdpCollapseFlush, pmdpGet, ScanBuffer, scanFilter, setPtes, ptepGet, VmFlags, type AliasHandles } from '@pgtable/core';
import { ALL, type Configuration } from '../../arch-testkit/test/configurations.js';
import {
  attachKernel, bootKernel, mmAllocPmd, mmFindPmd, pmdLock, pteAlloc, pteFreeDefer, pteLockptr, pteOffsetMap, pteOffsetMapLock, pteUnmapUnlock, scenario, withSchedulePoints,
  type AnyScenario, type Kernel, type Mm, type Platform, type SharedMachine,
} from '../src/index.js';

/** A kernel with one address space. */
interface World {
  readonly kernel: SharedMachine;
  readonly mm: number;
}

/** The architectures that these scenarios are about. */
export const ARCHITECTURES: readonly Configuration[] = ALL.filter(({ name }) => ['x86 4-level', 'arm64 4K 48-bit', 'riscv Sv39', 's390 pud'].includes(name));
const ADDRESS = 0x4000_0000;
const FRAME = 0x40;

function scheduled(platform: Platform<AliasHandles>): Platform<AliasHandles> {
  return { entryBytes: platform.entryBytes, root: (half, table) => platform.root(half, table), make: (half, tables) => withSchedulePoints(platform.make(half, tables)) };
}

function open(platform: Platform<AliasHandles>, { kernel: image, mm: id }: World, name: string): { kernel: Kernel<AliasHandles>; mm: Mm<AliasHandles> } {
  const kernel = attachKernel(image, platform);
  kernel.join(name);
  return { kernel, mm: kernel.mm(id) };
}

function setup(platform: Platform<AliasHandles>, table: boolean): World {
  const kernel = bootKernel(platform, { bytes: 64 * 2 ** 12, mms: 2, vmas: 8, mapCount: 8, journal: 16, mappings: 2, words: 4096, checks: { lockdep: false } });
  kernel.join('setup');
  const mm = kernel.newMm();
  mm.lock.readLock();
  const pmdp = mmAllocPmd(mm, ADDRESS);
  if (table) pteAlloc(mm, pmdp, ADDRESS);
  mm.lock.readUnlock();
  const image = { kernel: kernel.share(), mm: mm.id };
  kernel.leave();
  return image;
}

/** The value that a fault of that number writes. */
function valueOf(mm: Mm<AliasHandles>, number: number) {
  return mm.arch.values.pte.ofPfn(FRAME + number, mm.arch.vmProt(VmFlags.Read | VmFlags.Write));
}

/** A fault, as far as the tables are concerned. @param recheck whether it looks at the pmd entry again once it has the lock */
function fault(mm: Mm<AliasHandles>, number: number, recheck: boolean): void {
  const address = ADDRESS + number * mm.pageBytes;
  mm.lock.readLock();
  const pmdp = mmAllocPmd(mm, address);
  for (;;) {
    pteAlloc(mm, pmdp, address);
    const table = recheck ? pteOffsetMapLock(mm, pmdp, address) : pteOffsetMap(mm, pmdp, address);
    if (table === undefined) continue;
    if (!recheck) table.lock();
    setPtes(mm.arch, mm.context, BigInt(address), table.ptep, valueOf(mm, number), 1);
    pteUnmapUnlock(table);
    break;
  }
  mm.lock.readUnlock();
}

/** `retract_page_tables()`: takes an empty PTE table out, with no mmap lock. */
function retract(kernel: Kernel<AliasHandles>, mm: Mm<AliasHandles>): void {
  const { arch } = mm;
  const pmdp = mmFindPmd(mm, ADDRESS);
  if (pmdp === undefined) return;
  const pml = pmdLock(mm, pmdp);
  const pmd = pmdpGet(arch, pmdp);
  if (!arch.values.pmd.none(pmd)) {
    const ptl = pteLockptr(mm, pmd);
    const apart = !ptl.is(pml);
    if (apart) ptl.lock();
    const first = arch.ops.pmd.offset(pmdp, 0n);
    if (first !== undefined && isEmpty(mm, first)) pteFreeDefer(mm, pmdpCollapseFlush(arch, mm.context, BigInt(ADDRESS), pmdp));
    if (apart) ptl.unlock();
  }
  pml.unlock();
  kernel.rcu.barrier();
}

function isEmpty(mm: Mm<AliasHandles>, first: AliasHandles['pte']): boolean {
  const rows = new ScanBuffer(4);
  mm.arch.ops.pte.scan(first, 0, geometryOf(mm.arch.geometry, 'pte').entries, scanFilter(true), rows);
  for (let row = 0; row < rows.count; row++) if (rows.kind[row] !== EntryKind.None) return false;
  return true;
}

/** What the faults wrote must be there. Says how many tables there are. */
function check(platform: Platform<AliasHandles>, world: World, faults: number): string {
  const { kernel, mm } = open(platform, world, 'check');
  for (let number = 0; number < faults; number++) {
    const address = ADDRESS + number * mm.pageBytes;
    const pmdp = mmFindPmd(mm, address);
    const ptep = pmdp === undefined ? undefined : mm.arch.ops.pmd.offset(pmdp, BigInt(address));
    if (ptep === undefined) throw new Error(`the table that fault ${number} wrote to is gone`);
    if (mm.arch.values.pte.pfn(ptepGet(mm.arch, ptep)) !== FRAME + number) throw new Error(`what fault ${number} wrote is gone`);
  }
  const tables = kernel.pageTables.nrPageTables('pte', mm.id);
  if (tables > 1) throw new Error(`${tables} PTE tables where one can be reached`);
  kernel.leave();
  return `${tables} table`;
}

function faults(platform: Platform<AliasHandles>): AnyScenario {
  const thread = (number: number) => (world: World) => {
    const { mm } = open(platform, world, `fault ${number}`);
    return () => { fault(mm, number, true); };
  };
  return scenario<World>({ setup: () => setup(platform, false), threads: { 'fault 0': thread(0), 'fault 1': thread(1) }, check: (world) => check(platform, world, 2) });
}

function faultAgainstRetract(platform: Platform<AliasHandles>, recheck: boolean): AnyScenario {
  return scenario<World>({
    setup: () => setup(platform, true),
    threads: {
      fault: (world) => {
        const { mm } = open(platform, world, 'fault');
        return () => { fault(mm, 0, recheck); };
      },
      retract: (world) => {
        const { kernel, mm } = open(platform, world, 'retract');
        return () => { retract(kernel, mm); };
      },
    },
    check: (world) => check(platform, world, 1),
  });
}

export const scenarios: Readonly<Record<string, AnyScenario>> = Object.fromEntries(ARCHITECTURES.flatMap((configuration) => {
  const platform = scheduled(configuration);
  const { name } = configuration;
  return [
    [`two faults ${name}`, faults(platform)], [`fault against retract ${name}`, faultAgainstRetract(platform, true)],
    [`fault without recheck against retract ${name}`, faultAgainstRetract(platform, false)],
  ];
}));
