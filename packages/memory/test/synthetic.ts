/**
 * Dumps made up from a list of memory blocks, in every format and variant that the package reads. Shares no code with
 * src/, so that a mistake in one does not hide in the other.
 */
import { zlibSync } from 'fflate';
import { snappyCompress } from 'hysnappy';

/** A run of memory. */
export interface Block {
  readonly address: number;
  readonly bytes: Uint8Array;
}

/** Byte order and width of the machine that "wrote" the dump. */
export interface Abi {
  readonly bits: 32 | 64;
  readonly littleEndian: boolean;
}

/** A page with structure like a page table's, different for each seed. */
export function texturedPage(seed: number, size = 4096): Uint8Array {
  const page = new Uint8Array(Math.ceil(size / 8) * 8);
  const view = new DataView(page.buffer);
  let x = BigInt(seed) & 0xffff_ffffn;
  for (let i = 0; i * 8 < size; i++) {
    x = (x * 1664525n + 1013904223n) & 0xffff_ffffn;
    const value = i % 5 === 0 ? (x << 12n) | 0x67n : i % 7 === 0 ? 0n : BigInt((seed + i) * 0x1000) | 0x163n;
    view.setBigUint64(i * 8, value, true);
  }
  return page.slice(0, size);
}

/** Writes fields of a header at increasing places. */
export class Fields {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  at = 0;
  private readonly littleEndian: boolean;

  constructor(size: number, littleEndian: boolean) {
    this.bytes = new Uint8Array(size);
    this.view = new DataView(this.bytes.buffer);
    this.littleEndian = littleEndian;
  }

  u16(value: number): this {
    this.view.setUint16(this.at, value, this.littleEndian);
    this.at += 2;
    return this;
  }

  u32(value: number): this {
    this.view.setUint32(this.at, value, this.littleEndian);
    this.at += 4;
    return this;
  }

  u64(value: number | bigint): this {
    this.view.setBigUint64(this.at, BigInt(value), this.littleEndian);
    this.at += 8;
    return this;
  }

  /** A `long` of the machine. */
  long(value: number, bits: 32 | 64): this {
    return bits === 32 ? this.u32(value) : this.u64(value);
  }

  ascii(text: string, length = text.length): this {
    for (let i = 0; i < text.length; i++) this.bytes[this.at + i] = text.charCodeAt(i);
    this.at += length;
    return this;
  }

