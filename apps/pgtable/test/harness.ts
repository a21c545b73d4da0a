import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { ArchPlugin } from '@pgtable/core';
import { afterAll } from 'vitest';
import { run, type ExitCode } from '../src/index.js';

export interface Ran {
  readonly code: ExitCode;
  readonly out: string;
  readonly err: string;
  /** Lines of standard output, without the end of the last. */
  readonly lines: readonly string[];
}

export interface RunOptions {
  /** Standard input, in pieces as they arrive. */
  readonly input?: string | readonly string[];
  readonly outTty?: boolean;
  readonly errTty?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** What the command knows, instead of its own list. */
  readonly architectures?: readonly ArchPlugin[];
}

/** Runs a command line in this process and collects what it prints. */
export async function pgtable(args: readonly string[], { input = '', outTty = false, errTty = false, env = {}, architectures }: RunOptions = {}): Promise<Ran> {
  const out = new Collector(outTty);
  const err = new Collector(errTty);
  const stdin = Readable.from((typeof input === 'string' ? [input] : input).map((text) => Buffer.from(text)));
  const code = await run(args, { stdin, stdout: out, stderr: err, env }, architectures);
  return { code, out: out.text, err: err.text, lines: out.text.split('\n').slice(0, -1) };
}

export class Collector extends Writable {
  readonly isTTY: boolean;
  private readonly parts: Buffer[] = [];

  constructor(isTTY = false) {
    super();
    this.isTTY = isTTY;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.parts.push(chunk);
    done();
  }

  get text(): string {
    return Buffer.concat(this.parts).toString();
  }
}

/** A folder for the files of one test file. */
export class Scratch {
  readonly path = mkdtempSync(join(tmpdir(), 'pgtable-test-'));

  constructor() {
    afterAll(() => {
      rmSync(this.path, { recursive: true, force: true });
    });
  }

  file(name: string): string {
    return join(this.path, name);
  }

  write(name: string, content: Uint8Array | string): string {
    writeFileSync(this.file(name), content);
    return this.file(name);
  }
}

export const FIXTURES = fileURLToPath(new URL('fixtures/', import.meta.url));
export const SAMPLE = fileURLToPath(new URL('../samples/arm64-contpte.elf', import.meta.url));

/** Names of the folders of fixtures that begin so. */
export function fixtures(prefix: string): string[] {
  return readdirSync(FIXTURES).filter((name) => name.startsWith(prefix));
}

export function dumpOf(fixture: string): string {
  return join(FIXTURES, fixture, 'dump.elf');
}

export function textOf(fixture: string, name: string): string {
  return readFileSync(join(FIXTURES, fixture, name), 'latin1');
}

/** What `ptdump --format json` prints, as far as tests look at it. */
export interface JsonRow {
  readonly start: string;
  readonly end: string;
  readonly bytes: number;
  readonly kind: string;
  readonly level: string;
  readonly pageBytes: number;
  readonly pa?: string;
  readonly kernel?: string;
  readonly user?: string;
  readonly group?: number;
  readonly flags?: readonly string[];
  readonly memoryType?: string;
  readonly entry?: string;
  readonly text?: string;
}

export function jsonRows({ lines }: Ran): JsonRow[] {
  return lines.map((line) => JSON.parse(line) as JsonRow);
}
