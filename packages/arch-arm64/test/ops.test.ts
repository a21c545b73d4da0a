import {
  checkedContext, FlushLedger, isPgtableError, MmuGather, NO_TLB, TableMemory, VmFlags, type AliasHandles, type EntryPtr, type FlushRange, type HwHandle, type MmContext,
  type PteVal, type StrongHandles, type TableHandles, type UnlinkedTable, type WritableArch,
} from '@pgtable/core';
import type { LevelTable, TableOpsContext } from '@pgtable/core/arch';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arm64Arch, arm64Formats, arm64Geometry, resolveConfig, type Arm64Config, type Arm64Handles } from '../src/index.js';
import { Arm64PteOps } from '../src/ops.js';
import { arm64Values } from '../src/values.js';

const CONT = 1n << 52n;
const DBM = 1n << 51n;
const RDONLY = 1n << 7n;
const AF = 1n << 10n;
const { Read, Write, Shared } = VmFlags;

const GRANULES: readonly (readonly [string, Arm64Config, number])[] = [
  ['4K', { half: 'ttbr0', granule: 4096, vaBits: 48 }, 16],
  ['4K LPA2', { half: 'ttbr0', granule: 4096, vaBits: 52 }, 16],
  ['16K', { half: 'ttbr0', granule: 16384, vaBits: 48 }, 128],
  ['64K LPA', { half: 'ttbr0', granule: 65536, vaBits: 52 }, 32],
];

/** An address space with one table of pages, for addresses from 0, and what was flushed. */
class Space {
  readonly tables: TableMemory;
  readonly arch: WritableArch<Arm64Handles>;
  readonly table: UnlinkedTable<Arm64Handles, 'pte'>;
  readonly flushed: FlushRange[] = [];
  readonly ledger = new FlushLedger();
  readonly mm: MmContext;
  readonly page: bigint;
  readonly granule: number;

  constructor(config: Arm64Config, options: { readonly shared?: boolean; readonly user?: boolean; readonly checked?: boolean } = {}) {
    const { shared = false, user = true, checked = true } = options;
    this.tables = new TableMemory({ shared, entries: 20_000 });
    this.arch = arm64Arch(config, this.tables);
    this.granule = config.granule;
    this.page = BigInt(config.granule);
    this.table = this.arch.newTable('pte', 0x1000_0000, user);
    const plain: MmContext = { user, tlb: { flush: (range) => this.flushed.push(range) }, ledger: this.ledger };
    this.mm = checked ? checkedContext(this.arch, plain) : plain;
  }

  get ops(): WritableArch<Arm64Handles>['ops']['pte'] {
    return this.arch.ops.pte;
  }
  get values(): WritableArch<Arm64Handles>['values']['pte'] {
    return this.arch.values.pte;
  }
  at(index: number): Arm64Handles['pte'] {
    return this.table.entry(index);
  }
  va(index: number): bigint {
    return BigInt(index) * this.page;
  }
  value(pfn: number, flags: number = Shared | Read | Write): PteVal {
    return this.values.ofPfn(pfn, this.arch.vmProt(flags));
  }
  set(index: number, value: PteVal, count = 1): void {
    this.ops.set(this.mm, this.va(index), this.at(index), value, count);
  }
  get(index: number): PteVal {
    return this.ops.get(this.at(index));
  }
  /** What stands in memory. */
  raw(index: number): bigint {
    return this.tables.elements[this.tables.find('pte', 0x1000_0000) + index]!;
  }
  poke(index: number, value: bigint): void {
    this.tables.elements[this.tables.find('pte', 0x1000_0000) + index] = value;
  }
  /** Which of the first entries are contiguous, as ranges. */
  folded(entries: number): string {
    const found: string[] = [];
    for (let at = 0; at < entries; at++) {
      if ((this.raw(at) & CONT) === 0n) continue;
      const start = at;
      while (at < entries && (this.raw(at) & CONT) !== 0n) at++;
      found.push(`${start}-${at}`);
    }
    return found.join(' ');
  }
}

