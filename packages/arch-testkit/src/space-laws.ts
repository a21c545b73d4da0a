import fc from 'fast-check';
import {
  Access, checkedContext, FlushLedger, isPgtableError, MmuGather, type FlushPromise, type FlushRange, type HandleFamily, type HugePage, type Level, type MmContext, type Prot, type Tlb,
} from '@pgtable/core';
import { RunKind, Translator, walkRuns } from '@pgtable/walk';
import { forAll, law, must, NotApplicable, type Law } from './law.js';
import { Machine, type AnyVal, type TablePointer, type Translated } from './machine.js';
import { at, CELLS, SPAN, stretch, type Stretch } from './table-laws.js';

/* Laws of whole address spaces: that no stale translation survives a flush, and that what is mapped is what is found. */

const WRITE = Access.UserWrite | Access.KernelWrite;

/** A TLB that caches all it is shown, forgets what it is told to and nothing more. */
class ModelTlb<H extends HandleFamily> implements Tlb {
  private readonly machine: Machine<H>;
  private translations: Translated[] = [];
  private pointers: TablePointer[] = [];

  constructor(machine: Machine<H>) {
    this.machine = machine;
  }

  /** Caches how an address is translated now, and the table entries on the way. */
  use(address: bigint): void {
    const way: TablePointer[] = [];
    const found = this.machine.translate(address, way);
    if (found !== undefined) this.translations.push(found);
    this.pointers.push(...way);
  }

  flush({ start, end, tables }: FlushRange): void {
    const outside = (cached: { start: bigint; bytes: bigint }): boolean => cached.start >= end || cached.start + cached.bytes <= start;
    this.translations = this.translations.filter(outside);
    if (tables) this.pointers = this.pointers.filter(outside);
  }

  /** Says that nothing cached maps elsewhere, or allows more, than the tables say now; then forgets all. */
  mustAgree(what: string): void {
    for (const old of this.translations) {
      for (const address of [old.start, old.start + old.bytes - BigInt(this.machine.arch.geometry.pageBytes)]) {
        const now = this.machine.translate(address);
        const seen = { address, 'cached access': old.access };
        must(now !== undefined, old.level, `${what}: a page that is mapped no more can still be used by a cached translation`, seen);
        const pa = now.pa + Number(address - now.start);
        const cached = old.pa + Number(address - old.start);
        must(pa === cached, old.level, `${what}: a cached translation leads to another page than the tables`, { ...seen, pa, cached });
        must((old.access & ~now.access) === 0, old.level, `${what}: a cached translation allows more than the tables`, { ...seen, access: now.access });
        const silent = old.dirty === true && now.dirty === false && (old.access & WRITE) !== 0;
        must(!silent, old.level, `${what}: a write through a cached translation would not make the clean entry dirty`, seen);
      }
    }
    for (const old of this.pointers) {
      const way: TablePointer[] = [];
      this.machine.translate(old.start, way);
      const now = way.find(({ level }) => level === old.level);
      must(now?.table === old.table, old.level, `${what}: a cached entry leads to a table that is linked no more`, { address: old.start, table: old.table, now: now?.table });
    }
    this.translations = [];
    this.pointers = [];
  }
}

/** One change of entries in use. Returns the promise, or undefined where there is nothing to change. */
type Change = <H extends HandleFamily>(machine: Machine<H>, on: Stretch<H>, first: number, count: number, mm: MmContext) => FlushPromise<unknown> | undefined;

