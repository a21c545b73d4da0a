import { zlibSync } from 'fflate';
import { describe, expect, test } from 'vitest';
import { bytesSource, findNote, openMemory, vmcoreinfoText, type PhysicalMemory } from '../src/index.js';
import { expectBlocks, expectFailure, expectMemory } from './model.js';
import { concat, kdumpImage, sparseSource, texturedPage, vmcoreinfoNote, type Abi, type Block, type KdumpCompression, type KdumpOptions } from './synthetic.js';
import { ZSTD } from './vectors.js';

const LE64: Abi = { bits: 64, littleEndian: true };
const ABIS: readonly Abi[] = [LE64, { bits: 64, littleEndian: false }, { bits: 32, littleEndian: true }, { bits: 32, littleEndian: false }];

/** A page of a few long runs, which every compression makes shorter. */
function plainPage(seed: number): Uint8Array {
  return concat([new Uint8Array(1000).fill(seed), new Uint8Array(3000).fill(seed + 1), new Uint8Array(96).fill(seed + 2)]);
}

const BLOCKS: readonly Block[] = [
  { address: 0x3000, bytes: concat([texturedPage(1), plainPage(3), new Uint8Array(4096)]) },
  { address: 0x8_0000, bytes: concat([new Uint8Array(4096), texturedPage(2), plainPage(90)]) },
  { address: 700 * 4096, bytes: texturedPage(4, 8 * 4096) },
];
const EXCLUDED = [1, 2, 6, 7, 0x83, 699, 1500];
const MODEL = { present: BLOCKS, absent: EXCLUDED.map((pfn) => ({ start: pfn * 4096, end: (pfn + 1) * 4096 })) };

function open(abi: Abi, options: KdumpOptions = {}, blocks = BLOCKS): Promise<PhysicalMemory> {
  return openMemory(bytesSource(kdumpImage(blocks, abi, { excluded: EXCLUDED, ...options })));
}

describe.each(ABIS)('kdump, $bits-bit, little-endian $littleEndian', (abi) => {
  test.each([3, 4, 5, 6] as const)('header version %i', async (version) => {
    const memory = await open(abi, { version, compression: 'zlib' });
    expect(memory.format).toBe(`kdump-compressed, header version ${version}, ${abi.bits}-bit ${abi.littleEndian ? 'little' : 'big'}-endian`);
    expect(memory.machine).toMatchObject({ bits: abi.bits, littleEndian: abi.littleEndian, release: '6.12.0-synthetic', nodename: 'host', pageSize: 4096 });
    expect(vmcoreinfoText(memory)).toContain('OSRELEASE=');
    await expectMemory(memory, MODEL);
  });

  test.each(['none', 'zlib', 'lzo', 'snappy', 'zstd'] satisfies KdumpCompression[])('compression %s', async (compression) => {
    await expectMemory(await open(abi, { compression }), MODEL);
  });
});

test('64-bit fields of 32-bit arm are aligned to 8', async () => {
  const notes = [vmcoreinfoNote(), { name: 'CORE', type: 1, desc: texturedPage(3, 148) }];
  const memory = await open({ bits: 32, littleEndian: true }, { align32: 8, notes });
  expect(findNote(memory, 'CORE')?.desc).toEqual(texturedPage(3, 148));
  await expectMemory(memory, MODEL);
});

test('pages of 64 KiB, the other signature, and VMCOREINFO without notes', async () => {
  const blocks = [{ address: 0x10_0000, bytes: texturedPage(1, 0x20000) }];
  const memory = await open(LE64, { blockSize: 65536, signature: 'DISKDUMP', excluded: [3], notes: [], compression: 'lzo' }, blocks);
  expect(memory.notes.map(({ name }) => name)).toEqual(['VMCOREINFO']);
  await expectMemory(memory, { present: blocks, absent: [{ start: 0x3_0000, end: 0x4_0000 }] });
});

