import { writeFileSync } from 'node:fs';
import { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { TableMemory, Vmcoreinfo, type MachineFacts, type RootCandidate } from '@pgtable/core';
import { bytesSource, openMemory, type PhysicalMemory } from '@pgtable/memory';
import { checkInsecure, ptdump, TableLoader, Translator, vmcoreinfoNotes } from '@pgtable/walk';
import { run } from 'pgtable';
import { describe, expect, it } from 'vitest';
import { decodePageWalk, encodePageWalk, LAYOUTS, loongarchGeometry, plugin, type LoongarchLayout } from '../src/index.js';
import { KERNEL, PROCESS, sampleDump, sampleInvalidTables, SWAPPER } from './sample.js';

/* From a dump to its listing, by the packages and by the command. The dump is left in sample.elf: README.md says how to read it. */

async function factsOf(dump: Uint8Array, more: Partial<MachineFacts> = {}): Promise<{ facts: MachineFacts; memory: PhysicalMemory }> {
  const memory = await openMemory(bytesSource(dump));
  return {
    memory,
    facts: {
      memory, notes: memory.notes, vmcoreinfo: vmcoreinfoNotes(memory.notes), registers: new Map(), elfMachine: memory.machine?.elfMachine, littleEndian: true, bits: 64,
      ...more,
    },
  };
}

const KERNEL_16K = [
  '0xffff800002008000-0xffff800002014000    0x000008000000        48K PTE .... .. .. .. .. . . P G . V CC  PLV0',
  '0xffff800008000000-0xffff80000a000000    0x000002000000        32M PMD .... .. .. .. .. . W P G D V CC  PLV0',
];
const USER_16K = [
  '0x0000000120000000-0x0000000120008000    0x000009000000        32K PTE .... .. .. .. .. . . P . . V CC  PLV3',
  '0x0000000120008000-0x000000012000c000    0x00000a000000        16K PTE .... NX .. .. .. . W P . . V CC  PLV3',
];

async function listing(candidate: RootCandidate | undefined, memory: PhysicalMemory): Promise<string[]> {
  if (candidate === undefined) throw new Error('no root was found');
  const space = candidate.open(new TableMemory({ entryBytes: candidate.entryBytes }));
  const loader = new TableLoader(space, memory);
  await loader.load();
  expect(loader.missingTables()).toEqual([]);
  const lines: string[] = [];
  ptdump(space, (line) => lines.push(line));
  return lines;
}

describe.each(LAYOUTS)('a dump of a kernel with %s', (layout) => {
  it('says where the root is, what its tables look like, and which of them map nothing', async () => {
    const { facts, memory } = await factsOf(sampleDump(layout));
    const { candidates, missing } = await plugin.findRoots(facts);
    expect(candidates.map(({ role, source, table, variant }) => [role, source, table, variant])).toEqual([['kernel', 'vmcoreinfo-note', SWAPPER, layout]]);
    expect(candidates[0]?.evidence[2]).toContain(`invalid_pte_table is at 0x${sampleInvalidTables(layout).pte.toString(16)}`);
    expect(missing.join(' ')).toContain('--pgdl');
    const space = candidates[0]!.open(new TableMemory());
    const loader = new TableLoader(space, memory);
    await loader.load();
    const { pageBytes } = loongarchGeometry(layout);
    const translator = new Translator(space, loader);
    expect(translator.explain(KERNEL + 0x200_0000n + 3n * BigInt(pageBytes) + 0x123n).pa).toBe(0x800_0123n + BigInt(pageBytes));
    expect(translator.explain(KERNEL).pa).toBeUndefined();
    // The huge page alone may be written to and executed.
    expect(checkInsecure(space).counts.writableExecutable).toBe(pageBytes / 8);
  });

  it('is read by registers alone, without VMCOREINFO', async () => {
    const registers = new Map([['pgdl', BigInt(PROCESS)], ['pgdh', 0x9000_0000_0000_0000n + BigInt(SWAPPER)]]);
    const { facts, memory } = await factsOf(sampleDump(layout), { vmcoreinfo: [], notes: [], registers });
    const { candidates } = await plugin.findRoots(facts);
    const found = candidates.map(({ role, source, table, variant }) => [role, source, table, variant]);
    expect(found).toEqual([['current', 'given', PROCESS, layout], ['kernel', 'given', SWAPPER, layout]]);
    expect((await listing(candidates[0], memory)).length).toBe(2);
  });
});

describe('roots', () => {
  it('of both halves are listed, each with its own addresses', async () => {
    const { facts, memory } = await factsOf(sampleDump('16KB_3LEVEL'), { registers: new Map([['pgdl', BigInt(PROCESS)]]) });
    const { candidates } = await plugin.findRoots(facts);
    expect(candidates.map(({ role }) => role)).toEqual(['current', 'kernel']);
    expect(await listing(candidates[0], memory)).toEqual(USER_16K);
    expect(await listing(candidates[1], memory)).toEqual(KERNEL_16K);
  });

  it('are read as pwcl and pwch say, and what is missing is said', async () => {
    const { pwcl, pwch } = encodePageWalk('4KB_4LEVEL');
    const registers = new Map([['pgdh', BigInt(SWAPPER)], ['pwcl', pwcl], ['pwch', pwch]]);
    const { facts } = await factsOf(sampleDump('16KB_3LEVEL'), { registers });
    const [given] = (await plugin.findRoots(facts)).candidates;
    expect(given?.variant).toBe('4KB_4LEVEL');
    expect(given?.evidence[1]).toContain('because pwcl and pwch were given');
    const alone = await plugin.findRoots({ ...facts, registers: new Map([['pwcl', pwcl]]) });
    expect(alone.missing[0]).toBe('pwcl was given without pwch: both together say what the tables look like');
    expect(alone.candidates[0]?.variant).toBe('16KB_3LEVEL');
    await expect(plugin.findRoots({ ...facts, registers: new Map([['pgdh', 0x1d4_0800n]]) })).rejects.toMatchObject({ code: 'EINVAL' });
  });

  it('of which most entries lead to a table that is in use have no table that maps nothing', async () => {
    // 16KB_3LEVEL from 0x10000 on: a root of one pointer, a table of pmds with two, and two empty tables of ptes.
    const words = new BigUint64Array(4 * 2048).fill(0x14000n, 0, 2048);
    words.fill(0x18000n, 2048, 4096);
    words[2049] = 0x1c000n;
    const memory = await openMemory([{ source: bytesSource(new Uint8Array(words.buffer)), address: 0x10000 }]);
    const { pwcl, pwch } = encodePageWalk('16KB_3LEVEL');
    const registers = new Map([['pgdh', 0x10000n], ['pwcl', pwcl], ['pwch', pwch]]);
    const { facts } = await factsOf(sampleDump('16KB_3LEVEL'), { memory, notes: [], vmcoreinfo: [], registers });
    expect((await plugin.findRoots(facts)).candidates[0]?.evidence[1]).toContain('lead to no table that maps nothing');
    words[2049] = 0x18000n;
    const same = await openMemory([{ source: bytesSource(new Uint8Array(words.buffer)), address: 0x10000 }]);
    expect((await plugin.findRoots({ ...facts, memory: same })).candidates[0]?.evidence[1]).toContain('invalid_pmd_table is at 0x14000, invalid_pte_table is at 0x18000');
  });

  it('are not found in a dump of another machine, or without VMCOREINFO and registers', async () => {
    const { facts } = await factsOf(sampleDump('16KB_3LEVEL'));
    expect(await plugin.findRoots({ ...facts, elfMachine: 62 })).toEqual({ candidates: [], missing: [] });
    const bare = await plugin.findRoots({ ...facts, vmcoreinfo: [] });
    expect(bare.candidates).toEqual([]);
    expect(bare.missing[0]).toContain('--pgdh');
  });
});

describe('a VMCOREINFO', () => {
  const text = (lines: string): Vmcoreinfo => new Vmcoreinfo(lines, 'a text in memory at 0x1000');

  it('of another kernel, or of a root that is not in the dump, gives no root', async () => {
    const { facts } = await factsOf(sampleDump('16KB_3LEVEL'));
    const other = await plugin.findRoots({ ...facts, vmcoreinfo: [text('SYMBOL(swapper_pg_dir)=ffff000001d40000\n')] });
    expect(other.candidates).toEqual([]);
    const absent = await plugin.findRoots({ ...facts, vmcoreinfo: [text('PAGESIZE=16384\nSYMBOL(swapper_pg_dir)=9000000040000000\n')] });
    expect(absent.candidates).toEqual([]);
    expect(absent.missing[0]).toBe('a text in memory at 0x1000 puts swapper_pg_dir at physical address 0x40000000, which is not in this dump: give --pgdh.');
  });

  it('of a root whose empty entries lead nowhere comes after one that is sound, and says so', async () => {
    const { facts } = await factsOf(sampleDump('16KB_3LEVEL'));
    // The kernel's first table of ptes: no pointer in it.
    const wrong = text('PAGESIZE=16384\nSYMBOL(swapper_pg_dir)=9000000006004000\n');
    const right = text(`PAGESIZE=16384\nSYMBOL(swapper_pg_dir)=${(0x9000_0000_0000_0000n + BigInt(SWAPPER)).toString(16)}\n`);
    const { candidates } = await plugin.findRoots({ ...facts, notes: [], vmcoreinfo: [wrong, right] });
    expect(candidates.map(({ table, source }) => [table, source])).toEqual([[SWAPPER, 'vmcoreinfo-scan'], [0x600_4000, 'vmcoreinfo-scan']]);
    expect(candidates[1]?.evidence[2]).toContain('so zero is taken for empty. It was read as 16KB_3LEVEL; give --pwcl and --pwch');
  });

  it('says how far the kernel was moved, if it does', () => {
    expect([plugin.kernelOffset(undefined), plugin.kernelOffset(text('KERNELOFFSET=1a000000\n'))]).toEqual([0n, 0x1a00_0000n]);
  });
});

describe('pwcl and pwch', () => {
  it.each<[LoongarchLayout, bigint, bigint]>([
    // The first is what the boot code of other kernels writes for four levels of 9 bits (12, 21, 30, 39), the others by the same rule.
    ['4KB_4LEVEL', 0x13e4_d52cn, 0x267n],
    ['4KB_3LEVEL', 0x4_d52cn, 0x25en],
    ['16KB_2LEVEL', 0x16en, 0x2d9n],
    ['16KB_3LEVEL', 0x5_e56en, 0x2e4n],
    ['64KB_2LEVEL', 0x1b0n, 0x35dn],
    ['64KB_3LEVEL', 0x6_f5b0n, 0x36an],
  ])('of %s', (layout, pwcl, pwch) => {
    expect(encodePageWalk(layout)).toEqual({ pwcl, pwch });
    expect(decodePageWalk(pwcl, pwch | (1n << 24n))).toBe(layout);
  });
  it('are refused where Linux has no such tables', () => {
    expect(() => decodePageWalk(0x13e4_d52cn, 0x268n)).toThrow('9 bits from bit 12, 9 bits from bit 21, 9 bits from bit 30, 9 bits from bit 40');
  });
});

describe('the command', () => {
  const file = fileURLToPath(new URL('../sample.elf', import.meta.url));
  writeFileSync(file, sampleDump('16KB_3LEVEL'));
  const command = async (name: string, ...options: string[]): Promise<{ code: number; lines: string[]; err: string }> => {
    const written = { out: '', err: '' };
    const stream = (to: 'out' | 'err'): Writable => new Writable({
      write(chunk, _encoding, done) {
        written[to] += String(chunk);
        done();
      },
    });
    const code = await run([name, file, ...options], { stdin: Readable.from([]), stdout: stream('out'), stderr: stream('err'), env: {} }, [plugin]);
    return { code, lines: written.out.split('\n').slice(0, -1), err: written.err };
  };

  it('lists the kernel with its regions, and a process by its root', async () => {
    expect((await command('ptdump')).lines).toEqual(['---[ PCI I/O ]---', '---[ Modules ]---', ...KERNEL_16K, '---[ vmalloc() area, vmemmap, kfence ]---']);
    expect((await command('ptdump', '--pgdl', '0x5a30000', '--root', 'current')).lines).toEqual(['---[ User Space ]---', ...USER_16K]);
  });

  it('translates an address, and says what it passed', async () => {
    expect(await command('vtop', '0xffff80000200c123')).toEqual({
      code: 0,
      err: '',
      lines: [
        '0xffff80000200c123 -> 0x0000000008004123',
        '  root 0x0000000001d40000 (kernel, loongarch64 16KB_3LEVEL)',
        '  PGD  0x0000000001d40000[0] = 0x9000000006000000  table kernel rwx user rwx',
        '  PMD  0x0000000006000000[1] = 0x9000000006004000  table kernel rwx user rwx',
        '  PTE  0x0000000006004000[3] = 0x00000000080040d1  leaf  kernel r-x user ---  V PLV0 G P CC',
        '  page of 16K at 0x0000000008004000, not memory that the dump knows',
      ],
    });
  });

  it('translates nothing in a direct-mapped window, which no table is for', async () => {
    const { code, lines } = await command('vtop', '0x9000000001d40000');
    expect([code, lines]).toEqual([1, ['0x9000000001d40000 non-canonical: not an address that this machine translates']]);
  });
});
