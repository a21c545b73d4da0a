import { Vmcoreinfo, TableMemory, type DumpNote, type MachineFacts } from '@pgtable/core';
import { describe, expect, it } from 'vitest';
import { s390 } from '../src/index.js';
import { Memory } from './tables.js';

/** Linux 6.12 with a region-third table at 0x40000 (kernel) and a process with one at 0x60000. */
const SWAPPER = 0x40000;
const KERNEL_ASCE = 0x40007n;
const USER_ASCE = 0x601c7n;
const PREFIX = 0x80000;

function linux(): Memory {
  return new Memory()
    .table('pud', SWAPPER, { 0: 0x48007n })
    .table('pmd', 0x48000, { 0: 0x4c000n })
    .table('pte', 0x4c000, { 0: 0x3dn, 1: 0x113dn })
    .table('pud', 0x60000, { 0: 0x48007n })
    .put(PREFIX + 0x388, KERNEL_ASCE, USER_ASCE);
}

function controls(cr: Readonly<Record<number, bigint>>): DumpNote {
  const memory = new Memory();
  for (const [at, value] of Object.entries(cr)) memory.put(Number(at) * 8, value);
  return { name: 'LINUX', type: 0x304, desc: memory.bytes.slice(0, 128) };
}

function prefixNote(prefix: number): DumpNote {
  const desc = new Uint8Array(4);
  new DataView(desc.buffer).setUint32(0, prefix);
  return { name: 'LINUX', type: 0x305, desc };
}

function facts(given: Partial<MachineFacts>): MachineFacts {
  return { memory: linux(), elfMachine: 22, littleEndian: false, bits: 64, notes: [], vmcoreinfo: [], registers: new Map(), ...given };
}

const NOTES = [prefixNote(PREFIX), controls({ 0: 0x14166a10n, 1: USER_ASCE, 7: USER_ASCE, 13: KERNEL_ASCE })];

describe('control-register notes', () => {
  it('give the kernel by CR13 and the process by CR1', async () => {
    const { candidates } = await s390.findRoots(facts({ notes: NOTES }));
    expect(candidates.map(({ role, source, table, variant }) => ({ role, source, table, variant }))).toEqual([
      { role: 'kernel', source: 'cpu-note', table: SWAPPER, variant: '3-level, region-third table' },
      { role: 'current', source: 'cpu-note', table: 0x60000, variant: '3-level, region-third table' },
    ]);
    expect(candidates[0]!.registers).toEqual({ asce: KERNEL_ASCE, prefix: BigInt(PREFIX) });
    expect(candidates[0]!.evidence.join(' ')).toMatch(/CR13.*0x40007.*kernel_asce.*0x80000.*enhanced DAT is off/);
    const space = candidates[1]!.open(new TableMemory());
    expect(space.root.windows[0]!.half).toBe('user');
    expect(space.arch.littleEndian).toBe(false);
  });

  it('see in the first pages what the kernel checks', async () => {
    const verdict = async (memory: Memory) => {
      const { candidates } = await s390.findRoots(facts({ memory, notes: NOTES }));
      return candidates[0]!.open(new TableMemory()).arch.ptdump.verdict({ writableExecutable: 0, userExecutable: 0 });
    };
    expect(await verdict(linux())).toMatch(/no unexpected W/);
    expect(await verdict(linux().put(0x4c000, 0x13dn))).toMatch(/no W\+X/);
    expect(await verdict(linux().put(0x4c008, 0x103dn))).toMatch(/not checked/);
  });

  it('give the process by CR7 if the processor was in the kernel', async () => {
    const notes = [prefixNote(PREFIX), controls({ 0: 0x14966a10n, 1: KERNEL_ASCE, 7: USER_ASCE, 13: KERNEL_ASCE })];
    const { candidates } = await s390.findRoots(facts({ notes }));
    expect(candidates.map(({ role, table }) => [role, table])).toEqual([['kernel', SWAPPER], ['current', SWAPPER], ['user', 0x60000]]);
  });

  it('of several processors give each process once, with its own prefix', async () => {
    const second = { 0: 0x14166a10n, 1: 0x641c7n, 7: 0x641c7n, 13: KERNEL_ASCE };
    const notes = [...NOTES, prefixNote(0xa0000), controls(second), prefixNote(0xc0000), controls(second)];
    const { candidates } = await s390.findRoots(facts({ notes }));
    expect(candidates.map(({ role, table, registers }) => [role, table, registers.prefix])).toEqual([
      ['kernel', SWAPPER, 0x80000n],
      ['current', 0x60000, 0x80000n],
      ['current', 0x64000, 0xa0000n],
    ]);
    expect(candidates[0]!.evidence.join(' ')).toMatch(/first of 3 processors/);
  });

  it('of real spaces give nothing but a word', async () => {
    const { candidates, missing } = await s390.findRoots(facts({ notes: [controls({ 1: 0x20n, 13: 0x20n })] }));
    expect(candidates.map(({ source }) => source)).toEqual(['structural-scan'].slice(0, candidates.length));
    expect(missing.join('\n')).toMatch(/CR13 is 0x20.*\n.*real-space designation/s);
  });
});

