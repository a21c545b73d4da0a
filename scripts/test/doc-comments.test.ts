import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

/*
 * What is public of address spaces says which locks it needs. Of @pgtable/mm everything, of @pgtable/walk the page walk:
 *
 * - every export has a doc comment, and every method and property function of an exported class;
 * - every function says `Locking:`, if only that there is none. A class may say it for all its methods;
 * - every function with a `throw` in it says what it throws.
 */

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SUBJECTS = [['@pgtable/mm', 'packages/mm/src/index.ts', /./], ['the page walk of @pgtable/walk', 'packages/walk/src/index.ts', /\/page-walk\//]] as const;

const base = join(ROOT, 'tsconfig.base.json');
const { options } = ts.parseJsonConfigFileContent(ts.readConfigFile(base, (name) => ts.sys.readFile(name)).config, ts.sys, ROOT, undefined, base);
const program = ts.createProgram(SUBJECTS.map(([, path]) => join(ROOT, path)), { ...options, noEmit: true, types: ['node'] });
const checker = program.getTypeChecker();

/** Something public. */
interface Public {
  readonly name: string;
  readonly doc: string;
  /** Whether it can be called, so that it needs locks or none. */
  readonly callable: boolean;
  /** The doc comment of its class. */
  readonly classDoc: string;
  /** Whether a `throw` is in it, and in no function inside of it. */
  readonly throws: boolean;
}

/** The doc comment that a declaration has. That of a constant stands before the statement. */
function docOf(node: ts.Node): string {
  return ts.getJSDocCommentsAndTags(node).map((comment) => comment.getText()).join('\n');
}

function throwsItself(node: ts.Node): boolean {
  let found = false;
  (function visit(child: ts.Node): void {
    if (ts.isThrowStatement(child)) found = true;
    // What is caught, or is in a function of its own, is another matter.
    else if (!ts.isFunctionLike(child) && !ts.isTryStatement(child)) ts.forEachChild(child, visit);
  })((node as ts.FunctionLikeDeclaration).body ?? node);
  return found;
}

function isPublicMethod(member: ts.ClassElement): member is ts.MethodDeclaration | ts.GetAccessorDeclaration | ts.SetAccessorDeclaration {
  const callable = ts.isMethodDeclaration(member) || ts.isGetAccessorDeclaration(member) || ts.isSetAccessorDeclaration(member);
  return callable && (ts.getCombinedModifierFlags(member) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) === 0;
}

/** What a declaration of an export makes public: itself, and the methods of a class. An implementation of overloads has the comment of the first. */
function publicOf(name: string, declaration: ts.Declaration): Public[] {
  const doc = docOf(declaration);
  const self = { name, doc, callable: ts.isFunctionDeclaration(declaration), classDoc: '', throws: ts.isFunctionDeclaration(declaration) && throwsItself(declaration) };
  if (!ts.isClassDeclaration(declaration)) return [self];
  return [self, ...declaration.members.filter(isPublicMethod).map((member) => ({ name: `${name}.${member.name.getText()}`, doc: docOf(member), callable: true, classDoc: doc, throws: throwsItself(member) }))];
}

function everythingOf(path: string, files: RegExp): Public[] {
  const file = program.getSourceFile(join(ROOT, path));
  const module = file === undefined ? undefined : checker.getSymbolAtLocation(file);
  if (module === undefined) throw new Error(`${path} is no module`);
  return checker.getExportsOfModule(module).flatMap((symbol) => {
    const target = (symbol.flags & ts.SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol);
    const declarations = (target.declarations ?? []).filter((declaration) => files.test(declaration.getSourceFile().fileName));
    // A constant and a type of one name, or overloads, are one thing: the first says what it is.
    const [first] = declarations;
    return first === undefined ? [] : publicOf(symbol.name, first);
  });
}

/** `Locking: ...`, also as `Locking, throws: as {@link other}`. */
const LOCKING = /\bLocking\b[^:\n]*: \S/;

describe.each(SUBJECTS)('%s', (_name, path, files) => {
  const all = everythingOf(path, files);

  it('has something public', () => {
    expect(all.filter(({ callable }) => callable).length).toBeGreaterThan(8);
  });

  it('has a doc comment for each', () => {
    expect(all.filter(({ doc }) => doc === '').map(({ name }) => name)).toEqual([]);
  });

  it('says for each function which locks it needs', () => {
    expect(all.filter(({ callable, doc, classDoc }) => callable && !LOCKING.test(doc) && !LOCKING.test(classDoc)).map(({ name }) => name)).toEqual([]);
  });

  it('says what each throws that throws', () => {
    const throwing = all.filter(({ throws }) => throws);
    expect(throwing.filter(({ doc }) => !/@throws|\bthrows\b/i.test(doc)).map(({ name }) => name)).toEqual([]);
  });
});
