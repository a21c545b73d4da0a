/**
 * Small machines with valid page tables, one for each architecture and variant: what the fuzzers damage. Entries are
 * written by hand here, so that nothing of the code under test has a part in them.
 */
import { arm64, arm64Arch, arm64Geometry, arm64Root, resolveConfig, type Arm64Config } from '@pgtable/arch-arm64';
import { riscv, riscvArch, riscvGeometry, riscvRoot, type RiscvConfig } from '@pgtable/arch-riscv';
import { GEOMETRY as S390_GEOMETRY, decodeAsce, s390, s390Arch, s390Root, type S390Config } from '@pgtable/arch-s390';
import { x86, x86Arch, x86Geometry, x86Root, type X86Config } from '@pgtable/arch-x86';
import { geometryOf, LEVELS, levelNumber, type ArchPlugin, type DumpNote, type Geometry, type Level, type OpenSpace, type Root, type TableMemory } from '@pgtable/core';

/** A table in a machine's memory. */
export interface TablePage {
  readonly level: Level;
  /** Physical address, and entries. */
  readonly address: number;
  readonly entries: number;
  /** Indices of the entries that are not empty. */
  readonly used: readonly number[];
}

/** How entries are written. */
export interface Encoder {
  readonly entryBytes: 4 | 8;
  readonly littleEndian: boolean;
  /** An entry of a level that points to a table. */
  table(level: Level, address: number): bigint;
  /** An entry of a level that maps memory. */
  leaf(level: Level, address: number): bigint;
  /** The empty entry. */
  empty(level: Level): bigint;
}

export interface Machine {
  readonly name: string;
  readonly plugin: ArchPlugin;
  readonly elfMachine: number;
  readonly bits: 32 | 64;
  readonly littleEndian: boolean;
  readonly geometry: Geometry;
  readonly encoder: Encoder;
  /** Physical address of the first byte of {@link memory}. */
  readonly base: number;
  readonly memory: Uint8Array;
  readonly tables: readonly TablePage[];
  readonly registers: ReadonlyMap<string, bigint>;
  readonly notes: readonly DumpNote[];
  open(tables: TableMemory): OpenSpace;
}

const BASE = 0x10_0000;
/** Levels that have entries which map memory in every configuration used here, besides the lowest. */
const BIG_LEAVES: readonly Level[] = ['pmd'];

class Builder {
  readonly tables: { level: Level; address: number; entries: number; used: number[] }[] = [];
  private bytes = new Uint8Array(0);
  private readonly geometry: Geometry;
  private readonly encoder: Encoder;

  constructor(geometry: Geometry, encoder: Encoder) {
    this.geometry = geometry;
    this.encoder = encoder;
  }

  /** Memory at the next address that is a multiple of its size rounded up to a power of two. */
  space(size: number): number {
    const align = 2 ** Math.ceil(Math.log2(Math.max(size, 4096)));
    const at = Math.ceil((BASE + this.bytes.length) / align) * align - BASE;
    const grown = new Uint8Array(Math.ceil((at + size) / 4096) * 4096);
    grown.set(this.bytes);
    this.bytes = grown;
    return BASE + at;
  }

  table(level: Level): { level: Level; address: number; entries: number; used: number[] } {
    const { entries } = geometryOf(this.geometry, level);
    const table = { level, address: this.space(entries * this.encoder.entryBytes), entries, used: [] };
    this.tables.push(table);
    for (let index = 0; index < entries; index++) writeEntry(this.bytes, this.encoder, table.address - BASE, index, this.encoder.empty(level));
    return table;
  }

  text(text: string): void {
    const at = this.space(4096) - BASE;
    for (let i = 0; i < text.length; i++) this.bytes[at + i] = text.charCodeAt(i);
  }

