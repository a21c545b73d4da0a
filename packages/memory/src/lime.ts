/**
 * LiME version 1, as the LiME kernel module and AVML write it: a list of ranges, each with a header of 32 bytes (magic
 * 0x4C694D45, version, first address, last address, 8 bytes reserved) before its bytes. The last address is inclusive.
 * Source: LiME, doc/README.md, "LiME Memory Range Header Structure".
 */
import { PgtableError } from '@pgtable/core/errors';
import { checkRun, ExtentMemory, storedPart, withoutOverlaps, type Extent } from './extents.js';
import { formatBytes, toAddress, viewOf } from './fields.js';
import { checkLimit, limitsOf, type OpenOptions, type PhysicalMemory } from './memory.js';
import type { ByteSource } from './source.js';

const MAGIC = 0x4c694d45;
const HEADER_SIZE = 32;

/** Whether a file that begins with `head` is LiME, in either byte order. */
export function isLime(head: Uint8Array): boolean {
  if (head.length < 8) return false;
  const magic = viewOf(head).getUint32(0);
  return magic === MAGIC || magic === 0x454d694c;
}

/**
 * Opens a LiME dump. A range that the file is too short for is absent from there on; where ranges overlap, the first
 * wins.
 *
 * @throws PgtableError `ENOTSUP` for an unknown version, `EBADMSG` for damaged headers, `ENOMEM` past a limit
 */
export async function openLime(source: ByteSource, options: OpenOptions = {}): Promise<PhysicalMemory> {
  const limits = limitsOf(options);
  const extents: Extent[] = [];
  const facts: (readonly [string, string])[] = [];
  const littleEndian = viewOf(await source.read(0, 8)).getUint32(4, true) < 0x10000;
  let ranges = 0;
  let truncated = 0;
  let at = 0;
  for (; at + HEADER_SIZE <= source.size; ranges++) {
    checkLimit(limits, 'maxSegments', ranges + 1, `${source.name}: the number of ranges`);
    const { start, size } = parseHeader(await source.read(at, HEADER_SIZE), littleEndian, `${source.name}: the header at offset ${at}`);
    const offset = at + HEADER_SIZE;
    const [present, absent] = storedPart(source.size, offset, size);
    if (present > 0) extents.push({ start, end: start + present, kind: 'file', source: 0, offset });
    if (absent > 0) extents.push({ start: start + present, end: start + size, kind: 'absent', source: 0, offset: 0 });
    truncated += absent;
    at = offset + size;
  }
  if (truncated > 0) facts.push(['truncated', `${formatBytes(truncated)} of the last range lie past the end of the file and are absent`]);
  else if (at < source.size) facts.push(['truncated', `the file ends inside a header; memory may be missing`]);
  return new ExtentMemory({
    format: `LiME, version 1${littleEndian ? '' : ', big-endian'}`,
    machine: undefined,
    notes: [],
    facts: [['ranges in the file', String(ranges)], ...facts],
    extents: withoutOverlaps(extents),
    sources: [source],
  });
}

function parseHeader(bytes: Uint8Array, littleEndian: boolean, what: string): { start: number; size: number } {
  const view = viewOf(bytes);
  if (!isLime(bytes)) {
    throw new PgtableError('EBADMSG', `${what} is not a LiME header`, { hint: 'The file is damaged; copy or make it again.' });
  }
  const version = view.getUint32(4, littleEndian);
  if (version !== 1) {
    throw new PgtableError('ENOTSUP', `${what} has version ${version}; only version 1 is supported`, {
      hint: 'Make the dump again with format=lime and without compression.',
    });
  }
  const first = view.getBigUint64(8, littleEndian);
  const size = Number(view.getBigUint64(16, littleEndian) - first + 1n);
  const start = toAddress(first);
  if (start === undefined || size < 1) {
    throw new PgtableError('EBADMSG', `${what} has the range 0x${first.toString(16)} to 0x${view.getBigUint64(16, littleEndian).toString(16)}`, {
      hint: 'The file is damaged; copy or make it again.',
    });
  }
  checkRun(start, size, what);
  return { start, size };
}
