import { createColors } from 'picocolors';
import { EntryKind, geometryOf, hexAddress, LEVELS, PgtableError, type Attributes, type Level, type Marker } from '@pgtable/core';
import { mergedRuns, ptdump as kernelListing, RunKind, Translator, walkRuns, wholeSpace, type Run, type VaRange } from '@pgtable/walk';
import { attributeWords, endAddress, isWritableExecutable, kernelAccess, levelTitle, nonPresentWords, pageSize, size, userAccess } from '../describe.js';
import { ExitCode } from '../exit-codes.js';
import { parseFilter } from '../filter.js';
import { Output } from '../io.js';
import { Machine, type Half, type OpenedRoot } from '../machine.js';
import { intersect, loadTables, parseRange, united, windowsOf, type CommandContext } from './common.js';

export type ListingFormat = 'kernel' | 'table' | 'json' | 'csv';

export interface PtdumpCommandOptions {
  readonly format: ListingFormat;
  readonly half?: Half;
  /** `START-END` or `START+LENGTH`. */
  readonly ranges: readonly string[];
  readonly levels: readonly string[];
  readonly filters: readonly string[];
  readonly merge: boolean;
}

/** `pgtable ptdump`: the address space as a list of ranges. */
export async function ptdump({ io, machine: options }: CommandContext, command: PtdumpCommandOptions): Promise<ExitCode> {
  if (command.format === 'kernel' && (command.levels.length > 0 || command.filters.length > 0 || !command.merge)) {
    throw new PgtableError('EINVAL', 'the kernel format has no --level, --filter or --no-merge', { hint: 'add --format table, json or csv' });
  }
  const asked = command.ranges.map(parseRange);
  const wanted = united(asked);
  const filter = command.filters.length === 0 ? undefined : parseFilter(command.filters);
  const machine = await Machine.open(options);
  try {
    const half = command.half ?? (options.root === undefined && areUser(machine, wanted) ? 'user' : undefined);
    if (half === undefined && options.root === undefined) checkOneTable(machine, wanted, command.ranges);
    const opened = half === undefined ? machine.listedRoot() : machine.requireRoot(half);
    const { root, arch } = opened.space;
    const whole = half === undefined ? wholeSpace(root) : windowsOf(opened, half);
    // What was asked for is listed by itself: the kernel's lines go on from one of the ranges of a listing to the next.
    const listings = wanted.length > 0 ? wanted.map((range) => intersect([range], whole)) : [half === undefined ? arch.ptdump.ranges(root) : whole];
    const ranges = listings.flat();
    const outside = command.ranges.filter((_, at) => intersect([asked[at]!], whole).length === 0);
    if (outside.length > 0) {
      throw new PgtableError('EINVAL', `--range ${outside.join(' ')} lies outside of what this root translates`, {
        hint: `it translates ${whole.map(({ start, end }) => `${hexAddress(start)}-${endAddress(end)}`).join(' and ')}`,
      });
    }
    const levels = command.levels.map((text) => parseLevel(opened, text));
    await loadTables(io, opened, ranges);
    const out = new Output(io.stdout);
    const color = createColors(io.stdout.isTTY === true && (io.env.NO_COLOR ?? '') === '');
    let marked = 0;
    const mark = (text: string, writableExecutable: boolean): string => {
      if (!writableExecutable) return text;
      marked++;
      // A program reads the others, or a person copies them for one.
      return command.format === 'kernel' || command.format === 'table' ? color.red(text) : text;
    };
    if (command.format === 'kernel') {
      const all = await machine.markers(opened, ranges);
      for (const listing of listings) {
        const markers = wanted.length === 0 && half === undefined ? all : markersFrom(all, listing[0]!.start);
        kernelListing(
          opened.space,
          (text, line) => {
            out.line(mark(text, line !== undefined && line.insecure !== 0));
          },
          { ranges: listing, markers },
        );
      }
    } else {
      listRuns(out, machine, opened, { ranges, filter, levels, merge: command.merge }, writers[command.format], mark);
    }
    await out.flush();
    // In a long listing the red lines have gone past.
    if (marked > 0 && io.stderr.isTTY === true) io.stderr.write(`pgtable: ${marked} of these lines ${marked === 1 ? 'is' : 'are'} writable and executable (pgtable check counts the kernel's pages)\n`);
    return ExitCode.Done;
  } finally {
    await machine.close();
  }
}

/** The region that an address is in, and those after it: what a listing that begins there has to announce. */
function markersFrom(markers: readonly Marker[], start: number): readonly Marker[] {
  const next = markers.findIndex((marker) => Number(marker.start) > start);
  return markers.slice(Math.max(0, (next < 0 ? markers.length : next) - 1));
}

