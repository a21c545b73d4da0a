import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { PgtableError } from '@pgtable/core';
import { elfCoreChunks } from '@pgtable/memory';
import { tablePages } from '@pgtable/walk';
import { size } from '../describe.js';
import { ExitCode } from '../exit-codes.js';
import { Machine, type OpenedRoot } from '../machine.js';
import { writeRecorded } from '../recorded.js';
import { loadTables, type CommandContext } from './common.js';

const PAGE = 4096;

/** `pgtable extract --tables-only`: a dump of the pages that hold page tables, and nothing else. */
export async function extract({ io, machine: options }: CommandContext, output: string): Promise<ExitCode> {
  if (options.files.some((file) => resolve(file) === resolve(output))) {
    throw new PgtableError('EINVAL', `${output} is the dump itself`, { hint: 'give another file with -o' });
  }
  const machine = await Machine.open(options);
  try {
    const { memory, plugin } = machine;
    const opened = rootsToKeep(machine);
    const readByMarkers = new Map(machine.recorded.memory);
    for (const root of opened) {
      const ranges = root.space.root.windows;
      await loadTables(io, root, ranges);
      await machine.markers(root, ranges, (address, bytes) => readByMarkers.set(address, bytes));
    }
    const pages = tablePages(opened.map(({ space, tables }) => ({ arch: space.arch, tables })));
    const bytes = new Uint8Array(pages.length * PAGE);
    const states = new Uint8Array(pages.length);
    await memory.readBlocks(pages, PAGE, bytes, states);
    const segments = [...pages.keys()].filter((at) => states[at] === 1).map((at) => ({ address: pages[at]!, bytes: bytes.subarray(at * PAGE, (at + 1) * PAGE) }));

    const { arch } = opened[0]!.space;
    const notes = memory.notes.filter(({ name }) => name !== 'PGTABLE');
    // A VMCOREINFO that had to be looked for in memory would be gone with the memory.
    const found = notes.some(({ name }) => name === 'VMCOREINFO') ? [] : machine.facts.vmcoreinfo.map(({ text }) => ({ name: 'VMCOREINFO', type: 0, desc: new TextEncoder().encode(text) }));
    const recorded = { registers: machine.facts.registers, memory: readByMarkers };
    const kept = recorded.registers.size + recorded.memory.size > 0 ? [writeRecorded(recorded)] : [];
    const chunks = [
      ...elfCoreChunks({
        machine: {
          elfMachine: memory.machine?.elfMachine ?? plugin.elfMachines[0]!,
          bits: memory.machine?.bits ?? (arch.geometry.addressDigits === 8 ? 32 : 64),
          littleEndian: arch.littleEndian,
        },
        notes: [...notes, ...found, ...kept],
        segments,
      }),
    ];
    await writeFile(output, Buffer.concat(chunks)).catch((cause: unknown) => {
      throw new PgtableError('EIO', `cannot write ${output}`, { hint: 'is its folder there and writable?', cause });
    });
    const total = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    io.stderr.write(`pgtable: wrote ${output}: ${total} bytes, ${segments.length} pages of tables of ${opened.length} root${opened.length === 1 ? '' : 's'}, ${size(segments.length * PAGE)}\n`);
    return ExitCode.Done;
  } finally {
    await machine.close();
  }
}

/** The roots that a trimmed dump answers for: the kernel's, the processor's, and all others that something vouches for. */
function rootsToKeep(machine: Machine): OpenedRoot[] {
  const vouched = machine.search.candidates.filter(({ source }) => source !== 'structural-scan').map((candidate) => machine.openRoot(candidate));
  const kept = new Set([machine.requireRoot('kernel'), ...vouched]);
  const user = machine.userRoot();
  if (user !== undefined) kept.add(user);
  return [...kept];
}
