import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { createArch, CreateError } from '../src/index.js';
import { run } from '../src/program.js';

const PACKAGE = join(dirname(fileURLToPath(import.meta.url)), '..');
const temporary: string[] = [];

/** An empty folder; `inside` this package, from where pgtable's packages can be found. */
function emptyFolder(inside = false): string {
  const folder = mkdtempSync(join(inside ? PACKAGE : tmpdir(), '.generated-'));
  temporary.push(folder);
  return folder;
}
afterAll(() => {
  for (const folder of temporary) rmSync(folder, { recursive: true, force: true });
});

/** Runs the command as a shell would. */
function command(...args: string[]): { code: number; out: string; err: string } {
  let out = '';
  let err = '';
  const code = run(args, { stdout: { write: (text) => (out += text) }, stderr: { write: (text) => (err += text) } });
  return { code, out, err };
}

const parsed = (file: string): Record<string, unknown> => JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;

const generated = join(emptyFolder(true), 'arch-loongarch64');
const created = createArch(generated);

describe('a package that was generated', () => {
  it('has every file that the guide names', () => {
    expect(created).toMatchObject({ name: 'loongarch64', packageName: 'arch-loongarch64', folder: generated });
    expect(created.files).toEqual([
      '.gitignore', 'README.md', 'package.json',
      ...['arch', 'attributes', 'bits', 'config', 'format', 'geometry', 'handles', 'index', 'nonpresent', 'prot', 'ptdump', 'roots', 'values'].map((name) => `src/${name}.ts`),
      'test/dump.test.ts', 'test/golden.test.ts', 'test/known-failures.txt', 'test/laws.test.ts', 'test/sample.ts', 'tsconfig.build.json', 'tsconfig.json', 'vitest.config.ts',
    ]);
    for (const file of created.files) expect(existsSync(join(generated, file)), file).toBe(true);
  });

  it('has the new name everywhere, in three spellings', () => {
    const text = created.files.map((file) => readFileSync(join(generated, file), 'utf8')).join('\n');
    expect(text).not.toMatch(/trio/i);
    expect(text).toMatch(/\bloongarch64Arch\b/);
    expect(text).toMatch(/\bLoongarch64Handles\b/);
    expect(text).toMatch(/\bEM_LOONGARCH64\b/);
  });

  it('depends on what this package was made with', () => {
    const own = parsed(join(PACKAGE, 'package.json')) as { devDependencies: Record<string, string> };
    const root = parsed(join(PACKAGE, '../../package.json')) as { devDependencies: Record<string, string> };
    const made = parsed(join(generated, 'package.json')) as { name: string; dependencies: Record<string, string>; devDependencies: Record<string, string> };
    expect(made.name).toBe('arch-loongarch64');
    const { '@types/node': types, typescript, vitest, ...pgtable } = { ...made.dependencies, ...made.devDependencies };
    expect(pgtable).toEqual(own.devDependencies);
    expect([types, typescript, vitest]).toEqual([root.devDependencies['@types/node'], `^${root.devDependencies.typescript!}`, `^${root.devDependencies.vitest!}`]);
  });

  it.each([
    ['as it is', 'loongarch64', undefined],
    [
      'with one level opted in', 'loongarch64',
      "import type { AliasHandles, HwHandle } from '@pgtable/core';\nexport interface Loongarch64Handles extends Omit<AliasHandles, 'pte'> { pte: HwHandle<'pte'> }\n",
    ],
    ['with all levels opted in, and a name with a hyphen', 'loong-arch64', "export type { StrongHandles as LoongArch64Handles } from '@pgtable/core';\n"],
  ])('type-checks %s', (_how, name, handles) => {
    const folder = handles === undefined ? generated : createArch(join(emptyFolder(true), name)).folder;
    if (handles !== undefined) writeFileSync(join(folder, 'src/handles.ts'), handles);
    const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
    // The sources alone, which run in a browser too, and with the tests, which need Node.
    for (const project of ['tsconfig.build.json', 'tsconfig.json']) {
      const args = ['-p', project, '--noEmit', '--rootDir', join(PACKAGE, '../..'), '--customConditions', '@pgtable/source'];
      const { status, stdout } = spawnSync(process.execPath, [tsc, ...args], { cwd: folder, encoding: 'utf8' });
      expect(stdout).toBe('');
      expect(status).toBe(0);
    }
  });

  it('exports one plug-in', async () => {
    const exported = (await import(pathToFileURL(join(generated, 'src/index.ts')).href)) as Record<string, unknown>;
    expect(exported.plugin).toMatchObject({ name: 'loongarch64', utsMachines: ['loongarch64'] });
  });
});

