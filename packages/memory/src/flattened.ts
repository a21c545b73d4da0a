/**
 * makedumpfile's flattened format: a dump as a stream of writes, for pipes and ssh (makedumpfile -F; QEMU's and
 * libvirt's kdump formats). After a header of 4096 bytes come records of a big-endian 64-bit offset and size and then
 * that many bytes, which belong at that offset of the real file; an offset of -1 ends the stream. Records may come in
 * any order and overwrite each other: the last one wins. Bytes that no record wrote are zero, as in any file with holes.
 * Source: makedumpfile, IMPLEMENTATION, and makedumpfile.h (`makedumpfile_header`, `makedumpfile_data_header`).
 */
import { PgtableError } from '@pgtable/core/errors';
import { ReadBatch } from './batch.js';
import { withoutOverlaps, type Extent } from './extents.js';
import { readU64, textAt, viewOf } from './fields.js';
import { checkLimit, limitsOf, type MemoryLimits, type OpenOptions } from './memory.js';
import { checkRead, type ByteSource } from './source.js';

const SIGNATURE = 'makedumpfile';
const HEADER_SIZE = 4096;
const RECORD_HEADER_SIZE = 16;
/** The scan for record headers reads this much at once while records are smaller than it. */
const SCAN_WINDOW = 256 * 1024;

/** The file inside a flattened stream. */
export interface FlattenedSource extends ByteSource {
  /** Whether the stream has its end mark. If not, bytes that no record wrote may have been lost. */
  readonly complete: boolean;
  /** Records in the stream. */
  readonly records: number;
}

/** Whether a file that begins with `head` is a flattened dump. */
export function isFlattened(head: Uint8Array): boolean {
  return textAt(head, 0, 16) === SIGNATURE;
}

/**
 * The file that a flattened stream describes, through an index of its records: 24 bytes of memory for each.
 *
 * In a stream that was cut short, reading bytes that no record wrote throws `EBADMSG`: they may have been lost ({@link ByteSource.isLost}).
 *
 * @throws PgtableError `ENOTSUP` for an unknown version, `EBADMSG` for damaged records, `ENOMEM` past a limit
 */
export async function openFlattened(source: ByteSource, options: OpenOptions = {}): Promise<FlattenedSource> {
  const header = viewOf(await source.read(0, Math.min(source.size, 32)));
  const [type, version] = header.byteLength < 32 ? [0n, 0n] : [header.getBigInt64(16), header.getBigInt64(24)];
  if (type !== 1n || version !== 1n) {
    throw new PgtableError('ENOTSUP', `${source.name}: flattened format of type ${type.toString()} and version ${version.toString()} is not known`, {
      hint: 'Turn it into a plain dump with makedumpfile -R.',
    });
  }
  const limits = limitsOf(options);
  const { records, complete } = await scanRecords(source, limits);
  const index = sortedIndex(records, source, limits);
  return flattenedSource(source, index, complete, records.count);
}

/** Three columns of equal length: offset in the real file, its end, and offset in the stream. */
class Records {
  count = 0;
  starts = new Float64Array(1024);
  ends = new Float64Array(1024);
  places = new Float64Array(1024);

  push(start: number, end: number, place: number): void {
    if (this.count === this.starts.length) {
      this.starts = doubled(this.starts);
      this.ends = doubled(this.ends);
      this.places = doubled(this.places);
    }
    this.starts[this.count] = start;
    this.ends[this.count] = end;
    this.places[this.count++] = place;
  }

  start(k: number): number {
    return this.starts[k] ?? 0;
  }

  end(k: number): number {
    return this.ends[k] ?? 0;
  }

  place(k: number): number {
    return this.places[k] ?? 0;
  }
}

function doubled(old: Float64Array): Float64Array<ArrayBuffer> {
  const array = new Float64Array(old.length * 2);
  array.set(old);
  return array;
}

