import { closeSync, createReadStream, existsSync, mkdirSync, openSync, readFileSync, renameSync, statSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** The part of zstddec that is used here. */
interface ZstdDecoder {
  init(): Promise<void>;
  decodeStreaming(arrays: Iterable<Uint8Array>): Iterable<Uint8Array>;
}

let decoder: Promise<ZstdDecoder> | undefined;

/** The decompressor that `@pgtable/memory` uses for kdump pages; it is that package's dependency, not the workspace's. */
function zstd(): Promise<ZstdDecoder> {
  decoder ??= (async () => {
    const require = createRequire(new URL('../../packages/memory/package.json', import.meta.url));
    const { ZSTDDecoder } = (await import(pathToFileURL(require.resolve('zstddec/stream')).href)) as { ZSTDDecoder: new () => ZstdDecoder };
    const made = new ZSTDDecoder();
    await made.init();
    return made;
  })();
  return decoder;
}

function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 2 ** 20) yield bytes.subarray(at, at + 2 ** 20);
}

/**
 * The path of a file or, if only FILE.zst is there, of a decompressed copy in the system's temporary folder. The copy is
 * kept, and found again by the size and the time of what it was made from.
 *
 * Returns: undefined if there is neither.
 */
export async function unpacked(path: string): Promise<string | undefined> {
  if (existsSync(path)) return path;
  const packed = `${path}.zst`;
  if (!existsSync(packed)) return undefined;
  const { size, mtimeMs } = statSync(packed);
  const cache = join(tmpdir(), 'pgtable-oracle', `${basename(dirname(path))}-${size}-${Math.round(mtimeMs)}`);
  const target = join(cache, basename(path));
  if (existsSync(target)) return target;
  mkdirSync(cache, { recursive: true });
  const partial = `${target}.${process.pid}`;
  const file = openSync(partial, 'w');
  try {
    for (const piece of (await zstd()).decodeStreaming(pieces(readFileSync(packed)))) {
      for (let done = 0; done < piece.length; ) done += writeSync(file, piece, done);
    }
  } finally {
    closeSync(file);
  }
  renameSync(partial, target);
  return target;
}

/** The text of FILE or FILE.zst; undefined if there is neither. */
export async function textOf(path: string): Promise<string | undefined> {
  const found = await unpacked(path);
  if (found === undefined) return undefined;
  const parts: Buffer[] = [];
  for await (const part of createReadStream(found)) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('latin1');
}
