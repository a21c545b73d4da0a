/**
 * ELF core dumps: /proc/vmcore, makedumpfile -E, QEMU dump-guest-memory, virsh dump --memory-only, VirtualBox, gcore of
 * an emulator. Field layouts: System V gABI, chapters 4 and 5, and its PN_XNUM extension.
 *
 * - Only `p_paddr` counts; `p_vaddr` is not looked at.
 * - Bytes from `p_filesz` to `p_memsz` are zero by the gABI ("the extra bytes are defined to hold the value 0"), and tools
 *   cut runs of zeros out of dumps that way; they are present. {@link OpenOptions.beyondFileSize} says otherwise.
 * - Where segments overlap, the first in the program header table wins.
 * - A segment that runs past the end of the file is absent from there on.
 */
import { PgtableError } from '@pgtable/core/errors';
import { checkRun, ExtentMemory, storedPart, withoutOverlaps, type Extent } from './extents.js';
import { formatBytes, hex, readU64, textAt, toAddress, viewOf } from './fields.js';
import {
  checkLimit,
  limitsOf,
  machineOfVmcoreinfo,
  type DumpMachine,
  type MemoryLimits,
  type Note,
  type OpenOptions,
  type PhysicalMemory,
} from './memory.js';
import { parseNotes } from './notes.js';
import { unpackPages, type PackedPages } from './packed-pages.js';
import { bytesSource, type ByteSource } from './source.js';

const ET_NAMES = ['no type', 'relocatable object', 'executable', 'shared object or position-independent executable', 'core'];
const ET_CORE = 4;
const PT_LOAD = 1;
const PT_NOTE = 4;
const PN_XNUM = 0xffff;
/** makedumpfile sets this bit of `e_flags` when it ran out of space (makedumpfile IMPLEMENTATION, "incomplete dump"). */
const DUMP_ELF_INCOMPLETE = 1;
/** `p_paddr` of a mapping that has no physical address, in /proc/kcore. */
const NO_ADDRESS = { 32: 0xffff_ffffn, 64: 0xffff_ffff_ffff_ffffn };
/** Program headers are read in pieces of this many entries. */
const HEADERS_AT_ONCE = 8192;

/** Byte offsets in the file header, program header and section header, and their sizes. */
const LAYOUT = {
  32: { ehSize: 52, phoff: 28, shoff: 32, flags: 36, phentsize: 42, phnum: 44, shnum: 48, shstrndx: 50, phSize: 32, shSize: 40, shInfo: 28 },
  64: { ehSize: 64, phoff: 32, shoff: 40, flags: 48, phentsize: 54, phnum: 56, shnum: 60, shstrndx: 62, phSize: 56, shSize: 64, shInfo: 44 },
} as const;

interface FileHeader {
  readonly bits: 32 | 64;
  readonly littleEndian: boolean;
  readonly elfMachine: number;
  readonly incomplete: boolean;
  readonly phoff: number;
  readonly phentsize: number;
  readonly phnum: number;
  readonly shoff: number;
  readonly shnum: number;
  readonly shstrndx: number;
}

interface ProgramHeader {
  readonly type: number;
  readonly offset: number;
  readonly paddr: bigint;
  readonly filesz: number;
  readonly memsz: number;
  readonly align: number;
}

/** Whether a file that begins with `head` is ELF of any kind. */
export function isElf(head: Uint8Array): boolean {
  return head[0] === 0x7f && head[1] === 0x45 && head[2] === 0x4c && head[3] === 0x46;
}

/** Whether it is an ELF core (ET_CORE): programs, which memory may well begin with, are of other types. */
export function isElfCore(head: Uint8Array): boolean {
  return isElf(head) && head.length >= 18 && viewOf(head).getUint16(16, head[5] !== 2) === ET_CORE;
}

/**
 * Opens an ELF core dump.
 *
 * @throws PgtableError `ENOTSUP` for ELF files that are not dumps of a machine, `EBADMSG` for damaged headers, `ENOMEM`
 * past a limit, and what the source throws
 */
