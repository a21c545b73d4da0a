/**
 * Physical memory of a machine as a dump holds it: a sparse array of bytes where every byte is present, absent from
 * this dump, or no memory at all.
 *
 * Physical addresses are plain numbers below 2^56. A number is exact up to 2^53, and beyond that where it is a multiple
 * of 8; callers pass only exact ones (a page-aligned address always is). Ranges are half-open.
 */
import { PgtableError } from '@pgtable/core/errors';
import { ADDRESS_LIMIT, hex, textAt } from './fields.js';
import type { ByteSource } from './source.js';

/**
 * What a dump knows of a byte:
 *
 * - `present`: its value is in the dump;
 * - `absent`: the machine has memory there, and the dump does not hold it (an excluded page, a truncated file);
 * - `none`: the dump knows of no memory there.
 */
export type ByteState = 'present' | 'absent' | 'none';

/** State of a block in {@link PhysicalMemory.readBlocks}: some of it is not memory, and none of it is absent. */
export const BLOCK_NONE = 0;
/** State of a block in {@link PhysicalMemory.readBlocks}: all of its bytes were read. */
export const BLOCK_PRESENT = 1;
/** State of a block in {@link PhysicalMemory.readBlocks}: some of it is memory that this dump does not hold. */
export const BLOCK_ABSENT = 2;

/** A run of addresses in one state. */
export interface MemoryRange {
  /** Address of the first byte. */
  readonly start: number;
  /** Address after the last byte; greater than `start`. */
  readonly end: number;
  readonly state: 'present' | 'absent';
}

/** One note of the container, in the form of an ELF note. */
export interface Note {
  /** Owner without the final NUL, such as `CORE`, `LINUX`, `QEMU`, `VMCOREINFO`. */
  readonly name: string;
  /** The owner's number for the kind of note (`NT_*`). */
  readonly type: number;
  /** The payload, in the byte order of the dumped machine. */
  readonly desc: Uint8Array;
}

/** What a container says of the machine that it was taken from. */
export interface DumpMachine {
  /** `e_machine` (`EM_*`: 3 i386, 22 s390, 62 x86-64, 183 arm64, 243 RISC-V); only ELF has it. */
  readonly elfMachine?: number;
  /** Width of the container's own fields. A 32-bit machine with more than 4 GiB may be dumped as 64-bit ELF. */
  readonly bits: 32 | 64;
  /** Byte order of the machine. */
  readonly littleEndian: boolean;
  /** `utsname.machine`, such as `x86_64`, `aarch64`, `s390x`, as the writer spells it: QEMU writes `S390X`. */
  readonly utsMachine?: string;
  /** Release of the kernel, such as `6.12.48-amd64`: `utsname.release`, or `OSRELEASE` of VMCOREINFO. */
  readonly release?: string;
  /** `utsname.version`. */
  readonly version?: string;
  /** `utsname.nodename`: the host name. */
  readonly nodename?: string;
  /** Bytes in a page, where the container or its VMCOREINFO says so. */
  readonly pageSize?: number;
}

/** How {@link PhysicalMemory.chunks} goes through memory. */
export interface ChunkOptions {
  /** Most bytes in a chunk; a power of two from 4096. Default 1 MiB. Chunks end at multiples of it. */
  readonly chunkSize?: number;
  /** Leave out memory that the container knows to be zero without reading. Default `false`. */
  readonly skipZeros?: boolean;
  /** First address of interest. Default 0. */
  readonly start?: number;
  /** Address after the last one of interest. Default 2^56. */
  readonly end?: number;
}

/** A piece of present memory. */
export interface MemoryChunk {
  /** Physical address of `bytes[0]`. */
  readonly address: number;
  /** Borrowed: valid until the next chunk is asked for. */
  readonly bytes: Uint8Array;
}