/** Whether ranges are of user addresses alone: then nobody means the kernel's own tables. */
function areUser(machine: Machine, ranges: readonly VaRange[]): boolean {
  if (ranges.length === 0) return false;
  const user = machine.userRoot();
  const kernel = machine.kernelRoot();
  if (kernel !== undefined && intersect(ranges, windowsOf(kernel, 'kernel')).length > 0) return false;
  if (user !== undefined) return intersect(ranges, windowsOf(user, 'user')).length > 0;
  // The kernel's own table says nothing of a process, even where it has room for user addresses.
  const room = kernel === undefined ? [] : windowsOf(kernel, 'user');
  return room.length > 0 ? intersect(ranges, room).length > 0 : ranges.every(({ start }) => start < 2 ** 63);
}

/** Throws where ranges are of both halves, each of which has a root table of its own: a listing is of one. */
function checkOneTable(machine: Machine, ranges: readonly VaRange[], texts: readonly string[]): void {
  const user = machine.userRoot();
  const listed = machine.listedRoot();
  if (user === undefined || user.candidate.table === listed.candidate.table) return;
  const isIn = (range: VaRange, opened: OpenedRoot, half: Half): boolean => intersect([range], windowsOf(opened, half)).length > 0;
  // On s390 the kernel has the same addresses.
  const others = ranges.filter((range) => !isIn(range, listed, 'kernel'));
  if (others.length === ranges.length || !others.some((range) => isIn(range, user, 'user'))) return;
  throw new PgtableError('EINVAL', `--range ${texts.join(' ')}: user addresses and the kernel's have root tables of their own here, and a listing is of one`, {
    hint: 'list them one after the other, or choose the table for all by --root',
  });
}

/** What a listing row says, before it is text. */
interface Row {
  readonly start: number;
  readonly end: number;
  readonly kind: RunKind;
  readonly level: Level;
  readonly entryBytes: number;
  readonly pa: number;
  readonly lo: number;
  readonly hi: number;
  readonly inherited: number;
}

/** What part of a space is listed, and how. */
interface Listed {
  readonly ranges: readonly VaRange[];
  /** Only leaves that it is true of. */
  readonly filter: ((attributes: Attributes) => boolean) | undefined;
  /** None for all. */
  readonly levels: readonly Level[];
  readonly merge: boolean;
}

function listRuns(
  out: Output, machine: Machine, opened: OpenedRoot, { ranges, filter, levels, merge }: Listed, columns: Writer, mark: (text: string, writableExecutable: boolean) => string,
): void {
  const { arch } = opened.space;
  const describe = remember((row: Row) => arch.describe(row.level, row.lo, row.hi, row.inherited));
  const header = columns.header(opened);
  if (header !== undefined) out.line(header);
  const visit = (row: Row): undefined => {
    if (row.kind === RunKind.None) return;
    if (levels.length > 0 && !levels.includes(row.level)) return;
    const attributes = row.kind === RunKind.Leaf ? describe(row) : undefined;
    if (filter !== undefined && (attributes === undefined || !filter(attributes))) return;
    out.line(mark(columns.row(machine, opened, row, attributes), attributes !== undefined && isWritableExecutable(attributes.access)));
  };
  if (merge) mergedRuns(opened.space, visit, arch.ptdump, { ranges });
  else walkRuns(
      opened.space,
      (run) => {
        everyEntry(run, visit);
        return undefined;
      },
      { ranges },
    );
}

/** A run as one row an entry; holes and missing tables stay whole. */
function everyEntry(run: Run, visit: (row: Row) => undefined): void {
  const { kind, level, entryBytes, lo, hi, inherited } = run;
  if (kind === RunKind.None || kind === RunKind.Absent) {
    visit({ start: run.va, end: run.end, kind, level, entryBytes, pa: run.pa, lo, hi, inherited });
    return;
  }
  for (let at = 0; at < run.count; at++) {
    const start = run.va + at * entryBytes;
    visit({ start, end: start + entryBytes, kind, level, entryBytes, pa: kind === RunKind.Leaf ? run.pa + at * entryBytes : 0, lo, hi, inherited });
  }
}

/** Listings repeat entries: each is decoded once, as long as there are not too many different ones. */
function remember(describe: (row: Row) => Attributes): (row: Row) => Attributes {
  const known = new Map<string, Attributes>();
  return (row) => {
    const key = `${row.level} ${row.lo} ${row.hi} ${row.inherited}`;
    let found = known.get(key);
    if (found === undefined) {
      found = describe(row);
      if (known.size >= 65536) known.clear();
      known.set(key, found);
    }
    return found;
  };
}

function parseLevel({ space }: OpenedRoot, text: string): Level {
  const word = text.toLowerCase();
  const found = LEVELS.find((level) => level === word || geometryOf(space.arch.geometry, level).title.toLowerCase() === word);
  if (found !== undefined) return found;
  throw new PgtableError('EINVAL', `--level ${text} is no level`, { hint: `give one of ${LEVELS.join(' ')}` });
}

interface Writer {
  header(opened: OpenedRoot): string | undefined;
  row(machine: Machine, opened: OpenedRoot, row: Row, attributes: Attributes | undefined): string;
}

const CSV_COLUMNS = ['start', 'end', 'bytes', 'kind', 'level', 'page_bytes', 'pa', 'kernel', 'user', 'accessed', 'dirty', 'global', 'memory_type', 'group', 'flags', 'entry'] as const;