test('with a single bitmap every other page counts as left out', async () => {
  const memory = await open(LE64, { singleBitmap: true, excluded: [] }, BLOCKS.slice(0, 1));
  expect(memory.ranges).toEqual([
    { start: 0, end: 0x3000, state: 'absent' },
    { start: 0x3000, end: 0x6000, state: 'present' },
  ]);
});

test('a real zstd stream', async () => {
  const block = { address: 0x5000, bytes: texturedPage(7) };
  const data = Buffer.from(ZSTD, 'base64');
  await expectMemory(await open(LE64, { excluded: [], encode: () => ({ data, flags: 0x20 }) }, [block]), { present: [block] });
});

test('many pages in any order, with zero pages that share one stored page', async () => {
  const blocks = Array.from({ length: 600 }, (_, i) => ({ address: i * 3 * 4096, bytes: i % 4 === 0 ? new Uint8Array(4096) : i % 4 === 1 ? plainPage(i & 63) : texturedPage(i) }));
  const memory = await open(LE64, { compression: 'zlib', excluded: [] }, blocks);
  const addresses = Array.from({ length: 1800 }, (_, i) => ((i * 7919) % 1800) * 4096);
  await expectBlocks(memory, { present: blocks }, addresses, 4096);
});

describe('a file that is too short', () => {
  test('lacks the data of its last pages', async () => {
    const image = kdumpImage(BLOCKS, LE64, { excluded: EXCLUDED });
    const memory = await openMemory(bytesSource(image.subarray(0, image.length - 3 * 4096)));
    // The bitmaps still say that the pages were dumped; reading finds that they are not there.
    const lost = { start: 705 * 4096, end: 708 * 4096 };
    const present = [...BLOCKS.slice(0, 2), { address: 700 * 4096, bytes: texturedPage(4, 8 * 4096).subarray(0, 5 * 4096) }];
    await expectBlocks(memory, { present, absent: [lost, ...MODEL.absent] }, [700, 704, 705, 707, 708].map((pfn) => pfn * 4096), 4096);
    await expectBlocks(memory, { present, absent: [lost, ...MODEL.absent] }, [704 * 4096 + 100, 0x3001], 4096);
    let bytes = 0;
    for await (const chunk of memory.chunks()) bytes += chunk.bytes.length;
    expect(bytes).toBe(11 * 4096);
  });

  test('lacks descriptors', async () => {
    const image = kdumpImage(BLOCKS, LE64, { excluded: EXCLUDED });
    const memory = await openMemory(bytesSource(image.subarray(0, 4 * 4096 + 10 * 24 + 5)));
    expect(memory.facts.map(([label]) => label)).toContain('truncated');
    expect(memory.stateOf(703 * 4096)).toBe('present');
    expect(memory.stateOf(704 * 4096)).toBe('absent');
    expect(memory.ranges.at(-3)).toEqual({ start: 700 * 4096, end: 704 * 4096, state: 'present' });
    expect(memory.ranges.at(-2)).toEqual({ start: 704 * 4096, end: 708 * 4096, state: 'absent' });
    expect(await memory.read(704 * 4096, 4096)).toBeUndefined();
  });

  test('is marked incomplete, and has descriptors that were never filled in', async () => {
    const image = kdumpImage(BLOCKS, LE64, { excluded: EXCLUDED, status: 8 });
    image.fill(0, 4 * 4096 + 5 * 24, 4 * 4096 + 6 * 24);
    const memory = await openMemory(bytesSource(image));
    expect(memory.facts.map(([label]) => label)).toContain('incomplete');
    expect(await memory.read(0x8_2000, 4096)).toBeUndefined();
    expect(await memory.read(0x8_1000, 4096)).toEqual(texturedPage(2));
  });
});

