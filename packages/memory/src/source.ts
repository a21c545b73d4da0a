/**
 * The bytes of one file, read at random. The same interface serves a file in Node, a `Blob` in the browser, an array,
 * and a container inside another file (see flattened.ts).
 */
import { PgtableError } from '@pgtable/core/errors';

/** Read-only random access to a fixed number of bytes. Reads may overlap in time. */
export interface ByteSource {
  /** What people know it by: a path, a file name. Appears in error messages. */
  readonly name: string;
  /** Bytes in the source, an integer below 2^53. */
  readonly size: number;
  /**
   * The `length` bytes at byte `offset`, in an array that the caller may keep and change.
   *
   * @throws PgtableError `EBADMSG` if the range does not lie inside the source, `EIO` if reading failed.
   */
  read(offset: number, length: number): Promise<Uint8Array>;
  /**
   * Fills all of `target` with the bytes that start at byte `offset`.
   *
   * @throws PgtableError like {@link ByteSource.read}; `target` may then be partly written.
   */
  readInto(offset: number, target: Uint8Array): Promise<void>;
  /**
   * Whether some of `length` bytes at byte `offset` are lost, so that reading them throws: the source is what is left of a file. A source without this
   * method has all of its bytes.
   */
  isLost?(offset: number, length: number): boolean;
  /** Gives the file back. Later reads fail. Closing twice does no harm. */
  close(): Promise<void>;
}

/** The part of a `Blob` that is used here, so that no DOM types are needed. `File` and Node's `Blob` fit. */
export interface BlobLike {
  readonly size: number;
  slice(start: number, end: number): { arrayBuffer(): Promise<ArrayBuffer> };
}

/**
 * Refuses a read that does not lie inside its source.
 *
 * @throws PgtableError `EBADMSG`
 */
export function checkRead(source: { readonly name: string; readonly size: number }, offset: number, length: number): void {
  if (offset >= 0 && length >= 0 && offset + length <= source.size && Number.isSafeInteger(offset) && Number.isSafeInteger(length)) return;
  throw new PgtableError('EBADMSG', `${source.name}: ${length} bytes at offset ${offset} lie past its end (${source.size} bytes)`, {
    hint: 'The file is truncated or its headers are damaged; copy it again and compare the sizes.',
  });
}

/** A source over bytes that are already in memory. They are not copied: do not change them afterwards. */
export function bytesSource(bytes: Uint8Array, name = 'bytes'): ByteSource {
  const source = { name, size: bytes.length };
  return {
    ...source,
    read(offset, length) {
      return settle(() => {
        checkRead(source, offset, length);
        return bytes.slice(offset, offset + length);
      });
    },
    readInto(offset, target) {
      return settle(() => {
        checkRead(source, offset, target.length);
        target.set(bytes.subarray(offset, offset + target.length));
      });
    },
    close: () => Promise.resolve(),
  };
}

/** A source over a `Blob` or `File`, of any size: only what is read is fetched from it. */
export function blobSource(blob: BlobLike, name = nameOfBlob(blob)): ByteSource {
  const source = { name, size: blob.size };
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    checkRead(source, offset, length);
    let buffer: ArrayBuffer;
    try {
      buffer = await blob.slice(offset, offset + length).arrayBuffer();
    } catch (cause) {
      throw new PgtableError('EIO', `${name}: reading ${length} bytes at offset ${offset} failed`, {
        cause,
        hint: 'The file may have changed or moved since it was chosen; choose it again.',
      });
    }
    if (buffer.byteLength !== length) {
      throw new PgtableError('EIO', `${name}: ${buffer.byteLength} of ${length} bytes at offset ${offset} could be read`);
    }
    return new Uint8Array(buffer);
  };
  return {
    ...source,
    read,
    async readInto(offset, target) {
      target.set(await read(offset, target.length));
    },
    close: () => Promise.resolve(),
  };
}

function nameOfBlob(blob: BlobLike): string {
  const { name } = blob as { name?: unknown };
  return typeof name === 'string' && name !== '' ? name : 'blob';
}

/** The result of `work` as a promise, a thrown error as a rejection. */
function settle<T>(work: () => T): Promise<T> {
  try {
    return Promise.resolve(work());
  } catch (error) {
    return Promise.reject(error instanceof Error ? error : new Error(String(error)));
  }
}
