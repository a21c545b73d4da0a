import { describe, expect, test } from 'vitest';
import { pgtable, SAMPLE, Scratch } from './harness.js';
import { ARM64_FLAGS, arm64Elf, arm64Vmcoreinfo, vmcoreinfo, X86_FLAGS, x86Elf, X86_MEMORY, x86Vmcoreinfo } from './machines.js';

const scratch = new Scratch();
const x86 = scratch.write('x86.elf', x86Elf());
const arm64 = scratch.write('arm64.elf', arm64Elf());
/** Without the end of the kernel's page table at 0x7000, the last in the file. */
const truncated = scratch.write('truncated.elf', x86Elf().slice(0, -16));
const vtop = (...args: string[]): ReturnType<typeof pgtable> => pgtable(['vtop', x86, ...X86_FLAGS, ...args]);

/** The entries of machines.ts, worked out apart. */
const PROT_NONE = '0x000ffffffffed100';
const SWAP = '0x0fffffffffdb9608';

interface Json {
  readonly address: string;
  readonly status: string;
  readonly reason?: string;
  readonly pa?: string;
  readonly pageBytes?: number;
  readonly memory?: string;
  readonly root?: { readonly table: string; readonly role: string };
  readonly steps?: readonly { readonly level: string; readonly title: string; readonly table: string; readonly index: number; readonly entryAddress: string; readonly entry: string; readonly kernel?: string; readonly user?: string; readonly flags?: readonly string[]; readonly group?: number; readonly nonPresent?: string }[];
}

const json = (line: string | undefined): Json => JSON.parse(line ?? '') as Json;

describe('one address, with every level', () => {
  test('a page of 4K', async () => {
    const { code, lines } = await vtop('1abc');
    expect(lines).toEqual([
      '0x0000000000001abc -> 0x0000000000010abc',
      '  root 0x0000000000001000 (current, x86 4-level)',
      '  PGD  0x0000000000001000[0] = 0x0000000000002067  table kernel rwx user rwx  P RW US A D WB',
      '  PUD  0x0000000000002000[0] = 0x0000000000004067  table kernel rwx user rwx  P RW US A D WB',
      '  PMD  0x0000000000004000[0] = 0x0000000000005067  table kernel rwx user rwx  P RW US A D WB',
      '  PTE  0x0000000000005000[1] = 0x8000000000010067  leaf  kernel rw- user rw-  P RW US A D NX WB',
      '  page of 4K at 0x0000000000010000, not memory that the dump knows',
    ]);
    expect(code).toBe(0);
  });

  test('pages of 2M and 1G end at their level', async () => {
    const { lines, code } = await vtop('--format', 'json', '0x212345', 'ffff_8880_4123_4567');
    const [huge, giant] = lines.map(json);
    expect([huge?.pa, huge?.pageBytes, huge?.steps?.map(({ level }) => level)]).toEqual(['0x0000000000412345', 2 ** 21, ['pgd', 'pud', 'pmd']]);
    expect([giant?.pa, giant?.pageBytes, giant?.steps?.map(({ level }) => level)]).toEqual(['0x0000000041234567', 2 ** 30, ['pgd', 'pud']]);
    expect(giant?.steps?.at(-1)).toEqual({
      level: 'pud', title: 'PUD', table: '0x0000000000003000', index: 1, entryAddress: '0x0000000000003008', entry: '0x80000000400001e3',
      kernel: 'rw-', user: '---', flags: ['P', 'RW', 'A', 'D', 'PS', 'G', 'NX'], memoryType: 'WB', group: 1,
    });
    expect(code).toBe(0);
  });

  test('entries that are not present say what the kernel keeps in them', async () => {
    const { code, lines } = await vtop('3000', '4000');
    expect(lines.filter((line) => / -> | PTE |stopped/.test(line))).toEqual([
      '0x0000000000003000 -> unmapped',
      `  PTE  0x0000000000005000[3] = ${PROT_NONE}  protected, memory 0x12000 kept (PROTNONE)`,
      '  stopped: not present',
      '0x0000000000004000 -> unmapped',
      `  PTE  0x0000000000005000[4] = ${SWAP}  swap type 1 offset 0x1234 (exclusive)`,
      '  stopped: not present',
    ]);
    expect(code).toBe(1);
  });

  test('empty, absent and not canonical are three answers', async () => {
    const { code, lines } = await vtop('--format', 'json', '0', '0x400000', '0x7fffffffffff', '0x800000000000', '0xffff7fffffffffff');
    expect(lines.map(json).map(({ status, reason }) => [status, reason])).toEqual([
      ['unmapped', 'empty'],
      ['absent', 'table outside of memory'],
      ['unmapped', 'empty'],
      ['non-canonical', undefined],
      ['non-canonical', undefined],
    ]);
    expect(code).toBe(1);
  });

  test('a table that the file is too short for is absent, and not unmapped', async () => {
    const cut = await pgtable(['vtop', truncated, ...X86_FLAGS, 'ffff888000000000', 'ffff888000200000']);
    expect(cut.lines.filter((line) => / -> |stopped/.test(line))).toEqual([
      '0xffff888000000000 -> absent', '  stopped: table not in the dump', '0xffff888000200000 -> unmapped', '  stopped: empty',
    ]);
    expect(cut.code).toBe(1);
    const listed = await pgtable(['ptdump', truncated, ...X86_FLAGS, '--format', 'table']);
    expect(listed.err).toContain('1 not in the dump, 1 outside of memory');
    expect(listed.lines.filter((line) => line.includes('not in the dump')).map((line) => line.slice(0, 37))).toEqual(['0x0000000000400000-0x0000000000600000', '0xffff888000000000-0xffff888000200000']);
  });
});

