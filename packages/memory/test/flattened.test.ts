import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BLOCK_PRESENT, bytesSource, openMemory } from '../src/index.js';
import { openFlattened } from '../src/flattened.js';
import { expectFailure, expectMemory } from './model.js';
import { concat, elfImage, Fields, flatten, kdumpImage, sparseSource, texturedPage, type Abi } from './synthetic.js';

const LE64: Abi = { bits: 64, littleEndian: true };
const BLOCKS = [
  { address: 0x1000, bytes: texturedPage(1, 8192) },
  { address: 0x8000, bytes: texturedPage(2, 4096) },
];
const ELF = elfImage(BLOCKS, LE64);

const backwards = (numbers: number[]): number[] => numbers.reverse();

describe('a flattened stream', () => {
  test.each([
    ['in order', {}],
    ['backwards', { shuffle: backwards }],
    ['with places written twice', { overwrite: true }],
    ['backwards with places written twice', { shuffle: backwards, overwrite: true }],
    ['in one record', { recordSize: 1_000_000 }],
    ['in tiny records', { recordSize: 13 }],
  ])('%s is the file inside it', async (_, options) => {
    const inner = await openFlattened(bytesSource(flatten(ELF, options)));
    expect(inner.complete).toBe(true);
    expect(Buffer.compare(await inner.read(0, inner.size), ELF)).toBe(0);
    expect(Buffer.compare(await inner.read(999, 1002), ELF.subarray(999, 2001))).toBe(0);
  });

  test('holds ELF and kdump', async () => {
    const elf = await openMemory(bytesSource(flatten(ELF)));
    expect(elf.format).toBe('ELF core, 64-bit little-endian, flattened');
    await expectMemory(elf, { present: BLOCKS });
    const kdump = await openMemory(bytesSource(flatten(kdumpImage(BLOCKS, { bits: 64, littleEndian: false }, { compression: 'zlib' }))));
    expect(kdump.format).toContain('big-endian, flattened');
    await expectMemory(kdump, { present: BLOCKS });
  });

  test('reads holes as zeros', async () => {
    const record = (offset: number, bytes: Uint8Array): Uint8Array => concat([new Fields(16, false).u64(offset).u64(bytes.length).bytes, bytes]);
    const header = flatten(new Uint8Array(0), { endMark: false });
    const end = new Uint8Array(16).fill(0xff);
    const inner = await openFlattened(bytesSource(concat([header, record(10, Uint8Array.of(1, 2)), record(20, Uint8Array.of(3)), end])));
    expect(inner.size).toBe(21);
    expect([...(await inner.read(8, 13))]).toEqual([0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 3]);
    await expectFailure(inner.read(20, 2), 'EBADMSG');
  });

  test('that was cut short lacks its end, and does not make zeros of what it lost', async () => {
    const memory = await openMemory(bytesSource(flatten(ELF).subarray(0, -5000)));
    expect(memory.facts.filter(([label]) => label === 'truncated').length).toBe(2);
    expect(await memory.read(0x1000, 4096)).toEqual(BLOCKS[0]?.bytes.subarray(0, 4096));
    expect(await memory.read(0x8000, 4096)).toBeUndefined();
    expect(memory.stateOf(0x8fff)).toBe('absent');

    const backwardsCut = await openFlattened(bytesSource(flatten(ELF, { shuffle: backwards, endMark: false }).subarray(0, -3000)));
    expect(backwardsCut.complete).toBe(false);
    await expectFailure(backwardsCut.read(0, 64), 'EBADMSG');
    expect([backwardsCut.isLost?.(0, 64), backwardsCut.isLost?.(backwardsCut.size - 64, 64)]).toEqual([true, false]);
  });
});

describe('a kdump in a stream that was cut short', () => {
  const pages = Array.from({ length: 40 }, (_, at) => ({ address: 0x10000 + at * 4096, bytes: texturedPage(at, 4096) }));
  /** Bytes of the image that hold its headers and bitmaps, and some descriptors. */
  const HEADERS = 16384;
  const image = kdumpImage(pages, { bits: 64, littleEndian: false }, { compression: 'zlib' });

  /** How many pages are read. Fails where a page is read that is not what it was. */
  const readable = async (stream: Uint8Array): Promise<number> => {
    const memory = await openMemory(bytesSource(stream));
    const target = new Uint8Array(pages.length * 4096);
    const states = new Uint8Array(pages.length);
    await memory.readBlocks(pages.map(({ address }) => address), 4096, target, states);
    pages.forEach(({ bytes }, at) => {
      const read = target.subarray(at * 4096, (at + 1) * 4096);
      expect(Buffer.compare(read, states[at] === BLOCK_PRESENT ? bytes : new Uint8Array(4096))).toBe(0);
    });
    return states.filter((state) => state === BLOCK_PRESENT).length;
  };

  test('has the pages that came before, though descriptors and pages are written in turns', async () => {
    // Headers and bitmaps, and then from the last descriptor on in steps that leave gaps everywhere.
    const stream = flatten(image, { recordSize: 128, shuffle: (numbers) => [...numbers.filter((at) => at * 128 < HEADERS || at % 2 === 0), ...numbers.filter((at) => at * 128 >= HEADERS && at % 2 === 1)] });
    expect(await readable(stream)).toBe(pages.length);
    const counts = [0.95, 0.9, 0.85].map((part) => readable(stream.subarray(0, Math.floor(stream.length * part))));
    expect((await Promise.all(counts)).every((count) => count > 0 && count < pages.length)).toBe(true);
  });

  test('has no page that is not what it was, wherever it was cut, in whatever order it was written', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 2 ** 31 }), fc.double({ min: 0.4, max: 1, noNaN: true }), fc.constantFrom(128, 1000, 5000), async (seed, part, recordSize) => {
        const place = (at: number): number => (at * recordSize < HEADERS ? -1 : (at * seed) % 65537);
        const scattered = (numbers: number[]): number[] => [...numbers].sort((a, b) => place(a) - place(b) || a - b);
        const stream = flatten(image, { recordSize, shuffle: scattered });
        expect(await readable(stream.subarray(0, Math.floor(stream.length * part)))).toBeLessThanOrEqual(pages.length);
      }),
    );
  });
});

test('refuses unknown versions, offsets and sizes that lie, and too many records', async () => {
  const image = flatten(ELF);
  const change = (at: number, value: bigint): Uint8Array => {
    const copy = image.slice();
    new DataView(copy.buffer).setBigInt64(at, value);
    return copy;
  };
  await expectFailure(openMemory(bytesSource(change(24, 2n))), 'ENOTSUP');
  await expectFailure(openMemory(bytesSource(change(4096, -2n))), 'EBADMSG');
  await expectFailure(openMemory(bytesSource(change(4104, -2n))), 'EBADMSG');
  await expectFailure(openMemory(bytesSource(change(4096, 2n ** 53n - 1n))), 'EBADMSG');
  await expectFailure(openMemory(bytesSource(image), { limits: { maxRecords: 3 } }), 'ENOMEM');
});

test('a record of many GiB is skipped, not read', async () => {
  const record = new Fields(16, false).u64(0).u64(2 ** 40).bytes;
  const source = sparseSource([{ offset: 0, bytes: concat([flatten(new Uint8Array(0), { endMark: false }), record]) }, { offset: 4112 + 2 ** 40, bytes: new Uint8Array(16).fill(0xff) }], 4128 + 2 ** 40);
  const inner = await openFlattened(source);
  expect(inner.size).toBe(2 ** 40);
  expect(source.bytesRead).toBeLessThan(2_000_000);
});
