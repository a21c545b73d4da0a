import { EntryKind, hexAddress, Insecure, type HandleFamily, type InsecureCounts, type Level, type Marker, type PtdumpStyle, type ScanFilter } from '@pgtable/core';
import { RunKind, walkRuns, type Run, type RunOptions } from './runs.js';
import type { Space, VaRange } from './space.js';

/** One line of a listing, before it is text. Borrowed. */
export interface PtdumpLine {
  readonly start: number;
  /** Exclusive; 2 ** 64 at the end of the address space. */
  readonly end: number;
  /** {@link Insecure} bits. */
  readonly insecure: number;
  /** Whether the tables are not in the dump, so that nobody knows what is there. */
  readonly absent: boolean;
}

export interface PtdumpOptions extends Omit<RunOptions, 'filter'> {
  /** The regions to announce, ascending. The first is announced at once. */
  readonly markers?: readonly Marker[];
}

/**
 * The kernel's listing of its page tables: what `kernel_page_tables` in debugfs prints.
 *
 * @param print is called with each line; `line` is undefined for markers and remarks
 * @see mm/ptdump.c and the `ptdump` file of each architecture (Linux 6.12)
 */
export function ptdump<H extends HandleFamily>(space: Space<H>, print: (text: string, line: PtdumpLine | undefined) => void, options: PtdumpOptions = {}): void {
  const listing = new Listing(space, print, options);
  const style = space.arch.ptdump;
  const ranges = options.ranges ?? style.ranges(space.root);
  walkRuns(
    space,
    (run, within) => {
      listing.run(run, within);
      return undefined;
    },
    { ...options, ranges, filter: { maskLo: style.maskLo, maskHi: style.maskHi, contiguous: false } },
  );
  listing.flush(ranges.at(-1)?.end ?? 0);
}

/** What the kernel's W+X check finds. */
export interface InsecureFinding {
  readonly start: number;
  readonly end: number;
  readonly insecure: number;
}

/**
 * The kernel's W+X check: every stretch of insecure pages, counted as it counts them.
 *
 * @returns `unchecked` is where tables are not in the dump: counts of 0 say nothing of those addresses
 * @see ptdump_check_wx() of each architecture (Linux 6.12)
 */
export function checkInsecure<H extends HandleFamily>(space: Space<H>, options: Omit<RunOptions, 'filter'> = {}): { counts: InsecureCounts; findings: InsecureFinding[]; unchecked: VaRange[] } {
  const findings: InsecureFinding[] = [];
  const unchecked: VaRange[] = [];
  let writableExecutable = 0;
  let userExecutable = 0;
  const page = space.arch.geometry.pageBytes;
  ptdump(
    space,
    (_text, line) => {
      if (line === undefined) return;
      const { start, end, insecure, absent } = line;
      if (absent) unchecked.push({ start, end });
      if (insecure === 0) return;
      findings.push({ start, end, insecure });
      const pages = (end - start) / page;
      if ((insecure & Insecure.WritableExecutable) !== 0) writableExecutable += pages;
      if ((insecure & Insecure.UserExecutable) !== 0) userExecutable += pages;
    },
    options,
  );
  return { counts: { writableExecutable, userExecutable }, findings, unchecked };
}

/** The merging state: the line that is being collected. */
class Listing<H extends HandleFamily> {
  private readonly space: Space<H>;
  private readonly style: PtdumpStyle;
  private readonly print: (text: string, line: PtdumpLine | undefined) => void;
  private readonly markers: readonly Marker[];
  /** Starts of the markers as page-aligned numbers: the first page that is not before it. */
  private readonly starts: Float64Array;
  private marker = 0;
  private linesOfMarker = 0;
  private readonly words = new Int32Array(2);
  private readonly filter: ScanFilter;

  private begun = false;
  private start = 0;
  private pa = 0;
  private level: Level = 'pgd';
  private lo = 0;
  private hi = 0;
  private effective = 0;
  private absent = false;

  constructor(space: Space<H>, print: (text: string, line: PtdumpLine | undefined) => void, options: PtdumpOptions) {
    this.space = space;
    this.style = space.arch.ptdump;
    this.filter = { maskLo: this.style.maskLo, maskHi: this.style.maskHi, contiguous: false };
    this.print = print;
    this.markers = options.markers ?? [];
    const page = BigInt(space.arch.geometry.pageBytes);
    this.starts = Float64Array.from(this.markers, ({ start }) => Number(((start + page - 1n) / page) * page));
  }