async function scanRecords(source: ByteSource, limits: MemoryLimits): Promise<{ records: Records; complete: boolean }> {
  const records = new Records();
  const window = new Uint8Array(SCAN_WINDOW);
  let view = viewOf(window.subarray(0, 0));
  let windowStart = 0;
  let lastSize = 0;
  let seen = 0;
  let at = HEADER_SIZE;
  for (;;) {
    if (at + RECORD_HEADER_SIZE > source.size) return { records, complete: false };
    if (at < windowStart || at + RECORD_HEADER_SIZE > windowStart + view.byteLength) {
      const size = Math.min(lastSize < SCAN_WINDOW ? SCAN_WINDOW : RECORD_HEADER_SIZE, source.size - at);
      await source.readInto(at, window.subarray(0, size));
      view = viewOf(window.subarray(0, size));
      windowStart = at;
    }
    if (view.getBigInt64(at - windowStart) === -1n) return { records, complete: true };
    const what = `${source.name}: the record at offset ${at}: its`;
    const offset = readU64(view, at - windowStart, false, `${what} offset`);
    const size = readU64(view, at - windowStart + 8, false, `${what} size`);
    if (!Number.isSafeInteger(offset + size)) throw new PgtableError('EBADMSG', `${what} end is beyond what any file can hold`);
    const data = at + RECORD_HEADER_SIZE;
    const stored = Math.min(size, source.size - data);
    // Records of no bytes count too: a file of zeros is full of them.
    checkLimit(limits, 'maxRecords', ++seen, `${source.name}: the number of records`);
    if (stored > 0) records.push(offset, offset + stored, data);
    if (stored < size) return { records, complete: false };
    lastSize = size;
    at = data + size;
  }
}

/** The records sorted by offset, each byte in one of them at most. */
function sortedIndex(records: Records, source: ByteSource, limits: MemoryLimits): Records {
  const order = new Uint32Array(records.count);
  for (let k = 0; k < order.length; k++) order[k] = k;
  const sorted = order.every((k) => k === 0 || records.start(k - 1) <= records.start(k));
  if (!sorted) order.sort((a, b) => records.start(a) - records.start(b) || a - b);

  const index = new Records();
  for (let first = 0; first < order.length; ) {
    // A cluster is a run of records of which each overlaps an earlier one; nearly all have one member.
    let end = records.end(order[first] ?? 0);
    let last = first + 1;
    for (; last < order.length && records.start(order[last] ?? 0) < end; last++) end = Math.max(end, records.end(order[last] ?? 0));
    if (last === first + 1) {
      const k = order[first] ?? 0;
      index.push(records.start(k), records.end(k), records.place(k));
    } else {
      checkLimit(limits, 'maxSegments', last - first, `${source.name}: the number of records that overwrite each other`);
      const latestFirst = order.slice(first, last).sort((a, b) => b - a);
      const extents = Array.from(latestFirst, (k): Extent => {
        return { start: records.start(k), end: records.end(k), kind: 'file', source: 0, offset: records.place(k) };
      });
      for (const extent of withoutOverlaps(extents)) index.push(extent.start, extent.end, extent.offset);
    }
    first = last;
  }
  return index;
}

function flattenedSource(stream: ByteSource, index: Records, complete: boolean, records: number): FlattenedSource {
  const { name } = stream;
  const size = index.count === 0 ? 0 : index.end(index.count - 1);
  const inner = { name, size };

  /** Index of the first record that ends after `offset`. */
  const find = (offset: number): number => {
    let low = 0;
    let high = index.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (index.end(middle) > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  };

  const isLost = (offset: number, length: number): boolean => {
    for (let at = offset, k = find(offset); at < offset + length; at = index.end(k++)) {
      if (k === index.count || index.start(k) > at) return true;
    }
    return false;
  };

  const readInto = async (offset: number, target: Uint8Array): Promise<void> => {
    checkRead(inner, offset, target.length);
    const end = offset + target.length;
    const batch = new ReadBatch(stream);
    let at = offset;
    for (let k = find(offset); at < end; k++) {
      const start = k < index.count ? Math.min(end, index.start(k)) : end;
      if (start > at) {
        if (!complete) {
          throw new PgtableError('EBADMSG', `${name}: the stream was cut short before bytes ${at} to ${start} of the dump were written`, {
            hint: 'Copy or make the dump again; what came before can be read.',
          });
        }
        target.fill(0, at - offset, start - offset);
        at = start;
      }
      if (at === end) break;
      const stop = Math.min(end, index.end(k));
      batch.add(index.place(k) + (at - index.start(k)), stop - at, at - offset);
      at = stop;
    }
    await batch.readTo(target);
  };

  return {
    ...inner,
    complete,
    records,
    readInto,
    ...(complete ? {} : { isLost }),
    async read(offset, length) {
      checkRead(inner, offset, length);
      const bytes = new Uint8Array(length);
      await readInto(offset, bytes);
      return bytes;
    },
    close: () => stream.close(),
  };
}
