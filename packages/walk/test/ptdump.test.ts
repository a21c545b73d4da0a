import { EntryKind, type Level, type Marker, type PtdumpStyle } from '@pgtable/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkInsecure, ptdump, RunKind, type VaRange } from '../src/index.js';
import { ABSENT, highWord, lowWord, machine, randomMachine, randomTables, ROOT, seeAll, type Machine, type Seen } from './machine.js';
import { leaf, tableEntry, TOY_NX, toyStyle, TOY_W } from './toy.js';

function listing(made: Machine, markers: readonly Marker[], ranges?: readonly VaRange[]): string[] {
  const lines: string[] = [];
  ptdump(made.space, (text) => lines.push(text), { markers, ...(ranges === undefined ? {} : { ranges }) });
  return lines;
}

/*
 * The slow way: the kernel's note_page, called for every entry in address order, with the state it keeps. One function,
 * whose three branches are the three kernels': x86 ("line"), arm64 ("note"), riscv and s390 ("all").
 */
class NotePage {
  readonly lines: string[] = [];
  private readonly style: PtdumpStyle;
  private readonly markers: readonly Marker[];
  private marker = 0;
  private printed = 0;
  private level: Level | undefined;
  private start = 0;
  private pa = 0;
  private prot: readonly [number, number] = [0, 0];
  private effective = 0;
  private absent = false;

  constructor(style: PtdumpStyle, markers: readonly Marker[]) {
    this.style = style;
    this.markers = markers;
  }

  note(seen: Seen): void {
    const { style } = this;
    const absent = seen.kind === RunKind.Absent;
    const kind = (absent ? EntryKind.None : seen.kind);
    const out = new Int32Array(2);
    style.attributes(kind, seen.level, absent ? 0 : lowWord(seen.entry), absent ? 0 : highWord(seen.entry), out);
    const prot = [out[0]!, out[1]!] as const;
    const effective = kind === EntryKind.None ? 0 : style.effective(seen.level, prot[0], prot[1], seen.inherited);
    if (this.level === undefined) {
      if (style.heading === undefined) this.announce();
      else {
        this.lines.push(style.heading);
        this.advance(seen.va);
      }
      this.take(seen, prot, effective, absent);
    } else if (prot[0] !== this.prot[0] || prot[1] !== this.prot[1] || effective !== this.effective || seen.level !== this.level || absent !== this.absent || this.reached(seen.va)) {
      this.line(seen.va);
      this.advance(seen.va);
      this.take(seen, prot, effective, absent);
    }
    if (style.markerAdvance === 'note' && this.reached(seen.va)) this.next();
  }

  flush(end: number): void {
    if (this.level === undefined) return;
    this.line(end);
    if (end < 2 ** 64) this.advance(end);
  }

  private take(seen: Seen, prot: readonly [number, number], effective: number, absent: boolean): void {
    this.level = seen.level;
    this.start = seen.va;
    this.pa = seen.kind === RunKind.Leaf ? seen.pa : absent ? 0 : (this.style.address?.(seen.level, lowWord(seen.entry), highWord(seen.entry)) ?? 0);
    this.prot = prot;
    this.effective = effective;
    this.absent = absent;
  }

  private line(end: number): void {
    if (this.absent) {
      const hex = (address: number) => '0x' + BigInt.asUintN(64, BigInt(address)).toString(16).padStart(16, '0');
      this.lines.push(`${hex(this.start)}-${hex(end)}   page tables not in the dump`);
      return;
    }
    if (!this.style.prints(...this.prot)) return;
    const most = this.markers[this.marker]?.maxLines ?? Infinity;
    if (this.printed < most) this.lines.push(this.style.line(this.start, end, this.pa, this.level!, this.prot[0], this.prot[1], this.effective));
    this.printed++;
  }

  private reached(va: number): boolean {
    const next = this.markers[this.marker + 1];
    return next !== undefined && BigInt(va) >= next.start;
  }

  private advance(va: number): void {
    if (this.style.markerAdvance === 'all') while (this.reached(va)) this.next();
    else if (this.reached(va)) this.next();
  }

