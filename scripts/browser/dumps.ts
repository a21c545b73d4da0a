/* The dumps: the fixtures of the repository, and each of some of them again in every other container. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { x86 } from '@pgtable/arch-x86';
import { bytesSource, openMemory, type ByteSource, type Note, type PlacedSource } from '@pgtable/memory';
import { openFile } from '@pgtable/memory/node';
import { machineFacts } from '@pgtable/walk';
import { elfImage, flatten, kdumpImage, limeImage, noteBytes, texturedPage, vmcoreinfoNote, type Block, type KdumpCompression, type KdumpOptions } from '../../packages/memory/test/synthetic.js';
import type { Question } from './examine.js';
import type { PageOrder } from './page.js';

const FIXTURES = fileURLToPath(new URL('../../apps/pgtable/test/fixtures', import.meta.url));
const COMPRESSIONS: readonly KdumpCompression[] = ['none', 'zlib', 'lzo', 'snappy', 'zstd'];
const PAGE = 4096;
/** The fixtures' machines have memory in multiples of this. */
const RAM_UNIT = 2 ** 27;
/** Addresses that are asked of every dump: the first, the last, and some that no processor has. */
const EDGES = ['0', '1234', '7fffffffffff', '800000000000', '8000000000000000', 'fffeffffffffffff', 'ffff800000000000', 'ffffffffffffffff'];

export interface DumpCase {
  readonly name: string;
  readonly order: PageOrder;
  readonly bytes: Uint8Array;
  /** What Node reads: the file itself where there is one. */
  readonly source: () => Promise<ByteSource | readonly PlacedSource[]>;
  /** For each question: what QEMU's MMU said; undefined where nobody was asked. */
  readonly answers: readonly (readonly string[] | undefined)[];
  /** What the guest's kernel printed. */
  readonly listing?: string;
  /** The compression of a kdump image. */
  readonly compression?: KdumpCompression;
  /** A fixture in another container: its listing and answers are those of this other case. */
  readonly same?: string;
}

/** All cases, the fixtures first. */
export async function dumps(): Promise<DumpCase[]> {
  const fixtures = readdirSync(FIXTURES).sort().map(fixtureCase);
  const cases = [...fixtures];
  // One fixture of each architecture.
  const seen = new Set<string>();
  for (const fixture of fixtures) {
    const arch = /arm64|riscv64|s390x|x86_64/.exec(fixture.name)?.[0] ?? '';
    if (seen.has(arch)) continue;
    seen.add(arch);
    const parts = await partsOf(fixture.bytes);
    // Both byte orders.
    if (arch === 'x86_64' || arch === 's390x') cases.push(...COMPRESSIONS.map((compression) => kdumpCase(fixture, parts, arch, compression)), flattenedCase(fixture, parts, arch));
    cases.push(incompleteCase(fixture, parts, arch));
    if (arch !== 's390x') cases.push(unknownRootCase(fixture, parts, arch));
    if (arch === 'x86_64') {
      const registers = await x86Registers(fixture.bytes);
      cases.push(limeCase(fixture, parts, registers), rawCase(fixture, parts, registers));
    }
  }
  return [...cases, largeCase()];
}

function fixtureCase(name: string): DumpCase {
  const folder = join(FIXTURES, name);
  const path = join(folder, 'dump.elf');
  const files = readdirSync(folder);
  const questions: Question[] = [];
  const answers: (readonly string[] | undefined)[] = [];
  for (const file of files.filter((other) => other.endsWith('.tsv'))) {
    const rows = textOf(join(folder, file)).split('\n').filter((line) => line !== '').map((line) => line.split('\t'));
    questions.push({ space: file === 'gva2gpa-kernel.tsv' ? 'kernel' : 'process', addresses: rows.map(([address]) => address ?? '') });
    answers.push(rows.map(([, physical]) => physical ?? ''));
  }
  const listing = files.includes('kernel_page_tables.txt') ? textOf(join(folder, 'kernel_page_tables.txt')) : undefined;
  // The start of each line, and a byte inside of it.
  const listed = [...(listing ?? '').matchAll(/^0x([0-9a-f]+)-/gm)].flatMap((match) => [match[1]!, (BigInt(`0x${match[1]!}`) + 0x123n).toString(16)]);
  questions.push({ space: 'kernel', addresses: [...EDGES, ...listed] });
  answers.push(undefined);
  return {
    name,
    order: { url: `/dumps/${name}`, questions },
    bytes: readFileSync(path),
    source: () => openFile(path),
    answers,
    ...(listing === undefined ? {} : { listing }),
  };
}

