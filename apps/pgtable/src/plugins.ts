import { createRequire } from 'node:module';
import { isAbsolute, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Command } from 'commander';
import { PgtableError, type ArchPlugin } from '@pgtable/core';

/**
 * The modules that a command line names with `--plugin`: they are loaded before anything else is parsed, because their registers are options.
 *
 * @param args what follows the program's name
 */
export function namedPlugins(args: readonly string[]): readonly string[] {
  const names: string[] = [];
  new Command()
    .helpOption(false)
    .allowUnknownOption()
    // The value is optional here alone, so that leaving it out is an error of the command's own parsing.
    .option('--plugin [module]', '', (name: string) => names.push(name))
    .parseOptions([...args]);
  return names;
}

/**
 * The architectures that a module exports, under whatever names.
 *
 * @param name a path, which starts with `.` or `/`, or a package that is installed where the command runs
 * @throws PgtableError `ENOENT` if the module cannot be loaded, `EINVAL` if it exports none
 */
export async function loadPlugin(name: string): Promise<readonly ArchPlugin[]> {
  let exported: Readonly<Record<string, unknown>>;
  try {
    exported = (await import(locate(name))) as Readonly<Record<string, unknown>>;
  } catch (cause) {
    throw new PgtableError('ENOENT', `--plugin ${name} cannot be loaded: ${cause instanceof Error ? cause.message.split('\n')[0]! : String(cause)}`, {
      hint: /\.[cm]?tsx?$/.test(name)
        ? 'this is TypeScript: build it (npm run build) and give the JavaScript that comes of it, as in --plugin ./dist/index.js'
        : 'give a path that starts with ./ or /, or the name of a package that is installed in this folder',
      cause,
    });
  }
  const plugins = [...new Set(Object.values(exported).filter(isPlugin))];
  if (plugins.length > 0) return plugins;
  throw new PgtableError('EINVAL', `--plugin ${name} exports no architecture, only ${Object.keys(exported).join(', ') || 'nothing'}`, {
    hint: 'an architecture is an ArchPlugin of @pgtable/core: see docs/adding-an-architecture.md',
  });
}

function locate(name: string): string {
  if (name.startsWith('.') || isAbsolute(name)) return pathToFileURL(resolve(name)).href;
  return pathToFileURL(createRequire(resolve('package.json')).resolve(name)).href;
}

function isPlugin(value: unknown): value is ArchPlugin {
  if (typeof value !== 'object' || value === null) return false;
  const plugin = value as Readonly<Partial<Record<keyof ArchPlugin, unknown>>>;
  const lists = [plugin.elfMachines, plugin.utsMachines, plugin.vmcoreinfoKeys, plugin.registers];
  const functions = [plugin.findRoots, plugin.markers, plugin.kernelOffset];
  return typeof plugin.name === 'string' && lists.every(Array.isArray) && functions.every((member) => typeof member === 'function');
}
