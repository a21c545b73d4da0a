import { describe, expect, test } from 'vitest';
import { qemuNote } from '../../../packages/arch-x86/test/fake.js';
import { pgtable, Scratch } from './harness.js';
import { ARM64_FLAGS, ARM64_TCR, arm64Elf, vmcoreinfo, X86_FLAGS, x86Elf, x86SoundElf, x86Vmcoreinfo, x86WholeElf } from './machines.js';

const scratch = new Scratch();
const x86 = scratch.write('x86.elf', x86Elf());
const arm64 = scratch.write('arm64.elf', arm64Elf());

describe('writable and executable pages', () => {
  test('x86: found, counted, in the words of the kernel', async () => {
    const { code, lines } = await pgtable(['check', x86, ...X86_FLAGS]);
    expect(lines).toEqual([
      'x86/mm: Found insecure W+X mapping at address 0xffff888000002000',
      '  0xffff888000002000-0xffff888000004000, 2 pages',
      'Not checked: 0x0000000000400000-0x0000000000600000, the page tables are not in the dump',
      'x86/mm: Checked W+X mappings: FAILED, 2 W+X pages found.',
    ]);
    expect(code).toBe(1);
  });

  test('x86: none, once they are gone', async () => {
    const { code, lines } = await pgtable(['check', scratch.write('whole.elf', x86WholeElf()), ...X86_FLAGS]);
    expect(lines).toEqual(['x86/mm: Checked W+X mappings: passed, no W+X pages found.']);
    expect(code).toBe(0);
  });

  test('tables that are not in the dump are no reason to pass', async () => {
    const { code, lines } = await pgtable(['check', scratch.write('sound.elf', x86SoundElf()), ...X86_FLAGS]);
    expect(lines).toEqual([
      'Not checked: 0x0000000000400000-0x0000000000600000, the page tables are not in the dump',
      'Checked W+X mappings: no W+X pages found in what is in the dump, which is not all',
    ]);
    expect(code).toBe(3);
  });

  test.each([
    ['x86', x86, ['--cr3', '0x99000']],
    ['arm64', arm64, ['--ttbr1', '0x99000', '--tcr', `0x${ARM64_TCR.toString(16)}`]],
  ])('%s: nor is a root that is not', async (_architecture, file, flags) => {
    const { code, lines } = await pgtable(['check', file, ...flags]);
    expect(lines.join('\n')).toContain('Not checked');
    expect(lines.join('\n')).not.toContain('passed');
    expect(code).toBe(3);
    const json = (await pgtable(['check', file, ...flags, '--format', 'json'])).lines.map((line) => JSON.parse(line) as { unchecked: object[] });
    expect(json.at(-1)?.unchecked).not.toEqual([]);
  });

  describe("a dump without the kernel's own root", () => {
    const CURRENT = qemuNote({ cr3: 0x1000n, cr4: 0x20n });
    const cut = scratch.write('cut.elf', x86Elf([CURRENT, vmcoreinfo(x86Vmcoreinfo('6.12.1', 0x200000, 0))]));
    const TOLD = 'pgtable: the kernel root table at 0x0000000000200000 is not in the dump: the current one at 0x0000000000001000 is taken in its place\n';

    test('is listed from the one that the processor used, and says so once', async () => {
      const { out, err } = await pgtable(['ptdump', cut]);
      expect(out).toBe((await pgtable(['ptdump', x86, ...X86_FLAGS])).out);
      expect(err.split(TOLD)).toHaveLength(2);
      expect((await pgtable(['vtop', cut, 'ffff888000002abc'])).lines[0]).toBe('0xffff888000002abc -> 0x0000000000012abc');
      expect((await pgtable(['ptdump', cut, '--root', 'kernel'])).out).toContain('page tables not in the dump');
    });

    test('is not taken for another: neither a second kernel nor another process stands in', async () => {
      const second = scratch.write('second.elf', x86Elf([vmcoreinfo(x86Vmcoreinfo('6.12.1', 0x200000, 0)), vmcoreinfo(x86Vmcoreinfo('6.12.1-crash', 0x1000, 0))]));
      expect((await pgtable(['roots', second])).lines.filter((line) => /^\d/.test(line))).toHaveLength(2);
      const kernel = await pgtable(['ptdump', second]);
      expect(kernel.out).toBe((await pgtable(['ptdump', second, '--root', '1'])).out);
      expect(kernel.out).not.toBe((await pgtable(['ptdump', second, '--root', '2'])).out);
      expect(kernel.err).not.toContain('taken in its place');
      const others = scratch.write('others.elf', x86Elf([qemuNote({ cr3: 0x300000n, cr4: 0x20n }), CURRENT]));
      expect((await pgtable(['roots', others])).lines.filter((line) => /^\d/.test(line))).toHaveLength(2);
      expect((await pgtable(['vtop', others, '--user', '1abc'])).lines.slice(0, 2)).toEqual(['0x0000000000001abc -> absent', '  root 0x0000000000300000 (current, x86 4-level)']);
    });

    test("is checked in the kernel's half, because a process may have such pages", async () => {
      for (const file of [cut, scratch.write('noted.elf', x86Elf([CURRENT]))]) {
        const { code, lines, err } = await pgtable(['check', file]);
        expect(lines).toEqual([
          'x86/mm: Found insecure W+X mapping at address 0xffff888000002000',
          '  0xffff888000002000-0xffff888000004000, 2 pages',
          'x86/mm: Checked W+X mappings: FAILED, 2 W+X pages found.',
        ]);
        expect(err).toContain('this check is of 0xffff');
        expect(code).toBe(1);
      }
      expect((await pgtable(['check', cut, '--root', 'current'])).lines.join('\n')).toContain('Not checked: 0x0000000000400000');
    });
  });

  test('arm64: both of its findings', async () => {
    const { code, lines } = await pgtable(['check', arm64, ...ARM64_FLAGS]);
    expect(lines).toEqual([
      'arm64/mm: Found insecure W+X mapping at address ffff000000002000/0xffff000000002000',
      '  0xffff000000002000-0xffff000000003000, 1 page',
      'arm64/mm: Found non-UXN mapping at address ffff000000003000/0xffff000000003000',
      '  0xffff000000003000-0xffff000000004000, 1 page',
      'Checked W+X mappings: FAILED, 1 W+X pages found, 1 non-UXN pages found',
    ]);
    expect(code).toBe(1);
  });

  test('as JSON', async () => {
    const { code, lines } = await pgtable(['check', arm64, ...ARM64_FLAGS, '--format', 'json']);
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      { start: '0xffff000000002000', end: '0xffff000000003000', pages: 1, writableExecutable: true, userExecutable: false },
      { start: '0xffff000000003000', end: '0xffff000000004000', pages: 1, writableExecutable: false, userExecutable: true },
      { writableExecutable: 1, userExecutable: 1, unchecked: [], verdict: 'Checked W+X mappings: FAILED, 1 W+X pages found, 1 non-UXN pages found' },
    ]);
    expect(code).toBe(1);
  });

  test('named by the symbol before them', async () => {
    const map = scratch.write('System.map', 'ffff888000000000 T _text\nffff888000001ff0 t suspicious\nffff888000009000 T _end\n');
    const { lines } = await pgtable(['check', x86, ...X86_FLAGS, '--symbols', map]);
    expect(lines[0]).toContain('at address suspicious+0x10/0x7010');
  });
});

