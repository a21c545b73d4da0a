import { arm64Arch, arm64Root, type Arm64Config, type Granule } from '@pgtable/arch-arm64';
import { riscvArch, riscvRoot, type RiscvConfig, type RiscvMode } from '@pgtable/arch-riscv';
import { decodeAsce, s390Arch, s390Root, type S390Config, type TopLevel } from '@pgtable/arch-s390';
import { x86Arch, x86Root, type PagingMode, type X86Config } from '@pgtable/arch-x86';
import { TableMemory, type Root, type TableHandles, type VaWindow, type WritableArch } from '@pgtable/core';
import type { Subject } from '../src/index.js';

/*
 * Every architecture in every configuration that is tried: the one list for the kit, the mutants, the address spaces and QEMU.
 * What an architecture has a closed list of (paging modes, granules, types of root tables) is a record with one entry for each, so that
 * the compiler asks for a new one.
 */

/** Whose addresses a root translates. */
export type Half = VaWindow['half'];

export const HALVES: readonly Half[] = ['user', 'kernel'];

/** What an architecture is configured with. */
interface Configs {
  readonly x86: X86Config;
  readonly arm64: Arm64Config;
  readonly riscv: RiscvConfig;
  readonly s390: S390Config;
}

export type ArchitectureName = keyof Configs;

/** One configuration of an architecture. `C` is what the architecture takes it as. */
export interface Configuration<C = unknown> {
  /** Begins with the architecture: `arm64 4K 48-bit`. */
  readonly name: string;
  /** Of the table memory that {@link make} is given. */
  readonly entryBytes: 4 | 8;
  /** The hardware cannot forbid execution ({@link Subject.executeAlways}). */
  readonly executeAlways: boolean;
  /** Entries do not tell users from the kernel ({@link Subject.oneSpace}). */
  readonly oneSpace: boolean;
  /** One root translates both halves. If not, each half is an architecture of its own. */
  readonly oneRoot: boolean;
  /** Laws that do not hold, each with the reason. */
  readonly known: Readonly<Record<string, string>>;
  config(half: Half): C;
  make<H extends TableHandles>(half: Half, tables: TableMemory): WritableArch<H>;
  /** @param table physical address of the root table: a multiple of its size */
  root(half: Half, table: number): Root;
}

function x86(variant: string, config: X86Config): Configuration<X86Config> {
  const narrow = config.mode === '2-level';
  return {
    name: `x86 ${variant}`, entryBytes: narrow ? 4 : 8, oneSpace: false, oneRoot: true, known: {},
    // Entries of 32 bits have no NX.
    executeAlways: narrow || config.nx === false,
    config: () => config,
    make: <H extends TableHandles>(_half: Half, tables: TableMemory) => x86Arch<H>(config, tables),
    root: (_half, table) => x86Root(config.mode, table),
  };
}

/** What a mode has beside the plain one: without NX, or with the C-bit of AMD's memory encryption above the physical addresses. */
const X86: Readonly<Record<PagingMode, Readonly<Record<string, Omit<X86Config, 'mode'>>>>> = {
  '5-level': {},
  '4-level': { 'with a C-bit': { encryptionMask: 1n << 51n, physicalBits: 51 } },
  PAE: { 'without NX': { nx: false } },
  '2-level': {},
};

function arm64(shape: Omit<Arm64Config, 'half'>): Configuration<Arm64Config> {
  const config = (half: Half): Arm64Config => ({ ...shape, half: half === 'user' ? 'ttbr0' : 'ttbr1' });
  const lpa2 = shape.lpa2 ?? (shape.granule !== 65536 && shape.vaBits > 48);
  return {
    name: `arm64 ${shape.granule / 1024}K ${shape.vaBits}-bit${lpa2 ? ' LPA2' : ''}`, entryBytes: 8, executeAlways: false, oneSpace: false, oneRoot: false, known: {},
    config,
    make: <H extends TableHandles>(half: Half, tables: TableMemory) => arm64Arch<H>(config(half), tables),
    root: (half, table) => arm64Root(config(half), table),
  };
}

/** Those that Linux can be built with, and LPA2 with addresses of 48 bits too. */
const ARM64: Readonly<Record<Granule, readonly Pick<Arm64Config, 'vaBits' | 'lpa2'>[]>> = {
  4096: [{ vaBits: 39 }, { vaBits: 48 }, { vaBits: 48, lpa2: true }, { vaBits: 52 }],
  16384: [{ vaBits: 36 }, { vaBits: 47 }, { vaBits: 48 }, { vaBits: 52 }],
  65536: [{ vaBits: 42 }, { vaBits: 48 }, { vaBits: 52 }],
};