/** An opened dump. Reads may overlap in time. */
export interface PhysicalMemory {
  /** For people: `ELF core, 64-bit little-endian`; `kdump-compressed, header version 6, flattened`. */
  readonly format: string;
  /** What the container says of the machine; `undefined` for raw memory and LiME, which say nothing. */
  readonly machine: DumpMachine | undefined;
  /** All notes, in file order. kdump's VMCOREINFO is among them whichever way the file stores it. */
  readonly notes: readonly Note[];
  /**
   * All memory, sorted by address; neighbours of one state are merged.
   *
   * @throws PgtableError `ENOMEM` when first asked for, if the dump is so torn that there are more ranges than
   * {@link MemoryLimits.maxSegments}; everything else still works.
   */
  readonly ranges: readonly MemoryRange[];
  /** Further things worth printing, as pairs of a label and a value: sizes, compression, damage, load address. */
  readonly facts: readonly (readonly [label: string, value: string])[];
  /** State of the byte at a physical address. Addresses outside [0, 2^56) are `none`. */
  stateOf(address: number): ByteState;
  /**
   * Reads many blocks of one size. Block i is the `length` bytes at `addresses[i]`; they go to `target` at i * length.
   * The order of addresses is free: reads are sorted by place in the file and merged.
   *
   * `states[i]` becomes {@link BLOCK_PRESENT}, {@link BLOCK_ABSENT} or {@link BLOCK_NONE}. A block that is not wholly
   * present is left all zero, and its state says why: absent bytes are never passed off as zeros.
   *
   * @param length - bytes in a block, 1 or more
   * @param target - at least `addresses.length * length` bytes
   * @param states - at least `addresses.length` elements
   * @throws PgtableError `EINVAL` if an array is too short or an address is negative or not a number, `EBADMSG` if a
   * part of the file that is needed is damaged, `EIO` if reading failed. `target` and `states` are then undefined.
   */
  readBlocks(addresses: Float64Array | readonly number[], length: number, target: Uint8Array, states: Uint8Array): Promise<void>;
  /**
   * The `length` bytes at `address` in a new array; `undefined` if they are not all present.
   *
   * @throws PgtableError like {@link PhysicalMemory.readBlocks}
   */
  read(address: number, length: number): Promise<Uint8Array | undefined>;
  /**
   * All present memory in the order of addresses, for scans.
   *
   * @throws PgtableError like {@link PhysicalMemory.readBlocks}, `EINVAL` for a bad option
   */
  chunks(options?: ChunkOptions): AsyncIterable<MemoryChunk>;
  /** Closes the sources that it was opened from. Closing twice does no harm. */
  close(): Promise<void>;
}

/** A file that is plain memory from some physical address on. */
export interface PlacedSource {
  readonly source: ByteSource;
  /** Physical address of the file's first byte. */
  readonly address: number;
}

/** Bounds on what a file may make the reader hold in memory; a file that needs more is refused with `ENOMEM`. */
export interface MemoryLimits {
  /** ELF program headers, LiME ranges, memory ranges, flattened records that overwrite each other. Default 2^20. */
  readonly maxSegments: number;
  /** Records of a flattened file; each needs 24 bytes. Default 2^24. */
  readonly maxRecords: number;
  /** Bytes of all notes together. Default 64 MiB. */
  readonly maxNoteBytes: number;
  /** Bytes of the two page bitmaps of a kdump file together. Default 512 MiB, enough for 8 TiB in pages of 4 KiB. */
  readonly maxBitmapBytes: number;
}

/** How to open a dump. */
export interface OpenOptions {
  readonly limits?: Partial<MemoryLimits>;
  /**
   * What the bytes of an ELF segment beyond its `p_filesz` are. The ELF standard says zeros, and tools that cut zeros
   * out of dumps rely on that: `zeros`, the default. But `makedumpfile -E` also drops excluded pages at the end of a
   * segment in this way: with `absent` they are not in the dump.
   */
  readonly beyondFileSize?: 'zeros' | 'absent';
  /**
   * Called with the error that reading a page would throw, if the page itself is damaged in the file: a kdump's compressed page, or its descriptor. The page is absent
   * then, and everything else can be read. Each read of it calls again. Without this, reading it throws.
   */
  readonly onDamage?: (error: PgtableError) => void;
}

const DEFAULT_LIMITS: MemoryLimits = {
  maxSegments: 2 ** 20,
  maxRecords: 2 ** 24,
  maxNoteBytes: 64 * 2 ** 20,
  maxBitmapBytes: 512 * 2 ** 20,
};

/** The limits in force: the given ones, the defaults for the rest. */
export function limitsOf(options: OpenOptions): MemoryLimits {
  return { ...DEFAULT_LIMITS, ...options.limits };
}

/**
 * Refuses to hold more than a limit allows.
 *
 * @throws PgtableError `ENOMEM`
 */
