import { linkSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { openMemoryFiles } from '@pgtable/memory/node';
import { dumpOf, fixtures, pgtable, SAMPLE, Scratch } from './harness.js';
import { ARM64_FLAGS, arm64Elf, X86_FLAGS, x86Elf, X86_MEMORY } from './machines.js';

const scratch = new Scratch();
const symbols = scratch.write('System.map', '0000000000001000 T not_in_any_kernel\n');
const x86 = scratch.write('x86.elf', x86Elf());
const arm64 = scratch.write('arm64.elf', arm64Elf());

describe.each(fixtures(''))('an extract of the extract %s', (name) => {
  test('answers as the first one does, and is small', async () => {
    const target = scratch.file(`${name}.elf`);
    const made = await pgtable(['extract', '--tables-only', dumpOf(name), '--symbols', symbols, '-o', target]);
    expect([made.code, made.out]).toEqual([0, '']);
    expect(made.err).toMatch(/^pgtable: wrote .*: \d+ bytes, \d+ pages of tables of \d+ roots?, /);
    expect(statSync(target).size).toBeLessThan(400_000);
    for (const flags of [[], ['--symbols', symbols], ['--format', 'csv', '--user']]) {
      const first = await pgtable(['ptdump', dumpOf(name), ...flags]);
      const second = await pgtable(['ptdump', target, ...flags]);
      expect(second.out === first.out, flags.join(' ')).toBe(true);
      expect([second.err.replace(target, dumpOf(name)), second.code]).toEqual([first.err, first.code]);
    }
  });
});

test('a dump without any of its tables is an error of the dump', async () => {
  const target = scratch.file('nothing.elf');
  const { code, err } = await pgtable(['extract', '--tables-only', x86, '--cr3', '0x99000', '-o', target]);
  expect(err).toContain(`none of the page tables is in ${x86}`);
  expect(code).toBe(3);
});

test("the tables of a process are enough, where the kernel's are not known", async () => {
  const target = scratch.file('process.elf');
  const flags = ARM64_FLAGS.slice(2);
  const made = await pgtable(['extract', '--tables-only', arm64, ...flags, '-o', target]);
  expect([made.code, made.err]).toEqual([0, expect.stringContaining('4 pages of tables of 1 root')]);
  for (const format of ['kernel', 'csv']) {
    const listed = await pgtable(['ptdump', target, '--user', '--format', format]);
    expect(listed).toEqual(await pgtable(['ptdump', arm64, ...flags, '--user', '--format', format]));
    expect(listed.lines.length).toBeGreaterThan(1);
  }
  expect((await pgtable(['vtop', target, '1234'])).lines[0]).toBe('0x0000000000001234 -> 0x0000000000030234');
  const nothing = await pgtable(['extract', '--tables-only', arm64, ...flags.slice(2), '-o', target]);
  expect([nothing.code, nothing.err]).toEqual([3, expect.stringContaining('no root table for kernel addresses was found')]);
});

describe('what is in the file', () => {
  test('tables and notes, and no other page', async () => {
    // A page of data beside the tables, which nothing but a leaf points to.
    const bytes = new Uint8Array(0x10000);
    bytes.set(X86_MEMORY.bytes);
    bytes.fill(0x5a, 0xf000);
    const secret = scratch.write('secret.raw', bytes);
    const target = scratch.file('secret.elf');
    expect((await pgtable(['extract', '--tables-only', `${secret}@1000`, ...X86_FLAGS, '-o', target])).code).toBe(0);
    expect(readFileSync(target).includes(Buffer.alloc(16, 0x5a))).toBe(false);
    const memory = await openMemoryFiles([target]);
    expect(memory.ranges.filter(({ state }) => state === 'present').map(({ start, end }) => [start, end])).toEqual([[0x1000, 0x8000]]);
    expect(memory.notes.map((note) => note.name)).toEqual(['PGTABLE']);
    await memory.close();
  });

  test('registers that were given are remembered, and may be given anew', async () => {
    const target = scratch.file('arm64-tables.elf');
    await pgtable(['extract', '--tables-only', arm64, ...ARM64_FLAGS, '-o', target]);
    expect((await pgtable(['vtop', target, '1234', 'ab00000000001234', 'ffff000000001234'])).lines.filter((line) => line.includes(' -> '))).toEqual([
      '0x0000000000001234 -> 0x0000000000030234', '0xab00000000001234 -> 0x0000000000030234', '0xffff000000001234 -> 0x0000000000011234',
    ]);
    const swapped = await pgtable(['vtop', target, 'ffff000000001234', '--ttbr1', '5000']);
    expect(swapped.lines[0]).toBe('0xffff000000001234 -> 0x0000000000030234');
    expect((await pgtable(['check', target])).lines).toEqual((await pgtable(['check', arm64, ...ARM64_FLAGS])).lines);
  });

  test('--plain stores every page as a segment', async () => {
    const names = async (path: string): Promise<string[]> => {
      const memory = await openMemoryFiles([path]);
      await memory.close();
      return memory.notes.filter(({ name }) => name === 'PGTABLE').map(({ type }) => `type ${type}`);
    };
    const [packed, plain] = [scratch.file('packed.elf'), scratch.file('plain.elf')];
    await pgtable(['extract', '--tables-only', SAMPLE, '-o', packed]);
    await pgtable(['extract', '--tables-only', SAMPLE, '-o', plain, '--plain']);
    expect(await names(packed)).toEqual(['type 1', 'type 2']);
    expect(await names(plain)).toEqual(['type 1']);
    expect((await pgtable(['ptdump', plain])).out).toBe((await pgtable(['ptdump', SAMPLE])).out);
  });
});

describe('refused', () => {
  test('to write over its own input, by whatever name', async () => {
    const before = readFileSync(x86);
    symlinkSync(x86, scratch.file('symlink.elf'));
    linkSync(x86, scratch.file('link.elf'));
    const raw = scratch.write('tables.raw', X86_MEMORY.bytes);
    for (const [input, output] of [[x86, x86], [x86, `${scratch.path}/./x86.elf`], [x86, scratch.file('symlink.elf')], [scratch.file('link.elf'), x86], [`${raw}@1000`, raw]] as const) {
      const { code, err } = await pgtable(['extract', '--tables-only', input, ...X86_FLAGS, '-o', output]);
      expect(err).toBe(`pgtable: ${output} is the dump itself\n  give another file with -o\n`);
      expect(code).toBe(2);
    }
    expect(readFileSync(x86).equals(before)).toBe(true);
    expect(readFileSync(raw).equals(Buffer.from(X86_MEMORY.bytes))).toBe(true);
  });

  test('without -o or --tables-only', async () => {
    expect(await pgtable(['extract', '--tables-only', x86])).toMatchObject({ code: 2, err: expect.stringContaining('--output') as string });
    expect(await pgtable(['extract', x86, '-o', scratch.file('no.elf')])).toMatchObject({ code: 2, err: expect.stringContaining('--tables-only') as string });
  });

  test('where it cannot write', async () => {
    const { code, err } = await pgtable(['extract', '--tables-only', x86, ...X86_FLAGS, '-o', scratch.file('no/such/folder.elf')]);
    expect(err).toContain('cannot write');
    expect(code).toBe(3);
  });

  test('a PGTABLE note that was damaged', async () => {
    const note = { name: 'PGTABLE', type: 1, desc: new TextEncoder().encode('register.cr3=0x1000\nregion.zz=bad\n') };
    const { code, err } = await pgtable(['ptdump', scratch.write('damaged.elf', x86Elf([note]))]);
    expect(err).toContain('"region.zz=bad"');
    expect(code).toBe(3);
  });
});
