import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A line of a snippet as it is linted, and where it was written. */
export interface Line {
  readonly text: string;
  /** Its number in the corpus file, from 1; 0 for the line that names the handle family. */
  readonly source: number;
  /** What the line is expected to be reported for: how often by which rule; undefined where it must be clean. */
  readonly expected: ReadonlyMap<string, number> | undefined;
  /** Whether other rules than the expected ones may report something too: so it is where `// report` names none. */
  readonly othersMay: boolean;
}

export type Mode = 'alias' | 'strong';

/** One snippet with one family of handles. */
export interface Snippet {
  readonly rule: string;
  /** The corpus file, relative to the corpus. */
  readonly file: string;
  readonly title: string;
  readonly mode: Mode;
  readonly extension: string;
  readonly isArchitecture: boolean;
  /** `settings.pgtable` beside the files of architectures, as JSON; empty where there are none. */
  readonly settings: string;
  readonly compiles: boolean;
  readonly lines: readonly Line[];
}

/** A mistake in the corpus itself. */
export class CorpusError extends Error {}

const HEADERS: Readonly<Record<string, RegExp>> = {
  mode: /^(alias|strong|both)$/,
  extension: /^(ts|mts|cts|tsx)$/,
  config: /^architecture$/,
  settings: /^\{.*\}$/,
};
const FAMILY: Readonly<Record<Mode, string>> = { alias: 'AliasHandles', strong: 'StrongHandles' };
const TITLE = /^\/\/# *(.*)$/;
const REPORT = /[ \t]*\/\/ report\b(.*)$/;
const DOES_NOT_COMPILE = '[does not compile]';

/** All snippets of a corpus, in the order of its folders and files. */
export function readCorpus(folder: string): Snippet[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name: rule }) =>
      readdirSync(join(folder, rule))
        .filter((name) => name.endsWith('.txt'))
        .sort()
        .flatMap((name) => parse(rule, `${rule}/${name}`, readFileSync(join(folder, rule, name), 'utf8'))),
    );
}

/** The snippets of one corpus file. Throws CorpusError with the place of what it does not understand. */
export function parse(rule: string, file: string, text: string): Snippet[] {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  const starts = lines.flatMap((line, at) => (TITLE.test(line) ? [at] : []));
  if (starts.length === 0) throw new CorpusError(`${file}: no snippet: each begins with a line like "//# its title"`);
  const { headers, rest } = header(file, lines.slice(0, starts[0]));
  const shared = rest.map(({ text: line, at }) => read(rule, file, line, at));
  const mode = headers.get('mode');
  if (mode === undefined) throw new CorpusError(`${file}: no "mode: alias", "mode: strong" or "mode: both" at its beginning`);
  const modes: readonly Mode[] = mode === 'both' ? ['alias', 'strong'] : [mode as Mode];
  const titles = new Set<string>();
  return starts.flatMap((start, index) => {
    const title = TITLE.exec(lines[start]!)![1]!.trim();
    if (title === '' || titles.has(title)) throw new CorpusError(`${file}:${start + 1}: ${title === '' ? 'a snippet without a title' : `there is a snippet "${title}" already`}`);
    titles.add(title);
    const body = lines.slice(start + 1, starts[index + 1]).map((line, offset) => read(rule, file, line, start + 2 + offset));
    return modes.map((family) => ({
      rule,
      file,
      title,
      mode: family,
      extension: headers.get('extension') ?? 'ts',
      isArchitecture: headers.get('config') === 'architecture',
      settings: headers.get('settings') ?? '',
      compiles: !title.endsWith(DOES_NOT_COMPILE),
      lines: [{ text: `import type { ${FAMILY[family]} as Handles } from '@pgtable/core';`, source: 0, expected: undefined, othersMay: false }, ...shared, ...body],
    }));
  });
}

function header(file: string, lines: readonly string[]): { readonly headers: ReadonlyMap<string, string>; readonly rest: readonly { readonly text: string; readonly at: number }[] } {
  const headers = new Map<string, string>();
  let at = 0;
  for (; at < lines.length; at++) {
    const [, key, value] = /^([a-z]+): *(.*?) *$/.exec(lines[at]!) ?? [];
    if (key === undefined || value === undefined) break;
    const allowed = HEADERS[key];
    if (allowed === undefined) throw new CorpusError(`${file}:${at + 1}: "${key}" is no header: there are ${Object.keys(HEADERS).join(', ')}`);
    if (!allowed.test(value)) throw new CorpusError(`${file}:${at + 1}: ${key} is "${value}", which does not fit ${String(allowed)}`);
    if (headers.has(key)) throw new CorpusError(`${file}:${at + 1}: ${key} is there twice`);
    headers.set(key, value);
  }
  return { headers, rest: lines.slice(at).map((text, offset) => ({ text, at: at + offset + 1 })) };
}

function read(rule: string, file: string, text: string, source: number): Line {
  const found = REPORT.exec(text);
  if (found === null) return { text, source, expected: undefined, othersMay: false };
  const said = found[1]!.trim();
  const expected = new Map<string, number>();
  const wrong = (): CorpusError => new CorpusError(`${file}:${source}: "// report ${said}": it takes nothing, a number, or names of rules, each with a number after it if it is not one`);
  const isNumber = (part: string): boolean => /^[1-9]\d*$/.test(part);
  if (said === '' || isNumber(said)) expected.set(rule, said === '' ? 1 : Number(said));
  else {
    for (const part of said.split(',')) {
      const [name, count = '1', ...more] = part.trim().split(/\s+/);
      if (name === undefined || !/^[a-z]+(-[a-z]+)+$/.test(name) || !isNumber(count) || more.length > 0 || expected.has(name)) throw wrong();
      expected.set(name, Number(count));
    }
  }
  return { text: text.slice(0, found.index), source, expected, othersMay: said === '' || isNumber(said) };
}
