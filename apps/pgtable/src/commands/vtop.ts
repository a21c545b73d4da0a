import { createInterface } from 'node:readline';
import { EntryKind, hexAddress } from '@pgtable/core';
import { BATCH_STATUSES, translateBatch, Translator, type Translation, type TranslationStatus } from '@pgtable/walk';
import { attributeWords, kernelAccess, levelTitle, nonPresentWords, size, userAccess } from '../describe.js';
import { ExitCode } from '../exit-codes.js';
import { Output } from '../io.js';
import { Machine, type Half, type OpenedRoot } from '../machine.js';
import { parseAddress, type CommandContext } from './common.js';

export interface VtopOptions {
  readonly addresses: readonly string[];
  readonly format: 'text' | 'json';
  /** Only this half's root. */
  readonly half?: Half;
}

/** A root and the addresses that are looked up in it. */
interface Part {
  readonly opened: OpenedRoot;
  readonly translator: Translator;
  readonly windows: readonly { readonly start: number; readonly end: number }[];
}

/** Lines that are translated together: enough to make reading tables cheap, few enough to answer soon. */
const BATCH_LINES = 65536;

/** `pgtable vtop`: where virtual addresses are in physical memory. */
export async function vtop({ io, machine: options }: CommandContext, { addresses, format, half }: VtopOptions): Promise<ExitCode> {
  const machine = await Machine.open(options);
  try {
    const lookup = new Lookup(machine, half);
    if (lookup.parts.length === 0) machine.requireRoot(half ?? 'kernel');
    if (addresses.length === 1 && addresses[0] === '-') return await stream(io, machine, lookup);
    const out = new Output(io.stdout);
    let all = true;
    for (const text of addresses) {
      const address = parseAddress(text, 'vtop');
      const part = lookup.find(Number(address & ~0xfffn))?.part;
      const translation = part === undefined ? undefined : await explain(part, address);
      all &&= translation?.status === 'mapped';
      if (format === 'json') out.line(JSON.stringify(translationJson(machine, part, address, translation, lookup.statusWithout(address))));
      else print(out, machine, lookup, part, address, translation);
    }
    await out.flush();
    return all ? ExitCode.Done : ExitCode.Finding;
  } finally {
    await machine.close();
  }
}

/** Which root an address is looked up in. */
class Lookup {
  readonly parts: readonly Part[];
  private readonly lacks: readonly Half[];
  private readonly machine: Machine;

  constructor(machine: Machine, half: Half | undefined) {
    this.machine = machine;
    const parts: Part[] = [];
    const lacks: Half[] = [];
    // User addresses first: where both halves overlap (s390), the processor's own space is the one that is meant.
    for (const wanted of half === undefined ? (['user', 'kernel'] as const) : [half]) {
      const opened = wanted === 'user' ? machine.userRoot() : machine.kernelRoot();
      if (opened === undefined) {
        lacks.push(wanted);
        continue;
      }
      const windows = opened.space.root.windows.filter((window) => window.half === wanted);
      const shared = parts.find((part) => part.opened === opened);
      parts.push({ opened, translator: shared?.translator ?? new Translator(opened.space, opened.loader), windows });
    }
    this.parts = parts;
    this.lacks = lacks;
  }

  /** The root for an address, and the address as that root's windows have it: without a tag where tags are ignored. */
  find(page: number): { readonly part: Part; readonly page: number } | undefined {
    for (const part of this.parts) {
      const { arch } = part.opened.space;
      const plain = arch.untagAddress === undefined ? page : Number(arch.untagAddress(BigInt(page)));
      for (const { start, end } of part.windows) if (plain >= start && plain < end) return { part, page: plain };
    }
    return undefined;
  }

  /** The answer for an address that no known root translates: not canonical, or the root that would is not in the dump. */
  statusWithout(address: bigint): 'absent' | 'non-canonical' {
    const half: Half = address >> 63n === 0n ? 'user' : 'kernel';
    return this.lacks.includes(half) ? 'absent' : 'non-canonical';
  }

  reasonWithout(address: bigint): string {
    if (this.statusWithout(address) === 'non-canonical') return 'not an address that this machine translates';
    return `the root table for ${address >> 63n === 0n ? 'user' : 'kernel'} addresses is not known: ${this.machine.missingHint()}`;
  }
}

/** Loads what the address needs, then explains. */
async function explain(part: Part, address: bigint): Promise<Translation> {
  const { loader, space } = part.opened;
  const plain = untag(part, address);
  await translateBatch(part.translator, loader, Float64Array.of(Number(plain & ~0xfffn)));
  return new Translator(space, loader).explain(plain);
}

function untag(part: Part, address: bigint): bigint {
  return part.opened.space.arch.untagAddress?.(address) ?? address;
}