// Its own tests, as tests of this file: the laws, entries by hand, and a dump.
describe('its own test', async () => {
  for (const file of readdirSync(join(generated, 'test')).filter((name) => name.endsWith('.test.ts'))) {
    await import(pathToFileURL(join(generated, 'test', file)).href);
  }
});

describe('its dump, if its tables are big-endian', async () => {
  const { folder } = createArch(join(emptyFolder(true), 'big'));
  for (const file of ['arch', 'roots'].map((name) => join(folder, `src/${name}.ts`))) {
    const text = readFileSync(file, 'utf8');
    expect(text.split('littleEndian: true')).toHaveLength(2);
    writeFileSync(file, text.replace('littleEndian: true', 'littleEndian: false'));
  }
  await import(pathToFileURL(join(folder, 'test/dump.test.ts')).href);
});

describe('the template', () => {
  it('has no file that npm leaves out of a package', () => {
    const files = readdirSync(join(PACKAGE, 'template'), { recursive: true, encoding: 'utf8' });
    expect(files.filter((file) => /(^|[/\\])(\.|package\.json$|tsconfig)/.test(file))).toEqual([]);
  });
});

describe.each(readdirSync(join(PACKAGE, 'template/src')))('the template\'s %s', (file) => {
  const text = readFileSync(join(PACKAGE, 'template/src', file), 'utf8');

  it('imports what an architecture may', () => {
    const imported = [...text.matchAll(/\bfrom '([^']+)'/g)].map((match) => match[1]!);
    expect(imported.filter((name) => !['@pgtable/core', '@pgtable/core/arch'].includes(name) && !/^\.\/\w+\.js$/.test(name))).toEqual([]);
  });

  it('says what to do with it', () => {
    expect(text).toMatch(/REPLACE|opt in/);
  });
});

