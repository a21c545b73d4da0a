import { PREFIX_BYTES } from './bits.js';

/**
 * Prefixing: the absolute address of a real one. The 8 KiB at real address 0, where each processor has its lowcore, and
 * the 8 KiB at the prefix change places.
 *
 * @see Principles of Operation, chapter 3, "Prefixing"
 */
export function absoluteAddress(real: number, prefix: number): number {
  if (real < PREFIX_BYTES) return real + prefix;
  if (real >= prefix && real < prefix + PREFIX_BYTES) return real - prefix;
  return real;
}

/**
 * The first address inside of (start, end) at which prefixing begins or ends to move memory: what lies between two such
 * addresses is contiguous both ways.
 *
 * Returns: `end` if there is none.
 */
export function nextPrefixEdge(start: number, end: number, prefix: number): number {
  let edge = end;
  for (const at of [PREFIX_BYTES, prefix, prefix + PREFIX_BYTES]) if (at > start && at < edge) edge = at;
  return edge;
}