describe.each(GRANULES)('contiguous blocks, %s', (_, config, block) => {
  const filled = (options?: ConstructorParameters<typeof Space>[1]): Space => {
    const space = new Space(config, options);
    space.set(block, space.value(4 * block), block);
    space.flushed.length = 0;
    return space;
  };

  it('are folded by the set that completes them, by break-before-make', () => {
    const space = new Space(config);
    for (let at = 0; at < block; at++) {
      expect(space.folded(block)).toBe('');
      space.set(at, space.value(2 * block + at));
    }
    expect(space.folded(3 * block)).toBe(`0-${block}`);
    expect(space.flushed).toEqual([{ start: 0n, end: space.va(block), level: 'pte', tables: false }]);
    for (let at = 0; at < block; at++) {
      expect(space.get(at)).toBe(space.value(2 * block + at));
      expect(space.ops.getOnce(space.at(at))).toBe(space.value(2 * block + at));
      expect(space.ops.getLockless(space.at(at))).toBe(space.value(2 * block + at));
    }
  });

  it('are not folded where they may not be', () => {
    const cases: readonly ((space: Space, at: number) => PteVal)[] = [
      (space, at) => space.values.mkspecial(space.value(2 * block + at)),
      (space, at) => space.value(2 * block + at + 1),
      (space, at) => space.value(2 * block + (at === 3 ? 0 : at)),
      (space, at) => space.value(2 * block + at, at === 3 ? Read : Shared | Read | Write),
      (space, at) => (at === 3 ? space.values.ofSwap(1, 5n) : space.value(2 * block + at)),
      (space, at) => space.value(2 * block + at, 0),
    ];
    for (const make of cases) {
      const space = new Space(config);
      for (let at = 0; at < block; at++) space.set(at, make(space, at));
      expect(space.folded(block)).toBe('');
      expect(space.flushed).toEqual([]);
    }
    const kernel = new Space(config, { user: false });
    for (let at = 0; at < block; at++) kernel.set(at, kernel.value(2 * block + at));
    kernel.set(block, kernel.value(3 * block), block);
    expect(kernel.folded(2 * block)).toBe('');
  });

  it('are written by a set of many, where address and frame are aligned alike', () => {
    const space = new Space(config);
    space.set(block - 3, space.value(8 * block - 3), 2 * block + 5);
    expect(space.folded(4 * block)).toBe(`${block}-${3 * block}`);
    for (let at = 0; at < 2 * block + 5; at++) expect(space.get(block - 3 + at)).toBe(space.value(8 * block - 3 + at));
    expect(space.flushed).toEqual([]);

    const shifted = new Space(config);
    shifted.set(0, shifted.value(8 * block + 1), 2 * block);
    shifted.set(3 * block + 1, shifted.value(12 * block + 1), 2);
    shifted.set(4 * block, shifted.value(0, 0), block);
    shifted.set(5 * block, shifted.values.ofSwap(2, 77n), block);
    expect(shifted.folded(6 * block)).toBe('');
    expect(shifted.get(6 * block - 1)).toBe(shifted.values.ofSwap(2, 77n));
    expect(shifted.get(5 * block - 1)).toBe(shifted.value(block - 1, 0));
  });

  it('share young and dirty', () => {
    const space = filled();
    for (let at = block; at < 2 * block; at++) space.poke(at, space.raw(at) & ~AF);
    expect(space.values.young(space.get(block))).toBe(false);
    space.poke(block + 2, (space.raw(block + 2) | AF) & ~RDONLY);
    const value = space.get(block + 7);
    expect([space.values.young(value), space.values.dirty(value)]).toEqual([true, true]);
    const once = space.ops.getOnce(space.at(block + 7));
    expect([space.values.young(once), space.values.dirty(once), once & CONT]).toEqual([false, false, 0n]);
    expect(space.ops.getLockless(space.at(block + 7))).toBe(value);
  });

  it('are unfolded where one entry is to differ', () => {
    const change: readonly ((space: Space) => void)[] = [
      (space) => void space.ops.getAndClear(space.mm, space.va(block + 3), space.at(block + 3)).flush(),
      (space) => {
        space.ops.clear(space.mm, space.va(block + 3), space.at(block + 3), 1).flush();
      },
      (space) => {
        space.ops.clear(space.mm, space.va(block + 3), space.at(block + 3), block - 3).flush();
      },
      (space) => void space.ops.getAndClearFull(space.mm, space.va(block), space.at(block), 5).flush(),
      (space) => {
        space.ops.wrprotect(space.mm, space.va(block + 3), space.at(block + 3), 2).flush();
      },
      (space) => void space.ops.establish(space.mm, space.va(block + 3), space.at(block + 3), space.value(4 * block + 3, Read)).flush(),
      (space) => void space.ops.modifyProtStart(space.mm, space.va(block + 3), space.at(block + 3)),
      (space) => {
        space.set(block + 3, space.value(4 * block + 3, Read));
      },
    ];
    for (const make of change) {
      const space = filled();
      space.poke(block + 5, space.raw(block + 5) & ~RDONLY);
      make(space);
      expect(space.folded(3 * block)).toBe('');
      expect(space.flushed[0]).toEqual({ start: space.va(block), end: space.va(2 * block), level: 'pte', tables: false });
      // The mark of the block is of all its entries from now on.
      const rest = space.get(2 * block - 1);
      if (!space.values.none(rest)) expect([space.values.dirty(rest), space.values.pfn(rest)]).toEqual([true, 5 * block - 1]);
      space.ledger.close();
    }
  });

  it('are taken out and protected as a whole without', () => {
    const space = filled();
    space.poke(block + 5, space.raw(block + 5) & ~RDONLY);
    const protect = space.ops.wrprotect(space.mm, space.va(block), space.at(block), block);
    expect(protect.owed).toBe(true);
    protect.flush();
    expect(space.folded(3 * block)).toBe(`${block}-${2 * block}`);
    expect(space.flushed).toHaveLength(1);
    for (let at = block; at < 2 * block; at++) expect(space.raw(at) & (DBM | RDONLY)).toBe(RDONLY);
    expect(space.values.dirty(space.get(block))).toBe(true);
    const first = space.ops.getAndClearFull(space.mm, space.va(block), space.at(block), block);
    expect(first.owed).toBe(true);
    expect(first.flush()).toBe(space.values.mkdirty(space.value(4 * block, Read)));
    for (let at = block; at < 2 * block; at++) expect(space.raw(at)).toBe(0n);
  });

  it('become old as a whole', () => {
    const space = filled();
    const promise = space.ops.testAndClearYoung(space.mm, space.va(block + 3), space.at(block + 3), 2);
    const gather = new MmuGather(space.mm);
    expect(promise.gather(gather)).toBe(true);
    expect(gather.pending).toEqual([{ start: space.va(block), end: space.va(2 * block), level: 'pte', tables: false }]);
    gather.finish();
    for (let at = block; at < 2 * block; at++) expect(space.raw(at) & (AF | CONT)).toBe(CONT);
    const again = space.ops.testAndClearYoung(space.mm, space.va(block + 3), space.at(block + 3), 1);
    expect(again.owed).toBe(false);
    expect(again.flush()).toBe(false);
  });

  it('are given access flags as a whole, and unfolded to make one writable', () => {
    const space = filled();
    space.ops.testAndClearYoung(space.mm, space.va(block), space.at(block), block).flush();
    const young = space.ops.setAccessFlags(space.mm, space.va(block + 3), space.at(block + 3), space.value(4 * block + 3));
    expect(young.owed).toBe(true);
    expect(young.flush()).toBe(true);
    for (let at = block; at < 2 * block; at++) expect(space.raw(at) & (AF | CONT)).toBe(AF | CONT);
    const same = space.ops.setAccessFlags(space.mm, space.va(block + 3), space.at(block + 3), space.value(4 * block + 3));
    expect([same.owed, same.flush()]).toEqual([false, false]);
    space.ops.wrprotect(space.mm, space.va(block), space.at(block), block).flush();
    const write = space.values.mkdirty(space.value(4 * block + 3));
    expect(space.ops.setAccessFlags(space.mm, space.va(block + 3), space.at(block + 3), write).flush()).toBe(true);
    expect(space.folded(3 * block)).toBe('');
    expect([space.get(block + 3), space.get(block + 4)]).toEqual([write, space.value(4 * block + 4, Read)]);
  });

  it('are unfolded and folded again by a change of protection', () => {
    const space = filled();
    for (let at = block; at < 2 * block; at++) {
      const old = space.ops.modifyProtStart(space.mm, space.va(at), space.at(at));
      space.ops.modifyProtCommit(space.mm, space.va(at), space.at(at), old, space.values.modify(old, space.arch.vmProt(Read))).flush();
      expect(space.folded(3 * block)).toBe(at === 2 * block - 1 ? `${block}-${2 * block}` : '');
    }
    expect(space.get(block + 1)).toBe(space.value(4 * block + 1, Read));
  });

  it('count as a batch', () => {
    const space = new Space(config);
    space.set(0, space.value(2 * block), 3 * block);
    const whole = space.get(0);
    expect(space.ops.batch(space.at(0), whole, 3 * block + 4, {})).toBe(3 * block);
    expect(space.ops.batch(space.at(5), space.get(5), block, {})).toBe(block);
    space.ops.getAndClear(space.mm, space.va(2 * block + 5), space.at(2 * block + 5)).flush();
    expect(space.ops.batch(space.at(1), space.get(1), 400, {})).toBe(2 * block + 4);
    space.poke(block + 1, space.raw(block + 1) & ~RDONLY);
    expect(space.ops.batch(space.at(1), space.get(1), 400, {})).toBe(block - 1);
    expect(space.ops.batch(space.at(1), space.get(1), 400, { dirty: true })).toBe(2 * block + 4);
  });

  it('are read without a lock only where they are whole', () => {
    const resolved = resolveConfig(config);
    const geometry = arm64Geometry(resolved);
    const formats = arm64Formats(resolved, geometry);
    const context: TableOpsContext = { tables: new TableMemory({ entries: 20_000 }), geometry, formats, values: arm64Values(resolved, geometry, formats) };
    let left = 0;
    let loads = 0;
    /** Another thread is in the middle of making the block, until some reads later. */
    class Torn extends Arm64PteOps<AliasHandles, 'pte'> {
      protected override load(entry: AliasHandles['pte']): PteVal {
        loads++;
        const value = super.load(entry);
        const odd = (entry as number) % block === block - 1;
        return odd && left > 0 && left-- > 0 ? context.values.pte.empty : value;
      }
    }
    const ops = new Torn('pte', resolved, context, {} as LevelTable<AliasHandles>);
    const space = new Space(config);
    const base = context.tables.allocate('pte', 0x1000_0000, 512);
    const mm: MmContext = { user: true, tlb: NO_TLB };
    ops.set(mm, 0n, base as AliasHandles['pte'], space.values.mkold(space.value(2 * block)), block);
    context.tables.elements[base + 1] = context.tables.elements[base + 1]! | AF;
    const whole = ops.getLockless((base + 3) as AliasHandles['pte']);
    expect(whole).toBe(space.value(2 * block + 3));
    left = 3;
    loads = 0;
    expect(ops.getLockless((base + 3) as AliasHandles['pte'])).toBe(whole);
    expect(loads).toBe(4 * (block + 1));
    // In memory that nobody else writes, a block that stays torn is a damaged one, and the entry stands for itself.
    left = 1e6;
    expect(ops.getLockless((base + 3) as AliasHandles['pte'])).toBe(space.values.mkold(space.value(2 * block + 3)));
  });
});

