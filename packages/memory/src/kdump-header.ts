/**
 * The headers of the kdump-compressed format. They are C structures of the machine that wrote the dump, with its byte
 * order, its width of `long` and its padding; nothing in the file says which, so the possible layouts are tried.
 * Source: makedumpfile, IMPLEMENTATION and diskdump_mod.h (`disk_dump_header`, `kdump_sub_header`).
 */
import { PgtableError } from '@pgtable/core/errors';
import { readU64, textAt, viewOf } from './fields.js';
import type { DumpMachine } from './memory.js';
import type { ByteSource } from './source.js';

/** Bits of `status` in the file header. */
export const DUMP_INCOMPLETE = 0x8;
export const DUMP_EXCLUDED_VMEMMAP = 0x10;

/** Bytes of the file header before its table of tasks, in the longer (64-bit) layout. */
const HEADER_SIZE = 464;
const UTSNAME = 12;
const UTS_FIELD = 65;
/** Byte offset of `status`; the five fields that are read here follow it. */
const STATUS_OFFSET = { 64: 424, 32: 412 } as const;

/** A run of bytes of the file. */
export interface FilePart {
  readonly offset: number;
  readonly size: number;
}

/** What the two headers say. */
export interface KdumpHeader {
  readonly version: number;
  readonly machine: DumpMachine;
  /** Bits: how pages are compressed, {@link DUMP_INCOMPLETE}, {@link DUMP_EXCLUDED_VMEMMAP}. */
  readonly status: number;
  /** Bytes in a block of the file, and in a page of the dump. A power of two. */
  readonly blockSize: number;
  /** Blocks of both bitmaps together. */
  readonly bitmapBlocks: number;
  /** Byte of the file where the first bitmap begins. */
  readonly bitmapOffset: number;
  /** Page frames from 0 on that the bitmaps speak of. */
  readonly maxMapnr: number;
  /** Where the kernel is loaded, by its writer (QEMU 7.2 writes nonsense for x86-64). */
  readonly physBase: bigint;
  /** makedumpfile's -d: which pages were left out. */
  readonly dumpLevel: number;
  readonly split: boolean;
  readonly vmcoreinfo: FilePart;
  readonly notes: FilePart;
  readonly eraseinfo: FilePart;
}

interface MainHeader {
  readonly bits: 32 | 64;
  readonly littleEndian: boolean;
  readonly version: number;
  readonly status: number;
  readonly blockSize: number;
  readonly subHeaderBlocks: number;
  readonly bitmapBlocks: number;
  readonly maxMapnr: number;
}

/** Whether a file that begins with `head` is a kdump-compressed or diskdump file. */
export function isKdump(head: Uint8Array): boolean {
  return ['KDUMP   ', 'DISKDUMP'].includes(textAt(head, 0, 8));
}

/**
 * Reads and checks both headers.
 *
 * @throws PgtableError `ENOTSUP` for header versions other than 3 to 6, `EBADMSG` for damaged headers
 */
export async function readKdumpHeader(source: ByteSource): Promise<KdumpHeader> {
  const bytes = await source.read(0, Math.min(source.size, HEADER_SIZE));
  const main = bytes.length < HEADER_SIZE ? undefined : findLayout(viewOf(bytes), source.size);
  if (main === undefined) {
    throw new PgtableError('EBADMSG', `${source.name}: its kdump header makes sense in no byte order and width`, {
      hint: 'The file is truncated or damaged; copy or make it again.',
    });
  }
  if (main.version < 3 || main.version > 6) {
    throw new PgtableError('ENOTSUP', `${source.name}: kdump header version ${main.version} is not supported (3 to 6 are)`, {
      hint: 'Convert it with makedumpfile -E to an ELF core.',
    });
  }
  const { bits, littleEndian, blockSize } = main;
  const bitmapOffset = (1 + main.subHeaderBlocks) * blockSize;
  if (bitmapOffset + main.bitmapBlocks * blockSize > source.size) {
    throw new PgtableError('EBADMSG', `${source.name}: its ${main.bitmapBlocks} blocks of bitmaps lie past its end (${source.size} bytes)`, {
      hint: 'The file is truncated or damaged; copy or make it again.',
    });
  }
  const sub = await readSubHeader(source, main);
  const uts = (field: number): string => textAt(bytes, UTSNAME + field * UTS_FIELD, UTS_FIELD);
  const text = { nodename: uts(1), release: uts(2), version: uts(3), utsMachine: uts(4) };
  const known = Object.fromEntries(Object.entries(text).filter(([, value]) => value !== ''));
  return {
    ...sub,
    version: main.version,
    machine: { bits, littleEndian, ...known },
    status: main.status,
    blockSize,
    bitmapBlocks: main.bitmapBlocks,
    bitmapOffset,
  };
}

