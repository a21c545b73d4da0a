import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Compiled, COMPILER_OPTIONS } from './lint-corpus/program.js';

/*
 * npm run lint:foreign
 *
 * Lints the TypeScript sources of packages that have nothing to do with page tables, with all rules and with types: there is nothing to report. The packages
 * come from the npm registry and are kept in node_modules/.cache.
 */
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const CACHE = join(ROOT, 'node_modules/.cache/pgtable-foreign');

/** Packages that ship their sources, at the versions that were tried. */
const PACKAGES = [
  { name: 'rxjs', version: '7.8.2', sources: 'src' },
  { name: '@noble/curves', version: '1.9.7', sources: 'src' },
  { name: 'immer', version: '11.2.10', sources: 'src' },
] as const;

/** A file that is put into each program. Rules leave files alone that have no way to handles, and to the names that they look for: what is declared for all files is one. */
const KNOWN = `import type { StrongHandles } from '@pgtable/core';
declare global {
  interface PgtableIsKnown { readonly handles: StrongHandles; readonly walkLock: string; pteOffsetMap(): void }
}
`;

/** The folder of a package's files; undefined where the registry cannot be reached. */
function fetched({ name, version }: (typeof PACKAGES)[number]): string | undefined {
  const folder = join(CACHE, `${name.replace(/[@/]/g, '_')}-${version}`);
  if (existsSync(join(folder, 'package'))) return join(folder, 'package');
  mkdirSync(folder, { recursive: true });
  try {
    const packed = execFileSync('npm', ['pack', `${name}@${version}`, '--json', '--pack-destination', folder], { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], shell: process.platform === 'win32' });
    const [{ filename }] = JSON.parse(packed) as [{ readonly filename: string }];
    execFileSync('tar', ['-xzf', filename.replace(/^@/, '').replace('/', '-')], { cwd: folder });
  } catch (error) {
    console.log(`left out: ${name}@${version}, which cannot be had (${(error instanceof Error ? error.message : String(error)).split('\n')[0]!})`);
    return undefined;
  }
  return join(folder, 'package');
}

let reports = 0;
for (const one of PACKAGES) {
  const folder = fetched(one);
  if (folder === undefined) continue;
  const core = join(folder, 'node_modules/@pgtable');
  mkdirSync(core, { recursive: true });
  if (!existsSync(join(core, 'core'))) symlinkSync(join(ROOT, 'packages/core'), join(core, 'core'), 'junction');
  const knows = join(folder, one.sources, 'pgtable-is-known.ts');
  writeFileSync(knows, KNOWN);
  const start = performance.now();
  const sources = readdirSync(join(folder, one.sources), { recursive: true, encoding: 'utf8' }).filter((path) => /(?<!\.d)\.[cm]?ts$/.test(path)).map((path) => join(folder, one.sources, path).replaceAll('\\', '/'));
  const texts = new Map(sources.map((path) => [path, readFileSync(path, 'utf8')]));
  const compiled = new Compiled(texts, { ...COMPILER_OPTIONS, lib: ['ES2023', 'DOM', 'DOM.Iterable', 'ESNext.Disposable', 'ESNext.SharedMemory'] }, folder);
  // ESLint leaves out what is in a folder called node_modules, unless it is told not to.
  const found = await compiled.lint(sources, [{ ignores: ['!**/node_modules/', '!**/node_modules/**'] }], folder);
  const lines = [...texts.values()].reduce((sum, text) => sum + text.split('\n').length - 1, 0);
  let own = 0;
  for (const [path, messages] of found) {
    for (const { ruleId, line, message } of messages) {
      // Without a rule it is ESLint that says something: that it left the file out, or cannot read it.
      if (ruleId !== null && !ruleId.startsWith('pgtable/')) continue;
      own++;
      console.log(`  ${path.slice(folder.length + 1)}:${line} ${ruleId ?? 'ESLint'}: ${message}`);
    }
  }
  reports += own;
  console.log(`${one.name}@${one.version}: ${sources.length} files, ${lines} lines, ${own} reports, ${((performance.now() - start) / 1000).toFixed(1)} s`);
}
process.exitCode = reports === 0 ? 0 : 1;
