import { describe, expect, test } from 'vitest';
import { bytesSource, findNote, openMemory, vmcoreinfoText } from '../src/index.js';
import { expectFailure, expectMemory } from './model.js';
import { elfImage, sparseSource, texturedPage, vmcoreinfoNote, type Abi, type Block } from './synthetic.js';

const ABIS: readonly Abi[] = [
  { bits: 64, littleEndian: true },
  { bits: 64, littleEndian: false },
  { bits: 32, littleEndian: true },
  { bits: 32, littleEndian: false },
];
const LE64: Abi = { bits: 64, littleEndian: true };
const BLOCKS: readonly Block[] = [
  { address: 0x10_0000, bytes: texturedPage(1, 12288) },
  { address: 0x1000, bytes: texturedPage(2) },
  { address: 0x10_3000, bytes: texturedPage(3, 100) },
  { address: 0x20_0000, bytes: texturedPage(4, 20000) },
];

describe.each(ABIS)('ELF core, $bits-bit, little-endian $littleEndian', (abi) => {
  test('answers as the segments say', async () => {
    const memory = await openMemory(bytesSource(elfImage(BLOCKS, abi)));
    expect(memory.format).toBe(`ELF core, ${abi.bits}-bit ${abi.littleEndian ? 'little' : 'big'}-endian`);
    expect(memory.machine).toMatchObject({ elfMachine: 62, bits: abi.bits, littleEndian: abi.littleEndian });
    await expectMemory(memory, { present: BLOCKS });
  });

  test('counts program headers in section 0 when e_phnum says so', async () => {
    const memory = await openMemory(bytesSource(elfImage(BLOCKS, abi, { extendedNumbering: true })));
    await expectMemory(memory, { present: BLOCKS });
  });

  test('reads notes', async () => {
    const cpu = { name: 'CORE', type: 1, desc: texturedPage(9, 336) };
    const odd = { name: 'ab', type: 7, desc: Uint8Array.of(1, 2, 3) };
    for (const noteAlign of [4, 8] as const) {
      const memory = await openMemory(bytesSource(elfImage(BLOCKS, abi, { notes: [cpu, odd, vmcoreinfoNote(), cpu], noteAlign })));
      expect(memory.notes.map(({ name, type, desc }) => [name, type, desc.length])).toEqual([
        ['CORE', 1, 336],
        ['ab', 7, 3],
        ['VMCOREINFO', 0, vmcoreinfoNote().desc.length],
        ['CORE', 1, 336],
      ]);
      expect(findNote(memory, 'ab', 7)?.desc).toEqual(odd.desc);
      expect(vmcoreinfoText(memory)).toContain('OSRELEASE=');
      expect(memory.machine).toMatchObject({ release: '6.12.0-synthetic', pageSize: 4096 });
    }
  });
});

test('bytes beyond p_filesz are zeros, or absent on request', async () => {
  const image = elfImage([BLOCKS[0] ?? { address: 0, bytes: new Uint8Array() }], LE64, { beyond: 8192 });
  const stored = BLOCKS.slice(0, 1);
  await expectMemory(await openMemory(bytesSource(image)), { present: [...stored, { address: 0x10_3000, bytes: new Uint8Array(8192) }] });
  const strict = await openMemory(bytesSource(image), { beyondFileSize: 'absent' });
  await expectMemory(strict, { present: stored, absent: [{ start: 0x10_3000, end: 0x10_5000 }] });
});

test('a segment of p_filesz 0 is zeros', async () => {
  const memory = await openMemory(bytesSource(elfImage([{ address: 0x4000, bytes: new Uint8Array(0) }], LE64, { beyond: 4096 })));
  await expectMemory(memory, { present: [{ address: 0x4000, bytes: new Uint8Array(4096) }] });
  const chunks = [];
  for await (const chunk of memory.chunks({ skipZeros: true })) chunks.push(chunk.address);
  expect(chunks).toEqual([]);
});

test('what a truncated file lacks is absent', async () => {
  const image = elfImage(BLOCKS, LE64);
  const memory = await openMemory(bytesSource(image.subarray(0, image.length - 15000)));
  const present = [...BLOCKS.slice(0, 3), { address: 0x20_0000, bytes: texturedPage(4, 20000).subarray(0, 5000) }];
  await expectMemory(memory, { present, absent: [{ start: 0x20_0000 + 5000, end: 0x20_0000 + 20000 }] });
  expect(memory.facts.find(([label]) => label === 'truncated')?.[1]).toContain('15000 bytes');
});

test('where segments overlap the first one counts', async () => {
  const blocks = [
    { address: 0x3000, bytes: texturedPage(1, 4096) },
    { address: 0x1000, bytes: texturedPage(2, 20000) },
    { address: 0x3800, bytes: texturedPage(3, 4096) },
    { address: 0x0, bytes: texturedPage(4, 65536) },
  ];
  const memory = await openMemory(bytesSource(elfImage(blocks, LE64)));
  await expectMemory(memory, { present: blocks });
  expect(memory.facts.map(([label]) => label)).toContain('overlap');
});

