import { describe, expect, it } from 'vitest';
import { isPgtableError, TableMemory, type MachineFacts, type RootCandidate, type RootSearch } from '@pgtable/core';
import { x86 } from '../src/index.js';
import { facts, FakeMemory, qemuNote, vmcoreinfo } from './fake.js';

const MIB = 1 << 20;
/** init_top_pgt of the kernels here: 1 MiB into an image that is at 2 MiB. */
const TOP = 0x300000;
const VMCOREINFO = {
  OSRELEASE: '6.12.107+deb13-amd64',
  'SYMBOL(swapper_pg_dir)': 'ffffffff81100000',
  'SYMBOL(init_top_pgt)': 'ffffffff81100000',
  'NUMBER(phys_base)': String(2 * MIB - 0x1000000),
  'NUMBER(pgtable_l5_enabled)': '0',
  KERNELOFFSET: '0',
};

/** Maps the image with one 2 MiB page, and the direct mapping's first pages with more of them. */
function kernelAt(memory: FakeMemory, top: number, tables: number): void {
  memory.entry(top, 511, BigInt(tables) | 0x67n);
  memory.entry(tables, 510, BigInt(tables + 0x1000) | 0x67n);
  memory.entry(tables + 0x1000, 8, 0x2001e3n);
  memory.entry(top, 273, BigInt(tables + 0x2000) | 0x67n);
  memory.entry(tables + 0x2000, 0, BigInt(tables + 0x3000) | 0x67n);
  for (let i = 0; i < 8; i++) memory.entry(tables + 0x3000, i, BigInt(i * 2 * MIB) | (1n << 63n) | 0x1e3n);
}

function usual(): FakeMemory {
  const memory = new FakeMemory();
  kernelAt(memory, TOP, 0x310000);
  // The root of a process: some user entry, and a copy of the kernel half.
  kernelAt(memory, 0x400000, 0x310000);
  memory.entry(0x400000, 0, 0x410067n);
  return memory;
}

const find = (given: MachineFacts): Promise<RootSearch> => x86.findRoots(given);
const brief = ({ candidates }: RootSearch): unknown[] => candidates.map(({ role, source, table, variant }) => [role, source, table, variant]);
const said = (candidate: RootCandidate | undefined): string => candidate?.evidence.join(' ') ?? '';

