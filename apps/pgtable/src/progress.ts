import { Presets, SingleBar } from 'cli-progress';
import type { Io } from './io.js';

/** A progress bar on stderr: only where a person looks at it, and only once the work has lasted a moment. */
export class Progress {
  private readonly bar: SingleBar | undefined;
  private readonly begun = Date.now();
  private started = false;

  constructor(io: Io, wanted: boolean) {
    this.bar =
      wanted && io.stderr.isTTY === true
        ? new SingleBar({ format: '{what} {bar} {percentage}%', stream: io.stderr, hideCursor: true, clearOnComplete: true, etaBuffer: 50 }, Presets.shades_classic)
        : undefined;
  }

  update(what: string, done: number, total: number): void {
    if (this.bar === undefined || Date.now() - this.begun < 300) return;
    if (!this.started) this.bar.start(total, done, { what });
    this.started = true;
    this.bar.setTotal(total);
    this.bar.update(done, { what });
  }

  stop(): void {
    if (this.started) this.bar?.stop();
    this.started = false;
  }
}
