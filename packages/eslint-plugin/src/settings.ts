import type { TSESLint } from '@typescript-eslint/utils';
import picomatch from 'picomatch';
import { isLevel, type Level } from './levels.js';

/** A type that an architecture of somebody else has for its handles. */
export interface HandleTypeSetting {
  /** The type's name: an interface, a class or a type alias. */
  readonly name: string;
  /** The npm package that declares it; left out, a type of that name is one wherever it is declared. */
  readonly package?: string;
  /** Left out where the type serves all levels: `Cell<L>`. */
  readonly level?: Level;
}

/** Names of functions and methods that do what accessors of `@pgtable/core` do. */
export interface AccessorNames {
  /** That read an entry plainly, as `ptepGet`. */
  readonly get?: readonly string[];
  /** That read an entry in one step, as `ptepGetOnce`. */
  readonly getOnce?: readonly string[];
  /** That write an entry, as `setPte`. */
  readonly set?: readonly string[];
  /** That return a table's entry, or nothing, and have to be given back, as `pteOffsetMapLock`. */
  readonly map?: readonly string[];
  /** That give it back, as `pteUnmapUnlock`. */
  readonly unmap?: readonly string[];
}

/** What a project says in `settings.pgtable` of its ESLint configuration. */
export interface PgtableSettings {
  /** Files with architecture code, as globs from ESLint's working directory: there handles may be unwrapped. */
  readonly architecture?: readonly string[];
  readonly accessors?: AccessorNames;
  readonly handleTypes?: readonly HandleTypeSetting[];
}

export interface Settings {
  readonly accessors: { readonly [K in keyof Required<AccessorNames>]: ReadonlySet<string> };
  readonly handleTypes: readonly HandleTypeSetting[];
  /** @param filename as ESLint has it @param cwd ESLint's working directory */
  isArchitecture(filename: string, cwd: string): boolean;
}

const read = new WeakMap<object, Settings>();
const NONE = {};

/** The settings of the file that is being linted, looked through once for each configuration. */
export function settingsOf(context: Pick<TSESLint.RuleContext<string, readonly unknown[]>, 'settings'>): Settings {
  const given = (context.settings as { readonly pgtable?: unknown }).pgtable ?? NONE;
  if (typeof given !== 'object') throw new Error(`settings.pgtable is ${JSON.stringify(given)}: it must be an object, see the README of @pgtable/eslint-plugin`);
  const known = read.get(given);
  if (known !== undefined) return known;
  const settings = checked(given as Readonly<Record<string, unknown>>);
  read.set(given, settings);
  return settings;
}

/** A mistake in the settings would turn rules off without a word, so every one of them is an error. */
function checked(given: Readonly<Record<string, unknown>>): Settings {
  known('settings.pgtable', given, ['architecture', 'accessors', 'handleTypes']);
  const accessors = (given.accessors ?? {}) as Readonly<Record<string, unknown>>;
  known('settings.pgtable.accessors', accessors, ['get', 'getOnce', 'set', 'map', 'unmap']);
  const names = (key: keyof AccessorNames): ReadonlySet<string> => new Set(strings(`settings.pgtable.accessors.${key}`, accessors[key]));
  const globs = strings('settings.pgtable.architecture', given.architecture);
  // Of several globs one is enough, so one that says what is not there would bring all the rest. `!(a|b)` is a part of a name.
  const isOut = (glob: string): boolean => /^!(?!\()/.test(glob);
  const named = globs.filter((glob) => !isOut(glob));
  const except = globs.filter(isOut).map((glob) => glob.slice(1));
  if (named.length === 0 && except.length > 0) throw new Error(`settings.pgtable.architecture is ${JSON.stringify(globs)}: it only says where no architecture is`);
  const matches = named.length === 0 ? () => false : picomatch(named, { dot: true, ignore: except });
  let lastFile: string | undefined;
  let lastCwd: string | undefined;
  let wasArchitecture = false;
  return {
    accessors: { get: names('get'), getOnce: names('getOnce'), set: names('set'), map: names('map'), unmap: names('unmap') },
    handleTypes: handleTypes(given.handleTypes),
    isArchitecture(filename, cwd) {
      // Every rule asks the same of a file.
      if (filename === lastFile && cwd === lastCwd) return wasArchitecture;
      lastFile = filename;
      lastCwd = cwd;
      const path = filename.replaceAll('\\', '/');
      const folder = `${cwd.replaceAll('\\', '/').replace(/\/$/, '')}/`;
      return (wasArchitecture = matches(path.startsWith(folder) ? path.slice(folder.length) : path));
    },
  };
}

function handleTypes(given: unknown): readonly HandleTypeSetting[] {
  if (given === undefined) return [];
  const wrong = (what: unknown): Error => new Error(`settings.pgtable.handleTypes has ${JSON.stringify(what)}: an entry is { name, package?, level? }`);
  if (!Array.isArray(given)) throw wrong(given);
  return given.map((entry: unknown) => {
    if (typeof entry !== 'object' || entry === null) throw wrong(entry);
    const { name, package: from, level } = entry as Readonly<Record<string, unknown>>;
    if (typeof name !== 'string' || (from !== undefined && typeof from !== 'string') || (level !== undefined && !isLevel(level))) throw wrong(entry);
    return { name, ...(from === undefined ? {} : { package: from }), ...(level === undefined ? {} : { level }) };
  });
}

function strings(what: string, given: unknown): readonly string[] {
  if (given === undefined) return [];
  if (Array.isArray(given) && given.every((one) => typeof one === 'string')) return given;
  throw new Error(`${what} is ${JSON.stringify(given)}: it must be a list of strings`);
}

function known(what: string, given: Readonly<Record<string, unknown>>, keys: readonly string[]): void {
  const wrong = Object.keys(given).find((key) => !keys.includes(key));
  if (wrong !== undefined) throw new Error(`${what} has ${JSON.stringify(wrong)}, and knows only ${keys.join(', ')}`);
}
