import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What was asked for cannot be done; nothing was written. The message says why, `hint` what would help. */
export class CreateError extends Error {
  override readonly name = 'CreateError';
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/** How to make a package. */
export interface CreateOptions {
  /** The package's name for npm. Default: `arch-` and the architecture's name. */
  readonly packageName?: string;
}

/** What {@link createArch} made. */
export interface Created {
  /** The architecture's name, in small letters, with hyphens if it was given any: what stands in place of the template's. Identifiers have it in camel case. */
  readonly name: string;
  readonly packageName: string;
  /** Absolute path of the new folder. */
  readonly folder: string;
  /** The files, relative to the folder, with slashes. */
  readonly files: readonly string[];
  /** The packages of pgtable are those of a clone that the folder is in, not those of the registry. */
  readonly workspace: boolean;
}

const PACKAGE = new URL('../', import.meta.url);
const TEMPLATE = new URL('template/', PACKAGE);

/** The template's name in every spelling that it has there, the longer first; its sources have the word nowhere else. Hyphens cannot stand in identifiers. */
const SPELLINGS: readonly (readonly [spelling: RegExp, spell: (name: string) => string])[] = [
  [/trio(?=[A-Z])/g, camelCase],
  [/trio(?=_)/g, (name) => name.replaceAll('-', '_')],
  [/trio/g, (name) => name],
  [/Trio/g, (name) => camelCase(`-${name}`)],
  [/TRIO/g, (name) => name.replaceAll('-', '_').toUpperCase()],
];

/** `powerpc64Radix` of `powerpc64-radix`. */
function camelCase(name: string): string {
  return name.replace(/-(.)/g, (_hyphen, first: string) => first.toUpperCase());
}

/**
 * Writes a new folder with a package for one architecture, which compiles and obeys the laws as it is.
 *
 * @param path the folder; its last part, without a leading `arch-`, names the architecture
 * @throws CreateError if the name cannot be one, or the folder is there and not empty
 */
export function createArch(path: string, options: CreateOptions = {}): Created {
  const folder = resolve(path);
  const name = basename(folder).replace(/^arch-/, '');
  const packageName = options.packageName ?? `arch-${name}`;
  if (!/^(?=.{2,31}$)[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)) {
    throw new CreateError(
      `"${basename(folder)}" cannot name an architecture`,
      'give small letters and digits, a letter first, and hyphens between words, as in loongarch64 and powerpc64-radix; a leading arch- is not part of the name',
    );
  }
  if (!/^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/.test(packageName) || packageName.length > 214) {
    throw new CreateError(`"${packageName}" cannot name a package`, 'give what npm takes: small letters, digits and dashes, with or without a @scope/ before');
  }
  checkFolder(folder);
  const sources = new Map(templateFiles().map((file) => [file, readFileSync(new URL(file, TEMPLATE), 'utf8')]));
  checkCollision(name, [...sources.values()].join('\n'));
  const versions = ownVersions();
  const files: string[] = [];
  for (const [file, text] of sources) {
    // npm leaves some names out of a package, so those begin with an underscore in the template.
    const target = file.replace(/(^|\/)_/, '$1');
    const named = substitute(text, name);
    const made = target === 'package.json' ? manifest(named, packageName, versions) : named.replaceAll(`arch-${name}`, packageName);
    mkdirSync(dirname(join(folder, target)), { recursive: true });
    writeFileSync(join(folder, target), made);
    files.push(target);
  }
  return { name, packageName, folder, files: files.sort(), workspace: [...versions.values()].some((version) => version.startsWith('workspace:')) };
}

function checkFolder(folder: string): void {
  if (!existsSync(folder)) return;
  if (!statSync(folder).isDirectory()) throw new CreateError(`${folder} is there, and is no folder`, 'give the name of a folder that is not there yet');
  if (readdirSync(folder).length > 0) throw new CreateError(`${folder} is there, and is not empty`, 'give the name of a folder that is not there yet, or empty it');
}

/** Refuses a name that would make an identifier one that the sources have already: `new` makes newRoot of trioRoot. The word alone is none. */
function checkCollision(name: string, text: string): void {
  const words = new Set(text.match(/[A-Za-z_]\w*/g));
  for (const word of words) {
    if (/^trio$/i.test(word)) continue;
    const made = substitute(word, name);
    if (made === word || !words.has(made)) continue;
    throw new CreateError(`an architecture cannot be named ${name}: ${made} is something else already`, 'give the name that your kernel has for the architecture');
  }
}

/** Puts a name in the place of the template's. */
function substitute(text: string, name: string): string {
  return SPELLINGS.reduce((made, [spelling, spell]) => made.replaceAll(spelling, spell(name)), text);
}

/** The new package.json: the versions of pgtable's packages are those that this package was made with. */
function manifest(text: string, packageName: string, versions: ReadonlyMap<string, string>): string {
  // The cast: this is our own template, which a test reads.
  const made = JSON.parse(text) as { name: string } & Record<'dependencies' | 'devDependencies', Record<string, string>>;
  made.name = packageName;
  for (const dependencies of [made.dependencies, made.devDependencies]) {
    for (const [dependency, version] of versions) if (dependency in dependencies) dependencies[dependency] = version;
  }
  return `${JSON.stringify(made, null, 2)}\n`;
}

/** pgtable's packages and their versions, as this package's own development needs them. In a clone they are `workspace:^`. */
function ownVersions(): ReadonlyMap<string, string> {
  // The cast: this is our own package.json.
  const { devDependencies = {} } = JSON.parse(readFileSync(new URL('package.json', PACKAGE), 'utf8')) as { devDependencies?: Readonly<Record<string, string>> };
  return new Map(Object.entries(devDependencies).filter(([dependency]) => /^(@pgtable\/|pgtable$)/.test(dependency)));
}

/** The template's files, relative to it, with slashes. */
function templateFiles(): string[] {
  const folder = fileURLToPath(TEMPLATE);
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return entries.map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll(sep, '/')).sort();
}
