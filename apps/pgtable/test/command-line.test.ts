import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { elfCore } from '@pgtable/memory';
import { elfImage } from '../../../packages/memory/test/synthetic.js';
import { ARCHITECTURES } from '../src/index.js';
import { Progress } from '../src/progress.js';
import { Collector, dumpOf, pgtable, SAMPLE, Scratch } from './harness.js';
import { X86_FLAGS, x86Elf } from './machines.js';

const scratch = new Scratch();
const x86 = scratch.write('x86.elf', x86Elf());
const COMMANDS = ['info', 'roots', 'ptdump', 'check', 'vtop', 'extract'];

describe('exit code 2: the command line', () => {
  test.each([
    [['frobnicate'], "unknown command 'frobnicate'", '(pgtable --help lists the commands)'],
    [['ptdmp', x86], "unknown command 'ptdmp'", '(Did you mean ptdump?)'],
    [['ptdump', '--formt', 'json'], "unknown option '--formt'", '(Did you mean --format?)'],
    [['check', '--cr'], "unknown option '--cr'", '(pgtable check --help lists the options)'],
    [['ptdump', '--format', 'xml'], "argument 'xml' is invalid. Allowed choices are kernel, table, json, csv.", ''],
    [['ptdump', x86, '--cr3', 'zz'], '"zz" is not an address', ''],
    [['ptdump', x86, '--ttbr0', '1000'], '--ttbr0 is a register of arm64, and this dump is of x86', 'x86 takes --cr3'],
    [['ptdump', x86, '--arch', 'mips'], '--arch mips is not known', 'give one of x86, arm64, riscv, s390'],
    [['ptdump', scratch.write('some.raw', new Uint8Array(4096)) + '@0'], 'which architecture this memory is of cannot be told from the dump', 'give --arch'],
    [['ptdump', x86, SAMPLE], 'only raw files can be put together', 'FILE@ADDRESS'],
    [['ptdump', `${x86}@fffffffffffffff`], 'is not a physical address', 'below 2^56'],
    [['vtop'], "missing required argument 'address'", ''],
    [['vtop', x86, '1abc', '1abg'], 'vtop: "1abg" is not an address', 'one dump stands before the addresses'],
    [['vtop', x86, 'linux_banner'], 'vtop: "linux_banner" is not an address', 'one dump stands before the addresses'],
  ])('%j', async (args, message, help) => {
    const { code, err, out } = await pgtable(args);
    expect(err).toMatch(/^pgtable: /m);
    expect(err).toContain(message);
    expect(err).toContain(help);
    expect([code, out]).toEqual([2, '']);
  });

  test('no command at all: the help, on stderr', async () => {
    const { code, err, out } = await pgtable([]);
    expect(err).toBe((await pgtable(['--help'])).out);
    expect([code, out]).toEqual([2, '']);
  });
});