test('an address beyond 2^53 is exact', async () => {
  const address = 2 ** 55 + 0x1000;
  const bytes = texturedPage(5);
  const memory = await openMemory(bytesSource(elfImage([{ address, bytes }], LE64)));
  expect(await memory.read(address, 4096)).toEqual(bytes);
  expect(await memory.read(address - 4096, 4096)).toBeUndefined();
});

test('makedumpfile marks an incomplete file in e_flags', async () => {
  const memory = await openMemory(bytesSource(elfImage(BLOCKS, LE64, { flags: 1 })));
  expect(memory.facts.map(([label]) => label)).toContain('incomplete');
});

test('a gigantic sparse file costs only what is read', async () => {
  const head = elfImage([{ address: 0, bytes: new Uint8Array(0) }], LE64, { beyond: 2 ** 36 });
  // p_filesz of the only PT_LOAD: 64 bytes of file header, one program header of 56 bytes, then 32 into the second.
  new DataView(head.buffer).setBigUint64(64 + 56 + 32, 2n ** 36n, true);
  const page = texturedPage(6);
  const source = sparseSource([{ offset: 0, bytes: head }, { offset: head.length + 2 ** 35, bytes: page }], head.length + 2 ** 36);
  const memory = await openMemory(source);
  expect(memory.ranges).toEqual([{ start: 0, end: 2 ** 36, state: 'present' }]);
  expect(await memory.read(2 ** 35, 4096)).toEqual(page);
  expect(source.bytesRead).toBeLessThan(200_000);

  source.reads = source.bytesRead = 0;
  const count = 4096;
  const addresses = Float64Array.from({ length: count }, (_, i) => ((i * 769) % count) * 8192);
  await memory.readBlocks(addresses, 4096, new Uint8Array(count * 4096), new Uint8Array(count));
  expect(source.reads).toBeLessThan(20);
});

describe('refuses', () => {
  test.each([
    [1, 'relocatable'],
    [2, 'executable'],
    [3, 'position-independent'],
    [0xfe00, '65024'],
  ])('ELF of type %i', async (type, word) => {
    const error = await expectFailure(openMemory(bytesSource(elfImage(BLOCKS, LE64, { type }))), 'ENOTSUP');
    expect(error.message).toContain(word);
    expect(error.hint).toContain('vmlinux');
  });

  test.each([0n, 0xffff_ffff_ffff_ffffn])('segments that all have p_paddr %i', async (paddr) => {
    const notes = [{ name: 'CORE', type: 3, desc: new Uint8Array(136) }];
    const error = await expectFailure(openMemory(bytesSource(elfImage(BLOCKS, LE64, { paddr, notes }))), 'ENOTSUP');
    expect(error.hint).toContain('process');
  });

  test('a core without memory', async () => {
    await expectFailure(openMemory(bytesSource(elfImage([], LE64))), 'EBADMSG');
  });

  test('more in the file than in memory, and runs past 2^56', async () => {
    const image = elfImage(BLOCKS, LE64);
    new DataView(image.buffer).setBigUint64(64 + 56 + 40, 1n, true);
    await expectFailure(openMemory(bytesSource(image)), 'EBADMSG');
    new DataView(image.buffer).setBigUint64(64 + 56 + 40, 2n ** 52n, true);
    new DataView(image.buffer).setBigUint64(64 + 56 + 24, 2n ** 56n - 4096n, true);
    await expectFailure(openMemory(bytesSource(image)), 'EBADMSG');
  });

  test('program headers past the end of the file, before allocating for them', async () => {
    const image = elfImage(BLOCKS, LE64, { extendedNumbering: true });
    new DataView(image.buffer).setUint32(64 + 5 * 56 + 44, 0xffff_ffff, true);
    await expectFailure(openMemory(bytesSource(image)), 'EBADMSG');
    await expectFailure(openMemory(sparseSource([{ offset: 0, bytes: image }], 2 ** 40)), 'ENOMEM');
  });
});

test('segments without a physical address are left out when others have one', async () => {
  const image = elfImage(BLOCKS, LE64);
  new DataView(image.buffer).setBigUint64(64 + 56 + 24, 0xffff_ffff_ffff_ffffn, true);
  const memory = await openMemory(bytesSource(image));
  await expectMemory(memory, { present: BLOCKS.slice(1) });
  expect(memory.facts.map(([label]) => label)).toContain('left out');
});

test('damaged notes are a fact, not a failure', async () => {
  const image = elfImage(BLOCKS, LE64, { notes: [vmcoreinfoNote()] });
  new DataView(image.buffer).setUint32(64 + 5 * 56 + 4, 0x7fff_ffff, true);
  const memory = await openMemory(bytesSource(image));
  expect(memory.notes).toEqual([]);
  expect(memory.facts.map(([label]) => label)).toContain('damaged notes');
});