export async function openElfCore(source: ByteSource, options: OpenOptions = {}): Promise<PhysicalMemory> {
  const limits = limitsOf(options);
  const header = await readFileHeader(source);
  const headers = await readProgramHeaders(source, header, limits);
  const notes: Note[] = [];
  const damage = await readNotes(source, header, headers, limits, notes);
  const loads = headers.filter((ph) => ph.type === PT_LOAD && ph.memsz > 0);
  await refuseUnplaced(source, header, loads, notes);

  const packed = await unpackPages(notes, source.name);
  const layout = layOut(source, header, loads, options.beyondFileSize ?? 'zeros', packed);
  const machine: DumpMachine = {
    elfMachine: header.elfMachine,
    bits: header.bits,
    littleEndian: header.littleEndian,
    ...machineOfVmcoreinfo(notes),
  };
  return new ExtentMemory({
    format: `ELF core, ${header.bits}-bit ${header.littleEndian ? 'little' : 'big'}-endian`,
    machine,
    notes,
    facts: [
      ['segments', `${loads.length}${header.phnum >= PN_XNUM ? ' (more program headers than e_phnum can say: PN_XNUM)' : ''}`],
      ...layout.facts,
      ...(header.incomplete ? [['incomplete', 'makedumpfile could not write all of it (e_flags bit 0)'] as const] : []),
      ...(damage === undefined ? [] : [['damaged notes', damage] as const]),
    ],
    extents: layout.extents,
    sources: [source, ...packed.map(({ bytes }) => bytesSource(bytes, `${source.name} (packed pages)`))],
  });
}

async function readFileHeader(source: ByteSource): Promise<FileHeader> {
  const ident = await source.read(0, Math.min(source.size, 16));
  const bits = ident[4] === 1 ? 32 : ident[4] === 2 ? 64 : undefined;
  const order = ident[5];
  if (bits === undefined || (order !== 1 && order !== 2)) {
    throw new PgtableError('EBADMSG', `${source.name}: ELF class ${ident[4] ?? 'missing'} and byte order ${order ?? 'missing'} do not exist`, {
      hint: 'The file is damaged; copy or make it again.',
    });
  }
  const littleEndian = order === 1;
  const at = LAYOUT[bits];
  const bytes = await source.read(0, at.ehSize);
  const view = viewOf(bytes);
  const word = (offset: number, what: string): number =>
    bits === 32 ? view.getUint32(offset, littleEndian) : readU64(view, offset, littleEndian, `${source.name}: ${what}`);
  const type = view.getUint16(16, littleEndian);
  if (type !== ET_CORE) {
    const kind = ET_NAMES[type] ?? `file of type ${type}`;
    throw new PgtableError('ENOTSUP', `${source.name} is an ELF ${kind}, not a dump of a machine's memory (an ELF core)`, {
      hint: 'A kernel image (vmlinux) or program cannot be opened; give the dump: /proc/vmcore, or the file that makedumpfile, virsh dump --memory-only or dump-guest-memory wrote.',
    });
  }
  const header: FileHeader = {
    bits,
    littleEndian,
    elfMachine: view.getUint16(18, littleEndian),
    incomplete: (view.getUint32(at.flags, littleEndian) & DUMP_ELF_INCOMPLETE) !== 0,
    phoff: word(at.phoff, 'e_phoff'),
    phentsize: view.getUint16(at.phentsize, littleEndian),
    phnum: view.getUint16(at.phnum, littleEndian),
    shoff: word(at.shoff, 'e_shoff'),
    shnum: view.getUint16(at.shnum, littleEndian),
    shstrndx: view.getUint16(at.shstrndx, littleEndian),
  };
  if (header.phnum !== PN_XNUM || header.shoff === 0) return header;
  const section = viewOf(await source.read(header.shoff, at.shSize));
  return { ...header, phnum: section.getUint32(at.shInfo, littleEndian) };
}