const CHANGES: Readonly<Record<string, Change>> = {
  clear: (machine, on, first, count, mm) => on.ops.clear(mm, at(machine, on, first).address, at(machine, on, first).entry, count),
  getAndClear: (machine, on, first, _count, mm) => on.ops.getAndClear(mm, at(machine, on, first).address, at(machine, on, first).entry),
  getAndClearFull: (machine, on, first, count, mm) => {
    const { entry, address } = at(machine, on, first);
    const value = on.ops.get(entry);
    return machine.values(on.level).present(value) ? on.ops.getAndClearFull(mm, address, entry, on.ops.batch(entry, value, count, { dirty: true, softDirty: true })) : undefined;
  },
  testAndClearYoung: (machine, on, first, count, mm) => on.ops.testAndClearYoung(mm, at(machine, on, first).address, at(machine, on, first).entry, count),
  wrprotect: (machine, on, first, count, mm) => on.ops.wrprotect(mm, at(machine, on, first).address, at(machine, on, first).entry, count),
  setAccessFlags: (machine, on, first, _count, mm) => {
    const { entry, address } = at(machine, on, first);
    const values = machine.values(on.level);
    const value = on.ops.get(entry);
    return values.present(value) ? on.ops.setAccessFlags(mm, address, entry, values.mkyoung(values.mkdirty(value))) : undefined;
  },
  establish: (machine, on, first, count, mm) => {
    const { entry, address } = at(machine, on, first);
    const values = machine.values(on.level);
    const value = on.ops.get(entry);
    if (!values.present(value)) return undefined;
    const out = on.level === 'pte' ? values.empty : values.mkinvalid(value);
    const choices: AnyVal[] = [values.wrprotect(value), values.mkclean(value), values.modify(value, machine.prots()[count % machine.prots().length]!), values.advancePfn(value, 1), out];
    const wanted = choices[count % choices.length]!;
    // Where the hardware forbids a step, an accessor may break the entry before it makes it anew. One that does not is refused by who watches.
    if (machine.arch.liveChange?.(on.level, value, wanted) !== undefined && !breaksFirst(machine, on, first, wanted)) return undefined;
    return on.ops.establish(mm, address, entry, wanted);
  },
  modifyProt: (machine, on, first, count, mm) => {
    const { entry, address } = at(machine, on, first);
    const values = machine.values(on.level);
    if (!values.present(on.ops.get(entry))) return undefined;
    const old = on.ops.modifyProtStart(mm, address, entry);
    return on.ops.modifyProtCommit(mm, address, entry, old, values.modify(old, machine.prots()[count % machine.prots().length]!));
  },
};

/** Whether establish, tried on a like entry elsewhere, makes a change that is forbidden in one step out of steps that are allowed. */
function breaksFirst<H extends HandleFamily>(machine: Machine<H>, on: Stretch<H>, first: number, wanted: AnyVal): boolean {
  const other = new Machine(machine.subject);
  const mm = checkedContext(other.arch, other.mm);
  const { entry, address } = other.slot(on.level, at(machine, on, first).address);
  const ops = other.ops(on.level);
  ops.set(other.mm, address, entry, on.ops.get(at(machine, on, first).entry), 1);
  try {
    ops.establish(mm, address, entry, wanted).ignore('nothing runs here');
  } catch (error) {
    if (isPgtableError(error)) return false;
    throw error;
  }
  return true;
}

const flushes: readonly Law[] = Object.entries(CHANGES).map(([name, change]) =>
  law(`flush after ${name}`, `after ${name} and its flush, no cached translation maps elsewhere or allows more than the tables`, name === 'modifyProt' ? ['modifyProtStart', 'modifyProtCommit'] : [name],
    (subject, options) => {
      for (const level of new Machine(subject).leafLevels()) {
        const cases = fc.record({ cells: CELLS, from: fc.nat(SPAN), length: fc.nat(SPAN), gathered: fc.boolean(), watched: fc.boolean() });
        forAll(options, cases, ({ cells, from, length, gathered, watched }) => {
          const machine = new Machine(subject);
          const tlb = new ModelTlb(machine);
          const mm: MmContext = { user: machine.user, tlb };
          const on = stretch(machine, level, cells);
          for (let index = 0; index < on.count; index++) tlb.use(at(machine, on, index).address);
          const first = from % on.count;
          const promise = change(machine, on, first, 1 + (length % (on.count - first)), watched ? checkedContext(machine.arch, mm) : mm);
          if (watched || !gathered) promise?.flush();
          else if (promise !== undefined) {
            const gather = new MmuGather(mm);
            promise.gather(gather);
            gather.finish();
          }
          tlb.mustAgree(name);
        });
      }
    }),
);

const huge = law(
  'huge pages', 'every page size is mapped, found, changed and taken out as one page, and no cached translation survives',
  ['hugeSet', 'hugeGet', 'hugeGetAndClear', 'hugeWrprotect', 'hugeSetAccessFlags', 'mkgroup'],
  (subject, options) => {
    const shape = new Machine(subject);
    const pages = shape.arch.hugePages;
    if (pages.length === 0) throw new NotApplicable('there is one page size');
    for (const page of pages) {
      must(shape.levels.includes(page.level), page.level, 'a page size is of a level that there is not', { bytes: page.bytes });
      forAll(options, fc.record({ frame: fc.nat(5), prot: fc.constantFrom(...shape.prots()), place: fc.nat(3) }), (one) => { hugePage(new Machine(subject), page, one); });
    }
  },
);