/** One step of a random history. */
const steps = (entries: number): fc.Arbitrary<Step[]> => fc.array(fc.record({
  kind: fc.constantFrom('map', 'map', 'map', 'clear', 'take', 'takeAll', 'old', 'protect', 'access', 'modify', 'swap', 'touch', 'fill', 'establish'),
  index: fc.oneof(fc.integer({ min: 0, max: entries - 1 }), fc.integer({ min: 0, max: 11 }).map((part) => Math.floor((part * entries) / 12))),
  count: fc.oneof(fc.integer({ min: 1, max: entries }), fc.constantFrom(1, Math.floor(entries / 3))),
  shift: fc.constantFrom(0, 0, 0, 1),
  write: fc.boolean(), young: fc.boolean(), dirty: fc.boolean(),
}), { minLength: 1, maxLength: 25 });

interface Step {
  readonly kind: 'map' | 'clear' | 'take' | 'takeAll' | 'old' | 'protect' | 'access' | 'modify' | 'swap' | 'touch' | 'fill' | 'establish';
  readonly index: number;
  readonly count: number;
  readonly shift: number;
  readonly write: boolean;
  readonly young: boolean;
  readonly dirty: boolean;
}

/** What an entry is to whoever asks: nothing, swap, or a page. */
type Model = { swap: number } | { pfn: number; write: boolean; dirty: boolean } | undefined;