  private next(): void {
    const most = this.markers[this.marker]?.maxLines ?? Infinity;
    const skipped = this.printed - most;
    if (skipped > 0) this.lines.push(`... ${skipped} entr${skipped === 1 ? 'y' : 'ies'} skipped ... `);
    this.marker++;
    this.printed = 0;
    this.announce();
  }

  private announce(): void {
    const marker = this.markers[this.marker];
    if (marker !== undefined) this.lines.push(`---[ ${marker.name} ]---`);
  }
}

/** Marker places: page numbers of the toy's space, some of them inside of pages, some equal. */
const markers = fc
  .array(fc.tuple(fc.nat(4095), fc.constantFrom(0n, 0n, 0n, 1n, 4095n), fc.constantFrom(undefined, undefined, 1, 2)), { maxLength: 12 })
  .map((places) => places
    .map(([page, low, maxLines]) => ({ start: (page < 2048 ? BigInt(page) * 4096n : 2n ** 64n - BigInt(4096 - page) * 4096n) + low, maxLines }))
    .sort((a, b) => (a.start < b.start ? -1 : 1))
    .map(({ start, maxLines }, at): Marker => ({ start, name: `region ${at}`, ...(maxLines === undefined ? {} : { maxLines }) })))
  .map((sorted) => (sorted.length === 0 ? sorted : [{ ...sorted[0]!, start: 0n }, ...sorted.slice(1)]));

/** Ranges of the toy's space, in order, that begin and end at any page. */
const parts = fc.uniqueArray(fc.nat(4096), { minLength: 2, maxLength: 8 }).map((pages) => {
  const edges = pages.sort((a, b) => a - b).map((page) => (page <= 2048 ? page * 4096 : 2 ** 64 - (4096 - page) * 4096));
  return edges.flatMap((start, at): VaRange[] => (at % 2 === 1 || edges[at + 1] === undefined ? [] : [{ start, end: edges[at + 1]! }]));
});

/** What the kernel's walk of a range calls for: each entry once, from where the range is in it. */
function seeRange(made: Machine, { start, end }: VaRange): Seen[] {
  return made.root.windows.flatMap((window) => {
    const first = Math.max(start, window.start);
    const last = Math.min(end, window.end);
    return first >= last ? [] : seeAll(made).filter(({ va, bytes }) => va < last && va + bytes > first).map((seen) => ({ ...seen, va: Math.max(seen.va, first) }));
  });
}

describe.each(['line', 'note', 'all'] as const)('ptdump with markers that advance by %s', (markerAdvance) => {
  const styles: readonly (readonly [string, Partial<PtdumpStyle>])[] = [
    ['as it is', {}],
    ['with a heading', { heading: '---[ Kernel Virtual Address Space ]---' }],
    ['without holes, with addresses of what is not present', { prints: (lo, hi) => (lo | hi) !== 0, address: (_level, lo) => (lo & 0xfffff000) >>> 0 }],
  ];
  it.each(styles)('prints what the kernel would, noting each entry: %s', async (_name, style) => {
    await fc.assert(
      fc.asyncProperty(randomTables, markers, async (tables, places) => {
        const made = randomMachine(tables, { style: { ...style, markerAdvance } });
        await made.loader.load();
        const kernel = new NotePage(made.space.arch.ptdump, places);
        for (const seen of seeAll(made)) kernel.note(seen);
        kernel.flush(2 ** 64);
        expect(listing(made, places)).toEqual(kernel.lines);
      }),
      { numRuns: 80 },
    );
  });

  it.each(styles)('prints what the kernel would of ranges that begin and end inside of entries: %s', async (_name, style) => {
    await fc.assert(
      fc.asyncProperty(randomTables, markers, parts, async (tables, places, ranges) => {
        const made = randomMachine(tables, { style: { ...style, markerAdvance } });
        await made.loader.load();
        const kernel = new NotePage(made.space.arch.ptdump, places);
        for (const range of ranges) for (const seen of seeRange(made, range)) kernel.note(seen);
        kernel.flush(ranges.at(-1)?.end ?? 0);
        expect(listing(made, places, ranges)).toEqual(kernel.lines);
      }),
      { numRuns: 80 },
    );
  });
});

