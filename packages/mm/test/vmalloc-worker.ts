import { parentPort, workerData } from 'node:worker_threads';
import type { AliasHandles } from '@pgtable/core';
import {
  attachKernel, copyKernelTables, findVmArea, ptdumpKernel, purgeVmapArea, setMemoryRo, setMemoryRw, setMemoryValid, vfree, vmalloc, vmallocAttach, vmallocInfo, type SharedMachine, type SharedVmalloc,
} from '../src/index.js';
import { lookupAddress, vmallocHugePages } from '../src/vmalloc/kernel-entries.js';
import { accessOf } from '../src/vmalloc/kernel-prot.js';
import { configurationOf, pagesIn, pagesOf } from './vmalloc-machine.js';

/** What a thread does, over and over; see the functions of these names. */
export type Role = 'protector' | 'lister' | 'churner';

/** An area that a protector owns. */
export interface Owned {
  readonly start: number;
  readonly pages: number;
  readonly frames: readonly number[];
}

/** What a thread is told. */
export interface Orders {
  readonly role: Role;
  readonly number: number;
  /** 0: until it is stopped. */
  readonly rounds: number;
  readonly crew: number;
  readonly machine: string;
  readonly kernel: SharedMachine;
  readonly vmalloc: SharedVmalloc;
  readonly owned: readonly Owned[];
  /** How many have begun, whether to stop, and whether a page has been listed that is only read. */
  readonly memory: Int32Array;
}

/** What a thread reports. */
export interface Done {
  readonly role: Role;
  readonly rounds: number;
  readonly wrong: readonly string[];
  /** Pages that a lister saw read-only. */
  readonly readOnly: number;
  readonly error: string;
}

// What the test beside this file posts.
const { role, number, rounds, crew, machine, kernel: image, vmalloc: areas, owned, memory } = workerData as Orders;
const kernel = attachKernel<AliasHandles>(image, configurationOf(machine));
vmallocAttach(kernel, areas);
kernel.join(`${role} ${number}`);
const { initMm, frames } = kernel;
const { pageBytes, arch } = initMm;

const wrong = new Set<string>();
let readOnly = 0;
let state = number + 1;

function random(below: number): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
  return (state >>> 8) % below;
}

function must(condition: boolean, what: string): void {
  if (!condition) wrong.add(what);
}

/** The first word of a frame: whose it is. */
function tagAt(pfn: number): number {
  return ((pfn - frames.firstPfn) * pageBytes) / 4;
}

/** Areas of a churner, and the tags of their frames. */
const mine: { readonly start: number; readonly pfns: readonly number[]; readonly tag: number }[] = [];

const steps: Record<Role, (round: number) => void> = {
  'protector'(round) {
    const area = owned[number]!;
    const first = random(area.pages);
    const count = 1 + random(area.pages - first);
    const start = area.start + first * pageBytes;
    const write = round % 2 === 1;
    if (write) setMemoryRw(kernel, start, count);
    else setMemoryRo(kernel, start, count);
    for (let page = first; page < first + count; page += 1 + random(4)) {
      const { at, value } = lookupAddress(initMm, area.start + page * pageBytes);
      must(accessOf(arch, at.level, value).write === write, 'a change of protection is lost');
    }
    must(findVmArea(kernel, start)?.start === area.start, 'an area is gone that is owned');
  },
  'lister'() {
    const space = copyKernelTables(kernel, { ranges: owned.map(({ start, pages }) => ({ start, end: start + pages * pageBytes })) });
    for (const area of owned) {
      pagesIn(space, area.start, area.pages, pageBytes).forEach(({ access, frame }, page) => {
        must(access === 'rw' || access === 'r', `a page is listed as '${access}'`);
        must(frame === area.frames[page], 'a page is listed with another frame');
        if (access === 'r') readOnly++;
      });
    }
    must(ptdumpKernel(kernel, { ranges: kernel.vmalloc }).length > 1, 'the listing is empty');
    const list = vmallocInfo(kernel);
    must(list.every((area, index) => index === 0 || area.start > list[index - 1]!.start + list[index - 1]!.pages * pageBytes), 'areas overlap, or have no guard pages');
  },
  'churner'(round) {
    if (mine.length > 3 || (mine.length > 0 && random(3) === 0)) {
      const [area] = mine.splice(random(mine.length), 1);
      for (const pfn of area!.pfns) must(Atomics.load(frames.ram, tagAt(pfn)) === area!.tag, 'a frame has two owners');
      vfree(kernel, area!.start);
      if (random(4) === 0) purgeVmapArea(kernel);
      return;
    }
    const huge = vmallocHugePages(arch).at(-1);
    const start = huge !== undefined && random(3) === 0 ? vmalloc(kernel, huge.bytes, { huge: true }) : vmalloc(kernel, (1 + random(12)) * pageBytes);
    const { pages } = findVmArea(kernel, start)!;
    const pfns = pagesOf(kernel, start, pages).map(({ frame }) => frame!);
    must(new Set(pfns).size === pages, 'pages of an area have a frame in common');
    const tag = (number << 24) | (round + 1);
    for (const pfn of pfns) Atomics.store(frames.ram, tagAt(pfn), tag);
    if (random(2) === 0) {
      setMemoryValid(kernel, start, 1, false);
      setMemoryRo(kernel, start, pages);
    }
    mine.push({ start, pfns, tag });
    kernel.rcu.poll();
  },
};

let round = 0;
let error = '';
try {
  Atomics.add(memory, 0, 1);
  while (Atomics.load(memory, 0) < crew) Atomics.wait(memory, 0, Atomics.load(memory, 0), 1);
  // Protections are changed until they have been seen.
  const isEnough = (): boolean => rounds > 0 && round >= rounds && (role !== 'protector' || Atomics.load(memory, 2) > 0);
  while (!isEnough() && Atomics.load(memory, 1) === 0) {
    steps[role](round++);
    if (readOnly > 0) Atomics.store(memory, 2, 1);
  }
  for (const { start } of mine) vfree(kernel, start);
  purgeVmapArea(kernel);
  kernel.ledger?.close();
  kernel.leave();
} catch (thrown) {
  error = thrown instanceof Error ? `${thrown.message}\n${thrown.stack ?? ''}` : String(thrown);
}
const done: Done = { role, rounds: round, wrong: [...wrong], readOnly, error };
parentPort?.postMessage(done);
