/*
 * npm run check:publish: what would be published, looked at from outside. Packs every package, lints the tarballs, and
 * installs them in a project of its own, where they are type-checked, run, and bundled for the browser.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { ROOT, tool } from './lib.mjs';

const SOURCE_CONDITION = '@pgtable/source';
/** The compilers that the lint rules support: the consumer has the first of them, and then each of the others. */
const COMPILERS = ['6.0.3', '5.9.3'];
const folder = mkdtempSync(join(tmpdir(), 'pgtable-publish-'));
let failures = 0;

function check(title, problem) {
  if (problem === undefined || problem === '') {
    console.log(`ok     ${title}`);
    return;
  }
  failures++;
  console.log(`FAILED ${title}\n${String(problem).trim().split('\n').map((line) => '       ' + line).join('\n')}`);
}

/** Runs a command. Returns its exit code, output and errors. */
function call(command, args, cwd = folder) {
  const env = { ...process.env, npm_config_update_notifier: 'false', npm_config_fund: 'false', npm_config_audit: 'false', NO_COLOR: '1', FORCE_COLOR: undefined };
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, env, encoding: 'utf8', shell: process.platform === 'win32', maxBuffer: 2 ** 28 });
  return { status, stdout: stdout ?? '', stderr: error === undefined ? (stderr ?? '') : error.message };
}

/** The problem of a call that ought to end with `expected`. */
function problemOf({ status, stdout, stderr }, expected = 0) {
  return status === expected ? undefined : `ended with ${status}, not ${expected}\n${stdout.slice(-4000)}\n${stderr.slice(-4000)}`;
}

function withoutSource(exported) {
  if (typeof exported === 'string') return exported;
  return Object.fromEntries(Object.entries(exported).flatMap(([key, value]) => (key === SOURCE_CONDITION ? [] : [[key, withoutSource(value)]])));
}

const packages = ['packages', 'apps'].flatMap((group) =>
  readdirSync(join(ROOT, group))
    .map((name) => join(ROOT, group, name))
    .filter((path) => existsSync(join(path, 'package.json')))
    .map((path) => ({ path, manifest: JSON.parse(readFileSync(join(path, 'package.json'), 'utf8')) }))
    .filter(({ manifest }) => manifest.private !== true),
);

function manifestProblems({ manifest, path }) {
  const problems = [];
  for (const field of ['description', 'license', 'keywords', 'engines', 'files']) if (manifest[field] === undefined) problems.push(`no ${field}`);
  // There is no public repository yet; a field that leads nowhere is worse than none.
  for (const field of ['repository', 'bugs', 'homepage']) if (manifest[field] !== undefined) problems.push(`has ${field}`);
  const expected = JSON.stringify(withoutSource(manifest.exports ?? {}));
  if (JSON.stringify(manifest.publishConfig?.exports) !== expected) problems.push(`publishConfig.exports is not exports without ${SOURCE_CONDITION}: it should be ${expected}`);
  if (manifest.publishConfig?.access !== 'public') problems.push('publishConfig.access is not public');
  if (!existsSync(join(path, 'README.md'))) problems.push('no README.md');
  return problems.join('\n');
}

