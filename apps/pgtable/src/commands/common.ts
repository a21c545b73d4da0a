import { hexAddress, PgtableError } from '@pgtable/core';
import { describeMissing, vaRange, type VaRange } from '@pgtable/walk';
import type { Io } from '../io.js';
import type { Half, MachineOptions, OpenedRoot } from '../machine.js';
import { Progress } from '../progress.js';

/** What every command gets: where it reads and writes, and what the user gave. */
export interface CommandContext {
  readonly io: Io;
  readonly machine: MachineOptions;
}

/** Loads the tables of some ranges, with a progress bar, and warns about tables that are not there. */
export async function loadTables(io: Io, opened: OpenedRoot, ranges: readonly VaRange[]): Promise<void> {
  const progress = new Progress(io, true);
  try {
    await opened.loader.load(ranges, ({ level, done, total }) => {
      progress.update(`${level} tables`, done, total);
    });
  } finally {
    progress.stop();
  }
  sayIfGuessed(io, opened);
  const missing = describeMissing(opened.loader);
  if (missing !== undefined) io.stderr.write(`pgtable: ${missing}: what they translate is shown as absent\n`);
}

/** Warns of a root that was found by its looks alone: what is printed of it may be of no address space at all. */
export function sayIfGuessed(io: Io, { candidate }: OpenedRoot): void {
  if (candidate.source !== 'structural-scan') return;
  const score = candidate.score === undefined ? '' : `, score ${candidate.score}`;
  io.stderr.write(`pgtable: the root table at ${hexAddress(candidate.table)} is a guess (structural scan${score}): pgtable roots shows what speaks for it\n`);
}

/** The addresses of one half that a root translates. */
export function windowsOf({ space }: OpenedRoot, half: Half): VaRange[] {
  return space.root.windows.filter((window) => window.half === half).map(({ start, end }) => ({ start, end }));
}

/** A number as people write addresses: hexadecimal, with or without 0x. */
export function parseAddress(text: string, what: string): bigint {
  const digits = text.replaceAll('_', '').replace(/^0x/i, '');
  if (!/^[0-9a-f]{1,16}$/i.test(digits)) {
    throw new PgtableError('EINVAL', `${what}: ${JSON.stringify(text)} is not an address`, { hint: 'give up to 16 hexadecimal digits, such as 0xffff888000001000' });
  }
  return BigInt('0x' + digits);
}

/** `START-END` or `START+LENGTH`, hexadecimal, half-open; rounded outwards to pages. */
export function parseRange(text: string): VaRange {
  const match = /^([^-+]+)([-+])([^-+]+)$/.exec(text);
  if (match === null) throw new PgtableError('EINVAL', `--range ${text} is not a range`, { hint: 'give START-END or START+LENGTH in hexadecimal, END exclusive' });
  const start = parseAddress(match[1]!, '--range');
  const second = parseAddress(match[3]!, '--range');
  // The end of the address space may be written as its last byte or as the wrapped 0.
  const end = match[2] === '+' ? start + second : second === 0n || second === 2n ** 64n - 1n ? 2n ** 64n : second;
  if (end <= start || end > 2n ** 64n) {
    throw new PgtableError('EINVAL', `--range ${text} ends at ${hexAddress(end)}, which is not after its start ${hexAddress(start)}`, { hint: 'END is exclusive' });
  }
  return vaRange(start, end);
}

/** The same addresses in ascending ranges that neither overlap nor touch. */
export function united(ranges: readonly VaRange[]): VaRange[] {
  const all: VaRange[] = [];
  for (const range of [...ranges].sort((a, b) => a.start - b.start)) {
    const last = all.at(-1);
    if (last !== undefined && range.start <= last.end) all[all.length - 1] = { start: last.start, end: Math.max(last.end, range.end) };
    else all.push(range);
  }
  return all;
}

/** The parts of some ranges that lie in others. */
export function intersect(a: readonly VaRange[], b: readonly VaRange[]): VaRange[] {
  return a.flatMap((one) => b.map((other) => ({ start: Math.max(one.start, other.start), end: Math.min(one.end, other.end) })).filter(({ start, end }) => start < end));
}