function print(out: Output, machine: Machine, lookup: Lookup, part: Part | undefined, address: bigint, translation: Translation | undefined): void {
  if (part === undefined || translation === undefined) {
    out.line(`${hexAddress(address)} ${lookup.statusWithout(address)}: ${lookup.reasonWithout(address)}`);
    return;
  }
  const { arch } = part.opened.space;
  const { candidate } = part.opened;
  const answer = translation.pa === undefined ? translation.status : hexAddress(translation.pa);
  out.line(`${hexAddress(address)} -> ${answer}`);
  out.line(`  root ${hexAddress(candidate.table)} (${candidate.role}, ${machine.plugin.name} ${candidate.variant})`);
  for (const step of translation.steps) {
    const digits = arch.geometry.entryBytes * 2;
    const words =
      step.attributes !== undefined
        ? `${step.kind === EntryKind.Leaf ? 'leaf ' : 'table'} kernel ${kernelAccess(step.attributes.access)} user ${userAccess(step.attributes.access)}  ${attributeWords(step.attributes).join(' ')}`
        : step.nonPresent !== undefined
          ? nonPresentWords(step.nonPresent)
          : step.kind === EntryKind.None
            ? 'empty'
            : 'reserved bits are set';
    out.line(`  ${levelTitle(arch, step.level).padEnd(4)} ${hexAddress(step.table)}[${step.index}] = ${hexAddress(step.entry, digits)}  ${words}`.trimEnd());
  }
  if (translation.pageBytes !== undefined && translation.pa !== undefined) {
    const bytes = translation.pageBytes;
    const state = machine.memory.stateOf(Number(translation.pa & ~0xfffn));
    const where = state === 'present' ? '' : state === 'absent' ? ', not in the dump' : ', not memory that the dump knows';
    out.line(`  page of ${size(bytes)} at ${hexAddress(translation.pa - (translation.pa % BigInt(bytes)))}${where}`);
  } else {
    out.line(`  stopped: ${translation.reason}`);
  }
}

function translationJson(machine: Machine, part: Part | undefined, address: bigint, translation: Translation | undefined, without: TranslationStatus): object {
  if (part === undefined || translation === undefined) return { address: hexAddress(address), status: without };
  const { arch } = part.opened.space;
  return {
    address: hexAddress(address),
    status: translation.status,
    reason: translation.reason,
    ...(translation.pa === undefined ? {} : { pa: hexAddress(translation.pa), pageBytes: translation.pageBytes }),
    root: { table: hexAddress(part.opened.candidate.table), role: part.opened.candidate.role, architecture: machine.plugin.name, variant: part.opened.candidate.variant },
    steps: translation.steps.map((step) => ({
      level: step.level,
      title: levelTitle(arch, step.level),
      table: hexAddress(step.table),
      index: step.index,
      entryAddress: hexAddress(step.entryAddress),
      entry: hexAddress(step.entry, arch.geometry.entryBytes * 2),
      ...(step.attributes === undefined
        ? {}
        : { kernel: kernelAccess(step.attributes.access), user: userAccess(step.attributes.access), flags: step.attributes.flags, memoryType: step.attributes.memoryType, group: step.attributes.group }),
      ...(step.nonPresent === undefined ? {} : { nonPresent: nonPresentWords(step.nonPresent) }),
    })),
  };
}

/** Answers each line of standard input with one line, in batches. */
async function stream(io: CommandContext['io'], machine: Machine, lookup: Lookup): Promise<ExitCode> {
  const out = new Output(io.stdout);
  const seen = { allMapped: true, invalid: 0, warned: false };
  let lines: string[] = [];

  const answer = async (): Promise<void> => {
    const texts = new Array<string>(lines.length);
    const pages = lookup.parts.map(() => new Float64Array(lines.length));
    const counts = lookup.parts.map(() => 0);
    const places = lookup.parts.map(() => new Uint32Array(lines.length));
    const lows = new Uint16Array(lines.length);
    lines.forEach((line, at) => {
      const digits = line.startsWith('0x') || line.startsWith('0X') ? line.slice(2) : line;
      if (!/^[0-9a-fA-F]{1,16}$/.test(digits)) {
        seen.invalid++;
        texts[at] = `${line}\tinvalid`;
        return;
      }
      // The low 12 bits and the rest apart: each part is exact as a number, the whole is not.
      const low = parseInt(digits.slice(-3), 16);
      const page = digits.length > 3 ? parseInt(digits.slice(0, -3), 16) * 4096 : 0;
      lows[at] = low;
      const found = lookup.find(page);
      const question = `0x${digits.toLowerCase()}\t`;
      texts[at] = question;
      if (found === undefined) {
        const status = lookup.statusWithout(BigInt(page));
        if (status === 'absent' && !seen.warned) {
          seen.warned = true;
          io.stderr.write(`pgtable: ${lookup.reasonWithout(BigInt(page))}\n`);
        }
        texts[at] = question + status;
        seen.allMapped = false;
        return;
      }
      const which = lookup.parts.indexOf(found.part);
      const count = counts[which]!;
      pages[which]![count] = found.page;
      places[which]![count] = at;
      counts[which] = count + 1;
    });
    for (const [which, part] of lookup.parts.entries()) {
      const count = counts[which]!;
      if (count === 0) continue;
      const { status, pagePa } = await translateBatch(part.translator, part.opened.loader, pages[which]!.subarray(0, count));
      for (let row = 0; row < count; row++) {
        const at = places[which]![row]!;
        const found = BATCH_STATUSES[status[row]!]!;
        texts[at] = texts[at]! + (found === 'mapped' ? physical(pagePa[row]!, lows[at]!) : found);
        seen.allMapped &&= found === 'mapped';
      }
    }
    for (const text of texts) out.line(text);
    await out.flush();
    lines = [];
  };

  for await (const line of createInterface({ input: io.stdin, crlfDelay: Infinity })) {
    const trimmed = line.trim();
    if (trimmed === '') continue;
    lines.push(trimmed);
    if (lines.length >= BATCH_LINES) await answer();
  }
  if (lines.length > 0) await answer();
  if (seen.invalid > 0) {
    io.stderr.write(`pgtable: ${seen.invalid} lines are no addresses (answered with "invalid"): give up to 16 hexadecimal digits a line\n`);
    return ExitCode.Usage;
  }
  return seen.allMapped ? ExitCode.Done : ExitCode.Finding;
}

function physical(page: number, low: number): string {
  const whole = page + low;
  // Beyond 2 ** 53 the sum would be rounded.
  return '0x' + (whole <= Number.MAX_SAFE_INTEGER ? whole.toString(16) : (BigInt(page) + BigInt(low)).toString(16));
}