describe('symbols', () => {
  const moved = '6.12.0';
  const kernel = scratch.write('moved.elf', x86Elf([vmcoreinfo(`${x86Vmcoreinfo(moved, 0x1000, 0x1fa00000)}SYMBOL(_stext)=ffff88801fa00000\n`)]));
  const check = (map: string): ReturnType<typeof pgtable> => pgtable(['check', kernel, ...X86_FLAGS, '--symbols', scratch.write('map', map)]);

  test('a System.map has where the kernel was linked, a kallsyms where it ran', async () => {
    const linked = await check('ffff888000000000 T _stext\nffff887fe0601ff0 t suspicious\nffff888000009000 T _end\n');
    const ran = await check('ffff88801fa00000 T _stext\nffff888000001ff0 t suspicious\nffff88801fa09000 T _end\n');
    for (const { lines } of [linked, ran]) expect(lines[0]).toContain('at address suspicious+0x10/0x');
  });

  test('of another kernel are an error', async () => {
    const { code, out, err } = await check('ffff888000001000 T _stext\n');
    expect(err).toContain('is not of this kernel: it has _stext at 0xffff888000001000');
    expect(err).toContain('give the System.map of 6.12.0');
    expect([code, out]).toEqual([2, '']);
  });

  test('far from all of them are named by none', async () => {
    const map = scratch.write('far.map', '0000000001000000 A phys_startup_64\nffffffff81000000 T _text\nffffffff82000000 D _end\n');
    const { lines } = await pgtable(['check', x86, ...X86_FLAGS, '--symbols', map]);
    expect(lines[0]).toBe('x86/mm: Found insecure W+X mapping at address 0xffff888000002000');
  });
});

describe('they stand out on a terminal', () => {
  const RED = '\u001b[31m';
  const wxLine = (text: string): string[] => text.split('\n').filter((line) => line.includes('ffff888000002000-'));

  test.each(['kernel', 'table', 'csv', 'json'])('--format %s', async (format) => {
    const args = ['ptdump', x86, ...X86_FLAGS, '--kernel', '--format', format];
    const plain = await pgtable(args);
    expect(plain.out).not.toContain('\u001b');
    const inColor = await pgtable(args, { outTty: true, errTty: true });
    // What programs read stays as it is.
    const red = format === 'kernel' || format === 'table' ? 1 : 0;
    expect(inColor.out.split('\n').filter((line) => line.includes(RED))).toHaveLength(red);
    expect(wxLine(inColor.out).filter((line) => line.startsWith(RED))).toHaveLength(red);
    expect(inColor.err).toBe('pgtable: 1 of these lines is writable and executable (pgtable check counts the kernel\'s pages)\n');
    expect((await pgtable(args, { outTty: true, env: { NO_COLOR: '1' } })).out).toBe(plain.out);
    // An empty NO_COLOR is none (no-color.org).
    expect((await pgtable(args, { outTty: true, env: { NO_COLOR: '' } })).out).toBe(inColor.out);
  });
});