  /** Maps `va` by a leaf of `level`; tables are made on the way. */
  map(root: Root, va: number, level: Level, pa: number): void {
    const window = root.windows.find(({ start, end }) => va >= start && va < end);
    if (window === undefined) return;
    let table = this.tables[0]!;
    for (;;) {
      const { shift, entries } = geometryOf(this.geometry, table.level);
      const bytes = 2 ** shift;
      const index = table === this.tables[0] ? window.index + Math.floor((va - window.start) / bytes) : Math.floor(va / bytes) % entries;
      const isNew = !table.used.includes(index);
      if (isNew) table.used.push(index);
      if (table.level === level) {
        writeEntry(this.bytes, this.encoder, table.address - BASE, index, this.encoder.leaf(level, pa));
        return;
      }
      const below = this.below(table.level);
      if (isNew) {
        const child = this.table(below);
        writeEntry(this.bytes, this.encoder, table.address - BASE, index, this.encoder.table(table.level, child.address));
        table = child;
      } else {
        const address = this.children(table, index);
        table = this.tables.find((known) => known.level === below && known.address === address) ?? this.tables[0]!;
        if (table === this.tables[0]) return;
      }
    }
  }

  finish(): Uint8Array {
    return this.bytes;
  }

  below(level: Level): Level {
    return LEVELS.slice(0, levelNumber(level)).findLast((lower) => !geometryOf(this.geometry, lower).folded) ?? 'pte';
  }

  private children(table: TablePage, index: number): number | undefined {
    const value = readEntry(this.bytes, this.encoder, table.address - BASE, index);
    return this.tables.find((child) => this.encoder.table(table.level, child.address) === value)?.address;
  }
}

export function writeEntry(memory: Uint8Array, encoder: Encoder, table: number, index: number, value: bigint): void {
  const at = table + index * encoder.entryBytes;
  if (at < 0 || at + encoder.entryBytes > memory.length) return;
  const view = new DataView(memory.buffer, memory.byteOffset);
  if (encoder.entryBytes === 8) view.setBigUint64(at, BigInt.asUintN(64, value), encoder.littleEndian);
  else view.setUint32(at, Number(BigInt.asUintN(32, value)), encoder.littleEndian);
}

export function readEntry(memory: Uint8Array, encoder: Encoder, table: number, index: number): bigint {
  const at = table + index * encoder.entryBytes;
  const view = new DataView(memory.buffer, memory.byteOffset);
  if (at < 0 || at + encoder.entryBytes > memory.length) return 0n;
  return encoder.entryBytes === 8 ? view.getBigUint64(at, encoder.littleEndian) : BigInt(view.getUint32(at, encoder.littleEndian));
}

interface Plan {
  readonly name: string;
  readonly plugin: ArchPlugin;
  readonly elfMachine: number;
  readonly bits: 32 | 64;
  readonly geometry: Geometry;
  readonly encoder: Encoder;
  readonly top: Level;
  root(table: number): Root;
  open(tables: TableMemory, table: number): OpenSpace;
  registers(table: number): Record<string, bigint>;
  vmcoreinfo(table: number): string[];
  notes(table: number): DumpNote[];
}

function build(plan: Plan): Machine {
  const builder = new Builder(plan.geometry, plan.encoder);
  const { address } = builder.table(plan.top);
  const root = plan.root(address);
  const page = plan.geometry.pageBytes;
  for (const window of root.windows) {
    const size = window.end - window.start;
    for (let i = 0; i < 5; i++) builder.map(root, window.start + (i + 1) * page, 'pte', BASE + i * page);
    builder.map(root, window.start + Math.floor(size / 2 / page) * page, 'pte', BASE);
    builder.map(root, window.end - page, 'pte', BASE + 0x10000);
    for (const level of BIG_LEAVES) {
      const { shift, folded } = geometryOf(plan.geometry, level);
      if (!folded && level !== plan.top && size > 4 * 2 ** shift) builder.map(root, window.start + 2 * 2 ** shift, level, 2 ** shift);
    }
  }
  const text = ['OSRELEASE=6.12.0-fuzz', 'PAGESIZE=4096', ...plan.vmcoreinfo(address), ''].join('\n');
  builder.text(text);
  return {
    name: plan.name,
    plugin: plan.plugin,
    elfMachine: plan.elfMachine,
    bits: plan.bits,
    littleEndian: plan.encoder.littleEndian,
    geometry: plan.geometry,
    encoder: plan.encoder,
    base: BASE,
    memory: builder.finish(),
    tables: builder.tables,
    registers: new Map(Object.entries(plan.registers(address))),
    notes: [...plan.notes(address), { name: 'VMCOREINFO', type: 0, desc: new TextEncoder().encode(text) }],
    open: (tables) => plan.open(tables, address),
  };
}

