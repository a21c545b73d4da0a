import {
  geometryOf, LEVELS, NO_TLB, pgdOffset, pgdpGet, TableMemory, VmFlags, type AnyArch, type ArchPlugin, type Geometry, type HandleFamily, type Level, type WritableArch,
} from '@pgtable/core';
import { elfCore, type ElfSegment } from '@pgtable/memory';
import { mapRange, newRoot, protectRange, type AddressSpace } from '@pgtable/walk';
import { describe, expect, test } from 'vitest';
import { cellArch, Cells } from '../../../packages/walk/test/map-arch.js';
import { EMPTY, FIVE, geometryWith, PROT, rootWith, THREE, TWO, writableToy, type LevelBits, type WritableToyHandles } from '../../../packages/walk/test/map-toy.js';
import { pgtable, Scratch } from './harness.js';

/*
 * The command line over an architecture whose handles are no indices: its entries are in a Map, and the table memory that the command
 * gives it is only where tables arrive. It must say the same as its twin, which has the same bits in table memory.
 */

const PAGE = 4096;
const ROOT = 0x10_0000;
const ELF_MACHINE = 0xfe70;
const SHAPES = [['two levels', TWO], ['three levels', THREE], ['five levels', FIVE]] as const;

/** A Map that takes over what is loaded: at the first look at a table it is copied, and what stands in table memory is spoilt. */
class LoadedCells extends Cells {
  private readonly arrived: TableMemory;
  private readonly geometry: Geometry;

  constructor(arrived: TableMemory, geometry: Geometry) {
    super();
    this.arrived = arrived;
    this.geometry = geometry;
  }

  override has(level: Level, table: number): boolean {
    const base = this.tables.has(table) ? -1 : this.arrived.find(level, table);
    if (base >= 0) {
      const { entries } = geometryOf(this.geometry, level);
      for (let index = 0; index < entries; index++) this.store(table, index, this.arrived.elements[base + index]!);
      this.arrived.elements.fill(SPOILT, base, base + entries);
      this.tables.set(table, level);
    }
    return super.has(level, table);
  }
}

/** An entry that points to where there is no memory. */
const SPOILT = 0xffff_ffff_f07fn;

function plugin(bits: LevelBits, open: (tables: TableMemory) => AnyArch): ArchPlugin {
  const kernel = BigInt(rootWith(geometryWith(bits), ROOT).windows[1]!.start);
  return {
    name: 'toy', title: 'toy', elfMachines: [ELF_MACHINE], utsMachines: [], vmcoreinfoKeys: [], registers: [{ name: 'toyroot', help: 'the root table' }],
    findRoots: ({ registers }) => {
      const table = Number(registers.get('toyroot') ?? BigInt(ROOT));
      return Promise.resolve({
        candidates: [{
          role: 'kernel' as const, source: 'given' as const, table, variant: 'toy', evidence: ['It is said so.'], registers: { toyroot: BigInt(table) }, entryBytes: 8 as const,
          open: (tables: TableMemory) => ({ arch: open(tables), root: rootWith(geometryWith(bits), table) }),
        }],
        missing: [],
      });
    },
    markers: () => Promise.resolve([{ start: 0n, name: 'User Space' }, { start: kernel, name: 'Kernel Space' }]),
    kernelOffset: () => 0n,
  };
}

/** Pages of all sizes in both halves: PROT_NONE, writable and executable ones, and a table that is not in the image. */
function image(bits: LevelBits): { readonly dump: Uint8Array; readonly tables: number; readonly kernel: bigint } {
  const tables = new TableMemory();
  const arch = writableToy(tables, bits);
  let last = ROOT;
  const space = (user: boolean): AddressSpace<WritableToyHandles> => ({ arch, root: rootWith(arch.geometry, ROOT), mm: { user, tlb: NO_TLB }, alloc: () => (last += PAGE) });
  const [users, kernels] = [space(true), space(false)];
  const kernel = BigInt(kernels.root.windows[1]!.start);
  newRoot(kernels);
  const user = (flags: number) => arch.vmProt(flags | VmFlags.Shared);
  mapRange(users, 0x3000n, 0x200_3000, 5 * PAGE, user(VmFlags.Read | VmFlags.Write));
  mapRange(users, 0x2_0000n, 0x240_0000, 200 * PAGE, user(VmFlags.Read), { largestPage: Infinity });
  mapRange(users, 0x10_0000n, 0x300_5000, 3 * PAGE, user(VmFlags.Read | VmFlags.Exec));
  protectRange(users, 0x10_1000n, PAGE, PROT.none).flush();
  mapRange(kernels, kernel, 0x400_0000, 64 * PAGE, arch.kernelProt(VmFlags.Read | VmFlags.Write), { largestPage: Infinity });
  mapRange(kernels, kernel + 0x4_0000n, 0x500_0000, 7 * PAGE, arch.kernelProt(VmFlags.Read | VmFlags.Exec));
  mapRange(kernels, kernel + 0x5_0000n, 0x600_0000, 2 * PAGE, arch.kernelProt(VmFlags.Read | VmFlags.Write | VmFlags.Exec));
  mapRange(kernels, 2n ** 64n - BigInt(PAGE), 0x700_0000, PAGE, arch.kernelProt(VmFlags.Read));
  const segments = LEVELS.flatMap((level) => [...tables.addresses(level)].filter((address) => address !== last).map((address): ElfSegment => {
    const bytes = new Uint8Array(PAGE);
    const view = new DataView(bytes.buffer);
    const base = tables.find(level, address);
    for (let index = 0; index < geometryOf(arch.geometry, level).entries; index++) view.setBigUint64(index * 8, tables.elements[base + index]!, true);
    return { address, bytes };
  }));
  return { dump: elfCore({ machine: { elfMachine: ELF_MACHINE, bits: 64, littleEndian: true }, segments }), tables: segments.length, kernel };
}

