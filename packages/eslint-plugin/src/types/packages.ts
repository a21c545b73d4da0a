import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';

const names = new Map<string, string | undefined>();

/** The name in the nearest package.json above a folder; undefined if there is none. */
function packageOfFolder(folder: string): string | undefined {
  if (names.has(folder)) return names.get(folder);
  const parent = dirname(folder);
  const name = ownName(join(folder, 'package.json')) ?? (parent === folder ? undefined : packageOfFolder(parent));
  names.set(folder, name);
  return name;
}

function ownName(path: string): string | undefined {
  if (!existsSync(path)) return undefined;
  try {
    const { name } = JSON.parse(readFileSync(path, 'utf8')) as { readonly name?: unknown };
    return typeof name === 'string' ? name : undefined;
  } catch {
    // A package.json that is being written: the next folder up says more than a crash of the linter.
    return undefined;
  }
}

/** The npm package that a file belongs to. */
export function packageOfFile(path: string): string | undefined {
  return packageOfFolder(dirname(path));
}

/** Whether one of a symbol's declarations is in a package: in its files, or in a `declare module` that speaks for it. */
export function isDeclaredIn(symbol: ts.Symbol, name: string): boolean {
  return (symbol.declarations ?? []).some((declaration) => {
    for (let node: ts.Node = declaration; !ts.isSourceFile(node); node = node.parent) {
      if (ts.isModuleDeclaration(node) && ts.isStringLiteral(node.name)) return isOrIsIn(node.name.text, name);
    }
    return packageOfFile(declaration.getSourceFile().fileName) === name;
  });
}

/** Whether a module specifier is a package or one of its entry points. */
export function isOrIsIn(specifier: string, name: string): boolean {
  return specifier === name || specifier.startsWith(`${name}/`);
}
