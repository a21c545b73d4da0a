import type { Granule } from '@pgtable/arch-arm64';
import { encodeSatp } from '@pgtable/arch-riscv';
import type { PagingMode } from '@pgtable/arch-x86';
import { geometryOf, VmFlags, type TableMemory } from '@pgtable/core';
import { asceOf, CONFIGURATIONS, HALVES, memoryOf, type ArchitectureName, type Half } from '../../packages/arch-testkit/test/configurations.js';
import type { Machine, MachineKind } from './machine.js';
import type { Asking, Part, Rules, TableRoom } from './space.js';

/** A machine with empty tables, and what switches its MMU on. */
export interface Setup {
  readonly parts: readonly Part[];
  readonly memories: readonly { readonly tables: TableMemory; readonly arch: Part['arch'] }[];
  readonly rules: Rules;
  /** Sets the registers that say where the tables are, and that they count. */
  start(machine: Machine): Promise<void>;
  /** Takes the processor to user mode. Left out where QEMU's lookup does not care who asks. */
  becomeUser?(machine: Machine): Promise<void>;
  /** Where writes to addresses go, as the kernel and as the user; undefined where they fault. Left out where QEMU's processor cannot be asked. */
  writes?(machine: Machine, addresses: readonly bigint[]): Promise<Readonly<Record<Asking, readonly (bigint | undefined)[]>>>;
  /** Whether whoever owns an address may write to it. Left out where {@link writes} says it, or QEMU's processor cannot be asked. */
  stores?(machine: Machine, address: bigint): Promise<boolean>;
  /**
   * Whether the kernel can execute what is at an address; of s390, whoever owns the address. After {@link writes}. Left out where QEMU's
   * processor cannot be asked.
   */
  executes?(machine: Machine, address: bigint): Promise<boolean>;
  /** Every leaf as QEMU's own listing of tables has it: an address in it, and what it allows as `Filler.permissionsAt` says it. Left out where there is no listing. */
  leaves?(machine: Machine): Promise<{ readonly address: bigint; readonly permissions: string }[]>;
}

/** The tables of a half: a root, and what writes below it. Of a machine whose root has both halves, both are written to that of users. */
export interface Opened {
  readonly tables: TableMemory;
  readonly arch: Part['arch'];
  readonly root: Part['root'];
}

/** A configuration of an architecture, or one half of it, in a machine that has it. */
export interface Trial {
  readonly name: string;
  readonly configuration: Known<ArchitectureName>;
  readonly machine: MachineKind;
  /** Whose addresses the machine translates at a time. */
  readonly halves: readonly Half[];
  /** @param open gives the tables of a half that the machine is to have */
  setUp(open: (half: Half) => Opened): Setup;
}

const MEBIBYTE = 2 ** 20;

/** Whoever may write may read, on every architecture. */
const READ_OR_WRITE = VmFlags.Read | VmFlags.Write;

/** A configuration of an architecture, of the list that is everybody's. */
type Known<A extends ArchitectureName> = (typeof CONFIGURATIONS)[A][number];

/** Empty tables, and room for the root. */
export function openEmpty(configuration: Known<ArchitectureName>, half: Half, room: TableRoom): Opened {
  const tables = memoryOf(configuration);
  const arch: Part['arch'] = configuration.make(half, tables);
  const { top } = configuration.root(half, 0);
  return { tables, arch, root: configuration.root(half, room.take(geometryOf(arch.geometry, top).entries * arch.geometry.entryBytes)) };
}

// x86: registers are set by the debugger's stub, which does as a processor does that loads them in this order.

const CR0 = 0x8001_0033n; // PG, WP, NE, ET, MP, PE
const CR4 = { '4-level': 0x30n, '5-level': 0x1030n, PAE: 0x30n, '2-level': 0x10n } as const satisfies Record<PagingMode, bigint>; // LA57, PAE, PSE
const EFER_NXE = 0x800n;
const EFER_LME = 0x100n;

const X86_MACHINE: MachineKind = {
  command: 'qemu-system-x86_64', packages: ['qemu-system-x86'], args: ['-machine', 'pc,memory-backend=ram', '-cpu', 'max'], ramBase: 0, ramBytes: 256 * MEBIBYTE, littleEndian: true,
};