  seek(at: number): this {
    this.at = at;
    return this;
  }
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

export interface SyntheticNote {
  readonly name: string;
  readonly type: number;
  readonly desc: Uint8Array;
}

export function noteBytes(notes: readonly SyntheticNote[], littleEndian: boolean, align = 4): Uint8Array {
  const up = (size: number): number => Math.ceil(size / align) * align;
  return concat(
    notes.map(({ name, type, desc }) => {
      const descAt = up(12 + name.length + 1);
      const out = new Fields(descAt + up(desc.length), littleEndian);
      out.u32(name.length + 1).u32(desc.length).u32(type).ascii(name);
      out.bytes.set(desc, descAt);
      return out.bytes;
    }),
  );
}

export const VMCOREINFO_TEXT = 'OSRELEASE=6.12.0-synthetic\nPAGESIZE=4096\n';

export function vmcoreinfoNote(): SyntheticNote {
  return { name: 'VMCOREINFO', type: 0, desc: new TextEncoder().encode(VMCOREINFO_TEXT) };
}

export interface ElfOptions {
  readonly elfMachine?: number;
  readonly type?: number;
  readonly flags?: number;
  readonly notes?: readonly SyntheticNote[];
  readonly noteAlign?: 4 | 8;
  /** Count program headers in section header 0 even if few. */
  readonly extendedNumbering?: boolean;
  /** Bytes added to p_memsz of every segment. */
  readonly beyond?: number;
  /** Put this into every p_paddr. */
  readonly paddr?: bigint;
}

/** An ELF core with one PT_NOTE and one PT_LOAD for each block, in the order given. */
export function elfImage(blocks: readonly Block[], abi: Abi, options: ElfOptions = {}): Uint8Array {
  const { bits, littleEndian } = abi;
  const { elfMachine = 62, type = 4, flags = 0, notes = [], noteAlign = 4, extendedNumbering = false, beyond = 0, paddr } = options;
  const [ehSize, phSize, shSize] = bits === 32 ? [52, 32, 40] : [64, 56, 64];
  const note = noteBytes(notes, littleEndian, noteAlign);
  const phnum = blocks.length + 1;
  const shoff = ehSize + phnum * phSize;
  const noteAt = shoff + (extendedNumbering ? shSize : 0);
  const out = new Fields(noteAt + note.length, littleEndian);
  out.bytes.set([0x7f, 0x45, 0x4c, 0x46, bits === 32 ? 1 : 2, littleEndian ? 1 : 2, 1]);
  out.seek(16).u16(type).u16(elfMachine).u32(1).long(0, bits).long(ehSize, bits).long(extendedNumbering ? shoff : 0, bits).u32(flags);
  out.u16(ehSize).u16(phSize).u16(extendedNumbering ? 0xffff : phnum).u16(shSize).u16(extendedNumbering ? 1 : 0).u16(0);
  const header = (kind: number, offset: number, address: bigint, filesz: number, memsz: number, align: number): void => {
    if (bits === 32) {
      out.u32(kind).u32(offset).u32(0).u32(Number(address)).u32(filesz).u32(memsz).u32(7).u32(align);
    } else {
      out.u32(kind).u32(7).u64(offset).u64(0).u64(address).u64(filesz).u64(memsz).u64(align);
    }
  };
  header(4, noteAt, 0n, note.length, 0, noteAlign);
  let offset = noteAt + note.length;
  for (const { address, bytes } of blocks) {
    header(1, offset, paddr ?? BigInt(address), bytes.length, bytes.length + beyond, 0);
    offset += bytes.length;
  }
  if (extendedNumbering) out.seek(shoff + (bits === 32 ? 28 : 44)).u32(phnum);
  out.bytes.set(note, noteAt);
  return concat([out.bytes, ...blocks.map(({ bytes }) => bytes)]);
}

export type KdumpCompression = 'none' | 'zlib' | 'lzo' | 'snappy' | 'zstd';

const FLAG = { none: 0, zlib: 1, lzo: 2, snappy: 4, zstd: 0x20 };

export interface KdumpOptions {
  readonly version?: 3 | 4 | 5 | 6;
  readonly compression?: KdumpCompression;
  readonly blockSize?: number;
  /** Frames that are memory but were left out. */
  readonly excluded?: readonly number[];
  readonly notes?: readonly SyntheticNote[];
  readonly status?: number;
  readonly split?: boolean;
  readonly signature?: 'KDUMP   ' | 'DISKDUMP';
  /** `utsname.machine`; by default x86's for as many bits. */
  readonly machine?: string;
  /** Alignment of 64-bit fields on a 32-bit machine: 4 (i386, QEMU) or 8 (arm). */
  readonly align32?: 4 | 8;
  /** The text that the header points to. */
  readonly vmcoreinfo?: string;
  /** Leave the first bitmap out: bitmap_blocks then covers one only. */
  readonly singleBitmap?: boolean;
  /** Replaces the compressed form of a page, for damaged and foreign streams. */
  readonly encode?: (page: Uint8Array, pfn: number) => { readonly data: Uint8Array; readonly flags: number } | undefined;
}

/** A kdump-compressed file of whole pages. Pages that do not shrink are stored, as makedumpfile does. */
export function kdumpImage(blocks: readonly Block[], abi: Abi, options: KdumpOptions = {}): Uint8Array {
  const { bits, littleEndian } = abi;
  const { version = 6, compression = 'none', blockSize = 4096, excluded = [], notes = [vmcoreinfoNote()], status = 0 } = options;
  const { split = false, signature = 'KDUMP   ', machine = bits === 64 ? 'x86_64' : 'i686', align32 = 4, singleBitmap = false, vmcoreinfo: text = VMCOREINFO_TEXT, encode } = options;
  const pages = new Map<number, Uint8Array>();
  for (const { address, bytes } of blocks) {
    for (let at = 0; at < bytes.length; at += blockSize) pages.set((address + at) / blockSize, bytes.subarray(at, at + blockSize));
  }
  const pfns = [...pages.keys()].sort((a, b) => a - b);
  const maxMapnr = Math.max(...pfns, ...excluded) + 1;
  const bitmapBytes = Math.ceil(maxMapnr / 8 / blockSize) * blockSize;
  const bitmap = (frames: readonly number[]): Uint8Array => {
    const bytes = new Uint8Array(bitmapBytes);
    for (const pfn of frames) bytes[pfn >> 3] = (bytes[pfn >> 3] ?? 0) | (1 << (pfn & 7));
    return bytes;
  };
  const bitmaps = singleBitmap ? [bitmap(pfns)] : [bitmap([...pfns, ...excluded]), bitmap(pfns)];

  const main = new Fields(blockSize, littleEndian);
  main.ascii(signature).u32(version);
  for (const text of ['Linux', 'host', '6.12.0-synthetic', '#1', machine, '(none)']) main.ascii(text, 65);
  main.seek(bits === 64 ? 424 : 412).u32(status).u32(blockSize).u32(1).u32((bitmapBytes * bitmaps.length) / blockSize).u32(maxMapnr);

  const note = noteBytes(notes, littleEndian);
  const vmcoreinfo = new TextEncoder().encode(text);
  const sub = new Fields(blockSize, littleEndian);
  const noteAt = 512;
  const infoAt = 512 + Math.ceil(note.length / 8) * 8;
  const off = (value: number): Fields => {
    if (bits === 64 || align32 === 8) sub.at = Math.ceil(sub.at / 8) * 8;
    return sub.u64(value);
  };
  sub.long(0x100_0000, bits).u32(31).u32(split ? 1 : 0).long(0, bits).long(0, bits);
  off(blockSize + infoAt).long(vmcoreinfo.length, bits);
  if (version >= 4) off(blockSize + noteAt).long(note.length, bits);
  if (version >= 5) off(0).long(0, bits);
  if (version >= 6) {
    off(0);
    off(maxMapnr);
    off(maxMapnr);
  }
  if (version >= 4) sub.bytes.set(note, noteAt);
  sub.bytes.set(vmcoreinfo, infoAt);

  const data: Uint8Array[] = [];
  const descs = new Fields(pfns.length * 24, littleEndian);
  let offset = 2 * blockSize + bitmapBytes * bitmaps.length + descs.bytes.length;
  const placeOfZeros = new Map<number, number>();
  for (const pfn of pfns) {
    const page = pages.get(pfn) ?? new Uint8Array(blockSize);
    const packed = encode?.(page, pfn)?.data ?? compress(page, compression);
    const flags = encode?.(page, pfn)?.flags ?? (packed === page ? 0 : FLAG[compression]);
    const isZero = page.every((byte) => byte === 0);
    const shared = isZero ? placeOfZeros.get(packed.length) : undefined;
    descs.u64(shared ?? offset).u32(packed.length).u32(flags).u64(0);
    if (shared !== undefined) continue;
    if (isZero) placeOfZeros.set(packed.length, offset);
    data.push(packed);
    offset += packed.length;
  }
  return concat([main.bytes, sub.bytes, ...bitmaps, descs.bytes, ...data]);
}

/** The page compressed, or the page itself if that is no shorter. */
function compress(page: Uint8Array, compression: KdumpCompression): Uint8Array {
  const packed = compressAlways(page, compression);
  return packed.length < page.length ? packed : page;
}

function compressAlways(page: Uint8Array, compression: KdumpCompression): Uint8Array {
  switch (compression) {
    case 'none':
      return page;
    case 'zlib':
      return zlibSync(page, { level: 1 });
    case 'lzo':
      return lzoCompress(page);
    case 'snappy':
      return snappyCompress(page);
    case 'zstd':
      return zstdRuns(page);
  }
}

/** LZO1X with literals and matches of 3 to 8 bytes up to 2 KiB back; enough to exercise a decoder. */
export function lzoCompress(input: Uint8Array): Uint8Array {
  const out: number[] = [];
  let literalsFrom = 0;
  let lastOperand = -1;
  const flushLiterals = (end: number): void => {
    const count = end - literalsFrom;
    if (count === 0) return;
    if (lastOperand >= 0 && count <= 3) out[lastOperand] = (out[lastOperand] ?? 0) | count;
    else if (count <= 3) out.push(17 + count);
    else if (count <= 18) out.push(count - 3);
    else {
      out.push(0);
      let rest = count - 18;
      for (; rest > 255; rest -= 255) out.push(0);
      out.push(rest);
    }
    for (let i = literalsFrom; i < end; i++) out.push(input[i] ?? 0);
  };
  const seen = new Map<number, number>();
  let at = 0;
  while (at + 3 <= input.length) {
    const key = ((input[at] ?? 0) << 16) | ((input[at + 1] ?? 0) << 8) | (input[at + 2] ?? 0);
    const from = seen.get(key);
    seen.set(key, at);
    if (from === undefined || at - from > 2048 || at === 0) {
      at++;
      continue;
    }
    let length = 3;
    while (length < 8 && at + length < input.length && input[from + length] === input[at + length]) length++;
    flushLiterals(at);
    const distance = at - from - 1;
    const high = length <= 4 ? 0x40 | ((length - 3) << 5) : 0x80 | ((length - 5) << 5);
    lastOperand = out.push(high | ((distance & 7) << 2)) - 1;
    out.push(distance >> 3);
    at += length;
    literalsFrom = at;
  }
  flushLiterals(input.length);
  out.push(0x11, 0, 0);
  return Uint8Array.from(out);
}

/** A zstd frame of one RLE block for each run of equal bytes. */
function zstdRuns(page: Uint8Array): Uint8Array {
  const out: number[] = [0x28, 0xb5, 0x2f, 0xfd, 0xa0, page.length & 0xff, (page.length >> 8) & 0xff, (page.length >> 16) & 0xff, 0];
  for (let at = 0; at < page.length; ) {
    let end = at + 1;
    while (end < page.length && page[end] === page[at]) end++;
    const header = ((end - at) << 3) | (1 << 1) | (end === page.length ? 1 : 0);
    out.push(header & 0xff, (header >> 8) & 0xff, header >> 16, page[at] ?? 0);
    at = end;
  }
  return Uint8Array.from(out);
}

export interface FlattenOptions {
  /** Bytes in a record. Default 1000, so that records do not match pages. */
  readonly recordSize?: number;
  /** Order of the records: their numbers. */
  readonly shuffle?: (numbers: number[]) => number[];
  /** Write wrong bytes to the same place first. */
  readonly overwrite?: boolean;
  /** Default `true`. */
  readonly endMark?: boolean;
}

/** `file` as a flattened stream. */
export function flatten(file: Uint8Array, options: FlattenOptions = {}): Uint8Array {
  const { recordSize = 1000, shuffle = (numbers) => numbers, overwrite = false, endMark = true } = options;
  const header = new Fields(4096, false).ascii('makedumpfile', 16).u64(1).u64(1).bytes;
  const record = (offset: number, bytes: Uint8Array): Uint8Array => concat([new Fields(16, false).u64(offset).u64(bytes.length).bytes, bytes]);
  const numbers = Array.from({ length: Math.ceil(file.length / recordSize) }, (_, i) => i);
  const wrong = overwrite ? [record(10, new Uint8Array(Math.min(2500, file.length - 10)).fill(0xee))] : [];
  const records = shuffle(numbers).map((i) => record(i * recordSize, file.subarray(i * recordSize, (i + 1) * recordSize)));
  const end = endMark ? [new Uint8Array(16).fill(0xff)] : [];
  return concat([header, ...wrong, ...records, ...end]);
}

/** A LiME file. */
export function limeImage(blocks: readonly Block[], littleEndian = true): Uint8Array {
  return concat(
    blocks.flatMap(({ address, bytes }) => [
      new Fields(32, littleEndian).u32(0x4c694d45).u32(1).u64(address).u64(address + bytes.length - 1).bytes,
      bytes,
    ]),
  );
}

/** A source over bytes that counts reads and can be told to be larger than it is (the rest reads as zeros). */
export function sparseSource(parts: readonly { offset: number; bytes: Uint8Array }[], size: number): {
  name: string;
  size: number;
  reads: number;
  bytesRead: number;
  read(offset: number, length: number): Promise<Uint8Array>;
  readInto(offset: number, target: Uint8Array): Promise<void>;
  close(): Promise<void>;
} {
  return {
    name: 'sparse',
    size,
    reads: 0,
    bytesRead: 0,
    async read(offset, length) {
      const bytes = new Uint8Array(length);
      await this.readInto(offset, bytes);
      return bytes;
    },
    readInto(offset, target) {
      this.reads++;
      this.bytesRead += target.length;
      target.fill(0);
      for (const part of parts) {
        const from = Math.max(offset, part.offset);
        const to = Math.min(offset + target.length, part.offset + part.bytes.length);
        if (from < to) target.set(part.bytes.subarray(from - part.offset, to - part.offset), from - offset);
      }
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
}
