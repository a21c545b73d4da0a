import { isPgtableError, TableMemory, Vmcoreinfo } from '@pgtable/core';
import { describe, expect, it } from 'vitest';
import { arm64 } from '../src/index.js';
import { FakeMemory, factsOf, INFO } from './help.js';

const TCR = 0x5001f2b5503510n;
const roles = (search: Awaited<ReturnType<typeof arm64.findRoots>>): string[] => search.candidates.map(({ role, source, table, variant }) => `${role} ${source} ${table.toString(16)} ${variant}`);

describe('VMCOREINFO', () => {
  it('in a note gives the kernel by arithmetic', async () => {
    const search = await arm64.findRoots(factsOf({ info: INFO }));
    expect(roles(search)).toEqual(['kernel vmcoreinfo-note 41f16000 4K granule, 48-bit']);
    const [kernel] = search.candidates;
    expect(kernel!.evidence.join(' ')).toBe(
      'the VMCOREINFO note (Linux 6.12.107+deb13-arm64) has swapper_pg_dir at 0xffffb55173f16000, which minus kimage_voffset is physical address 0x41f16000. ' +
        'It says 4K pages and T1SZ 16: 4K granule, 48-bit. The table itself is not in the dump.',
    );
    expect(kernel!.registers).toMatchObject({ PAGESIZE: 4096n, 'NUMBER(TCR_EL1_T1SZ)': 16n, 'NUMBER(kimage_voffset)': 0xffffb55132000000n });
    expect(search.missing.join('\n')).toContain('--ttbr0');
    expect(search.missing.join('\n')).toContain('--mair');
    const { arch, root } = kernel!.open(new TableMemory({ entryBytes: kernel!.entryBytes }));
    expect([arch.name, root.table, root.windows[0]?.half]).toEqual(['arm64', 0x41f16000, 'kernel']);
  });

  it('in memory is known from one in a note', async () => {
    expect(roles(await arm64.findRoots(factsOf({ info: INFO, note: false })))).toEqual(['kernel vmcoreinfo-scan 41f16000 4K granule, 48-bit']);
  });

  it('of two kernels gives both', async () => {
    const second = INFO.replace('ffffb55173f16000', 'ffffb55174f16000').replace('6.12.107', '6.12.999');
    const facts = factsOf({ info: INFO });
    const search = await arm64.findRoots({ ...facts, vmcoreinfo: [...facts.vmcoreinfo, new Vmcoreinfo(second, 'a VMCOREINFO text in memory at 0x5000')] });
    expect(roles(search)).toEqual(['kernel vmcoreinfo-note 41f16000 4K granule, 48-bit', 'kernel vmcoreinfo-scan 42f16000 4K granule, 48-bit']);
    expect(search.candidates[1]!.evidence[0]).toContain('a VMCOREINFO text in memory at 0x5000 (Linux 6.12.999');
  });

  it('says LPA2 by an address size that needs it', async () => {
    const [kernel] = (await arm64.findRoots(factsOf({ info: INFO.replace('T1SZ)=0x10', 'T1SZ)=0xc') }))).candidates;
    expect(kernel!.variant).toBe('4K granule, 52-bit, LPA2');
    expect(kernel!.evidence.join(' ')).toContain('need LPA2');
  });

  it('has TTBR1 point into a 52-bit table with 64K pages and 48 bits', async () => {
    const info = INFO.replace('PAGESIZE=4096', 'PAGESIZE=65536').replace('73f16000', '73f10000');
    const [kernel] = (await arm64.findRoots(factsOf({ info }))).candidates;
    expect(kernel!.table).toBe(0x41f10000 + 0x1e00);
    expect(kernel!.evidence.join(' ')).toContain('0x1e00 bytes into that table');
    const [other] = (await arm64.findRoots(factsOf({ info: info.replace('VA_BITS)=52', 'VA_BITS)=48') }))).candidates;
    expect(other!.table).toBe(0x41f10000);
  });

  it('of old kernels has VA_BITS alone', async () => {
    const [kernel] = (await arm64.findRoots(factsOf({ info: INFO.replace(/NUMBER\(TCR.*\n/, '').replace('VA_BITS)=52', 'VA_BITS)=39') }))).candidates;
    expect(kernel!.variant).toBe('4K granule, 39-bit');
  });

  it('of another architecture is none', async () => {
    const search = await arm64.findRoots(factsOf({ info: 'OSRELEASE=6.12\nPAGESIZE=4096\nSYMBOL(swapper_pg_dir)=ffffffff82000000\nNUMBER(phys_base)=0\n' }));
    expect(search.candidates).toEqual([]);
    expect(search.missing.join('\n')).toContain('no VMCOREINFO of an arm64 kernel');
  });

  it('that is incomplete or lies is explained, and nothing is thrown', async () => {
    const missing = async (info: string): Promise<string> => (await arm64.findRoots(factsOf({ info }))).missing.join('\n');
    expect(await missing(INFO.replace(/SYMBOL\(swapper.*\n/, ''))).toContain('lacks SYMBOL(swapper_pg_dir)');
    expect(await missing(INFO.replace(/NUMBER\(kimage.*\n/, ''))).toContain('lacks NUMBER(kimage_voffset)');
    expect(await missing(INFO.replace('PAGESIZE=4096', 'PAGESIZE=8192'))).toContain('give --tcr');
    expect(await missing(INFO.replace('T1SZ)=0x10', 'T1SZ)=0x3'))).toContain('no processor has');
    expect(await missing(INFO.replace(/kimage_voffset\)=.*/, 'kimage_voffset)=0x1'))).toContain('is no physical address');
  });

  it('gives the KASLR offset', () => {
    expect(arm64.kernelOffset(new Vmcoreinfo(INFO, ''))).toBe(0x3550f2200000n);
    expect(arm64.kernelOffset(undefined)).toBe(0n);
  });
});

describe('registers', () => {
  it('come first', async () => {
    const search = await arm64.findRoots(factsOf({ info: INFO, registers: { ttbr0: 0x43a68001n, ttbr1: 0x14000041f16001n, tcr: TCR, mair: 0x40044ffffn } }));
    expect(roles(search)).toEqual(['kernel given 41f16000 4K granule, 48-bit', 'current given 43a68000 4K granule, 48-bit', 'kernel vmcoreinfo-note 41f16000 4K granule, 48-bit']);
    expect(search.candidates[0]!.evidence).toContain("It is the kernel's swapper_pg_dir (the VMCOREINFO note).");
    expect(search.missing).toEqual([]);
    expect(search.candidates[0]!.registers).toEqual({ ttbr1: 0x14000041f16001n, tcr: TCR, mair: 0x40044ffffn });
  });

  it('take granule and size from VMCOREINFO where TCR_EL1 is not known', async () => {
    const search = await arm64.findRoots(factsOf({ info: INFO, registers: { ttbr0: 0x43a68001n } }));
    expect(roles(search)[0]).toBe('current given 43a68000 4K granule, 48-bit');
    expect(search.candidates[0]!.open(new TableMemory()).root.windows).toEqual([{ start: 0, end: 2 ** 48, index: 0, half: 'user' }]);
  });

  it('without either are explained', async () => {
    const search = await arm64.findRoots(factsOf({ registers: { ttbr1: 0x41f16001n } }));
    expect(search.candidates).toEqual([]);
    expect(search.missing[0]).toBe('TTBR1_EL1 was given, but not the granule and the address size: give --tcr too');
  });

  it('that contradict VMCOREINFO are believed, and it is said', async () => {
    const tcr = (TCR & ~(63n << 16n)) | (25n << 16n);
    const search = await arm64.findRoots(factsOf({ info: INFO, registers: { tcr } }));
    expect(search.candidates[0]!.variant).toBe('4K granule, 39-bit');
    expect(search.candidates[0]!.evidence.join(' ')).toContain('VMCOREINFO says otherwise');
  });

  it('of KPTI\'s user half are known by VMCOREINFO, and by what the table holds', async () => {
    const known = await arm64.findRoots(factsOf({ info: INFO, registers: { ttbr1: 0x41f14000n, tcr: TCR } }));
    expect(roles(known)[0]).toBe('user given 41f14000 4K granule, 48-bit');
    expect(known.candidates[0]!.evidence.join(' ')).toContain('tramp_pg_dir');
    const reserved = await arm64.findRoots(factsOf({ info: INFO, registers: { ttbr0: 0x41f15000n, tcr: TCR } }));
    expect(reserved.candidates[0]!.evidence.join(' ')).toContain('reserved_pg_dir');

    const memory = new FakeMemory(0x41f14000, 0x4000);
    memory.set(0x41f14000 + 511 * 8, 0x41f17003n);
    const alone = await arm64.findRoots(factsOf({ memory, registers: { ttbr1: 0x41f14000n, tcr: TCR } }));
    expect(roles(alone)).toEqual(['user given 41f14000 4K granule, 48-bit']);
    expect(alone.missing.join('\n')).toContain("no table in this dump has the shape of a kernel's top table");

    memory.set(0x41f16000, 0x41f17003n);
    memory.set(0x41f16000 + 256 * 8, 0x41f17003n);
    const both = await arm64.findRoots(factsOf({ memory, info: INFO }));
    expect(roles(both)).toEqual(['kernel vmcoreinfo-note 41f16000 4K granule, 48-bit', 'user vmcoreinfo-note 41f14000 4K granule, 48-bit']);
    expect(both.candidates[0]!.evidence.join(' ')).toContain('Of its 512 entries 2 are valid.');
  });

  it('say when a half is switched off', async () => {
    const search = await arm64.findRoots(factsOf({ info: INFO, registers: { ttbr0: 0x43a68001n, tcr: TCR | (1n << 7n) } }));
    expect(search.candidates[0]!.evidence.join(' ')).toContain('EPD0');
  });

  it.each([
    [{ ttbr1: 0x41f16801n, tcr: TCR }, 'TTBR1_EL1 cannot be'],
    [{ ttbr1: 0x41f16001n, tcr: 0n }, 'TCR_EL1 cannot be'],
    [{ mair: 1n << 64n }, 'MAIR_EL1 cannot be'],
  ] as const)('that cannot be are refused: %#', async (registers, text) => {
    const error: unknown = await arm64.findRoots(factsOf({ info: INFO, registers })).then(
      () => undefined,
      (caught: unknown) => caught,
    );
    expect(isPgtableError(error) && error.code).toBe('EINVAL');
    expect((error as Error).message).toContain(text);
  });

  it('have flags with help', () => {
    expect(arm64.registers.map(({ name }) => name)).toEqual(['ttbr0', 'ttbr1', 'tcr', 'mair']);
    for (const { help } of arm64.registers) expect(help).toMatch(/^\S+_EL1: /);
  });
});

describe('the structural scan', () => {
  /**
   * A kernel of `granule` with `levels` levels at the start of 8 MiB, which are zero but for its tables: a read-only linear mapping of all
   * of it, and a fixmap at the end of what the top table of `topEntries` entries translates. A writable page could be told from a table by bit 51.
   */
  function kernel(granule: number, levels: number, topEntries = granule / 8): FakeMemory {
    const base = 0x4000_0000;
    const bytes = 8 << 20;
    const memory = new FakeMemory(base, bytes);
    const table = (i: number): bigint => BigInt(base + i * granule) | 3n;
    for (let i = 0; i < levels - 1; i++) memory.set(base + i * granule, table(i + 1));
    const pages = bytes / granule;
    const pageTables = Math.ceil((pages * 8) / granule);
    // With two levels the top table is that of the page tables.
    for (let i = 0; i < pageTables; i++) memory.set(base + (levels - 2) * granule + i * 8, table(levels - 1 + i));
    for (let i = 0; i < pages; i++) memory.set(base + (levels - 1) * granule + i * 8, BigInt(base + i * granule) | 0x0060_0000_0000_0483n);
    memory.set(base + (topEntries - 1) * 8, table(1));
    return memory;
  }

  it.each([
    [4096, 4, 512, '4K granule, 48-bit'],
    [4096, 5, 16, '4K granule, 52-bit, LPA2'],
    [4096, 3, 512, '4K granule, 39-bit'],
    [65536, 3, 1024, '64K granule, 52-bit, LPA'],
    [65536, 3, 64, '64K granule, 48-bit, LPA'],
    [65536, 2, 8192, '64K granule, 42-bit, LPA'],
    [16384, 3, 2048, '16K granule, 47-bit'],
  ] as const)('finds a kernel of %i-byte pages and %i levels with a top table of %i entries', async (granule, levels, topEntries, variant) => {
    const search = await arm64.findRoots(factsOf({ memory: kernel(granule, levels, topEntries) }));
    expect(search.candidates[0]).toMatchObject({ role: 'kernel', source: 'structural-scan', table: 0x4000_0000, variant });
    expect(search.candidates[0]!.score).toBeGreaterThan(0);
    expect(search.missing.join('\n')).toContain('no VMCOREINFO');
    // The registers that repeat it.
    const { registers } = search.candidates[0]!;
    expect(roles(await arm64.findRoots(factsOf({ memory: new FakeMemory(0, 4096), registers })))).toEqual([`kernel given 40000000 ${variant}`]);
  });

  it('takes the configuration of TCR_EL1 if that is given', async () => {
    const search = await arm64.findRoots(factsOf({ memory: kernel(4096, 4), registers: { tcr: TCR } }));
    expect(roles(search)[0]).toBe('kernel structural-scan 40000000 4K granule, 48-bit');
    expect(search.candidates[0]!.registers).toEqual({ ttbr1: 0x4000_0000n, tcr: TCR });
  });

  it('is not begun where something better is known', async () => {
    const memory = kernel(4096, 4);
    memory.chunks = () => {
      throw new Error('scanned');
    };
    expect(roles(await arm64.findRoots(factsOf({ memory, info: INFO })))).toEqual(['kernel vmcoreinfo-note 41f16000 4K granule, 48-bit']);
  });
});