/** Does a step; every stale translation is flushed at once. Returns what the step returned. */
function run(space: Space, model: Model[], step: Step): unknown {
  const { ops, values, mm } = space;
  const { index, kind } = step;
  const count = Math.min(step.count, model.length - index);
  const entry = space.at(index);
  const va = space.va(index);
  const first = model[index];
  const isPage = (at: number): boolean => model[at] !== undefined && 'pfn' in model[at];
  let value = space.value(4096 + index + step.shift, step.write ? Shared | Read | Write : Read);
  if (!step.young) value = values.mkold(value);
  if (step.dirty) value = values.mkdirty(value);
  const map = (at: number, times: number, what: PteVal): void => {
    ops.clear(mm, space.va(at), space.at(at), times).flush();
    space.set(at, what, times);
    for (let i = 0; i < times; i++) model[at + i] = { pfn: values.pfn(what) + i, write: step.write, dirty: step.dirty };
  };
  switch (kind) {
    case 'map':
      map(index, count, value);
      return undefined;
    case 'fill':
      for (let i = 0; i < count; i++) map(index + i, 1, values.advancePfn(value, i));
      return undefined;
    case 'swap':
      ops.clear(mm, va, entry, count).flush();
      space.set(index, values.ofSwap(1, 9n), count);
      model.fill({ swap: 9 }, index, index + count);
      return undefined;
    case 'clear':
      model.fill(undefined, index, index + count);
      ops.clear(mm, va, entry, count).flush();
      return undefined;
    case 'take':
      model[index] = undefined;
      return ops.getAndClear(mm, va, entry).flush();
    default:
  }
  if (first === undefined || !('pfn' in first)) return undefined;
  // The rest is for present entries, and for runs of them.
  const present = ops.batch(entry, ops.get(entry), count, { dirty: true });
  for (let i = 0; i < present; i++) expect(isPage(index + i)).toBe(true);
  switch (kind) {
    case 'takeAll':
      model.fill(undefined, index, index + present);
      return ops.getAndClearFull(mm, va, entry, present).flush();
    case 'old': {
      const young = ops.testAndClearYoung(mm, va, entry, present).flush();
      for (let i = 0; i < present; i++) expect(values.young(space.get(index + i))).toBe(false);
      return young;
    }
    case 'protect':
      for (let i = 0; i < present; i++) model[index + i] = { ...(model[index + i] as typeof first), write: false };
      ops.wrprotect(mm, va, entry, present).flush();
      return undefined;
    case 'access': {
      let wanted = step.write ? values.mkwrite(space.get(index)) : space.get(index);
      if (step.dirty) wanted = values.mkdirty(wanted);
      model[index] = { ...first, write: first.write || step.write, dirty: first.dirty || step.dirty };
      return ops.setAccessFlags(mm, va, entry, values.mkyoung(wanted)).flush();
    }
    case 'modify': {
      const old = ops.modifyProtStart(mm, va, entry);
      ops.modifyProtCommit(mm, va, entry, old, values.modify(old, space.arch.vmProt(step.write ? Shared | Read | Write : Read))).flush();
      model[index] = { ...first, write: step.write };
      return old;
    }
    case 'establish':
      model[index] = { ...first, write: false };
      return ops.establish(mm, va, entry, values.wrprotect(space.get(index))).flush();
    case 'touch': {
      // What the hardware does on an access: the entry is young, and dirty if it was a write.
      const raw = space.raw(index);
      const wrote = step.dirty && (raw & DBM) !== 0n;
      space.poke(index, (raw | AF) & (wrote ? ~RDONLY : -1n));
      if (wrote) model[index] = { ...first, dirty: true };
      return undefined;
    }
    default:
      throw new Error(kind);
  }
}

