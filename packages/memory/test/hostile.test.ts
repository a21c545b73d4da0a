/** Dumps with damaged headers: every one opens and reads, or fails with a PgtableError, soon and in little memory. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isPgtableError } from '@pgtable/core/errors';
import { openMemory } from '../src/index.js';
import { withoutOverlaps, type Extent } from '../src/extents.js';
import { PageBitmap } from '../src/page-bitmap.js';
import { elfImage, flatten, kdumpImage, limeImage, sparseSource, texturedPage, vmcoreinfoNote, type Abi } from './synthetic.js';

const BLOCKS = [
  { address: 0x1000, bytes: texturedPage(1, 8192) },
  { address: 0x8000, bytes: texturedPage(2, 8192) },
];
const BE32: Abi = { bits: 32, littleEndian: false };
const LE64: Abi = { bits: 64, littleEndian: true };
const notes = [vmcoreinfoNote()];
/** Images, and the byte ranges where their headers are. */
const IMAGES: Readonly<Record<string, { image: Uint8Array; headers: readonly [number, number][] }>> = {
  'ELF 64': { image: elfImage(BLOCKS, LE64, { notes, extendedNumbering: true }), headers: [[0, 320]] },
  'ELF 32 big-endian': { image: elfImage(BLOCKS, BE32, { notes }), headers: [[0, 200]] },
  'kdump 64': { image: kdumpImage(BLOCKS, LE64, { compression: 'zlib' }), headers: [[8, 12], [420, 460], [4096, 4096 + 104], [16384, 16384 + 96]] },
  'kdump 32 big-endian': { image: kdumpImage(BLOCKS, BE32, { compression: 'lzo' }), headers: [[8, 12], [408, 448], [4096, 4096 + 80], [16384, 16384 + 96]] },
  flattened: { image: flatten(elfImage(BLOCKS, LE64), { recordSize: 4000 }), headers: [[16, 32], [4096, 4112], [8112, 8128], [12128, 12144]] },
  LiME: { image: limeImage(BLOCKS), headers: [[4, 32], [32 + 8192, 64 + 8192]] },
};

const EXTREMES = [0, 1, 0x7f, 0x80, 0xff];

describe.each(Object.entries(IMAGES))('%s', (_, { image, headers }) => {
  const places = headers.flatMap(([from, to]) => Array.from({ length: to - from }, (_unused, i) => from + i));
  const anyByte = fc.oneof(fc.constantFrom(...EXTREMES), fc.nat(255));
  const anyDamage = fc.record({
    bytes: fc.array(fc.tuple(fc.constantFrom(...places), anyByte), { maxLength: 6 }),
    // Whole fields of ones or of a large value are what random bytes seldom make.
    fields: fc.array(fc.tuple(fc.constantFrom(...places), fc.constantFrom(2, 4, 8), anyByte), { maxLength: 2 }),
    size: fc.oneof(fc.constant(image.length), fc.nat(image.length), fc.constantFrom(2 ** 33, 2 ** 45, 2 ** 53 - 1)),
  });

  test('damaged headers', async () => {
    await fc.assert(
      fc.asyncProperty(anyDamage, async ({ bytes, fields, size }) => {
        const damaged = image.slice(0, size);
        for (const [at, value] of bytes) if (at < damaged.length) damaged[at] = value;
        for (const [at, width, value] of fields) damaged.fill(value, at, at + width);
        const source = sparseSource([{ offset: 0, bytes: damaged }], size);
        try {
          const memory = await openMemory(source, { limits: { maxBitmapBytes: 2 ** 20, maxNoteBytes: 2 ** 20, maxSegments: 2 ** 12, maxRecords: 2 ** 12 } });
          const states = new Uint8Array(4);
          await memory.readBlocks([0x1000, 0x8ff0, 0, 2 ** 55], 4096, new Uint8Array(4 * 4096), states);
          for (const address of [0, 0x1000, 2 ** 40]) memory.stateOf(address);
          expect(Array.isArray(memory.ranges)).toBe(true);
          let chunks = 0;
          for await (const chunk of memory.chunks()) {
            expect(chunk.bytes.length).toBeGreaterThan(0);
            if (++chunks === 3) break;
          }
        } catch (error) {
          if (!isPgtableError(error)) throw error;
        }
        expect(source.bytesRead).toBeLessThan(64 * 2 ** 20);
      }),
      { numRuns: 300 },
    );
  });
});

test('overlapping extents: the first one wins, as counted byte by byte', () => {
  const anyExtent = fc.record({ start: fc.nat(60), size: fc.integer({ min: 1, max: 30 }), kind: fc.constantFrom('file', 'zero', 'absent') });
  fc.assert(
    fc.property(fc.array(anyExtent, { maxLength: 12 }), (items) => {
      const extents = items.map(({ start, size, kind }, i): Extent => ({ start, end: start + size, kind, source: i, offset: kind === 'file' ? i * 1000 : 0 }));
      const result = withoutOverlaps(extents);
      const where = (list: readonly Extent[], address: number): string => {
        const found = list.find(({ start, end }) => address >= start && address < end);
        return found === undefined ? 'none' : `${found.kind} ${found.source} ${found.kind === 'file' ? found.offset + address - found.start : 0}`;
      };
      for (let address = 0; address < 100; address++) expect(where(result, address)).toBe(where(extents, address));
      for (const [i, extent] of result.entries()) expect(extent.start).toBeGreaterThanOrEqual(result[i - 1]?.end ?? 0);
    }),
    { numRuns: 500 },
  );
});

test('the rank of a bitmap, as counted bit by bit', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.nat(7), (bytes, cut) => {
      const size = bytes.length * 8 - cut;
      const bits = Array.from({ length: size }, (_, i) => ((bytes[i >> 3] ?? 0) >> (i & 7)) & 1);
      const bitmap = new PageBitmap(bytes.slice(), size);
      let rank = 0;
      for (let i = 0; i < size; i++) {
        expect(bitmap.rank(i)).toBe(rank);
        expect(bitmap.has(i)).toBe(bits[i] === 1);
        rank += bits[i] ?? 0;
      }
      expect(bitmap.count).toBe(rank);
      for (const i of [0, 1, size >> 1, size - 1]) {
        const [set, clear] = [bits.indexOf(1, i), bits.indexOf(0, i)];
        expect(bitmap.next(i)).toBe(set < 0 ? size : set);
        expect(bitmap.nextClear(i)).toBe(clear < 0 ? size : clear);
      }
    }),
  );
});