describe('ptdump', () => {
  const simple = (style: Partial<PtdumpStyle> = {}) =>
    machine({ [ROOT]: { 0: tableEntry(0x2000), 15: leaf(2 ** 20, TOY_W) }, 0x2000: { 0: tableEntry(0x3000) }, 0x3000: { 0: leaf(0x1000, TOY_W), 1: leaf(0x9000, TOY_W), 2: leaf(0x3000, TOY_NX) } }, ROOT, { style });

  it('announces regions, prints lines and ends at the end of the address space', async () => {
    const made = simple();
    await made.loader.load();
    expect(listing(made, [{ start: 0n, name: 'User' }, { start: 2n ** 64n - 2n ** 23n, name: 'Kernel' }])).toEqual([
      '---[ User ]---',
      '0x0000000000000000-0x0000000000002000 1000 pte 5:0 4',
      '0x0000000000002000-0x0000000000003000 3000 pte 11:0 16',
      '0x0000000000003000-0x0000000000010000 0 pte 0:0 0',
      '0x0000000000010000-0x0000000000100000 0 pmd 0:0 0',
      '0x0000000000100000-0xffffffffff800000 0 pgd 0:0 0',
      '---[ Kernel ]---',
      '0xffffffffff800000-0xfffffffffff00000 0 pgd 0:0 0',
      '0xfffffffffff00000-0x0000000000000000 100000 pgd 5:0 4',
    ]);
  });

  it('cuts a run at a marker inside of it and tells where that page is', async () => {
    const made = simple();
    await made.loader.load();
    expect(listing(made, [{ start: 0n, name: 'A' }, { start: 0x1000n, name: 'B' }]).slice(0, 4)).toEqual([
      '---[ A ]---',
      '0x0000000000000000-0x0000000000001000 1000 pte 5:0 4',
      '---[ B ]---',
      '0x0000000000001000-0x0000000000002000 9000 pte 5:0 4',
    ]);
  });

  it('counts what it skips, one or several', async () => {
    const made = simple();
    await made.loader.load();
    const skips = (maxLines: number) => listing(made, [{ start: 0n, name: 'A', maxLines }, { start: 2n ** 64n - 2n ** 23n, name: 'B' }]).filter((line) => line.includes('skipped'));
    expect(skips(5)).toEqual([]);
    expect(skips(4)).toEqual(['... 1 entry skipped ... ']);
    expect(skips(2)).toEqual(['... 3 entries skipped ... ']);
  });

  it('lists the ranges of the style, and announces the region at their end', async () => {
    const made = simple({ ranges: () => [{ start: 0, end: 0x3000 }, { start: 2 ** 22, end: 2 ** 23 }] });
    await made.loader.load();
    expect(listing(made, [{ start: 0n, name: 'A' }, { start: 2n ** 23n, name: 'End' }])).toEqual([
      '---[ A ]---',
      '0x0000000000000000-0x0000000000002000 1000 pte 5:0 4',
      '0x0000000000002000-0x0000000000400000 3000 pte 11:0 16',
      '0x0000000000400000-0x0000000000800000 0 pgd 0:0 0',
      '---[ End ]---',
    ]);
  });

  it('begins and ends where a range does, in the middle of a hole, of a large page and of what is not in the dump', async () => {
    const made = machine({ [ROOT]: { 0: tableEntry(0x2000), 1: leaf(2 ** 20, TOY_W), 2: tableEntry(ABSENT) }, 0x2000: {} }, ROOT);
    made.memory.leaveOut(ABSENT);
    await made.loader.load();
    const part = (start: number, end: number) => listing(made, [{ start: 0n, name: 'A' }, { start: 2n ** 63n, name: 'B' }], [{ start, end }]).slice(1);
    expect(part(0x13000, 0x15000)).toEqual(['0x0000000000013000-0x0000000000015000 0 pmd 0:0 0']);
    expect(part(0x104000, 0x108000)).toEqual(['0x0000000000104000-0x0000000000108000 100000 pgd 5:0 4']);
    expect(part(0x20f000, 0x210000)).toEqual(['0x000000000020f000-0x0000000000210000   page tables not in the dump']);
  });

  it('announces no region that begins behind the range', async () => {
    const made = machine({ [ROOT]: {} }, ROOT);
    await made.loader.load();
    expect(listing(made, [{ start: 0n, name: 'A' }, { start: 0x8000n, name: 'B' }], [{ start: 0x1000, end: 0x4000 }])).toEqual([
      '---[ A ]---',
      '0x0000000000001000-0x0000000000004000 0 pgd 0:0 0',
    ]);
  });

  it('prints nothing where there is nothing to list', async () => {
    const made = simple({ ranges: () => [] });
    await made.loader.load();
    expect(listing(made, [{ start: 0n, name: 'A' }])).toEqual([]);
  });

  it('says where tables are missing', async () => {
    const made = machine({ [ROOT]: { 1: tableEntry(ABSENT) } }, ROOT);
    made.memory.leaveOut(ABSENT);
    await made.loader.load();
    expect(listing(made, [])).toContain('0x0000000000100000-0x0000000000200000   page tables not in the dump');
  });
});

