import { describe, expect, test } from 'vitest';
import { blobSource, bytesSource, openMemory, parsePlacement } from '../src/index.js';
import { expectFailure, expectMemory } from './model.js';
import { elfImage, flatten, kdumpImage, limeImage, texturedPage } from './synthetic.js';

const BLOCKS = [
  { address: 0x1000, bytes: texturedPage(1, 0x2000) },
  { address: 0x10_0000, bytes: texturedPage(2, 0x1234) },
];

describe.each([true, false])('LiME, little-endian %s', (littleEndian) => {
  test('answers as the ranges say', async () => {
    const memory = await openMemory(bytesSource(limeImage(BLOCKS, littleEndian)));
    expect(memory.format).toMatch(/^LiME, version 1/);
    expect(memory.machine).toBeUndefined();
    await expectMemory(memory, { present: BLOCKS });
  });

  test('what a truncated file lacks is absent', async () => {
    const memory = await openMemory(bytesSource(limeImage(BLOCKS, littleEndian).subarray(0, -0x234)));
    const [first, second] = BLOCKS;
    const present = [first, { address: 0x10_0000, bytes: second?.bytes.subarray(0, 0x1000) }] as typeof BLOCKS;
    await expectMemory(memory, { present, absent: [{ start: 0x10_1000, end: 0x10_1234 }] });
    expect(memory.facts.map(([label]) => label)).toContain('truncated');
  });
});

test('LiME headers that lie are refused', async () => {
  const change = (at: number, value: bigint): Uint8Array => {
    const image = limeImage(BLOCKS);
    new DataView(image.buffer).setBigUint64(at, value, true);
    return image;
  };
  await expectFailure(openMemory(bytesSource(change(16, 0xfffn))), 'EBADMSG');
  await expectFailure(openMemory(bytesSource(change(16, 2n ** 64n - 1n))), 'EBADMSG');
  await expectFailure(openMemory(bytesSource(change(8, 2n ** 63n))), 'EBADMSG');
  await expectFailure(openMemory(bytesSource(change(32 + 0x2000, 1n))), 'EBADMSG');
  const version = limeImage(BLOCKS);
  version[4] = 2;
  await expectFailure(openMemory(bytesSource(version)), 'ENOTSUP');
});

describe('raw files', () => {
  const placed = BLOCKS.map(({ address, bytes }, i) => ({ address, source: bytesSource(bytes, `part${i}`) }));

  test('make one memory', async () => {
    await expectMemory(await openMemory(placed), { present: BLOCKS });
    await expectMemory(await openMemory([...placed].reverse()), { present: BLOCKS });
  });

  test('may touch but not overlap', async () => {
    const third = { address: 0x3000, source: bytesSource(texturedPage(3), 'third') };
    await expectMemory(await openMemory([...placed, third]), { present: [...BLOCKS, { address: 0x3000, bytes: texturedPage(3) }] });
    const error = await expectFailure(openMemory([...placed, { ...third, address: 0x2fff }]), 'EINVAL');
    expect(error.message).toContain('part0 and third overlap at 0x2fff');
    await expectFailure(openMemory([]), 'EINVAL');
    await expectFailure(openMemory([{ ...third, address: 2 ** 56 - 4096 + 8 }]), 'EBADMSG');
  });

  test.each([
    ['an ELF core', elfImage(BLOCKS, { bits: 64, littleEndian: true })],
    ['an ELF core', elfImage(BLOCKS, { bits: 32, littleEndian: false })],
    ['a kdump-compressed dump', kdumpImage(BLOCKS, { bits: 64, littleEndian: true })],
    ['a LiME dump', limeImage(BLOCKS)],
    ['a flattened dump', flatten(elfImage(BLOCKS, { bits: 64, littleEndian: true }))],
  ])('may not be %s, which says itself where its memory belongs', async (name, bytes) => {
    const error = await expectFailure(openMemory([...placed, { address: 0x4000_0000, source: bytesSource(bytes, 'vmcore') }]), 'EINVAL');
    expect(error.message).toContain(`vmcore is ${name}`);
    expect(error.message).toContain('0x40000000');
    expect(error.hint).toContain('without @ADDRESS');
  });

  test('may not be compressed, but may begin with a program or with a compressed file', async () => {
    const gzip = texturedPage(6);
    gzip.set([0x1f, 0x8b, 8]);
    expect((await expectFailure(openMemory([{ address: 0, source: bytesSource(gzip.subarray(0, 4001), 'ram.gz') }]), 'ENOTSUP')).hint).toContain('gzip -d');
    // Whole pages may be memory in which such a file lies.
    await expectMemory(await openMemory([{ address: 0, source: bytesSource(gzip) }]), { present: [{ address: 0, bytes: gzip }] });
    const program = elfImage(BLOCKS, { bits: 64, littleEndian: true });
    program[16] = 2;
    await expectMemory(await openMemory([{ address: 0, source: bytesSource(program) }]), { present: [{ address: 0, bytes: program }] });
  });

  test('FILE@ADDRESS', () => {
    expect(parsePlacement('a@b.bin@0x40000000')).toEqual({ path: 'a@b.bin', address: 0x4000_0000 });
    expect(parsePlacement('ram@80000000')).toEqual({ path: 'ram', address: 0x8000_0000 });
    expect(parsePlacement('ram@C0DE')).toEqual({ path: 'ram', address: 0xc0de });
    expect(parsePlacement('vmcore')).toBeUndefined();
    expect(parsePlacement('user@host')).toBeUndefined();
    expect(() => parsePlacement('ram@100000000000000')).toThrow('not a physical address');
  });
});

