import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { TableMemory, Vmcoreinfo, type MachineFacts, type RootCandidate } from '@pgtable/core';
import { bytesSource, openMemory } from '@pgtable/memory';
import { checkInsecure, ptdump, TableLoader, Translator, vmcoreinfoNotes } from '@pgtable/walk';
import { beforeAll, describe, expect, it } from 'vitest';
import { plugin } from '../src/index.js';
import { sampleDump } from './sample.js';

/* From a dump to its listing, by the packages and by the command. The dumps are left in sample-64k.elf and sample-4k.elf: README.md says how to read them. */

/** The last columns of a line, written by hand: `rw` is data, `rX` is text. */
const DATA = '        r  w       pte  valid  present        dirty  accessed                          ';
const TEXT = '        r      X   pte  valid  present               accessed                          ';

const LINEAR = [
  `0xc000000000000000-0xc0000000001fffff  0x0000000000000000         2M${TEXT}`,
  `0xc000000000200000-0xc000000001ffffff  0x0000000000200000        30M${DATA}`,
];

describe.each([
  { pageBytes: 65536, name: '64k', vmalloc: ['0xc008000000000000-0xc00800000002ffff  0x0000000000800000       192K', '0xc008000000200000-0xc00800000020ffff  0x0000000000900000        64K'], page: 0x80_0000n + 0x1_0000n },
  { pageBytes: 4096, name: '4k', vmalloc: ['0xc008000000000000-0xc008000000002fff  0x0000000000800000        12K', '0xc008000000200000-0xc008000000200fff  0x0000000000900000         4K'], page: 0x80_0000n + 0x1000n },
] as const)('a dump with pages of $pageBytes bytes', ({ pageBytes, name, vmalloc, page }) => {
  const dump = sampleDump(pageBytes);
  const file = fileURLToPath(new URL(`../sample-${name}.elf`, import.meta.url));
  writeFileSync(file, dump);
  const address = 0xc008_0000_0000_0000n + BigInt(pageBytes) + 0x123n;
  const lines = [...LINEAR, ...vmalloc.map((line) => line + DATA)];

  async function factsOf(): Promise<MachineFacts> {
    const memory = await openMemory(bytesSource(dump));
    const { elfMachine, littleEndian } = memory.machine ?? {};
    return { memory, notes: memory.notes, vmcoreinfo: vmcoreinfoNotes(memory.notes), registers: new Map(), elfMachine, littleEndian, bits: 64 };
  }

  async function listing(candidate: RootCandidate | undefined): Promise<string[]> {
    if (candidate === undefined) throw new Error('no root was found');
    const space = candidate.open(new TableMemory({ entryBytes: candidate.entryBytes }));
    const loader = new TableLoader(space, await openMemory(bytesSource(dump)));
    await loader.load();
    const found: string[] = [];
    ptdump(space, (line) => found.push(line));
    expect(new Translator(space, loader).explain(address).pa).toBe(page + 0x123n);
    expect(checkInsecure(space).counts.writableExecutable).toBe(0);
    return found;
  }

  it('VMCOREINFO says where the root is and how large pages are, and the tables are listed', async () => {
    const facts = await factsOf();
    const { candidates } = await plugin.findRoots(facts);
    expect(candidates.map(({ role, source, table }) => [role, source, table])).toEqual([['kernel', 'vmcoreinfo-note', 0x100_0000]]);
    expect(await listing(candidates[0])).toEqual(lines);
  });

  it.each([['ptcr', 0x1_0004n], ['prte', 0x4000_0000_0100_00adn]])('%s, if it is given, comes first', async (register, value) => {
    const facts = { ...(await factsOf()), registers: new Map([[register, value]]) };
    const { candidates } = await plugin.findRoots(facts);
    expect(candidates.map(({ role, source }) => [role, source])).toEqual([['kernel', 'given'], ['kernel', 'vmcoreinfo-note']]);
    expect(await listing(candidates[0])).toEqual(lines);
  });

  it('ptcr and pidr lead to the root of a process and to the kernel\'s', async () => {
    const facts = { ...(await factsOf()), registers: new Map([['ptcr', 0x1_0004n], ['pidr', 5n]]) };
    const { candidates } = await plugin.findRoots(facts);
    expect(candidates.map(({ role, source }) => [role, source])).toEqual([['current', 'given'], ['kernel', 'given'], ['kernel', 'vmcoreinfo-note']]);
    expect(candidates[0]?.open(new TableMemory()).root.windows).toEqual([{ start: 0, end: 2 ** 52, index: 0, half: 'user' }]);
    const none = await plugin.findRoots({ ...facts, registers: new Map([['ptcr', 0x1_0004n], ['pidr', 3n]]) });
    expect(none.missing).toEqual(['process 3 has no tree of Linux: its entry of the process table is 0x0']);
  });

  it('without VMCOREINFO both sizes of page are tried; a kernel with the hash MMU has no roots', async () => {
    const facts = await factsOf();
    const { candidates } = await plugin.findRoots({ ...facts, vmcoreinfo: [], registers: new Map([['prte', 0x4000_0000_0100_00adn]]) });
    expect(candidates.map(({ variant }) => variant)).toEqual(['radix, 64K pages', 'radix, 4K pages']);
    const hash = await plugin.findRoots({ ...facts, vmcoreinfo: [new Vmcoreinfo('NUMBER(RADIX_MMU)=0\n', 'a note')] });
    expect(hash.candidates).toEqual([]);
    expect(hash.missing.join('\n')).toContain('a note says that the kernel uses the hash MMU');
  });

  it('a dump of another machine has no roots of ours, and what is missing is said', async () => {
    const facts = await factsOf();
    expect((await plugin.findRoots({ ...facts, elfMachine: 62 })).candidates).toEqual([]);
    const { missing } = await plugin.findRoots({ ...facts, vmcoreinfo: [] });
    expect(missing.join('\n')).toContain('--prte');
    const absent = await plugin.findRoots({ ...facts, registers: new Map([['ptcr', 0x7000_0000n]]) });
    expect(absent.missing.join('\n')).toContain('partition table at real address 0x70000000 is not in this dump');
  });

  describe('and the command', () => {
    const require = createRequire(import.meta.url);
    const run = (...args: string[]): string => execFileSync(process.execPath, args, { cwd: new URL('..', import.meta.url), encoding: 'utf8' });
    const command = (...args: string[]): string => run(require.resolve('pgtable/package.json').replace(/package\.json$/, 'dist/cli.js'), ...args);

    beforeAll(() => {
      run(require.resolve('typescript/bin/tsc'), '-p', 'tsconfig.build.json');
    }, 60_000);

    it('lists the tables', { timeout: 60_000 }, () => {
      const shown = command('ptdump', '--plugin', './dist/index.js', file).split('\n');
      expect(shown.filter((line) => !line.startsWith('---['))).toEqual([...lines, '']);
      expect(shown.filter((line) => line.startsWith('---['))).toContain('---[ vmalloc() Area ]---');
    });

    it('translates an address', { timeout: 60_000 }, () => {
      expect(command('vtop', '--plugin', './dist/index.js', file, address.toString(16))).toContain((page + 0x123n).toString(16));
    });
  });
});