function hugePage<H extends HandleFamily>(machine: Machine<H>, { level, count, bytes }: HugePage, one: { frame: number; prot: Prot; place: number }): void {
  const values = machine.values(level);
  const ops = machine.ops(level);
  const pageBytes = machine.arch.geometry.pageBytes;
  const { start, end } = machine.window();
  const places = (end - start) / BigInt(bytes);
  if (places === 0n || count > machine.entries(level)) return;
  const address = start + (BigInt(one.place) % places) * BigInt(bytes);
  const base = one.frame * (bytes / pageBytes);
  if (base + bytes / pageBytes > 2 ** machine.frameBits(level)) return;
  const { entry } = machine.slot(level, address);
  const tlb = new ModelTlb(machine);
  const mm: MmContext = { user: machine.user, tlb };
  let value = values.mkgroup(values.mkdirty(machine.leaf(level, base, one.prot)), count);
  value = values.mkyoung(value);
  const probe = [address, address + BigInt(bytes) / 2n, address + BigInt(bytes - pageBytes)];
  const use = (): void => { for (let index = 0; index < count; index++) tlb.use(address + BigInt(index) * machine.bytes(level)); };

  for (const marked of [value, values.mkold(value), values.mkclean(value), values.mkold(values.mkclean(value))]) {
    ops.hugeSet(mm, address, entry, marked, count);
    const got = ops.hugeGet(entry, count);
    must(values.young(got) === values.young(marked) && values.dirty(got) === values.dirty(marked), level, 'hugeGet reads another young or dirty than hugeSet wrote', { value: marked, got });
    ops.hugeGetAndClear(mm, address, entry, count).flush();
  }

  ops.hugeSet(mm, address, entry, value, count);
  for (const where of probe) {
    const found = machine.translate(where);
    const pa = found === undefined ? undefined : found.pa + Number(where - found.start);
    must(pa === base * pageBytes + Number(where - address), level, `a page of ${bytes / 1024} KiB is not found where it was mapped`, { address: where, pa, frame: base });
  }
  must(values.same(ops.hugeGet(entry, count), value), level, 'hugeGet reads something else than hugeSet wrote', { value, got: ops.hugeGet(entry, count) });
  use();
  ops.hugeWrprotect(mm, address, entry, count).flush();
  tlb.mustAgree('hugeWrprotect');
  for (const where of probe) must(((machine.translate(where)?.access ?? 0) & WRITE) === 0, level, 'a huge page can be written to after hugeWrprotect', { address: where });
  const protectedValue = ops.hugeGet(entry, count);
  must(values.dirty(protectedValue) && values.pfn(protectedValue) === base, level, 'hugeWrprotect loses dirty or the frame', { value: protectedValue });
  use();
  const grows = values.write(value);
  const changed = ops.hugeSetAccessFlags(mm, address, entry, value, count).flush();
  tlb.mustAgree('hugeSetAccessFlags');
  must(changed === grows, level, 'hugeSetAccessFlags says wrongly whether the page changed', { value, before: protectedValue });
  must(values.same(ops.hugeGet(entry, count), value), level, 'hugeSetAccessFlags does not give the access back', { value, now: ops.hugeGet(entry, count) });
  must(!ops.hugeSetAccessFlags(mm, address, entry, value, count).flush(), level, 'hugeSetAccessFlags changes the page a second time', { value });
  use();
  const old = ops.hugeGetAndClear(mm, address, entry, count).flush();
  tlb.mustAgree('hugeGetAndClear');
  must(values.pfn(old) === base && values.dirty(old) && values.young(old), level, 'hugeGetAndClear returns another page', { value, old });
  for (const where of probe) must(machine.translate(where) === undefined, level, 'a huge page is found after it was taken out', { address: where });
}

interface Mapped {
  readonly pfn: number;
  readonly prot: number;
  readonly readOnly: boolean;
}

interface Step {
  readonly what: 'map' | 'protect' | 'wrprotect' | 'unmap' | 'collapse' | 'split';
  readonly region: number;
  readonly first: number;
  readonly count: number;
  readonly frame: number;
  readonly prot: number;
}

/** Pages at the start of a region that are changed one by one. */
const NEAR = 64;
const STEPS: fc.Arbitrary<Step> = fc.record({
  what: fc.constantFrom('map', 'map', 'protect', 'wrprotect', 'unmap', 'collapse', 'split'), region: fc.nat(1), first: fc.nat(NEAR - 1), count: fc.integer({ min: 1, max: 40 }), frame: fc.nat(200),
  prot: fc.nat(31),
});

/** An address space of two regions that a table of ptes each can map, and what should be in it. */
class Model<H extends HandleFamily> {
  readonly machine: Machine<H>;
  readonly tlb: ModelTlb<H>;
  readonly ledger = new FlushLedger();
  private readonly mm: MmContext;
  private readonly upper: Level;
  private readonly pages: number;
  private readonly prots: readonly Prot[];
  private readonly mapped = new Map<number, Mapped>();
  private readonly leaf = [false, false];