describe('a QEMU dump of a 64-bit guest', () => {
  it('has CR3 in its note and init_top_pgt in VMCOREINFO', async () => {
    const memory = usual();
    const found = await find(facts(memory, { notes: [qemuNote({ cr3: 0x400000n, cr4: 0x750ef0n, cs: 0x33 })], vmcoreinfo: [vmcoreinfo(VMCOREINFO)] }));
    expect(brief(found)).toEqual([
      ['current', 'cpu-note', 0x400000, '4-level'],
      ['kernel', 'vmcoreinfo-note', TOP, '4-level'],
    ]);
    expect(found.missing).toEqual([]);
    expect(found.candidates[0]!.registers).toEqual({ cr0: 0x80050033n, cr3: 0x400000n, cr4: 0x750ef0n });
    expect(said(found.candidates[0])).toMatch(/stopped in user mode.*1 entries in the user half and 2 in the kernel half/);
    expect(said(found.candidates[1])).toMatch(/phys_base -14680064 that is physical address 0x300000.*maps init_top_pgt to that same physical address/);
    const { arch, root } = found.candidates[1]!.open(new TableMemory({ entryBytes: found.candidates[1]!.entryBytes }));
    expect([arch.name, arch.variant, root.table, root.end]).toEqual(['x86', '4-level', TOP, 512]);
  });

  it('has five levels if CR4 or VMCOREINFO says so', async () => {
    const memory = usual();
    const byNote = await find(facts(memory, { notes: [qemuNote({ cr3: 0x400000n, cr4: 0x751ef0n })] }));
    expect(byNote.candidates[0]).toMatchObject({ role: 'current', variant: '5-level (LA57)' });
    const byInfo = await find(facts(memory, { registers: new Map([['cr3', 0x400000n]]), vmcoreinfo: [vmcoreinfo({ ...VMCOREINFO, 'NUMBER(pgtable_l5_enabled)': '1' })] }));
    expect(brief(byInfo)).toEqual([
      ['current', 'given', 0x400000, '5-level (LA57)'],
      ['kernel', 'vmcoreinfo-note', TOP, '5-level (LA57)'],
    ]);
  });

  it('has one candidate for processors with one address space, and none for those without paging', async () => {
    const cpu = { cr3: 0x400000n, cr4: 0x750ef0n };
    const found = await find(facts(usual(), { notes: [qemuNote(cpu), qemuNote(cpu), qemuNote({ cr3: BigInt(TOP), cr4: 0x750ef0n }), qemuNote({ ...cpu, cr0: 0x10n })], vmcoreinfo: [vmcoreinfo(VMCOREINFO)] }));
    expect(brief(found)).toEqual([
      ['current', 'cpu-note', 0x400000, '4-level'],
      ['current', 'cpu-note', TOP, '4-level'],
      ['kernel', 'vmcoreinfo-note', TOP, '4-level'],
    ]);
    expect(said(found.candidates[0])).toContain('processors 0, 1');
  });

  it('tells two kernels apart, the one whose table fits first', async () => {
    const crash = vmcoreinfo({ ...VMCOREINFO, OSRELEASE: '6.12.1-crash', 'NUMBER(phys_base)': String(8 * MIB - 0x1000000) }, 'a VMCOREINFO text in memory at 0x900000');
    const both = [crash, vmcoreinfo(VMCOREINFO, 'a VMCOREINFO text in memory at 0x200000')];
    const found = await find(facts(usual(), { vmcoreinfo: both }));
    expect(brief(found)).toEqual([
      ['kernel', 'vmcoreinfo-scan', TOP, '4-level'],
      ['kernel', 'vmcoreinfo-scan', 0x900000, '4-level'],
    ]);
    expect(said(found.candidates[1])).toMatch(/at 0x900000 is of Linux 6\.12\.1-crash.*does not map/);
    expect(found.missing).toEqual([expect.stringContaining('--cr3')]);
  });

  it('says of a table that is not in the dump nothing but that', async () => {
    const elsewhere = vmcoreinfo({ ...VMCOREINFO, 'NUMBER(phys_base)': String(2 ** 40) }, 'a VMCOREINFO text in memory at 0x200000');
    const found = await find(facts(usual(), { vmcoreinfo: [elsewhere] }));
    expect(found.candidates[0]!.evidence.slice(1)).toEqual(['The table is not in the dump.']);
  });
});

describe('a dump that does not say which x86 it is', () => {
  const unknown = { elfMachine: undefined, bits: undefined, littleEndian: undefined } as const;

  it('has the width of its processor, and of its kernel', async () => {
    const wide = qemuNote({ cr3: 0x400000n, cr4: 0x750ef0n, cs: 0x23, idt: 0xfffffe0000000000n });
    const narrow = qemuNote({ cr3: 0x400000n, cr4: 0x350ef0n, cs: 0x73, idt: 0xff400000n });
    const [byProcessor, byKernel, neither] = await Promise.all([
      find(facts(usual(), { ...unknown, notes: [wide] })),
      find(facts(usual(), { ...unknown, notes: [narrow], vmcoreinfo: [vmcoreinfo(VMCOREINFO)] })),
      find(facts(usual(), { ...unknown, notes: [narrow] })),
    ]);
    expect(byProcessor.candidates[0]!.variant).toBe('4-level');
    expect(byKernel.candidates[0]!.variant).toBe('4-level');
    expect(neither.candidates[0]!.variant).toBe('PAE');
  });
});

