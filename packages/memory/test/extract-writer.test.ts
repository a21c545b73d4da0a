import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bytesSource, elfCore, openMemory, packPages } from '../src/index.js';
import { texturedPage } from './synthetic.js';

const MACHINE = { elfMachine: 22, bits: 64, littleEndian: false } as const;

/** Pages as tables are: long runs of one word, zeros, and parts where every entry differs. */
const anyPage = fc.array(fc.record({ word: fc.constantFrom(0n, 0n, 0x400n, 0x20n, 0x1234_5678_9abc_def0n), words: fc.integer({ min: 1, max: 300 }) }), { minLength: 1, maxLength: 8 }).map((runs) => {
  const page = new Uint8Array(4096);
  const view = new DataView(page.buffer);
  let at = 0;
  for (const { word, words } of runs) for (let i = 0; i < words && at < 512; i++) view.setBigUint64(8 * at++, word + (words % 7 === 0 ? BigInt(i) << 12n : 0n));
  return page;
});

test('compact dumps hold the same bytes in the same places', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.record({ page: anyPage, gap: fc.nat(2) }), { minLength: 1, maxLength: 12 }), async (items) => {
      let address = 0x10000;
      const segments = items.map(({ page, gap }) => {
        address += 4096 * (1 + gap);
        return { address, bytes: page };
      });
      const compact = elfCore({ machine: MACHINE, segments, compact: true });
      const memory = await openMemory(bytesSource(compact));
      for (const { address: at, bytes } of segments) expect(Buffer.compare((await memory.read(at, 4096)) ?? Buffer.alloc(0), bytes)).toBe(0);
      expect(memory.ranges.reduce((sum, { start, end }) => sum + end - start, 0)).toBe(segments.length * 4096);
    }),
    { numRuns: 150 },
  );
});

test('a table of one repeated entry costs next to nothing', () => {
  const table = new Uint8Array(16384);
  const view = new DataView(table.buffer);
  for (let at = 0; at < table.length; at += 8) view.setBigUint64(at, 0x24n);
  const segments = Array.from({ length: 50 }, (_, at) => ({ address: at * 0x10000, bytes: table }));
  expect(elfCore({ machine: MACHINE, segments, compact: true }).length).toBeLessThan(16384 + 50 * 56 + 200);
});

test('packed pages are memory like any other', async () => {
  const pages = [1, 2, 3].map((seed) => ({ address: seed * 0x8000, bytes: texturedPage(seed) }));
  const dump = elfCore({ machine: MACHINE, segments: [{ address: 0x1000, bytes: texturedPage(9) }], notes: [packPages(pages)] });
  const memory = await openMemory(bytesSource(dump));
  for (const { address, bytes } of pages) expect(await memory.read(address, 4096)).toEqual(bytes);
  expect(await memory.read(0x1000, 4096)).toEqual(texturedPage(9));
  expect(memory.stateOf(0x2000)).toBe('none');
});

test.each([
  ['a count that lies', (desc: Uint8Array): void => { new DataView(desc.buffer, desc.byteOffset).setUint32(0, 0xffff_ffff, true); }],
  ['a page size that lies', (desc: Uint8Array): void => { new DataView(desc.buffer, desc.byteOffset).setUint32(4, 0x7fff_ffff, true); }],
  ['a damaged stream', (desc: Uint8Array): void => void desc.fill(0xff, 40)],
  ['an address that is none', (desc: Uint8Array): void => void desc.fill(0xff, 8, 16)],
])('packed pages with %s are refused', async (_what, damage) => {
  const note = packPages([{ address: 0x8000, bytes: texturedPage(1) }]);
  damage(note.desc);
  const dump = elfCore({ machine: MACHINE, segments: [{ address: 0x1000, bytes: texturedPage(9) }], notes: [note] });
  await expect(openMemory(bytesSource(dump))).rejects.toMatchObject({ code: 'EBADMSG' });
});
