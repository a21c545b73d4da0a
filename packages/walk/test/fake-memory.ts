import type { ByteState, MemoryChunk, MemoryRange, PhysicalMemory } from '@pgtable/memory';
import { TOY_EMPTY } from './toy.js';

const PAGE = 4096;

/** Physical memory in pages: present with bytes, absent, or none. Counts what is read. */
export class FakeMemory implements PhysicalMemory {
  readonly format = 'fake';
  readonly machine = undefined;
  readonly notes = [];
  readonly facts = [];
  /** Each call of readBlocks: the addresses, in the order asked for. */
  readonly calls: number[][] = [];
  readonly lengths: number[] = [];
  chunkSize = 2 ** 20;
  private readonly pages = new Map<number, Uint8Array>();
  private readonly absent = new Set<number>();
  private readonly littleEndian: boolean;

  constructor(littleEndian = true) {
    this.littleEndian = littleEndian;
  }

  /** Makes a page absent from the dump. */
  leaveOut(address: number): void {
    this.pages.delete(address);
    this.absent.add(address);
  }

  writeBytes(address: number, bytes: Uint8Array): void {
    bytes.forEach((byte, at) => {
      this.page(address + at)[(address + at) % PAGE] = byte;
    });
  }

  /** Writes a table: the given entries by index, the rest empty. */
  writeTable(address: number, entries: number, given: Readonly<Record<number, bigint>>, empty = TOY_EMPTY): void {
    for (let index = 0; index < entries; index++) this.writeEntry(address + index * 8, given[index] ?? empty);
  }

  writeEntry(address: number, value: bigint): void {
    const page = this.page(address);
    new DataView(page.buffer).setBigUint64(address % PAGE, value, this.littleEndian);
  }

  /** The slow way to an entry; undefined if it is not in the dump. */
  entryAt(address: number): bigint | undefined {
    const page = this.pages.get(address - (address % PAGE));
    return page === undefined ? undefined : new DataView(page.buffer).getBigUint64(address % PAGE, this.littleEndian);
  }

  stateOf(address: number): ByteState {
    const page = address - (address % PAGE);
    return this.pages.has(page) ? 'present' : this.absent.has(page) ? 'absent' : 'none';
  }

  get ranges(): readonly MemoryRange[] {
    const known = [...this.pages.keys(), ...this.absent].sort((a, b) => a - b);
    const ranges: MemoryRange[] = [];
    for (const start of known) {
      const state = this.pages.has(start) ? 'present' : 'absent';
      const last = ranges.at(-1);
      if (last?.end === start && last.state === state) ranges[ranges.length - 1] = { ...last, end: start + PAGE };
      else ranges.push({ start, end: start + PAGE, state });
    }
    return ranges;
  }

  readBlocks(addresses: Float64Array | readonly number[], length: number, target: Uint8Array, states: Uint8Array): Promise<void> {
    this.calls.push([...addresses]);
    this.lengths.push(length);
    addresses.forEach((address, block) => {
      let state: ByteState = 'present';
      for (let at = address; at < address + length; at++) {
        const here = this.stateOf(at);
        if (here !== 'present' && state !== 'absent') state = here;
      }
      states[block] = { none: 0, present: 1, absent: 2 }[state];
      target.fill(0, block * length, (block + 1) * length);
      if (state !== 'present') return;
      for (let at = 0; at < length; at++) target[block * length + at] = this.page(address + at)[(address + at) % PAGE]!;
    });
    return Promise.resolve();
  }

  async read(address: number, length: number): Promise<Uint8Array | undefined> {
    const bytes = new Uint8Array(length);
    const states = new Uint8Array(1);
    await this.readBlocks([address], length, bytes, states);
    return states[0] === 1 ? bytes : undefined;
  }

  async *chunks(): AsyncIterable<MemoryChunk> {
    for (const { start, end, state } of this.ranges) {
      if (state !== 'present') continue;
      for (let at = start; at < end; ) {
        const stop = Math.min(end, at - (at % this.chunkSize) + this.chunkSize);
        const bytes = (await this.read(at, stop - at))!;
        yield { address: at, bytes };
        // Borrowed until the next step, as the interface says.
        bytes.fill(0xee);
        at = stop;
      }
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  private page(address: number): Uint8Array {
    const start = address - (address % PAGE);
    let page = this.pages.get(start);
    if (page === undefined) {
      page = new Uint8Array(PAGE);
      this.pages.set(start, page);
      this.absent.delete(start);
    }
    return page;
  }
}