async function readProgramHeaders(source: ByteSource, header: FileHeader, limits: MemoryLimits): Promise<ProgramHeader[]> {
  const { bits, littleEndian, phoff, phentsize, phnum } = header;
  const { phSize } = LAYOUT[bits];
  if (phnum > 0 && phentsize < phSize) {
    throw new PgtableError('EBADMSG', `${source.name}: program headers of ${phentsize} bytes are too short (${phSize} at least)`, {
      hint: 'The file is damaged; copy or make it again.',
    });
  }
  if (phoff + phnum * phentsize > source.size) {
    throw new PgtableError('EBADMSG', `${source.name}: ${phnum} program headers at offset ${phoff} lie past its end (${source.size} bytes)`, {
      hint: 'The file is truncated or damaged; copy or make it again.',
    });
  }
  checkLimit(limits, 'maxSegments', phnum, `${source.name}: the number of program headers`);
  const headers: ProgramHeader[] = [];
  for (let first = 0; first < phnum; first += HEADERS_AT_ONCE) {
    const count = Math.min(HEADERS_AT_ONCE, phnum - first);
    const view = viewOf(await source.read(phoff + first * phentsize, count * phentsize));
    for (let i = 0; i < count; i++) headers.push(programHeader(view, i * phentsize, bits, littleEndian, source.name));
  }
  return headers;
}

function programHeader(view: DataView, at: number, bits: 32 | 64, le: boolean, name: string): ProgramHeader {
  const type = view.getUint32(at, le);
  if (type !== PT_LOAD && type !== PT_NOTE) return { type, offset: 0, paddr: 0n, filesz: 0, memsz: 0, align: 0 };
  if (bits === 32) {
    return {
      type,
      offset: view.getUint32(at + 4, le),
      paddr: BigInt(view.getUint32(at + 12, le)),
      filesz: view.getUint32(at + 16, le),
      memsz: view.getUint32(at + 20, le),
      align: view.getUint32(at + 28, le),
    };
  }
  return {
    type,
    offset: readU64(view, at + 8, le, `${name}: p_offset`),
    paddr: view.getBigUint64(at + 24, le),
    filesz: readU64(view, at + 32, le, `${name}: p_filesz`),
    memsz: readU64(view, at + 40, le, `${name}: p_memsz`),
    align: Number(view.getBigUint64(at + 48, le)),
  };
}

/** Reads the notes of every PT_NOTE and returns what is wrong with them, if anything is. */
async function readNotes(
  source: ByteSource,
  header: FileHeader,
  headers: readonly ProgramHeader[],
  limits: MemoryLimits,
  notes: Note[],
): Promise<string | undefined> {
  let damage: string | undefined;
  let total = 0;
  for (const { type, offset, filesz, align } of headers) {
    if (type !== PT_NOTE) continue;
    const [size, missing] = storedPart(source.size, offset, filesz);
    if (missing > 0) damage ??= 'the file ends before its notes do';
    total += size;
    checkLimit(limits, 'maxNoteBytes', total, `${source.name}: the size of its notes`);
    if (size > 0) damage = parseNotes(await source.read(offset, size), header.littleEndian, align === 8 ? 8 : 4, notes) ?? damage;
  }
  return damage;
}

/** Refuses cores that hold no memory, or memory without physical addresses. */
async function refuseUnplaced(source: ByteSource, header: FileHeader, loads: readonly ProgramHeader[], notes: readonly Note[]): Promise<void> {
  if (loads.length === 0) {
    if (await hasXenSections(source, header)) {
      throw new PgtableError('ENOTSUP', `${source.name} is a Xen core (its memory is in ELF sections), which is not supported`, {
        hint: 'Dump from inside the guest (kdump), or convert it to a plain ELF core.',
      });
    }
    throw new PgtableError('EBADMSG', `${source.name} is an ELF core without any memory (no PT_LOAD segment)`, {
      hint: 'The dump was cut short; make it again.',
    });
  }
  const none = NO_ADDRESS[header.bits];
  if (!loads.every(({ paddr }) => paddr === none) && !(loads.length > 1 && loads.every(({ paddr }) => paddr === 0n))) return;
  const ofProcess = notes.some(({ name, type }) => name === 'CORE' && (type === 3 || type === 6));
  throw new PgtableError('ENOTSUP', `${source.name}: its segments have no physical addresses (p_paddr is the same everywhere)`, {
    hint: ofProcess
      ? 'It is the core of a process, not of a machine; make a dump of the machine.'
      : 'Old kernels write /proc/kcore like this, and cores of processes look like this; make a dump of the machine.',
  });
}

