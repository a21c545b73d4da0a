/**
 * Writes ELF core dumps, for small extracts of big dumps. Field layouts: System V gABI, chapters 4 and 5; PN_XNUM where
 * there are 65535 program headers or more.
 */
import { PgtableError } from '@pgtable/core/errors';
import { compactPieces, type Piece } from './elf-compact.js';
import { ADDRESS_LIMIT, hex, viewOf } from './fields.js';
import type { Note } from './memory.js';

/** A run of memory to write. */
export interface ElfSegment {
  /** Physical address of the first byte. */
  readonly address: number;
  /** Not changed, and not copied before it is written. */
  readonly bytes: Uint8Array;
}

/** What a core dump is made of. */
export interface ElfCoreContent {
  readonly machine: {
    /** `e_machine` (`EM_*`). */
    readonly elfMachine: number;
    readonly bits: 32 | 64;
    readonly littleEndian: boolean;
  };
  /** In any order. Neighbours become one segment; zeros at the end of a segment are not stored. */
  readonly segments: readonly ElfSegment[];
  readonly notes?: readonly Note[];
  /**
   * Do not store zeros or repeated words again and again: the file is smaller and has more segments, some of which share
   * their bytes in it. Default `false`.
   */
  readonly compact?: boolean;
}

const PN_XNUM = 0xffff;
const LAYOUT = {
  32: { word: 4, ehSize: 52, phSize: 32, shSize: 40, shInfo: 28 },
  64: { word: 8, ehSize: 64, phSize: 56, shSize: 64, shInfo: 44 },
} as const;

/**
 * The dump in one array.
 *
 * @throws PgtableError `EINVAL` if segments overlap, leave the address space of the chosen width, or there are none
 */
export function elfCore(content: ElfCoreContent): Uint8Array {
  const chunks = [...elfCoreChunks(content)];
  const dump = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    dump.set(chunk, at);
    at += chunk.length;
  }
  return dump;
}

/**
 * The dump in pieces, in file order: the headers and notes first, then the memory. All of the content is checked before
 * the first piece is given.
 *
 * @throws PgtableError like {@link elfCore}
 */
export function* elfCoreChunks(content: ElfCoreContent): Generator<Uint8Array> {
  const { machine, notes = [] } = content;
  const { bits } = machine;
  const layout = LAYOUT[bits];
  const shared = new Map<bigint, Uint8Array>();
  const runs = mergedRuns(content.segments, bits);
  const pieces = content.compact === true ? runs.flatMap(({ address, parts }) => compactPieces(address, joined(parts), shared)) : runs.map(asPiece);
  const noteBytes = encodeNotes(notes, machine.littleEndian);
  const phnum = pieces.length + (noteBytes.length > 0 ? 1 : 0);
  const extended = phnum >= PN_XNUM;
  const shoff = layout.ehSize + phnum * layout.phSize;
  const noteOffset = shoff + (extended ? layout.shSize : 0);
  const dataOffset = noteOffset + noteBytes.length;
  // Where each array begins in the file: a shared one once, as far as the longest piece of it needs.
  const placed = new Map<Uint8Array, { offset: number; length: number }>();
  for (const { bytes, stored: needed } of pieces) {
    const place = placed.get(bytes);
    if (place === undefined) placed.set(bytes, { offset: 0, length: needed });
    else place.length = Math.max(place.length, needed);
  }
  let stored = 0;
  for (const place of placed.values()) {
    place.offset = dataOffset + stored;
    stored += place.length;
  }
  if (bits === 32 && dataOffset + stored >= 2 ** 32) {
    throw new PgtableError('EINVAL', `a 32-bit ELF file cannot hold ${stored} bytes of memory`, { hint: 'Write a 64-bit file.' });
  }

  const header = new FieldWriter(new Uint8Array(dataOffset), machine.littleEndian, layout.word);
  header.bytes.set([0x7f, 0x45, 0x4c, 0x46, bits === 32 ? 1 : 2, machine.littleEndian ? 1 : 2, 1]);
  header.at = 16;
  header.half(4).half(machine.elfMachine).int(1).word(0).word(layout.ehSize).word(extended ? shoff : 0).int(0);
  header.half(layout.ehSize).half(layout.phSize).half(extended ? PN_XNUM : phnum);
  header.half(extended ? layout.shSize : 0).half(extended ? 1 : 0).half(0);
  if (noteBytes.length > 0) programHeader(header, bits, { type: 4, offset: noteOffset, address: 0, stored: noteBytes.length, size: 0, align: 4 });
  for (const { address, size, bytes, stored: filesz } of pieces) {
    programHeader(header, bits, { type: 1, offset: placed.get(bytes)?.offset ?? dataOffset, address, stored: filesz, size, align: 0 });
  }
  if (extended) {
    header.at = shoff + layout.shInfo;
    header.int(phnum);
  }
  header.bytes.set(noteBytes, noteOffset);
  yield header.bytes;

  for (const [bytes, { length }] of placed) if (length > 0) yield bytes.subarray(0, length);
}