interface Parts {
  readonly blocks: readonly Block[];
  readonly notes: readonly Note[];
  readonly littleEndian: boolean;
}

/** The memory of a dump in whole pages. */
async function partsOf(bytes: Uint8Array): Promise<Parts> {
  const memory = await openMemory(bytesSource(bytes));
  const blocks: Block[] = [];
  for (const { start, end, state } of memory.ranges) {
    if (state !== 'present') continue;
    const found = start % PAGE === 0 && end % PAGE === 0 ? await memory.read(start, end - start) : undefined;
    if (found === undefined) throw new Error(`the memory from ${start.toString(16)} on is not whole pages`);
    blocks.push({ address: start, bytes: found });
  }
  return { blocks, notes: memory.notes, littleEndian: memory.machine?.littleEndian ?? true };
}

/** A kdump file with all notes of the dump, which the made-up header has no room for. */
function kdump({ blocks, notes, littleEndian }: Parts, arch: string, options: KdumpOptions): Uint8Array {
  const image = kdumpImage(blocks, { bits: 64, littleEndian }, { ...options, notes: [] });
  const kept = noteBytes(notes, littleEndian);
  const whole = new Uint8Array(image.length + kept.length);
  whole.set(image);
  whole.set(kept, image.length);
  const view = new DataView(whole.buffer);
  // offset_note and size_note of kdump_sub_header.
  view.setBigUint64(PAGE + 48, BigInt(image.length), littleEndian);
  view.setBigUint64(PAGE + 56, BigInt(kept.length), littleEndian);
  // utsname.machine of disk_dump_header.
  whole.fill(0, 272, 272 + 65).set(new TextEncoder().encode(arch === 'arm64' ? 'aarch64' : arch), 272);
  return whole;
}

/** A made-up dump; Node reads it from an array. */
function madeCase(name: string, bytes: Uint8Array, order: Omit<PageOrder, 'url'>, more: Partial<DumpCase> = {}): DumpCase {
  return {
    name,
    bytes,
    order: { ...order, url: `/dumps/${encodeURIComponent(name)}` },
    source: () => Promise.resolve(bytesSource(bytes)),
    answers: order.questions.map(() => undefined),
    ...more,
  };
}

function kdumpCase(fixture: DumpCase, parts: Parts, arch: string, compression: KdumpCompression): DumpCase {
  return madeCase(`${fixture.name}, kdump ${compression}`, kdump(parts, arch, { compression }), fixture.order, { compression, same: fixture.name });
}

function flattenedCase(fixture: DumpCase, parts: Parts, arch: string): DumpCase {
  const shuffle = (numbers: number[]): number[] => numbers.toSorted((a, b) => (a % 5) - (b % 5) || a - b);
  return madeCase(`${fixture.name}, kdump lzo flattened`, flatten(kdump(parts, arch, { compression: 'lzo' }), { shuffle }), fixture.order, { same: fixture.name });
}

/** Every seventh page is left out, so some answers are `absent`. */
function incompleteCase(fixture: DumpCase, { blocks, notes, littleEndian }: Parts, arch: string): DumpCase {
  const pages = blocks.flatMap(({ address, bytes }) => Array.from({ length: bytes.length / PAGE }, (_, at) => ({ address: address + at * PAGE, bytes: bytes.subarray(at * PAGE, (at + 1) * PAGE) })));
  const kept = pages.filter((_, at) => at % 7 !== 6);
  const excluded = pages.filter((_, at) => at % 7 === 6).map(({ address }) => address / PAGE);
  return madeCase(`${fixture.name}, kdump zlib incomplete`, kdump({ blocks: kept, notes, littleEndian }, arch, { compression: 'zlib', excluded }), fixture.order);
}