describe('page-table isolation', () => {
  it('is known by its pair of tables', async () => {
    const memory = usual();
    // The user half of the process: its user entry, and one entry of the kernel's. The kernel half has NX at the user entry.
    memory.entry(0x400000, 0, (1n << 63n) | 0x410067n);
    memory.entry(0x401000, 0, 0x410067n);
    memory.entry(0x401000, 511, 0x320067n);
    const given = facts(memory, { notes: [qemuNote({ cr3: 0x401801n, cr4: 0x770ef0n, cs: 0x33 })], vmcoreinfo: [vmcoreinfo(VMCOREINFO)] });
    const found = await find(given);
    expect(brief(found)).toEqual([
      ['current', 'cpu-note', 0x401000, '4-level'],
      ['user', 'cpu-note', 0x401000, '4-level'],
      ['current', 'cpu-note', 0x400000, '4-level'],
      ['kernel', 'vmcoreinfo-note', TOP, '4-level'],
    ]);
    expect(found.candidates[2]!.registers.cr3).toBe(0x400801n);
    const inKernel = await find({ ...given, notes: [qemuNote({ cr3: 0x400001n, cr4: 0x770ef0n })] });
    expect(brief(inKernel).slice(0, 2)).toEqual([
      ['current', 'cpu-note', 0x400000, '4-level'],
      ['user', 'cpu-note', 0x401000, '4-level'],
    ]);
  });

  it('is not seen in two tables that happen to be neighbours', async () => {
    const memory = usual();
    kernelAt(memory, 0x401000, 0x310000);
    memory.entry(0x401000, 0, 0x420067n);
    const found = await find(facts(memory, { notes: [qemuNote({ cr3: 0x401000n, cr4: 0x750ef0n })] }));
    expect(brief(found)[0]).toEqual(['current', 'cpu-note', 0x401000, '4-level']);
    expect(found.candidates.some(({ role }) => role === 'user')).toBe(false);
  });

  it('is found beside the kernel\'s own table, where no processor says anything', async () => {
    const memory = usual();
    memory.entry(TOP + 0x1000, 511, 0x320067n);
    const found = await find(facts(memory, { vmcoreinfo: [vmcoreinfo(VMCOREINFO)] }));
    expect(brief(found)).toEqual([
      ['kernel', 'vmcoreinfo-note', TOP, '4-level'],
      ['user', 'vmcoreinfo-note', TOP + 0x1000, '4-level'],
    ]);
  });
});

describe('a dump of a 32-bit guest', () => {
  const info = vmcoreinfo({ OSRELEASE: '6.1.0-50-686-pae', 'SYMBOL(swapper_pg_dir)': '80300000', CONFIG_X86_PAE: 'y' });

  it('has the split that its own table maps', async () => {
    const memory = new FakeMemory();
    memory.entry(TOP, 2, 0x310001n);
    memory.entry(0x310000, 1, 0x2001e3n);
    const found = await find(facts(memory, { elfMachine: 3, notes: [qemuNote({ cr3: 0x500360n, cr4: 0x350ef0n, cs: 0x73 })], vmcoreinfo: [info] }));
    expect(brief(found)).toEqual([
      ['current', 'cpu-note', 0x500360, 'PAE'],
      ['kernel', 'vmcoreinfo-note', TOP, 'PAE'],
    ]);
    expect(said(found.candidates[0])).toContain('EFER is not known');
    expect(said(found.candidates[1])).toContain('less PAGE_OFFSET 0x80000000');
    expect(found.candidates[1]!.open(new TableMemory()).root.windows[1]!.start).toBe(0x80000000);
  });

  it('has two levels without PAE', async () => {
    const memory = new FakeMemory();
    memory.entry(TOP, 0x300, 0x0001e3n, 4);
    const two = vmcoreinfo({ OSRELEASE: '6.1.0-50-686', 'SYMBOL(swapper_pg_dir)': 'c0300000' });
    const found = await find(facts(memory, { elfMachine: 3, bits: 32, notes: [qemuNote({ cr3: 0x500000n, cr4: 0x690n })], vmcoreinfo: [two] }));
    expect(brief(found)).toEqual([
      ['current', 'cpu-note', 0x500000, '2-level'],
      ['kernel', 'vmcoreinfo-note', TOP, '2-level'],
    ]);
    expect(said(found.candidates[1])).toContain('maps swapper_pg_dir to that same physical address');
    expect(found.candidates[1]!.entryBytes).toBe(4);
    // The same words of a dump that is not known to be x86 may be any architecture's.
    expect(brief(await find(facts(memory, { elfMachine: undefined, bits: undefined, vmcoreinfo: [two] })))).toEqual([]);
  });
});

