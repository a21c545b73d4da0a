/**
 * kdump-compressed dumps, of makedumpfile, QEMU and libvirt. After the two headers come two bitmaps with a bit for each
 * page frame: the machine's memory, and the pages that were dumped. Then comes one descriptor for each dumped page, in
 * the order of frames, and then the pages. A page's descriptor is therefore found by counting the bits before its own.
 * Source: makedumpfile, IMPLEMENTATION and diskdump_mod.h (`page_desc`).
 *
 * In memory are the bitmaps and their rank index: 66 MiB for a machine with 1 TiB in pages of 4 KiB.
 */
import { PgtableError } from '@pgtable/core/errors';
import { ReadBatch } from './batch.js';
import { loadDecompressor, type Compression, type Decompressor } from './decompress.js';
import { ADDRESS_LIMIT, formatBytes, hex, readU64, viewOf } from './fields.js';
import { DUMP_EXCLUDED_VMEMMAP, DUMP_INCOMPLETE, readKdumpHeader, type KdumpHeader } from './kdump-header.js';
import {
  BLOCK_ABSENT,
  BLOCK_NONE,
  BLOCK_PRESENT,
  checkBlocks,
  checkLimit,
  chunkPlan,
  limitsOf,
  machineOfVmcoreinfo,
  readOne,
  type ByteState,
  type ChunkOptions,
  type DumpMachine,
  type MemoryChunk,
  type MemoryLimits,
  type MemoryRange,
  type Note,
  type OpenOptions,
  type PhysicalMemory,
} from './memory.js';
import { parseNotes } from './notes.js';
import { PageBitmap } from './page-bitmap.js';
import type { ByteSource } from './source.js';

/** Size of a `page_desc`: 64-bit offset, 32-bit size, 32-bit flags, 64-bit page flags. */
const DESC_SIZE = 24;
/** Pages whose descriptors are held at once. */
const GROUP_SIZE = 8192;
/** `flags` of a `page_desc`; 0 is a page stored as it is. */
const COMPRESSION_OF_FLAG: ReadonlyMap<number, Compression> = new Map([
  [0x1, 'zlib'],
  [0x2, 'lzo'],
  [0x4, 'snappy'],
  [0x20, 'zstd'],
]);

/**
 * Opens a kdump-compressed dump.
 *
 * @throws PgtableError `ENOTSUP` for split dumps and unknown versions, `EBADMSG` for damaged headers, `ENOMEM` past a
 * limit
 */
export async function openKdump(source: ByteSource, options: OpenOptions = {}): Promise<PhysicalMemory> {
  const limits = limitsOf(options);
  const header = await readKdumpHeader(source);
  if (header.split) {
    throw new PgtableError('ENOTSUP', `${source.name} is one part of a split dump`, {
      hint: 'Put the parts together with makedumpfile --reassemble.',
    });
  }
  const notes: Note[] = [];
  const damage = await readNotes(source, header, limits, notes);
  const { memory, dumped } = await readBitmaps(source, header, limits);
  const descOffset = header.bitmapOffset + header.bitmapBlocks * header.blockSize;
  return new KdumpMemory({
    source,
    blockSize: header.blockSize,
    littleEndian: header.machine.littleEndian,
    descOffset,
    memory,
    dumped,
    maxRanges: limits.maxSegments,
    format: `kdump-compressed, header version ${header.version}, ${header.machine.bits}-bit ${header.machine.littleEndian ? 'little' : 'big'}-endian`,
    machine: { ...machineOfVmcoreinfo(notes), ...header.machine },
    notes,
    facts: factsOf(source, header, memory, dumped, descOffset, damage),
    onDamage: options.onDamage,
  });
}

async function readNotes(source: ByteSource, header: KdumpHeader, limits: MemoryLimits, notes: Note[]): Promise<string | undefined> {
  checkLimit(limits, 'maxNoteBytes', header.notes.size + header.vmcoreinfo.size, `${source.name}: the size of its notes`);
  const bytes = await source.read(header.notes.offset, header.notes.size);
  const damage = parseNotes(bytes, header.machine.littleEndian, 4, notes);
  if (header.vmcoreinfo.size > 0 && !notes.some(({ name }) => name === 'VMCOREINFO')) {
    notes.push({ name: 'VMCOREINFO', type: 0, desc: await source.read(header.vmcoreinfo.offset, header.vmcoreinfo.size) });
  }
  return damage;
}