describe('exit code 3: the input', () => {
  const program = elfCore({ machine: { elfMachine: 62, bits: 64, littleEndian: true }, segments: [{ address: 0x1000000, bytes: new Uint8Array(4096).fill(1) }] });
  /** An executable: e_type 2. */
  const vmlinux = elfImage([{ address: 0x1000000, bytes: new Uint8Array(4096).fill(1) }], { bits: 64, littleEndian: true }, { type: 2 });

  test.each([
    ['a missing file', scratch.file('nothing'), 'there is no such file', 'Check the path'],
    ['a folder', scratch.path, 'is a directory', 'Name the file in it'],
    ['an empty file', scratch.write('empty', ''), 'is empty', 'make it again'],
    ['a text file', scratch.write('notes.txt', 'Nothing but words.\n'), 'is in no format that is known here', 'FILE@ADDRESS'],
    ['a truncated ELF header', scratch.write('cut.elf', program.slice(0, 40)), 'cut.elf', ''],
    ['ELF program headers past the end', scratch.write('cut2.elf', program.slice(0, 70)), 'cut2.elf', ''],
    ['a kernel instead of a dump', scratch.write('vmlinux', vmlinux), 'vmlinux', ''],
    ['a zstd file', scratch.write('dump.elf.zst', Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0)), 'compressed with zstd', 'zstd -d'],
    ['a gzip file', scratch.write('dump.elf.gz', gzipSync(new Uint8Array(64))), 'compressed with gzip', 'gzip -d'],
    ['an x86 dump with no root in it', scratch.write('rootless.elf', program), 'no root table for kernel addresses was found', '--cr3'],
  ])('%s', async (_name, path, message, help) => {
    const { code, err, out } = await pgtable(['ptdump', path]);
    expect(err).toContain(message);
    expect(err).toContain(help);
    // One sentence on what was tried, one on what helps.
    expect(err.trimEnd().split('\n').length).toBeGreaterThanOrEqual(2);
    expect([code, out]).toEqual([3, '']);
  });

  test('symbols', async () => {
    expect(await pgtable(['ptdump', '--symbols', scratch.file('nothing')])).toMatchObject({ code: 3, err: expect.stringContaining('System.map') as string });
    expect(await pgtable(['ptdump', '--symbols', scratch.write('words', 'no symbols here\n')])).toMatchObject({ err: expect.stringContaining('holds no symbols') as string });
  });
});

test('info says in which unit memory is counted', async () => {
  const { lines } = await pgtable(['info', `${scratch.write('odd.raw', new Uint8Array(1000))}@1000`, '--arch', 'x86']);
  expect(lines.map((line) => line.replaceAll(/ +/g, ' '))).toEqual(expect.arrayContaining(['memory 1000 bytes in 1 range', ' 0x0000000000001000-0x00000000000013e8 1000 bytes present']));
});

describe('help', () => {
  test('of the program', async () => {
    const { code, out, err } = await pgtable(['--help']);
    expect(out).toMatchInlineSnapshot(`
      "Usage: pgtable [options] [command]

      Page tables of real machines: the address space in a memory dump, as its kernel
      would list it.

      Options:
        -V, --version                          output the version number
        --plugin <module>                      a package or file with one more architecture; may be repeated
        -h, --help                             display help for command

      Commands:
        info [options] [files...]              what kind of dump it is and what is in it
        roots [options] [files...]             the root tables that were found, with the evidence for each
        ptdump|pt [options] [files...]         the address space as a list of ranges
        check [options] [files...]             the kernel's check for writable and executable mappings
        vtop|translate [options] <address...>  where virtual addresses are in physical memory
        extract [options] [files...]           a small dump of the page tables alone
        help [command]                         display help for command

      Without a file every command works on the embedded sample.

      Exit codes: 0 done; 1 a finding, or an address that is not mapped; 2 usage; 3 unreadable input.

        pgtable ptdump vmcore --symbols System.map    what /sys/kernel/debug/kernel_page_tables would print
        pgtable vtop vmcore ffffffff81000000          one address, with every level
        pgtable check vmcore                          is anything writable and executable?
        pgtable roots vmcore                          which root tables were found, and how
      "
    `);
    expect([code, err]).toEqual([0, '']);
  });

  test.each(COMMANDS)('of %s: every flag has a description', async (command) => {
    const { code, out } = await pgtable([command, '--help']);
    expect(code).toBe(0);
    expect((await pgtable(['help', command])).out).toBe(out);
    const flags = out.split('\n').filter((line) => /^ {2}(-\w, )?--/.test(line));
    expect(flags.length).toBeGreaterThan(15);
    // The flag, its value, two blanks or more, its description.
    for (const line of flags) expect(line).toMatch(/^ {2}(-\w, )?--[\w-]+( <[^>]+>)? {2,}\S/);
    for (const { registers } of ARCHITECTURES) for (const { name } of registers) expect(out).toContain(`  --${name} <value>`);
    for (const flag of ['--arch', '--root', '--symbols', '--no-zero-fill', '--plugin', '--help']) expect(out).toContain(`${flag} `);
    for (const { name } of ARCHITECTURES) expect(out).toContain(`\nRegisters of ${name}, hexadecimal`);
  });

  test('the version is the package\'s', async () => {
    const { version } = createRequire(import.meta.url)('../package.json') as { version: string };
    expect(await pgtable(['--version'])).toMatchObject({ code: 0, out: `${version}\n` });
  });
});