  constructor(machine: Machine<H>, upper: Level, watched: boolean) {
    this.machine = machine;
    this.tlb = new ModelTlb(machine);
    const mm: MmContext = { user: machine.user, tlb: this.tlb, ledger: this.ledger };
    this.mm = watched ? checkedContext(machine.arch, mm) : mm;
    this.upper = upper;
    this.pages = machine.entries('pte');
    this.prots = machine.prots();
  }

  step(step: Step): void {
    const prot = step.prot % this.prots.length;
    const { region } = step;
    const last = Math.min(NEAR, this.pages);
    const first = step.first % last;
    const count = Math.min(step.count, last - first);
    if (step.what === 'collapse') this.collapse(region, step.frame, prot);
    else if (this.leaf[region] === true) this.split(region);
    if (step.what === 'map') this.map(region, first, count, step.frame, prot);
    if (step.what === 'protect') for (let index = first; index < first + count; index++) this.protect(region, index, prot);
    if (step.what === 'wrprotect') this.wrprotect(region, first, count);
    if (step.what === 'unmap') this.unmap(region, first, count);
    this.tlb.mustAgree(step.what);
    this.check(step.what);
  }

  /** Says that every page is where it should be, and lets the TLB use it. */
  check(what: string): void {
    for (const region of [0, 1]) {
      for (const index of [...Array(Math.min(NEAR, this.pages)).keys(), this.pages - 1]) {
        const address = this.address(region, index);
        const found = this.machine.translate(address);
        const pa = found === undefined ? undefined : found.pa + Number(address - found.start);
        const wanted = this.mapped.get(region * this.pages + index);
        const expected = wanted === undefined ? undefined : wanted.pfn * this.machine.arch.geometry.pageBytes;
        must(pa === expected, 'pte', `after ${what} a page is not where it was mapped`, { address, pa, expected });
        if (found !== undefined && wanted !== undefined) {
          const access = this.machine.access(found.level, this.value(found.level, { ...wanted, pfn: 0 }));
          must(found.access === access, found.level, `after ${what} a page has other access than it was given`, { address, access: found.access, expected: access });
        }
        this.tlb.use(address);
      }
    }
  }

  /** Says that a walk finds exactly what is mapped, and a Translator the same. */
  checkWalk(): void {
    const { arch, root } = this.machine;
    const page = arch.geometry.pageBytes;
    let seen = 0;
    const start = Number(this.address(0, 0));
    const end = Number(this.address(1, this.pages - 1)) + page;
    const check = (address: number, pa: number): void => {
      const index = (address - start) / page;
      const wanted = this.mapped.get(index);
      must(wanted !== undefined && wanted.pfn * page === pa, 'pte', 'a walk finds another page than was mapped', { address, pa, expected: wanted?.pfn });
      seen++;
    };
    walkRuns({ arch, root }, (run) => {
      if (run.kind === RunKind.Leaf) for (let offset = 0; offset < run.count * run.entryBytes; offset += page) check(run.va + offset, run.pa + offset);
      return undefined;
    }, { ranges: [{ start, end }] });
    must(seen === this.mapped.size, 'pte', 'a walk finds another number of pages than were mapped', { seen, expected: this.mapped.size });
    const translator = new Translator({ arch, root });
    for (let index = 0; index < Math.min(NEAR, this.pages); index++) {
      translator.lookup(start + index * page);
      const wanted = this.mapped.get(index);
      must((translator.status === 'mapped') === (wanted !== undefined), 'pte', 'a Translator disagrees about what is mapped', { index });
      if (wanted !== undefined) must(translator.pagePa === wanted.pfn * page, 'pte', 'a Translator finds another page', { index, pa: translator.pagePa, expected: wanted.pfn * page });
    }
  }

  private address(region: number, index: number): bigint {
    return this.machine.address(this.upper, 2 + region) + BigInt(index) * this.machine.bytes('pte');
  }

  private value(level: Level, { pfn, prot, readOnly }: Mapped): AnyVal {
    const value = this.machine.usable(level, pfn, this.prots[prot]!);
    return readOnly ? this.machine.values(level).wrprotect(value) : value;
  }

  private made(address: bigint, level: Level, count: number): void {
    this.machine.arch.updateMmuCache?.(this.mm, address, level, count);
  }

