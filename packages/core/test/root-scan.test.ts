import { describe, expect, it } from 'vitest';
import { entryFormat, scanForRoots, type RootScanOptions } from '../src/arch.js';
import type { Geometry, Level, PhysicalReader } from '../src/index.js';

/*
 * A made-up machine: tables of 512 entries of 64 bits, three levels. Bit 0 valid; bit 1 table (not at the pte level);
 * bit 2 user; bit 3 must be zero. Addresses at bits 12..47, aligned to what a leaf maps. Memory at 1 MiB.
 */
const PAGE = 4096;
const BASE = 0x10_0000;
const SHIFTS: Record<Level, number> = { pte: 12, pmd: 21, pud: 30, p4d: 30, pgd: 30 };
const shape = (level: Level) => ({ level, title: level.toUpperCase(), shift: SHIFTS[level], entries: 512, folded: level === 'pud' || level === 'p4d' });
const geometry: Geometry = {
  levels: [shape('pte'), shape('pmd'), shape('pud'), shape('p4d'), shape('pgd')],
  pageBytes: PAGE,
  entryBytes: 8,
  addressDigits: 16,
};
const format = (level: Level) =>
  entryFormat({
    validMask: 1,
    validValue: 1,
    tableMask: level === 'pte' ? 0 : 2,
    tableValue: level === 'pte' ? 1 : 2,
    reservedTableLo: 8,
    reservedLeafLo: level === 'pmd' ? 0x1ff008 : 8,
    leafPaLo: 0xfffff000,
    leafPaHi: 0xffff,
    tablePaLo: 0xfffff000,
    tablePaHi: 0xffff,
    bytes: 2 ** SHIFTS[level],
  });
const options: RootScanOptions = {
  geometry,
  formats: [format('pte'), format('pmd'), format('pgd'), format('pgd'), format('pgd')],
  littleEndian: true,
  top: 'pgd',
  rootBytes: PAGE,
  rootAlign: PAGE,
  windows: [
    { start: 0, end: 2 ** 38, index: 0, half: 'user' },
    { start: 2 ** 64 - 2 ** 38, end: 2 ** 64, index: 256, half: 'kernel' },
  ],
  userLeafMask: 4,
};

/** Physical memory of `pages` pages from BASE on, in chunks of a chosen size. */
class Machine implements PhysicalReader {
  readonly bytes: Uint8Array;
  readonly ranges: PhysicalReader['ranges'];
  reads = 0;
  private readonly view: DataView;
  private readonly littleEndian: boolean;
  private readonly chunkBytes: number;
  constructor(pages: number, littleEndian = true, chunkBytes = 1 << 16, shift = 0) {
    this.littleEndian = littleEndian;
    this.chunkBytes = chunkBytes;
    const buffer = new ArrayBuffer(pages * PAGE + shift);
    this.bytes = new Uint8Array(buffer, shift);
    this.view = new DataView(buffer, shift);
    this.ranges = [{ start: BASE, end: BASE + pages * PAGE, state: 'present' }];
  }
  page(index: number): number {
    return BASE + index * PAGE;
  }
  set(table: number, index: number, value: number): void {
    this.view.setBigUint64(table - BASE + index * 8, BigInt(value), this.littleEndian);
  }
  read(address: number, length: number): Promise<Uint8Array | undefined> {
    this.reads++;
    const at = address - BASE;
    return Promise.resolve(at >= 0 && at + length <= this.bytes.length ? this.bytes.slice(at, at + length) : undefined);
  }
  async *chunks(): AsyncIterable<{ address: number; bytes: Uint8Array }> {
    await Promise.resolve();
    for (let at = 0; at < this.bytes.length; at += this.chunkBytes) {
      yield { address: BASE + at, bytes: this.bytes.subarray(at, at + this.chunkBytes) };
    }
  }
}

/** A kernel with its own root at page 10 and two processes at pages 20 and 5; 100 kernel pages, 8 user pages each. */
function withKernel(machine: Machine): Machine {
  const root = machine.page(10);
  const pmd = machine.page(11);
  const pte = machine.page(12);
  machine.set(root, 300, pmd + 3);
  machine.set(pmd, 7, pte + 3);
  for (let i = 0; i < 100; i++) machine.set(pte, i, machine.page(i % 64) + 1);
  for (const page of [20, 5]) {
    machine.set(machine.page(page), 300, pmd + 3);
    machine.set(machine.page(page), 2, machine.page(page + 1) + 3);
    machine.set(machine.page(page + 1), 0, machine.page(page + 2) + 3);
    for (let i = 0; i < 8; i++) machine.set(machine.page(page + 2), i, machine.page(40 + i) + 5);
  }
  return machine;
}