/** Each contiguous block is whole: all its entries, aligned, alike but for young and dirty. */
function expectWholeBlocks(space: Space, entries: number, block: number): void {
  const strip = (value: bigint): PteVal => space.values.mkold(space.values.mkclean(value as PteVal));
  for (let start = 0; start < entries; start += block) {
    const contiguous = Array.from({ length: block }, (_, i) => (space.raw(start + i) & CONT) !== 0n && (space.raw(start + i) & 1n) !== 0n);
    if (!contiguous.includes(true)) continue;
    const first = strip(space.raw(start));
    expect(space.values.pfn(first) % block).toBe(0);
    for (let i = 0; i < block; i++) expect(strip(space.raw(start + i))).toBe(space.values.advancePfn(first, i));
  }
}

describe.each(GRANULES)('random histories, %s', (name, config, block) => {
  const entries = 3 * block;
  const numRuns = name.startsWith('4K') ? 60 : 12;

  it('never break the rule of break-before-make, and keep what a plain model keeps', () => {
    fc.assert(fc.property(steps(entries), (history) => {
      const space = new Space(config);
      const model: Model[] = new Array<Model>(entries).fill(undefined);
      for (const step of history) run(space, model, step);
      expectWholeBlocks(space, entries, block);
      const { values } = space;
      const anyDirty = (at: number): boolean => model.slice(at - (at % block), at - (at % block) + block).some((entry) => entry !== undefined && 'pfn' in entry && entry.dirty);
      model.forEach((entry, at) => {
        const value = space.get(at);
        expect(value).toBe(space.ops.getLockless(space.at(at)));
        if (entry === undefined) expect(value).toBe(0n);
        else if ('swap' in entry) expect(values.swapOffset(value)).toBe(9n);
        else {
          expect([values.present(value), values.pfn(value), values.write(value), (value & CONT) !== 0n]).toEqual([true, entry.pfn, entry.write, false]);
          // Dirty is never lost; a neighbour's may have become this one's while they were one block.
          if (entry.dirty) expect(values.dirty(value)).toBe(true);
          else if (history.every(({ dirty }) => !dirty)) expect([values.dirty(value), anyDirty(at)]).toEqual([false, false]);
        }
      });
      space.ledger.close();
    }), { numRuns });
  });

  it('are the same with loops over words, entry by entry, and in shared memory', () => {
    fc.assert(fc.property(steps(entries), (history) => {
      const spaces = [new Space(config, { checked: false }), new Space(config), new Space(config, { shared: true, checked: false })];
      const models = spaces.map(() => new Array<Model>(entries).fill(undefined));
      for (const step of history) {
        const [loops, ...others] = spaces.map((space, i) => run(space, models[i]!, step));
        for (const other of others) expect(other).toEqual(loops);
      }
      const [loops, ...others] = spaces.map((space) => Array.from({ length: entries }, (_, at) => space.raw(at)));
      for (const other of others) expect(other).toEqual(loops);
      expect(spaces[1]!.flushed).toEqual(spaces[0]!.flushed);
      expect(spaces[2]!.flushed).toEqual(spaces[0]!.flushed);
    }), { numRuns: Math.ceil(numRuns / 2) });
  });

  it('of batches are those of single entries', () => {
    fc.assert(fc.property(steps(entries), fc.constantFrom('clear', 'takeAll', 'old', 'protect'), fc.integer({ min: 0, max: entries - 1 }), (history, kind, index) => {
      const [batch, single] = [new Space(config), new Space(config)] as const;
      for (const space of [batch, single]) {
        const model: Model[] = new Array<Model>(entries).fill(undefined);
        for (const step of history) run(space, model, step);
      }
      const count = kind === 'clear' ? entries - index : batch.values.present(batch.get(index)) ? batch.ops.batch(batch.at(index), batch.get(index), entries - index, { dirty: true }) : 0;
      fc.pre(count > 0);
      const act = (space: Space, at: number, times: number): bigint | boolean | undefined => {
        const place = [space.mm, space.va(at), space.at(at), times] as const;
        switch (kind) {
          case 'clear':
            space.ops.clear(...place).flush();
            return undefined;
          case 'takeAll':
            return space.values.dirty(space.ops.getAndClearFull(...place).flush());
          case 'old':
            return space.ops.testAndClearYoung(...place).flush();
          case 'protect':
            space.ops.wrprotect(...place).flush();
            return undefined;
        }
      };
      const together = act(batch, index, count);
      const apart = Array.from({ length: count }, (_, i) => act(single, index + i, 1));
      expect(together ?? false).toBe(apart.some((result) => result === true));
      expect(Array.from({ length: entries }, (_, at) => batch.get(at))).toEqual(Array.from({ length: entries }, (_, at) => single.get(at)));
    }), { numRuns: Math.ceil(numRuns / 2) });
  });
});

