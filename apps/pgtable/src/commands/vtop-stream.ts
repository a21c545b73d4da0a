import { once } from 'node:events';
import { PgtableError } from '@pgtable/core';
import { BATCH_STATUSES, translateBatch } from '@pgtable/walk';
import { ExitCode } from '../exit-codes.js';
import type { CommandContext } from './common.js';
import type { Lookup } from './lookup.js';

/*
 * `vtop -` on its hot path: bytes in, bytes out, numbers in between. A line becomes no string and an address no bigint.
 */

/** What a line longer than this is, it is no address. */
const LONGEST_LINE = 4096;
/** Room for one answer beside the line itself: `0x`, a tab, the longest answer, the end of the line. */
const ANSWER_ROOM = 32;
const MAPPED = BATCH_STATUSES.indexOf('mapped');
/** In the place of a status: the line is no address. */
const INVALID = BATCH_STATUSES.length;
const WORDS = [...BATCH_STATUSES, 'invalid'].map((word) => new TextEncoder().encode(word));
const TAB = 9;
const NEWLINE = 10;
const SPACE = 32;
const ZERO = 48;
const LETTER_X = 120;
const HEX_DIGITS = new TextEncoder().encode('0123456789abcdef');
/** By character code: the value of a hexadecimal digit, or -1. */
const DIGIT_VALUES = Int8Array.from({ length: 256 }, (_, code) => (/[0-9a-f]/i.test(String.fromCharCode(code)) ? parseInt(String.fromCharCode(code), 16) : -1));

/** Answers each line of standard input with one line; as soon as it has been read, so that a program may ask and wait. */
export async function stream(io: CommandContext['io'], lookup: Lookup): Promise<ExitCode> {
  const batch = new Batch(lookup);
  let rest: Uint8Array = new Uint8Array(0);
  let warned = false;
  const answer = async (bytes: Uint8Array): Promise<void> => {
    const text = await batch.answer(bytes);
    if (batch.without !== undefined && !warned) {
      warned = true;
      io.stderr.write(`pgtable: ${batch.without}\n`);
    }
    if (text.length > 0 && !io.stdout.write(text)) await once(io.stdout, 'drain');
  };
  for await (const chunk of io.stdin as AsyncIterable<Uint8Array | string>) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, 'latin1') : chunk;
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    if (end > 0) {
      await answer(rest.length === 0 ? bytes.subarray(0, end) : Buffer.concat([rest, bytes.subarray(0, end)]));
      rest = Buffer.from(bytes.subarray(end));
    } else {
      rest = Buffer.concat([rest, bytes]);
    }
    if (rest.length > LONGEST_LINE) {
      throw new PgtableError('EINVAL', `standard input has a line of more than ${LONGEST_LINE} bytes, which is no address`, { hint: 'give one hexadecimal address a line' });
    }
  }
  if (rest.length > 0) await answer(rest);
  if (batch.invalid > 0) {
    io.stderr.write(`pgtable: ${batch.invalid} line${batch.invalid === 1 ? ' is no address' : 's are no addresses'} (answered with "invalid"): give up to 16 hexadecimal digits a line\n`);
    return ExitCode.Usage;
  }
  return batch.allMapped ? ExitCode.Done : ExitCode.Finding;
}

/** The lines of one chunk as columns. Lives as long as the command, so that nothing is allocated for a line. */
class Batch {
  allMapped = true;
  invalid = 0;
  /** Why the root of some address is not known, if that was so. */
  without: string | undefined;
  private readonly lookup: Lookup;
  private lines = 0;
  /** Where the line is, without blanks around it. */
  private start = new Uint32Array(0);
  private end = new Uint32Array(0);
  /** The address: the page, exact as a number, and the rest. */
  private page = new Float64Array(0);
  private low = new Uint16Array(0);
  /** Index of the part that translates it, or -1. */
  private part = new Int8Array(0);
  private status = new Uint8Array(0);
  private pa = new Float64Array(0);

  constructor(lookup: Lookup) {
    this.lookup = lookup;
  }

  /** @param bytes whole lines; of the last one the end may be missing */
  async answer(bytes: Uint8Array): Promise<Uint8Array> {
    this.parse(bytes);
    for (let part = 0; part < this.lookup.parts.length; part++) await this.translate(part);
    return this.text(bytes);
  }

  private parse(bytes: Uint8Array): void {
    // Every line but the last has a character and its end.
    this.reserve((bytes.length >> 1) + 1);
    this.lines = 0;
    for (let from = 0; from < bytes.length; ) {
      let next = bytes.indexOf(NEWLINE, from);
      if (next < 0) next = bytes.length;
      let start = from;
      let end = next;
      while (start < end && isBlank(bytes[start]!)) start++;
      while (end > start && isBlank(bytes[end - 1]!)) end--;
      if (start < end) this.line(bytes, start, end);
      from = next + 1;
    }
  }