export function checkLimit(limits: MemoryLimits, limit: keyof MemoryLimits, needed: number, what: string): void {
  if (needed <= limits[limit]) return;
  throw new PgtableError('ENOMEM', `${what} is ${needed}, more than the limit of ${limits[limit]}`, {
    hint: `If the file is sound, open it with a larger limits.${limit}.`,
  });
}

/**
 * Checks the arguments of {@link PhysicalMemory.readBlocks}.
 *
 * @throws PgtableError `EINVAL`
 */
export function checkBlocks(addresses: ArrayLike<number>, length: number, target: Uint8Array, states: Uint8Array): void {
  const count = addresses.length;
  if (!Number.isSafeInteger(length) || length < 1) throw new PgtableError('EINVAL', `cannot read blocks of ${length} bytes`);
  if (target.length < count * length) {
    throw new PgtableError('EINVAL', `${count} blocks of ${length} bytes do not fit a target of ${target.length} bytes`);
  }
  if (states.length < count) throw new PgtableError('EINVAL', `${count} blocks need as many states, not ${states.length}`);
  for (let i = 0; i < count; i++) {
    const address = addresses[i] ?? NaN;
    if (!(address >= 0 && Number.isInteger(address))) {
      throw new PgtableError('EINVAL', `${address} is not a physical address`, { hint: 'Addresses are integers from 0 to 2^56.' });
    }
  }
}

/** The options of {@link PhysicalMemory.chunks} with their defaults. @throws PgtableError `EINVAL` */
export function chunkPlan(options: ChunkOptions): Required<ChunkOptions> {
  const { chunkSize = 2 ** 20, skipZeros = false, start = 0, end = ADDRESS_LIMIT } = options;
  if (!Number.isInteger(Math.log2(chunkSize)) || chunkSize < 4096 || chunkSize > 2 ** 30) {
    throw new PgtableError('EINVAL', `chunks of ${chunkSize} bytes: the size is a power of two from 4096 to 2^30`);
  }
  if (!(start >= 0 && end >= start)) throw new PgtableError('EINVAL', `the range ${hex(start)} to ${hex(end)} ends before it starts`);
  return { chunkSize, skipZeros, start, end };
}

/** {@link PhysicalMemory.read} in terms of the other members. */
export async function readOne(
  memory: Pick<PhysicalMemory, 'readBlocks' | 'stateOf'>,
  address: number,
  length: number,
): Promise<Uint8Array | undefined> {
  if (!Number.isSafeInteger(length) || length < 1 || length > 2 ** 32) {
    throw new PgtableError('EINVAL', `cannot read ${length} bytes at once`, { hint: 'Read from 1 byte to 4 GiB; use chunks() for more.' });
  }
  // A wild length must not cost memory.
  if (length > 2 ** 20 && memory.stateOf(address + length - 1) !== 'present') return undefined;
  const bytes = new Uint8Array(length);
  const states = new Uint8Array(1);
  await memory.readBlocks([address], length, bytes, states);
  return states[0] === BLOCK_PRESENT ? bytes : undefined;
}

/** The first note with this name, and this type if one is given. */
export function findNote(memory: Pick<PhysicalMemory, 'notes'>, name: string, type?: number): Note | undefined {
  return memory.notes.find((note) => note.name === name && (type === undefined || note.type === type));
}

/** The text of the VMCOREINFO note (`KEY=value` lines), or `undefined` if the dump has none. */
export function vmcoreinfoText(memory: Pick<PhysicalMemory, 'notes'>): string | undefined {
  const note = findNote(memory, 'VMCOREINFO');
  return note === undefined ? undefined : textAt(note.desc, 0, note.desc.length);
}

/** What VMCOREINFO says of the machine, as far as a container's own header does not. */
export function machineOfVmcoreinfo(notes: readonly Note[]): Pick<DumpMachine, 'release' | 'pageSize'> {
  const text = vmcoreinfoText({ notes }) ?? '';
  const release = /^OSRELEASE=(.+)$/m.exec(text)?.[1];
  const pageSize = /^PAGESIZE=(\d{1,10})$/m.exec(text)?.[1];
  return { ...(release === undefined ? {} : { release }), ...(pageSize === undefined ? {} : { pageSize: Number(pageSize) }) };
}
