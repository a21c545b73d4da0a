import { releaseAtLeast, type Level, type NonPresent } from '@pgtable/core';
import { decodeSwapEntry } from '@pgtable/core/arch';
import type { FullConfig } from './config.js';

/*
 * Entries with P clear, as Linux uses them (arch/x86/include/asm/pgtable_64.h, pgtable-3level.h and pgtable-2level.h;
 * include/linux/swapops.h; Linux 6.12):
 *
 *                     type     offset                 soft dirty  uffd-wp  exclusive
 *   64-bit            63:59    58:9, inverted         1           2        3
 *   PAE               63:59    58:9, inverted         -           -        7
 *   2-level           5:1      31:9                   -           -        7
 *
 * Offsets are inverted against L1TF since 4.19 (commits 6b28baca9b1f, 2f22b4cd45b6, 0d0f62490588). Before:
 *
 *   64-bit 4.8-4.18   13:9     63:14
 *   64-bit < 4.8      5:1      63:9
 *   PAE               36:32    63:37
 */

const RW = 1n << 1n;
const US = 1n << 2n;
const PWT = 1n << 3n;
const PS = 1n << 7n;
/** Bit 8: PROT_NONE or NUMA hinting. The entry is that of a page, with P clear. */
const PROTNONE = 1n << 8n;
/** Bits 51:12. The frame in a PROT_NONE entry; inverted against L1TF where entries have 64 bits, since 4.19. */
const FRAME_64 = 0x000ffffffffff000n;
const FRAME_32 = 0xfffff000n;

/** Stable kernels before 4.19 whose first release with the L1TF layout is known: version and patch level. */
const L1TF_STABLE: Readonly<Record<string, number>> = { '4.18': 1, '4.17': 15, '4.14': 63, '4.9': 120, '4.4': 148 };

/** Whether a kernel inverts frames and offsets. Without a release: yes. */
function invertsOffsets(config: FullConfig): boolean {
  if (config.mode === '2-level') return false;
  if (releaseAtLeast(config.release, 4, 19) !== false) return true;
  const match = /^(\d+\.\d+)\.(\d+)/.exec(config.release ?? '');
  const first = L1TF_STABLE[match?.[1] ?? ''];
  return first !== undefined && Number(match?.[2]) >= first;
}

/** {@link Arch.decodeNonPresent}. */
export function decodeNonPresent(config: FullConfig, level: Level, value: bigint): NonPresent {
  const inverted = invertsOffsets(config);
  // pmd_present() counts PS too: a huge page that is being split has P and PROTNONE clear for a moment.
  if ((value & PROTNONE) !== 0n || (level !== 'pte' && (value & PS) !== 0n)) return protectedPage(config, level, value, inverted);
  // The processor may set A and D of an entry that is not present (Knights Landing erratum): the kernel ignores them, where entries have 64 bits.
  if (config.mode !== '2-level' && (value & ~0x60n) === 0n) return { kind: 'unknown', flags: flagsOf([[(value & 0x20n) !== 0n, 'A'], [(value & 0x40n) !== 0n, 'D']]) };
  const { type, offset } = swapFields(config, value, inverted);
  const pfnBits = { '5-level': 40, '4-level': 34, PAE: 24, '2-level': 20 }[config.mode];
  return decodeSwapEntry({ release: config.release, options: config.swap, pfnBits, pageShift: 12 }, type, offset, swapFlags(config, value));
}

function protectedPage(config: FullConfig, level: Level, value: bigint, inverted: boolean): NonPresent {
  const encryption = (BigInt(config.encryptionHi >>> 0) << 32n) | BigInt(config.encryptionLo >>> 0);
  const frame = (config.mode === '2-level' ? FRAME_32 : FRAME_64) & ~encryption;
  // A large page has its PAT bit at bit 12, inverted with the frame or not: pages are aligned, so the low bits go.
  const size = level === 'pte' ? 0xfffn : level === 'pud' ? 0x3fffffffn : config.mode === '2-level' ? 0x3fffffn : 0x1fffffn;
  const low = (inverted ? ~value : value) & frame & ~size;
  // Bits 39:32 of the address of a 4 MiB page stand in bits 20:13 (PSE-36).
  const pa = config.mode === '2-level' && level !== 'pte' ? low | ((value & 0x1fe000n) << 19n) : low;
  return {
    kind: 'protected',
    pa,
    flags: flagsOf([
      [(value & RW) !== 0n, 'RW'],
      [(value & US) !== 0n, 'US'],
      [(value & 0x20n) !== 0n, 'A'],
      [(value & 0x40n) !== 0n, 'D'],
      [level !== 'pte' && (value & PS) !== 0n, 'PS'],
      [(value & PROTNONE) !== 0n, 'PROTNONE'],
      [config.mode !== '2-level' && value >> 63n !== 0n, 'NX'],
    ]),
  };
}

function swapFields(config: FullConfig, value: bigint, inverted: boolean): { type: number; offset: bigint } {
  if (config.mode === '2-level') return { type: Number((value >> 1n) & 31n), offset: value >> 9n };
  if (inverted) return { type: Number(value >> 59n), offset: (~value >> 9n) & ((1n << 50n) - 1n) };
  if (config.mode === 'PAE') return { type: Number((value >> 32n) & 31n), offset: value >> 37n };
  // Commit 00839ee3b299 (4.8) moved both up, out of the way of A and D.
  if (releaseAtLeast(config.release, 4, 8) !== false) return { type: Number((value >> 9n) & 31n), offset: value >> 14n };
  return { type: Number((value >> 1n) & 31n), offset: value >> 9n };
}

/** The bits that stand beside type and offset. Each is there since a release; older kernels have it clear or use it for the type. */
function swapFlags(config: FullConfig, value: bigint): string[] {
  const since = (major: number, minor: number): boolean => releaseAtLeast(config.release, major, minor) !== false;
  const is64 = config.mode === '4-level' || config.mode === '5-level';
  return flagsOf([
    // At bit 1 since 4.14 (eee4818baac0).
    [is64 && since(4, 14) && (value & RW) !== 0n, 'soft-dirty'],
    // Since 5.7.
    [is64 && since(5, 7) && (value & US) !== 0n, 'uffd-wp'],
    // Since 5.19 for 64-bit kernels, 6.3 for 32-bit ones.
    [is64 && since(5, 19) && (value & PWT) !== 0n, 'exclusive'],
    [!is64 && since(6, 3) && (value & PS) !== 0n, 'exclusive'],
  ]);
}

function flagsOf(flags: readonly (readonly [boolean, string])[]): string[] {
  return flags.filter(([set]) => set).map(([, name]) => name);
}