function x86(configuration: Known<'x86'>): Trial[] {
  const { mode, nx = mode !== '2-level', encryptionMask } = configuration.config('kernel');
  // QEMU encrypts nothing without an AMD processor below it: the C-bit would be part of the address.
  if (encryptionMask !== undefined) return [];
  return [{
    name: configuration.name,
    configuration,
    machine: X86_MACHINE,
    halves: HALVES,
    setUp: (open) => {
      const { tables, arch, root } = open('user');
      const wide = mode === '4-level' || mode === '5-level';
      return {
        parts: [{ arch, root, half: 'user' }, { arch, root, half: 'kernel' }],
        memories: [{ tables, arch }],
        // QEMU's debugger looks at no permissions.
        rules: { physicalEnd: mode === '2-level' ? 2 ** 32 : 2 ** 52, readable: () => true },
        start: async ({ gdb }) => {
          await gdb.setRegister('cr4', CR4[mode]);
          await gdb.setRegister('cr3', BigInt(root.table));
          await gdb.setRegister('efer', (nx ? EFER_NXE : 0n) | (wide ? EFER_LME : 0n));
          await gdb.setRegister('cr0', CR0);
        },
        leaves: async ({ gdb }) => {
          const lines = [...(await gdb.monitor('info tlb')).matchAll(/^([0-9a-f]{16}): [0-9a-f]{16} (\S{9})\s*$/gm)];
          // The letters are X (no-execute), G, P, D, A, C, T, U, W. Without no-execute, everything can be executed.
          return lines.map(([, address, letters]) => ({
            address: BigInt(`0x${address!}`),
            permissions: `${letters!.includes('U') ? 'u' : '-'}${letters!.includes('W') ? 'w' : '-'}${!nx ? '?' : letters!.includes('X') ? '-' : 'x'}`,
          }));
        },
      };
    },
  }];
}

// arm64: the stub does not write system registers, so the processor executes what does.

/** MSR and ISB instructions; their operands are in X0 to X4 (Arm ARM C5.2). */
const ARM64_CODE = [
  0xd518a200, // msr mair_el1, x0
  0xd5182041, // msr tcr_el1, x1
  0xd5182002, // msr ttbr0_el1, x2
  0xd5182023, // msr ttbr1_el1, x3
  0xd51c1105, // msr hcr_el2, x5
  0xd5181004, // msr sctlr_el1, x4
  0xd5033fdf, // isb
] as const;
const ARM64_CODE_AT = 0x4080_0000;
/**
 * Asks for the translation of writes, which EL2 may do for EL1 and EL0 (AT, Arm ARM C5.5). X6: addresses, X7: where PAR_EL1 goes, twice for
 * each address; X10: how many addresses.
 */
const ARM64_ASK = [
  0xf84084c8, // ldr x8, [x6], #8
  0xd5087828, // at s1e1w, x8
  0xd5033fdf, // isb
  0xd5387409, // mrs x9, par_el1
  0xf80084e9, // str x9, [x7], #8
  0xd5087868, // at s1e0w, x8
  0xd5033fdf, // isb
  0xd5387409, // mrs x9, par_el1
  0xf80084e9, // str x9, [x7], #8
  0xf100054a, // subs x10, x10, #1
  0x54fffec1, // b.ne to the first
  0xd503201f, // nop
] as const;
const ARM64_ASK_AT = 0x4081_0000;
const ARM64_ADDRESSES_AT = 0x4090_0000;
const ARM64_ANSWERS_AT = 0x40a0_0000;
/** HCR_EL2.RW: EL1 is 64-bit. */
const HCR = 1n << 31n;
/** PAR_EL1: F says that there is a fault; else the address is in bits 51:12. */
const PAR_F = 1n;
const PAR_ADDRESS = 0xf_ffff_ffff_f000n;
/** ESR_EL1's exception class of an instruction abort in EL1, and the status that says that a translation was found, and no memory there. */
const INSTRUCTION_ABORT = 0x21n;
const EXTERNAL_ABORT = 0x10n;
/** Where exceptions of EL1 go after reset: VBAR_EL1 is 0. */
const VECTOR = 0x200n;

