import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ESLint, type Linter } from 'eslint';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applyFixes, Compiled, COMPILER_OPTIONS } from '../../../scripts/lint-corpus/program.js';
import { CONFIG_RULES } from '../src/configs.js';
import { rules, type RuleName } from '../src/rules/index.js';
import { settingsOf } from '../src/settings.js';

/*
 * The pages of the rules and the README: every example is linted, and does what it is there to show.
 */
const PACKAGE = join(import.meta.dirname, '..').replaceAll('\\', '/');
const DOCS = join(PACKAGE, 'docs/rules');
const FOLDER = `${PACKAGE}/.corpus-docs`;
const NAMES = Object.keys(rules) as RuleName[];
const FAMILIES = { alias: 'AliasHandles', strong: 'StrongHandles' } as const;
type Mode = keyof typeof FAMILIES;

interface Block {
  readonly info: string;
  readonly text: string;
  /** The heading that it stands under. */
  readonly section: string;
}

interface Example {
  readonly title: string;
  readonly path: string;
  readonly mode: Mode;
  readonly text: string;
  readonly block: Block;
}

/** A rule's page; empty where there is none, which the first test of the rule says. */
function page(name: string): string {
  const path = join(DOCS, `${name}.md`);
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

function blocks(markdown: string): Block[] {
  const found: Block[] = [];
  let section = '';
  for (const [, heading, info, text] of markdown.matchAll(/^## (.*)$|^```(.*)\n([\s\S]*?)^```$/gm)) {
    if (heading !== undefined) section = heading;
    else found.push({ info: info!, text: text!, section });
  }
  return found;
}

function modesOf(info: string): readonly Mode[] {
  return info.includes('alias') ? ['alias'] : info.includes('strong') ? ['strong'] : ['alias', 'strong'];
}

function examplesOf(name: string, markdown: string): Example[] {
  return blocks(markdown)
    .filter(({ info }) => info === 'ts' || info.startsWith('ts '))
    .flatMap((block, at) =>
      modesOf(block.info).map((mode) => ({
        title: `${block.section} ${at + 1}, ${mode}: ${block.text.split('\n', 1)[0]!}`,
        path: `${FOLDER}/${name}-${at + 1}-${mode}.ts`,
        mode,
        text: `import type { ${FAMILIES[mode]} as Handles } from '@pgtable/core';\n${block.text}`,
        block,
      })),
    );
}

const README = readFileSync(join(PACKAGE, 'README.md'), 'utf8');
const examples = new Map([...NAMES.map((name) => [name, examplesOf(name, page(name))] as const), ['README', examplesOf('README', README)] as const]);
let messages: ReadonlyMap<string, Linter.LintMessage[]> = new Map();
let compiled: Compiled | undefined;

beforeAll(async () => {
  const all = [...examples.values()].flat();
  compiled = new Compiled(new Map(all.map(({ path, text }) => [path, text])), COMPILER_OPTIONS, FOLDER);
  messages = await compiled.lint(all.map(({ path }) => path), [], PACKAGE);
});

function reported({ path }: Example): string[] {
  return messages.get(path)!.map(({ ruleId, line, message }) => `${ruleId ?? 'ESLint'} ${line}: ${message}`);
}

it('has a page for each rule, and no other', () => {
  expect(readdirSync(DOCS).sort()).toEqual(NAMES.map((name) => `${name}.md`).sort());
});

describe.each(NAMES)('%s', (name) => {
  const text = page(name);
  const own = examples.get(name)!;

  it('begins with its name and a sentence, and has its sections in order', () => {
    expect(text.startsWith(`# pgtable/${name}\n\n`)).toBe(true);
    expect(text.split('\n')[2]).toMatch(/^[A-Z].*\.$/);
    const headings = [...text.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading);
    expect(headings.filter((heading) => heading !== 'Options')).toEqual(['Fails', 'Passes', 'When not to use it']);
    expect([-1, 2]).toContain(headings.indexOf('Options'));
    for (const section of ['Fails', 'Passes']) expect(own.filter(({ block }) => block.section === section).length).toBeGreaterThan(0);
  });

  it.each(own.filter(({ block }) => block.section === 'Fails'))('$title', (example) => {
    expect(example.block.text).toMatch(/^\/\/ /);
    expect(reported(example).join('\n')).toContain(`pgtable/${name} `);
  });

  it.each(own.filter(({ block }) => block.section === 'Passes'))('$title', (example) => {
    expect(reported(example)).toEqual([]);
    if (example.mode === 'alias') expect(compiled!.errors(example.path)).toEqual([]);
  });

  it('is in a configuration', () => {
    expect(Object.keys(CONFIG_RULES.strict)).toContain(`pgtable/${name}`);
    expect(Object.keys(CONFIG_RULES.recommended).includes(`pgtable/${name}`)).toBe(rules[name].meta.docs!.config === 'recommended');
  });
});

describe('README', () => {
  afterAll(() => {
    rmSync(FOLDER, { recursive: true, force: true });
  });

  it('lists every rule', () => {
    const rows = NAMES.map((name) => {
      const { docs, fixable, hasSuggestions } = rules[name].meta as { docs: { description: string; config: string; typed: boolean }; fixable?: string; hasSuggestions?: boolean };
      const changes = [...(fixable === undefined ? [] : ['fixes']), ...(hasSuggestions === true ? ['suggests'] : [])].join(', ');
      return `| [${name}](docs/rules/${name}.md) | ${docs.description} | ${docs.config} | ${docs.typed ? 'yes' : 'no'} | ${changes} |`;
    });
    const listed = README.split('\n').filter((line) => line.startsWith('| ['));
    expect(listed).toEqual(rows);
  });

  it.each(['alias', 'strong'] as const)('shows what --fix does, %s', async (mode) => {
    const of = (info: string): Example => examples.get('README')!.find((example) => example.block.info === info && example.mode === mode)!;
    let { text } = of('ts before');
    const { path } = of('ts before');
    expect(reported(of('ts before')).length).toBeGreaterThan(0);
    if (mode === 'alias') expect(compiled!.errors(path)).toEqual([]);
    let last = messages.get(path)!;
    let again = compiled!;
    for (let pass = 0; pass < 10 && last.some(({ fix }) => fix !== undefined); pass++) {
      text = applyFixes(text, last);
      again = new Compiled(new Map([[path, text]]), COMPILER_OPTIONS, FOLDER, again);
      last = (await again.lint([path], [], PACKAGE)).get(path)!;
    }
    expect(text).toBe(of('ts after').text);
    expect(again.errors(path)).toEqual([]);
    expect(last).toEqual([]);
  });

  it.each(examples.get('README')!.filter(({ block }) => block.info !== 'ts before'))('passes: $title', (example) => {
    expect(reported(example)).toEqual([]);
    expect(compiled!.errors(example.path)).toEqual([]);
  });

  it.each(blocks(README).filter(({ info }) => info === 'js').map(({ section, text }) => ({ section, text })))('has a configuration that ESLint takes: $section', async ({ section, text }) => {
    mkdirSync(FOLDER, { recursive: true });
    const path = join(FOLDER, `${section.toLowerCase()}.config.ts`);
    writeFileSync(path, text);
    const { default: config } = (await import(pathToFileURL(path).href)) as { default: Linter.Config[] };
    const eslint = new ESLint({ cwd: PACKAGE, overrideConfigFile: true, overrideConfig: [{ files: ['**/*.ts'] }, ...config] });
    const calculated = (await eslint.calculateConfigForFile(join(PACKAGE, 'src/index.ts'))) as { settings: Readonly<Record<string, unknown>>; rules?: Readonly<Record<string, unknown>> };
    expect(settingsOf({ settings: calculated.settings }).isArchitecture(join(PACKAGE, 'src/arch/index.ts'), PACKAGE)).toBe(true);
    if (section === 'Set-up') expect(Object.keys(calculated.rules ?? {}).sort()).toEqual(Object.keys(CONFIG_RULES.recommended).sort());
  });
});
