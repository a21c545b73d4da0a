import { writeFileSync } from 'node:fs';
import { TableMemory, type MachineFacts, type RootCandidate } from '@pgtable/core';
import { bytesSource, openMemory } from '@pgtable/memory';
import { checkInsecure, ptdump, TableLoader, Translator, vmcoreinfoNotes } from '@pgtable/walk';
import { expect, it } from 'vitest';
import { plugin } from '../src/index.js';
import { sampleDump } from './sample.js';

/* From a dump to its listing, as the command does it. The dump is left in sample.elf: README.md says how to read it. */

const dump = sampleDump();
writeFileSync(new URL('../sample.elf', import.meta.url), dump);
const memory = await openMemory(bytesSource(dump));
const facts: MachineFacts = {
  memory, notes: memory.notes, vmcoreinfo: vmcoreinfoNotes(memory.notes), registers: new Map(),
  elfMachine: memory.machine?.elfMachine, littleEndian: memory.machine?.littleEndian, bits: memory.machine?.bits,
};

async function listing(candidate: RootCandidate | undefined): Promise<string[]> {
  if (candidate === undefined) throw new Error('no root was found');
  const space = candidate.open(new TableMemory({ entryBytes: candidate.entryBytes }));
  const loader = new TableLoader(space, memory);
  await loader.load();
  const lines: string[] = [];
  ptdump(space, (line) => lines.push(line));
  expect(new Translator(space, loader).explain(0xffff_ffff_8040_1234n).pa).toBe(0x8040_1234n);
  expect(checkInsecure(space).counts.writableExecutable).toBe(0);
  return lines;
}

const LINES = [
  '0xffffffc000000000-0xffffffc002000000 0x0000000080000000        32M PMD rw-- A D G .',
  '0xffffffff80200000-0xffffffff80400000 0x0000000080200000         2M PMD r-x- A D G .',
  '0xffffffff80400000-0xffffffff80403000 0x0000000080400000        12K PTE rw-- A D G .',
];

it('VMCOREINFO says where the root is, and the tables are listed', async () => {
  const { candidates } = await plugin.findRoots(facts);
  expect(candidates.map(({ role, source, table }) => [role, source, table])).toEqual([['kernel', 'vmcoreinfo-note', 0x8100_0000]]);
  expect(await listing(candidates[0])).toEqual(LINES);
});

it('a register that is given comes first', async () => {
  const { candidates } = await plugin.findRoots({ ...facts, registers: new Map([['pgroot', 0x8100_0000n]]) });
  expect(candidates.map(({ role, source }) => [role, source])).toEqual([['current', 'given'], ['kernel', 'vmcoreinfo-note']]);
  expect(await listing(candidates[0])).toEqual(LINES);
});

it('a dump of another machine has no roots of ours, and what is missing is said', async () => {
  expect((await plugin.findRoots({ ...facts, elfMachine: 62 })).candidates).toEqual([]);
  const { missing } = await plugin.findRoots({ ...facts, vmcoreinfo: [] });
  expect(missing.join('\n')).toContain('--pgroot');
});
