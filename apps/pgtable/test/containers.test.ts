/** The same machine in every kind of file, and what `info` and `roots` say of it. */
import { beforeAll, describe, expect, test } from 'vitest';
import { elfCore } from '@pgtable/memory';
import { elfImage, flatten, kdumpImage, limeImage, type KdumpCompression } from '../../../packages/memory/test/synthetic.js';
import { dumpOf, fixtures, pgtable, SAMPLE, Scratch } from './harness.js';
import { ARM64_FLAGS, arm64Elf, ARM64_MEMORY, arm64Vmcoreinfo, vmcoreinfo, X86_FLAGS, X86_MEMORY, TWO_KERNELS, x86Elf, x86Vmcoreinfo } from './machines.js';

const scratch = new Scratch();
const abi = { bits: 64, littleEndian: true } as const;
/** Each table on a page of its own; whole pages, as kdump files have. */
const blocks = Array.from({ length: Math.ceil(X86_MEMORY.bytes.length / 4096) }, (_, at) => ({ address: X86_MEMORY.address + at * 4096, bytes: paddedPage(X86_MEMORY.bytes, at) }));

function paddedPage(bytes: Uint8Array, at: number): Uint8Array {
  const page = new Uint8Array(4096);
  page.set(bytes.subarray(at * 4096, (at + 1) * 4096));
  return page;
}

const containers: Readonly<Record<string, () => { files: string[]; format: RegExp }>> = {
  'ELF, one segment a page': () => ({ files: [scratch.write('pages.elf', elfImage(blocks, abi, { elfMachine: 62 }))], format: /^ELF core, 64-bit little-endian$/ }),
  'ELF, flattened': () => ({ files: [scratch.write('flat.elf', flatten(x86Elf()))], format: /^ELF core, .*flattened$/ }),
  LiME: () => ({ files: [scratch.write('memory.lime', limeImage(blocks))], format: /^LiME, version 1$/ }),
  'one raw file': () => ({ files: [`${scratch.write('memory.raw', X86_MEMORY.bytes)}@1000`], format: /^raw memory$/ }),
  'a raw file for each page': () => ({ files: blocks.map(({ address, bytes }) => `${scratch.write(`page-${address}`, bytes)}@0x${address.toString(16)}`), format: /^raw memory in 7 files$/ }),
  ...Object.fromEntries((['none', 'zlib', 'lzo', 'snappy', 'zstd'] as const satisfies readonly KdumpCompression[]).map((compression) => [
    `kdump, ${compression}`, () => ({ files: [scratch.write(`${compression}.kdump`, kdumpImage(blocks, abi, { compression }))], format: /^kdump-compressed/ }),
  ])),
  'kdump, zlib, flattened and shuffled': () => ({
    files: [scratch.write('flat.kdump', flatten(kdumpImage(blocks, abi, { compression: 'zlib' }), { shuffle: (numbers) => numbers.reverse() }))], format: /^kdump-compressed.*flattened$/,
  }),
};

describe.each(Object.keys(containers))('%s', (name) => {
  const reference = scratch.write('reference.elf', x86Elf());
  let files: string[] = [];
  let format = /$^/;
  beforeAll(() => {
    ({ files, format } = containers[name]!());
  });

  test.each(['kernel', 'table', 'json', 'csv'])('the same listing as %s', async (how) => {
    const { out, code } = await pgtable(['ptdump', ...files, ...X86_FLAGS, '--format', how]);
    expect(out).toBe((await pgtable(['ptdump', reference, ...X86_FLAGS, '--format', how])).out);
    expect(out).not.toBe('');
    expect(code).toBe(0);
  });

  test('the same verdict and translation; info names the format', async () => {
    expect((await pgtable(['check', ...files, ...X86_FLAGS])).code).toBe(1);
    expect((await pgtable(['vtop', ...files, '1abc', ...X86_FLAGS])).lines[0]).toBe('0x0000000000001abc -> 0x0000000000010abc');
    const { lines } = await pgtable(['info', ...files, ...X86_FLAGS, '--format', 'json']);
    expect(lines).toHaveLength(1);
    expect((JSON.parse(lines[0]!) as { format: string }).format).toMatch(format);
  });
});

