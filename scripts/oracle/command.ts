import { Readable, Writable } from 'node:stream';
import { run } from '../../apps/pgtable/src/index.js';

/** What a `pgtable` command line printed, and its exit code. It runs in this process, from the sources. */
export async function pgtable(args: readonly string[], input = ''): Promise<{ code: number; out: string; err: string }> {
  const text = { out: [] as string[], err: [] as string[] };
  const sink = (parts: string[]): Writable =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        parts.push(chunk.toString('latin1'));
        done();
      },
    });
  const code = await run(args, { stdin: Readable.from([input]), stdout: sink(text.out), stderr: sink(text.err), env: {} });
  return { code, out: text.out.join(''), err: text.err.join('') };
}
