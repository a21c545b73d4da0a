import fc from 'fast-check';
import { afterEach, expect, it } from 'vitest';
import { setCurrentThread, VmaFlags } from '../src/index.js';
import { Kernel } from '../src/kernel/kernel.js';
import type { Mapping } from '../src/kernel/mapping.js';
import { MmCounter, type Mm } from '../src/kernel/mm.js';
import type { Vma } from '../src/kernel/vma.js';
import { MACHINE } from './kernel-machines.js';

/* VMAs against a plain array, which knows no trees, journals, slots or locks. */

afterEach(() => {
  setCurrentThread(undefined);
});

const PAGES = 48;
const FLAGS = [VmaFlags.Read, VmaFlags.Read | VmaFlags.Write, VmaFlags.Read | VmaFlags.SoftDirty, VmaFlags.Read | VmaFlags.PfnMap] as const;

/** In pages, and the files by their places in a list. */
interface Plain {
  start: number;
  end: number;
  flags: number;
  file: number | undefined;
  pgoff: number;
}

interface Step {
  readonly what: 'insert' | 'remove' | 'split' | 'adjust' | 'flags' | 'merge' | 'look' | 'look from afar' | 'poll';
  readonly start: number;
  readonly pages: number;
  readonly which: number;
  readonly flags: number;
  readonly file: number | undefined;
  readonly pgoff: number | undefined;
}

const step: fc.Arbitrary<Step> = fc.record({
  what: fc.constantFrom('insert', 'insert', 'remove', 'split', 'adjust', 'flags', 'merge', 'look', 'look from afar', 'poll'),
  start: fc.nat(PAGES - 1), pages: fc.integer({ min: 1, max: 8 }), which: fc.nat(30), flags: fc.constantFrom(...FLAGS),
  file: fc.constantFrom(undefined, undefined, 0, 1), pgoff: fc.option(fc.nat(20), { nil: undefined }),
});

const SPECIAL = VmaFlags.PfnMap;

function canBeOne(below: Plain | undefined, above: Plain | undefined): boolean {
  if (below === undefined || above === undefined) return false;
  if (below.end !== above.start || below.file !== above.file) return false;
  if ((below.flags & ~VmaFlags.SoftDirty) !== (above.flags & ~VmaFlags.SoftDirty) || (below.flags & SPECIAL) !== 0) return false;
  return above.pgoff - below.pgoff === below.end - below.start;
}

class Model {
  readonly plain: Plain[] = [];
  readonly kernel = Kernel.create(MACHINE, { mapCount: 10, journal: 18, vmas: 24, mms: 3, mappings: 2 });
  readonly afar: Mm;
  readonly mm: Mm;
  readonly files: readonly Mapping[];
  private readonly bytes: number;

  constructor() {
    this.kernel.join('model');
    this.mm = this.kernel.newMm();
    this.afar = Kernel.attach(this.kernel.share(), MACHINE).mm(this.mm.id);
    this.files = [this.kernel.newMapping(100), this.kernel.newMapping(100)];
    this.bytes = this.mm.pageBytes;
  }

  run(step: Step): void {
    if (step.what === 'look') this.look(this.mm, step);
    else if (step.what === 'look from afar') this.look(this.afar, step);
    else if (step.what === 'poll') this.kernel.rcu.poll();
    else {
      this.mm.lock.writeLock();
      this.change(step);
      this.mm.lock.writeUnlock();
    }
  }

  close(): void {
    this.mm.lock.writeLock();
    for (const vma of this.mm.vmas()) this.mm.removeVma(vma);
    this.mm.lock.writeUnlock();
    this.mm.mmput();
    for (const file of this.files) file.free();
    this.kernel.assertQuiet();
    this.kernel.leave();
  }