describe('a kdump with a damaged page', () => {
  /** The listing of a dump in which the page at an address is damaged. */
  const withDamage = async (at: number): ReturnType<typeof pgtable> => {
    const encode = (_page: Uint8Array, pfn: number): { data: Uint8Array; flags: number } | undefined => (pfn * 4096 === at ? { data: new Uint8Array(64).fill(0x5a), flags: 1 } : undefined);
    return pgtable(['ptdump', scratch.write(`damaged-${at}.kdump`, kdumpImage([...blocks, { address: 0x20000, bytes: new Uint8Array(4096).fill(7) }], abi, { encode })), ...X86_FLAGS]);
  };
  const warning = (address: string): RegExp => new RegExp(`the page at ${address} does not decompress to 4096 bytes: damaged pages are taken as not in the dump\n`);

  test('that is none of its tables is listed as if it were whole', async () => {
    const whole = await pgtable(['ptdump', scratch.write('reference.elf', x86Elf()), ...X86_FLAGS]);
    const { out, err, code } = await withDamage(0x20000);
    expect([out, code]).toEqual([whole.out, 0]);
    // Nobody has read it, or somebody who looked through all memory.
    expect(err === whole.err || warning('0x20000').test(err)).toBe(true);
  });

  test('that is one of them says so, and is listed without it', async () => {
    const { out, err, code } = await withDamage(0x7000);
    expect(err).toMatch(warning('0x7000'));
    expect(out).toContain('page tables not in the dump');
    expect(code).toBe(0);
  });
});

describe('info', () => {
  test.each([
    ['x86_64', true, 'x86'], ['i686', true, 'x86'], ['aarch64', true, 'arm64'], ['riscv64', true, 'riscv'], ['s390x', false, 's390'],
    ['S390X', false, 's390'], // as QEMU spells it
  ] as const)('the architecture of a kdump file from a %s', async (machine, littleEndian, architecture) => {
    const file = scratch.write(`${machine}-${littleEndian}.kdump`, kdumpImage(blocks, { bits: 64, littleEndian }, { machine, compression: 'zlib', notes: [] }));
    const { lines, code } = await pgtable(['info', file, '--format', 'json']);
    expect(code).toBe(0);
    expect(JSON.parse(lines[0]!)).toMatchObject({ architecture });
  });

  test.each([
    ['x86', 'NUMBER(phys_base)=0'], ['x86', 'CONFIG_X86_PAE=y'], ['arm64', 'NUMBER(kimage_voffset)=0xffff800040000000'],
    ['riscv', 'NUMBER(va_kernel_pa_offset)=0xffffffff00000000'], ['s390', 'SAMODE31=1000'],
  ])('%s, where a kdump file says Unknown as QEMU does: by the VMCOREINFO', async (architecture, line) => {
    const text = `OSRELEASE=6.12.0\nPAGESIZE=4096\nSYMBOL(init_uts_ns)=1000\n${line}\n`;
    const noted = scratch.write(`unknown-${architecture}.kdump`, kdumpImage(blocks, abi, { machine: 'Unknown', notes: [vmcoreinfo(text)], vmcoreinfo: text }));
    expect(JSON.parse((await pgtable(['info', noted, '--format', 'json'])).lines[0]!)).toMatchObject({ architecture });
    // The same, found in memory by its text, in a file that has no notes.
    const page = new Uint8Array(4096);
    page.set(new TextEncoder().encode(text));
    const scanned = scratch.write(`unknown-${architecture}.lime`, limeImage([...blocks, { address: 0x100000, bytes: page }]));
    expect(JSON.parse((await pgtable(['info', scanned, '--format', 'json'])).lines[0]!)).toMatchObject({ architecture });
  });

  test('a kdump file that says Unknown and has no VMCOREINFO that tells: --arch is asked for', async () => {
    const { code, err } = await pgtable(['info', scratch.write('unknown.kdump', kdumpImage(blocks, abi, { machine: 'Unknown' }))]);
    expect(code).toBe(3);
    expect(err).toContain('(it says Unknown)');
    expect(err).toContain('give --arch');
  });

  test('of the sample', async () => {
    const { lines, err, code } = await pgtable(['info']);
    expect(lines.slice(0, 3)).toEqual(['file           sample', 'format         ELF core, 64-bit little-endian', 'architecture   arm64 (AArch64)']);
    expect(lines).toContain('               OSRELEASE=6.12.107+deb13-arm64');
    expect(lines.at(-1)).toBe('roots          2 found (pgtable roots shows them)');
    expect(err).toContain('no file given');
    expect(code).toBe(0);
  });

  test.each(fixtures(''))('%s, as JSON', async (name) => {
    const { lines } = await pgtable(['info', dumpOf(name), '--format', 'json']);
    const said = JSON.parse(lines[0]!) as { file: string; architecture: string; roots: number; ranges: { start: string; end: string; state: string }[]; notes: { name: string }[]; vmcoreinfo: { text: string }[] };
    expect(lines).toHaveLength(1);
    expect(said.file).toBe(dumpOf(name));
    expect(name).toContain(said.architecture === 'riscv' || said.architecture === 's390' || said.architecture === 'arm64' ? said.architecture : 'x86');
    expect(said.roots).toBeGreaterThan(0);
    expect(said.vmcoreinfo[0]?.text).toContain('OSRELEASE=');
    expect(said.notes.map((note) => note.name)).toContain('PGTABLE');
    expect(said.ranges.every(({ start, end }) => BigInt(start) < BigInt(end))).toBe(true);
  });
});

