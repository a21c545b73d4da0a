import { EntryKind, hexAddress, PgtableError } from '@pgtable/core';
import type { ByteState } from '@pgtable/memory';
import { translateBatch, type Translation, type TranslationStatus } from '@pgtable/walk';
import { attributeWords, kernelAccess, levelTitle, nonPresentWords, size, userAccess } from '../describe.js';
import { ExitCode } from '../exit-codes.js';
import { Output } from '../io.js';
import { Machine, type Half } from '../machine.js';
import { parseAddress, sayIfGuessed, type CommandContext } from './common.js';
import { Lookup, type Part } from './lookup.js';
import { stream } from './vtop-stream.js';

export interface VtopOptions {
  readonly addresses: readonly string[];
  readonly format: 'text' | 'json';
  /** Only this half's root. */
  readonly half?: Half;
}

/** `pgtable vtop`: where virtual addresses are in physical memory. */
export async function vtop({ io, machine: options }: CommandContext, { addresses, format, half }: VtopOptions): Promise<ExitCode> {
  const streamed = addresses.includes('-');
  if (streamed && (addresses.length > 1 || format !== 'text')) {
    throw new PgtableError('EINVAL', `vtop - answers the addresses of standard input, one line each: it goes with no ${addresses.length > 1 ? 'other address' : '--format'}`, {
      hint: 'give the addresses as arguments, or all of them on standard input',
    });
  }
  const asked = streamed ? [] : addresses.map((text) => parseAddress(text, 'vtop'));
  const machine = await Machine.open(options);
  try {
    const lookup = new Lookup(machine, half);
    if (lookup.parts.length === 0) machine.requireRoot(half ?? 'kernel');
    for (const opened of new Set(lookup.parts.map((part) => part.opened))) sayIfGuessed(io, opened);
    if (streamed) return await stream(io, lookup);
    const out = new Output(io.stdout);
    let all = true;
    for (const address of asked) {
      const part = lookup.parts[lookup.partOf(lookup.untagged(Number(address & ~0xfffn)))];
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

/** Loads what the address needs, then explains. */
async function explain(part: Part, address: bigint): Promise<Translation> {
  const { loader, translator } = part.opened;
  const plain = untag(part, address);
  await translateBatch(translator, loader, Float64Array.of(Number(plain & ~0xfffn)));
  return translator.explain(plain);
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
    const state = stateOfPage(machine, translation.pa);
    // An extract has no memory but tables, which says nothing about this page.
    const where = state === 'present' || machine.recorded.isExtract ? '' : state === 'absent' ? ', not in the dump' : ', not memory that the dump knows';
    out.line(`  page of ${size(bytes)} at ${startOf(translation.pa, bytes)}${where}`);
    const group = translation.steps.at(-1)?.attributes?.group ?? 1;
    if (group > 1) out.line(`  in a contiguous group of ${group}, ${size(bytes * group)} from ${startOf(translation.pa, bytes * group)}`);
  } else {
    out.line(`  stopped: ${translation.reason}`);
  }
}

function stateOfPage(machine: Machine, pa: bigint): ByteState {
  return machine.memory.stateOf(Number(pa & ~0xfffn));
}

/** Where the aligned piece of memory begins that an address is in. */
function startOf(address: bigint, bytes: number): string {
  return hexAddress(address - (address % BigInt(bytes)));
}

function translationJson(machine: Machine, part: Part | undefined, address: bigint, translation: Translation | undefined, without: TranslationStatus): object {
  if (part === undefined || translation === undefined) return { address: hexAddress(address), status: without };
  const { arch } = part.opened.space;
  return {
    address: hexAddress(address),
    status: translation.status,
    reason: translation.reason,
    ...(translation.pa === undefined ? {} : { pa: hexAddress(translation.pa), pageBytes: translation.pageBytes, ...(machine.recorded.isExtract ? {} : { memory: stateOfPage(machine, translation.pa) }) }),
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
