/** The four compressions of kdump pages behind one function type. Every one fills exactly the page, or fails. */
import { unzlibSync } from 'fflate';
import { PgtableError } from '@pgtable/core/errors';
import { lzo1xDecompress } from './lzo.js';

/** How a page is stored, apart from as it is. */
export type Compression = 'zlib' | 'lzo' | 'snappy' | 'zstd';

/**
 * Decompresses `input` into `page`, and returns whether it was sound and gave exactly `page.length` bytes. Never writes
 * or allocates more than a small multiple of `page.length`, whatever the input says.
 */
export type Decompressor = (input: Uint8Array, page: Uint8Array) => boolean;

/**
 * The decompressor for one kind. Those in WebAssembly are loaded when first asked for.
 *
 * @throws PgtableError `ENOTSUP` if it cannot be loaded here
 */
export async function loadDecompressor(compression: Compression): Promise<Decompressor> {
  try {
    switch (compression) {
      case 'zlib':
        return zlib();
      case 'lzo':
        return (input, page) => lzo1xDecompress(input, page) === page.length;
      case 'snappy':
        return await snappy();
      case 'zstd':
        return await zstd();
    }
  } catch (cause) {
    throw new PgtableError('ENOTSUP', `the ${compression} decompressor cannot be loaded`, {
      cause,
      hint: 'It is a WebAssembly module; a content security policy must allow wasm-unsafe-eval and data: URLs.',
    });
  }
}

function zlib(): Decompressor {
  // One byte more than a page, so that a stream that gives too much is seen. fflate drops what does not fit.
  let out = new Uint8Array(0);
  return (input, page) => {
    if (out.length !== page.length + 1) out = new Uint8Array(page.length + 1);
    let result: Uint8Array;
    try {
      result = unzlibSync(input, { out });
    } catch {
      return false;
    }
    if (result.length !== page.length || adler32(result) !== bigEndian32(input, input.length - 4)) return false;
    page.set(result);
    return true;
  };
}

/** The checksum at the end of a zlib stream (RFC 1950, chapter 8.2); fflate does not look at it. */
function adler32(bytes: Uint8Array): number {
  let a = 1;
  let b = 0;
  // 3800 additions stay below 2^31 without a division.
  for (let i = 0; i < bytes.length; ) {
    const stop = Math.min(i + 3800, bytes.length);
    for (; i < stop; i++) b += a += bytes[i] ?? 0;
    a %= 65521;
    b %= 65521;
  }
  return b * 65536 + a;
}

function bigEndian32(bytes: Uint8Array, at: number): number {
  return (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0;
}

async function snappy(): Promise<Decompressor> {
  const { snappyUncompressor } = await import('hysnappy');
  const uncompress = snappyUncompressor();
  return (input, page) => {
    // The module has room for what it is told, so a header that says otherwise is refused before it runs.
    if (snappyLength(input) !== page.length) return false;
    try {
      page.set(uncompress(input, page.length));
      return true;
    } catch {
      return false;
    }
  };
}

/** The length at the start of a snappy block: seven bits a byte, least first. -1 if it has no end. */
function snappyLength(input: Uint8Array): number {
  let length = 0;
  for (let i = 0; i < Math.min(5, input.length); i++) {
    const byte = input[i] ?? 0;
    length += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return length;
  }
  return -1;
}

async function zstd(): Promise<Decompressor> {
  const { ZSTDDecoder } = await import('zstddec');
  const decoder = new ZSTDDecoder();
  await decoder.init();
  return (input, page) => {
    // The decoder is told the size of the output and returns an empty array for an error.
    const result = decoder.decode(input, page.length);
    if (result.length !== page.length) return false;
    page.set(result);
    return true;
  };
}
