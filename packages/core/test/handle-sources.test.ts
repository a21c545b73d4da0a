import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

/*
 * Only handles travel between core and the architectures: outside of the architecture packages nothing casts to a handle,
 * and nothing imports what can make one.
 */

const workspace = join(dirname(fileURLToPath(import.meta.url)), '../../..');

/** The types that are handles, or hold one. */
const HANDLE_TYPES = new Set(['EntryPtr', 'HwHandle', 'TableOf', 'TableHandles', 'AliasHandles', 'StrongHandles', 'HandleFamily']);
/** What makes a handle from an index, or an index from a handle. */
const PRIVILEGED = /(?:^@pgtable\/core\/arch$|(?:^|\/)table-ops(?:\.[jt]s)?$|(?:^|\/)core\/src\/arch(?:\.[jt]s)?$)/;

/** Violations in one file, as `line: text`. */
function violations(path: string, text: string): string[] {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true);
  const found: string[] = [];
  const report = (node: ts.Node) => found.push(`${file.getLineAndCharacterOfPosition(node.getStart()).line + 1}: ${node.getText()}`);
  /** Names of type parameters that are handle families where a node stands. */
  const families = (node: ts.Node): Set<string> => {
    const names = new Set<string>();
    for (let at: ts.Node = node; !ts.isSourceFile(at); at = at.parent) {
      for (const parameter of (at as Partial<ts.SignatureDeclarationBase>).typeParameters ?? []) {
        if (parameter.constraint !== undefined && /\b(?:HandleFamily|TableHandles|AliasHandles|StrongHandles)\b/.test(parameter.constraint.getText())) names.add(parameter.name.text);
      }
    }
    return names;
  };
  const namesHandle = (type: ts.TypeNode): boolean => {
    const generic = families(type);
    const search = (node: ts.Node): boolean => {
      if (ts.isIdentifier(node) && HANDLE_TYPES.has(node.text)) return true;
      if (ts.isIndexedAccessTypeNode(node) && generic.has(node.objectType.getText())) return true;
      return ts.forEachChild(node, search) ?? false;
    };
    return search(type);
  };
  const look = (node: ts.Node): void => {
    if ((ts.isAsExpression(node) || ts.isTypeAssertionExpression(node)) && namesHandle(node.type)) report(node);
    if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier !== undefined && ts.isStringLiteral(node.moduleSpecifier) && PRIVILEGED.test(node.moduleSpecifier.text)) report(node);
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword && PRIVILEGED.test(node.arguments[0]?.getText().slice(1, -1) ?? '')) report(node);
    if (ts.isImportTypeNode(node) && PRIVILEGED.test(node.argument.getText().slice(1, -1))) report(node);
    ts.forEachChild(node, look);
  };
  look(file);
  return found;
}

/** The sources that may not know what a handle is. */
function sources(): string[] {
  const packages = ['packages', 'apps'].flatMap((folder) => readdirSync(join(workspace, folder)).map((name) => join(folder, name, 'src')));
  return packages
    .filter((folder) => !folder.startsWith('packages/arch-') && existsSync(join(workspace, folder)))
    .flatMap((folder) => readdirSync(join(workspace, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)))
    .filter((path) => /\.[cm]?tsx?$/.test(path) && path !== 'packages/core/src/table-ops.ts');
}

describe('sources outside of the architectures', () => {
  const found = sources();

  it('are found', () => {
    expect(found.some((path) => path.startsWith('packages/core/src/accessors'))).toBe(true);
    expect(found).toContain('packages/walk/src/runs.ts');
    expect(found.some((path) => path.includes('arch-'))).toBe(false);
  });

  it.each(found)('%s makes no handle', (path) => {
    const here = violations(path, readFileSync(join(workspace, path), 'utf8'));
    // The privileged entry point is where the privileged functions come from.
    const entryPoint = path === 'packages/core/src/arch.ts';
    // A pointer to a value that is held aside is an index by definition, and this is who holds them.
    const heldAside = path === 'packages/core/src/entry-buffer.ts';
    const allowed = (line: string) => (entryPoint && line.includes("from './table-ops.js'")) || (heldAside && line.endsWith(': index as EntryPtr<L>'));
    expect(here.filter((line) => !allowed(line))).toEqual([]);
  });
});

describe('the search for handle casts', () => {
  const generic = (code: string) => `function f<H extends HandleFamily, L extends Level>(x: unknown) { ${code} }`;
  it.each([
    ['a strong handle', "const a = 3 as unknown as HwHandle<'pte'>;"],
    ['an alias handle', "const a = 3 as EntryPtr<'pte'>;"],
    ['a handle of a family', "const a = x as StrongHandles['pte'];"],
    ['an optional handle', "const a = x as HwHandle<'pte'> | undefined;"],
    ['a handle of a type parameter', generic("return x as H['pte'];")],
    ['a handle of a type parameter and any level', generic('return x as H[L];')],
    ['a table', generic('return x as TableOf<H>;')],
    ['an old-style cast', "const a = <HwHandle<'pte'>>x;"],
    ['the privileged import', "import { handleAt } from '@pgtable/core/arch';"],
    ['the privileged import of types', "import type { EntryFormat } from '@pgtable/core/arch';"],
    ['the privileged re-export', "export * from '@pgtable/core/arch';"],
    ['the privileged import, later', "const a = await import('@pgtable/core/arch');"],
    ['a file of core', "import { indexOf } from './table-ops.js';"],
    ['a file of core from afar', "import { indexOf } from '../../core/src/arch.js';"],
  ])('finds %s', (_name, code) => {
    expect(violations('a.ts', code)).toHaveLength(1);
  });
  it.each([
    ['a cast to something else', 'const a = x as number;'],
    ['a type without a cast', generic("const a: H['pte'] | undefined = undefined; return a;")],
    ['an index into no family', "const a = x as MergedRun['kind'];"],
    ['the public import', "import { ptepGet } from '@pgtable/core';"],
    ['a file with a name like it', "import { a } from './search.js';"],
    ['a constant', 'const a = { b: 1 } as const;'],
  ])('lets %s be', (_name, code) => {
    expect(violations('a.ts', code)).toEqual([]);
  });
});
