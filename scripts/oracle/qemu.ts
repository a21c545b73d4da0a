import { Access, geometryOf, type Attributes } from '@pgtable/core';
import { RunKind, walkRuns, type Space, type OpenedRoot } from '@pgtable/walk';
import type { Dump } from './dump.js';
import type { Registers } from './fixture.js';
import { hex16 } from './text.js';

/** The privilege that the processor had when QEMU was asked. */
export type Asking = 'kernel' | 'user';

/** sstatus.MXR: what may be executed may be read. */
const SSTATUS_MXR = 1n << 19n;

/**
 * Whether QEMU 7.2's gva2gpa answers for a leaf: the page-table lookup of its debugger, as a data read by whoever runs.
 *
 * - x86: permissions are not looked at.
 * - s390: a load has no permission to lack; the lookup is in the primary space.
 * - arm64: EL1 or EL0 must be allowed to read. The fixtures were asked with PSTATE.PAN = 0, so EL1 reads user pages too.
 * - riscv: the page must be readable (R; or X where sstatus.MXR is set, which it never is in the fixtures) and, for U mode,
 *   the user's. For S mode the lookup ignores that sstatus.SUM forbids the user's pages.
 */
export function qemuAnswers(dump: Dump, registers: Registers, asking: Asking): (leaf: Attributes) => boolean {
  const { name } = dump.plugin;
  let needed: number;
  if (name === 'arm64') {
    needed = asking === 'user' ? Access.UserRead : Access.KernelRead;
  } else if (name === 'riscv') {
    const mxr = (BigInt(registers.sstatus ?? 0) & SSTATUS_MXR) !== 0n;
    const user = Access.UserRead | (mxr ? Access.UserExecute : 0);
    needed = asking === 'user' ? user : user | Access.KernelRead | (mxr ? Access.KernelExecute : 0);
  } else {
    return () => true;
  }
  return (leaf) => (leaf.access & needed) !== 0;
}

/** The letters of `info tlb` and the flags of a leaf that they stand for. A 4 KiB page's bit 7 is PAT, which QEMU does not print. */
const TLB_FLAGS = [['X', 'NX'], ['G', 'G'], ['P', 'PS'], ['D', 'D'], ['A', 'A'], ['C', 'PCD'], ['T', 'PWT'], ['U', 'US'], ['W', 'RW']] as const;

/**
 * Our leaves as the lines of QEMU's `info tlb`: address, physical address, the entry's own flags.
 *
 * @see print_pte() in target/i386/monitor.c (QEMU 7.2)
 */
export function infoTlb(space: Space): string[] {
  const lines: string[] = [];
  walkRuns(space, (run) => {
    if (run.kind !== RunKind.Leaf) return undefined;
    const { flags } = space.arch.describe(run.level, run.lo, run.hi, run.inherited);
    const letters = TLB_FLAGS.map(([letter, flag]) => (flags.includes(flag) ? letter : '-')).join('');
    for (let i = 0; i < run.count; i++) {
      const offset = i * run.entryBytes;
      lines.push(`${hex16(BigInt(run.va + offset))}: ${hex16(BigInt(run.pa + offset))} ${letters}`);
    }
    return undefined;
  });
  return lines;
}

/**
 * The lines of an `info tlb` that QEMU printed. For a guest with PAE it leaves the entry's NX bit (bit 63) in the physical
 * address; it is taken out of lines that have the X of NX too, and those are counted.
 */
export function readInfoTlb(text: string, pae: boolean): { lines: string[]; corrected: number } {
  let corrected = 0;
  const lines = text
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => /^[0-9a-f]{16}: /.test(line))
    .map((line) => {
      const match = pae ? /^([0-9a-f]{16}: )([89a-f][0-9a-f]{15})( X.*)$/.exec(line) : null;
      if (match === null) return line;
      corrected++;
      return match[1]! + hex16(BigInt(`0x${match[2]!}`) & ~(1n << 63n)) + match[3]!;
    });
  return { lines, corrected };
}

/** Bits 63 (N) and 62:61 (PBMT) of an entry, in its high word. */
const NAPOT_HI = 1 << 31;
const PBMT_HI = 3 << 29;

/** A line of `info mem`. */
export interface MemLine {
  readonly text: string;
  /** What QEMU gets wrong in it, from the bits of the entry; undefined for lines that are right. */
  readonly error: 'Svnapot' | 'Svpbmt' | undefined;
}

/**
 * Our leaves as the lines of QEMU's `info mem` for RISC-V, merged as it merges: while the entry's low eight bits are equal,
 * virtual and physical addresses go on, and the leaf before is in the same table (walk_pte() keeps the address that it saw
 * last in a variable of its own for each table).
 *
 * QEMU 7.2 takes bits 63:10 of an entry as its frame number. So each page of a Svnapot group is listed with the encoded
 * frame, and the memory type of Svpbmt becomes bit 63 of the address: such lines are made in the same way here, and marked.
 *
 * @see walk_pte() in target/riscv/monitor.c (QEMU 7.2)
 */
export function infoMem(root: OpenedRoot): MemLine[] {
  const { space } = root;
  const lines: MemLine[] = [];
  let held: { va: number; pa: bigint; size: number; attributes: string; table: string; error: MemLine['error'] } | undefined;
  const flush = (): void => {
    if (held !== undefined) lines.push({ text: `${hex16(BigInt(held.va))} ${hex16(held.pa)} ${hex16(BigInt(held.size))} ${held.attributes}`, error: held.error });
  };
  walkRuns(space, (run) => {
    if (run.kind !== RunKind.Leaf) return undefined;
    const { flags, group } = space.arch.describe(run.level, run.lo, run.hi, run.inherited);
    const attributes = ['R', 'W', 'X', 'U', 'G', 'A', 'D'].map((flag) => (flags.includes(flag) ? flag.toLowerCase() : '-')).join('');
    const { entries } = geometryOf(space.arch.geometry, run.level);
    const table = `${run.level} ${Math.floor(run.va / (entries * run.entryBytes))}`;
    const error = (run.hi & NAPOT_HI) !== 0 ? 'Svnapot' : (run.hi & PBMT_HI) !== 0 ? 'Svpbmt' : undefined;
    for (let i = 0; i < run.count; i++) {
      const va = run.va + i * run.entryBytes;
      const pa = misread(BigInt(run.pa + i * run.entryBytes), run.hi, BigInt(group * run.entryBytes));
      if (held?.attributes === attributes && held.table === table && held.va + held.size === va && held.pa + BigInt(held.size) === pa) {
        held.size += run.entryBytes;
        held.error ??= error;
      } else {
        flush();
        held = { va, pa, size: run.entryBytes, attributes, table, error };
      }
    }
    return undefined;
  });
  flush();
  return lines;
}

/** The physical address that QEMU 7.2 prints for an entry. */
function misread(pa: bigint, hi: number, groupBytes: bigint): bigint {
  let address = pa;
  if ((hi & NAPOT_HI) !== 0) address = (address & ~(groupBytes - 1n)) | (groupBytes / 2n);
  address |= BigInt((hi & PBMT_HI) >>> 29) << 63n;
  return BigInt.asUintN(64, address);
}

export function readInfoMem(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => /^[0-9a-f]{16} [0-9a-f]{16} [0-9a-f]{16} /.test(line));
}