/** Whether the section names are those of `xl dump-core`. */
async function hasXenSections(source: ByteSource, { bits, littleEndian, shoff, shnum, shstrndx }: FileHeader): Promise<boolean> {
  const { shSize } = LAYOUT[bits];
  const at = shoff + shstrndx * shSize;
  if (shnum === 0 || shstrndx >= shnum || at + shSize > source.size) return false;
  const view = viewOf(await source.read(at, shSize));
  const [offset, size] =
    bits === 32
      ? [BigInt(view.getUint32(16, littleEndian)), BigInt(view.getUint32(20, littleEndian))]
      : [view.getBigUint64(24, littleEndian), view.getBigUint64(32, littleEndian)];
  if (offset + size > BigInt(source.size) || size > 65536n) return false;
  const names = await source.read(Number(offset), Number(size));
  for (let i = 0; i < names.length; i++) {
    if (names[i] === 0x2e && textAt(names, i, 5) === '.xen_') return true;
  }
  return false;
}

interface MemoryLayout {
  readonly extents: Extent[];
  readonly facts: (readonly [string, string])[];
}

function layOut(source: ByteSource, header: FileHeader, loads: readonly ProgramHeader[], beyondFileSize: 'zeros' | 'absent', packed: readonly PackedPages[]): MemoryLayout {
  const extents: Extent[] = [];
  let truncated = 0;
  let beyond = 0;
  let unplaced = 0;
  for (const { offset, paddr, filesz, memsz } of loads) {
    const start = paddr === NO_ADDRESS[header.bits] ? undefined : toAddress(paddr);
    if (start === undefined) {
      unplaced++;
      continue;
    }
    const what = `${source.name}: the segment at ${hex(start)}`;
    checkRun(start, memsz, what);
    if (filesz > memsz) {
      throw new PgtableError('EBADMSG', `${what} has ${filesz} bytes in the file and only ${memsz} in memory`, {
        address: BigInt(start),
        hint: 'The program header is damaged; make the dump again.',
      });
    }
    const [present, absent] = storedPart(source.size, offset, filesz);
    const runs = [
      ['file', present],
      ['absent', absent],
      [beyondFileSize === 'zeros' ? 'zero' : 'absent', memsz - filesz],
    ] as const;
    let at = start;
    for (const [kind, size] of runs) {
      if (size > 0) extents.push({ start: at, end: at + size, kind, source: 0, offset });
      at += size;
    }
    truncated += absent;
    beyond += memsz - filesz;
  }
  let unpacked = 0;
  for (const [index, { addresses, pageBytes, bytes }] of packed.entries()) {
    addresses.forEach((start, at) => {
      checkRun(start, pageBytes, `${source.name}: a packed page`);
      extents.push({ start, end: start + pageBytes, kind: 'file', source: index + 1, offset: at * pageBytes });
    });
    unpacked += bytes.length;
  }
  const facts: (readonly [string, string])[] = [];
  if (unpacked > 0) facts.push(['packed', `${formatBytes(unpacked)} of pages in a PGTABLE note`]);
  if (truncated > 0) facts.push(['truncated', `${formatBytes(truncated)} of its segments lie past the end of the file and are absent`]);
  if (beyond > 0) {
    const as = beyondFileSize === 'zeros' ? 'read as zeros' : 'are absent';
    facts.push(['not stored', `${formatBytes(beyond)} beyond p_filesz ${as}`]);
  }
  if (unplaced > 0) facts.push(['left out', `${unplaced} segments without a physical address (as in /proc/kcore)`]);
  const sorted = withoutOverlaps(extents);
  const overlap = bytesOf(extents) - bytesOf(sorted);
  if (overlap > 0) facts.push(['overlap', `${formatBytes(overlap)} are in several segments; the first segment counts`]);
  return { extents: sorted, facts };
}

function bytesOf(extents: readonly Extent[]): number {
  return extents.reduce((sum, { start, end }) => sum + (end - start), 0);
}
