import { describe, expect, test } from 'vitest';
import { FILTER_WORDS } from '../src/filter.js';
import { dumpOf, jsonRows, pgtable, SAMPLE, Scratch, type JsonRow } from './harness.js';
import { ARM64_FLAGS, arm64Elf, arm64Vmcoreinfo, vmcoreinfo, X86_FLAGS, x86Elf, x86Vmcoreinfo } from './machines.js';

const scratch = new Scratch();
const x86 = scratch.write('x86.elf', x86Elf());
const arm64 = scratch.write('arm64.elf', arm64Elf());
const list = (...args: string[]): ReturnType<typeof pgtable> => pgtable(['ptdump', x86, ...X86_FLAGS, ...args]);
const rows = async (...args: string[]): Promise<JsonRow[]> => jsonRows(await list('--format', 'json', ...args));
const starts = async (...args: string[]): Promise<string[]> => (await rows(...args)).map(({ start }) => start);

const USER = ['0x0000000000001000', '0x0000000000002000', '0x0000000000003000', '0x0000000000004000', '0x0000000000200000', '0x0000000000400000'];
const KERNEL = ['0xffff888000000000', '0xffff888000001000', '0xffff888000002000', '0xffff888000004000', '0xffff888040000000'];

describe('formats', () => {
  test('the kernel\'s is the default', async () => {
    const { lines, err, code } = await list('--kernel');
    expect(lines).toContain('0xffff888000002000-0xffff888000004000           8K     RW                 GLB x  pte');
    expect(lines).toContain('0xffff888040000000-0xffff888080000000           1G     RW         PSE     GLB NX pud');
    expect([err, code]).toEqual(['', 0]);
  });

  test('table: a row for each range, columns aligned, contiguous groups as the TLB may hold them', async () => {
    const { lines } = await pgtable(['ptdump', arm64, ...ARM64_FLAGS, '--kernel', '--format', 'table']);
    expect(lines).toEqual([
      'virtual                               physical               size    page kern user attributes',
      '0xffff000000000000-0xffff000000001000 0x0000000000010000       4K      4K rw-  ---  VALID PAGE ATTRINDX(0) ISH AF PXN UXN MEM/NORMAL',
      '0xffff000000001000-0xffff000000002000 0x0000000000011000       4K      4K r-x  ---  VALID PAGE ATTRINDX(0) RDONLY ISH AF UXN MEM/NORMAL',
      '0xffff000000002000-0xffff000000003000 0x0000000000012000       4K      4K rwx  ---  VALID PAGE ATTRINDX(0) ISH AF UXN MEM/NORMAL',
      '0xffff000000003000-0xffff000000004000 0x0000000000013000       4K      4K r--  --x  VALID PAGE ATTRINDX(0) RDONLY ISH AF PXN MEM/NORMAL',
      '0xffff000000010000-0xffff000000020000 0x0000000000020000      64K   16x4K rw-  ---  VALID PAGE ATTRINDX(0) ISH AF CONT PXN UXN MEM/NORMAL',
    ]);
  });

  test('json: one object a line, addresses as hexadecimal strings', async () => {
    const all = await rows();
    expect(all.map(({ start }) => start)).toEqual([...USER, ...KERNEL]);
    expect(all[0]).toEqual({
      start: '0x0000000000001000', end: '0x0000000000002000', bytes: 4096, kind: 'leaf', level: 'pte', title: 'PTE', pageBytes: 4096, pa: '0x0000000000010000',
      kernel: 'rw-', user: 'rw-', accessed: true, dirty: true, global: false, memoryType: 'WB', group: 1, flags: ['P', 'RW', 'US', 'A', 'D', 'NX'], entry: '0x8000000000010067',
    });
    expect(all.map(({ kind }) => kind)).toEqual(['leaf', 'leaf', 'non-present', 'non-present', 'leaf', 'absent', 'leaf', 'leaf', 'leaf', 'leaf', 'leaf']);
    expect(all[2]?.text).toBe('protected, memory 0x12000 kept (PROTNONE)');
    expect(all[3]?.text).toBe('swap type 1 offset 0x1234 (exclusive)');
    for (const { start, end, pa, entry } of all) for (const text of [start, end, pa ?? '0x0', entry ?? '0x0']) expect(text).toMatch(/^0x[0-9a-f]+$/);
  });

  test('csv: a header, and as many fields in every line', async () => {
    const { lines } = await list('--format', 'csv');
    expect(lines[0]).toBe('start,end,bytes,kind,level,page_bytes,pa,kernel,user,accessed,dirty,global,memory_type,group,flags,entry');
    expect(lines.map((line) => line.split(',').length)).toEqual(Array<number>(12).fill(16));
    expect(lines[1]).toBe('0x0000000000001000,0x0000000000002000,4096,leaf,pte,4096,0x0000000000010000,rw-,rw-,1,1,0,WB,1,P RW US A D NX,0x8000000000010067');
    expect(lines[3]).toBe('0x0000000000003000,0x0000000000004000,4096,non-present,pte,4096,,,,,,,,,,0x000fffffffffed100'.replace('0x000fffffffffed100', PROT_NONE));
  });

  test('--no-merge has one row for each entry, in every format but the kernel\'s', async () => {
    expect(await starts('--no-merge', '--kernel')).toEqual([...KERNEL.slice(0, 3), '0xffff888000003000', ...KERNEL.slice(3)]);
    expect((await list('--no-merge', '--kernel', '--format', 'csv')).lines).toHaveLength(7);
    expect((await list('--no-merge', '--kernel', '--format', 'table')).lines).toHaveLength(7);
  });

  test('the end of the address space is not 0', async () => {
    const all = jsonRows(await pgtable(['ptdump', dumpOf('guests-s390x'), '--format', 'json']));
    expect(all.every(({ start, end }) => BigInt(end) > BigInt(start))).toBe(true);
  });
});

