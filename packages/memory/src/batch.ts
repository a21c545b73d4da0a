/**
 * Many small reads from one source as few large ones: sorted by place in the file, neighbours and pieces with small
 * gaps between them merged, a few reads under way at a time.
 */
import type { ByteSource } from './source.js';

/** Gaps up to this many bytes are read and thrown away: cheaper than one more call into the file system. */
const MERGE_GAP = 32 * 1024;
/** Most bytes in one merged read. */
const MERGE_LIMIT = 4 * 2 ** 20;
/** Merged reads under way at once. Each may hold a scratch buffer of {@link MERGE_LIMIT} bytes. */
const IN_FLIGHT = 8;

/** Pieces of one source and where each belongs. Add all pieces, then run once. */
export class ReadBatch {
  readonly #source: ByteSource;
  #offsets: Float64Array;
  #lengths: Float64Array;
  #tags: Float64Array;
  #count = 0;
  #sorted = true;

  /** @param capacity - pieces to make room for at once; more may be added */
  constructor(source: ByteSource, capacity = 16) {
    this.#source = source;
    this.#offsets = new Float64Array(capacity);
    this.#lengths = new Float64Array(capacity);
    this.#tags = new Float64Array(capacity);
  }

  /** Pieces so far. */
  get count(): number {
    return this.#count;
  }

  /** Asks for `length` bytes at `offset` of the source. `tag` comes back with them: a place in the target, an index. */
  add(offset: number, length: number, tag: number): void {
    const i = this.#count++;
    if (i === this.#offsets.length) this.#grow();
    if (i > 0 && offset < (this.#offsets[i - 1] ?? 0)) this.#sorted = false;
    this.#offsets[i] = offset;
    this.#lengths[i] = length;
    this.#tags[i] = tag;
  }

  /**
   * Reads every piece into `target` at the byte that its tag names.
   *
   * @throws PgtableError what the source throws
   */
  async readTo(target: Uint8Array): Promise<void> {
    await this.#run(
      (first, last) => {
        // Pieces that follow each other in the file and in the target alike need no scratch buffer.
        const [start, end] = this.#extent(first, last);
        const base = this.#tag(first);
        for (let k = first; k < last; k++) {
          if (this.#tag(k) - base !== this.#offset(k) - start) return undefined;
        }
        const covered = this.#covered(first, last);
        return covered === end - start ? target.subarray(base, base + covered) : undefined;
      },
      (bytes, from, length, tag) => {
        target.set(bytes.subarray(from, from + length), tag);
      },
    );
  }

  /**
   * Reads every piece and hands it to `visit` in the order of the file: it is `bytes[from]` to `bytes[from + length]`,
   * borrowed for the call.
   *
   * @throws PgtableError what the source or `visit` throws
   */
  async visit(visit: (bytes: Uint8Array, from: number, length: number, tag: number) => void): Promise<void> {
    await this.#run(() => undefined, visit);
  }

  async #run(
    direct: (first: number, last: number) => Uint8Array | undefined,
    visit: (bytes: Uint8Array, from: number, length: number, tag: number) => void,
  ): Promise<void> {
    if (this.#count === 0) return;
    if (!this.#sorted) this.#sort();
    let next = 0;
    let failed = false;
    const worker = async (): Promise<void> => {
      let scratch = new Uint8Array(0);
      while (next < this.#count && !failed) {
        const first = next;
        const last = (next = this.#groupEnd(first));
        const [start, end] = this.#extent(first, last);
        const target = direct(first, last);
        if (target !== undefined) {
          await this.#source.readInto(start, target);
          continue;
        }
        if (scratch.length < end - start) scratch = new Uint8Array(end - start);
        const bytes = scratch.subarray(0, end - start);
        await this.#source.readInto(start, bytes);
        for (let k = first; k < last; k++) visit(bytes, this.#offset(k) - start, this.#lengths[k] ?? 0, this.#tag(k));
      }
    };
    const workers = Array.from({ length: this.#groupEnd(0) === this.#count ? 1 : IN_FLIGHT }, worker);
    try {
      await Promise.all(workers);
    } catch (error) {
      failed = true;
      await Promise.allSettled(workers);
      throw error;
    }
  }

  #offset(k: number): number {
    return this.#offsets[k] ?? 0;
  }

  #tag(k: number): number {
    return this.#tags[k] ?? 0;
  }

  /** Index after the last piece that is read together with piece `first`. */
  #groupEnd(first: number): number {
    const start = this.#offset(first);
    let end = start + (this.#lengths[first] ?? 0);
    let k = first + 1;
    for (; k < this.#count; k++) {
      const offset = this.#offset(k);
      const grown = Math.max(end, offset + (this.#lengths[k] ?? 0));
      if (offset - end > MERGE_GAP || grown - start > MERGE_LIMIT || (offset > end && this.#source.isLost?.(end, offset - end) === true)) break;
      end = grown;
    }
    return k;
  }

  /** First byte and byte after the last one of pieces [first, last). */
  #extent(first: number, last: number): [start: number, end: number] {
    let end = 0;
    for (let k = first; k < last; k++) end = Math.max(end, this.#offset(k) + (this.#lengths[k] ?? 0));
    return [this.#offset(first), end];
  }

  /** Bytes from the first piece on that are covered without a gap. */
  #covered(first: number, last: number): number {
    const start = this.#offset(first);
    let end = start;
    for (let k = first; k < last && this.#offset(k) <= end; k++) end = Math.max(end, this.#offset(k) + (this.#lengths[k] ?? 0));
    return end - start;
  }

  #grow(): void {
    const grown = (old: Float64Array): Float64Array => {
      const array = new Float64Array(Math.max(16, old.length * 2));
      array.set(old);
      return array;
    };
    this.#offsets = grown(this.#offsets);
    this.#lengths = grown(this.#lengths);
    this.#tags = grown(this.#tags);
  }

  #sort(): void {
    const offsets = this.#offsets;
    const order = new Uint32Array(this.#count);
    for (let k = 0; k < order.length; k++) order[k] = k;
    order.sort((a, b) => (offsets[a] ?? 0) - (offsets[b] ?? 0) || a - b);
    const permuted = (old: Float64Array): Float64Array => Float64Array.from(order, (k) => old[k] ?? 0);
    this.#lengths = permuted(this.#lengths);
    this.#tags = permuted(this.#tags);
    this.#offsets = permuted(this.#offsets);
    this.#sorted = true;
  }
}