describe('given registers', () => {
  it('come first, and CR4 and EFER decide the mode', async () => {
    const memory = usual();
    const registers = new Map([['cr3', 0x400018n], ['cr4', 0x1020n], ['efer', 0x500n]]);
    const found = await find(facts(memory, { registers, notes: [qemuNote({ cr3: 0x500000n, cr4: 0x20n })], vmcoreinfo: [vmcoreinfo(VMCOREINFO)] }));
    expect(brief(found)).toEqual([
      ['current', 'given', 0x400000, '5-level (LA57)'],
      ['kernel', 'vmcoreinfo-note', TOP, '4-level'],
    ]);
    expect(brief(await find(facts(memory, { registers: new Map([['cr3', 0x500020n], ['efer', 0x800n]]) })))).toEqual([['current', 'given', 0x500020, 'PAE']]);
  });

  it.each([
    ['cr3', 0xffffffff82c22000n, /reserved/],
    ['cr0', 0x10n, /paging is off/],
    ['cr4', 0n, /needs PAE/],
    ['efer', 1n << 70n, /64 bits/],
  ])('refuses --%s %i', async (name, value, message) => {
    const registers = new Map([['cr3', 0x400000n]]).set(name, value);
    const error: unknown = await find(facts(usual(), { registers })).then(() => undefined, (reason: unknown) => reason);
    expect(isPgtableError(error) && error.code === 'EINVAL' && error.hint !== undefined && message.test(error.message)).toBe(true);
  });
});

describe('when little is known', () => {
  it('finds the kernel\'s table by its shape, once nothing better does', async () => {
    const found = await find(facts(usual(), { elfMachine: undefined, littleEndian: undefined, bits: undefined }));
    expect(found.candidates[0]).toMatchObject({ role: 'kernel', source: 'structural-scan', table: TOP, variant: '4-level' });
    expect(found.missing).toHaveLength(2);
    // The registers that repeat it.
    const { registers } = found.candidates[0]!;
    expect(registers).toEqual({ cr3: BigInt(TOP), cr4: 0x20n, efer: 0xc00n });
    const again = await find(facts(new FakeMemory(), { elfMachine: undefined, littleEndian: undefined, bits: undefined, registers: new Map(Object.entries(registers)) }));
    expect(again.candidates).toMatchObject([{ source: 'given', table: TOP, variant: '4-level' }]);
  });

  it.each([
    ['4-level', 4, 0x163n | (1n << 63n)],
    ['4-level', 4, 0x163n],
    ['4-level', 4, 0x63n | (1n << 63n)],
    ['5-level (LA57)', 5, 0x163n | (1n << 63n)],
  ] as const)('finds a kernel of %s tables whose memory is zero but for the tables, with %i levels and pages like %i', async (variant, levels, page) => {
    const memory = new FakeMemory(4 * MIB);
    for (let level = 0; level < levels - 1; level++) memory.entry(TOP + level * 4096, level === 0 ? 273 : 0, BigInt(TOP + (level + 1) * 4096) | 0x63n);
    // Few enough that all are looked at, the tables themselves among them.
    for (let i = 0; i < 256; i++) memory.entry(TOP + (levels - 1) * 4096, i, BigInt((i + 640) * 4096) | page);
    const found = await find(facts(memory));
    expect(found.candidates[0]).toMatchObject({ source: 'structural-scan', table: TOP, variant });
  });

  it('says what would help, and never throws', async () => {
    const found = await find(facts(new FakeMemory(), {}));
    expect(found.candidates).toEqual([]);
    expect(found.missing.join('\n')).toMatch(/no CR3.*--cr3[^]*no VMCOREINFO[^]*a scan of memory found no table/);
    const off = await find(facts(new FakeMemory(), { notes: [qemuNote({ cr0: 0x10n, cr3: 0n, cr4: 0n })] }));
    expect(off.missing[0]).toContain('paging is off in every QEMU note');
    const moved = vmcoreinfo({ 'SYMBOL(init_top_pgt)': 'ffffffff81100000', KERNELOFFSET: '1a000000' });
    expect((await find(facts(new FakeMemory(), { vmcoreinfo: [moved] }))).missing.join()).toContain('NUMBER(phys_base)');
    const wrong = vmcoreinfo({ ...VMCOREINFO, 'SYMBOL(init_top_pgt)': '1100000' });
    expect((await find(facts(new FakeMemory(), { vmcoreinfo: [wrong] }))).missing.join()).toContain('no address of a kernel image');
  });

  it('leaves other architectures alone', async () => {
    for (const other of [{ elfMachine: 183 }, { littleEndian: false }]) {
      expect(await find(facts(usual(), other))).toEqual({ candidates: [], missing: [] });
    }
  });
});
