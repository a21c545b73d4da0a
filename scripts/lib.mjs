import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** The folder of the repository. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** The fixtures beside the repository, where there are any. */
export const FIXTURES = fileURLToPath(new URL('../../shared/fixtures', import.meta.url));
export const HAS_FIXTURES = existsSync(FIXTURES);

/** Where the installed tools are. Absolute: turbo starts pnpm in each package's folder. */
const BIN = join(ROOT, 'node_modules', '.bin');

const ENV = { ...process.env, PATH: `${BIN}${delimiter}${process.env.PATH ?? ''}`, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1', npm_config_update_notifier: 'false' };

/** Runs a command in the repository, with its output on ours. Returns whether it ended well. */
export function run(command, args, env = {}) {
  const { status, error } = spawnSync(command, args, { cwd: ROOT, stdio: 'inherit', env: { ...ENV, ...env }, shell: process.platform === 'win32' });
  if (error !== undefined) console.error(`cannot run ${command}: ${error.message}`);
  return status === 0;
}

/** How many lines {@link watch} keeps of those that say that something is wrong, and of the last ones. */
const KEPT = 25;
const WRONG = /\b(FAILED|ERROR|NOT|MISSED|Error)\b/;

/** Runs a command like {@link run}. Resolves to whether it ended well, and to those of its lines that say the most. */
export function watch(command, args, env = {}) {
  const colour = process.stdout.isTTY ? { FORCE_COLOR: '1' } : {};
  const child = spawn(command, args, { cwd: ROOT, stdio: ['inherit', 'pipe', 'pipe'], env: { ...ENV, ...colour, ...env }, shell: process.platform === 'win32' });
  const wrong = [];
  const last = [];
  for (const [from, to] of [[child.stdout, process.stdout], [child.stderr, process.stderr]]) {
    from.pipe(to, { end: false });
    createInterface({ input: from }).on('line', (line) => {
      last.push(line);
      const before = last.length > KEPT ? last.shift() : '';
      if (WRONG.test(before) && wrong.length < KEPT) wrong.push(before);
    });
  }
  return new Promise((resolve) => {
    child.on('error', (error) => {
      console.error(`cannot run ${command}: ${error.message}`);
      resolve({ ok: false, lines: [error.message] });
    });
    child.on('close', (status) => {
      resolve({ ok: status === 0, lines: [...wrong, ...last] });
    });
  });
}

function pathOf(name) {
  return join(BIN, process.platform === 'win32' ? `${name}.cmd` : name);
}

/** Runs an installed tool: turbo, vitest, eslint. */
export function tool(name, args) {
  return run(pathOf(name), args);
}

/** Runs an installed tool, and keeps the last lines of what it printed. */
export function watchTool(name, args, env = {}) {
  return watch(pathOf(name), args, env);
}

/** The pnpm that package.json names, by npx: nothing is installed yet. */
function install() {
  const { packageManager } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return run('npx', ['--yes', packageManager, 'install', '--frozen-lockfile', '--reporter=append-only']);
}

/** Installs what the lock file says and builds every package. */
export function installAndBuild() {
  const old = process.versions.node.split('.').map(Number);
  if (old[0] < 20 || (old[0] === 20 && old[1] < 19)) {
    console.error(`pgtable needs Node 20.19 or newer; this is ${process.versions.node}`);
    return false;
  }
  return install() && tool('turbo', ['run', 'build', '--output-logs=errors-only']);
}