/**
 * Reads the two bitmaps. If they are too short for two, there is only the second one (as crash reads such files): then
 * every other page below the last is taken as memory that was left out.
 */
async function readBitmaps(
  source: ByteSource,
  header: KdumpHeader,
  limits: MemoryLimits,
): Promise<{ memory: PageBitmap | undefined; dumped: PageBitmap }> {
  const { bitmapBlocks, blockSize, bitmapOffset, maxMapnr } = header;
  const needed = Math.ceil(maxMapnr / 8);
  const both = bitmapBlocks * blockSize;
  const half = Math.floor(bitmapBlocks / 2) * blockSize;
  if (needed > both || maxMapnr * blockSize > ADDRESS_LIMIT) {
    throw new PgtableError('EBADMSG', `${source.name}: bitmaps of ${both} bytes cannot describe ${maxMapnr} pages`, {
      hint: 'The header is damaged; copy or make the dump again.',
    });
  }
  checkLimit(limits, 'maxBitmapBytes', 2 * needed, `${source.name}: the size of its page bitmaps`);
  const read = async (offset: number): Promise<PageBitmap> => new PageBitmap(await source.read(offset, needed), maxMapnr);
  if (needed > half) return { memory: undefined, dumped: await read(bitmapOffset) };
  return { memory: await read(bitmapOffset), dumped: await read(bitmapOffset + half) };
}

function factsOf(
  source: ByteSource,
  header: KdumpHeader,
  memory: PageBitmap | undefined,
  dumped: PageBitmap,
  descOffset: number,
  damage: string | undefined,
): [string, string][] {
  const facts: [string, string][] = [
    ['block size', formatBytes(header.blockSize)],
    ['pages in the dump', `${dumped.count}${memory === undefined ? '' : ` of ${memory.count}`}`],
    ['dump level', String(header.dumpLevel)],
    ['phys_base in the header', `0x${header.physBase.toString(16)}`],
  ];
  if ((header.status & DUMP_INCOMPLETE) !== 0) facts.push(['incomplete', 'its writer ran out of space; pages may be absent']);
  if ((header.status & DUMP_EXCLUDED_VMEMMAP) !== 0) facts.push(['vmemmap', 'unused parts of vmemmap were left out']);
  const cut = dumped.count - Math.max(0, Math.floor((source.size - descOffset) / DESC_SIZE));
  if (cut > 0) facts.push(['truncated', `the file ends before the descriptors of ${cut} pages, which are absent`]);
  if (header.eraseinfo.size > 0) facts.push(['erased', 'makedumpfile erased data by filter rules (eraseinfo)']);
  if (damage !== undefined) facts.push(['damaged notes', damage]);
  return facts;
}

interface KdumpParts {
  readonly source: ByteSource;
  readonly blockSize: number;
  readonly littleEndian: boolean;
  /** Byte of the file where the page descriptors begin. */
  readonly descOffset: number;
  /** Pages that the machine has; `undefined` if the file does not say. */
  readonly memory: PageBitmap | undefined;
  /** Pages that have a descriptor. */
  readonly dumped: PageBitmap;
  readonly maxRanges: number;
  readonly format: string;
  readonly machine: DumpMachine;
  readonly notes: readonly Note[];
  readonly facts: readonly (readonly [string, string])[];
  readonly onDamage: OpenOptions['onDamage'];
}

/** The part of one page that one block asks for. */
class Pieces {
  readonly pfn: Float64Array;
  /** First byte inside the page. */
  readonly within: Uint32Array;
  readonly length: Uint32Array;
  /** Where it goes in the target. */
  readonly at: Float64Array;
  /** `flags` of the page's descriptor, once that is read. */
  readonly flags: Uint8Array;
  count = 0;
  sorted = true;

