import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { Output, ReaderGone } from '../src/io.js';

/** A stream that counts what it is given and takes nothing until it is told to. */
function slow(): { stream: Writable; chunks: number[]; go: () => void } {
  const chunks: number[] = [];
  const waiting: (() => void)[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk.length);
      waiting.push(done);
    },
  });
  return { stream, chunks, go: () => waiting.shift()?.() };
}

describe('Output', () => {
  it('hands long listings over in pieces while nobody can wait', () => {
    const written: number[] = [];
    const stream = new Writable({
      write(chunk: Buffer, _encoding, done) {
        written.push(chunk.length);
        done();
      },
    });
    const out = new Output(stream);
    for (let i = 0; i < 50_000; i++) out.line('x'.repeat(99));
    expect(written.length).toBe(4);
    expect(Math.max(...written)).toBeLessThan(2 ** 20 + 100);
  });

  it('waits for a slow reader when it can', async () => {
    const { stream, chunks, go } = slow();
    const out = new Output(stream);
    for (let i = 0; i < 1000; i++) out.line('x'.repeat(99));
    let done = false;
    const flushed = out.flush().then(() => (done = true));
    await Promise.resolve();
    expect([done, chunks]).toEqual([false, [100_000]]);
    go();
    await flushed;
    expect(done).toBe(true);
  });

  it('says when nobody reads any more', async () => {
    const stream = new Writable();
    stream.destroy();
    const out = new Output(stream);
    out.line('a');
    await expect(out.flush()).rejects.toBeInstanceOf(ReaderGone);
  });
});