/** A segment of the file: arrays that follow each other in memory. */
interface Run {
  readonly address: number;
  readonly parts: Uint8Array[];
  size: number;
  /** Bytes before the zeros at the end. */
  stored: number;
}

function mergedRuns(segments: readonly ElfSegment[], bits: 32 | 64): Run[] {
  const limit = bits === 32 ? 2 ** 32 : ADDRESS_LIMIT;
  const sorted = segments.filter(({ bytes }) => bytes.length > 0).sort((a, b) => a.address - b.address);
  if (sorted.length === 0) throw new PgtableError('EINVAL', 'a core dump of no memory', { hint: 'Give at least one segment.' });
  const runs: Run[] = [];
  for (const { address, bytes } of sorted) {
    const last = runs.at(-1);
    const end = last === undefined ? 0 : last.address + last.size;
    if (!(Number.isInteger(address) && address >= 0 && address + bytes.length <= limit)) {
      throw new PgtableError('EINVAL', `a segment at ${hex(address)} of ${bytes.length} bytes leaves the ${bits}-bit address space`);
    }
    if (address < end) throw new PgtableError('EINVAL', `two segments overlap at ${hex(address)}`, { address: BigInt(address) });
    const filled = withoutZeroTail(bytes);
    if (last !== undefined && address === end) {
      if (filled > 0) last.stored = last.size + filled;
      last.size += bytes.length;
      last.parts.push(bytes);
    } else {
      runs.push({ address, parts: [bytes], size: bytes.length, stored: filled });
    }
  }
  return runs;
}

function asPiece({ address, parts, size, stored }: Run): Piece {
  return { address, size, bytes: joined(parts), stored };
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0] ?? new Uint8Array();
  const bytes = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function withoutZeroTail(bytes: Uint8Array): number {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return end;
}

interface HeaderFields {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly stored: number;
  readonly size: number;
  readonly align: number;
}

function programHeader(out: FieldWriter, bits: 32 | 64, { type, offset, address, stored, size, align }: HeaderFields): void {
  const flags = type === 1 ? 7 : 0;
  if (bits === 32) out.int(type).int(offset).int(address).int(address).int(stored).int(size).int(flags).int(align);
  else out.int(type).int(flags).word(offset).word(address).word(address).word(stored).word(size).word(align);
}

function encodeNotes(notes: readonly Note[], littleEndian: boolean): Uint8Array {
  const padded = (size: number): number => Math.ceil(size / 4) * 4;
  const size = notes.reduce((sum, { name, desc }) => sum + 12 + padded(name.length + 1) + padded(desc.length), 0);
  const out = new FieldWriter(new Uint8Array(size), littleEndian, 4);
  for (const { name, type, desc } of notes) {
    out.int(name.length + 1).int(desc.length).int(type);
    for (let i = 0; i < name.length; i++) out.bytes[out.at + i] = name.charCodeAt(i);
    out.at += padded(name.length + 1);
    out.bytes.set(desc, out.at);
    out.at += padded(desc.length);
  }
  return out.bytes;
}

/** Writes fields one after the other. */
class FieldWriter {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #littleEndian: boolean;
  readonly #wordSize: 4 | 8;
  /** Byte where the next field goes. */
  at = 0;

  constructor(bytes: Uint8Array, littleEndian: boolean, wordSize: 4 | 8) {
    this.bytes = bytes;
    this.#view = viewOf(bytes);
    this.#littleEndian = littleEndian;
    this.#wordSize = wordSize;
  }

  /** 16 bits. */
  half(value: number): this {
    this.#view.setUint16(this.at, value, this.#littleEndian);
    this.at += 2;
    return this;
  }

  /** 32 bits. */
  int(value: number): this {
    this.#view.setUint32(this.at, value, this.#littleEndian);
    this.at += 4;
    return this;
  }

  /** An address, offset or size: 32 or 64 bits as the file's class says. */
  word(value: number): this {
    if (this.#wordSize === 4) return this.int(value);
    this.#view.setBigUint64(this.at, BigInt(value), this.#littleEndian);
    this.at += 8;
    return this;
  }
}