/** Problems of the files in a tarball. */
function contentProblems(tarball, manifest) {
  const list = call('tar', ['-tzf', tarball]);
  if (list.status !== 0) return list.stderr;
  const files = list.stdout.split(/\r?\n/).filter((line) => line !== '').map((line) => line.replace(/^package\//, ''));
  const problems = [];
  for (const needed of ['package.json', 'README.md', 'LICENSE', 'dist/index.js', 'dist/index.d.ts']) if (!files.includes(needed)) problems.push(`${needed} is not in it`);
  const allowed = ['bin/', 'dist/', 'docs/', 'samples/', 'template/'];
  for (const file of files) {
    if (!allowed.some((prefix) => file.startsWith(prefix)) && !/^(package\.json|README\.md|LICENSE|CHANGELOG\.md)$/.test(file)) problems.push(`${file} is in it`);
  }
  const packed = call('tar', ['-xOzf', tarball, 'package/package.json']).stdout;
  if (packed.includes(SOURCE_CONDITION)) problems.push(`its package.json has the condition ${SOURCE_CONDITION}`);
  if (packed.includes('workspace:')) problems.push('its package.json has workspace: dependencies');
  for (const [name, target] of Object.entries(manifest.bin ?? {})) if (!files.includes(target.replace(/^\.\//, ''))) problems.push(`bin ${name} is not in it`);
  return problems.join('\n');
}

async function checkPackage({ path, manifest }) {
  const { name } = manifest;
  check(`${name}: package.json`, manifestProblems({ path, manifest }));
  const packed = call(process.execPath, [join(ROOT, 'node_modules/pnpm/bin/pnpm.cjs'), 'pack', '--pack-destination', folder, '--json'], path);
  check(`${name}: packs`, problemOf(packed));
  if (packed.status !== 0) return undefined;
  const tarball = JSON.parse(packed.stdout).filename;
  check(`${name}: contents`, contentProblems(tarball, manifest));
  const bytes = readFileSync(tarball);
  const { messages, pkg } = await publint({ pack: { tarball: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) }, strict: true });
  // "repository" is left out on purpose: see manifestProblems.
  check(`${name}: publint, strict`, messages.filter(({ code }) => !/REPOSITORY/i.test(code)).map((message) => formatMessage(message, pkg, { color: false }) ?? message.code).join('\n'));
  const types = call(process.execPath, [join(ROOT, 'node_modules/@arethetypeswrong/cli/dist/index.js'), tarball, '--profile', 'esm-only', '--no-emoji', '--format', 'ascii']);
  check(`${name}: are the types wrong`, problemOf(types));
  return { name, tarball };
}

/** Type-checks the consumer with one way of finding modules. */
function checkTypes(consumer, resolution) {
  const file = `tsconfig.${resolution}.json`;
  const module = resolution === 'bundler' ? 'esnext' : 'nodenext';
  // skipLibCheck is off: our own declarations are checked too. The published code asks for no more than ES2023.
  const compilerOptions = {
    module, moduleResolution: resolution, target: 'es2022', lib: ['es2023', 'dom'], types: ['node'], strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true,
    verbatimModuleSyntax: true, skipLibCheck: false, outDir: `out-${resolution}`,
  };
  writeFileSync(join(consumer, file), JSON.stringify({ compilerOptions, include: ['*.mts'] }));
  check(`consumer: types, ${resolution}`, problemOf(call(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', file], consumer)));
}

async function checkBrowser(consumer) {
  const outfile = join(consumer, 'bundle.mjs');
  try {
    const { metafile, errors, warnings } = await build({
      entryPoints: [join(consumer, 'browser.mts')], outfile, bundle: true, format: 'esm', platform: 'browser', target: 'es2022', metafile: true, minify: true, logLevel: 'silent', absWorkingDir: consumer, tsconfigRaw: '{}',
    });
    const left = Object.values(metafile.outputs).flatMap(({ imports }) => imports.filter(({ external }) => external).map((imported) => imported.path));
    const text = readFileSync(outfile, 'utf8');
    const node = /\b(?:from|import|require)\s*\(?\s*["']node:/.exec(text)?.[0];
    check('consumer: bundles for the browser', [...errors, ...warnings].map(({ text, location }) => `${location?.file ?? ''}: ${text}`).concat(left.map((path) => `it still imports ${path}`), node === undefined ? [] : [`it has ${node}`]).join('\n'));
    console.log(`       core, memory, walk, mm and one architecture: ${Math.round(text.length / 1024)} KiB, minified`);
  } catch (error) {
    check('consumer: bundles for the browser', error.message);
    return;
  }
  check('consumer: the bundle runs', problemOf(call(process.execPath, [pathToFileURL(outfile).pathname.replace(/^\/(?=[A-Z]:)/, '')], consumer)));
}

function checkBinary(consumer, version) {
  const pgtable = (...args) => call('npx', ['--no-install', 'pgtable', ...args], consumer);
  const expectText = (title, result, code, pattern) => check(title, problemOf(result, code) ?? ((pattern.test(result.stdout) || pattern.test(result.stderr)) ? undefined : `no ${String(pattern)} in\n${result.stdout}${result.stderr}`));
  writeFileSync(join(consumer, 'junk'), 'this is no dump\n'.repeat(1000));
  expectText('pgtable --version', pgtable('--version'), 0, new RegExp(`^${version.replaceAll('.', '\\.')}\\s*$`));
  expectText('pgtable --help', pgtable('--help'), 0, /ptdump/);
  expectText('pgtable ptdump, of the embedded sample', pgtable('ptdump'), 0, /---\[ .* \]---/);
  expectText('pgtable vtop, of an address that is not mapped: 1', pgtable('vtop', '0'), 1, /./);
  expectText('pgtable ptdump --wrong-flag: 2', pgtable('ptdump', '--wrong-flag'), 2, /wrong-flag/);
  expectText('pgtable ptdump, of a file that is not there: 3', pgtable('ptdump', 'there-is-no-such-file'), 3, /there-is-no-such-file/);
  expectText('pgtable ptdump, of a file that is no dump: 3', pgtable('ptdump', 'junk'), 3, /junk/);
}

/** The made-up architecture that create-arch writes, with the packages as they are published. Its laws need a test framework: the repository's tests run them. */
function checkCreated(consumer) {
  const made = join(consumer, 'arch-m68k');
  check('create-arch m68k', problemOf(call('npx', ['--no-install', 'create-arch', 'arch-m68k'], consumer)));
  check('create-arch: what it made can be built', problemOf(call(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'], made)));
  const help = call('npx', ['--no-install', 'pgtable', 'ptdump', '--plugin', './arch-m68k/dist/index.js', '--help'], consumer);
  check('create-arch: the command loads what it made', problemOf(help) ?? (help.stdout.includes('--pgroot') ? undefined : `no --pgroot in\n${help.stdout}`));
  check('create-arch: dotfiles are there', existsSync(join(made, '.gitignore')) ? undefined : 'no .gitignore');
  check('create-arch, into the same folder: 2', problemOf(call('npx', ['--no-install', 'create-arch', 'arch-m68k'], consumer), 2));
}

/** The lint rules in somebody's project, with one of the compilers that they support: the configuration of the README, one raw dereference, what --fix makes of it, and the formatter. */
function checkLint(consumer, compiler) {
  const project = join(consumer, `lint-${compiler}`);
  const lint = `eslint-plugin with TypeScript ${compiler}`;
  mkdirSync(project);
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions: { module: 'nodenext', target: 'es2022', strict: true, noEmit: true }, include: ['*.mts'] }));
  writeFileSync(
    join(project, 'eslint.config.mjs'),
    `import pgtable from '@pgtable/eslint-plugin';\nimport tseslint from 'typescript-eslint';\nexport default [{ files: ['**/*.mts'], languageOptions: { parser: tseslint.parser, parserOptions: { projectService: true } }, ...pgtable.configs.strict }];\n`,
  );
  const program = `import type { AliasHandles, Arch, TableMemory } from '@pgtable/core';\nexport function read(arch: Arch<AliasHandles>, tables: TableMemory, ptep: AliasHandles['pte']): bigint | undefined {\n  return tables.elements[ptep];\n}\n`;
  writeFileSync(join(project, 'program.mts'), program);
  const eslint = (...args) => call('npx', ['--no-install', 'eslint', ...args], project);
  const reported = eslint('.');
  check(`${lint}: reports a raw dereference`, problemOf(reported, 1) ?? (reported.stdout.includes('pgtable/no-raw-deref') ? undefined : `no pgtable/no-raw-deref in\n${reported.stdout}`));
  const churn = eslint('.', '-f', join(consumer, 'node_modules/@pgtable/eslint-plugin/dist/churn.js'));
  check(`${lint}: churn counts it`, problemOf(churn, 1) ?? (/total +1 +1\b/.test(churn.stdout) ? undefined : churn.stdout));
  check(`${lint}: --fix mends it`, problemOf(eslint('.', '--fix')));
  check(`${lint}: what is mended compiles`, problemOf(call(process.execPath, [join(consumer, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.json'], project)));
}

try {
  check('build', tool('turbo', ['run', 'build', '--output-logs=errors-only']) ? undefined : 'see above');
  const packed = [];
  for (const each of packages) packed.push(await checkPackage(each));
  const tarballs = packed.filter((each) => each !== undefined);
  const consumer = join(folder, 'consumer');
  mkdirSync(consumer);
  cpSync(join(ROOT, 'scripts/consumer'), consumer, { recursive: true });
  const dependencies = Object.fromEntries(tarballs.map(({ name, tarball }) => [name, `file:${tarball}`]));
  writeFileSync(join(consumer, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module', dependencies, devDependencies: { '@types/node': '^20.19.0', eslint: '10.15.0', typescript: COMPILERS[0], 'typescript-eslint': '8.72.0' } }, null, 2));
  const installed = call('npm', ['install', '--no-package-lock', '--prefer-offline'], consumer);
  check('consumer: npm install of the tarballs', problemOf(installed));
  if (installed.status === 0) {
    for (const resolution of ['nodenext', 'bundler']) checkTypes(consumer, resolution);
    check('consumer: runs', problemOf(call(process.execPath, ['out-nodenext/program.mjs'], consumer)));
    await checkBrowser(consumer);
    checkCreated(consumer);
    checkBinary(consumer, packages.find(({ manifest }) => manifest.name === 'pgtable').manifest.version);
    for (const compiler of COMPILERS) {
      if (compiler !== COMPILERS[0]) check(`consumer: npm install of TypeScript ${compiler}`, problemOf(call('npm', ['install', '--no-save', '--no-package-lock', '--prefer-offline', `typescript@${compiler}`], consumer)));
      checkLint(consumer, compiler);
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`publishing: ${packages.length} packages, ${failures} failures`);
process.exitCode = failures === 0 ? 0 : 1;