/** Instructions as they stand in memory. */
function little(words: readonly number[]): Uint8Array {
  return new Uint8Array(words.flatMap((word) => [word & 0xff, (word >>> 8) & 0xff, (word >>> 16) & 0xff, word >>> 24]));
}
/** Device-nGnRnE, Device-nGnRE, and so on, as Linux orders them: MAIR_EL1_SET in arch/arm64/mm/proc.S (Linux 6.12). */
const MAIR = 0x0000_00f0_4404_ffffn;
/** SCTLR_EL1: its reserved bits that are one, SPAN, and M. */
const SCTLR = 0x30d0_0801n;
/** PSTATE: interrupts masked; EL0, and EL1 and EL2 with their own stack pointers. */
const PSTATE_EL0 = 0x3c0n;
const PSTATE_EL1 = 0x3c5n;
const PSTATE_EL2 = 0x3c9n;
const TG0 = { 4096: 0n, 65536: 1n, 16384: 2n } as const satisfies Record<Granule, bigint>;
const TG1 = { 16384: 1n, 4096: 2n, 65536: 3n } as const satisfies Record<Granule, bigint>;

const ARM64_MACHINE: MachineKind = {
  command: 'qemu-system-aarch64', packages: ['qemu-system-arm'], args: ['-machine', 'virt,virtualization=on,memory-backend=ram', '-cpu', 'max'], ramBase: 0x4000_0000, ramBytes: 512 * MEBIBYTE, littleEndian: true,
};

function arm64(configuration: Known<'arm64'>): Trial[] {
  const { granule, vaBits, lpa2 = granule !== 65536 && vaBits > 48 } = configuration.config('user');
  const wide = lpa2 || granule === 65536;
  return [{
    name: configuration.name,
    configuration,
    machine: ARM64_MACHINE,
    halves: HALVES,
    setUp: (open) => {
      const halves = HALVES.map((half) => ({ half, ...open(half) }));
      const [low, high] = halves;
      const tsz = BigInt(64 - vaBits);
      const tcr = tsz | (tsz << 16n) | (TG0[granule] << 14n) | (TG1[granule] << 30n) | ((wide ? 6n : 5n) << 32n) | (3n << 37n) | (lpa2 ? 1n << 59n : 0n);
      return {
        parts: halves,
        memories: halves.map(({ tables, arch }) => ({ tables, arch })),
        // EL1 may read whatever is mapped: PSTATE.PAN is 0 after reset. What EL0 may execute it may read, too: without FEAT_PAN3 Linux
        // makes no page execute-only, see protection_map and adjust_protection_map in arch/arm64/mm/mmap.c (Linux 6.12).
        rules: {
          physicalEnd: wide ? 2 ** 52 : 2 ** 48,
          readable: (_flags, half, asking) => asking === 'kernel' || half === 'user',
        },
        becomeUser: async ({ gdb }) => { await gdb.setRegister('cpsr', PSTATE_EL0); },
        start: async (machine) => {
          machine.write(ARM64_CODE_AT, little(ARM64_CODE));
          machine.write(ARM64_ASK_AT, little(ARM64_ASK));
          const { gdb } = machine;
          for (const [at, value] of [MAIR, tcr, BigInt(low!.root.table), BigInt(high!.root.table), SCTLR, HCR].entries()) await gdb.setRegister(`x${at}`, value);
          await gdb.setRegister('pc', BigInt(ARM64_CODE_AT));
          for (const _ of ARM64_CODE) await gdb.step();
          await gdb.setRegister('cpsr', PSTATE_EL1);
        },
        writes: async (machine, addresses) => {
          const { gdb } = machine;
          machine.write(ARM64_ADDRESSES_AT, new Uint8Array(BigUint64Array.from(addresses).buffer));
          await gdb.setRegister('cpsr', PSTATE_EL2);
          for (const [name, value] of [['x6', ARM64_ADDRESSES_AT], ['x7', ARM64_ANSWERS_AT], ['x10', addresses.length], ['pc', ARM64_ASK_AT]] as const) await gdb.setRegister(name, BigInt(value));
          await gdb.runTo(ARM64_ASK_AT + (ARM64_ASK.length - 1) * 4);
          // The stub writes PSTATE, and QEMU goes on to translate as for the level that was left, until an exception is taken: that of an odd PC.
          await gdb.setRegister('cpsr', PSTATE_EL1);
          await gdb.setRegister('pc', 1n);
          await gdb.step();
          const answers = new BigUint64Array(machine.read(ARM64_ANSWERS_AT, addresses.length * 16).buffer);
          const found = (at: number, address: bigint): bigint | undefined => ((answers[at]! & PAR_F) === 0n ? (answers[at]! & PAR_ADDRESS) | (address & 0xfffn) : undefined);
          return { kernel: addresses.map((address, at) => found(at * 2, address)), user: addresses.map((address, at) => found(at * 2 + 1, address)) };
        },
        executes: async ({ gdb }, address) => {
          await gdb.setRegister('pc', address);
          await gdb.setRegister('cpsr', PSTATE_EL1);
          await gdb.step();
          if (await gdb.register('pc') !== VECTOR) return true;
          const syndrome = await gdb.register('ESR_EL1');
          return ((syndrome >> 26n) & 0x3fn) !== INSTRUCTION_ABORT || (syndrome & 0x3fn) === EXTERNAL_ABORT;
        },
      };
    },
  }];
}

