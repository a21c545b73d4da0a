import { PgtableError, type HandleFamily } from '@pgtable/core';
import type { Kernel } from '../kernel/kernel.js';
import type { PageGather } from '../tables/gather.js';
import { VmapAreas, vmapAreasWords, type VmArea } from './vmap-areas.js';

/** Where the areas of a kernel are, in a form that can be posted to a worker. */
export interface SharedVmalloc {
  /** Index in `kernel.words`. */
  readonly at: number;
  readonly areas: number;
}

/** What this thread unmapped and did not flush yet. */
export interface LazyAreas {
  readonly gather: PageGather;
  readonly areas: VmArea[];
}

/** One thread's view of the areas of a kernel. */
export interface VmallocState {
  readonly areas: VmapAreas;
  /** Until the next purge; undefined: nothing was unmapped since the last. */
  lazy: LazyAreas | undefined;
}

/** By kernel, which one thread has one object for. */
const states = new WeakMap<object, VmallocState>();

/**
 * `vmalloc_init()`: a kernel has areas from now on, in the ranges that it was made with ({@link Kernel.vmalloc}). Once for a kernel; other threads {@link vmallocAttach}.
 *
 * Locking: none; nobody else uses areas yet.
 *
 * @param areas how many there can be at a time, those counted that wait to be purged. Default 256
 * @returns what the other threads need
 * @throws PgtableError `EINVAL` for a number that cannot be, or the second time; `ENOMEM` if there are not so many words
 */
export function vmallocInit<H extends HandleFamily>(kernel: Kernel<H>, { areas = 256 }: { readonly areas?: number } = {}): SharedVmalloc {
  if (!Number.isSafeInteger(areas) || areas < 1) throw new PgtableError('EINVAL', `a kernel cannot have ${areas} vmalloc areas`, { hint: 'give a whole number from 1 on' });
  if (states.has(kernel)) throw new PgtableError('EINVAL', 'this kernel has vmalloc areas already', { hint: 'call vmallocInit() once, and vmallocAttach() in other threads' });
  const image = { at: kernel.words.reserve(vmapAreasWords(areas)), areas };
  vmallocAttach(kernel, image).areas.init();
  return image;
}

/** The same areas in another thread. Locking: none. @param image what {@link vmallocInit} returned */
export function vmallocAttach<H extends HandleFamily>(kernel: Kernel<H>, { at, areas }: SharedVmalloc): VmallocState {
  const state: VmallocState = { areas: new VmapAreas(kernel.words.words, at, areas, kernel.frames.pageBytes), lazy: undefined };
  states.set(kernel, state);
  return state;
}

/** For the functions of this folder. @throws PgtableError `EINVAL` if this thread does not know the areas of a kernel */
export function vmallocState<H extends HandleFamily>(kernel: Kernel<H>): VmallocState {
  const state = states.get(kernel);
  if (state === undefined) throw new PgtableError('EINVAL', 'this thread knows of no vmalloc areas of the kernel', { hint: 'call vmallocInit() where the kernel is made, and vmallocAttach() in the other threads' });
  return state;
}
