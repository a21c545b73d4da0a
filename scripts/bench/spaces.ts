import { geometryOf, LEVELS, TableMemory, type Level } from '@pgtable/core';
import type { Space } from '@pgtable/walk';
import { arm64Arch, arm64Root, type Arm64Config } from '@pgtable/arch-arm64';
import { riscvArch, riscvRoot } from '@pgtable/arch-riscv';
import { decodeAsce, s390Arch, s390Root } from '@pgtable/arch-s390';
import { x86Arch, x86Root } from '@pgtable/arch-x86';

/** Entries of the lowest level in each space. */
export const PTES = 2 ** 24;

/** A made-up address space of an architecture, with the number of entries that were written. */
export interface SyntheticSpace {
  readonly name: string;
  readonly space: Space;
  readonly tables: TableMemory;
  /** Entries of the lowest level. */
  readonly ptes: number;
  /** Bytes of virtual addresses that they translate, from {@link start} on. */
  readonly start: number;
  readonly bytes: number;
}

/** How an architecture writes what the space is made of. */
interface Writer {
  readonly name: string;
  readonly space: (tables: TableMemory) => Space;
  readonly table: (level: Level, pa: bigint) => bigint;
  readonly leaf: (pa: bigint, variant: number) => bigint;
  readonly empty: (level: Level) => bigint;
}

const ROOT_ADDRESS = 2 ** 32;
const zero = () => 0n;

const arm64Config = (granule: 4096 | 65536): Arm64Config => ({ half: 'ttbr1', granule, vaBits: 48 });
const ARM64_LEAVES = [0x0068_0000_0000_0703n, 0x0068_0000_0000_0783n, 0x0040_0000_0000_0783n, 0x0060_0000_0000_0743n];
const arm64 = (name: string, granule: 4096 | 65536): Writer => ({
  name,
  space: (tables) => ({ arch: arm64Arch(arm64Config(granule), tables), root: arm64Root(arm64Config(granule), ROOT_ADDRESS) }),
  table: (_level, pa) => pa | 3n,
  leaf: (pa, variant) => pa | ARM64_LEAVES[variant]!,
  empty: zero,
});

const WRITERS: readonly Writer[] = [
  {
    name: 'x86 4-level',
    space: (tables) => ({ arch: x86Arch({ mode: '4-level' }, tables), root: x86Root('4-level', ROOT_ADDRESS) }),
    table: (_level, pa) => pa | 0x67n,
    leaf: (pa, variant) => pa | [0x8000_0000_0000_0063n, 0x8000_0000_0000_0061n, 0x61n, 0x8000_0000_0000_0067n][variant]!,
    empty: zero,
  },
  arm64('arm64 4K, 48-bit', 4096),
  arm64('arm64 64K, 48-bit', 65536),
  {
    name: 'riscv Sv48',
    space: (tables) => ({ arch: riscvArch({ mode: 'Sv48' }, tables), root: riscvRoot('Sv48', ROOT_ADDRESS) }),
    table: (_level, pa) => ((pa >> 12n) << 10n) | 1n,
    leaf: (pa, variant) => ((pa >> 12n) << 10n) | [0xe7n, 0xe3n, 0xebn, 0xd7n][variant]!,
    empty: zero,
  },
  {
    name: 's390 3-level',
    space: (tables) => ({ arch: s390Arch({ top: 'pud' }, tables), root: s390Root(decodeAsce(BigInt(ROOT_ADDRESS) | 7n)) }),
    // A region-third entry says its own type and that the segment table is full; a segment entry has type 0.
    table: (level, pa) => (level === 'pud' ? pa | 7n : pa),
    leaf: (pa, variant) => pa | [0x13dn, 0x319n, 0x219n, 0x13fn][variant]!,
    empty: (level) => ({ pte: 0x400n, pmd: 0x20n, pud: 0x24n, p4d: 0x28n, pgd: 0x2cn })[level],
  },
];

/** A generator of numbers that look random and are the same each time. */
export function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return Math.floor(((state >>> 0) / 2 ** 32) * below);
  };
}

/**
 * Runs as a machine that has been up for a while has them: lengths of 1, 2, 4, ... 256 pages, each as often as the others, an
 * eighth of them holes, four sets of attributes, no run in the physical memory behind the run before.
 */
function fill(tables: TableMemory, first: number, count: number, pageBytes: number, writer: Writer): void {
  const random = numbers(1);
  const { elements } = tables;
  const empty = writer.empty('pte');
  for (let at = first; at < first + count; ) {
    const end = Math.min(first + count, at + 2 ** random(9));
    const hole = random(8) === 0;
    const variant = random(4);
    let pa = BigInt(random(2 ** 20)) * BigInt(pageBytes) + 2n ** 33n;
    for (; at < end; at++) {
      elements[at] = hole ? empty : writer.leaf(pa, variant);
      pa += BigInt(pageBytes);
    }
  }
}

function build(writer: Writer): SyntheticSpace {
  const tables = new TableMemory();
  const space = writer.space(tables);
  const { geometry } = space.arch;
  const levels = LEVELS.filter((level) => !geometryOf(geometry, level).folded && LEVELS.indexOf(level) <= LEVELS.indexOf(space.root.top));
  const perTable = levels.map((level) => geometryOf(geometry, level).entries);
  const counts: number[] = [];
  for (const [at, entries] of perTable.entries()) counts.push(at === levels.length - 1 ? 1 : Math.ceil((counts[at - 1] ?? PTES) / entries));
  tables.reserve(counts.reduce((sum, count, at) => sum + count * perTable[at]!, 0));

  // From the top down, so that the tables of a level follow each other; each a multiple of 64 KiB apart.
  let nextAddress = ROOT_ADDRESS;
  const addresses = new Map<Level, number[]>();
  const bases = new Map<Level, number>();
  for (let at = levels.length - 1; at >= 0; at--) {
    const level = levels[at]!;
    const here: number[] = [];
    for (let table = 0; table < counts[at]!; table++) {
      const base = tables.allocate(level, nextAddress, perTable[at]!);
      if (table === 0) bases.set(level, base);
      here.push(nextAddress);
      nextAddress += 65536;
    }
    addresses.set(level, here);
  }
  for (const [at, level] of levels.entries()) {
    const base = bases.get(level)!;
    if (at === 0) {
      fill(tables, base, PTES, geometry.pageBytes, writer);
      continue;
    }
    const below = addresses.get(levels[at - 1]!)!;
    for (let entry = 0; entry < counts[at]! * perTable[at]!; entry++) {
      const child = below[entry];
      tables.elements[base + entry] = child === undefined ? writer.empty(level) : writer.table(level, BigInt(child));
    }
  }
  return { name: writer.name, space, tables, ptes: PTES, start: space.root.windows[0]!.start, bytes: PTES * geometry.pageBytes };
}

let built: SyntheticSpace[] | undefined;

/** One space of each architecture, all in this process: what is measured has seen them all. */
export function syntheticSpaces(): readonly SyntheticSpace[] {
  built ??= WRITERS.map(build);
  return built;
}