  constructor(capacity: number) {
    this.pfn = new Float64Array(capacity);
    this.within = new Uint32Array(capacity);
    this.length = new Uint32Array(capacity);
    this.at = new Float64Array(capacity);
    this.flags = new Uint8Array(capacity);
  }

  add(pfn: number, within: number, length: number, at: number): void {
    const i = this.count++;
    if (i > 0 && pfn < (this.pfn[i - 1] ?? 0)) this.sorted = false;
    this.pfn[i] = pfn;
    this.within[i] = within;
    this.length[i] = length;
    this.at[i] = at;
  }

  /** Indices of the pieces in the order of frames. */
  order(): Uint32Array {
    const order = new Uint32Array(this.count);
    for (let i = 0; i < order.length; i++) order[i] = i;
    const { pfn } = this;
    return this.sorted ? order : order.sort((a, b) => (pfn[a] ?? 0) - (pfn[b] ?? 0) || a - b);
  }
}

class KdumpMemory implements PhysicalMemory {
  readonly format: string;
  readonly machine: DumpMachine;
  readonly notes: readonly Note[];
  readonly facts: readonly (readonly [string, string])[];
  readonly #parts: KdumpParts;
  /** Descriptors that the file is long enough for. */
  readonly #storedDescs: number;
  readonly #decompressors = new Map<Compression, Promise<Decompressor>>();
  #ranges: readonly MemoryRange[] | undefined;

  constructor(parts: KdumpParts) {
    this.format = parts.format;
    this.machine = parts.machine;
    this.notes = parts.notes;
    this.facts = parts.facts;
    this.#parts = parts;
    this.#storedDescs = Math.max(0, Math.floor((parts.source.size - parts.descOffset) / DESC_SIZE));
  }

  get ranges(): readonly MemoryRange[] {
    return (this.#ranges ??= this.#listRanges());
  }

  /** From the bitmaps alone: a page that is said to be dumped may still prove to be cut off when it is read. */
  stateOf(address: number): ByteState {
    return this.#stateOfPage(Math.floor(address / this.#parts.blockSize));
  }

  async readBlocks(addresses: Float64Array | readonly number[], length: number, target: Uint8Array, states: Uint8Array): Promise<void> {
    checkBlocks(addresses, length, target, states);
    const { blockSize } = this.#parts;
    let capacity = 0;
    for (let i = 0; i < addresses.length; i++) {
      const address = addresses[i] ?? 0;
      const state = this.#stateOfBlock(address, address + length);
      states[i] = state;
      if (state === BLOCK_PRESENT) capacity += Math.floor((address + length - 1) / blockSize) - Math.floor(address / blockSize) + 1;
      else target.fill(0, i * length, (i + 1) * length);
    }
    const pieces = new Pieces(capacity);
    for (let i = 0; i < addresses.length; i++) {
      const address = addresses[i] ?? 0;
      if (states[i] !== BLOCK_PRESENT) continue;
      for (let done = 0; done < length; ) {
        const pfn = Math.floor((address + done) / blockSize);
        const within = address + done - pfn * blockSize;
        const size = Math.min(length - done, blockSize - within);
        pieces.add(pfn, within, size, i * length + done);
        done += size;
      }
    }
    const order = pieces.order();
    const lost = (piece: number): void => {
      states[Math.floor((pieces.at[piece] ?? 0) / length)] = BLOCK_ABSENT;
    };
    for (let first = 0; first < order.length; first += GROUP_SIZE) {
      await this.#readGroup(pieces, order.subarray(first, first + GROUP_SIZE), target, lost);
    }
    for (let i = 0; i < addresses.length; i++) {
      if (states[i] === BLOCK_ABSENT) target.fill(0, i * length, (i + 1) * length);
    }
  }

  read(address: number, length: number): Promise<Uint8Array | undefined> {
    return readOne(this, address, length);
  }

  async *chunks(options: ChunkOptions = {}): AsyncGenerator<MemoryChunk> {
    const { chunkSize, start, end } = chunkPlan(options);
    const { blockSize, dumped } = this.#parts;
    // A torn dump has runs of a few pages: read many at once, then hand them out run by run.
    const capacity = Math.max(1, chunkSize / blockSize);
    const addresses = new Float64Array(capacity);
    const states = new Uint8Array(capacity);
    const buffer = new Uint8Array(capacity * blockSize);
    let pfn = dumped.next(Math.min(dumped.size, Math.floor(start / blockSize)));
    while (pfn < dumped.size && pfn * blockSize < end) {
      let count = 0;
      for (; count < capacity && pfn < dumped.size && pfn * blockSize < end; pfn = dumped.next(pfn + 1)) addresses[count++] = pfn * blockSize;
      await this.readBlocks(addresses.subarray(0, count), blockSize, buffer, states);
      for (let i = 0; i < count; ) {
        const first = i++;
        if (states[first] !== BLOCK_PRESENT) continue;
        const base = addresses[first] ?? 0;
        while (i < count && states[i] === BLOCK_PRESENT && addresses[i] === base + (i - first) * blockSize && (addresses[i] ?? 0) % chunkSize !== 0) i++;
        const from = Math.max(base, start);
        const to = Math.min(base + (i - first) * blockSize, end);
        const at = first * blockSize - base;
        for (let address = from; address < to; ) {
          const stop = Math.min(to, (Math.floor(address / chunkSize) + 1) * chunkSize);
          yield { address, bytes: buffer.subarray(at + address, at + stop) };
          address = stop;
        }
      }
    }
  }

  close(): Promise<void> {
    return this.#parts.source.close();
  }

  #stateOfPage(pfn: number): ByteState {
    const { memory, dumped } = this.#parts;
    if (dumped.has(pfn)) return this.#storedDescs >= dumped.count || dumped.rank(pfn) < this.#storedDescs ? 'present' : 'absent';
    if (memory === undefined) return pfn >= 0 && pfn < dumped.size ? 'absent' : 'none';
    return memory.has(pfn) ? 'absent' : 'none';
  }