const hex = (value: bigint | number): string => value.toString(16);

function x86Machine(name: string, config: X86Config): Machine {
  const wide = config.mode === '4-level' || config.mode === '5-level';
  const c = config.encryptionMask ?? 0n;
  const cr4 = config.mode === '5-level' ? 0x1020n : config.mode === '2-level' ? 0x10n : 0x20n;
  const swapper = (table: number): bigint => (wide ? 0xffffffff80000000n : 0xc0000000n) + BigInt(table);
  return build({
    name: `x86 ${name}`,
    plugin: x86,
    elfMachine: wide ? 62 : 3,
    bits: wide ? 64 : 32,
    geometry: x86Geometry(config.mode),
    encoder: {
      entryBytes: config.mode === '2-level' ? 4 : 8,
      littleEndian: true,
      table: (level, address) => BigInt(address) | c | (config.mode === 'PAE' && level === 'pgd' ? 1n : 0x67n),
      leaf: (level, address) => BigInt(address) | c | (level === 'pte' ? 0x163n : 0x1e3n),
      empty: () => 0n,
    },
    top: 'pgd',
    root: (table) => x86Root(config.mode, table),
    open: (tables, table) => ({ arch: x86Arch(config, tables), root: x86Root(config.mode, table) }),
    registers: (table) => ({ cr3: BigInt(table), cr4, cr0: 0x80000001n, efer: wide ? 0xd00n : 0x800n }),
    vmcoreinfo: (table) =>
      wide
        ? [`SYMBOL(init_top_pgt)=${hex(swapper(table))}`, 'NUMBER(phys_base)=0', 'KERNELOFFSET=0', `NUMBER(pgtable_l5_enabled)=${config.mode === '5-level' ? 1 : 0}`, `NUMBER(sme_mask)=${c}`]
        : [`SYMBOL(swapper_pg_dir)=${hex(swapper(table))}`, 'SYMBOL(_stext)=c1000000', ...(config.mode === 'PAE' ? ['CONFIG_X86_PAE=y'] : [])],
    notes: (table) => {
      const desc = new Uint8Array(440);
      const view = new DataView(desc.buffer);
      view.setUint32(0, 1, true);
      view.setUint32(4, desc.length, true);
      view.setUint32(8 + 18 * 8 + 8, wide ? 1 << 21 : 0, true);
      const cr = 8 + 18 * 8 + 10 * 24;
      view.setBigUint64(cr, 0x80050033n, true);
      view.setBigUint64(cr + 24, BigInt(table), true);
      view.setBigUint64(cr + 32, cr4, true);
      return [{ name: 'CORE', type: 1, desc: new Uint8Array(336) }, { name: 'QEMU', type: 0, desc }];
    },
  });
}

function arm64Machine(name: string, config: Arm64Config): Machine {
  const resolved = resolveConfig(config);
  const tg1 = { 4096: 2n, 16384: 1n, 65536: 3n }[config.granule];
  const tg0 = { 4096: 0n, 16384: 2n, 65536: 1n }[config.granule];
  const tsz = BigInt(64 - config.vaBits);
  const ips = BigInt([32, 36, 40, 42, 44, 48, 52].indexOf(resolved.paBits));
  const tcr = tsz | (tg0 << 14n) | (tsz << 16n) | (tg1 << 30n) | (ips << 32n) | (resolved.lpa2 ? 1n << 59n : 0n);
  const voffset = 0xffff800080000000n - BigInt(BASE);
  return build({
    name: `arm64 ${name}`,
    plugin: arm64,
    elfMachine: 183,
    bits: 64,
    geometry: arm64Geometry(resolved),
    encoder: {
      entryBytes: 8,
      littleEndian: resolved.littleEndian,
      table: (_level, address) => BigInt(address) | 3n,
      leaf: (level, address) => BigInt(address) | (level === 'pte' ? 0x403n : 0x401n),
      empty: () => 0n,
    },
    top: 'pgd',
    root: (table) => arm64Root(config, table),
    open: (tables, table) => ({ arch: arm64Arch(config, tables), root: arm64Root(config, table) }),
    registers: (table) => ({ [config.half]: BigInt(table), tcr }),
    vmcoreinfo: (table) => [
      `SYMBOL(swapper_pg_dir)=${hex(BigInt(table) + voffset)}`,
      `SYMBOL(_stext)=${hex(0xffff800080010000n)}`,
      `NUMBER(VA_BITS)=${config.vaBits}`,
      `NUMBER(kimage_voffset)=0x${hex(voffset)}`,
      `NUMBER(PHYS_OFFSET)=0x${hex(BASE)}`,
      `NUMBER(TCR_EL1_T1SZ)=0x${hex(tsz)}`,
      'NUMBER(MAX_PHYSMEM_BITS)=48',
      'NUMBER(MODULES_VADDR)=0xffff800078000000',
      'NUMBER(MODULES_END)=0xffff800080000000',
      'NUMBER(VMALLOC_START)=0xffff800080000000',
      'NUMBER(VMALLOC_END)=0xfffffbffefff0000',
      'NUMBER(VMEMMAP_START)=0xfffffc0000000000',
      'NUMBER(VMEMMAP_END)=0xfffffe0000000000',
      'SIZE(page)=64',
      'KERNELOFFSET=0',
    ],
    notes: () => [{ name: 'CORE', type: 1, desc: new Uint8Array(392) }],
  });
}

