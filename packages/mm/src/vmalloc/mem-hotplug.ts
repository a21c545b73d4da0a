import type { HandleFamily } from '@pgtable/core';
import type { Kernel } from '../kernel/kernel.js';
import { downRead, downWrite, upRead, upWrite } from '../locks/rw-lock.js';
import { HOTPLUG_LOCK, memHotplugLock } from './vmap-areas.js';
import { vmallocState } from './vmalloc-state.js';

/** `get_online_mems()`: memory, and the kernel's tables of it, neither come nor go until {@link putOnlineMems}. Locking: sleeps; comes before the mmap lock. @see mm/memory_hotplug.c, Linux 6.12 */
export function getOnlineMems<H extends HandleFamily>(kernel: Kernel<H>): void {
  const { areas: { words, at } } = vmallocState(kernel);
  downRead(words, at + HOTPLUG_LOCK, memHotplugLock);
}

/** `put_online_mems()`. Locking: this thread has the lock by {@link getOnlineMems}. @throws PgtableError `EINVAL` if nobody has the lock */
export function putOnlineMems<H extends HandleFamily>(kernel: Kernel<H>): void {
  const { areas: { words, at } } = vmallocState(kernel);
  upRead(words, at + HOTPLUG_LOCK);
}

/** `mem_hotplug_begin()`: memory is added or removed until {@link memHotplugDone}. Locking: sleeps; comes before the mmap lock. */
export function memHotplugBegin<H extends HandleFamily>(kernel: Kernel<H>): void {
  const { areas: { words, at } } = vmallocState(kernel);
  downWrite(words, at + HOTPLUG_LOCK, memHotplugLock);
}

/** `mem_hotplug_done()`. Locking: this thread has the lock by {@link memHotplugBegin}. @throws PgtableError `EINVAL` if this thread does not have the lock */
export function memHotplugDone<H extends HandleFamily>(kernel: Kernel<H>): void {
  const { areas: { words, at } } = vmallocState(kernel);
  upWrite(words, at + HOTPLUG_LOCK);
}
