/** Memory that lies in its files uncompressed: ELF, LiME and raw files are all a list of extents. */
import { PgtableError } from '@pgtable/core/errors';
import { ReadBatch } from './batch.js';
import { ADDRESS_LIMIT } from './fields.js';
import {
  BLOCK_ABSENT,
  BLOCK_NONE,
  BLOCK_PRESENT,
  checkBlocks,
  chunkPlan,
  readOne,
  type ByteState,
  type ChunkOptions,
  type DumpMachine,
  type MemoryChunk,
  type MemoryRange,
  type Note,
  type PhysicalMemory,
} from './memory.js';
import type { ByteSource } from './source.js';

/** A run of physical addresses and where its bytes are. */
export interface Extent {
  readonly start: number;
  /** Address after the last byte; greater than `start`. */
  readonly end: number;
  /** In the file; zero without being stored; or not in the dump. */
  readonly kind: 'file' | 'zero' | 'absent';
  /** Index into the memory's sources. */
  readonly source: number;
  /** Byte of the source that holds address `start`. Of no meaning unless `kind` is `file`. */
  readonly offset: number;
}

/**
 * The same extents sorted by address, each address in one of them at most: where two overlap, the one that comes first
 * in `extents` wins.
 */
export function withoutOverlaps(extents: readonly Extent[]): Extent[] {
  const order = extents.map((_, index) => index);
  const startOf = (index: number): number => extents[index]?.start ?? 0;
  order.sort((a, b) => startOf(a) - startOf(b) || a - b);

  const result: Extent[] = [];
  const waiting = new IndexHeap();
  let position = 0;
  let next = 0;
  for (;;) {
    while (waiting.least !== undefined && (extents[waiting.least]?.end ?? 0) <= position) waiting.pop();
    const upcoming = order[next];
    if (upcoming !== undefined && (waiting.least === undefined || startOf(upcoming) <= position)) {
      if (waiting.least === undefined) position = Math.max(position, startOf(upcoming));
      waiting.push(upcoming);
      next++;
      continue;
    }
    const winner = waiting.least === undefined ? undefined : extents[waiting.least];
    if (winner === undefined) return result;
    // The winner holds until it ends, or until an extent of an earlier place in the list may begin.
    const end = Math.min(winner.end, upcoming === undefined ? Infinity : startOf(upcoming));
    const last = result.at(-1);
    const offset = winner.offset + (position - winner.start);
    if (last !== undefined && continues(last, winner, position, offset)) result[result.length - 1] = { ...last, end };
    else result.push({ ...winner, start: position, end, offset: winner.kind === 'file' ? offset : 0 });
    position = end;
  }
}

function continues(last: Extent, next: Extent, start: number, offset: number): boolean {
  if (last.end !== start || last.kind !== next.kind || last.source !== next.source) return false;
  return last.kind !== 'file' || last.offset + (last.end - last.start) === offset;
}

/** A binary heap of indices; the least one is on top. */
class IndexHeap {
  readonly #items: number[] = [];

  get least(): number | undefined {
    return this.#items[0];
  }

  push(item: number): void {
    const items = this.#items;
    let at = items.push(item) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = items[parent] ?? 0;
      if (above <= item) break;
      items[at] = above;
      at = parent;
    }
    items[at] = item;
  }

  pop(): void {
    const items = this.#items;
    const item = items.pop();
    if (item === undefined || items.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && (items[child + 1] ?? 0) < (items[child] ?? 0)) child++;
      const below = items[child] ?? 0;
      if (below >= item) break;
      items[at] = below;
      at = child;
    }
    items[at] = item;
  }
}

/** What an {@link ExtentMemory} is made of. */
export interface ExtentMemoryParts {
  readonly format: string;
  readonly machine: DumpMachine | undefined;
  readonly notes: readonly Note[];
  readonly facts: readonly (readonly [string, string])[];
  /** Sorted by address, without overlaps. */
  readonly extents: readonly Extent[];
  readonly sources: readonly ByteSource[];
}

const KIND_FILE = 0;
const KIND_ZERO = 1;
const KIND_ABSENT = 2;

/** {@link PhysicalMemory} over extents. */
export class ExtentMemory implements PhysicalMemory {
  readonly format: string;
  readonly machine: DumpMachine | undefined;
  readonly notes: readonly Note[];
  readonly facts: readonly (readonly [string, string])[];
  readonly ranges: readonly MemoryRange[];
  readonly #sources: readonly ByteSource[];
  readonly #starts: Float64Array;
  readonly #ends: Float64Array;
  readonly #offsets: Float64Array;
  readonly #kinds: Uint8Array;
  readonly #sourceOf: Uint32Array;

  constructor(parts: ExtentMemoryParts) {
    this.format = parts.format;
    this.machine = parts.machine;
    this.notes = parts.notes;
    this.facts = parts.facts;
    this.ranges = rangesOf(parts.extents);
    this.#sources = parts.sources;
    const { extents } = parts;
    this.#starts = Float64Array.from(extents, (extent) => extent.start);
    this.#ends = Float64Array.from(extents, (extent) => extent.end);
    this.#offsets = Float64Array.from(extents, (extent) => extent.offset);
    this.#kinds = Uint8Array.from(extents, ({ kind }) => (kind === 'file' ? KIND_FILE : kind === 'zero' ? KIND_ZERO : KIND_ABSENT));
    this.#sourceOf = Uint32Array.from(extents, (extent) => extent.source);
  }