  private map(region: number, first: number, most: number, pfn: number, prot: number): void {
    let count = 0;
    while (count < most && !this.mapped.has(region * this.pages + first + count)) count++;
    if (count === 0) return;
    const { entry, address } = this.machine.slot('pte', this.address(region, first), this.mm);
    this.machine.ops('pte').set(this.mm, address, entry, this.value('pte', { pfn, prot, readOnly: false }), count);
    this.made(address, 'pte', count);
    for (let done = 0; done < count; done++) this.mapped.set(region * this.pages + first + done, { pfn: pfn + done, prot, readOnly: false });
  }

  private protect(region: number, index: number, prot: number): void {
    const key = region * this.pages + index;
    const now = this.mapped.get(key);
    if (now === undefined) return;
    const { entry, address } = this.machine.slot('pte', this.address(region, index), this.mm);
    const ops = this.machine.ops('pte');
    const old = ops.modifyProtStart(this.mm, address, entry);
    ops.modifyProtCommit(this.mm, address, entry, old, this.machine.values('pte').modify(old, this.prots[prot]!)).flush();
    this.mapped.set(key, { pfn: now.pfn, prot, readOnly: false });
  }

  private wrprotect(region: number, first: number, most: number): void {
    let count = 0;
    while (count < most && this.mapped.has(region * this.pages + first + count)) count++;
    if (count === 0) return;
    const { entry, address } = this.machine.slot('pte', this.address(region, first), this.mm);
    this.machine.ops('pte').wrprotect(this.mm, address, entry, count).flush();
    for (let key = region * this.pages + first; count > 0; count--, key++) this.mapped.set(key, { ...this.mapped.get(key)!, readOnly: true });
  }

  private unmap(region: number, first: number, count: number): void {
    const { entry, address } = this.machine.slot('pte', this.address(region, first), this.mm);
    this.machine.ops('pte').clear(this.mm, address, entry, count).flush();
    for (let done = 0; done < count; done++) this.mapped.delete(region * this.pages + first + done);
  }

  /** The table of a region goes, and one leaf comes. */
  private collapse(region: number, frame: number, prot: number): void {
    const { upper, machine } = this;
    if (!machine.values(upper).features.has('leaf')) return;
    const ops = machine.ops(upper);
    const { entry, address } = machine.slot(upper, this.address(region, 0), this.mm);
    if (ops.child(entry) !== undefined) machine.arch.freeTable(ops.unlink(this.mm, address, entry).flush());
    else ops.clear(this.mm, address, entry, 1).flush();
    const pfn = (frame % 5) * this.pages;
    ops.set(this.mm, address, entry, this.value(upper, { pfn, prot, readOnly: false }), 1);
    this.made(address, upper, 1);
    this.leaf[region] = true;
    for (let index = 0; index < this.pages; index++) this.mapped.set(region * this.pages + index, { pfn: pfn + index, prot, readOnly: false });
  }

  /** The leaf of a region goes, and a table that maps the same comes. */
  private split(region: number): void {
    const { upper, machine } = this;
    const ops = machine.ops(upper);
    const { entry, address } = machine.slot(upper, this.address(region, 0), this.mm);
    const table = machine.newTable('pte');
    table.set(0, this.value('pte', this.mapped.get(region * this.pages)!), this.pages);
    const old = ops.getAndClear(this.mm, address, entry).flush();
    must(machine.values(upper).leaf(old), upper, 'a leaf that is split was none', { value: old });
    ops.populate(this.mm, address, entry, table);
    this.made(address, 'pte', this.pages);
    this.leaf[region] = false;
  }
}

const space = law(
  'address space', 'after any sequence of map, protect, unmap, collapse and split, the tables map what was asked for, a walk finds it, nothing stale is cached and no flush is owed',
  ['set', 'clear', 'wrprotect', 'modifyProtStart', 'modifyProtCommit', 'getAndClear', 'populate', 'unlink', 'newTable', 'freeTable', 'liveChange', 'updateMmuCache', 'inherit', 'describe'],
  (subject, options) => {
    const shape = new Machine(subject);
    const upper = shape.levels[1];
    if (upper === undefined) throw new NotApplicable('there is one level');
    forAll(options, fc.record({ steps: fc.array(STEPS, { minLength: 1, maxLength: 12 }), watched: fc.boolean() }), ({ steps, watched }) => {
      const model = new Model(new Machine(subject), upper, watched);
      for (const step of steps) model.step(step);
      model.checkWalk();
      must(model.ledger.dropped().length === 0, upper, 'an accessor dropped a promise of its own');
    });
  },
);

export const SPACE_LAWS: readonly Law[] = [...flushes, huge, space];