describe('refuses', () => {
  test('split dumps and other header versions', async () => {
    const error = await expectFailure(open(LE64, { split: true }), 'ENOTSUP');
    expect(error.hint).toContain('--reassemble');
    for (const version of [1, 2, 7]) await expectFailure(open(LE64, { version: version as 6 }), 'ENOTSUP');
  });

  test.each([
    ['zlib that gives too much', { data: zlibSync(new Uint8Array(4097)), flags: 1 }],
    ['zlib that is noise', { data: texturedPage(1, 64), flags: 1 }],
    ['lzo that is noise', { data: texturedPage(1, 64), flags: 2 }],
    ['snappy that promises 4 GiB', { data: Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f, 0, 1), flags: 4 }],
    ['snappy that gives less', { data: Uint8Array.of(0x80, 0x20, 0, 1), flags: 4 }],
    ['zstd of 1 GiB of zeros', { data: Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0x40, 0x02, 0, 0x10, 0, 0x03, 0, 0x10, 0), flags: 32 }],
    ['zstd that is noise', { data: texturedPage(1, 64), flags: 32 }],
    ['flags that do not exist', { data: texturedPage(1, 64), flags: 0x40 }],
    ['a stored page that is short', { data: texturedPage(1, 64), flags: 0 }],
    ['a compressed page longer than a page', { data: texturedPage(1, 4097), flags: 1 }],
    ['a page of no bytes', { data: new Uint8Array(0), flags: 1 }],
  ])('%s', async (_, encoded) => {
    const memory = await open(LE64, { excluded: [], encode: (_page, pfn) => (pfn === 4 ? encoded : undefined) });
    const error = await expectFailure(memory.read(0x4000, 8), 'EBADMSG');
    expect(error.address).toBe(0x4000n);
    expect(await memory.read(0x3000, 4096)).toEqual(texturedPage(1));

    // Where damage is told, the page is absent, and all else is there.
    const told: (bigint | undefined)[] = [];
    const image = kdumpImage(BLOCKS, LE64, { excluded: EXCLUDED, encode: (_page, pfn) => (pfn === 4 ? encoded : undefined) });
    const other = await openMemory(bytesSource(image), { onDamage: ({ address }) => told.push(address) });
    expect([await other.read(0x4000, 8), told]).toEqual([undefined, [0x4000n]]);
    const [first, ...rest] = BLOCKS;
    const present = [{ address: 0x3000, bytes: first!.bytes.subarray(0, 4096) }, { address: 0x5000, bytes: first!.bytes.subarray(8192) }, ...rest];
    await expectBlocks(other, { present, absent: [{ start: 0x4000, end: 0x5000 }, ...MODEL.absent] }, [0x3000, 0x4000, 0x5000, 0x8_0000, 700 * 4096], 4096);
    let bytes = 0;
    for await (const chunk of other.chunks()) bytes += chunk.bytes.length;
    expect(bytes).toBe(13 * 4096);
  });

  test('a stream that is sound but for its checksum', async () => {
    const image = kdumpImage(BLOCKS, LE64, { excluded: EXCLUDED, compression: 'zlib' });
    image[image.length - 1] = (image.at(-1) ?? 0) ^ 1;
    const memory = await openMemory(bytesSource(image));
    await expectFailure(memory.read(707 * 4096, 4096), 'EBADMSG');
  });

  test('bitmaps that are too short, lie past the end, or are larger than the limit', async () => {
    const image = kdumpImage(BLOCKS, LE64, { version: 5, excluded: EXCLUDED });
    const view = new DataView(image.buffer);
    view.setUint32(440, 0xffff_fff0, true);
    await expectFailure(openMemory(bytesSource(image)), 'EBADMSG');
    view.setUint32(436, 0x7fff_ffff, true);
    await expectFailure(openMemory(bytesSource(image)), 'EBADMSG');
    const huge = sparseSource([{ offset: 0, bytes: image }], 2 ** 45);
    await expectFailure(openMemory(huge), 'ENOMEM');
    expect(huge.bytesRead).toBeLessThan(100_000);
  });
});

test('more ranges than the limit fail on their own', async () => {
  const blocks = Array.from({ length: 40 }, (_, i) => ({ address: i * 8192, bytes: texturedPage(i) }));
  const memory = await openMemory(bytesSource(kdumpImage(blocks, LE64)), { limits: { maxSegments: 10 } });
  expect(() => memory.ranges).toThrow('more than 10 ranges');
  expect(await memory.read(8192, 4096)).toEqual(texturedPage(1));
});
