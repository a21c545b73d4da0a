import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';

/** What the command is connected to; tests bring their own. */
export interface Io {
  readonly stdin: Readable;
  readonly stdout: Writable & { readonly isTTY?: boolean };
  readonly stderr: Writable & { readonly isTTY?: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Lines that are held back at most, in characters. */
const MOST_HELD = 2 ** 20;

/**
 * Collects output into large writes, and waits when the reader is slower than we are.
 *
 * A walk cannot wait, so its lines are written all the same when there are many. {@link blocking} output takes them at
 * once, and nothing piles up however long the listing is.
 */
export class Output {
  private readonly stream: Writable;
  private pending: string[] = [];
  private length = 0;

  constructor(stream: Writable) {
    this.stream = stream;
  }

  line(text: string): void {
    this.pending.push(text, '\n');
    this.length += text.length + 1;
    if (this.length > MOST_HELD) this.write();
  }

  /** Whether it is time for {@link flush}: to be asked between lines, where waiting is possible. */
  get full(): boolean {
    return this.length > 2 ** 18;
  }

  async flush(): Promise<void> {
    if (this.pending.length === 0 && !this.stream.writableNeedDrain) return;
    if (!this.write()) await once(this.stream, 'drain');
  }

  /** Returns: whether the reader keeps up. */
  private write(): boolean {
    const text = this.pending.join('');
    this.pending = [];
    this.length = 0;
    const goesOn = this.stream.write(text);
    // The error of a write that failed comes when the walk is over; what a blocking stream has not taken, nobody will.
    if (this.stream.destroyed || (BLOCKING.has(this.stream) && this.stream.writableLength > 0)) throw new ReaderGone();
    return goesOn;
  }
}

/** Whoever read the output (head, less) has seen enough: the end of a listing, but no error. */
export class ReaderGone extends Error {}

/**
 * Makes a pipe take what is written at once, as files and terminals do. Node has no public way to ask for that; where this
 * one is missing, long listings are held in memory until they can be written.
 */
export function blocking(stream: Writable): void {
  const { _handle: handle } = stream as { _handle?: { setBlocking?(on: boolean): number } };
  if (handle?.setBlocking?.(true) === 0) BLOCKING.add(stream);
}

const BLOCKING = new WeakSet<Writable>();