describe('VMCOREINFO', () => {
  const info = (text: string) => new Vmcoreinfo(text, 'a text');
  const uncoupled = (phys: number) => ['OSRELEASE=6.12.0', 'SYMBOL(swapper_pg_dir)=3ffe0540000', 'SYMBOL(lowcore_ptr)=3ffe0540800', 'IDENTITYBASE=0', 'KERNELOFFSET=3ffe0500000', `KERNELOFFPHYS=${phys.toString(16)}`, ''].join('\n');

  it('gives swapper_pg_dir by arithmetic', async () => {
    const text = uncoupled(0);
    const { candidates, missing } = await s390.findRoots(facts({ vmcoreinfo: [info(text)] }));
    expect(candidates[0]).toMatchObject({ role: 'kernel', source: 'vmcoreinfo-scan', table: SWAPPER, registers: { asce: KERNEL_ASCE, prefix: 0n } });
    expect(candidates[0]!.evidence.join(' ')).toMatch(/KERNELOFFSET 0x3ffe0500000 \+ KERNELOFFPHYS 0x0 = 0x40000/);
    expect(missing.join('\n')).toMatch(/give --prefix.*\n.*give --asce/);
  });

  it('gives the prefix, and with it the process, by lowcore_ptr', async () => {
    const memory = linux();
    const text = uncoupled(0).replace('3ffe0540800', '3ffe0590000');
    memory.put(0x90000, BigInt(PREFIX));
    const { candidates, missing } = await s390.findRoots(facts({ memory, vmcoreinfo: [info(text)] }));
    expect(candidates.map(({ role, source, table, registers }) => [role, source, table, registers.prefix])).toEqual([
      ['kernel', 'vmcoreinfo-scan', SWAPPER, 0x80000n],
      ['current', 'vmcoreinfo-scan', 0x60000, 0x80000n],
    ]);
    expect(missing).toHaveLength(1);
  });

  it('of a note is told from that of a scan', async () => {
    const text = uncoupled(0);
    const note = { name: 'VMCOREINFO', type: 0, desc: Uint8Array.from(text, (letter) => letter.charCodeAt(0)) };
    const { candidates } = await s390.findRoots(facts({ notes: [note], vmcoreinfo: [info(text)] }));
    expect(candidates[0]!.source).toBe('vmcoreinfo-note');
  });

  it('before 6.10 has physical addresses', async () => {
    const text = `OSRELEASE=5.15.0\nSYMBOL(swapper_pg_dir)=${SWAPPER.toString(16)}\nKERNELOFFSET=1000\n`;
    const { candidates } = await s390.findRoots(facts({ vmcoreinfo: [info(text)] }));
    expect(candidates[0]).toMatchObject({ source: 'vmcoreinfo-scan', table: SWAPPER });
  });

  it('of two kernels gives both, and says which ran', async () => {
    const memory = linux().table('p4d', 0x50000, { 0: 0x4000bn });
    const other = uncoupled(0x10000).replace('6.12.0', '6.12.0-crash');
    const { candidates } = await s390.findRoots(facts({ memory, notes: NOTES, vmcoreinfo: [info(other), info(uncoupled(0))] }));
    const found = candidates.filter(({ source }) => source === 'vmcoreinfo-scan');
    expect(found.map(({ table, variant }) => [table, variant])).toEqual([[0x50000, '4-level, region-second table'], [SWAPPER, '3-level, region-third table']]);
    expect(found[0]!.evidence.join(' ')).toMatch(/6\.12\.0-crash.*CR13 points elsewhere/);
    expect(found[1]!.evidence.join(' ')).toMatch(/CR13 points there too/);
  });

  it('is followed from the lowcore', async () => {
    const memory = linux();
    const text = Uint8Array.from(uncoupled(0), (letter) => letter.charCodeAt(0));
    new DataView(memory.bytes.buffer).setBigUint64(0xe0c, 0xb0000n);
    const view = new DataView(memory.bytes.buffer, 0xb0000);
    view.setUint32(0, 11);
    view.setUint32(4, text.length);
    memory.bytes.set(Uint8Array.from('VMCOREINFO', (letter) => letter.charCodeAt(0)), 0xb0000 + 12);
    memory.bytes.set(text, 0xb0000 + 24);
    const { candidates } = await s390.findRoots(facts({ memory }));
    expect(candidates[0]!.evidence[0]).toMatch(/absolute address 0xb0000, which the lowcore points to/);
    // Odd while the kernel boots.
    new DataView(memory.bytes.buffer).setBigUint64(0xe0c, 0xb0001n);
    expect((await s390.findRoots(facts({ memory }))).candidates).toEqual([]);
  });

  it('that leads nowhere is reported', async () => {
    const none = new Vmcoreinfo('OSRELEASE=6.12.0\n', 'a text');
    const { candidates, missing } = await s390.findRoots(facts({ memory: new Memory(), vmcoreinfo: [info(uncoupled(0xf00000)), none] }));
    expect(candidates).toEqual([]);
    expect(missing.join('\n')).toMatch(/no region or segment table.*\n.*no SYMBOL\(swapper_pg_dir\)/);
  });
});

