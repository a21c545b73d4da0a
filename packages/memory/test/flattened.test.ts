import { describe, expect, test } from 'vitest';
import { bytesSource, openMemory } from '../src/index.js';
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
