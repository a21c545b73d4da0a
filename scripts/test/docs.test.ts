import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { geometryOf, LEVELS, TableMemory, type Geometry } from '@pgtable/core';
import { arm64Geometry, resolveConfig } from '@pgtable/arch-arm64';
import { riscvGeometry } from '@pgtable/arch-riscv';
import { s390Arch } from '@pgtable/arch-s390';
import { x86Geometry } from '@pgtable/arch-x86';

/* What the documentation says about the sources is held to the sources: names, drawings, links, examples. */

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** Names of the folders in a folder. */
const folders = (path: string): string[] => readdirSync(join(ROOT, path), { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
const readmes = (group: string): string[] => folders(group).map((name) => `${group}/${name}/README.md`).filter((path) => existsSync(join(ROOT, path)));

const PAGES = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(ROOT, 'docs')).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`),
  ...readmes('packages'),
  ...readmes('apps'),
  ...readmes('examples'),
];

/** The compiler options of this repository, for code that runs in Node. */
function compilerOptions(): ts.CompilerOptions {
  const path = join(ROOT, 'tsconfig.base.json');
  const { options } = ts.parseJsonConfigFileContent(ts.readConfigFile(path, (name) => ts.sys.readFile(name)).config, ts.sys, ROOT, undefined, path);
  return { ...options, noEmit: true, types: ['node'] };
}

/** Code that is not in a fence, and not in backquotes. */
function prose(text: string): string {
  return text.replace(/^```[^\n]*\n[\s\S]*?^```/gm, '').replace(/`[^`\n]*`/g, '');
}

describe('docs/kernel-names.md', () => {
  const ENTRY_POINTS = [['C', 'packages/core/src/index.ts'], ['A', 'packages/core/src/arch.ts'], ['W', 'packages/walk/src/index.ts'], ['M', 'packages/mm/src/index.ts']] as const;
  const program = ts.createProgram(ENTRY_POINTS.map(([, path]) => join(ROOT, path)), compilerOptions());
  const checker = program.getTypeChecker();
  /** The rows of the table: name, letter of the entry point, name in the kernel, where. */
  const rows = read('docs/kernel-names.md').split('\n').flatMap((line) => {
    const match = /^\| `(\w+)` \| ([A-Z]) \| (.+) \| (.+) \|$/.exec(line);
    return match === null ? [] : [{ name: match[1]!, from: match[2]!, kernel: match[3]!, where: match[4]! }];
  });

  it.each(ENTRY_POINTS)('names exactly what %s (%s) exports', (letter, path) => {
    const file = program.getSourceFile(join(ROOT, path));
    const module = file === undefined ? undefined : checker.getSymbolAtLocation(file);
    if (module === undefined) throw new Error(`${path} is no module`);
    const exported = checker.getExportsOfModule(module).map((symbol) => symbol.name).sort();
    expect(exported.length).toBeGreaterThan(10);
    expect(rows.filter(({ from }) => from === letter).map(({ name }) => name).sort()).toEqual(exported);
  });

  it('says something of each', () => {
    expect(rows.filter(({ kernel, where }) => kernel.trim() === '' || where.trim() === '')).toEqual([]);
    const inTable = read('docs/kernel-names.md').split('\n').filter((line) => line.startsWith('| `'));
    expect(inTable.length).toBe(rows.length);
  });
});

describe('the bit splits of docs/how-it-works.md', () => {
  const splits = read('docs/how-it-works.md').split('\n').flatMap((line) => {
    const match = /^(x86|arm64|riscv|s390) ([^|]+?)\s*\|(.*)\|/.exec(line);
    if (match === null) return [];
    const fields = [...match[3]!.matchAll(/(\w+) (\d+):(\d+)/g)].map((field) => ({ name: field[1]!, high: Number(field[2]), low: Number(field[3]) }));
    return [{ architecture: match[1]!, variant: match[2]!.replace(/\s+/g, ' '), fields }];
  });

  function geometry(architecture: string, variant: string): Geometry {
    switch (architecture) {
      case 'x86':
        return x86Geometry(variant as Parameters<typeof x86Geometry>[0]);
      case 'riscv':
        return riscvGeometry(variant as Parameters<typeof riscvGeometry>[0]);
      case 'arm64': {
        const [, kib, bits] = /^(\d+)K (\d+)-bit$/.exec(variant) ?? [];
        const granule = Number(kib) * 1024 as 4096 | 16384 | 65536;
        return arm64Geometry(resolveConfig({ half: 'ttbr1', granule, vaBits: Number(bits) }));
      }
      default:
        return s390Arch({ top: 'pgd' }, new TableMemory()).geometry;
    }
  }

  it('are there for every variant', () => {
    const count = (architecture: string): number => splits.filter((split) => split.architecture === architecture).length;
    expect([count('x86'), count('arm64'), count('riscv'), count('s390')]).toEqual([4, 14, 4, 4]);
  });

  it.each(splits)('$architecture $variant', ({ architecture, variant, fields }) => {
    const shape = geometry(architecture, variant);
    fields.forEach(({ high }, at) => {
      if (at > 0) expect(high).toBe(fields[at - 1]!.low - 1);
    });
    expect(fields.at(-1)).toEqual({ name: 'offset', high: Math.log2(shape.pageBytes) - 1, low: 0 });
    const top = fields.findIndex(({ name }) => (LEVELS as readonly string[]).includes(name));
    const levels = LEVELS.toReversed().map((level) => geometryOf(shape, level)).filter(({ folded }) => !folded);
    // s390 has one geometry, and begins where the ASCE says.
    const existing = architecture === 's390' ? levels.filter(({ shift }) => shift <= fields[top]!.low) : levels;
    expect(fields.slice(top, -1)).toEqual(existing.map(({ level, shift, entries }) => ({ name: level, high: shift + Math.log2(entries) - 1, low: shift })));
  });
});