const PROT_NONE = '0x000ffffffffed100';

describe('which part', () => {
  test('--user and --kernel', async () => {
    expect(await starts('--user')).toEqual(USER);
    expect(await starts('--kernel')).toEqual(KERNEL);
    expect((await list('--user', '--kernel')).code).toBe(2);
  });

  test('--range in both forms, end exclusive', async () => {
    expect(await starts('--range', '2000-4000')).toEqual(USER.slice(1, 3));
    expect(await starts('--range', '0x2000+0x2000')).toEqual(USER.slice(1, 3));
    expect(await starts('--range', '1000-2000', '--range', 'ffff888000001000+1')).toEqual([USER[0], KERNEL[1]]);
    expect(await starts('--range', 'ffff_8880_0000_4000-0')).toEqual(KERNEL.slice(3));
    expect(await starts('--range', 'ffff888000004000-ffffffffffffffff')).toEqual(KERNEL.slice(3));
    expect(await starts('--range', 'ffff888000004000+77777fffc000')).toEqual(KERNEL.slice(3));
  });

  test('--range cuts rows at its edges, rounded outwards to pages', async () => {
    const [cut] = await rows('--range', '201fff-203001');
    expect([cut?.start, cut?.end, cut?.pa]).toEqual(['0x0000000000200000', '0x0000000000400000', '0x0000000000400000']);
    expect((await rows('--range', 'ffff888000003000-ffff888000005000')).map(({ start, pa }) => [start, pa])).toEqual([
      ['0xffff888000003000', '0x0000000000013000'],
      ['0xffff888000004000', '0x0000000000014000'],
    ]);
    // The region that the range is in is named, and no other.
    const whole = (await list()).lines;
    const line = whole.findIndex((text) => text.startsWith('0xffff888000001000-0xffff888000002000'));
    const region = whole.slice(0, line).findLast((text) => text.startsWith('---['));
    expect((await list('--range', 'ffff888000001000-ffff888000002000')).lines).toEqual([region, whole[line]]);
    expect((await list('--kernel')).lines[0]).toBe('---[ Kernel Space ]---');
    expect((await list('--user')).lines[0]).toBe('---[ User Space ]---');
  });

  test('a range of user addresses is looked up in the process, as vtop does', async () => {
    const args = ['ptdump', arm64, ...ARM64_FLAGS, '--format', 'json'];
    expect(jsonRows(await pgtable([...args, '--range', '1000-2000'])).map(({ pa }) => pa)).toEqual(['0x0000000000030000']);
    const kernel = await pgtable([...args, '--kernel', '--range', '1000-2000']);
    expect(kernel.err).toBe('pgtable: --range 1000-2000 lies outside of what this root translates\n  it translates 0xffff000000000000-0x10000000000000000\n');
    expect(kernel.code).toBe(2);
  });

  test('several ranges, in whatever order, are listed as if each stood alone, and nothing between them', async () => {
    const high = (await list('--range', 'ffff888000001000-ffff888000002000')).lines;
    const low = (await list('--range', '1000-2000')).lines;
    expect(high).toHaveLength(2);
    expect((await list('--range', '1000-2000', '--range', 'ffff888000001000-ffff888000002000')).lines).toEqual([...low, ...high]);
    expect((await list('--range', 'ffff888000001000-ffff888000002000', '--range', '1000-2000')).lines).toEqual([...low, ...high]);
    expect(await starts('--range', 'ffff888000001000+1', '--range', '1000-2000')).toEqual([USER[0], KERNEL[1]]);
  });

  test('ranges that overlap or touch are one', async () => {
    expect(await starts('--range', '1000-3000', '--range', '2000-3000', '--range', '1000-2000')).toEqual(USER.slice(0, 2));
    expect((await list('--range', '3000-4000', '--range', '2000-3000')).lines).toEqual((await list('--range', '2000-4000')).lines);
  });

  test('a range that the root does not translate is an error beside others too', async () => {
    const args = ['ptdump', arm64, ...ARM64_FLAGS, '--range', 'ffff000000000000-ffff000000001000', '--range', '1000-2000'];
    expect(await pgtable(args)).toMatchObject({ code: 2, out: '', err: expect.stringContaining('have root tables of their own here, and a listing is of one') as string });
    const outside = await list('--range', '1000-2000', '--range', '800000000000-900000000000');
    expect(outside).toMatchObject({ code: 2, out: '', err: expect.stringContaining('--range 800000000000-900000000000 lies outside of what this root translates') as string });
  });

  test('a range of user addresses needs the root of a process', async () => {
    const file = scratch.write('kernel.elf', arm64Elf([vmcoreinfo(arm64Vmcoreinfo('6.12.0', 0x1000))]));
    const { code, out, err } = await pgtable(['ptdump', file, '--range', '1000-2000']);
    expect(err).toMatch(/no root table for user addresses was found in .*\n {2}no TTBR0_EL1 in this dump: give --ttbr0/);
    expect([code, out]).toEqual([3, '']);
  });

  test('of a kernel that has user addresses in its own table too', async () => {
    const args = ['ptdump', scratch.write('both.elf', x86Elf([vmcoreinfo(x86Vmcoreinfo('6.12.0', 0x1000, 0))])), '--format', 'json', '--range', '1000-2000'];
    expect(await pgtable(args)).toMatchObject({ code: 3, out: '', err: expect.stringContaining('give --cr3') as string });
    expect(jsonRows(await pgtable([...args, '--root', 'kernel'])).map(({ start }) => start)).toEqual([USER[0]]);
  });

  test.each(['2000', '2000-1000', '2000-2000', '2000+0', 'x-y', '0-1-2', '-', 'ffffffffffffffff+2', '1'.repeat(17) + '-0', '800000000000-900000000000'])('--range %s is an error of usage', async (range) => {
    const { code, err, out } = await list(`--range=${range}`);
    expect(err).toMatch(/--range/);
    expect([code, out]).toEqual([2, '']);
  });

  test('--level by either name, and errors', async () => {
    expect(await starts('--level', 'pud')).toEqual(['0xffff888040000000']);
    expect(await starts('--level', 'PMD', '--level', 'pud', '--filter', 'w')).toEqual(['0x0000000000200000', '0xffff888040000000']);
    expect(await list('--level', 'pgt', '--format', 'json')).toMatchObject({ code: 2, err: 'pgtable: --level pgt is no level\n  give one of pte pmd pud p4d pgd\n' });
  });

  test('--root by role and number, and errors', async () => {
    const of = async (root: string): Promise<string | undefined> => (await pgtable(['ptdump', SAMPLE, '--root', root])).lines[1];
    expect(await of('2')).toBe(await of('kernel'));
    const { code, err } = await pgtable(['ptdump', SAMPLE, '--root', 'king']);
    expect(err).toContain('--root king is none of the roots that were found: 1 (current, 0x0000000043a68000), 2 (kernel, 0x0000000041f16000)');
    expect(code).toBe(2);
  });
});

