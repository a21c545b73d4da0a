import type { TableHandles } from '@pgtable/core';
import { currentThread, FrameWord, MmCounter, vmallocAttach, type Kernel } from '../../../packages/mm/src/index.js';
import { audit } from './audit.js';
import { setJitter } from './jitter.js';
import { Ground } from './ground.js';
import { KernelAreas } from './kernel-areas.js';
import { configurationOf } from './machines.js';
import { Meeting } from './meeting.js';
import { Memory } from './memory.js';
import { note, Stat, type Orders } from './orders.js';
import { Probes } from './probes.js';
import { Random } from '../../random.js';
import { SharedMemory } from './shared-words.js';
import { Window } from './window.js';

/** What a thread may do next, and how often compared with the others. */
const WEIGHTS = {
  'map': 4, 'unmap': 2, 'protect': 3, 'move': 3, 'resize': 2, 'dontneed': 2, 'advise': 2, 'marks': 2, 'collapse': 5, 'write': 10, 'fill': 4, 'read': 6, 'gup': 6, 'fork': 2, 'exit': 2, 'policy': 1,
  'shared add': 12, 'shared add, locked': 6, 'shared look': 6, 'shared collapse': 6, 'shared mprotect': 4, 'shared marks': 2, 'shared drop': 2, 'shared advise': 1, 'shared pin': 5, 'shared retract': 3,
  'ground pin': 9, 'ground touch': 3, 'ground drop': 7, 'ground remap': 3, 'ground fork': 1, 'ground collapse': 2,
  'vmalloc': 1, 'vfree': 1, 'set_memory': 2, 'ptdump': 1,
  // Where memory is scarce.
  'take memory': 12,
} as const satisfies Readonly<Record<string, number>>;

type Operation = keyof typeof WEIGHTS;

/** Names of operations, by the number that the log has. */
// Written above.
export const OPERATIONS = Object.keys(WEIGHTS) as readonly Operation[];

function lotOf(scarce: boolean): readonly Operation[] {
  return OPERATIONS.filter((name) => scarce || name !== 'take memory').flatMap((name) => Array.from({ length: WEIGHTS[name] }, () => name));
}

/** One thread of a round: does random operations until the round is over, and compares everything when all threads have met. */
export class SoakThread {
  private readonly kernel: Kernel<TableHandles>;
  private readonly orders: Orders;
  private readonly meeting: Meeting;
  private readonly random: Random;
  /** Another one, so that what is done is the same with pauses and without. */
  private readonly pauses: Random;
  private readonly probes: Probes;
  private readonly window: Window;
  private readonly shared: SharedMemory;
  private readonly areas: KernelAreas;
  private readonly ground: Ground;
  private readonly memory: Memory;
  private readonly lot: readonly Operation[];

  constructor(kernel: Kernel<TableHandles>, orders: Orders) {
    this.kernel = kernel;
    this.orders = orders;
    vmallocAttach(kernel, orders.areas);
    this.meeting = new Meeting(orders.control, orders.threads);
    this.random = new Random(Math.imul(orders.seed, 0x9e37_79b1) + orders.number);
    this.pauses = new Random(~orders.seed - orders.number);
    this.probes = new Probes(orders.stats, orders.number);
    this.probes.watchKernel(kernel);
    this.lot = lotOf(orders.scarce);
    const memory = new Memory(kernel, this.random, this.probes, orders.scarce);
    this.memory = memory;
    this.window = new Window(kernel, orders, this.random, this.probes, memory);
    this.shared = new SharedMemory(kernel, orders, this.random, this.probes, memory);
    this.ground = new Ground(kernel, orders, this.random, this.probes, memory);
    this.areas = new KernelAreas(kernel, this.random, configurationOf(orders.configuration).executeAlways, memory);
  }

  /** @throws whatever is wrong; Abandoned if another thread found something */
  run(): void {
    const { orders, meeting, kernel } = this;
    for (let meetings = 1; !meeting.stopped; meetings++) {
      // With pauses every second time: they find what is a few instructions wide, and much less is done.
      setJitter(meetings % 2 === 1 ? this.pauses : undefined);
      for (let count = 0; count < orders.batch; count++) {
        meeting.check();
        this.step();
      }
      setJitter(undefined);
      this.rest(meetings >= orders.meetings || Date.now() >= orders.until);
    }
    this.window.close();
    this.areas.close();
    kernel.rcu.barrier();
    meeting.wait();
    kernel.leave();
  }

