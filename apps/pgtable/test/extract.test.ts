import { linkSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { elfCore } from '@pgtable/memory';
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

describe('a root that was found by its shape alone', () => {
  const NX = 1n << 63n;
  /** 512 pages of memory, the first of which are page tables of a kernel with so many levels, which map all of it. */
  const machine = (bits: 64 | 32, elfMachine: number, littleEndian: boolean, levels: number, top: number, table: (address: bigint) => bigint, leaf: (address: bigint) => bigint): Uint8Array => {
    const bytes = new Uint8Array(512 * 4096);
    const view = new DataView(bytes.buffer);
    for (let level = 0; level < levels - 1; level++) view.setBigUint64(level * 4096 + (level === 0 ? top * 8 : 0), table(BigInt((level + 2) * 4096)), littleEndian);
    for (let page = 0; page < 511; page++) view.setBigUint64((levels - 1) * 4096 + page * 8, leaf(BigInt((page + 1) * 4096)), littleEndian);
    // Pages of data, which read as no table.
    bytes.fill(0x5a, levels * 4096);
    return elfCore({ machine: { elfMachine, bits, littleEndian }, segments: [{ address: 0x1000, bytes }] });
  };
  const arm64Table = (address: bigint): bigint => address | 3n;
  const arm64Leaf = (address: bigint): bigint => address | 0x0060_0000_0000_0483n;
  const x86Table = (address: bigint): bigint => address | 0x63n;
  const x86Leaf = (address: bigint): bigint => address | 0x163n | NX;
  test.each([
    ['x86, 4 levels', machine(64, 62, true, 4, 273, x86Table, x86Leaf)],
    ['x86, 5 levels', machine(64, 62, true, 5, 273, x86Table, x86Leaf)],
    ['arm64, 3 levels', machine(64, 183, true, 3, 0, arm64Table, arm64Leaf)],
    ['arm64, 4 levels', machine(64, 183, true, 4, 0, arm64Table, arm64Leaf)],
    ['riscv, Sv39', machine(64, 243, true, 3, 256, (address) => (address >> 2n) | 1n, (address) => (address >> 2n) | 0xe7n)],
    ['riscv, Sv57', machine(64, 243, true, 5, 256, (address) => (address >> 2n) | 1n, (address) => (address >> 2n) | 0xe7n)],
  ])('is known in the extract, where a scan would not find it: %s', async (name, bytes) => {
    const dump = scratch.write(`${name}.elf`, bytes);
    const target = scratch.file(`${name}, extract.elf`);
    const again = scratch.file(`${name}, again.elf`);
    expect((await pgtable(['extract', '--tables-only', dump, '-o', target])).code).toBe(0);
    expect((await pgtable(['extract', '--tables-only', target, '-o', again])).code).toBe(0);
    expect(readFileSync(again).equals(readFileSync(target))).toBe(true);
    for (const args of [['roots'], ['ptdump'], ['ptdump', '--format', 'csv'], ['vtop', '1000', 'ffffffffffffffff'], ['check']]) {
      const [command, ...rest] = args as [string, ...string[]];
      const whole = await pgtable([command, dump, ...rest]);
      const cut = await pgtable([command, target, ...rest]);
      expect([command, cut.code, cut.err, cut.out]).toEqual([command, whole.code, whole.err, whole.out]);
    }
    expect((await pgtable(['ptdump', dump, '--format', 'csv'])).lines.filter((line) => line.includes(',leaf,')).length).toBeGreaterThan(0);
  });
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