  private line(bytes: Uint8Array, start: number, end: number): void {
    const at = this.lines++;
    this.start[at] = start;
    this.end[at] = end;
    const first = digitsFrom(bytes, start, end);
    let high = 0;
    let low = 0;
    let seen = end > first && end - first <= 16 ? 0 : -1;
    for (let i = first; i < end && seen >= 0; i++) {
      seen = DIGIT_VALUES[bytes[i]!]!;
      high = (high << 4) | (low >>> 28);
      low = (low << 4) | seen;
    }
    this.part[at] = -1;
    if (seen < 0) {
      this.status[at] = INVALID;
      this.invalid++;
      return;
    }
    const page = (high >>> 0) * 2 ** 32 + ((low & ~0xfff) >>> 0);
    let part = this.lookup.partOf(page);
    this.page[at] = page;
    if (part < 0) {
      this.page[at] = this.lookup.untagged(page);
      part = this.lookup.partOf(this.page[at]);
    }
    this.low[at] = low & 0xfff;
    this.part[at] = part;
    if (part < 0) this.withoutRoot(at, BigInt(page));
  }

  private withoutRoot(at: number, address: bigint): void {
    const status = this.lookup.statusWithout(address);
    if (status === 'absent') this.without ??= this.lookup.reasonWithout(address);
    this.status[at] = BATCH_STATUSES.indexOf(status);
    this.allMapped = false;
  }

  private async translate(which: number): Promise<void> {
    const { translator, loader } = this.lookup.parts[which]!.opened;
    const pages = new Float64Array(this.lines);
    let count = 0;
    for (let at = 0; at < this.lines; at++) if (this.part[at] === which) pages[count++] = this.page[at]!;
    if (count === 0) return;
    const { status, pagePa } = await translateBatch(translator, loader, pages.subarray(0, count));
    for (let at = 0, row = 0; row < count; at++) {
      if (this.part[at] !== which) continue;
      this.status[at] = status[row]!;
      this.pa[at] = pagePa[row]!;
      this.allMapped &&= status[row] === MAPPED;
      row++;
    }
  }

  private text(bytes: Uint8Array): Uint8Array {
    const out = new Uint8Array(bytes.length + this.lines * ANSWER_ROOM);
    let to = 0;
    for (let at = 0; at < this.lines; at++) {
      const status = this.status[at]!;
      const start = this.start[at]!;
      const end = this.end[at]!;
      if (status === INVALID) {
        for (let i = start; i < end; i++) out[to++] = bytes[i]!;
      } else {
        out[to++] = ZERO;
        out[to++] = LETTER_X;
        for (let i = digitsFrom(bytes, start, end); i < end; i++) out[to++] = HEX_DIGITS[DIGIT_VALUES[bytes[i]!]!]!;
      }
      out[to++] = TAB;
      if (status === MAPPED) to = writeAddress(out, to, this.pa[at]!, this.low[at]!);
      else for (const byte of WORDS[status]!) out[to++] = byte;
      out[to++] = NEWLINE;
    }
    return out.subarray(0, to);
  }

  private reserve(lines: number): void {
    if (this.start.length >= lines) return;
    this.start = new Uint32Array(lines);
    this.end = new Uint32Array(lines);
    this.page = new Float64Array(lines);
    this.low = new Uint16Array(lines);
    this.part = new Int8Array(lines);
    this.status = new Uint8Array(lines);
    this.pa = new Float64Array(lines);
  }
}

function isBlank(byte: number): boolean {
  return byte === SPACE || (byte >= TAB && byte <= 13);
}

/** Where the digits begin: after `0x`, if that is there. */
function digitsFrom(bytes: Uint8Array, start: number, end: number): number {
  return end - start >= 2 && bytes[start] === ZERO && (bytes[start + 1]! | SPACE) === LETTER_X ? start + 2 : start;
}

/**
 * Writes `0x` and the digits of an address of up to 64 bits, without leading zeros.
 *
 * @param page a multiple of 4096
 * @returns where the text ends
 */
function writeAddress(out: Uint8Array, to: number, page: number, offset: number): number {
  const high = Math.floor(page / 2 ** 32);
  const low = (page - high * 2 ** 32 + offset) >>> 0;
  out[to++] = ZERO;
  out[to++] = LETTER_X;
  let shift = high > 0 ? 60 - (Math.clz32(high) & ~3) : Math.max(28 - (Math.clz32(low) & ~3), 0);
  for (; shift >= 0; shift -= 4) out[to++] = HEX_DIGITS[((shift >= 32 ? high >>> (shift - 32) : low >>> shift) & 15)]!;
  return to;
}