function riscvMachine(name: string, config: RiscvConfig): Machine {
  const { mode } = config;
  const wide = mode !== 'Sv32';
  const ppn = (address: number): bigint => (BigInt(address) >> 12n) << 10n;
  const number = { Sv32: 1n << 31n, Sv39: 8n << 60n, Sv48: 9n << 60n, Sv57: 10n << 60n }[mode];
  return build({
    name: `riscv ${name}`,
    plugin: riscv,
    elfMachine: 243,
    bits: wide ? 64 : 32,
    geometry: riscvGeometry(mode),
    encoder: {
      entryBytes: wide ? 8 : 4,
      littleEndian: true,
      table: (_level, address) => ppn(address) | 1n,
      leaf: (_level, address) => ppn(address) | 0xc7n,
      empty: () => 0n,
    },
    top: 'pgd',
    root: (table) => riscvRoot(mode, table),
    open: (tables, table) => ({ arch: riscvArch(config, tables), root: riscvRoot(mode, table) }),
    registers: (table) => ({ satp: number | (BigInt(table) >> 12n) }),
    vmcoreinfo: (table) => {
      const link = wide ? 0xffffffff80000000n : 0xc0000000n;
      return [
        `SYMBOL(swapper_pg_dir)=${hex(link + BigInt(table - BASE))}`,
        `SYMBOL(_stext)=${hex(link + 0x2000n)}`,
        `SYMBOL(vmemmap)=${hex(0xff1c000000000000n)}`,
        `NUMBER(VA_BITS)=${mode.slice(2)}`,
        `NUMBER(va_kernel_pa_offset)=0x${hex(link - BigInt(BASE))}`,
        `NUMBER(phys_ram_base)=0x${hex(BASE)}`,
        'NUMBER(PAGE_OFFSET)=0xff60000000000000',
        'NUMBER(MODULES_VADDR)=0xffffffff02000000',
        'NUMBER(MODULES_END)=0xffffffff80000000',
        'NUMBER(VMALLOC_START)=0xff20000000000000',
        'NUMBER(VMALLOC_END)=0xff5fffffffffffff',
        'SIZE(page)=64',
      ];
    },
    notes: () => [{ name: 'CORE', type: 1, desc: new Uint8Array(376) }],
  });
}