test('an address that no table of the machine could translate is not canonical, though the root of processes is not known', async () => {
  const dump = scratch.write('kernel-only.elf', x86Elf([vmcoreinfo(x86Vmcoreinfo('6.12.0', 0x1000, 0))]));
  const addresses = ['1abc', '7fffffffffff', '800000000000', '1234567890abcdef', '8000000000000000', 'ffff888000000000'];
  const { lines } = await pgtable(['vtop', dump, '--format', 'json', ...addresses]);
  expect(lines.map((line) => json(line).status)).toEqual(['absent', 'absent', 'non-canonical', 'non-canonical', 'non-canonical', 'mapped']);
  const listed = await pgtable(['vtop', dump, '-'], { input: addresses.join('\n') });
  expect(listed.lines.map((line) => line.split('\t')[1])).toEqual(['absent', 'absent', 'non-canonical', 'non-canonical', 'non-canonical', '0x10000']);
  const words = await pgtable(['vtop', dump, '1abc', '1234567890abcdef']);
  expect(words.lines[0]).toMatch(/^0x0000000000001abc absent: the root table for user addresses is not known: .*--cr3/);
  expect(words.lines[1]).toBe('0x1234567890abcdef non-canonical: not an address that this machine translates');
});

describe('where the dump and the addresses are told apart', () => {
  const answer = async (...args: string[]): Promise<string[]> => (await pgtable(['vtop', ...X86_FLAGS, ...args])).lines.filter((line) => line.includes(' -> '));
  const expected = ['0x0000000000001abc -> 0x0000000000010abc'];

  test('words that are no addresses are files, wherever they stand', async () => {
    expect(await answer(x86, '1abc')).toEqual(expected);
    expect(await answer('0x1abc', x86)).toEqual(expected);
    expect(await answer('--in', x86, '1abc')).toEqual(expected);
    expect(await answer('1abc', '--in', x86)).toEqual(expected);
    expect((await pgtable(['translate', x86, '1ABC', ...X86_FLAGS])).lines[0]).toBe(expected[0]);
  });

  test('without a file it is the sample', async () => {
    const { err, lines } = await pgtable(['vtop', '4c0123']);
    expect(err).toContain('the embedded sample');
    expect(lines[0]).toBe('0x00000000004c0123 -> 0x00000000420c0123');
    // Memory is not in an extract, so nothing is said about whether the page is in the dump.
    expect(lines.slice(-2)).toEqual(['  page of 4K at 0x00000000420c0000', '  in a contiguous group of 16, 64K from 0x00000000420c0000']);
  });

  test.each([
    [[x86], 'no address was given'],
    [[x86, '0xzz'], '"0xzz" is not an address'],
    [[x86, '0x11112222333344445'], 'is not an address'],
    [[x86, '-', '1000'], 'it goes with no other address'],
    [[x86, '-', '--format', 'json'], 'it goes with no --format'],
  ])('usage: %j', async (args, message) => {
    const { code, err, out } = await pgtable(['vtop', ...args]);
    expect(err).toContain(message);
    expect([code, out]).toEqual([2, '']);
  });
});