  #stateOfBlock(address: number, end: number): number {
    const { blockSize, dumped } = this.#parts;
    let state = BLOCK_PRESENT;
    for (let pfn = Math.floor(address / blockSize); pfn * blockSize < end; pfn++) {
      const page = this.#stateOfPage(pfn);
      if (page === 'absent') return BLOCK_ABSENT;
      if (page === 'none') state = BLOCK_NONE;
      if (pfn >= dumped.size) break;
    }
    return state;
  }

  /** Reads pieces, given in the order of their frames; calls `lost` for those that the file is too short for, and for damaged ones if damage is told. */
  async #readGroup(pieces: Pieces, order: Uint32Array, target: Uint8Array, lost: (piece: number) => void): Promise<void> {
    const { source, blockSize, littleEndian, descOffset, dumped } = this.#parts;
    const descs = new ReadBatch(source, order.length);
    for (const piece of order) {
      const desc = descOffset + dumped.rank(pieces.pfn[piece] ?? 0) * DESC_SIZE;
      if (source.isLost?.(desc, DESC_SIZE) === true) lost(piece);
      else descs.add(desc, DESC_SIZE, piece);
    }
    const pages = new ReadBatch(source, order.length);
    const used = new Set<number>();
    await descs.visit((bytes, from, _length, piece) => {
      const view = viewOf(bytes);
      const offset = readU64(view, from, littleEndian, `${source.name}: the offset of the page at ${this.#addressOf(pieces, piece)}`);
      const size = view.getUint32(from + 8, littleEndian);
      const flags = view.getUint32(from + 12, littleEndian);
      // An incomplete dump has descriptors that were never filled in.
      if (offset === 0 || offset + size > source.size) {
        lost(piece);
        return;
      }
      const compression = COMPRESSION_OF_FLAG.get(flags);
      const sound = compression === undefined ? flags === 0 && size === blockSize : size > 0 && size <= blockSize;
      if (!sound) {
        this.#tell(pieces, piece, `has ${size} bytes and flags ${hex(flags)}`);
        lost(piece);
        return;
      }
      // Asked only now that the size is that of a page: it takes as long as there are records in it.
      if (source.isLost?.(offset, size) === true) {
        lost(piece);
        return;
      }
      used.add(flags);
      pieces.flags[piece] = flags;
      pages.add(offset, size, piece);
    });

    const decompressors = new Map<number, Decompressor>();
    for (const flags of used) {
      const compression = COMPRESSION_OF_FLAG.get(flags);
      if (compression !== undefined) decompressors.set(flags, await this.#decompressor(compression));
    }
    const page = new Uint8Array(blockSize);
    // Pages of zeros share one stored page: what was decompressed last is kept.
    let held = -1;
    let heldIn: Uint8Array | undefined;
    await pages.visit((bytes, from, size, piece) => {
      const within = pieces.within[piece] ?? 0;
      const length = pieces.length[piece] ?? 0;
      const at = pieces.at[piece] ?? 0;
      const decompress = decompressors.get(pieces.flags[piece] ?? 0);
      if (decompress === undefined) {
        target.set(bytes.subarray(from + within, from + within + length), at);
        return;
      }
      if (held !== from || heldIn !== bytes) {
        if (!decompress(bytes.subarray(from, from + size), page)) {
          this.#tell(pieces, piece, `does not decompress to ${blockSize} bytes`);
          lost(piece);
          // The page has what came before the damage.
          held = -1;
          return;
        }
        held = from;
        heldIn = bytes;
      }
      target.set(length === blockSize ? page : page.subarray(within, within + length), at);
    });
  }

  #decompressor(compression: Compression): Promise<Decompressor> {
    let loading = this.#decompressors.get(compression);
    if (loading === undefined) {
      loading = loadDecompressor(compression);
      this.#decompressors.set(compression, loading);
    }
    return loading;
  }

  #addressOf(pieces: Pieces, piece: number): string {
    return hex((pieces.pfn[piece] ?? 0) * this.#parts.blockSize);
  }

  /** Says that a page is damaged: to who wants to know, and otherwise by throwing. */
  #tell(pieces: Pieces, piece: number, how: string): void {
    const { source, blockSize, onDamage } = this.#parts;
    const error = new PgtableError('EBADMSG', `${source.name}: the page at ${this.#addressOf(pieces, piece)} ${how}`, {
      address: BigInt((pieces.pfn[piece] ?? 0) * blockSize),
      hint: 'The file is damaged; copy or make it again.',
    });
    if (onDamage === undefined) throw error;
    onDamage(error);
  }

  #listRanges(): MemoryRange[] {
    const { blockSize, dumped, memory, maxRanges } = this.#parts;
    const ranges: MemoryRange[] = [];
    let pfn = 0;
    while (pfn < dumped.size) {
      const state = this.#stateOfPage(pfn);
      let end = state === 'present' ? dumped.nextClear(pfn) : dumped.next(pfn);
      if (state === 'absent' && dumped.has(pfn)) end = dumped.nextClear(pfn);
      else if (state !== 'present' && memory !== undefined) end = Math.min(end, state === 'absent' ? memory.nextClear(pfn) : memory.next(pfn));
      else if (state === 'present' && this.#stateOfPage(end - 1) !== 'present') end = this.#firstUnstored(pfn, end);
      this.#append(ranges, state, pfn * blockSize, end * blockSize);
      if (ranges.length > maxRanges) {
        throw new PgtableError('ENOMEM', `the dump has more than ${maxRanges} ranges of memory`, {
          hint: 'Use chunks() to go through it, or open it with a larger limits.maxSegments.',
        });
      }
      pfn = end;
    }
    return ranges;
  }

  #append(ranges: MemoryRange[], state: ByteState, start: number, end: number): void {
    if (state === 'none') return;
    const last = ranges.at(-1);
    if (last?.end === start && last.state === state) ranges[ranges.length - 1] = { ...last, end };
    else ranges.push({ start, end, state });
  }

  /** The first page of [first, end), all dumped, whose descriptor is past the end of the file. */
  #firstUnstored(first: number, end: number): number {
    const stored = this.#storedDescs - this.#parts.dumped.rank(first);
    return Math.min(end, first + Math.max(0, stored));
  }
}