  private change(step: Step): void {
    const { mm, plain, bytes } = this;
    const { start, pages, flags, file } = step;
    const end = start + pages;
    if (step.what === 'insert') {
      const pgoff = step.pgoff ?? (file === undefined ? start : 0);
      const insert = () => mm.insertVma({ start: start * bytes, end: end * bytes, flags, mapping: file === undefined ? undefined : this.files[file], ...(step.pgoff === undefined ? {} : { pgoff }) });
      if (plain.some((each) => each.start < end && each.end > start)) expect(insert).toThrow(expect.objectContaining({ code: 'EINVAL' }));
      else if (plain.length === 10) expect(insert).toThrow(expect.objectContaining({ code: 'ENOMEM' }));
      else {
        this.expectSame(insert(), { start, end, flags, file, pgoff });
        plain.push({ start, end, flags, file, pgoff });
        plain.sort((a, b) => a.start - b.start);
      }
      return;
    }
    const at = step.which % Math.max(1, plain.length);
    const known = plain[at];
    if (known === undefined) return;
    const vma = mm.vmaLookup(known.start * bytes)!;
    this.expectSame(vma, known);
    if (step.what === 'remove') {
      mm.removeVma(vma);
      plain.splice(at, 1);
    } else if (step.what === 'split') {
      const address = known.start + step.pages;
      if (address >= known.end) expect(() => mm.splitVma(vma, address * bytes)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
      else if (plain.length === 10) expect(() => mm.splitVma(vma, address * bytes)).toThrow(expect.objectContaining({ code: 'ENOMEM' }));
      else {
        const upper = { ...known, start: address, pgoff: known.pgoff + address - known.start };
        plain.splice(at, 1, { ...known, end: address }, upper);
        this.expectSame(mm.splitVma(vma, address * bytes), upper);
        this.expectSame(vma, plain[at]);
      }
    } else if (step.what === 'adjust') {
      const moved = { ...known, start, end, pgoff: known.pgoff + start - known.start };
      const others = plain.filter((each) => each !== known);
      const possible = start < known.end && end > known.start && moved.pgoff >= 0 && !others.some((each) => each.start < end && each.end > start);
      const adjust = () => { mm.adjustVma(vma, start * bytes, end * bytes); };
      if (possible) {
        adjust();
        plain[at] = moved;
      } else expect(adjust).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    } else if (step.what === 'flags') {
      mm.setVmaFlags(vma, flags);
      known.flags = flags;
    } else this.merge(vma, at);
  }

  private merge(vma: Vma, at: number): void {
    const { plain } = this;
    const known = plain[at]!;
    const below = canBeOne(plain[at - 1], known) ? plain[at - 1] : undefined;
    const above = canBeOne(known, plain[at + 1]) ? plain[at + 1] : undefined;
    const kept = this.mm.mergeVmas(vma);
    if (below === undefined && above === undefined) {
      expect(kept).toBe(vma);
      return;
    }
    expect(vma.detached).toBe(true);
    const one = { ...known, flags: (below ?? above)!.flags, start: below?.start ?? known.start, end: above?.end ?? known.end, pgoff: below?.pgoff ?? known.pgoff };
    const first = below === undefined ? at : at - 1;
    plain.splice(first, 1 + (below === undefined ? 0 : 1) + (above === undefined ? 0 : 1), one);
    this.expectSame(kept, one);
  }

  private look(mm: Mm, { start, pages, which }: Step): void {
    const { plain, bytes } = this;
    if (which % 2 === 0) {
      const fast = mm.lockVmaUnderRcu(start * bytes);
      this.expectSame(fast, plain.find((each) => each.start <= start && each.end > start));
      fast?.lock.endRead();
    }
    mm.lock.readLock();
    this.expectSame(mm.findVma(start * bytes), plain.find((each) => each.end > start));
    this.expectSame(mm.vmaLookup(start * bytes), plain.find((each) => each.start <= start && each.end > start));
    this.expectSame(mm.vmaBefore(start * bytes), plain.filter((each) => each.start < start).at(-1));
    this.expectAll(mm.vmas(), plain);
    this.expectAll(mm.vmas(start * bytes, (start + pages) * bytes), plain.filter((each) => each.start < start + pages && each.end > start));
    expect(mm.counter(MmCounter.MapCount)).toBe(plain.length);
    this.files.forEach(({ id }, number) => {
      const file = mm.kernel.mapping(id);
      file.lockRead();
      const mapping = file.vmas(start, start + pages).sort((a, b) => a.start - b.start);
      this.expectAll(mapping, plain.filter((each) => each.file === number && each.pgoff < start + pages && each.pgoff + each.end - each.start > start));
      file.unlockRead();
      expect(file.mapped).toBe(plain.filter((each) => each.file === number).length);
    });
    mm.lock.readUnlock();
  }

  private expectAll(found: readonly Vma[], plain: readonly Plain[]): void {
    expect(found.length).toBe(plain.length);
    found.forEach((vma, at) => { this.expectSame(vma, plain[at]); });
  }

  private expectSame(vma: Vma | undefined, plain: Plain | undefined): void {
    if (vma === undefined || plain === undefined) {
      expect(vma).toBe(plain);
      return;
    }
    const { bytes } = this;
    const file = vma.mapping === undefined ? undefined : this.files.findIndex(({ id }) => id === vma.mapping!.id);
    expect({ start: vma.start / bytes, end: vma.end / bytes, flags: vma.flags, file, pgoff: vma.pgoff }).toEqual(plain);
    expect([vma.detached, vma.anonymous, vma.pfnmap]).toEqual([false, plain.file === undefined, (plain.flags & VmaFlags.PfnMap) !== 0]);
  }
}

it('VMAs are what a plain array of them is, seen from the thread that changes them and from another', () => {
  fc.assert(fc.property(fc.array(step, { maxLength: 120, size: 'max' }), (steps) => {
    const model = new Model();
    for (const each of steps) model.run(each);
    model.close();
  }), { numRuns: 60 });
}, 60_000);
