/**
 * LZO1X decompression, written for this package: npm has no LZO library that runs in a browser (see docs/dependencies.md).
 *
 * The stream is a list of instructions; each is one byte with operand bytes after it, copies a match out of what was
 * written before, and then up to three literals (Linux, Documentation/staging/lzo.rst, stream format version 0):
 *
 *     0000LLLL            after no literals: copy 3 + L literals (L = 0: 18 + count)
 *     0000DDSS HHHHHHHH   after 1 to 3 literals: copy 2 from distance (H << 2) + D + 1
 *                         after 4 or more literals: copy 3 from distance (H << 2) + D + 2049
 *     0001HLLL + LE16     copy 2 + L (L = 0: 9 + count) from (H << 14) + (LE16 >> 2) + 16384; distance 16384 ends the stream
 *     001LLLLL + LE16     copy 2 + L (L = 0: 33 + count) from (LE16 >> 2) + 1
 *     01LDDDSS HHHHHHHH   copy 3 + L from (H << 3) + D + 1
 *     1LLDDDSS HHHHHHHH   copy 5 + L from (H << 3) + D + 1
 *
 * S, in the instruction or in the low bits of the LE16, is how many literals follow. A `count` is 255 for each zero byte
 * and then the byte that is not zero. A first byte above 17 copies that byte less 17 literals.
 */

/** State of the decoder after a run of 4 literals or more. */
const AFTER_RUN = 4;

/**
 * Decompresses `input`, a whole LZO1X stream, into `output`.
 *
 * @returns bytes written, or -1 if the stream is damaged or does not fit `output`
 */
export function lzo1xDecompress(input: Uint8Array, output: Uint8Array): number {
  const copy = new Copier(input, output);
  /** Literals that the last instruction copied: 0 to 3, or {@link AFTER_RUN}. */
  let state = 0;
  if ((input[0] ?? 0) > 17) {
    const count = copy.byte() - 17;
    copy.literals(count);
    state = Math.min(count, AFTER_RUN);
  }
  while (!copy.failed) {
    const code = copy.byte();
    let literals = code & 3;
    if (code >= 64) {
      const distance = (copy.byte() << 3) + ((code >> 2) & 7) + 1;
      copy.match(distance, code >= 128 ? 5 + ((code >> 5) & 3) : 3 + ((code >> 5) & 1));
    } else if (code >= 16) {
      const near = code >= 32;
      const mask = near ? 31 : 7;
      const length = 2 + ((code & mask) === 0 ? copy.count(mask) : code & mask);
      const operand = copy.byte() | (copy.byte() << 8);
      const distance = (operand >> 2) + (near ? 1 : 16384 + ((code & 8) << 11));
      if (!near && distance === 16384) return length === 3 && copy.ip === input.length ? copy.op : -1;
      copy.match(distance, length);
      literals = operand & 3;
    } else if (state === 0) {
      copy.literals(code === 0 ? copy.count(18) : 3 + code);
      state = AFTER_RUN;
      continue;
    } else {
      const near = (copy.byte() << 2) + (code >> 2);
      if (state === AFTER_RUN) copy.match(near + 2049, 3);
      else copy.match(near + 1, 2);
    }
    copy.literals(literals);
    state = literals;
  }
  return -1;
}

/** The two buffers and how far they are used. Once something does not fit, `failed` is true and stays so. */
class Copier {
  readonly #input: Uint8Array;
  readonly #output: Uint8Array;
  /** Bytes of input consumed; more than there are once a read has failed. */
  ip = 0;
  /** Bytes of output written. */
  op = 0;
  failed = false;

  constructor(input: Uint8Array, output: Uint8Array) {
    this.#input = input;
    this.#output = output;
  }

  byte(): number {
    const value = this.#input[this.ip++];
    if (value !== undefined) return value;
    this.failed = true;
    return 0;
  }

  /** `base` plus a count: 255 for each zero byte, and then the byte that is not zero. */
  count(base: number): number {
    let count = base;
    for (;;) {
      const value = this.byte();
      if (value !== 0 || this.failed) return count + value;
      count += 255;
    }
  }

  literals(count: number): void {
    const { ip, op } = this;
    if (ip + count > this.#input.length || op + count > this.#output.length) {
      this.failed = true;
      return;
    }
    for (let i = 0; i < count; i++) this.#output[op + i] = this.#input[ip + i] ?? 0;
    this.ip += count;
    this.op += count;
  }

  match(distance: number, count: number): void {
    const { op } = this;
    const output = this.#output;
    if (distance > op || op + count > output.length) {
      this.failed = true;
      return;
    }
    // One byte at a time: a match may overlap what it writes.
    for (let i = op; i < op + count; i++) output[i] = output[i - distance] ?? 0;
    this.op += count;
  }
}
