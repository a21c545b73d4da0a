/** Each folder of test/fixtures has the tables of a guest, and what its own kernel or QEMU's MMU said about them. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { dumpOf, FIXTURES, fixtures, jsonRows, pgtable, Scratch, textOf, type JsonRow } from './harness.js';

const scratch = new Scratch();
/** The extracts hold the regions as they were found with symbols; any table of symbols asks for them. */
const symbols = scratch.write('System.map', '0000000000001000 T not_in_any_kernel\n');

const listed = fixtures('ptdump-');
const guests = fixtures('guests-');

test('there are fixtures of each architecture', () => {
  for (const arch of ['arm64', 'riscv64', 's390x', 'x86_64']) {
    expect(listed.some((name) => name.includes(arch)), arch).toBe(true);
    expect(guests.some((name) => name.includes(arch)), arch).toBe(true);
  }
});

describe.each(listed)('%s: the guest kernel printed', (name) => {
  const kernel = textOf(name, 'kernel_page_tables.txt');

  test('the same, byte for byte', async () => {
    const { out, err, code } = await pgtable(['ptdump', dumpOf(name), '--symbols', symbols]);
    expect(out).toBe(kernel);
    expect([err, code]).toEqual(['', 0]);
  });

  test('the same without symbols, but for region markers', async () => {
    const { out } = await pgtable(['ptdump', dumpOf(name)]);
    expect(withoutMarkers(out)).toEqual(withoutMarkers(kernel));
  });

  test('no writable and executable page', async () => {
    const { code, lines } = await pgtable(['check', dumpOf(name)]);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/Checked W\+X mappings: passed, no (unexpected )?W\+X pages found/);
    expect(code).toBe(0);
  });
});

/** x86 kernels print the tables of the process too. */
const ofProcess = listed.flatMap((name) => ['current_kernel.txt', 'current_user.txt'].filter((file) => existsSync(join(FIXTURES, name, file))).map((file) => ({ name, file })));

test.each(ofProcess)('$name: the guest kernel printed the same as $file', async ({ name, file }) => {
  const { out } = await pgtable(['ptdump', dumpOf(name), '--root', 'current', '--symbols', symbols]);
  expect(out).toBe(textOf(name, file));
});

/** The ranges with their attributes; neighbours that only a marker parts are one. */
function withoutMarkers(text: string): string[] {
  const lines: { start: string; end: string; attributes: string }[] = [];
  for (const line of text.split('\n')) {
    const match = /^(0x[0-9a-f]+)-(0x[0-9a-f]+) +(?:0x[0-9a-f]+ +)?\d+[A-Z](.*)$/.exec(line);
    if (match === null) continue;
    const [, start, end, attributes] = match as unknown as [string, string, string, string];
    const last = lines.at(-1);
    if (last?.end === start && last.attributes === attributes) last.end = end;
    else lines.push({ start, end, attributes });
  }
  return lines.map(({ start, end, attributes }) => `${start}-${end} ${attributes}`);
}

interface Asked {
  readonly guest: string;
  readonly file: string;
  readonly flags: readonly string[];
}

const asked: readonly Asked[] = [
  ...guests.map((guest) => ({ guest, file: 'gva2gpa.tsv', flags: [] })),
  ...guests.filter((guest) => existsSync(join(FIXTURES, guest, 'gva2gpa-kernel.tsv'))).map((guest) => ({ guest, file: 'gva2gpa-kernel.tsv', flags: ['--kernel'] })),
];

describe.each(asked)("$guest: QEMU's answers in $file", ({ guest, file, flags }) => {
  const rows = textOf(guest, file).split('\n').filter((line) => line !== '').map((line) => line.split('\t') as [string, string]);

  test('every address of them is answered alike', async () => {
    expect(rows.length).toBeGreaterThan(500);
    const { lines, err, code } = await pgtable(['vtop', '--in', dumpOf(guest), ...flags, '-'], { input: rows.map(([va]) => `${va}\n`).join('') });
    expect(lines.map((line) => line.split('\t')[0])).toEqual(rows.map(([va]) => `0x${va}`));
    // QEMU has one word for all that is not mapped; all tables are in the file, so nothing may be absent.
    const ours = lines.map((line) => line.split('\t')[1]!.replace('non-canonical', 'unmapped').replace(/^0x/, ''));
    const different = rows.flatMap(([va, pa], at) => (ours[at] === pa ? [] : [`${va}: QEMU ${pa}, pgtable ${ours[at]}`]));
    expect(different).toEqual([]);
    expect([err, code]).toEqual(['', 1]);
  });

  test('and a sample of them alike with every level shown', async () => {
    const sample = rows.filter((_, at) => at % 60 === 0);
    const { lines } = await pgtable(['vtop', '--in', dumpOf(guest), ...flags, '--format', 'json', ...sample.map(([va]) => va)]);
    expect(lines.map((line) => (JSON.parse(line) as { pa?: string }).pa ?? 'unmapped').map((pa) => (pa === 'unmapped' ? pa : BigInt(pa).toString(16)))).toEqual(sample.map(([, pa]) => pa));
  });
});

