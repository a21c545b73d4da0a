import { spawnSync } from 'node:child_process';

/*
 * What the tests compare with (QEMU, Chromium) comes from Debian. Where this process may install it, it does: CI then compares with it
 * on a new machine too. Nothing here ever fails a test.
 */

/** The longest that a step may take. What only asks and downloads is ended then; what unpacks needs no network, and is not cut short for nothing. */
const SECONDS = { asking: 15, lists: 60, download: 240, unpacking: 240 } as const;

/** Set to 0, nothing is installed. */
const SWITCH = 'PGTABLE_INSTALL';

/** Something that is missing, and the packages that have it: the first that the distribution knows is taken. */
export interface Wanted {
  readonly command: string;
  readonly packages: readonly string[];
}

/**
 * Installs what is missing, if this is Debian or its like and the user is root or may be it without a password; says what it does.
 *
 * Returns: whether everything was installed. If not, what to install by hand was printed.
 */
export function installMissing(missing: readonly Wanted[]): boolean {
  if (missing.length === 0) return true;
  const commands = missing.map(({ command }) => command).join(', ');
  const giveUp = (why: string): false => {
    console.log(`${commands}: not installed, and not by this script: ${why}. On Debian: apt-get install ${[...new Set(missing.map(({ packages }) => packages.at(-1)!))].join(' ')}`);
    return false;
  };
  if (process.env[SWITCH] === '0') return giveUp(`${SWITCH} is 0`);
  if (!succeeds('apt-get', ['--version'])) return giveUp('there is no apt-get');
  const root = process.getuid?.() === 0;
  if (!root && !succeeds('sudo', ['-n', 'true'])) return giveUp('this user is not root, and sudo asks for a password');

  const apt = (args: readonly string[], seconds: number): boolean => {
    const all = ['DEBIAN_FRONTEND=noninteractive', 'apt-get', '-qq', '-y', '--no-install-recommends', ...args];
    const { status, error, stdout, stderr } = spawnSync(root ? 'env' : 'sudo', root ? all : ['-n', 'env', ...all], { encoding: 'utf8', timeout: seconds * 1000 });
    if (status === 0) return true;
    const said = `${stdout}${stderr}`.trim().split('\n').at(-1) ?? '';
    console.log(`apt-get ${args.join(' ')} did not work: ${error?.message ?? said}`);
    return false;
  };
  console.log(`${commands}: not installed; trying apt-get (${SWITCH}=0 keeps this script from it)`);
  apt(['update'], SECONDS.lists);
  const names = new Set<string>();
  for (const { command, packages } of missing) {
    const name = packages.find(isKnown);
    if (name === undefined) return giveUp(`no package that has ${command} is known here`);
    names.add(name);
  }
  console.log(`installing ${[...names].join(', ')}`);
  if (!apt(['install', '--download-only', ...names], SECONDS.download) || !apt(['install', '--no-download', ...names], SECONDS.unpacking)) return giveUp('see above');
  return true;
}

function succeeds(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore', timeout: SECONDS.asking * 1000 }).status === 0;
}

/** Whether a package can be installed. */
function isKnown(name: string): boolean {
  const { status, stdout } = spawnSync('apt-cache', ['policy', name], { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' }, timeout: SECONDS.asking * 1000 });
  return status === 0 && /^ *Candidate: (?!\(none\))/m.test(stdout);
}
