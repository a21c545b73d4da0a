import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bytesSource, elfCore, elfCoreChunks, openMemory, type ElfSegment } from '../src/index.js';
import { expectMemory } from './model.js';
import { texturedPage } from './synthetic.js';

const MACHINES = [
  { elfMachine: 62, bits: 64, littleEndian: true },
  { elfMachine: 22, bits: 64, littleEndian: false },
  { elfMachine: 3, bits: 32, littleEndian: true },
] as const;

test.each(MACHINES)('what is written is read again: %o', async (machine) => {
  const notes = [
    { name: 'VMCOREINFO', type: 0, desc: texturedPage(3, 101) },
    { name: 'CORE', type: 1, desc: texturedPage(4, 336) },
  ];
  const segments = [
    { address: 0x9000, bytes: texturedPage(1) },
    { address: 0x3000, bytes: texturedPage(2) },
    { address: 0xa000, bytes: new Uint8Array(8192) },
    { address: 0x4000, bytes: new Uint8Array(4096) },
    { address: 0x5000, bytes: texturedPage(5) },
    { address: 0x2_0000, bytes: new Uint8Array(4096) },
  ];
  const dump = elfCore({ machine, segments, notes });
  expect(dump.length).toBeLessThan(5 * 4096);
  const memory = await openMemory(bytesSource(dump));
  expect(memory.machine).toMatchObject(machine);
  expect(memory.notes).toEqual(notes);
  expect(memory.ranges.length).toBe(3);
  await expectMemory(memory, { present: segments });
});

test('more than 65534 segments', async () => {
  const segments = Array.from({ length: 66000 }, (_, i) => ({ address: i * 64, bytes: Uint8Array.of(i & 0xff, i >> 8, 1) }));
  const memory = await openMemory(bytesSource(elfCore({ machine: MACHINES[0], segments })));
  expect(memory.ranges.length).toBe(66000);
  expect(await memory.read(65999 * 64, 3)).toEqual(Uint8Array.of(65999 & 0xff, 65999 >> 8, 1));
});

test('any set of segments survives', async () => {
  const anySegments = fc
    .array(fc.record({ gap: fc.nat(3), bytes: fc.uint8Array({ minLength: 1, maxLength: 6, max: 2 }) }), { minLength: 1, maxLength: 20 })
    .map((items) => {
      let address = 0x1000;
      return items.map(({ gap, bytes }): ElfSegment => {
        const segment = { address: address + gap, bytes };
        address = segment.address + bytes.length;
        return segment;
      });
    });
  await fc.assert(
    fc.asyncProperty(anySegments, fc.constantFrom(...MACHINES), async (segments, machine) => {
      const memory = await openMemory(bytesSource(elfCore({ machine, segments: [...segments].reverse() })));
      for (const { address, bytes } of segments) expect(await memory.read(address, bytes.length)).toEqual(bytes);
    }),
    { numRuns: 200 },
  );
});

test('chunks borrow the segments, and bad segments are refused', () => {
  const bytes = texturedPage(1);
  const [, data] = [...elfCoreChunks({ machine: MACHINES[0], segments: [{ address: 0, bytes }] })];
  expect(data?.buffer).toBe(bytes.buffer);
  const write = (segments: ElfSegment[], bits: 32 | 64 = 64) => () => elfCore({ machine: { ...MACHINES[0], bits }, segments });
  expect(write([])).toThrow('no memory');
  expect(write([{ address: 0, bytes }, { address: 4095, bytes }])).toThrow('overlap at 0xfff');
  expect(write([{ address: 2 ** 32 - 1, bytes }], 32)).toThrow('32-bit address space');
  expect(write([{ address: -1, bytes }])).toThrow('address space');
});