describe('a name', () => {
  it.each(['', '.', 'Loong', '64bit', 'a', 'my_arch', 'my--arch', 'my-', '-my', 'my-Arch', 'arch-', 'näme', 'x'.repeat(40)])('is refused: "%s"', (name) => {
    const folder = emptyFolder();
    expect(() => createArch(`${folder}/${name}`)).toThrow(CreateError);
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each(['new', 'alias', 'strong'])('is refused if it makes a name of the sources: %s', (name) => {
    const folder = emptyFolder();
    expect(() => createArch(join(folder, name))).toThrow(`an architecture cannot be named ${name}`);
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each(['class', 'pte', 'm68k', 'arch'])('may be a word of the language or of the field: %s', (name) => {
    expect(createArch(join(emptyFolder(), name)).packageName).toBe(`arch-${name}`);
  });

  it('may have hyphens, which identifiers have not', () => {
    const { folder, name, packageName, files } = createArch(join(emptyFolder(), 'powerpc64-radix'));
    expect([name, packageName]).toEqual(['powerpc64-radix', 'arch-powerpc64-radix']);
    const sources = files.map((file) => readFileSync(join(folder, file), 'utf8'));
    expect(sources.join('\n')).toContain("name: 'powerpc64-radix'");
    const words = new Set(sources.join('\n').match(/[\w-]*powerpc64[\w-]*/gi));
    // Whatever has letters before or after the name is an identifier, and no other spelling is there.
    expect([...words].sort()).toEqual([
      'EM_POWERPC64_RADIX', 'POWERPC64_RADIX_GEOMETRY', 'POWERPC64_RADIX_WINDOWS', 'Powerpc64Radix', 'Powerpc64RadixConfig', 'Powerpc64RadixHandles',
      'arch-powerpc64-radix', 'powerpc64-radix', 'powerpc64RadixArch', 'powerpc64RadixFormats', 'powerpc64RadixMarkers', 'powerpc64RadixPtdump', 'powerpc64RadixRoot',
      'powerpc64RadixValues', 'powerpc64_radix_va_offset',
    ].sort());
  });

  it('may be another one for npm', () => {
    const folder = join(emptyFolder(), 'm68k');
    expect(command(folder, '--package', '@you/m68k-tables')).toMatchObject({ code: 0, err: '' });
    expect(parsed(join(folder, 'package.json')).name).toBe('@you/m68k-tables');
    expect(readFileSync(join(folder, 'README.md'), 'utf8')).toMatch(/^# @you\/m68k-tables\n/);
    expect(() => createArch(join(emptyFolder(), 'm68k'), { packageName: 'Not One' })).toThrow('"Not One" cannot name a package');
  });
});

describe('the command', () => {
  it('says what comes next', () => {
    const { code, out, err } = command(join(emptyFolder(), 'm68k'));
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^arch-m68k: \d+ files/);
    expect(out).toContain('npm test');
    expect(out).toContain('pnpm install');
    expect(out).toContain('turbo run build --filter=arch-m68k^...');
  });

  it('says so with the registry\'s packages', () => {
    // A package as npm has it: versions in place of workspace:.
    const copy = join(emptyFolder(true), 'published');
    for (const part of ['src', 'template']) cpSync(join(PACKAGE, part), join(copy, part), { recursive: true });
    writeFileSync(join(copy, 'package.json'), readFileSync(join(PACKAGE, 'package.json'), 'utf8').replaceAll('workspace:^', '^1.2.3'));
    const folder = join(copy, 'm68k');
    const { status, stdout } = spawnSync(process.execPath, ['--import', 'tsx', join(copy, 'src/cli.ts'), folder], { cwd: PACKAGE, encoding: 'utf8' });
    expect(status).toBe(0);
    expect(stdout).toContain('\n  npm install\n');
    expect(parsed(join(folder, 'package.json')).dependencies).toEqual({ '@pgtable/core': '^1.2.3' });
  });

  it('fills an empty folder, and none that is not', () => {
    const folder = join(emptyFolder(), 'm68k');
    mkdirSync(folder);
    expect(command(folder).code).toBe(0);
    const again = command(folder);
    expect(again).toMatchObject({ code: 2, out: '' });
    expect(again.err).toContain('is there, and is not empty');
    const file = join(emptyFolder(), 'm68k');
    writeFileSync(file, '');
    expect(command(file)).toMatchObject({ code: 2, out: '' });
    expect(readFileSync(file, 'utf8')).toBe('');
  });

  it('refuses what it does not understand, with exit code 2', () => {
    for (const args of [[], ['a1', 'b1'], ['--what'], ['--package'], ['Not']]) {
      const { code, out, err } = command(...args);
      expect([code, out], args.join(' ')).toEqual([2, '']);
      expect(err).toMatch(/^create-arch: .+\n {2}hint: .+\n$/s);
    }
  });

  it('helps, and says its version', () => {
    expect(command('--help')).toMatchObject({ code: 0, err: '' });
    expect(command('-h').out).toMatch(/^Usage: npm create @pgtable\/arch NAME/);
    expect(command('--version')).toEqual({ code: 0, out: `${String(parsed(join(PACKAGE, 'package.json')).version)}\n`, err: '' });
  });

  it('ends with 3 where nothing can be written', () => {
    const file = join(emptyFolder(), 'file');
    writeFileSync(file, '');
    expect(command(join(file, 'm68k'))).toMatchObject({ code: 3, out: '', err: expect.stringMatching(/m68k.*\n {2}hint: give a path in a folder/) as string });
  });
});