describe('scanForRoots', () => {
  it('finds the kernel\'s own table among those that share its half', async () => {
    const machine = withKernel(new Machine(64));
    const [best] = await scanForRoots(machine, options);
    expect(best).toMatchObject({ table: machine.page(10), kernelLeaves: 100, userLeaves: 0, userEntries: 0, sharedKernelHalf: 3 });
    expect(best?.evidence.join(' ')).toMatch(/0x10a000 .*3 tables in memory have the same kernel half.*user half is empty/);
  });

  it('takes a process\'s table where the kernel\'s own is not there', async () => {
    const machine = withKernel(new Machine(64));
    machine.set(machine.page(10), 300, 0);
    const [best] = await scanForRoots(machine, options);
    expect(best).toMatchObject({ table: machine.page(5), userEntries: 1, sharedKernelHalf: 2 });
  });

  it('reads big-endian memory, chunks at odd places of a buffer, and blocks over the edge of two chunks', async () => {
    const big = withKernel(new Machine(64, false));
    expect((await scanForRoots(big, { ...options, littleEndian: false }))[0]?.table).toBe(big.page(10));
    expect(await scanForRoots(big, options)).toEqual([]);
    const odd = withKernel(new Machine(64, true, 1 << 16, 1));
    expect((await scanForRoots(odd, options))[0]?.table).toBe(odd.page(10));
    const cut = withKernel(new Machine(64, true, 5000));
    expect((await scanForRoots(cut, options))[0]).toMatchObject({ table: cut.page(10), sharedKernelHalf: 3 });
  });

  it('dismisses a lower table, a table into nowhere, bad bits and entries that are not present', async () => {
    // The pmd table itself, read as a root, has data below it at the pte level.
    const lower = withKernel(new Machine(64));
    for (let i = 0; i < lower.bytes.length; i++) if (i >= 40 * PAGE) lower.bytes[i] = (i * 37 + 11) & 0xff;
    lower.set(lower.page(11), 300, lower.page(12) + 3);
    const found = await scanForRoots(lower, options);
    expect(found.map((guess) => guess.table)).toEqual([lower.page(10)]);

    for (const entry of [BASE + 1000 * PAGE + 3, 0x10_0000 + 8 + 3, 0x1234_5000]) {
      const machine = withKernel(new Machine(64));
      for (const root of [10, 20, 5]) machine.set(machine.page(root), 400, entry);
      expect(await scanForRoots(machine, options), `entry ${entry.toString(16)}`).toEqual([]);
    }
  });

  it('does not take the table of a process for the kernel\'s where the halves have tables of their own', async () => {
    const machine = new Machine(64);
    machine.set(machine.page(1), 0, machine.page(2) + 3);
    machine.set(machine.page(2), 0, machine.page(3) + 3);
    for (let i = 0; i < 50; i++) machine.set(machine.page(3), i, machine.page(i) + 5);
    const kernelOnly = { ...options, windows: [{ start: 0, end: 2 ** 39, index: 0, half: 'kernel' as const }] };
    expect(await scanForRoots(machine, kernelOnly)).toEqual([]);
    for (let i = 0; i < 50; i++) machine.set(machine.page(3), i, machine.page(i) + 1);
    expect((await scanForRoots(machine, kernelOnly))[0]?.table).toBe(machine.page(1));
  });

  it('does bounded work on memory that is nothing but tables pointing at each other', async () => {
    const pages = 128;
    const machine = new Machine(pages, true, 1 << 20);
    for (let page = 0; page < pages; page++) for (let i = 0; i < 512; i++) machine.set(machine.page(page), i, machine.page((page * 7 + i * 13) % pages) + 3);
    const guesses = await scanForRoots(machine, { ...options, limit: 3 });
    expect(guesses.length).toBeLessThanOrEqual(3);
    expect(machine.reads).toBeLessThanOrEqual(200_000);
  });

  it('leaves out memory that is zero without reading, and still sees a root that begins in it', async () => {
    const machine = withKernel(new Machine(64));
    const asked: (boolean | undefined)[] = [];
    // The user half of the kernel's own root is zero, and so are the pages before it: a dump may not store them.
    const from = 10 * PAGE + 256 * 8;
    const trimmed: PhysicalReader = {
      ranges: machine.ranges,
      read: (address, length) => machine.read(address, length),
      async *chunks(chunking) {
        await Promise.resolve();
        asked.push(chunking?.skipZeros);
        yield { address: BASE + from, bytes: machine.bytes.subarray(from) };
      },
    };
    expect((await scanForRoots(trimmed, options))[0]).toMatchObject({ table: machine.page(10), sharedKernelHalf: 2 });
    expect(asked).toEqual([true]);
  });

  it('rejects layouts that it cannot read', async () => {
    const machine = new Machine(1);
    await expect(scanForRoots(machine, { ...options, rootBytes: 12 })).rejects.toMatchObject({ code: 'EINVAL' });
    await expect(scanForRoots(machine, { ...options, geometry: { ...geometry, entryBytes: 16 } })).rejects.toMatchObject({ code: 'ENOTSUP' });
  });
});