describe('the entries of docs/how-it-works.md', () => {
  const lines = read('docs/how-it-works.md').split('\n');
  const drawings = lines.flatMap((line, at) => {
    const fields = lines[at + 1] ?? '';
    return /^[\d:\s-]*\d$/.test(line) && fields.startsWith('|') ? [{ fields, bits: line.trim().split(/\s+/) }] : [];
  });

  it('are there', () => {
    expect(drawings.length).toBe(22);
  });

  it.each(drawings)('have every bit once: $fields', ({ fields, bits }) => {
    expect(fields.split('|').length - 2).toBe(bits.length);
    // The manual of s390 counts from the left.
    const left = bits[0]!.startsWith('0');
    const covered = bits.flatMap((range) => {
      const [from = 0, to = from] = range.split(/[:-]/).map(Number);
      return Array.from({ length: Math.abs(to - from) + 1 }, (_, i) => from + (left ? i : -i));
    });
    const width = left ? 64 : covered[0]! + 1;
    expect([32, 64]).toContain(width);
    expect(covered).toEqual(Array.from({ length: width }, (_, i) => (left ? i : width - 1 - i)));
  });
});

describe('links', () => {
  /** The anchors that headings make, as GitHub makes them. */
  const anchors = (text: string): string[] =>
    [...text.replace(/^```[^\n]*\n[\s\S]*?^```/gm, '').matchAll(/^#+ (.+)$/gm)].map((match) => match[1]!.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, '').replace(/ /g, '-'));

  it.each(PAGES)('of %s lead somewhere', (page) => {
    const dead = [...prose(read(page)).matchAll(/\]\(([^)\s]+)\)/g)].flatMap((match) => {
      const target = match[1]!;
      if (/^[a-z]+:/.test(target)) return [];
      const [path = '', anchor] = target.split('#');
      const file = path === '' ? page : relative(ROOT, join(ROOT, dirname(page), path));
      if (file.startsWith('..') || !existsSync(join(ROOT, file))) return [target];
      return anchor === undefined || anchors(read(file)).includes(anchor) ? [] : [target];
    });
    expect(dead).toEqual([]);
  });
});

describe('tracked text files', () => {
  it('name no path of somebody\'s machine', ({ skip }) => {
    let tracked: string[];
    try {
      tracked = execFileSync('git', ['ls-files', '-z'], { cwd: ROOT, encoding: 'utf8' }).split('\0').filter((path) => path !== '');
    } catch {
      skip('this is no clone, or there is no git: which files are tracked is not known');
      return;
    }
    // Not part of a longer path, of a URL or of a name.
    const machine = new RegExp(`(?<![\\w.~$:/)}-])/(?:${['work', 'root', 'home', 'tmp'].join('|')})/`);
    const found = tracked.flatMap((path) => {
      const file = join(ROOT, path);
      if (!existsSync(file)) return [];
      const bytes = readFileSync(file);
      if (bytes.includes(0)) return [];
      return bytes.toString('utf8').split('\n').flatMap((line, at) => (machine.test(line) ? [`${path}:${at + 1}: ${line.trim()}`] : []));
    });
    expect(found).toEqual([]);
  });
});

describe('examples', () => {
  const examples = ['README.md', 'docs/adding-an-architecture.md', 'docs/architecture.md', 'docs/live.md', ...readmes('packages')].flatMap((page) =>
    [...read(page).matchAll(/^```(?:ts|typescript)\n([\s\S]*?)^```/gm)].map((match, at) => ({
      name: `${page} ${at + 1}`,
      // In a folder from which the packages resolve. Top-level await needs a module.
      path: join(ROOT, 'scripts/test', `example-${page.replace(/\W+/g, '-')}-${at + 1}.ts`),
      code: `${match[1]!}\nexport {};\n`,
    })),
  );
  const options = compilerOptions();
  const host = ts.createCompilerHost(options);
  const sourceOf = new Map(examples.map(({ path, code }) => [path, code]));
  host.fileExists = (path) => sourceOf.has(path) || ts.sys.fileExists(path);
  host.readFile = (path) => sourceOf.get(path) ?? ts.sys.readFile(path);
  const getSourceFile = host.getSourceFile.bind(host);
  host.getSourceFile = (path, version, ...rest) => {
    const code = sourceOf.get(path);
    return code === undefined ? getSourceFile(path, version, ...rest) : ts.createSourceFile(path, code, version, true);
  };
  const program = ts.createProgram([...sourceOf.keys()], options, host);

  it('are there', () => {
    expect(examples.length).toBeGreaterThan(7);
  });

  it.each(examples)('$name type-checks', ({ path }) => {
    const file = program.getSourceFile(path);
    const problems = [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map(({ messageText, start = 0 }) => {
      const line = (file?.getLineAndCharacterOfPosition(start).line ?? 0) + 1;
      return `line ${line}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
    });
    expect(problems).toEqual([]);
  });
});