describe('roots that nothing vouches for', () => {
  const guess = /^pgtable: the root table at 0x0000000000001000 is a guess \(structural scan, score \d+\): pgtable roots shows what speaks for it\n$/;

  test.each([['ptdump', arm64], ['check', arm64], ['vtop', arm64, 'ffff000000001234']])('%s says that it guessed', async (...args) => {
    expect((await pgtable(args)).err).toMatch(guess);
  });

  test('no guess replaces a register that was given', async () => {
    const { code, out, err } = await pgtable(['ptdump', arm64, '--ttbr1', '0x5000']);
    expect(err).toContain('TTBR1_EL1 was given, but not the granule and the address size: give --tcr too');
    expect([code, out]).toEqual([3, '']);
  });
});

describe('--filter', () => {
  // What the hand-made entries say: w x u s by the manual, all write-back.
  const words: readonly (readonly [words: readonly string[], expected: readonly (string | undefined)[]])[] = [
    [['w'], [USER[0], USER[4], KERNEL[0], KERNEL[2], KERNEL[4]]],
    [['_w'], [USER[1], KERNEL[1], KERNEL[3]]],
    [['ro'], [USER[1], KERNEL[1], KERNEL[3]]],
    [['x'], [USER[1], KERNEL[1], KERNEL[2]]],
    [['_x'], [USER[0], USER[4], KERNEL[0], KERNEL[3], KERNEL[4]]],
    [['w', 'x'], [KERNEL[2]]],
    [['w|x'], [USER[0], USER[1], USER[4], KERNEL[0], KERNEL[1], KERNEL[2], KERNEL[4]]],
    [['u'], [USER[0], USER[1], USER[4]]],
    [['s'], KERNEL],
    [['s', '_w|x', 'wb'], [KERNEL[1], KERNEL[2], KERNEL[3]]],
    [['wb'], [USER[0], USER[1], USER[4], ...KERNEL]],
    [['_uc'], [USER[0], USER[1], USER[4], ...KERNEL]],
    [['uc'], []],
    [['_wb'], []],
  ];

  test.each(words)('%j', async (filter, expected) => {
    expect(await starts('--filter', ...filter)).toEqual(expected);
  });

  test('every word is tried', () => {
    expect(new Set(words.flatMap(([filter]) => filter.flatMap((word) => word.split('|'))))).toEqual(new Set(FILTER_WORDS));
  });

  test('memory types of a guest', async () => {
    const types = async (word: string): Promise<Set<string | undefined>> => new Set(jsonRows(await pgtable(['ptdump', SAMPLE, '--format', 'json', '--filter', word])).map(({ memoryType }) => memoryType));
    expect(await types('uc')).toEqual(new Set(['DEVICE/nGnRnE', 'DEVICE/nGnRE', 'MEM/NORMAL-NC']));
    expect(await types('wb')).toEqual(new Set(['MEM/NORMAL']));
  });

  test.each([['z'], ['w|'], [''], ['w', x86]])('%j is an error of usage', async (...filter) => {
    const { code, err } = await list('--format', 'table', '--filter', ...filter);
    expect(err).toContain('is no filter\n  the words are w _w x _x ro u s wb _wb uc _uc');
    expect(err).toContain('a dump stands before --filter');
    expect(code).toBe(2);
  });

  test.each([['--filter', 'w'], ['--level', 'pte'], ['--no-merge']])('the kernel format has no %s', async (...flags) => {
    expect(await list(...flags)).toMatchObject({ code: 2, err: expect.stringContaining('add --format table, json or csv') as string });
  });
});
