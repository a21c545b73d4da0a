import { parentPort, workerData } from 'node:worker_threads';
import { isPgtableError, type TableHandles } from '@pgtable/core';
import { Frames, FrameTables, LockOrder, setCurrentThread, Threads, type SharedFrames, type SharedLockOrder, type SharedThreads } from '../src/index.js';
import { at, BOXES } from './frames-places.js';
import { configurationOf, spaceInFrames } from './frames-spaces.js';

/** What a thread does; see the functions of these names. */
export type Role = 'take and free' | 'pass on' | 'refer' | 'free the same' | 'build and look';

/** What a thread is told. */
export interface Orders {
  readonly role: Role;
  /** From 1 on: what the thread writes into frames that it has. */
  readonly number: number;
  readonly crew: number;
  readonly rounds: number;
  readonly threads: SharedThreads;
  readonly order: SharedLockOrder | undefined;
  readonly frames: SharedFrames;
  readonly words: Int32Array;
  readonly configuration: string;
  /** Physical address of the root table of `build and look`. */
  readonly root: number;
}

/** What a thread reports. */
export interface Done {
  /** Blocks that it got, or tables that it found. */
  readonly got: number;
  /** How often there was no memory, or another was faster. */
  readonly refused: number;
  /** What could not be, and was. */
  readonly wrong: readonly string[];
}

/** A block that a thread has. */
interface Block {
  readonly pfn: number;
  readonly order: number;
}

// What the tests beside this file post.
const { role, number, crew, rounds, threads: threadsImage, order, frames: image, words, configuration: name, root } = workerData as Orders;
const threads = Threads.attach(threadsImage);
const thread = threads.join(`${role} ${number}`, order === undefined ? undefined : LockOrder.attach(order));
setCurrentThread(thread);
const frames = Frames.attach(image);
const perFrame = frames.pageBytes / 4;
const wrong: string[] = [];
let got = 0;
let refused = 0;
let meetings = 0;
// A sequence of its own for each thread: Numerical Recipes' generator.
let seed = number * 7919;

function random(below: number): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return Math.floor((seed / 2 ** 32) * below);
}

/** Waits until all threads are here. */
function meet(): void {
  meetings++;
  Atomics.add(words, at.met, 1);
  while (Atomics.load(words, at.met) < crew * meetings);
}

/** First and last word of each frame of a block. */
function edges({ pfn, order: size }: Block): number[] {
  return Array.from({ length: 2 ** size }, (_, frame) => (pfn - frames.firstPfn + frame) * perFrame).flatMap((first) => [first, first + perFrame - 1]);
}

/** Takes a block and puts this thread's mark on it. */
function take(size: number): Block | undefined {
  try {
    const block = { pfn: frames.allocPages(size), order: size };
    got++;
    for (const word of edges(block)) {
      const before = Atomics.exchange(frames.ram, word, number);
      if (before !== 0) wrong.push(`thread ${number} got frames that thread ${before} has`);
    }
    return block;
  } catch (error) {
    if (!isPgtableError(error) || error.code !== 'ENOMEM') throw error;
    refused++;
    return undefined;
  }
}

/** Gives a block back, after it has looked at the mark of who had it. */
function free(block: Block, whose: number): void {
  for (const word of edges(block)) {
    const before = Atomics.exchange(frames.ram, word, 0);
    if (before !== whose) wrong.push(`thread ${number} frees frames of thread ${whose}, and finds the mark of ${before}`);
  }
  frames.freePages(block.pfn);
}

const roles: Record<Role, () => void> = {
  'take and free'() {
    const mine: Block[] = [];
    for (let round = 0; round < rounds; round++) {
      const block = random(5) < 3 ? take(random(5)) : undefined;
      if (block !== undefined) mine.push(block);
      else if (mine.length > 0) free(mine.splice(random(mine.length), 1)[0]!, number);
    }
    for (const block of mine) free(block, number);
  },
  // What one takes another frees: half of the threads fill boxes, the others empty them.
  'pass on'() {
    for (let round = 0; round < rounds; round++) {
      const box = at.boxes + random(BOXES);
      const block = number % 2 === 1 ? take(0) : undefined;
      const put = block === undefined ? 0 : (block.pfn - frames.firstPfn + 1) * 64 + number;
      const found = Atomics.exchange(words, box, put);
      if (found !== 0) free({ pfn: Math.floor(found / 64) - 1 + frames.firstPfn, order: 0 }, found % 64);
    }
    // Those who come last find nothing new.
    meet();
    for (let box = at.boxes; box < at.boxes + BOXES; box++) {
      const found = Atomics.exchange(words, box, 0);
      if (found !== 0) free({ pfn: Math.floor(found / 64) - 1 + frames.firstPfn, order: 0 }, found % 64);
    }
  },
  // The blocks are of two frames each, and in the boxes; each thread has one reference on each from the start.
  'refer'() {
    for (let box = 0; box < BOXES; box++) {
      const pfn = words[at.boxes + box]! - 1 + frames.firstPfn;
      // All work on the same block.
      meet();
      for (let round = 0; round < rounds; round++) {
        const more = 2 + random(3);
        frames.get(pfn + random(2), more);
        for (let one = 0; one < more; one++) frames.put(pfn + random(2));
      }
      frames.put(pfn);
      got++;
    }
  },
  // Only one of all may.
  'free the same'() {
    for (let box = 0; box < BOXES; box++) {
      try {
        frames.freePages(words[at.boxes + box]! - 1 + frames.firstPfn);
        got++;
      } catch (error) {
        if (!isPgtableError(error) || error.code !== 'EINVAL') throw error;
        refused++;
      }
    }
  },
  'build and look': build,
};

/** Each thread builds in a part of one address space, looks at what the next one built, and takes that out. */
function build<H extends TableHandles>(): void {
  const configuration = configurationOf(name);
  const tables = new FrameTables(frames, configuration.entryBytes);
  const mine = spaceInFrames<H>(configuration, 'user', tables, root);
  // The parts begin after the first entry of the root.
  const piecesOf = (of: number): ReturnType<typeof mine.pieces> => mine.pieces(of);
  const next = (number % crew) + 1;
  for (let round = 0; round < rounds; round++) {
    mine.map(piecesOf(number));
    meet();
    for (let other = 1; other <= crew; other++) wrong.push(...mine.wrong(piecesOf(other)));
    meet();
    for (const address of mine.unmap(piecesOf(next))) {
      frames.freePages(address / frames.pageBytes);
      got++;
    }
    meet();
  }
}

meet();
roles[role]();
threads.leave(thread);
const done: Done = { got, refused, wrong };
parentPort?.postMessage(done);