function s390Machine(name: string, config: S390Config): Machine {
  const type = { pmd: 0n, pud: 1n, p4d: 2n, pgd: 3n };
  const typeOf = (level: Level): bigint => (level === 'pte' ? 0n : type[level] << 2n);
  const asce = (table: number): bigint => BigInt(table) | typeOf(config.top) | (config.privateSpace === true ? 0x100n : 0n) | 3n;
  return build({
    name: `s390 ${name}`,
    plugin: s390,
    elfMachine: 22,
    bits: 64,
    geometry: S390_GEOMETRY,
    encoder: {
      entryBytes: 8,
      littleEndian: false,
      table: (level, address) => BigInt(address) | typeOf(level) | (level === 'pmd' ? 0n : 3n),
      leaf: (level, address) => (level === 'pte' ? BigInt(address) | 0x3dn : BigInt(address) | typeOf(level) | 0x4403n),
      empty: (level) => (level === 'pte' ? 0x400n : 0x20n | typeOf(level)),
    },
    top: config.top,
    root: (table) => s390Root(decodeAsce(asce(table))),
    open: (tables, table) => ({ arch: s390Arch(config, tables), root: s390Root(decodeAsce(asce(table))) }),
    registers: (table) => ({ asce: asce(table), prefix: BigInt(config.prefix ?? 0) }),
    vmcoreinfo: (table) => [
      `SYMBOL(swapper_pg_dir)=${hex(table)}`,
      'SYMBOL(_stext)=100000',
      'SYMBOL(lowcore_ptr)=108000',
      'SYMBOL(high_memory)=10000000',
      'SYMBOL(vmemmap)=3f000000000',
      'NUMBER(VMALLOC_START)=0x3f800000000',
      'NUMBER(MAX_PHYSMEM_BITS)=46',
      'NUMBER(SECTION_SIZE_BITS)=28',
      'LENGTH(lowcore_ptr)=512',
      'SIZE(page)=64',
      'SAMODE31=2000',
      'EAMODE31=4000',
    ],
    notes: (table) => {
      const controls = new Uint8Array(128);
      const view = new DataView(controls.buffer);
      view.setBigUint64(0, 0x8900_0000n);
      for (const register of [1, 7, 13]) view.setBigUint64(register * 8, asce(table));
      const prefix = new Uint8Array(4);
      new DataView(prefix.buffer).setUint32(0, config.prefix ?? 0);
      return [
        { name: 'LINUX', type: 0x304, desc: controls },
        { name: 'LINUX', type: 0x305, desc: prefix },
      ];
    },
  });
}

/** All machines. The first of each architecture is its usual one. */
export function machines(): readonly Machine[] {
  return [
    x86Machine('4-level', { mode: '4-level' }),
    x86Machine('5-level', { mode: '5-level' }),
    x86Machine('PAE', { mode: 'PAE' }),
    x86Machine('2-level', { mode: '2-level' }),
    x86Machine('4-level without NX, 36 bits', { mode: '4-level', nx: false, physicalBits: 36 }),
    x86Machine('4-level encrypted', { mode: '4-level', encryptionMask: 1n << 47n }),
    arm64Machine('4K 48', { half: 'ttbr1', granule: 4096, vaBits: 48 }),
    arm64Machine('4K 39 user', { half: 'ttbr0', granule: 4096, vaBits: 39 }),
    arm64Machine('4K 52 LPA2', { half: 'ttbr1', granule: 4096, vaBits: 52 }),
    arm64Machine('16K 47', { half: 'ttbr1', granule: 16384, vaBits: 47 }),
    arm64Machine('16K 52 LPA2 user', { half: 'ttbr0', granule: 16384, vaBits: 52 }),
    arm64Machine('64K 42', { half: 'ttbr1', granule: 65536, vaBits: 42 }),
    arm64Machine('64K 52 LPA', { half: 'ttbr1', granule: 65536, vaBits: 52 }),
    arm64Machine('4K 48 big-endian', { half: 'ttbr1', granule: 4096, vaBits: 48, littleEndian: false, hierarchicalPermissionsDisabled: true }),
    riscvMachine('Sv39', { mode: 'Sv39' }),
    riscvMachine('Sv48', { mode: 'Sv48' }),
    riscvMachine('Sv57', { mode: 'Sv57' }),
    riscvMachine('Sv32', { mode: 'Sv32' }),
    riscvMachine('Sv39 without Svnapot and Svpbmt', { mode: 'Sv39', svnapot: false, svpbmt: false }),
    s390Machine('region-third', { top: 'pud' }),
    s390Machine('segment', { top: 'pmd' }),
    s390Machine('region-second', { top: 'p4d', privateSpace: true }),
    s390Machine('region-first', { top: 'pgd' }),
    s390Machine('prefixed', { top: 'pud', prefix: 0x10_2000, iep: false }),
  ];
}