  private step(): void {
    this.memory.tick();
    const name = this.random.pick(this.lot);
    const range = this.window.range();
    const number = OPERATIONS.indexOf(name);
    note(this.orders.log, number, [range.process.mm.id, range.page, range.pages]);
    this.act(name, range);
    this.probes.add(Stat.Operations);
    this.probes.add(Stat.Deferred, this.kernel.rcu.poll());
  }

  private act(name: Operation, range: ReturnType<Window['range']>): void {
    const { window, shared, areas, ground } = this;
    switch (name) {
      case 'map': case 'unmap': case 'protect': case 'move': case 'resize': case 'dontneed': case 'advise': case 'marks': case 'collapse': case 'write': case 'fill': case 'read': case 'gup': case 'fork':
        window[name](range);
        break;
      case 'exit': window.exit(); break;
      case 'policy': window.policy(); break;
      case 'shared add': shared.add(); break;
      case 'shared add, locked': shared.addLocked(); break;
      case 'shared look': shared.look(); break;
      case 'shared collapse': shared.collapse(); break;
      case 'shared mprotect': shared.protect(); break;
      case 'shared marks': shared.marks(); break;
      case 'shared drop': shared.drop(); break;
      case 'shared advise': shared.advise(); break;
      case 'shared pin': shared.pin(); break;
      case 'shared retract': shared.retractAll(); break;
      case 'ground pin': ground.pin(); break;
      case 'ground touch': ground.touch(); break;
      case 'ground drop': ground.drop(); break;
      case 'ground remap': ground.remap(); break;
      case 'ground fork': ground.fork(); break;
      case 'ground collapse': ground.collapse(); break;
      case 'vmalloc': areas.alloc(); break;
      case 'vfree': areas.free(); break;
      case 'set_memory': areas.change(); break;
      case 'ptdump': areas.list(); break;
      case 'take memory': this.memory.take(); break;
    }
  }

  /** All threads stop, and everything is compared: what each knows of its own memory, what all have added, and then what one counts anew. @param last the round is over */
  private rest(last: boolean): void {
    const { meeting, orders } = this;
    note(orders.log, -1, []);
    this.memory.giveBack();
    this.areas.settle();
    // Of this thread: what it promised it has done.
    this.kernel.ledger?.close();
    currentThread().lockdep?.assertNoneHeld('the end of an operation');
    this.sabotage();
    // Two threads that take rights away at the same time would leave those of the later one: nobody does so now.
    meeting.wait();
    this.window.compare();
    this.areas.compare();
    if (orders.number === 0) {
      if (orders.scarce) this.shared.restore();
      this.shared.compare();
      this.ground.compare();
    }
    meeting.wait();
    if (orders.number === 0) {
      const wrong = audit(this.kernel, this.orders.mms, orders.mappings.length);
      if (wrong.length > 0) throw new Error(`what all tables say together is not what is said of it:\n  ${wrong.join('\n  ')}`);
      this.probes.add(Stat.Quiescent);
      if (last) meeting.stop();
    }
    meeting.wait();
  }

  /** Does what a test of the soak wants to be found. */
  private sabotage(): void {
    const { kernel: { frames, zeroPfn }, orders } = this;
    const [process] = this.window.processes;
    if (orders.number !== 0 || orders.sabotage === undefined || process === undefined) return;
    if (orders.sabotage === 'hang') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    const { mm } = process;
    if (orders.sabotage === 'wrong counter') mm.addCounter(MmCounter.AnonPages, 1);
    const pfn = process.cells.map((cell, at) => (cell?.own !== undefined && process.allows(at, true) ? process.frameOf(at) : undefined)).find((one) => one !== undefined && one !== zeroPfn);
    if (pfn === undefined) return;
    if (orders.sabotage === 'leak') frames.get(pfn);
    if (orders.sabotage === 'mapcount') frames.add(pfn, FrameWord.Mapcount, 1);
    if (orders.sabotage === 'stray') frames.zero(pfn);
  }
}