test('as JSON too it is said whether the memory is in the dump', async () => {
  // The pages from 0x10000 on that the tables map: one of them is in the second file.
  const bytes = new Uint8Array(0x10000);
  bytes.set(X86_MEMORY.bytes);
  const larger = `${scratch.write('larger.raw', bytes)}@1000`;
  const memory = async (file: string): Promise<unknown[]> => (await pgtable(['vtop', file, ...X86_FLAGS, '--format', 'json', '1abc', '2abc', '5000'])).lines.map((line) => json(line).memory);
  expect(await memory(x86)).toEqual(['none', 'none', undefined]);
  expect(await memory(larger)).toEqual(['present', 'none', undefined]);
});

describe('halves and tags', () => {
  const status = async (...args: string[]): Promise<string[]> => (await pgtable(['vtop', '--in', arm64, '--format', 'json', ...args])).lines.map((line) => `${json(line).status} ${json(line).pa ?? ''}`.trim());

  test('each address is looked up in the root of its half', async () => {
    expect(await status(...ARM64_FLAGS, '1234', 'ffff000000001234')).toEqual(['mapped 0x0000000000030234', 'mapped 0x0000000000011234']);
    expect(await status(...ARM64_FLAGS, '--kernel', '1234', 'ffff000000001234')).toEqual(['non-canonical', 'mapped 0x0000000000011234']);
    expect(await status(...ARM64_FLAGS, '--user', '1234', 'ffff000000001234')).toEqual(['mapped 0x0000000000030234', 'non-canonical']);
    expect(await status(...ARM64_FLAGS, '--root', 'kernel', '1234', 'ffff000000001234')).toEqual(['absent', 'mapped 0x0000000000011234']);
  });

  test('what the chosen root does not translate is no want of another root', async () => {
    const { lines } = await pgtable(['vtop', arm64, ...ARM64_FLAGS, '--root', 'kernel', '1234']);
    expect(lines).toEqual(['0x0000000000001234 absent: --root kernel translates no such address; leave it out, or give the root that does']);
  });

  test('an address of the other half is not said to be none of the machine', async () => {
    const { lines } = await pgtable(['vtop', arm64, ...ARM64_FLAGS, '--user', 'ffff000000001234']);
    expect(lines).toEqual(['0xffff000000001234 non-canonical: --user looks up user addresses alone']);
  });

  test('a tag in the top byte is ignored where TCR_EL1 says so', async () => {
    const [kernelTag, userTag] = ['00ff000000001234', 'ab00000000001234'];
    expect(await status(...ARM64_FLAGS, userTag, kernelTag)).toEqual(['mapped 0x0000000000030234', 'non-canonical']);
    const { lines } = await pgtable(['vtop', '--in', arm64, ...ARM64_FLAGS, '-'], { input: `0x${userTag}\n0x${kernelTag}\n` });
    expect(lines).toEqual([`0x${userTag}\t0x30234`, `0x${kernelTag}\tnon-canonical`]);
  });

  test('a half whose root is not known is absent, and the register is named', async () => {
    const noted = scratch.write('noted.elf', arm64Elf([vmcoreinfo(arm64Vmcoreinfo('6.12.1', 0x1000))]));
    const { lines, code } = await pgtable(['vtop', noted, '1234', 'ffff000000001234']);
    expect(lines[0]).toMatch(/^0x0000000000001234 absent: the root table for user addresses is not known: .*give --ttbr0/);
    expect(lines[1]).toBe('0xffff000000001234 -> 0x0000000000011234');
    expect(code).toBe(1);
    const streamed = await pgtable(['vtop', noted, '-'], { input: '1234\n5678\nffff000000001234\n' });
    expect(streamed.out).toBe('0x1234\tabsent\n0x5678\tabsent\n0xffff000000001234\t0x11234\n');
    expect(streamed.err.match(/--ttbr0/g)).toHaveLength(1);
  });
});

