/// <reference types="node" />
/** Files in Node. */
import { constants } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { PgtableError, type ErrorCode } from '@pgtable/core/errors';
import { openMemory } from './detect.js';
import type { OpenOptions, PhysicalMemory } from './memory.js';
import { parsePlacement } from './raw.js';
import { checkRead, type ByteSource } from './source.js';

/** What the system's error codes are called here, and what would help. */
const SYSTEM_ERRORS: Readonly<Record<string, { code: ErrorCode; says: string; hint: string }>> = {
  ENOENT: { code: 'ENOENT', says: 'there is no such file', hint: 'Check the path.' },
  ENOTDIR: { code: 'ENOENT', says: 'a part of the path is not a directory', hint: 'Check the path.' },
  EACCES: { code: 'EIO', says: 'reading it is not permitted', hint: 'Dumps often belong to root; change its owner or mode, or run as its owner.' },
  EPERM: { code: 'EIO', says: 'reading it is not permitted', hint: 'Dumps often belong to root; change its owner or mode, or run as its owner.' },
  EMFILE: { code: 'EIO', says: 'too many files are open', hint: 'Raise the limit (ulimit -n).' },
};

/**
 * Opens a file for reading at random. Nothing of it is held in memory.
 *
 * @throws PgtableError `ENOENT` if there is no such file, `ENOTSUP` for a directory, a device or a pipe, `EBADMSG` if it is
 * empty, `EIO` if it cannot be opened
 */
export async function openFile(path: string): Promise<ByteSource> {
  let handle: FileHandle | undefined;
  try {
    // A pipe would block the open itself, so look first. O_NONBLOCK covers one that takes the file's place meanwhile.
    refuseSpecial(path, await stat(path));
    handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK || 0));
    const stats = await handle.stat();
    refuseSpecial(path, stats);
    return fileSource(path, handle, stats.size);
  } catch (error) {
    await handle?.close();
    throw toPgtableError(error, `${path} cannot be opened`);
  }
}

/**
 * Opens what a command line names: one dump, or raw files as FILE@ADDRESS (hexadecimal). A file whose whole name has
 * that form is opened as a dump.
 *
 * @throws PgtableError like {@link openFile} and {@link openMemory}; `EINVAL` if dumps and raw files are mixed,
 * or what stands after the @ is no address
 */
export async function openMemoryFiles(args: readonly string[], options: OpenOptions = {}): Promise<PhysicalMemory> {
  const inputs = await Promise.all(
    args.map(async (path) => {
      if (await exists(path)) return { path, address: undefined };
      const placed = parsePlacement(path);
      if (placed !== undefined) return placed;
      const [, file, address] = /^(.+)@([^@/]*)$/s.exec(path) ?? [];
      if (file !== undefined && (await exists(file))) {
        throw new PgtableError('EINVAL', `${path}: ${JSON.stringify(address)} is not a physical address`, { hint: 'FILE@ADDRESS takes hexadecimal digits, with or without 0x, and nothing else.' });
      }
      return { path, address: undefined };
    }),
  );
  const [first] = inputs;
  if (first === undefined) throw new PgtableError('EINVAL', 'no file was given', { hint: 'Give a dump, or FILE@ADDRESS for raw memory.' });
  const unplaced = inputs.find(({ address }) => address === undefined);
  if (inputs.length > 1 && unplaced !== undefined) {
    throw new PgtableError('EINVAL', `${unplaced.path}: only raw files can be put together, each as FILE@ADDRESS`, {
      hint: 'Give one dump, or raw files that all have an address.',
    });
  }
  const sources: ByteSource[] = [];
  try {
    for (const { path } of inputs) sources.push(await openFile(path));
    const [only] = sources;
    if (only !== undefined && unplaced !== undefined) return await openMemory(only, options);
    return await openMemory(
      sources.map((source, index) => ({ source, address: inputs[index]?.address ?? 0 })),
      options,
    );
  } catch (error) {
    await Promise.all(sources.map((source) => source.close()));
    throw error;
  }
}

function fileSource(path: string, handle: FileHandle, size: number): ByteSource {
  const source = { name: path, size };
  const readInto = async (offset: number, target: Uint8Array): Promise<void> => {
    checkRead(source, offset, target.length);
    let done = 0;
    while (done < target.length) {
      let bytesRead: number;
      try {
        ({ bytesRead } = await handle.read(target, done, target.length - done, offset + done));
      } catch (error) {
        throw toPgtableError(error, `${path}: reading ${target.length} bytes at offset ${offset} failed`);
      }
      if (bytesRead === 0) {
        throw new PgtableError('EIO', `${path}: the file ended at ${offset + done}, ${size} bytes were there when it was opened`, {
          hint: 'Something shortens the file while it is being read; read a copy.',
        });
      }
      done += bytesRead;
    }
  };
  let closing: Promise<void> | undefined;
  return {
    ...source,
    readInto,
    async read(offset, length) {
      checkRead(source, offset, length);
      const bytes = new Uint8Array(length);
      await readInto(offset, bytes);
      return bytes;
    },
    close: () => (closing ??= handle.close()),
  };
}

interface FileKind {
  readonly size: number;
  isFile(): boolean;
  isDirectory(): boolean;
  isBlockDevice(): boolean;
  isCharacterDevice(): boolean;
}

function refuseSpecial(path: string, stats: FileKind): void {
  if (stats.isDirectory()) {
    throw new PgtableError('ENOTSUP', `${path} is a directory, not a dump`, { hint: 'Name the file in it, such as vmcore.' });
  }
  if (stats.isBlockDevice() || stats.isCharacterDevice()) {
    throw new PgtableError('ENOTSUP', `${path} is a device, not a file`, { hint: 'Copy what it holds to a file first, for instance with dd.' });
  }
  if (!stats.isFile()) {
    throw new PgtableError('ENOTSUP', `${path} is a pipe or socket; a dump is read at random`, { hint: 'Write it to a file first.' });
  }
  if (stats.size === 0) {
    throw new PgtableError('EBADMSG', `${path} is empty`, { hint: 'The dump was not written, perhaps for lack of space; make it again.' });
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}

/** A system error in the words of this package; a {@link PgtableError} stays as it is. */
function toPgtableError(error: unknown, what: string): PgtableError {
  if (error instanceof PgtableError) return error;
  const { code, message } = error as { code?: unknown; message?: unknown };
  const known = typeof code === 'string' ? SYSTEM_ERRORS[code] : undefined;
  if (known !== undefined) return new PgtableError(known.code, `${what}: ${known.says}`, { hint: known.hint, cause: error });
  return new PgtableError('EIO', `${what}: ${typeof message === 'string' ? message : String(error)}`, { cause: error });
}