// riscv: the stub writes control registers and the privilege.

const USER = 0n;
const SUPERVISOR = 1n;
/** pmpcfg0: all memory to everybody, as pmpaddr0 says (NAPOT, X, W, R). */
const PMP_ALL = 0x1fn;

const RISCV64: MachineKind = {
  command: 'qemu-system-riscv64', packages: ['qemu-system-riscv', 'qemu-system-misc'], args: ['-machine', 'virt,memory-backend=ram', '-bios', 'none', '-cpu', 'rv64,svnapot=on,svpbmt=on'],
  ramBase: 0x8000_0000, ramBytes: 256 * MEBIBYTE, littleEndian: true,
};
const RISCV32: MachineKind = { ...RISCV64, command: 'qemu-system-riscv32', args: ['-machine', 'virt,memory-backend=ram', '-bios', 'none', '-cpu', 'rv32'] };

function riscv(configuration: Known<'riscv'>): Trial[] {
  const { mode } = configuration.config('kernel');
  const narrow = mode === 'Sv32';
  return [{
    name: configuration.name,
    configuration,
    machine: narrow ? RISCV32 : RISCV64,
    halves: HALVES,
    setUp: (open) => {
      const { tables, arch, root } = open('user');
      return {
        parts: [{ arch, root, half: 'user' }, { arch, root, half: 'kernel' }],
        memories: [{ tables, arch }],
        // What may only be executed may not be read: sstatus.MXR is 0. The lookup ignores sstatus.SUM.
        rules: { physicalEnd: narrow ? 2 ** 34 : 2 ** 52, readable: (flags, half, asking) => (asking === 'kernel' || half === 'user') && (flags & READ_OR_WRITE) !== 0 },
        becomeUser: async ({ gdb }) => { await gdb.setRegister('priv', USER); },
        start: async ({ gdb }) => {
          await gdb.setRegister('pmpaddr0', (1n << (narrow ? 32n : 54n)) - 1n);
          await gdb.setRegister('pmpcfg0', PMP_ALL);
          await gdb.setRegister('satp', encodeSatp(mode, root.table));
          await gdb.setRegister('priv', SUPERVISOR);
        },
        leaves: async ({ gdb }) => {
          const lines = [...(await gdb.monitor('info mem')).matchAll(/^([0-9a-f]{8,16}) [0-9a-f]{16} [0-9a-f]{8,16} ([rwxugad-]{7})\s*$/gm)];
          return lines.map(([, address, letters]) => ({ address: BigInt(`0x${address!}`), permissions: `${letters![3]!}${letters![1]!}${letters![2]!}` }));
        },
      };
    },
  }];
}

