/** Opens any supported dump: the format is found from the content, never from the name. */
import { PgtableError } from '@pgtable/core/errors';
import { isElf, isElfCore, openElfCore } from './elf-core.js';
import { hex } from './fields.js';
import { isFlattened, openFlattened } from './flattened.js';
import { foreignFormat, hintForUnknown, packedFormat } from './foreign.js';
import { openKdump } from './kdump.js';
import { isKdump } from './kdump-header.js';
import { isLime, openLime } from './lime.js';
import type { OpenOptions, PhysicalMemory, PlacedSource } from './memory.js';
import { openRaw } from './raw.js';
import type { ByteSource } from './source.js';

/** Bytes at the start of a file that detection looks at: the largest page in which a swap area ends with its mark. */
const HEAD_SIZE = 65536;
/** Enough for the formats that are found inside a flattened stream; more may not have been written. */
const MAGIC_SIZE = 64;
/** Bytes of the smallest pages that any of the machines has. */
const SMALLEST_PAGE = 4096;

/**
 * Opens a dump, or plain files at given addresses. The result owns the sources and closes them; when this throws, they
 * stay open.
 *
 * @throws PgtableError `ENOTSUP` for content that is in no supported format, known or not, `EBADMSG` for
 * damaged headers, `ENOMEM` past a limit, `EIO` if reading failed, `EINVAL` for a dump that is given as a plain file
 */
export async function openMemory(input: ByteSource | readonly PlacedSource[], options: OpenOptions = {}): Promise<PhysicalMemory> {
  if (!isSource(input)) {
    for (const placed of input) await refuseDump(placed);
    return openRaw(input);
  }
  const head = await headOf(input);
  if (!isFlattened(head)) return openPlain(input, head, options);
  const inner = await openFlattened(input, options);
  const memory = await openPlain(inner, await headOf(inner, MAGIC_SIZE), options);
  const facts: [string, string][] = [['records in the stream', String(inner.records)]];
  if (!inner.complete) facts.push(['truncated', 'the flattened stream has no end mark; pages that were not written are absent']);
  return relabelled(memory, `${memory.format}, flattened`, [...memory.facts, ...facts]);
}

async function openPlain(source: ByteSource, head: Uint8Array, options: OpenOptions): Promise<PhysicalMemory> {
  if (isElf(head)) return openElfCore(source, options);
  if (isKdump(head)) return openKdump(source, options);
  if (isLime(head)) return openLime(source, options);
  throw (
    foreignFormat(head, source.name) ??
    new PgtableError('ENOTSUP', `${source.name} is in no format that is known here`, { hint: hintForUnknown(source.name) })
  );
}

/** Throws for a dump in the place of plain memory: its headers would be taken for memory, and all of its memory would be elsewhere. */
async function refuseDump({ source, address }: PlacedSource): Promise<void> {
  const head = source.size === 0 ? new Uint8Array(0) : await source.read(0, Math.min(source.size, MAGIC_SIZE));
  // Whole pages of memory may well begin with a compressed file, as where the initial RAM disk was loaded.
  const packed = source.size % SMALLEST_PAGE === 0 ? undefined : packedFormat(head, source.name);
  if (packed !== undefined) throw packed;
  const name = isFlattened(head) ? 'a flattened dump' : isKdump(head) ? 'a kdump-compressed dump' : isLime(head) ? 'a LiME dump' : isElfCore(head) ? 'an ELF core' : undefined;
  if (name === undefined) return;
  throw new PgtableError('EINVAL', `${source.name} is ${name}, which says itself where its memory belongs; it was given as plain memory at ${hex(address)}`, {
    hint: 'Give it alone, without @ADDRESS.',
  });
}

async function headOf(source: ByteSource, size = HEAD_SIZE): Promise<Uint8Array> {
  if (source.size > 0) return source.read(0, Math.min(source.size, size));
  throw new PgtableError('EBADMSG', `${source.name} is empty`, { hint: 'The dump was not written; make it again.' });
}

/** The same memory under another name. */
function relabelled(memory: PhysicalMemory, format: string, facts: PhysicalMemory['facts']): PhysicalMemory {
  return {
    format,
    facts,
    machine: memory.machine,
    notes: memory.notes,
    get ranges() {
      return memory.ranges;
    },
    stateOf: (address) => memory.stateOf(address),
    readBlocks: (addresses, length, target, states) => memory.readBlocks(addresses, length, target, states),
    read: (address, length) => memory.read(address, length),
    chunks: (options) => memory.chunks(options),
    close: () => memory.close(),
  };
}

function isSource(input: ByteSource | readonly PlacedSource[]): input is ByteSource {
  return !Array.isArray(input);
}
