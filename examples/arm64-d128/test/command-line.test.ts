import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { VmFlags, type ArchPlugin } from '@pgtable/core';
import { mapRange } from '@pgtable/walk';
import { run, type ExitCode } from 'pgtable';
import { afterAll, describe, expect, it } from 'vitest';
import { arm64D128 } from '../src/index.js';
import { dumpOf, emptySpace, kernelSpace, userSpace } from './help.js';

const folder = mkdtempSync(join(tmpdir(), 'pgtable-d128-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function file(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

class Collector extends Writable {
  text = '';

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

async function pgtable(args: readonly string[], architectures?: readonly ArchPlugin[]): Promise<{ code: ExitCode; out: string; err: string }> {
  const out = new Collector();
  const err = new Collector();
  const code = await run(args, { stdin: Readable.from([]), stdout: out, stderr: err, env: {} }, architectures);
  return { code, out: out.text, err: err.text };
}

// T0SZ and T1SZ 16 (48 bits), TG0 and TG1 4K, IPS 7 (56 bits).
const TCR = ['--tcr', '7_8010_0010'] as const;
// ASID 5 and CnP are left in.
const ROOTS = ['--ttbr1', '5_0000_8000_0001', '--ttbr0', '9000_0000', ...TCR] as const;
const dump = file('d128.elf', dumpOf(kernelSpace(), userSpace()));
const MODULE = fileURLToPath(new URL('../src/index.ts', import.meta.url));

describe('the command, given the architecture', () => {
  it('lists the kernel\'s half as its kernel would', async () => {
    const { code, out, err } = await pgtable(['ptdump', dump, ...ROOTS], [arm64D128]);
    expect(err).toBe('');
    expect(code).toBe(0);
    const lines = out.split('\n');
    expect(lines[0]).toBe('---[ Linear Mapping start ]---');
    expect(lines).toContain('0xffff001000000000-0xffff002000000000          64G P4D       RW NX SHD AF        BLK UXN    MEM/NORMAL');
    expect(lines).toContain('0xffff002010000000-0xffff002010100000           1M PMD       RW NX SHD AF        BLK UXN    MEM/NORMAL');
    expect(lines).toContain('0xffff800000000000-0xffff800000002000           8K PTE       ro x  SHD AF            UXN    MEM/NORMAL');
  });

  it('translates addresses of both halves, with 128-bit entries', async () => {
    const { code, out } = await pgtable(['vtop', dump, '0xffff002010100abc', '401abc', ...ROOTS], [arm64D128]);
    expect(code).toBe(0);
    expect(out).toContain('0xffff002010100abc -> 0x0000002010100abc');
    expect(out).toContain('0x00700001000000000000002010100701');
    expect(out).toContain('0x0000000000401abc -> 0x0000000123457abc');
  });

  it('shows a process, with physical addresses, and its PROT_NONE page', async () => {
    const { code, out } = await pgtable(['ptdump', dump, '--user', '--format', 'json', ...ROOTS], [arm64D128]);
    expect(code).toBe(0);
    const rows = out.split('\n').slice(0, -1).map((line) => JSON.parse(line) as { start: string; pa?: string; kind: string; pageBytes: number; text?: string });
    expect(rows.filter(({ kind }) => kind === 'leaf').map(({ start, pa, pageBytes }) => [start, pa, pageBytes])).toEqual([
      ['0x0000000000400000', '0x0000000123456000', 4096],
      ['0x0000000000402000', '0x0000000000007000', 4096],
      ['0x0000000000800000', '0x0000000000300000', 2 ** 20],
    ]);
    expect(rows.filter(({ kind }) => kind === 'non-present')).toMatchObject([{ start: '0x0000000000403000', text: 'protected, memory 0x9000 kept (ATTRINDX(0) NDIRTY ISH AF NG PIINDEX(12))' }]);
  });

  it('shows the entries whole, of leaves and of what is not present, merged or not', async () => {
    for (const more of [[], ['--no-merge']]) {
      const { code, out } = await pgtable(['ptdump', dump, '--user', '--format', 'json', ...more, ...ROOTS], [arm64D128]);
      expect(code).toBe(0);
      const rows = out.split('\n').slice(0, -1).map((line) => JSON.parse(line) as { start: string; entry?: string }).filter(({ entry }) => entry !== undefined);
      expect(rows.length).toBe(more.length === 0 ? 4 : 5);
      for (const { start, entry } of rows) {
        const { out: walked } = await pgtable(['vtop', dump, start, '--format', 'json', ...ROOTS], [arm64D128]);
        const { steps } = JSON.parse(walked) as { steps: readonly { entry: string }[] };
        expect([start, entry]).toEqual([start, steps.at(-1)!.entry]);
      }
      // By hand: PIIndex 15 (a user's, writable, PXN, UXN) above; nG, AF, SH 3, nDirty and valid below.
      expect(rows.find(({ start }) => start === '0x0000000000400000')!.entry).toBe('0x00780000000000000000000123456f81');
    }
    const { out } = await pgtable(['ptdump', dump, '--user', '--format', 'csv', ...ROOTS], [arm64D128]);
    expect(out).toContain(',0x00780000000000000000000123456f81\n');
  });

  it('says which roots it read, and finds nothing insecure', async () => {
    const { out } = await pgtable(['roots', dump, ...ROOTS], [arm64D128]);
    expect(out).toContain('D128, 4K granule, 48-bit');
    expect(out).toContain('0x0000000080000000');
    const check = await pgtable(['check', dump, ...ROOTS], [arm64D128]);
    expect([check.code, check.out]).toEqual([0, expect.stringContaining('no W+X pages found')]);
  });

  it('reads big-endian tables, 16 bytes an entry', async () => {
    const big = file('big.elf', dumpOf(kernelSpace({ vaBits: 48, littleEndian: false })));
    const { code, out } = await pgtable(['vtop', big, '0xffff800000001004', ...ROOTS], [arm64D128]);
    expect(code).toBe(0);
    expect(out).toContain('0xffff800000001004 -> 0x0000000040201004');
  });

  it('reads 64K pages of 56-bit addresses', async () => {
    const built = emptySpace({ half: 'ttbr1', granule: 65536, vaBits: 56 }, 0x8000_0000);
    mapRange(built.space, 0xff80_0000_0000_0000n, 0x40_0000_0000, 2 ** 28 + 65536, built.space.arch.kernelProt(VmFlags.Read), { largestPage: Infinity });
    const wide = file('wide.elf', dumpOf(built));
    // T1SZ 8, TG1 3.
    const { code, out } = await pgtable(['vtop', wide, '0xff80000000001004', '0xff80000010001004', '--ttbr1', '80000000', '--tcr', '7_c008_0000'], [arm64D128]);
    expect(code).toBe(0);
    expect(out).toContain('page of 256M at 0x0000004000000000');
    expect(out).toContain('0xff80000010001004 -> 0x0000004010001004');
  });
});

describe('the command, as it is', () => {
  it('takes the architecture from a module, by name', async () => {
    const { code, out, err } = await pgtable(['vtop', dump, '0xffff800000001004', '--plugin', MODULE, '--arch', 'arm64-d128', ...ROOTS]);
    expect([code, err]).toEqual([0, '']);
    expect(out).toContain('0xffff800000001004 -> 0x0000000040201004');
  });

  it('reads the same dump as 64-bit descriptors without it, and finds nothing there', async () => {
    const { out } = await pgtable(['vtop', dump, '0xffff800000001004', ...ROOTS]);
    expect(out).not.toContain('0x0000000040201004');
  });
});

describe('registers', () => {
  it.each([
    [['--ttbr1', '80000002', ...TCR], /SKL/],
    [['--ttbr1', '80000080', ...TCR], /aligned to 256/],
    [['--ttbr1', '80000000', '--tcr', '7_0010_0010'], /TG1 \(bits 31:30\) is 0/],
    [['--ttbr1', '80000000', '--tcr', '7_8008_0010'], /5 levels|6 levels/],
    [['--ttbr1', '80000000'], /give --tcr too/],
    [[], /give --ttbr1/],
  ])('%s are refused, or are not enough', async (flags, message) => {
    const { code, err } = await pgtable(['ptdump', dump, ...flags], [arm64D128]);
    expect(code).toBeGreaterThanOrEqual(2);
    expect(err).toMatch(message);
  });
});