describe.each(guests)('%s', (guest) => {
  test.each(['--kernel', '--user'])('%s: merged rows are the same pages as one row an entry', async (half) => {
    const merged = jsonRows(await pgtable(['ptdump', dumpOf(guest), half, '--format', 'json'])).filter(({ kind }) => kind === 'leaf');
    const single = jsonRows(await pgtable(['ptdump', dumpOf(guest), half, '--format', 'json', '--no-merge'])).filter(({ kind }) => kind === 'leaf');
    expect(single.length).toBeGreaterThan(merged.length);
    expect(single.every(({ bytes, pageBytes }) => bytes === pageBytes)).toBe(true);
    expect(merged.flatMap(pagesOf).join('\n')).toBe(single.flatMap(pagesOf).join('\n'));
  });
});

function pagesOf({ start, bytes, pageBytes, pa, kernel, user, memoryType, level }: JsonRow): string[] {
  const [from, at] = [BigInt(start), BigInt(pa ?? -1)];
  return Array.from({ length: bytes / pageBytes }, (_, i) => `${(from + BigInt(i * pageBytes)).toString(16)} ${(at + BigInt(i * pageBytes)).toString(16)} ${level} ${kernel} ${user} ${memoryType}`);
}

test('riscv: a check of the root of a process says that it is of the addresses of the kernel', async () => {
  const kernel = await pgtable(['check', dumpOf('guests-riscv64-sv57')]);
  const current = await pgtable(['check', dumpOf('guests-riscv64-sv57'), '--root', 'current']);
  expect([kernel.err, current.out]).toEqual(['', kernel.out]);
  expect(current.err).toBe("pgtable: as the kernel's, this check is of 0xff00000000000000-0x10000000000000000 alone: pgtable ptdump --user --filter w x --format table lists the pages of a process\n");
});

describe('the root that is listed', () => {
  test('x86: of user addresses beside those of the kernel there is no one table', async () => {
    const ranges = ['--range', '401000+1000', '--range', 'ffffffffa2622000+1000'];
    const { code, out, err } = await pgtable(['ptdump', dumpOf('guests-x86_64-4level'), ...ranges]);
    expect(err).toContain('have root tables of their own here, and a listing is of one');
    expect([code, out]).toEqual([2, '']);
    expect((await pgtable(['ptdump', dumpOf('guests-x86_64-4level'), ...ranges, '--root', 'current'])).lines.filter((line) => line.startsWith("0x"))).toHaveLength(2);
  });

  test('s390: the kernel has the same addresses', async () => {
    expect(await pgtable(['ptdump', dumpOf('guests-s390x'), '--range', '0+1000', '--range', '100000+1000'])).toMatchObject({ code: 0, err: '' });
  });

  test('s390: a process has an address space of its own, by --root and by --asce', async () => {
    const kernel = await pgtable(['ptdump', dumpOf('guests-s390x')]);
    const current = await pgtable(['ptdump', dumpOf('guests-s390x'), '--root', 'current']);
    const roots = await pgtable(['roots', dumpOf('guests-s390x'), '--format', 'json']);
    const cr1 = roots.lines.map((line) => JSON.parse(line) as { role: string; registers: { asce: string } }).find(({ role }) => role === 'current');
    const given = await pgtable(['ptdump', dumpOf('guests-s390x'), '--asce', cr1!.registers.asce]);
    expect(current.out).not.toBe(kernel.out);
    expect(given.out).toBe(current.out);
    expect([kernel.lines[0], current.lines[0]]).toEqual(['---[ Kernel Virtual Address Space ]---', '---[ User Space ]---']);
  });

  test("arm64: TTBR0 does not hide the kernel's", async () => {
    // This extract has TTBR0 recorded, as if it had been given.
    const { lines } = await pgtable(['ptdump', dumpOf('guests-arm64-4k-va48')]);
    expect(lines[0]).toBe('---[ Linear Mapping start ]---');
    const user = await pgtable(['ptdump', dumpOf('guests-arm64-4k-va48'), '--root', 'current']);
    expect(user.lines[0]).toBe('---[ User Space ]---');
  });
});
