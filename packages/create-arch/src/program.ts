import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { parseArgs } from 'node:util';
import { createArch, CreateError, type Created } from './create.js';

const HELP = `Usage: npm create @pgtable/arch NAME [-- OPTIONS]

Writes a folder NAME with a package for pgtable that holds the page tables of one architecture: a made-up one that works, for you to turn
into yours. NAME is the architecture's, in small letters, digits and hyphens (loongarch64, powerpc64-radix), or a path that ends with it.

Options:
  --package NAME  the package's name for npm (default: arch-NAME)
  --help          shows this
  --version       shows the version
`;

/** What a run of the command writes to. */
interface Streams {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

/**
 * The command.
 *
 * @param args what follows the program's name
 * @returns the exit code: 0 done, 2 usage or a folder that is in the way, 3 the folder cannot be written
 */
export function run(args: readonly string[], { stdout, stderr }: Streams): number {
  try {
    const { values, positionals } = parse(args);
    if (values.help === true) {
      stdout.write(HELP);
      return 0;
    }
    if (values.version === true) {
      stdout.write(`${version()}\n`);
      return 0;
    }
    const [path] = positionals;
    if (path === undefined) throw new CreateError('no name was given', 'give the name of the architecture: npm create @pgtable/arch loongarch64');
    if (positionals.length > 1) {
      throw new CreateError(`one name is needed, and there are ${positionals.length}: ${positionals.join(' ')}`, 'options of this command come after --');
    }
    stdout.write(nextSteps(createArch(path, values.package === undefined ? {} : { packageName: values.package })));
    return 0;
  } catch (error) {
    if (error instanceof CreateError) {
      stderr.write(`create-arch: ${error.message}\n  hint: ${error.hint}\n`);
      return 2;
    }
    if (isSystemError(error)) {
      stderr.write(`create-arch: ${error.message}\n  hint: give a path in a folder that you can write to\n`);
      return 3;
    }
    throw error;
  }
}

function parse(args: readonly string[]): { values: { help?: boolean; version?: boolean; package?: string }; positionals: string[] } {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { help: { type: 'boolean', short: 'h' }, version: { type: 'boolean' }, package: { type: 'string' } },
    });
  } catch (error) {
    throw new CreateError(error instanceof Error ? error.message : String(error), 'create-arch --help lists the options');
  }
}

function nextSteps({ folder, packageName, files, workspace }: Created): string {
  const install = workspace
    ? `npx pnpm install   # in a clone of pgtable that lists the folder in pnpm-workspace.yaml
  npx turbo run build --filter=${packageName}^...   # what it uses of the clone, as it is now`
    : 'npm install';
  return `${packageName}: ${files.length} files, a made-up architecture that works.

  cd ${relative('.', folder) || '.'}
  ${install}
  npm run typecheck
  npm test

Then follow the table in README.md: each file says after REPLACE what is to stand there.
`;
}

function version(): string {
  // The cast: this is our own package.json.
  return (JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }).version;
}

/** An error of the file system: no permission, no space. */
function isSystemError(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error;
}