describe('loops over words', () => {
  const config = GRANULES[0]![1];
  // Valid 0, RDONLY 7, AF 10, nG or present-invalid 11, DBM 51, DIRTY 55: every combination, in two entries of one frame each.
  const states = Array.from({ length: 64 }, (_, at) => [0n, 7n, 10n, 11n, 51n, 55n].reduce((word, place, i) => word | (BigInt((at >> i) & 1) << place), 2n));
  const spaces = (): Space[] => [new Space(config, { checked: false }), new Space(config), new Space(config, { shared: true, checked: false })];

  it.each(states.map((state) => [state.toString(16), state] as const))('do to %s what is done to entries one by one', (_, state) => {
    const protect = spaces().map((space) => {
      space.poke(5, state | 0x1000n);
      space.poke(6, 0x2000_0000_0000_2n);
      const promise = space.ops.wrprotect(space.mm, space.va(5), space.at(5), 2);
      const { owed } = promise;
      promise.flush();
      return [owed, space.raw(5), space.raw(6)];
    });
    expect(protect[1]).toEqual(protect[0]);
    expect(protect[2]).toEqual(protect[0]);
    const present = (state & (1n | (1n << 11n))) !== 0n;
    const dirty = (state & (1n << 55n)) !== 0n || ((state & DBM) !== 0n && (state & RDONLY) === 0n);
    expect(protect[0]).toEqual([
      (state & 1n) !== 0n && (state & DBM) !== 0n,
      present ? (state & ~DBM) | RDONLY | (dirty ? 1n << 55n : 0n) | 0x1000n : state | 0x1000n,
      0x2000_0000_0000_2n,
    ]);

    // The first is clean and old; what the second has noted is noted in the result.
    const first = 0x0060_0000_0000_1bc3n & ~AF;
    const taken = spaces().map((space) => {
      space.poke(5, first);
      space.poke(6, state | 0x2000n);
      return [space.ops.getAndClearFull(space.mm, space.va(5), space.at(5), 2).flush(), space.raw(5), space.raw(6)];
    });
    const noted = first | (present && (state & AF) !== 0n ? AF : 0n) | (present && dirty ? 1n << 55n : 0n);
    for (const result of taken) expect(result).toEqual([noted, 0n, 0n]);
  });
});