/** No notes, and all other memory is known of and left out: the roots are found by their structure. */
function unknownRootCase(fixture: DumpCase, { blocks, littleEndian }: Parts, arch: string): DumpCase {
  const start = Math.floor(blocks[0]!.address / RAM_UNIT) * RAM_UNIT;
  const end = Math.ceil(blocks.at(-1)!.address / RAM_UNIT) * RAM_UNIT;
  const excluded = Array.from({ length: (end - start) / PAGE }, (_, at) => start / PAGE + at);
  return madeCase(`${fixture.name}, kdump zstd without notes`, kdump({ blocks, notes: [], littleEndian }, arch, { compression: 'zstd', excluded }), fixture.order);
}

/** CR3 and CR4 of the processor that a dump with notes is of. */
async function x86Registers(dump: Uint8Array): Promise<readonly (readonly [string, string])[]> {
  const memory = await openMemory(bytesSource(dump));
  const { candidates } = await x86.findRoots(machineFacts(memory));
  const found = candidates.find(({ role }) => role === 'current');
  if (found === undefined) throw new Error('the fixture has no processor notes');
  return x86.registers.flatMap(({ name }) => (found.registers[name] === undefined ? [] : [[name, found.registers[name].toString(16)] as const]));
}

type Registers = Awaited<ReturnType<typeof x86Registers>>;

/** LiME knows no machine and has no notes. */
function limeCase(fixture: DumpCase, { blocks }: Parts, registers: Registers): DumpCase {
  return madeCase(`${fixture.name}, LiME`, limeImage(blocks), { ...fixture.order, arch: 'x86', registers }, { answers: fixture.answers });
}

/** Raw memory in one file, of which each run is given as a file of its own. */
function rawCase(fixture: DumpCase, { blocks }: Parts, registers: Registers): DumpCase {
  const bytes = Buffer.concat(blocks.map((block) => block.bytes));
  let offset = 0;
  const parts = blocks.map(({ address, bytes: { length } }) => {
    offset += length;
    return { offset: offset - length, length, address };
  });
  return madeCase(`${fixture.name}, raw`, bytes, { ...fixture.order, arch: 'x86', registers, parts }, {
    answers: fixture.answers,
    source: () => Promise.resolve(parts.map(({ offset: at, length, address }) => ({ source: bytesSource(bytes.subarray(at, at + length), 'part'), address }))),
  });
}

/** More memory than one chunk or one batch, with a VMCOREINFO text over the edge of a chunk. */
function largeCase(): DumpCase {
  const pages = 4096;
  const bytes = Buffer.concat(Array.from({ length: pages }, (_, at) => (at % 9 === 4 ? new Uint8Array(PAGE) : texturedPage(at + 1))));
  bytes.write('OSRELEASE=6.12.0-synthetic\nPAGESIZE=4096\nSYMBOL(init_uts_ns)=ffffffff82000000\nSYMBOL(_stext)=ffffffff81000000\n\0', 2 ** 20 - 60, 'latin1');
  const blocks = [{ address: 0x1000, bytes: bytes.subarray(0, 2 ** 23) }, { address: 2 ** 32, bytes: bytes.subarray(2 ** 23) }];
  return madeCase(`made-up x86_64, ${bytes.length / 2 ** 20} MiB`, elfImage(blocks, { bits: 64, littleEndian: true }, { notes: [vmcoreinfoNote()], beyond: 3 * PAGE }), { questions: [{ space: 'process', addresses: EDGES }] });
}

function textOf(path: string): string {
  const text = readFileSync(path, 'latin1');
  if (text === '') throw new Error(`${basename(path)} is empty`);
  return text;
}