// s390: the stub writes control registers and the PSW.

/** PSW mask: DAT, and 64-bit addressing. The address space is the primary one, of control register 1. */
const PSW_DAT = 0x0400_0001_8000_0000n;
/** Control register 0: as after reset, with instruction-execution protection. */
const CR0_S390 = 0xe0n | (1n << 20n);

/** As {@link PSW_DAT}, but operands are in the secondary space, of control register 7. */
const PSW_SECONDARY = PSW_DAT | 0x0000_8000_0000_0000n;
/** An ASCE of a space whose addresses are real ones. */
const REAL_SPACE = 0x20n;
/** TPROT 0(%r1),0(%r2): whether what is at R1 may be fetched and stored; condition code 0 if stored, too. */
const S390_TPROT = [0xe5, 0x01, 0x10, 0x00, 0x20, 0x00];
const S390_TPROT_AT = 0x80_0000;
/** Where the code of a program interruption is put, and those that say that there is no translation, or not for this access. */
const PROGRAM_CODE_AT = 0x8e;
const NOT_EXECUTED: readonly number[] = [0x04, 0x10, 0x11, 0x38, 0x39, 0x3a, 0x3b];

/** QEMU for s390 says that an address is mapped only where there is memory behind it. The file of that much memory has holes. */
const S390_RAM = 2 ** 36;

const S390_MACHINE: MachineKind = {
  command: 'qemu-system-s390x', packages: ['qemu-system-s390x', 'qemu-system-misc'], args: ['-machine', 's390-ccw-virtio,memory-backend=ram', '-cpu', 'max'], ramBase: 0, ramBytes: S390_RAM, littleEndian: false,
};

function s390(configuration: Known<'s390'>): Trial[] {
  // QEMU's emulation has no enhanced DAT (`-cpu max,edat=on` is refused by 7.2), so there are no large pages.
  if (configuration.config('kernel').edat !== false) return [];
  return HALVES.map((half) => ({
    name: `${configuration.name} ${half}`,
    configuration,
    machine: S390_MACHINE,
    halves: [half],
    setUp: (open) => {
      const { tables, arch, root } = open(half);
      const asce = asceOf(configuration.config(half).top, half, root.table);
      return {
        parts: [{ arch, root, half }],
        memories: [{ tables, arch }],
        rules: { physicalEnd: S390_RAM, readable: () => true },
        start: async ({ gdb }) => {
          await gdb.setRegister('cr0', CR0_S390);
          await gdb.setRegister('cr1', asce);
          await gdb.setRegister('cr13', asce);
          await gdb.setRegister('pswm', PSW_DAT);
        },
        // Nothing tells the kernel from users but which space they are in.
        stores: async (machine, address) => {
          const { gdb } = machine;
          machine.write(S390_TPROT_AT, Uint8Array.from(S390_TPROT));
          const registers = { cr1: REAL_SPACE, cr7: asce, r1: address, pswa: BigInt(S390_TPROT_AT), pswm: PSW_SECONDARY };
          for (const [name, value] of Object.entries(registers)) await gdb.setRegister(name, value);
          await gdb.step();
          return ((await gdb.register('pswm') >> 44n) & 3n) === 0n;
        },
        executes: async (machine, address) => {
          const { gdb } = machine;
          machine.write(PROGRAM_CODE_AT, new Uint8Array(2));
          for (const [name, value] of Object.entries({ cr1: asce, pswa: address, pswm: PSW_DAT })) await gdb.setRegister(name, value);
          await gdb.step();
          const [high, low] = machine.read(PROGRAM_CODE_AT, 2);
          return !NOT_EXECUTED.includes((high! << 8) | low!);
        },
      };
    },
  }));
}

/** What is tried of each architecture: every configuration that QEMU has. */
export const TRIALS: Readonly<Record<ArchitectureName, readonly Trial[]>> = {
  x86: CONFIGURATIONS.x86.flatMap(x86),
  arm64: CONFIGURATIONS.arm64.flatMap(arm64),
  riscv: CONFIGURATIONS.riscv.flatMap(riscv),
  s390: CONFIGURATIONS.s390.flatMap(s390),
};
