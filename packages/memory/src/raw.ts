/** Plain memory in files that do not say where it belongs: the user does, as FILE@ADDRESS. */
import { PgtableError } from '@pgtable/core/errors';
import { checkRun, ExtentMemory, type Extent } from './extents.js';
import { formatBytes, hex, toAddress } from './fields.js';
import type { PhysicalMemory, PlacedSource } from './memory.js';

/** FILE@ADDRESS taken apart. */
export interface Placement {
  readonly path: string;
  /** Physical address of the file's first byte. */
  readonly address: number;
}

/**
 * Takes `FILE@ADDRESS` apart; the address is hexadecimal, with or without 0x. `undefined` if `argument` has not that form:
 * then it is the name of a file that says itself where its memory belongs.
 *
 * @throws PgtableError `EINVAL` if the address is 2^56 or more
 */
export function parsePlacement(argument: string): Placement | undefined {
  const match = /^(.+)@(?:0x)?([0-9a-f]+)$/is.exec(argument);
  const [, path, digits] = match ?? [];
  if (path === undefined || digits === undefined) return undefined;
  const address = toAddress(BigInt(`0x${digits}`));
  if (address !== undefined) return { path, address };
  throw new PgtableError('EINVAL', `${argument}: 0x${digits} is not a physical address`, {
    hint: 'FILE@ADDRESS takes a hexadecimal address below 2^56.',
  });
}

/**
 * One memory out of plain files. Bytes that no file covers are no memory.
 *
 * @throws PgtableError `EINVAL` if there is no file, or if files overlap
 */
export function openRaw(placed: readonly PlacedSource[]): PhysicalMemory {
  if (placed.length === 0) throw new PgtableError('EINVAL', 'memory of no files', { hint: 'Give at least one FILE@ADDRESS.' });
  const extents = placed
    .map(({ source, address }, index): Extent => {
      checkRun(address, source.size, source.name);
      return { start: address, end: address + source.size, kind: 'file', source: index, offset: 0 };
    })
    .filter(({ start, end }) => end > start)
    .sort((a, b) => a.start - b.start);
  for (const [index, extent] of extents.entries()) {
    const before = extents[index - 1];
    if (before === undefined || before.end <= extent.start) continue;
    const names = [before, extent].map(({ source }) => placed[source]?.source.name ?? '');
    throw new PgtableError('EINVAL', `${names.join(' and ')} overlap at ${hex(extent.start)}`, {
      address: BigInt(extent.start),
      hint: 'Each physical address may be in one file only; check the addresses after @.',
    });
  }
  return new ExtentMemory({
    format: placed.length === 1 ? 'raw memory' : `raw memory in ${placed.length} files`,
    machine: undefined,
    notes: [],
    facts: placed.map(({ source, address }) => [source.name, `${formatBytes(source.size)} at ${hex(address)}`] as const),
    extents,
    sources: placed.map(({ source }) => source),
  });
}
