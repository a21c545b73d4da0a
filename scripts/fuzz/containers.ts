/** Case `containers`: dumps in every format, damaged; and what opens goes through the whole program. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import fc from 'fast-check';
import { openMemory, bytesSource, elfCore, type PhysicalMemory } from '@pgtable/memory';
import { ARCHITECTURES, run } from '../../apps/pgtable/src/index.js';
import { elfImage, flatten, kdumpImage, limeImage, type Abi, type KdumpCompression } from '../../packages/memory/test/synthetic.js';
import { attempt, expect, fuzzCase, type CaseContext } from './harness.js';
import { machines, type Machine } from './machines.js';
import { anyChange, damage, LIES, type HeaderRanges } from './mutations.js';
import { analyse } from './pipeline.js';

interface Image {
  readonly name: string;
  readonly machine: Machine;
  readonly bytes: Uint8Array;
  readonly headers: HeaderRanges;
}

/** Bytes of the page descriptors that are looked at, behind headers and bitmaps. */
const KDUMP_HEADERS: HeaderRanges = [[8, 12], [404, 470], [4096, 4096 + 700], [16384, 16384 + 480]];
const COMPRESSIONS: readonly KdumpCompression[] = ['none', 'zlib', 'lzo', 'snappy', 'zstd'];

/** Every format around small machines, each with the machine's own byte order and width. */
export function images(all: readonly Machine[]): readonly Image[] {
  const small = all.filter(({ memory }) => memory.length <= 2 ** 18);
  return small.flatMap((machine, number) => {
    const { bits, littleEndian, memory, base, notes, elfMachine } = machine;
    const abi: Abi = { bits, littleEndian };
    // Two pieces with a hole of one page between them.
    const half = Math.floor(memory.length / 8192) * 4096;
    const blocks = [
      { address: base, bytes: memory.subarray(0, half) },
      { address: base + half, bytes: memory.subarray(half) },
    ];
    const plainNotes = notes.map(({ name, type, desc }) => ({ name, type, desc }));
    const elf = elfImage(blocks, abi, { elfMachine, notes: plainNotes });
    const version = ([3, 4, 5, 6] as const)[number % 4] ?? 6;
    const kdump = COMPRESSIONS.map((compression, at): Image => {
      const bytes = kdumpImage(blocks, abi, { version: at === 0 ? 6 : version, compression, notes: plainNotes, excluded: [1, 2], singleBitmap: number % 5 === 4 });
      return { name: `kdump ${compression}`, machine, bytes, headers: KDUMP_HEADERS };
    });
    return [
      { name: 'ELF', machine, bytes: elf, headers: [[0, 300], [300, 300 + 500]] },
      { name: 'ELF with PN_XNUM', machine, bytes: elfImage(blocks, abi, { elfMachine, notes: plainNotes, extendedNumbering: true, noteAlign: 8 }), headers: [[0, 340]] },
      { name: 'ELF of our own writer', machine, bytes: elfCore({ machine: { elfMachine, bits, littleEndian }, segments: blocks, notes: plainNotes }), headers: [[0, 300]] },
      ...kdump,
      { name: 'LiME', machine, bytes: limeImage(blocks, littleEndian), headers: [[4, 32], [32 + half, 64 + half]] },
    ];
  });
}

const MACHINES = machines();
const IMAGES = images(MACHINES);
const byName = new Map(IMAGES.map((image) => [`${image.machine.name}, ${image.name}`, image]));

/** How the damaged file is handed over. */
const anyWrapping = fc.oneof(
  { weight: 12, arbitrary: fc.constant('as it is' as const) },
  { weight: 2, arbitrary: fc.constant('flattened before' as const) },
  { weight: 2, arbitrary: fc.constant('flattened after' as const) },
  { weight: 1, arbitrary: fc.constant('raw' as const) },
  { weight: 1, arbitrary: fc.constant('by the command line' as const) },
);

const anyRun = fc.record({
  image: fc.constantFrom(...byName.keys()),
  changes: fc.array(anyChange, { maxLength: 6 }),
  wrapping: anyWrapping,
  /** Which architecture reads a dump that does not say what it is of, and sometimes one that does. */
  plugin: fc.noBias(fc.nat(ARCHITECTURES.length - 1)),
  wrongPlugin: fc.noBias(fc.nat(9)),
  giveRegisters: fc.noBias(fc.boolean()),
  number: fc.noBias(fc.nat(2 ** 30)),
});

