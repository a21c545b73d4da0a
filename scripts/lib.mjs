import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
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

/** Runs an installed tool: turbo, vitest, eslint. */
export function tool(name, args) {
  return run(join(BIN, process.platform === 'win32' ? `${name}.cmd` : name), args);
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