  /**
   * Takes the entries of a run one by one, as the kernel does, but stops only where something can happen: at its first
   * entry, and at the first entry of each region that begins inside. An entry that begins before the range is noted where
   * the range does, as `walk_page_range()` calls for it (mm/pagewalk.c, Linux 6.12).
   */
  run(run: Run, within: VaRange): void {
    const { va, entryBytes } = run;
    const end = Math.min(run.end, within.end);
    this.note(Math.max(va, within.start), run);
    for (let at = va; ; ) {
      const next = Math.max(at + entryBytes, va + Math.ceil((this.nextMarker - va) / entryBytes) * entryBytes);
      if (!(next < end)) return;
      const empty = run.kind === RunKind.None || run.kind === RunKind.Absent;
      this.note(next, empty ? run : this.entryAt(next, run));
      at = next;
    }
  }

  /**
   * The entry inside a run that translates `va`, as a run of its own: entries of a run have equal attributes, but where they
   * point to is their own affair.
   */
  private entryAt(va: number, run: Run): Run {
    let found = run;
    walkRuns(
      this.space,
      (entry) => {
        found = entry;
        return false;
      },
      { ranges: [{ start: va, end: va + this.space.arch.geometry.pageBytes }], filter: this.filter },
    );
    return found;
  }

  /** Ends the last line. The kernel passes the end of the range, which is 0 where that is the end of the address space. */
  flush(end: number): void {
    if (!this.begun) return;
    this.finish(end);
    const last = 2 ** (this.space.arch.geometry.addressDigits * 4);
    if (end < last && this.nextMarker <= end) this.advance(end);
  }

  private get nextMarker(): number {
    return this.starts[this.marker + 1] ?? Infinity;
  }

  private note(va: number, run: Run): void {
    const { style, words } = this;
    const absent = run.kind === RunKind.Absent;
    const kind = absent ? EntryKind.None : (run.kind as EntryKind);
    style.attributes(kind, run.level, absent ? 0 : run.lo, absent ? 0 : run.hi, words);
    const lo = words[0]!;
    const hi = words[1]!;
    const effective = kind === EntryKind.None ? 0 : style.effective(run.level, lo, hi, run.inherited);
    const changed = lo !== this.lo || hi !== this.hi || effective !== this.effective || run.level !== this.level || absent !== this.absent;
    if (!this.begun) {
      this.begin(va);
    } else if (changed || va >= this.nextMarker) {
      this.finish(va);
      if (va >= this.nextMarker) this.advance(va);
    } else {
      return;
    }
    this.start = va;
    this.pa = run.kind === RunKind.Leaf ? run.pa : absent ? 0 : (style.address?.(run.level, run.lo, run.hi) ?? 0);
    this.level = run.level;
    this.lo = lo;
    this.hi = hi;
    this.effective = effective;
    this.absent = absent;
    if (style.markerAdvance === 'note' && va >= this.nextMarker) this.announceNext();
  }

  private begin(va: number): void {
    this.begun = true;
    // A heading is of the kernel's addresses, and so is the first marker then.
    if (this.style.heading !== undefined && this.space.root.windows.some(({ half }) => half === 'kernel')) {
      this.print(this.style.heading, undefined);
      if (va >= this.nextMarker) this.advance(va);
    } else if (this.markers[0] !== undefined) {
      this.announce(this.markers[0]);
    }
  }

  /** Prints the line that ends at `end`. */
  private finish(end: number): void {
    const { style, start, pa, level, lo, hi, effective } = this;
    if (this.absent) {
      const { addressDigits } = this.space.arch.geometry;
      this.print(`${hexAddress(start, addressDigits)}-${hexAddress(end, addressDigits)}   page tables not in the dump`, { start, end, insecure: 0, absent: true });
      return;
    }
    if (!style.prints(lo, hi)) return;
    const most = this.markers[this.marker]?.maxLines;
    if (most === undefined || this.linesOfMarker < most) {
      this.print(style.line(start, end, pa, level, lo, hi, effective), { start, end, insecure: style.insecure(end, level, lo, hi, effective), absent: false });
    }
    this.linesOfMarker++;
  }

  private advance(va: number): void {
    if (this.style.markerAdvance === 'all') while (va >= this.nextMarker) this.announceNext();
    else this.announceNext();
  }

  private announceNext(): void {
    const most = this.markers[this.marker]?.maxLines;
    if (most !== undefined && this.linesOfMarker > most) {
      const skipped = this.linesOfMarker - most;
      this.print(`... ${skipped} entr${skipped === 1 ? 'y' : 'ies'} skipped ... `, undefined);
    }
    this.marker++;
    this.linesOfMarker = 0;
    this.announce(this.markers[this.marker]!);
  }

  private announce(marker: Marker): void {
    this.print(`---[ ${marker.name} ]---`, undefined);
  }
}