test('a Blob is read in parts', async () => {
  const blob = new Blob([Uint8Array.from(limeImage(BLOCKS))]);
  const memory = await openMemory(blobSource(blob, 'dump.lime'));
  await expectMemory(memory, { present: BLOCKS });
  await expectFailure(blobSource(blob).read(blob.size - 1, 2), 'EBADMSG');
  await expectFailure(blobSource({ size: 10, slice: () => ({ arrayBuffer: () => Promise.reject(new Error('gone')) }) }).read(0, 1), 'EIO');
});

describe('known formats that are not supported say what to do', () => {
  const at = (offset: number, text: string): Uint8Array => {
    const bytes = new Uint8Array(70000);
    for (let i = 0; i < text.length; i++) bytes[offset + i] = text.charCodeAt(i);
    return bytes;
  };
  test.each([
    ['zstd', at(0, '\x28\xb5\x2f\xfd'), 'zstd -d'],
    ['gzip', at(0, '\x1f\x8b\x08'), 'gzip -d'],
    ['xz', at(0, '\xfd7zXZ\x00'), 'xz -d'],
    ['bzip2', at(0, 'BZh9'), 'bzip2 -d'],
    ['lz4', at(0, '\x04\x22\x4d\x18'), 'lz4 -d'],
    ['AVML', at(0, 'AVML\x02\x00\x00\x00'), 'avml-convert'],
    ['savevm', at(0, 'QEVM\x00\x00\x00\x03'), 'dump-guest-memory'],
    ['libvirt', at(0, 'LibvirtQemudSave'), '--memory-only'],
    ['VMware', at(0, '\xd2\xbe\xd2\xbe'), 'vmss2core'],
    ['64-bit Windows', at(0, 'PAGEDU64'), 'Linux'],
    ['Windows', at(0, 'PAGEDUMP'), 'Linux'],
    ['LKCD', at(0, '\xed\x23\x8f\x61\x73\x01\x19\xa8'), 'makedumpfile'],
    ['s390', at(0, '\xa8\x19\x01\x73\x61\x8f\x23\xfd'), 'zgetdump'],
    ['sadump', at(0, 'sadump\x00\x00'), 'makedumpfile'],
    ['Hyper-V', at(0, '\x14\x20\x28\x01'), 'kdump'],
    ['hibernation', at(4086, 'S1SUSPEND'), 'resume'],
    ['hibernation', at(65526, 'S1SUSPEND'), 'resume'],
    ['swap', at(4086, 'SWAPSPACE2'), 'not memory'],
  ])('%s', async (word, bytes, hint) => {
    const error = await expectFailure(openMemory(bytesSource(bytes, 'dump')), 'ENOTSUP');
    expect(error.message).toContain(word);
    expect(error.hint).toContain(hint);
  });

  test('anything else may be raw memory', async () => {
    for (const size of [1, 3, 8, 4096, 70000]) {
      const error = await expectFailure(openMemory(bytesSource(new Uint8Array(size), 'memory.bin')), 'ENOTSUP');
      expect(error.hint).toContain('FILE@ADDRESS');
    }
    expect((await expectFailure(openMemory(bytesSource(new Uint8Array(9), 'a.vmem')), 'ENOTSUP')).hint).toContain('4 GiB');
    await expectFailure(openMemory(bytesSource(new Uint8Array(0))), 'EBADMSG');
  });
});

test('bad requests are refused', async () => {
  const memory = await openMemory(bytesSource(limeImage(BLOCKS)));
  const target = new Uint8Array(16);
  const states = new Uint8Array(2);
  await expectFailure(memory.readBlocks([0, 1], 9, target, states), 'EINVAL');
  await expectFailure(memory.readBlocks([0, 1, 2], 4, target, states), 'EINVAL');
  await expectFailure(memory.readBlocks([0], 0, target, states), 'EINVAL');
  await expectFailure(memory.readBlocks([-1], 1, target, states), 'EINVAL');
  await expectFailure(memory.readBlocks([NaN], 1, target, states), 'EINVAL');
  await expectFailure(memory.readBlocks([0.5], 1, target, states), 'EINVAL');
  await expectFailure(memory.read(0, 2 ** 40), 'EINVAL');
  expect(await memory.read(0x1000, 2 ** 31)).toBeUndefined();
  expect(memory.stateOf(-1)).toBe('none');
  expect(memory.stateOf(NaN)).toBe('none');
  expect(memory.stateOf(2 ** 60)).toBe('none');
  await expectFailure(memory.chunks({ chunkSize: 5000 })[Symbol.asyncIterator]().next(), 'EINVAL');
  await expectFailure(memory.chunks({ start: 2, end: 1 })[Symbol.asyncIterator]().next(), 'EINVAL');
});

test('chunks keep to the range that is asked for', async () => {
  const memory = await openMemory(bytesSource(limeImage(BLOCKS)));
  const seen: [number, number][] = [];
  for await (const { address, bytes } of memory.chunks({ start: 0x1800, end: 0x10_0010, chunkSize: 4096 })) seen.push([address, bytes.length]);
  expect(seen).toEqual([
    [0x1800, 0x800],
    [0x2000, 0x1000],
    [0x10_0000, 0x10],
  ]);
});
