import { afterEach, describe, expect, it } from 'vitest';
import { addUser, copyFromUser, copyToUser, fork, getUserPagesFast, mmap, mprotect, munmap, putPages, readUser, setCurrentThread, writeUser } from '../src/index.js';
import { boot, exit, map, NAMES, quiet, READ, shape, WRITE } from './faults-machine.js';

/* Addresses for which numbers have no room: those of words above 2^53. Numbers of pages are exact everywhere. */

afterEach(() => {
  setCurrentThread(undefined);
});

/** Configurations with processes that have such addresses. */
const HIGH = NAMES.filter((name) => shape(name).root('user', 0x4000_0000).windows.some(({ half, end }) => half === 'user' && end > 2 ** 53));

it('there are some on three architectures', () => {
  expect(HIGH).toEqual(expect.arrayContaining(['x86 5-level', 'riscv Sv57', 's390 pgd']));
});

describe.each(HIGH)('%s', (name) => {
  it('words above 2^53 are read and written by bigints, and by no others', () => {
    const kernel = boot(name);
    const mm = kernel.newMm();
    const { pageBytes } = mm;
    const start = mmap(mm, { bytes: 3 * pageBytes, prot: 3 });
    expect(start).toBeGreaterThan(2 ** 53);
    const first = BigInt(start);
    for (let at = 0n; at < 8n; at++) writeUser(mm, first + 4n * at, Number(at) + 1);
    expect(Array.from({ length: 9 }, (_, at) => readUser(mm, first + 4n * BigInt(at)))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 0]);
    expect([addUser(mm, first + 4n, 10), readUser(mm, first + 4n)]).toEqual([2, 12]);
    // Over the end of a page.
    const edge = first + BigInt(pageBytes) - 8n;
    copyToUser(mm, edge, Int32Array.of(21, 22, 23, 24));
    const back = new Int32Array(4);
    copyFromUser(mm, back, edge);
    expect([...back]).toEqual([21, 22, 23, 24]);
    expect(readUser(mm, edge + 12n)).toBe(24);
    const [pfn] = getUserPagesFast(mm, start, 1, true);
    expect(kernel.frames.ram[(pfn! * pageBytes - kernel.frames.base) / 4 + 1]).toBe(12);
    putPages(mm, [pfn!]);
    const child = fork(mm);
    writeUser(mm, first + 8n, 99);
    expect([readUser(child, first + 8n), readUser(mm, first + 8n)]).toEqual([3, 99]);
    exit(child);
    for (const access of [() => readUser(mm, start), () => { writeUser(mm, start, 1); }, () => addUser(mm, start, 1)]) {
      expect(access).toThrow(expect.objectContaining({ code: 'EFAULT', address: first, hint: 'give a bigint: BigInt(page) + 4n' }));
    }
    expect(readUser(mm, first)).toBe(1);
    mprotect(mm, start, pageBytes, 1);
    expect(() => { writeUser(mm, first + 4n, 1); }).toThrow(expect.objectContaining({ signal: 'SIGSEGV', address: first + 4n }));
    munmap(mm, start, 3 * pageBytes);
    expect(() => readUser(mm, first + 12n)).toThrow(expect.objectContaining({ signal: 'SIGSEGV', address: first + 12n }));
    exit(mm);
    quiet(kernel);
  });
});

it('bigints are addresses everywhere; what is none is refused', () => {
  const kernel = boot('x86 4-level');
  const mm = kernel.newMm();
  const vma = map(mm, 1, WRITE);
  writeUser(mm, BigInt(vma.start) + 4n, 7);
  expect([readUser(mm, vma.start + 4), readUser(mm, BigInt(vma.start) + 4n)]).toEqual([7, 7]);
  for (const address of [-4n, 2n, BigInt(vma.start) + 1n, -4, 2, 0.5, Number.NaN, Infinity]) expect(() => readUser(mm, address)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
  // Beyond all that there is.
  for (const address of [1n << 60n, (1n << 64n) - 4n, 1n << 64n, 1n << 70n]) expect(() => readUser(mm, address)).toThrow(expect.objectContaining({ signal: 'SIGSEGV', address }));
  const read = map(mm, 1, READ, { at: 1 });
  expect(() => { writeUser(mm, read.start + 8, 1); }).toThrow(expect.objectContaining({ signal: 'SIGSEGV', address: BigInt(read.start) + 8n }));
  exit(mm);
  quiet(kernel);
});