/** Reads a dump in every way there is. */
async function readAll(memory: PhysicalMemory, base: number, context: CaseContext): Promise<void> {
  const ranges = (await attempt(context, () => memory.ranges)) ?? [];
  let last = 0;
  for (const { start, end, state } of ranges) {
    expect(start < end && start >= last, () => `range ${start}-${end} after ${last}`);
    expect(end <= 2 ** 56, () => `range ends at ${end}`);
    expect(memory.stateOf(start) === state, () => `stateOf(${start}) is ${memory.stateOf(start)}, and its range is ${state}`);
    last = end;
    if (last > 2 ** 55) break;
  }
  const addresses = [base, base + 4096, base + 5, 0, 2 ** 32, 2 ** 40, 2 ** 55, 2 ** 56, 2 ** 60, ranges[0]?.start ?? 0, (ranges.at(-1)?.end ?? 8192) - 4096].filter((address) => address >= 0);
  const states = new Uint8Array(addresses.length);
  await attempt(context, () => memory.readBlocks(addresses, 4096, new Uint8Array(addresses.length * 4096), states));
  for (const address of [-1, 0.5, NaN]) {
    memory.stateOf(address);
    await attempt(context, () => memory.read(address, 8));
  }
  for (const length of [8, 4096, 5000, 2 ** 24]) {
    const bytes = await attempt(context, () => memory.read(base, length));
    expect(bytes === undefined || bytes.length === length, () => `read gave ${bytes?.length} of ${length} bytes`);
  }
  for (const skipZeros of [false, true]) {
    await attempt(context, async () => {
      let chunks = 0;
      let at = -1;
      for await (const { address, bytes } of memory.chunks({ chunkSize: 65536, skipZeros })) {
        expect(bytes.length > 0 && address >= at, () => `chunk of ${bytes.length} bytes at ${address} after ${at}`);
        at = address + bytes.length;
        if (++chunks === 20) break;
      }
    });
  }
}

let folder: string | undefined;

/** A file for the command line; removed when the process ends. */
function fileFor(bytes: Uint8Array): string {
  if (folder === undefined) {
    const made = mkdtempSync(join(tmpdir(), 'pgtable-fuzz-'));
    folder = made;
    process.on('exit', () => {
      rmSync(made, { recursive: true, force: true });
    });
  }
  const path = join(folder, 'dump');
  writeFileSync(path, bytes);
  return path;
}

class Sink extends Writable {
  bytes = 0;
  /** The first of it. */
  text = '';
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.bytes += chunk.length;
    if (this.text.length < 4096) this.text += chunk.toString('latin1');
    done();
  }
}

const COMMANDS: readonly (readonly string[])[] = [
  ['info'],
  ['info', '--format', 'json'],
  ['roots'],
  ['roots', '--format', 'json'],
  ['check'],
  ['vtop', 'ffff800000001000', '1000', 'ffffffff81000000'],
  ['ptdump', '--range', 'ffff800000000000+40000000'],
  ['ptdump', '--format', 'json', '--user', '--range', '0+40000000'],
  ['ptdump', '--format', 'table', '--range', '0-ffffffff', '--arch', 's390'],
  ['ptdump', '--format', 'csv', '--no-merge', '--range', 'ffffffff80000000+200000'],
];

async function byCommandLine(bytes: Uint8Array, number: number, context: CaseContext): Promise<void> {
  const path = fileFor(bytes);
  const [command = 'info', ...flags] = COMMANDS[number % COMMANDS.length] ?? [];
  const args = [command, path, ...flags];
  const io = { stdin: Readable.from([]), stdout: new Sink(), stderr: new Sink(), env: {} };
  const code = await run(args, io);
  context.count(`exit ${code}`);
  expect(code >= 0 && code <= 3, () => `${args.join(' ')} ended with ${code}`);
  // The program turns an error that is not ours into a plea for a report.
  expect(!io.stderr.text.includes('mistake in pgtable'), () => `${args.join(' ')}: ${io.stderr.text}`);
  expect(code !== 3 || io.stderr.bytes > 0, () => `${args.join(' ')} ended with 3 and said nothing`);
}

export const containers = fuzzCase('containers', 'damaged dumps of every format, through the whole program', 0.6, anyRun, async (drawn, context) => {
  const image = byName.get(drawn.image);
  if (image === undefined) return;
  const { machine } = image;
  context.count('dumps');
  const isFlat = drawn.wrapping === 'flattened before';
  const flat = isFlat ? flatten(image.bytes, { recordSize: 4000 }) : image.bytes;
  const headers: HeaderRanges = isFlat ? Array.from({ length: Math.ceil(image.bytes.length / 4000) }, (_, i): [number, number] => [4096 + i * 4016, 4112 + i * 4016]) : image.headers;
  const damaged = damage(flat, headers, drawn.changes);
  const bytes = drawn.wrapping === 'flattened after' ? flatten(damaged, { recordSize: 1 + (drawn.number % 9000), overwrite: drawn.number % 2 === 0 && damaged.length > 16 }) : damaged;
  if (drawn.wrapping === 'by the command line') {
    await byCommandLine(bytes, drawn.number, context);
    return;
  }
  const source = bytesSource(bytes, 'fuzzed dump');
  const place = drawn.number % 4 === 0 ? Number(LIES[(drawn.number >> 2) % LIES.length] ?? 0n) : machine.base;
  const memory = await attempt(context, () =>
    drawn.wrapping === 'raw' ? openMemory([{ source, address: place }, { source, address: place + 2 ** 30 }]) : openMemory(source, { beyondFileSize: drawn.number % 3 === 0 ? 'absent' : 'zeros' }),
  );
  if (memory === undefined) return;
  context.count('opened');
  await readAll(memory, machine.base, context);
  const said = ARCHITECTURES.find(({ elfMachines }) => elfMachines.includes(memory.machine?.elfMachine ?? -1)) ?? machine.plugin;
  const plugin = drawn.wrongPlugin === 0 ? (ARCHITECTURES[drawn.plugin] ?? said) : said;
  const registers = drawn.giveRegisters && plugin === machine.plugin ? machine.registers : new Map<string, bigint>();
  await analyse(memory, plugin, { registers }, context);
  await memory.close();
});
