import { stat, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { PgtableError } from '@pgtable/core';
import { elfCoreChunks, packPages, type ElfSegment } from '@pgtable/memory';
import { tablePages } from '@pgtable/walk';
import { size } from '../describe.js';
import { ExitCode } from '../exit-codes.js';
import { Machine, type OpenedRoot } from '../machine.js';
import { writeRecorded, type RecordedGuess } from '../recorded.js';
import { loadTables, type CommandContext } from './common.js';

const PAGE = 4096;
/** A file of more is not what people attach to a bug report: from there on dense tables are compressed. */
const MOST_PLAIN_BYTES = 400_000;
/** 64-bit words of a page that differ from the word before: with more, the page is not worth its place in the file. */
const DENSE_WORDS = 64;

/** `pgtable extract --tables-only`: a dump of the pages that hold page tables, and nothing else. */
export async function extract({ io, machine: options }: CommandContext, output: string, plainOnly: boolean): Promise<ExitCode> {
  for (const file of options.files) {
    if (await isSameFile(output, file)) throw new PgtableError('EINVAL', `${output} is the dump itself`, { hint: 'give another file with -o' });
  }
  const machine = await Machine.open(options);
  try {
    const { memory, plugin } = machine;
    const opened = rootsToKeep(machine);
    for (const root of opened) await loadTables(io, root, root.space.root.windows);
    const kernel = machine.kernelRoot();
    const recorded = {
      registers: machine.facts.registers,
      regions: kernel === undefined ? undefined : await machine.kernelMarkers(kernel, undefined),
      symbolRegions: kernel === undefined || machine.symbols === undefined ? machine.recorded.symbolRegions : await machine.kernelMarkers(kernel, machine.symbols),
      guess: guessOf(machine, kernel),
    };
    const pages = tablePages(opened.map(({ space, tables }) => ({ arch: space.arch, tables })));
    const bytes = new Uint8Array(pages.length * PAGE);
    const states = new Uint8Array(pages.length);
    await memory.readBlocks(pages, PAGE, bytes, states);
    const segments = [...pages.keys()].filter((at) => states[at] === 1).map((at) => ({ address: pages[at]!, bytes: bytes.subarray(at * PAGE, (at + 1) * PAGE) }));
    if (segments.length === 0) {
      throw new PgtableError('ENOENT', `none of the page tables is in ${machine.title}`, { hint: 'the dump was cut short, leaves them out, or belongs at other addresses: pgtable roots says where they should be' });
    }

    const { arch } = opened[0]!.space;
    const notes = memory.notes.filter(({ name }) => name !== 'PGTABLE');
    // A VMCOREINFO that had to be looked for in memory would be gone with the memory.
    const found = notes.some(({ name }) => name === 'VMCOREINFO') ? [] : machine.facts.vmcoreinfo.map(({ text }) => ({ name: 'VMCOREINFO', type: 0, desc: new TextEncoder().encode(text) }));
    const build = (plain: readonly ElfSegment[], packed: readonly ElfSegment[]): Uint8Array[] => [
      ...elfCoreChunks({
        machine: {
          elfMachine: memory.machine?.elfMachine ?? plugin.elfMachines[0]!,
          bits: memory.machine?.bits ?? (arch.geometry.addressDigits === 8 ? 32 : 64),
          littleEndian: arch.littleEndian,
        },
        notes: [...notes, ...found, writeRecorded(recorded), ...(packed.length > 0 ? [packPages(packed)] : [])],
        segments: plain,
        compact: true,
      }),
    ];
    let chunks = build(segments, []);
    if (!plainOnly && bytesOf(chunks) > MOST_PLAIN_BYTES) {
      // The densest tables first: nothing else makes them smaller. The root stays a segment, so that there is one.
      const dense = segments.filter(({ address, bytes: page }) => address !== opened[0]!.space.root.table && differentWords(page) > DENSE_WORDS);
      if (dense.length > 0) chunks = build(segments.filter((segment) => !dense.includes(segment)), dense);
    }
    await writeFile(output, Buffer.concat(chunks)).catch((cause: unknown) => {
      throw new PgtableError('EIO', `cannot write ${output}`, { hint: 'is its folder there and writable?', cause });
    });
    const total = bytesOf(chunks);
    io.stderr.write(`pgtable: wrote ${output}: ${total} bytes, ${segments.length} pages of tables of ${opened.length} root${opened.length === 1 ? '' : 's'}, ${size(segments.length * PAGE)}\n`);
    return ExitCode.Done;
  } finally {
    await machine.close();
  }
}

/** Whether an argument (FILE or FILE@ADDRESS) names the output, by whatever path or link. */
async function isSameFile(output: string, argument: string): Promise<boolean> {
  const path = (await identityOf(argument)) === undefined ? argument.replace(/@[^@]*$/, '') : argument;
  const known = await identityOf(path);
  return resolve(path) === resolve(output) || (known !== undefined && known === (await identityOf(output)));
}

async function identityOf(path: string): Promise<string | undefined> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  return found === undefined ? undefined : `${found.dev} ${found.ino}`;
}

function bytesOf(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}

function differentWords(page: Uint8Array): number {
  const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
  let different = 0;
  for (let at = 8; at < page.length; at += 8) if (view.getBigUint64(at) !== view.getBigUint64(at - 8)) different++;
  return different;
}

/** What an extract has to say of the kernel's root if that was found by its shape alone. */
function guessOf({ plugin, search: { missing } }: Machine, kernel: OpenedRoot | undefined): RecordedGuess | undefined {
  if (kernel?.candidate.source !== 'structural-scan' || kernel.candidate.role !== 'kernel') return undefined;
  const { registers, score, evidence } = kernel.candidate;
  return { registers: new Map(Object.entries(registers).filter(([name]) => plugin.registers.some((register) => register.name === name))), score, evidence, missing };
}

/** The roots that a trimmed dump answers for: the kernel's, the processor's, and all others that something vouches for. One is enough. */
function rootsToKeep(machine: Machine): OpenedRoot[] {
  const vouched = machine.search.candidates.filter(({ source }) => source !== 'structural-scan').map((candidate) => machine.openRoot(candidate));
  const kept = new Set([machine.kernelRoot(), ...vouched, machine.userRoot()].filter((root) => root !== undefined));
  return kept.size > 0 ? [...kept] : [machine.requireRoot('kernel')];
}