describe('promises', () => {
  const config = GRANULES[0]![1];

  it('are owed where a translation can be stale, and not elsewhere', () => {
    const space = new Space(config);
    const place = [space.mm, space.va(1), space.at(1)] as const;
    expect(space.ops.clear(...place, 3).owed).toBe(false);
    space.set(1, space.values.ofSwap(1, 1n));
    expect(space.ops.getAndClear(...place).owed).toBe(false);
    space.set(1, space.value(1, Read));
    expect(space.ops.wrprotect(...place, 1).owed).toBe(false);
    const taken = space.ops.getAndClear(...place);
    expect(taken.owed).toBe(true);
    expect(space.ledger.dropped()).toHaveLength(1);
    taken.flush();
    space.set(1, space.value(1, 0));
    expect(space.ops.getAndClear(...place).owed).toBe(false);
    space.ledger.close();
  });

  it('and an illegal change of a live entry is refused', () => {
    const space = new Space(config);
    space.set(1, space.value(1));
    const { ops, mm } = space;
    expect(() => ops.establish(mm, space.va(1), space.at(1), space.value(2))).toThrow('break-before-make');
    ops.clear(mm, space.va(1), space.at(1), 1).ignore('to see that this is wrong');
    expect(() => {
      space.set(1, space.value(2));
    }).toThrow('break-before-make');
    expect(ops.establish(mm, space.va(2), space.at(2), space.value(2)).owed).toBe(false);
  });
});

describe.each(GRANULES)('HugeTLB, %s', (_, config) => {
  it.each(arm64Arch(config, new TableMemory()).hugePages.map(({ bytes, level, count }) => [`${bytes / 1024}K`, level, count] as const))('%s', (_size, level, count) => {
    // All three levels have the same methods, and the test is about one of them at a time.
    if (level !== 'pte' && level !== 'pmd' && level !== 'pud') expect.unreachable();
    for (const shared of [false, true]) {
      const tables = new TableMemory({ shared, entries: 40_000 });
      const arch = arm64Arch<AliasHandles>(config, tables);
      const name = level as 'pmd';
      const values = arch.values[name];
      const ops = arch.ops[name];
      const table = arch.newTable(name, 0x1000_0000, true);
      const flushed: FlushRange[] = [];
      const ledger = new FlushLedger();
      const mm = checkedContext(arch, { user: true, tlb: { flush: (range) => flushed.push(range) }, ledger });
      const { shift } = arch.geometry.levels.find((geometry) => geometry.level === level)!;
      const entry = table.entry(count);
      const va = BigInt(count) << BigInt(shift);
      const range = { start: va, end: va * 2n, level, tables: false };
      const pages = 2 ** (shift - Math.log2(config.granule));
      const value = values.mkgroup(values.ofPfn(4 * count * pages, arch.vmProt(Shared | Read | Write)), count);
      const raw = (at: number): bigint => tables.elements[(entry as number) + at]!;

      ops.hugeSet(mm, va, entry, value, count);
      expect(flushed).toEqual([]);
      for (let at = 0; at < count; at++) expect(raw(at)).toBe(values.advancePfn(value, at));
      expect(ops.hugeGet(entry, count)).toBe(value);
      expect((value & CONT) !== 0n).toBe(count > 1);

      tables.elements[(entry as number) + count - 1] = raw(count - 1) & ~RDONLY;
      expect(values.dirty(ops.hugeGet(entry, count))).toBe(true);
      const protect = ops.hugeWrprotect(mm, va, entry, count);
      expect(protect.owed).toBe(count === 1);
      protect.flush();
      expect(flushed).toEqual([range]);
      const clean = values.mkdirty(values.wrprotect(value));
      for (let at = 0; at < count; at++) expect(raw(at)).toBe(values.advancePfn(clean, at));

      expect(ops.hugeSetAccessFlags(mm, va, entry, clean, count).flush()).toBe(false);
      expect(ops.hugeSetAccessFlags(mm, va, entry, values.mkwrite(clean), count).flush()).toBe(true);
      expect(flushed).toEqual([range, range]);
      expect(ops.hugeGet(entry, count)).toBe(values.mkdirty(value));
      if (count > 1) {
        // Over a live group: broken first.
        ops.hugeSet(mm, va, entry, values.advancePfn(value, count), count);
        expect(flushed).toHaveLength(3);
      }
      const old = ops.hugeGetAndClear(mm, va, entry, count);
      expect(old.owed).toBe(true);
      expect(old.flush()).toBe(count > 1 ? values.advancePfn(value, count) : values.mkdirty(value));
      for (let at = 0; at < count; at++) expect(raw(at)).toBe(0n);
      ops.hugeSet(mm, va, entry, values.ofSwap(24, 5n), count);
      for (let at = 0; at < count; at++) expect(raw(at)).toBe(values.ofSwap(24, 5n));
      expect(ops.hugeGet(entry, count)).toBe(values.ofSwap(24, 5n));
      ledger.close();
    }
  });
});

