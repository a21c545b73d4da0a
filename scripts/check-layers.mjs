// Holds the layers of docs/architecture.md: who may import whom, in dependencies and in every import of the sources.
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { ROOT } from './lib.mjs';

/** For each package: what of ours its sources may import. Tests may import anything. */
const ARCHITECTURE = ['@pgtable/core', '@pgtable/core/arch'];
const ALLOWED = {
  'packages/core': [],
  'packages/memory': ['@pgtable/core/errors'],
  'packages/walk': ['@pgtable/core', '@pgtable/memory'],
  'packages/mm': ['@pgtable/core', '@pgtable/walk'],
  'packages/arch-testkit': ['@pgtable/core', '@pgtable/walk'],
  'packages/eslint-plugin': [],
  'packages/create-arch': [],
};
/** These may import every entry point but the privileged one. */
const APPLICATIONS = ['apps/'];
/** What runs in a browser too: no import of Node's modules. */
const NODE_ALLOWED = ['apps/pgtable/', 'packages/memory/src/node.ts', 'packages/eslint-plugin/', 'packages/create-arch/'];

const problems = [];

function* sources(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* sources(path);
    else if (/\.[cm]?tsx?$/.test(entry.name)) yield path;
  }
}

function imports(text) {
  const found = [];
  for (const match of text.matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*|\brequire\s*\(\s*)(['"])([^'"]+)\1/g)) found.push(match[2]);
  return found;
}

let packages = 0;
let files = 0;
for (const group of ['packages', 'apps']) {
  for (const name of readdirSync(join(ROOT, group))) {
    const folder = `${group}/${name}`;
    const manifest = JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8'));
    const isApplication = APPLICATIONS.some((prefix) => folder.startsWith(prefix));
    const allowed = folder.startsWith('packages/arch-') && !(folder in ALLOWED) ? ARCHITECTURE : ALLOWED[folder];
    if (allowed === undefined && !isApplication) {
      problems.push(`${folder}: not in the list of layers (scripts/check-layers.mjs)`);
      continue;
    }
    packages++;
    const declared = Object.keys(manifest.dependencies ?? {}).filter((dependency) => dependency.startsWith('@pgtable/'));
    for (const dependency of declared) {
      if (!isApplication && !allowed.some((entry) => entry === dependency || entry.startsWith(dependency + '/'))) problems.push(`${folder}/package.json: depends on ${dependency}`);
    }
    for (const file of sources(join(ROOT, folder, 'src'))) {
      files++;
      const where = relative(ROOT, file);
      for (const imported of imports(readFileSync(file, 'utf8'))) {
        if (imported.startsWith('node:') && !NODE_ALLOWED.some((prefix) => where.startsWith(prefix))) problems.push(`${where}: imports ${imported}, and this package runs in browsers`);
        if (imported.startsWith('.') && !join(where, '..', imported).startsWith(`${folder}/src`) && !imported.endsWith('package.json')) problems.push(`${where}: imports ${imported}, outside of its package`);
        if (!imported.startsWith('@pgtable/')) continue;
        if (isApplication ? imported === '@pgtable/core/arch' : !allowed.includes(imported)) problems.push(`${where}: imports ${imported}`);
        else if (!declared.some((dependency) => imported === dependency || imported.startsWith(dependency + '/'))) problems.push(`${where}: imports ${imported}, which package.json does not name`);
      }
    }
  }
}
for (const problem of problems) console.error(problem);
console.log(`layers: ${packages} packages, ${files} files, ${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;