function riscv(mode: RiscvMode): Configuration<RiscvConfig> {
  const config = { mode };
  return {
    name: `riscv ${mode}`, entryBytes: mode === 'Sv32' ? 4 : 8, executeAlways: false, oneSpace: false, oneRoot: true, known: {},
    config: () => config,
    make: <H extends TableHandles>(_half: Half, tables: TableMemory) => riscvArch<H>(config, tables),
    root: (_half, table) => riscvRoot(mode, table),
  };
}

const RISCV: Readonly<Record<RiscvMode, true>> = { Sv32: true, Sv39: true, Sv48: true, Sv57: true };

/** Designation types of root tables, as an ASCE has them. */
const S390: Readonly<Record<TopLevel, bigint>> = { pmd: 0x0n, pud: 0x4n, p4d: 0x8n, pgd: 0xcn };

/** The ASCE of a root table of full length. Processes' have the private-space bit. */
export function asceOf(top: TopLevel, half: Half, table: number): bigint {
  return BigInt(table) | S390[top] | 3n | (half === 'user' ? 0x100n : 0n);
}

const ABSOLUTE = 'entries hold real addresses and scans say absolute ones: with a prefix, those of two pages of 4 KiB are not the same';

function s390(top: TopLevel, variant: string, more: Pick<S390Config, 'edat' | 'iep' | 'prefix'>): Configuration<S390Config> {
  const config = (half: Half): S390Config => ({ top, privateSpace: half === 'user', ...more });
  return {
    name: `s390 ${top}${variant}`, entryBytes: 8, executeAlways: more.iep === false, oneSpace: true, oneRoot: false, config,
    known: more.prefix === undefined ? {} : { scan: ABSOLUTE, 'address space': ABSOLUTE },
    make: <H extends TableHandles>(half: Half, tables: TableMemory) => s390Arch<H>(config(half), tables),
    root: (half, table) => s390Root(decodeAsce(asceOf(top, half, table))),
  };
}

/** The names of a record's entries, which the record's type has all of. */
function keysOf<K extends string>(record: Readonly<Record<K, unknown>>): K[] {
  // Object.keys() forgets them.
  return Object.keys(record) as K[];
}

/** Every architecture, and its configurations. */
export const CONFIGURATIONS: { readonly [A in ArchitectureName]: readonly Configuration<Configs[A]>[] } = {
  x86: keysOf(X86).flatMap((mode) => [x86(mode, { mode }), ...Object.entries(X86[mode]).map(([name, more]) => x86(`${mode} ${name}`, { mode, ...more }))]),
  arm64: ([4096, 16384, 65536] as const satisfies readonly Granule[]).flatMap((granule) => ARM64[granule].map((more) => arm64({ granule, ...more }))),
  riscv: keysOf(RISCV).map(riscv),
  s390: keysOf(S390).flatMap((top) => [s390(top, '', {}), s390(top, ' without edat', { edat: false })]).concat(s390('pud', ' without iep', { iep: false }), s390('pud', ' with a prefix', { prefix: 0x4_2000 })),
};

export const ARCHITECTURE_NAMES: readonly ArchitectureName[] = keysOf(CONFIGURATIONS);

/** All configurations of all architectures. */
export const ALL: readonly Configuration[] = ARCHITECTURE_NAMES.flatMap((name): readonly Configuration[] => CONFIGURATIONS[name]);

/** Empty memory for the tables of a configuration. */
export function memoryOf({ entryBytes }: Configuration, shared = false): TableMemory {
  // Shared memory does not grow.
  return new TableMemory({ entryBytes, ...(shared ? { shared, entries: 2 ** 18 } : {}) });
}

/** A configuration for the kit, in table memory that is threads' or one thread's. */
export function subjectOf<H extends TableHandles>(configuration: Configuration, half: Half, shared = false): Subject<H> {
  const { executeAlways, oneSpace } = configuration;
  return {
    name: `${configuration.name} ${half}${shared ? ' shared' : ''}`, executeAlways, oneSpace,
    make: () => ({ arch: configuration.make<H>(half, memoryOf(configuration, shared)), root: configuration.root(half, 0x4000_0000), user: half === 'user' }),
  };
}