describe('roots', () => {
  test('each with its evidence', async () => {
    const { lines, code } = await pgtable(['roots', SAMPLE]);
    expect(lines).toEqual([
      '1. current root table at 0x0000000043a68000: arm64 4K granule, 48-bit (given)',
      '     TTBR0_EL1 was given: the table is at physical address 0x43a68000.',
      '2. kernel root table at 0x0000000041f16000: arm64 4K granule, 48-bit (VMCOREINFO note)',
      expect.stringContaining('has swapper_pg_dir at 0xffffb55173f16000, which minus kimage_voffset is physical address 0x41f16000.'),
      '     TCR_EL1 as given says 4K granule, 48-bit.',
      '     Of its 512 entries 5 are valid.',
    ]);
    expect(code).toBe(0);
  });

  test('as JSON, one a line, with the windows that each translates', async () => {
    const { lines } = await pgtable(['roots', SAMPLE, '--format', 'json']);
    const all = lines.map((line) => JSON.parse(line) as { number: number; role: string; source: string; table: string; windows: unknown[]; registers: Record<string, string> });
    expect(all.map(({ number, role, source, table }) => [number, role, source, table])).toEqual([
      [1, 'current', 'given', '0x0000000043a68000'],
      [2, 'kernel', 'vmcoreinfo-note', '0x0000000041f16000'],
    ]);
    expect(all.map(({ windows }) => windows)).toEqual([
      [{ start: '0x0000000000000000', end: '0x0001000000000000', half: 'user' }],
      [{ start: '0xffff000000000000', end: '0x10000000000000000', half: 'kernel' }],
    ]);
    expect(all[0]?.registers.ttbr0).toBe('0x43a68001');
  });

  const twice = scratch.write('twice.elf', arm64Elf([vmcoreinfo(arm64Vmcoreinfo('6.12.1', 0x1000)), vmcoreinfo(arm64Vmcoreinfo('6.12.2-crash', 0x5000))]));

  test('two kernels in one dump are both there', async () => {
    const { lines } = await pgtable(['roots', twice]);
    expect(lines.filter((line) => /^\d/.test(line))).toEqual([
      '1. kernel root table at 0x0000000000001000: arm64 4K granule, 48-bit (VMCOREINFO note)',
      '2. kernel root table at 0x0000000000005000: arm64 4K granule, 48-bit (VMCOREINFO note)',
    ]);
    const at = lines.findIndex((line) => line.startsWith('There are 2 VMCOREINFOs'));
    expect(lines.slice(at + 1, at + 3)).toEqual(['     the VMCOREINFO note of the dump: 6.12.1', '     the VMCOREINFO note of the dump: 6.12.2-crash']);
  });

  test('the registers that are missing are named', async () => {
    const { lines } = await pgtable(['roots', twice]);
    for (const flag of ['--ttbr0', '--tcr', '--mair']) expect(lines.some((line) => line.startsWith('no ') && line.includes(`give ${flag}`)), flag).toBe(true);
    const riscv = scratch.write('riscv.elf', elfImage([{ address: 0x80000000, bytes: new Uint8Array(8192) }], abi, { elfMachine: 243 }));
    const none = await pgtable(['roots', riscv]);
    expect(none.out).toContain('--satp');
    expect(none.code).toBe(1);
    const listed = await pgtable(['ptdump', riscv]);
    expect(listed.err).toContain('no root table for kernel addresses was found');
    expect(listed.err).toContain('--satp');
    expect(listed.code).toBe(3);
  });

  test('a register that is given goes first', async () => {
    const { lines } = await pgtable(['roots', twice, ...ARM64_FLAGS]);
    expect(lines.filter((line) => /^\d/.test(line)).map((line) => line.replace(/:.*\(/, ' ('))).toEqual([
      '1. kernel root table at 0x0000000000001000 (given)', '2. current root table at 0x0000000000005000 (given)',
      '3. kernel root table at 0x0000000000001000 (VMCOREINFO note)', '4. kernel root table at 0x0000000000005000 (VMCOREINFO note)',
    ]);
  });

  test('VMCOREINFO in memory is found, without any note', async () => {
    const text = new TextEncoder().encode(arm64Vmcoreinfo('6.12.3', 0x1000));
    const image = elfImage([{ address: ARM64_MEMORY.address, bytes: ARM64_MEMORY.bytes }, { address: 0x40000, bytes: new Uint8Array([...text, ...new Uint8Array(4096 - text.length)]) }], abi, { elfMachine: 183 });
    const { lines } = await pgtable(['roots', scratch.write('scan.elf', image)]);
    expect(lines[0]).toBe('1. kernel root table at 0x0000000000001000: arm64 4K granule, 48-bit (VMCOREINFO in memory)');
    expect(lines[1]).toContain('a VMCOREINFO text in memory at 0x40000');
  });

  test('each root is of its own kernel: symbols are where that one has them', async () => {
    const file = scratch.write('kernels.elf', elfCore({
      machine: { elfMachine: 62, bits: 64, littleEndian: true }, segments: [TWO_KERNELS],
      notes: [vmcoreinfo(x86Vmcoreinfo('6.12.1', 0x1000, 0)), vmcoreinfo(x86Vmcoreinfo('6.12.1-crash', 0x2000, 0x200000))],
    }));
    const map = scratch.write('System.map', new TextEncoder().encode('ffffffff80000000 T _text\nffffffff81000000 T _end\n'));
    for (const [number, address] of [['1', '0xffffffff80000000'], ['2', '0xffffffff80200000']] as const) {
      const { lines, code } = await pgtable(['check', file, '--root', number, '--symbols', map, '--format', 'json']);
      expect(code).toBe(1);
      expect(lines[0]).toContain(address);
      expect(lines[0]).toContain('_text+0x0/');
    }
  });

  test('a second kernel that only memory tells of has a number too, which other commands take', async () => {
    const text = new TextEncoder().encode(arm64Vmcoreinfo('6.12.3-crash', 0x5000));
    const image = elfImage([{ address: ARM64_MEMORY.address, bytes: ARM64_MEMORY.bytes }, { address: 0x40000, bytes: new Uint8Array([...text, ...new Uint8Array(4096 - text.length)]) }], abi, {
      elfMachine: 183, notes: [vmcoreinfo(arm64Vmcoreinfo('6.12.1', 0x1000))],
    });
    const file = scratch.write('crashed.elf', image);
    expect((await pgtable(['roots', file])).lines.filter((line) => /^\d/.test(line))).toEqual([
      '1. kernel root table at 0x0000000000001000: arm64 4K granule, 48-bit (VMCOREINFO note)',
      '2. kernel root table at 0x0000000000005000: arm64 4K granule, 48-bit (VMCOREINFO in memory)',
    ]);
    for (const number of ['1', '2']) expect((await pgtable(['vtop', file, 'ffff000000000000', '--root', number])).lines[1]).toContain(`root 0x000000000000${number === '1' ? '1' : '5'}000`);
    expect((await pgtable(['vtop', file, 'ffff000000000000', '--root', '3'])).err).toContain('--root 3 is none of the roots that were found: 1 (kernel, 0x0000000000001000), 2');
  });
});