describe('the lowcore', () => {
  it('gives the kernel where nothing better does', async () => {
    const memory = linux().put(0x390, 0x12345n).put(0x398, KERNEL_ASCE);
    const { candidates } = await s390.findRoots(facts({ memory }));
    expect(candidates).toHaveLength(1);
    expect(candidates[0]).toMatchObject({ role: 'kernel', source: 'structural-scan', table: SWAPPER, score: 1 });
  });

  it('is asked by a given prefix for the process too', async () => {
    const { candidates } = await s390.findRoots(facts({ registers: new Map([['prefix', BigInt(PREFIX)]]) }));
    expect(candidates.map(({ role, source, table }) => [role, source, table])).toEqual([['kernel', 'structural-scan', SWAPPER], ['current', 'structural-scan', 0x60000]]);
  });
});

describe('given registers', () => {
  it('come first', async () => {
    const { candidates } = await s390.findRoots(facts({ notes: NOTES, registers: new Map([['asce', 0x601c7n], ['prefix', 0x90000n]]) }));
    expect(candidates[0]).toMatchObject({ role: 'current', source: 'given', table: 0x60000, registers: { asce: 0x601c7n, prefix: 0x90000n } });
    expect(candidates.every(({ registers }) => registers.prefix === 0x90000n)).toBe(true);
  });

  it('with the wrong type are refused with the right one', async () => {
    await expect(s390.findRoots(facts({ registers: new Map([['asce', 0x40000n]]) }))).rejects.toMatchObject({ code: 'EINVAL', hint: expect.stringContaining('--asce 0x40007') as string });
  });

  it('may be of a table that cannot be checked', async () => {
    const { candidates } = await s390.findRoots(facts({ registers: new Map([['asce', 0x7000007n]]) }));
    expect(candidates[0]!.evidence.join(' ')).toMatch(/cannot be checked/);
  });
});

it('a dump without anything says what would help', async () => {
  const { candidates, missing } = await s390.findRoots(facts({ memory: new Memory() }));
  expect(candidates).toEqual([]);
  expect(missing.map((text) => /--(asce|prefix)/.exec(text)?.[0])).toEqual(['--prefix', '--asce', '--asce']);
});