const scratch = new Scratch();

describe.each(SHAPES)('%s', (name, bits) => {
  const { dump, tables, kernel } = image(bits);
  const path = scratch.write(`${name}.elf`, dump);
  const geometry = geometryWith(bits);
  const twin = plugin(bits, (memory) => writableToy(memory, bits));
  const seen: Cells[] = [];
  const inMap = plugin(bits, (memory) => {
    const cells = new LoadedCells(memory, geometry);
    seen.push(cells);
    return { ...cellArch(bits, cells), tables: memory };
  });
  const hex = (address: bigint): string => address.toString(16);

  const same = async (args: readonly string[]) => {
    const expected = await pgtable(args, { architectures: [twin] });
    const ran = await pgtable(args, { architectures: [inMap] });
    expect(ran).toEqual(expected);
    return ran;
  };

  test.each(['kernel', 'table', 'json', 'csv'])('ptdump --format %s', async (format) => {
    seen.length = 0;
    const { code, out, err, lines } = await same(['ptdump', path, '--format', format]);
    expect([code, err.split('\n')[0]]).toEqual([0, expect.stringContaining('table') as string]);
    expect(lines.length).toBeGreaterThan(8);
    expect(out).toContain('20000');
    // Every table of the image went through the Map.
    expect(seen.map((cells) => cells.tables.size)).toEqual([tables]);
  });

  test.each(['--user', '--kernel', '--no-merge', '--level pte', '--filter w', '--range 4000+3000'])('ptdump --format table %s', async (flags) => {
    const { code, lines } = await same(['ptdump', path, '--format', 'table', ...flags.split(' ')]);
    expect(code).toBe(0);
    expect(lines.length).toBeGreaterThan(1);
  });

  test.each(['text', 'json'])('check --format %s', async (format) => {
    const { code, lines } = await same(['check', path, '--format', format]);
    expect(code).toBe(1);
    expect(lines.at(-1)).toContain('2 W+X');
  });

  test.each(['text', 'json'])('vtop --format %s', async (format) => {
    const { code, out } = await same(['vtop', path, '4321', '25678', '101000', '1ff000', hex(kernel + 0x5_1abcn), 'fffffffffffff123', '--format', format]);
    expect(code).toBe(1);
    for (const pa of ['2004321', '2405678', '6001abc']) expect(out).toContain(pa);
    expect(out).toContain('absent');
  });

  test('vtop of many addresses, from standard input', async () => {
    const input = Array.from({ length: 300 }, (_, page) => `${hex(BigInt(page * PAGE))}\n${hex(kernel + BigInt(page * PAGE))}\n`).join('');
    const [expected, ran] = await Promise.all([twin, inMap].map((one) => pgtable(['vtop', path, '-'], { input, architectures: [one] })));
    expect(ran).toEqual(expected);
    expect(ran!.lines).toHaveLength(600);
    expect(ran!.lines[2 * 4]).toBe('0x4000\t0x2004000');
  });

  test('roots and info', async () => {
    expect((await same(['roots', path])).out).toContain(hex(BigInt(ROOT)));
    expect((await same(['info', path])).out).toContain('toy');
  });

  test('a root that is not there, and one that was given', async () => {
    const nowhere = await same(['ptdump', path, '--toyroot', '900000']);
    expect(nowhere.err).toContain('1 outside of memory');
    expect((await same(['ptdump', path, '--toyroot', hex(BigInt(ROOT))])).code).toBe(0);
  });

  test('extract', async () => {
    const dumps = await Promise.all([twin, inMap].map(async (one, at) => {
      const output = scratch.file(`${name}-${at}.elf`);
      expect((await pgtable(['extract', path, '--tables-only', '-o', output], { architectures: [one] })).code).toBe(0);
      return pgtable(['ptdump', output, '--format', 'table'], { architectures: [one] });
    }));
    expect(dumps[1]).toEqual(dumps[0]);
    expect(dumps[1]!.out).toBe((await pgtable(['ptdump', path, '--format', 'table'], { architectures: [twin] })).out);
  });
});

test('what the Map has taken over is spoilt where it arrived, so that whoever reads it there is found out', () => {
  const memory = new TableMemory();
  const twin = writableToy(memory, THREE);
  const root = rootWith(twin.geometry, ROOT);
  twin.newTable('pgd', ROOT, true);
  const inMap = cellArch(THREE, new LoadedCells(memory, twin.geometry));
  const valueIn = <H extends HandleFamily>(arch: WritableArch<H>) => pgdpGet(arch, pgdOffset(arch, root, 0n)!);
  expect(inMap.rootTable(root)?.level).toBe('pgd');
  expect([valueIn(inMap), valueIn(twin)]).toEqual([EMPTY, SPOILT]);
});