describe('vtop -', () => {
  const ask = (input: string | readonly string[], ...flags: string[]): ReturnType<typeof pgtable> => pgtable(['vtop', x86, ...X86_FLAGS, ...flags, '-'], { input });

  test('answers each line with one, as it was asked', async () => {
    const { out, err, code } = await ask('1abc\n0x1ABC\n  0X0000000000001abc \r\n\nffff888041234567\n3000\n400000\n800000000000\n2fff');
    expect(out).toBe(
      '0x1abc\t0x10abc\n0x1abc\t0x10abc\n0x0000000000001abc\t0x10abc\n0xffff888041234567\t0x41234567\n0x3000\tunmapped\n0x400000\tabsent\n0x800000000000\tnon-canonical\n0x2fff\t0x11fff\n',
    );
    expect([err, code]).toEqual(['', 1]);
  });

  test('ends with 0 when all are mapped', async () => {
    expect((await ask('1abc\n2000\n')).code).toBe(0);
    expect(await ask('')).toMatchObject({ code: 0, out: '' });
  });

  test('lines that are no addresses are said to be, and the others answered', async () => {
    const { out, err, code } = await ask('1abc\nhello\n12345678123456789\n0x\n-1\n2000\n');
    expect(out).toBe('0x1abc\t0x10abc\nhello\tinvalid\n12345678123456789\tinvalid\n0x\tinvalid\n-1\tinvalid\n0x2000\t0x11000\n');
    expect(err).toContain('4 lines are no addresses');
    expect(code).toBe(2);
  });

  test('however the bytes arrive', async () => {
    const text = '1abc\nffff888041234567\n0x2fff\n';
    const expected = '0x1abc\t0x10abc\n0xffff888041234567\t0x41234567\n0x2fff\t0x11fff\n';
    expect((await ask(text.match(/[^]/g)!)).out).toBe(expected);
    for (let cut = 1; cut < text.length; cut++) expect((await ask([text.slice(0, cut), text.slice(cut)])).out).toBe(expected);
  });

  test('an endless line ends it', async () => {
    const { code, err } = await ask(['1abc\n', 'f'.repeat(3000), 'f'.repeat(3000)]);
    expect(err).toContain('a line of more than 4096 bytes');
    expect(code).toBe(2);
  });

  test('a hundred thousand answers are those of single questions', async () => {
    // The whole of the small machine around what is mapped, in no order.
    const addresses = Array.from({ length: 100_000 }, (_, at) => (at % 2 === 0 ? 0n : 0xffff888000000000n) + BigInt((at * 7919) % 0x8000));
    const { lines } = await ask(addresses.map((address) => `${address.toString(16)}\n`).join(''));
    expect(lines).toHaveLength(addresses.length);
    const places = [1, 777, 2048, 30_001, 55_554, 99_999];
    const single = await vtop('--format', 'json', ...places.map((at) => addresses[at]!.toString(16)));
    expect(places.map((at) => lines[at])).toEqual(
      single.lines.map(json).map(({ pa, status }, i) => `0x${addresses[places[i]!]!.toString(16)}\t${pa === undefined ? status : `0x${BigInt(pa).toString(16)}`}`),
    );
  });
});

test('the sample is where the package says', async () => {
  expect((await pgtable(['vtop', SAMPLE, '4c0123'])).err).toBe('');
});