describe('checkInsecure', () => {
  it('counts the pages of the ranges alone', async () => {
    const made = machine({ [ROOT]: { 0: leaf(0, TOY_W) } }, ROOT);
    await made.loader.load();
    expect(checkInsecure(made.space, { ranges: [{ start: 0x3000, end: 0x7000 }] })).toEqual({ counts: { writableExecutable: 4, userExecutable: 0 }, findings: [{ start: 0x3000, end: 0x7000, insecure: 1 }], unchecked: [] });
  });

  it('finds and counts pages that are writable and executable over all levels', async () => {
    const made = machine(
      { [ROOT]: { 0: tableEntry(0x2000), 1: tableEntry(0x2000, 0), 2: tableEntry(0x2000, TOY_W | TOY_NX), 8: leaf(0, TOY_W) }, 0x2000: { 0: tableEntry(0x3000), 5: leaf(0x10000, TOY_W | TOY_NX) }, 0x3000: { 0: leaf(0x1000, TOY_W), 1: leaf(0x2000, TOY_W), 4: leaf(0x4000, TOY_W), 5: leaf(0x5000) } },
      ROOT,
    );
    await made.loader.load();
    expect(checkInsecure(made.space)).toEqual({
      counts: { writableExecutable: 3 + 256, userExecutable: 0 },
      findings: [
        { start: 0, end: 0x2000, insecure: 1 },
        { start: 0x4000, end: 0x5000, insecure: 1 },
        { start: 2 ** 64 - 2 ** 23, end: 2 ** 64 - 2 ** 23 + 2 ** 20, insecure: 1 },
      ],
      unchecked: [],
    });
  });

  it('says what it could not look at, because the tables are missing', async () => {
    const made = machine({ [ROOT]: { 0: leaf(0, TOY_W), 1: tableEntry(ABSENT), 2: tableEntry(ABSENT) } }, ROOT);
    made.memory.leaveOut(ABSENT);
    await made.loader.load();
    expect(checkInsecure(made.space)).toEqual({
      counts: { writableExecutable: 256, userExecutable: 0 },
      findings: [{ start: 0, end: 0x100000, insecure: 1 }],
      unchecked: [{ start: 0x100000, end: 0x300000 }],
    });
  });

  it('counts the two kinds apart', async () => {
    const made = machine({ [ROOT]: { 0: leaf(0, TOY_W) } }, ROOT, { style: { insecure: (_end, _level, lo) => ((lo & TOY_W) === 0 ? 0 : 3) } });
    await made.loader.load();
    expect(checkInsecure(made.space).counts).toEqual({ writableExecutable: 256, userExecutable: 256 });
    expect(toyStyle.insecure(0, 'pte', 0, 0, 0)).toBe(0);
  });
});