/** The first layout in which the header's fields agree with each other and with the size of the file. */
function findLayout(view: DataView, fileSize: number): MainHeader | undefined {
  for (const littleEndian of [true, false]) {
    for (const bits of [64, 32] as const) {
      const at = STATUS_OFFSET[bits];
      const header: MainHeader = {
        bits,
        littleEndian,
        version: view.getInt32(8, littleEndian),
        status: view.getUint32(at, littleEndian),
        blockSize: view.getInt32(at + 4, littleEndian),
        subHeaderBlocks: view.getInt32(at + 8, littleEndian),
        bitmapBlocks: view.getUint32(at + 12, littleEndian),
        maxMapnr: view.getUint32(at + 16, littleEndian),
      };
      const { version, blockSize, subHeaderBlocks, bitmapBlocks } = header;
      const isPage = blockSize >= 1024 && blockSize <= 2 ** 20 && (blockSize & (blockSize - 1)) === 0;
      if (!isPage || version < 1 || version > 255 || subHeaderBlocks < 1 || bitmapBlocks < 1) continue;
      if ((1 + subHeaderBlocks) * blockSize <= fileSize) return header;
    }
  }
  return undefined;
}

type SubHeader = Pick<KdumpHeader, 'physBase' | 'dumpLevel' | 'split' | 'maxMapnr' | 'vmcoreinfo' | 'notes' | 'eraseinfo'>;

/**
 * Reads the second header. Its 64-bit fields are 8-byte aligned on 64-bit machines and on 32-bit arm, mips and powerpc,
 * and 4-byte aligned on i386 and in what QEMU writes: of the two 32-bit layouts the one that makes sense is taken.
 */
async function readSubHeader(source: ByteSource, main: MainHeader): Promise<SubHeader> {
  const available = Math.min(main.subHeaderBlocks * main.blockSize, 256);
  const view = viewOf(await source.read(main.blockSize, available));
  const layouts = main.bits === 64 ? ([[8, 8]] as const) : ([[4, 4], [4, 8]] as const);
  let problem: unknown;
  for (const [long, align] of layouts) {
    try {
      return parseSubHeader(view, main, long, align, source);
    } catch (error) {
      problem ??= error;
    }
  }
  throw problem;
}

function parseSubHeader(view: DataView, main: MainHeader, long: 4 | 8, align: 4 | 8, source: ByteSource): SubHeader {
  const { littleEndian, version } = main;
  let at = 0;
  const field = (what: string, size: 4 | 8, since: number): number => {
    if (size === 8) at = Math.ceil(at / align) * align;
    const here = at;
    at += size;
    if (version < since) return 0;
    return size === 4 ? view.getUint32(here, littleEndian) : readU64(view, here, littleEndian, `${source.name}: ${what}`);
  };
  const part = (what: string, since: number): FilePart => {
    const offset = field(`offset_${what}`, 8, since);
    const size = field(`size_${what}`, long, since);
    if (size === 0) return { offset: 0, size: 0 };
    if (offset + size <= source.size) return { offset, size };
    throw new PgtableError('EBADMSG', `${source.name}: its ${what} (${size} bytes at offset ${offset}) lies past its end (${source.size} bytes)`, {
      hint: 'The file is truncated or damaged; copy or make it again.',
    });
  };

  const physBase = long === 8 ? view.getBigUint64(0, littleEndian) : BigInt(view.getUint32(0, littleEndian));
  at = long;
  const dumpLevel = field('dump_level', 4, 1);
  const split = field('split', 4, 2) !== 0;
  at += 2 * long; // start_pfn and end_pfn, of split dumps only
  const vmcoreinfo = part('vmcoreinfo', 3);
  const notes = part('note', 4);
  const eraseinfo = part('eraseinfo', 5);
  at = Math.ceil(at / align) * align + 16; // start_pfn_64 and end_pfn_64
  const maxMapnr64 = field('max_mapnr_64', 8, 6);
  if (version >= 6 && maxMapnr64 % 2 ** 32 !== main.maxMapnr && main.maxMapnr !== 0xffff_ffff) {
    throw new PgtableError('EBADMSG', `${source.name}: max_mapnr is ${main.maxMapnr} in one header and ${maxMapnr64} in the other`, {
      hint: 'The file is damaged; copy or make it again.',
    });
  }
  return { physBase, dumpLevel, split, maxMapnr: version >= 6 ? maxMapnr64 : main.maxMapnr, vmcoreinfo, notes, eraseinfo };
}
