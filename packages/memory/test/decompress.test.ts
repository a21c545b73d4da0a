import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { zlibSync } from 'fflate';
import { snappyCompress } from 'hysnappy';
import { loadDecompressor, type Compression } from '../src/decompress.js';
import { lzo1xDecompress } from '../src/lzo.js';
import { lzoCompress, texturedPage } from './synthetic.js';
import { LZO1X_1, LZO1X_999, ZSTD } from './vectors.js';

const PAGE = texturedPage(7);
const STREAMS: readonly [Compression, Uint8Array][] = [
  ['lzo', Buffer.from(LZO1X_1, 'base64')],
  ['lzo', Buffer.from(LZO1X_999, 'base64')],
  ['lzo', lzoCompress(PAGE)],
  ['zstd', Buffer.from(ZSTD, 'base64')],
  ['zlib', zlibSync(PAGE)],
  ['snappy', snappyCompress(PAGE)],
];

describe.each(STREAMS)('%s', (compression, stream) => {
  test('gives the page, and only a page of the right size', async () => {
    const decompress = await loadDecompressor(compression);
    const page = new Uint8Array(4096);
    expect(decompress(stream, page)).toBe(true);
    expect(page).toEqual(PAGE);
    expect(decompress(stream, new Uint8Array(4095))).toBe(false);
    expect(decompress(stream, new Uint8Array(4097))).toBe(false);
    expect(decompress(stream.subarray(0, -1), page)).toBe(false);
    expect(decompress(new Uint8Array(0), page)).toBe(false);
  });

  test('comes to an end whatever is in the stream, and works again afterwards', async () => {
    const decompress = await loadDecompressor(compression);
    const page = new Uint8Array(4096);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(stream.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }), (changes) => {
        const damaged = Uint8Array.from(stream);
        for (const [at, value] of changes) damaged[at] = value;
        expect([true, false]).toContain(decompress(damaged, page));
      }),
      { numRuns: 300 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        expect([true, false]).toContain(decompress(noise, page));
      }),
      { numRuns: 300 },
    );
    expect(decompress(stream, page)).toBe(true);
    expect(page).toEqual(PAGE);
  });
});

test('LZO of anything comes back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3000, max: 3 }), (bytes) => {
      const output = new Uint8Array(bytes.length);
      expect(lzo1xDecompress(lzoCompress(bytes), output)).toBe(bytes.length);
      expect(output).toEqual(bytes);
    }),
  );
});
