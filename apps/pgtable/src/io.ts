import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';

/** What the command is connected to; tests bring their own. */
export interface Io {
  readonly stdin: Readable;
  readonly stdout: Writable & { readonly isTTY?: boolean };
  readonly stderr: Writable & { readonly isTTY?: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Collects output into large writes, and waits when the reader is slower than we are. */
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
  }

  /** Whether it is time for {@link flush}: to be asked between lines, where waiting is possible. */
  get full(): boolean {
    return this.length > 2 ** 18;
  }

  async flush(): Promise<void> {
    if (this.pending.length === 0) return;
    const text = this.pending.join('');
    this.pending = [];
    this.length = 0;
    if (!this.stream.write(text)) await once(this.stream, 'drain');
  }
}