const writers: Readonly<Record<Exclude<ListingFormat, 'kernel'>, Writer>> = {
  table: {
    header(opened) {
      const width = opened.space.arch.geometry.addressDigits * 2 + 5;
      return `${'virtual'.padEnd(width)} ${'physical'.padEnd(18)} ${'size'.padStart(8)} ${'page'.padStart(7)} kern user attributes`;
    },
    row(_machine, opened, row, attributes) {
      const digits = opened.space.arch.geometry.addressDigits;
      const range = `${hexAddress(row.start, digits)}-${hexAddress(row.end, digits)}`;
      const bytes = size(row.end - row.start).padStart(8);
      const page = pageSize(row.entryBytes, attributes?.group).padStart(7);
      if (attributes === undefined) return `${range} ${'-'.padEnd(18)} ${bytes} ${page} ${entryText(opened, row)}`;
      return `${range} ${hexAddress(row.pa)} ${bytes} ${page} ${kernelAccess(attributes.access)}  ${userAccess(attributes.access)}  ${attributeWords(attributes).join(' ')}`.trimEnd();
    },
  },
  json: {
    header: () => undefined,
    row(_machine, opened, row, attributes) {
      const { arch } = opened.space;
      const digits = arch.geometry.addressDigits;
      return JSON.stringify({
        start: hexAddress(row.start, digits),
        end: endAddress(row.end, digits),
        bytes: row.end - row.start,
        kind: KIND_WORDS[row.kind],
        level: row.level,
        title: levelTitle(arch, row.level),
        pageBytes: row.entryBytes,
        ...(attributes === undefined
          ? row.kind === RunKind.NonPresent || row.kind === RunKind.Bad
            ? { entry: entryHex(opened, row), text: entryText(opened, row) }
            : {}
          : {
              pa: hexAddress(row.pa),
              kernel: kernelAccess(attributes.access),
              user: userAccess(attributes.access),
              ...(attributes.accessed === undefined ? {} : { accessed: attributes.accessed }),
              ...(attributes.dirty === undefined ? {} : { dirty: attributes.dirty }),
              global: attributes.global,
              memoryType: attributes.memoryType,
              group: attributes.group,
              flags: attributes.flags,
              entry: entryHex(opened, row),
            }),
      });
    },
  },
  csv: {
    header: () => CSV_COLUMNS.join(','),
    row(_machine, opened, row, attributes) {
      const digits = opened.space.arch.geometry.addressDigits;
      const fields: Record<(typeof CSV_COLUMNS)[number], string> = {
        start: hexAddress(row.start, digits),
        end: endAddress(row.end, digits),
        bytes: String(row.end - row.start),
        kind: KIND_WORDS[row.kind],
        level: row.level,
        page_bytes: String(row.entryBytes),
        pa: attributes === undefined ? '' : hexAddress(row.pa),
        kernel: attributes === undefined ? '' : kernelAccess(attributes.access),
        user: attributes === undefined ? '' : userAccess(attributes.access),
        accessed: flagText(attributes?.accessed),
        dirty: flagText(attributes?.dirty),
        global: flagText(attributes?.global),
        memory_type: attributes?.memoryType ?? '',
        group: attributes === undefined ? '' : String(attributes.group),
        flags: attributes?.flags.join(' ') ?? '',
        entry: row.kind === RunKind.Absent ? '' : entryHex(opened, row),
      };
      return CSV_COLUMNS.map((column) => quote(fields[column])).join(',');
    },
  },
};

const KIND_WORDS: Readonly<Record<RunKind, string>> = {
  [RunKind.None]: 'empty',
  [RunKind.NonPresent]: 'non-present',
  [RunKind.Table]: 'table',
  [RunKind.Leaf]: 'leaf',
  [RunKind.Bad]: 'bad',
  [RunKind.Absent]: 'absent',
};

/**
 * The first entry of a row. A row has an entry of up to 64 bits as it stands in memory; of a longer one it has what the architecture made attribute words of,
 * and the entry is where a walk of the row's first address stops.
 */
function entryOf({ space }: OpenedRoot, { start, lo, hi }: Row): bigint {
  if (space.arch.geometry.entryBytes <= 8) return (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
  return new Translator(space).explain(BigInt(start)).steps.at(-1)!.entry;
}

function entryHex(opened: OpenedRoot, row: Row): string {
  return hexAddress(entryOf(opened, row), Math.max(16, opened.space.arch.geometry.entryBytes * 2));
}

function entryText(opened: OpenedRoot, row: Row): string {
  if (row.kind === RunKind.Absent) return `${levelTitle(opened.space.arch, row.level)} entry, its table not in the dump`;
  if (row.kind === (EntryKind.NonPresent as RunKind)) {
    return nonPresentWords(opened.space.arch.decodeNonPresent(row.level, entryOf(opened, row)));
  }
  return `reserved bits are set in ${entryHex(opened, row)}`;
}

function flagText(flag: boolean | undefined): string {
  return flag === undefined ? '' : flag ? '1' : '0';
}

function quote(text: string): string {
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

