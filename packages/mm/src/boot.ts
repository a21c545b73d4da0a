import type { FlushRange, HandleFamily, MmContext, Tlb } from '@pgtable/core';
import { splitHuge } from './huge/split-huge-pmd.js';
import { Kernel, type KernelChecks, type KernelOptions, type KernelParts, type MmWatcher, type Platform, type SharedKernel } from './kernel/kernel.js';
import { exitMmap } from './ops/exit-mmap.js';
import { LiveChanges } from './pagetable/live-changes.js';
import { observers } from './pagetable/observers.js';
import { LockedEntries } from './pagetable/locked-entries.js';
import { PageTableCheck } from './pagetable/page-table-check.js';
import { StaleTranslations } from './pagetable/stale-translations.js';
import { WriteProtectedTables, type SharedShadow } from './pagetable/write-protected-tables.js';
import { unscheduled } from './schedule-point.js';
import { tableHooks } from './tables/hooks.js';

/** What {@link Kernel.share} gives of a kernel that {@link bootKernel} made: that of the kernel, and what its checks share. */
export interface SharedMachine extends SharedKernel {
  /** Of a kernel that checks who writes to page tables. */
  readonly shadow?: SharedShadow;
}

/** The write-protected tables of this thread's kernels. */
const protectedBy = new WeakMap<object, { check(): void }>();

/**
 * A kernel with everything: tables are locked, made and freed, huge pages split, address spaces emptied when they end, and the checks of `options.checks` watch. In other threads: {@link attachKernel}.
 *
 * Locking: none.
 *
 * @throws PgtableError as {@link Kernel.create}
 */
export function bootKernel<H extends HandleFamily>(platform: Platform<H>, options: KernelOptions<H> = {}): Kernel<H> {
  const bare = Kernel.create(platform, options);
  if (options.checks?.writeProtect !== true) return attachKernel(bare.share(), platform);
  const shadow = new WriteProtectedTables(bare.pageTables, archsOf(bare)).share();
  const image: SharedMachine = { ...bare.share(), shadow };
  return attachKernel(image, platform);
}

/**
 * The same kernel in another JavaScript thread.
 *
 * Locking: none.
 *
 * @param image what `share()` of the kernel that {@link bootKernel} made gave
 * @param platform the same machine
 */
export function attachKernel<H extends HandleFamily>(image: SharedMachine, platform: Platform<H>): Kernel<H> {
  const { checks, shadow } = image;
  let shield: WriteProtectedTables<H> | undefined;
  const parts: KernelParts<H> = {
    tables: { ...tableHooks<H>(), splitHuge, exitMmap },
    // The kernel is one over H: it is made below.
    watch: (kernel, context, owner) => watched(kernel as Kernel<H>, context, owner, checks, shield),
  };
  const kernel = Kernel.attach(image, platform, parts);
  if (checks.writeProtect === true) {
    shield = new WriteProtectedTables(kernel.pageTables, archsOf(kernel), shadow);
    protectedBy.set(kernel, shield);
  }
  return kernel;
}

/**
 * Compares all page tables with what accessors wrote to them, if the kernel was made with `checks.writeProtect`.
 *
 * Locking: nobody changes tables meanwhile.
 *
 * @throws PgtableError `EBADMSG` if anybody else wrote to them: see {@link WriteProtectedTables.check}
 */
export function checkPageTables<H extends HandleFamily>(kernel: Kernel<H>): void {
  protectedBy.get(kernel)?.check();
}

function archsOf<H extends HandleFamily>(kernel: Kernel<H>): ConstructorParameters<typeof WriteProtectedTables<H>>[1] {
  return { user: kernel.archOf('user'), kernel: kernel.archOf('init') };
}

/** The context of an address space with its observers. They need its root, so they are made when the first of its entries changes, or its first flush is done. */
function watched<H extends HandleFamily>(
  kernel: Kernel<H>, context: MmContext, { id, kind }: Parameters<MmWatcher>[2], checks: KernelChecks, shield: WriteProtectedTables<H> | undefined,
): MmContext {
  const { lockdep, staleTranslations, breakBeforeMake, pageTableCheck, writeProtect } = checks;
  if (lockdep !== true && staleTranslations !== true && breakBeforeMake !== true && pageTableCheck !== true && writeProtect !== true) return context;
  let made: { readonly observer: ReturnType<typeof observers>; readonly tlb: Tlb } | undefined;
  const parts = (): NonNullable<typeof made> => {
    if (made !== undefined) return made;
    const { arch, root } = kernel.mm(id);
    const stale = staleTranslations === true ? new StaleTranslations(kernel.frames, arch, root, context.tlb) : undefined;
    const changes = breakBeforeMake === true && arch.liveChange !== undefined ? new LiveChanges(arch, root, stale ?? context.tlb) : undefined;
    // Those that may refuse a change come first.
    const locked = lockdep === true && kind === 'user' ? new LockedEntries(kernel.pageTables, arch, root) : undefined;
    const check = pageTableCheck === true && kind !== 'init' ? new PageTableCheck(kernel.frames, arch, root) : undefined;
    return (made = { observer: observers(locked, changes, check, shield?.observer(arch, root), stale), tlb: changes ?? stale ?? context.tlb });
  };
  return {
    ...context,
    tlb: { flush: (range: FlushRange) => { parts().tlb.flush(range); } },
    observer: { changing: (level, address, old, value) => { unscheduled(() => { parts().observer?.changing(level, address, old, value); }); } },
  };
}
