import { Vmcoreinfo, type RootCandidate } from '@pgtable/core';
import { bytesSource, elfCore, openMemory, type PhysicalMemory } from '@pgtable/memory';
import { describe, expect, it } from 'vitest';
import { machineFacts, openRoot } from '../src/index.js';
import { leaf, toyArch, toyRoot } from './toy.js';

const TEXT = 'OSRELEASE=6.12.0\nPAGESIZE=4096\n';
const note = (text: string) => ({ name: 'VMCOREINFO', type: 0, desc: new TextEncoder().encode(text) });

function dump(notes: readonly { name: string; type: number; desc: Uint8Array }[]): Promise<PhysicalMemory> {
  const table = new BigUint64Array(512);
  table[0] = leaf(2 ** 20);
  return openMemory(bytesSource(elfCore({ machine: { elfMachine: 183, bits: 64, littleEndian: true }, segments: [{ address: 0x1000, bytes: new Uint8Array(table.buffer) }], notes })));
}

describe('machineFacts', () => {
  it('tells what the container and its notes say', async () => {
    const memory = await dump([note(TEXT)]);
    const { vmcoreinfo, ...facts } = machineFacts(memory);
    expect(facts).toEqual({ memory, elfMachine: 183, littleEndian: true, bits: 64, notes: memory.notes, registers: new Map() });
    expect(vmcoreinfo.map(({ text }) => text.trim())).toEqual([TEXT.trim()]);
  });

  it('puts what was found in memory behind the notes, and each kernel once', async () => {
    const memory = await dump([note(`${TEXT}CRASHTIME=1\n`)]);
    const scanned = [TEXT, 'OSRELEASE=6.13.0\n'].map((text) => new Vmcoreinfo(text, 'memory'));
    const registers = new Map([['cr3', 0x1000n]]);
    const facts = machineFacts(memory, { registers, scanned });
    expect(facts.vmcoreinfo.map(({ source }) => source)).toEqual(['the VMCOREINFO note of the dump', 'memory']);
    expect(facts.vmcoreinfo[1]).toBe(scanned[1]);
    expect(facts.registers).toBe(registers);
  });

  it('knows nothing of raw memory', async () => {
    const memory = await openMemory([{ source: bytesSource(new Uint8Array(4096)), address: 0 }]);
    expect(machineFacts(memory)).toMatchObject({ elfMachine: undefined, littleEndian: undefined, bits: undefined, vmcoreinfo: [] });
  });
});

describe('openRoot', () => {
  it('opens a root over tables of its own, which are loaded when that is asked for', async () => {
    const memory = await dump([]);
    const candidate: RootCandidate = {
      role: 'kernel', source: 'given', table: 0x1000, variant: 'three levels', evidence: [], registers: {}, entryBytes: 8,
      open: (tables) => ({ arch: toyArch(tables), root: toyRoot(0x1000) }),
    };
    const opened = openRoot(candidate, memory);
    expect([opened.candidate, opened.tables, opened.tables.tables]).toEqual([candidate, opened.space.arch.tables, 0]);
    await opened.loader.load();
    expect(opened.translator.explain(0x1234n)).toMatchObject({ status: 'mapped', pa: BigInt(2 ** 20 + 0x1234) });
    await expect(openRoot(candidate, memory, { maxBytes: 1 }).loader.load()).rejects.toMatchObject({ code: 'ENOMEM' });
  });
});
