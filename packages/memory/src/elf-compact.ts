/**
 * Cuts memory into pieces so that a file need not store what repeats: zeros are left to `p_memsz`, and runs of one 64-bit
 * word share one copy. Page tables are mostly such runs, and an empty entry is not zero everywhere.
 *
 * The result is plain ELF: segments whose file ranges overlap.
 */

/** A piece of memory and what of it is in the file. */
export interface Piece {
  readonly address: number;
  /** Bytes of memory. What goes beyond `bytes` is zero. */
  readonly size: number;
  /** Pieces with the same array have the same bytes, from the array's start; `stored` of them belong to this piece. */
  readonly bytes: Uint8Array;
  readonly stored: number;
}

/** A shorter run costs less where it is than a program header of 56 bytes for it and one for what follows. */
const SHORTEST_RUN = 160;
/** Bytes of the one copy of a repeated word; a longer run is several pieces. */
const SHARED_BYTES = 16384;
const WORD = 8;

/** Pieces of a run of memory, ascending and without gaps. Copies of repeated words come from `shared`, by word. */
export function compactPieces(address: number, bytes: Uint8Array, shared: Map<bigint, Uint8Array>): Piece[] {
  const pieces: Piece[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const words = Math.floor(bytes.length / WORD);
  let literal = 0;
  /** Ends the literal that is being collected before `end`, where `zeros` zero bytes follow. */
  const endLiteral = (end: number, zeros: number): void => {
    if (end + zeros > literal) pieces.push({ address: address + literal, size: end + zeros - literal, bytes: bytes.subarray(literal, end), stored: end - literal });
  };
  for (let at = 0; at < words; ) {
    const word = view.getBigUint64(at * WORD);
    let next = at + 1;
    while (next < words && view.getBigUint64(next * WORD) === word) next++;
    const length = (next - at) * WORD;
    if (length >= SHORTEST_RUN) {
      endLiteral(at * WORD, word === 0n ? length : 0);
      if (word !== 0n) {
        const copy = sharedCopy(word, shared);
        for (let done = 0; done < length; done += SHARED_BYTES) {
          const part = Math.min(SHARED_BYTES, length - done);
          pieces.push({ address: address + at * WORD + done, size: part, bytes: copy, stored: part });
        }
      }
      literal = next * WORD;
    }
    at = next;
  }
  endLiteral(bytes.length, 0);
  return pieces;
}

function sharedCopy(word: bigint, shared: Map<bigint, Uint8Array>): Uint8Array {
  let copy = shared.get(word);
  if (copy === undefined) {
    copy = new Uint8Array(SHARED_BYTES);
    const view = new DataView(copy.buffer);
    for (let at = 0; at < SHARED_BYTES; at += WORD) view.setBigUint64(at, word);
    shared.set(word, copy);
  }
  return copy;
}