/** Some levels opaque, others not. */
interface MixedHandles {
  pte: EntryPtr<'pte'>;
  pmd: HwHandle<'pmd'>;
  pud: EntryPtr<'pud'>;
  p4d: HwHandle<'p4d'>;
  pgd: HwHandle<'pgd'>;
}

/** Builds and takes apart the tables for one page. */
function buildTables<H extends TableHandles>(arch: WritableArch<H>, user: boolean): void {
  const mm: MmContext = { user, tlb: NO_TLB, ledger: new FlushLedger() };
  const pmds = arch.newTable('pmd', 0x2000_0000, user);
  const ptes = arch.newTable('pte', 0x3000_0000, user);
  for (let at = 0; at < ptes.entries; at++) expect(ptes.get(at)).toBe(0n);
  ptes.set(0, arch.values.pte.ofPfn(512, arch.vmProt(Read)), 64);
  ptes.set(3, arch.values.pte.empty);
  expect(ptes.get(3)).toBe(0n);
  const pmdp = pmds.entry(5);
  const address = 5n << 21n;
  arch.ops.pmd.populate(mm, address, pmdp, ptes);
  expect(arch.ops.pmd.get(pmdp)).toBe(arch.values.pmd.ofTable(0x3000_0000, user));
  expect(ptes.live).toBe(true);
  expect(() => ptes.get(0)).toThrow('live');
  expect(() => {
    arch.freeTable(ptes);
  }).toThrow('live');
  expect(() => {
    arch.ops.pmd.populate(mm, address, pmdp, arch.newTable('pte', 0x3001_0000, user));
  }).toThrow('not empty');
  const ptep = arch.ops.pmd.offset(pmdp, address + 0x2000n)!;
  expect(arch.values.pte.pfn(arch.ops.pte.get(ptep))).toBe(514);
  const promise = arch.ops.pmd.unlink(mm, address, pmdp);
  expect(promise.owed).toBe(true);
  const table = promise.flush();
  expect([table.level, table.address, arch.ops.pmd.get(pmdp)]).toEqual(['pte', 0x3000_0000, 0n]);
  expect(table.get(4)).toBe(arch.values.pte.ofPfn(516, arch.vmProt(Read)));
  arch.freeTable(table);
  const again = arch.newTable('pte', 0x3000_0000, user);
  for (let at = 0; at < again.entries; at++) expect(again.get(at)).toBe(0n);
  expect(() => arch.ops.pmd.unlink(mm, address, pmdp)).toThrow('points to no table');
  mm.ledger!.close();
}

describe('tables', () => {
  const config: Arm64Config = { half: 'ttbr0', granule: 4096, vaBits: 39 };

  it.each([true, false])('are made, linked, taken out and given back, whatever handles are (shared: %s)', (shared) => {
    const memory = (): TableMemory => new TableMemory({ shared, entries: 10_000 });
    for (const user of [true, false]) {
      buildTables(arm64Arch(config, memory()), user);
      buildTables(arm64Arch<AliasHandles>(config, memory()), user);
      buildTables(arm64Arch<StrongHandles>(config, memory()), user);
      buildTables(arm64Arch<MixedHandles>(config, memory()), user);
    }
  });

  it('are refused where they cannot be', () => {
    const arch = arm64Arch<StrongHandles>(config, new TableMemory());
    for (const make of [() => arch.newTable('pud', 0x1000, true), () => arch.newTable('pte', 0x1800, true), () => arch.newTable('pte', -4096, true)]) {
      try {
        make();
        expect.unreachable();
      } catch (error) {
        expect(isPgtableError(error) && error.code).toBe('EINVAL');
      }
    }
    expect(arch.newTable('pgd', 0x4000, true).entries).toBe(512);
  });

  it('of older kernels are changed entry by entry', () => {
    const space = new Space({ ...config, release: '6.1.0' }, { checked: false });
    space.set(0, space.values.mkdirty(space.value(16)), 16);
    space.set(16, space.value(1, 0));
    space.ops.wrprotect(space.mm, 0n, space.at(0), 17).flush();
    expect(space.values.protnone(space.get(16))).toBe(true);
    expect(space.ops.getAndClearFull(space.mm, 0n, space.at(0), 16).flush()).toBe(space.values.mkdirty(space.value(16, Read)));
  });
});