describe('without a file', () => {
  test.each([['info'], ['roots'], ['ptdump'], ['pt'], ['check'], ['vtop', '4c0123'], ['extract', '--tables-only', '-o', scratch.file('sample.elf')]])('%s works on the sample and says so', async (...args) => {
    const { code, err } = await pgtable(args);
    expect(err).toContain('pgtable: no file given: this is the embedded sample: the page tables of an arm64 Linux 6.12 guest');
    expect(code).toBe(0);
  });

  test('the sample is one of the fixtures', async () => {
    const kernel = await pgtable(['ptdump', dumpOf('guests-arm64-4k-va48')]);
    expect(kernel.out).toBe((await pgtable(['ptdump'])).out);
    expect(kernel.err).toBe('');
  });
});

describe('the progress bar', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  const shown = (isTTY: boolean, afterMs: number): string => {
    vi.useFakeTimers();
    const err = new Collector(isTTY);
    const progress = new Progress({ stdin: process.stdin, stdout: new Collector(), stderr: err, env: {} }, true);
    vi.advanceTimersByTime(afterMs);
    progress.update('pte tables', 30, 100);
    vi.advanceTimersByTime(1000);
    progress.update('pte tables', 60, 100);
    progress.stop();
    return err.text;
  };

  test('is on a terminal, once work lasts', () => {
    expect(shown(true, 400)).toContain('pte tables');
  });

  test('is nowhere else', () => {
    expect(shown(false, 400)).toBe('');
  });

  test('is not there for short work', async () => {
    expect((await pgtable(['ptdump', SAMPLE], { outTty: true, errTty: true })).err).toBe('');
  });
});

describe('the program itself', () => {
  const cli = fileURLToPath(new URL('../src/cli.ts', import.meta.url));
  const flags = ['--conditions=@pgtable/source', '--import', createRequire(import.meta.url).resolve('tsx'), cli];

  test('a reader that has seen enough is no error', () => {
    const command = [process.execPath, ...flags, 'ptdump', dumpOf('guests-x86_64-4level'), '--format', 'csv', '--no-merge'].map((word) => `'${word}'`).join(' ');
    // The exit code of the first in the pipe goes to stderr.
    const { stdout, stderr } = spawnSync('sh', ['-c', `{ ${command}; echo "exit $?" >&2; } | head -n 1`], { encoding: 'utf8' });
    expect(stdout).toMatch(/^start,end,bytes.*\n$/);
    expect(stderr).toBe('exit 0\n');
  });

  test.skipIf(!existsSync('/dev/full'))('output that cannot be written is an error of a sentence, and no finding', () => {
    const command = [process.execPath, ...flags, 'ptdump', SAMPLE].map((word) => `'${word}'`).join(' ');
    const { status, stderr } = spawnSync('sh', ['-c', `${command} > /dev/full`], { encoding: 'utf8' });
    expect(stderr).toBe('pgtable: the output cannot be written: no space left on device\n');
    expect(status).toBe(3);
  });

  test('standard input, standard output and the exit code are connected', () => {
    const args = [...flags, 'vtop', '--in', x86, ...X86_FLAGS, '-'];
    expect(execFileSync(process.execPath, args, { input: '1abc\n2fff\n', encoding: 'utf8' })).toBe('0x1abc\t0x10abc\n0x2fff\t0x11fff\n');
    expect(spawnSync(process.execPath, args, { input: '0\n' }).status).toBe(1);
  });
});