  stateOf(address: number): ByteState {
    const k = this.#find(address, 0);
    if (!(address >= (this.#starts[k] ?? Infinity))) return 'none';
    return this.#kinds[k] === KIND_ABSENT ? 'absent' : 'present';
  }

  async readBlocks(addresses: Float64Array | readonly number[], length: number, target: Uint8Array, states: Uint8Array): Promise<void> {
    checkBlocks(addresses, length, target, states);
    const batches = this.#sources.map((source) => new ReadBatch(source, this.#sources.length === 1 ? addresses.length : 16));
    let hint = 0;
    for (let i = 0; i < addresses.length; i++) {
      const address = addresses[i] ?? 0;
      const end = address + length;
      hint = this.#find(address, hint);
      const state = this.#stateOfBlock(address, end, hint);
      states[i] = state;
      const inFile = state === BLOCK_PRESENT ? this.#addPieces(batches, address, end, i * length, hint) : 0;
      if (inFile < length) target.fill(0, i * length, (i + 1) * length);
    }
    await Promise.all(batches.map((batch) => batch.readTo(target)));
  }

  read(address: number, length: number): Promise<Uint8Array | undefined> {
    return readOne(this, address, length);
  }

  async *chunks(options: ChunkOptions = {}): AsyncGenerator<MemoryChunk> {
    const { chunkSize, skipZeros, start, end } = chunkPlan(options);
    const buffer = new Uint8Array(chunkSize);
    const states = new Uint8Array(1);
    let k = this.#find(start, 0);
    let address = start;
    while (k < this.#starts.length && address < end) {
      // A chunk runs on over extents that follow each other, up to the next multiple of its size.
      const limit = Math.min(end, (Math.floor(address / chunkSize) + 1) * chunkSize);
      let stop = address;
      while (stop < limit && this.#yields(k, skipZeros) && (this.#starts[k] ?? 0) <= stop) {
        stop = Math.min(limit, this.#ends[k] ?? 0);
        if (stop === this.#ends[k]) k++;
      }
      if (stop > address) {
        const bytes = buffer.subarray(0, stop - address);
        await this.readBlocks([address], bytes.length, bytes, states);
        yield { address, bytes };
        address = stop;
      } else {
        if (!this.#yields(k, skipZeros)) k++;
        address = Math.max(address, this.#starts[k] ?? Infinity);
      }
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#sources.map((source) => source.close()));
  }

  #yields(k: number, skipZeros: boolean): boolean {
    const kind = this.#kinds[k];
    return kind === KIND_FILE || (kind === KIND_ZERO && !skipZeros);
  }

  /** Index of the first extent that ends after `address`. `hint` is where to look first. */
  #find(address: number, hint: number): number {
    const ends = this.#ends;
    if (address < (ends[hint] ?? 0) && (hint === 0 || address >= (ends[hint - 1] ?? 0))) return hint;
    let low = 0;
    let high = ends.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((ends[middle] ?? 0) > address) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #stateOfBlock(address: number, end: number, first: number): number {
    let state = BLOCK_PRESENT;
    let position = address;
    for (let k = first; position < end; k++) {
      if (!((this.#starts[k] ?? Infinity) <= position)) state = BLOCK_NONE;
      if (!((this.#starts[k] ?? Infinity) < end)) break;
      if (this.#kinds[k] === KIND_ABSENT) return BLOCK_ABSENT;
      position = this.#ends[k] ?? end;
    }
    return state;
  }

  /** Adds the parts of a present block that are stored, and returns how many bytes they are. */
  #addPieces(batches: readonly ReadBatch[], address: number, end: number, at: number, first: number): number {
    let inFile = 0;
    let position = address;
    for (let k = first; position < end; k++) {
      const stop = Math.min(end, this.#ends[k] ?? end);
      if (this.#kinds[k] === KIND_FILE) {
        const offset = (this.#offsets[k] ?? 0) + (position - (this.#starts[k] ?? 0));
        batches[this.#sourceOf[k] ?? 0]?.add(offset, stop - position, at + (position - address));
        inFile += stop - position;
      }
      position = stop;
    }
    return inFile;
  }
}

function rangesOf(extents: readonly Extent[]): MemoryRange[] {
  const ranges: MemoryRange[] = [];
  for (const { start, end, kind } of extents) {
    const state = kind === 'absent' ? 'absent' : 'present';
    const last = ranges.at(-1);
    if (last?.end === start && last.state === state) ranges[ranges.length - 1] = { ...last, end };
    else ranges.push({ start, end, state });
  }
  return ranges;
}

/**
 * Cuts the part of a stored run that the file is too short for: [present part, absent part].
 *
 * @param offset - where the run begins in the file
 * @param size - bytes that the run should have
 */
export function storedPart(fileSize: number, offset: number, size: number): [present: number, absent: number] {
  const present = Math.max(0, Math.min(size, fileSize - offset));
  return [present, size - present];
}

/**
 * Refuses a run of addresses that leaves the 56-bit space.
 *
 * @throws PgtableError `EBADMSG`
 */
export function checkRun(start: number, size: number, what: string): void {
  const end = start + size;
  if (end <= ADDRESS_LIMIT && end - start === size) return;
  throw new PgtableError('EBADMSG', `${what} does not end at a physical address (it starts at 0x${start.toString(16)} and has ${size} bytes)`, {
    address: BigInt(start),
    hint: 'The header is damaged; make the dump again.',
  });
}
