import ts from 'typescript';
import { oncePer } from '../once-per.js';
import { isForeign, Modules, parsed } from './modules.js';

/**
 * What the declarations of a program are made of: whatever they name, but for what is in a body or an initialiser whose type is written. The type of a declaration, and of all
 * that can be had from it, is made of no other.
 *
 * A declaration is one of a file, and not of something in it; a whole file stands for any of its own where its text does not say which.
 */
export class MadeOf {
  static readonly of = oncePer((program: ts.Program) => new MadeOf(program));

  private readonly program: ts.Program;
  private readonly checker: ts.TypeChecker;
  private readonly parts = new Map<ts.Node, readonly ts.Node[]>();
  private readonly steps = new Map<ts.SourceFile, readonly ts.Node[]>();
  private readonly named = new Map<ts.Symbol, readonly ts.Node[]>();

  private constructor(program: ts.Program) {
    this.program = program;
    this.checker = program.getTypeChecker();
  }

  /** What a declaration is made of, itself perhaps among it. */
  partsOf(declaration: ts.Node): readonly ts.Node[] {
    let known = this.parts.get(declaration);
    if (known === undefined) {
      known = this.findParts(declaration);
      this.parts.set(declaration, known);
    }
    return known;
  }

  /** What declares that which a name of a file stands for; the file itself where that is not found. */
  declarationsOf(symbol: ts.Symbol): readonly ts.Node[] {
    let known = this.named.get(symbol);
    if (known === undefined) {
      known = this.findDeclarations(symbol);
      this.named.set(symbol, known);
    }
    return known;
  }

  /** What the names of a file stand for, and the files that it imports without a name; undefined where its text does not say all that is declared there. */
  namesOf(file: ts.SourceFile): { readonly symbols: Iterable<ts.Symbol>; readonly files: readonly ts.Node[] } | undefined {
    const { imports, locals } = parsed(file);
    if (imports === undefined || locals === undefined || this.isOpen(file)) return undefined;
    return { symbols: locals.values(), files: imports.filter(isInside).flatMap((specifier) => this.filesOf(specifier)) };
  }

  private findParts(declaration: ts.Node): readonly ts.Node[] {
    if (ts.isSourceFile(declaration)) return [];
    const file = declaration.getSourceFile();
    const { locals } = parsed(file);
    if (locals === undefined || this.isOpen(file) || isForeign(declaration) || isFoundOut(declaration)) return [file];
    const found = new Set<ts.Node>();
    // No function that calls itself: a text that is put together of thousands is as deep.
    const left = [declaration];
    for (let node = left.pop(); node !== undefined; node = left.pop()) {
      if (ts.isIdentifier(node)) {
        const symbol = locals.get(node.escapedText as string);
        if (symbol !== undefined) for (const one of this.declarationsOf(symbol)) found.add(one);
      } else if (ts.isStringLiteralLike(node)) {
        if (isInside(node)) for (const one of this.filesOf(node)) found.add(one);
      } else if (ts.isPropertyAccessExpression(node)) {
        left.push(node.expression);
      } else {
        // What an element is, the file says by one of its imports.
        if (ts.isJsxOpeningLikeElement(node) || ts.isJsxOpeningFragment(node)) found.add(file);
        const untold = hidden(node);
        ts.forEachChild(node, (child) => {
          if (child !== untold && !isOwnName(child)) left.push(child);
        });
      }
    }
    // A function does not know when it is called.
    if (!ts.isFunctionDeclaration(declaration)) for (const step of this.stepsOf(file)) found.add(step);
    return [...found];
  }

  /** What a file does, and does not declare: that may tell what something is from there on, `if (!isEntry(it)) throw gone;`. */
  private stepsOf(file: ts.SourceFile): readonly ts.Node[] {
    let known = this.steps.get(file);
    if (known === undefined) {
      known = file.statements.filter(isStep);
      this.steps.set(file, known);
    }
    return known;
  }

  private findDeclarations(symbol: ts.Symbol): readonly ts.Node[] {
    const original = isImported(symbol) ? this.checker.getAliasedSymbol(symbol) : this.checker.getExportSymbolOfSymbol(symbol);
    const { declarations = [] } = symbol;
    if (original.declarations === undefined || isOneOfTwo(symbol) || isOneOfTwo(original)) return declarations.map((declaration) => declaration.getSourceFile());
    if (isImported(symbol) && isMember(original)) return declarations.flatMap((declaration) => this.sourcesOf(declaration));
    return [...original.declarations.map(outermost), ...givenTo(original)];
  }

  /** Whether the text of a file does not say all that is declared there: another file adds to what it declares, or it to another's, or comments say what its types are. */
  private isOpen(file: ts.SourceFile): boolean {
    return /\.[cm]?jsx?$/.test(file.fileName) || Modules.of(this.program).addedTo(file).size > 0;
  }

  /** The files from which something is imported; its own where that is not said there. */
  private sourcesOf(declaration: ts.Node): readonly ts.Node[] {
    const specifier = ts.findAncestor(declaration, ts.isImportDeclaration)?.moduleSpecifier;
    return specifier !== undefined && ts.isStringLiteral(specifier) ? this.filesOf(specifier) : [declaration.getSourceFile()];
  }

  /** The files of the module that a specifier leads to. */
  private filesOf(specifier: ts.StringLiteralLike): readonly ts.Node[] {
    return Modules.of(this.program).to(specifier)?.declarations?.map((declaration) => declaration.getSourceFile()) ?? [];
  }
}

/** Whether a name of a file is that of something which is declared elsewhere. */
export function isImported({ flags }: ts.Symbol): boolean {
  return (flags & ts.SymbolFlags.Alias) !== 0;
}

/** Whether a statement is run where it stands, and does more than to declare something. */
function isStep(statement: ts.Statement): boolean {
  if (ts.isClassDeclaration(statement)) return statement.members.some(ts.isClassStaticBlockDeclaration);
  return ts.isBlock(statement) || (statement.kind > ts.SyntaxKind.VariableStatement && statement.kind <= ts.SyntaxKind.LastStatement);
}

/** `let at;`, `const list = [];`: what that is, the file says wherever it gives it something. */
function isFoundOut(declaration: ts.Node): boolean {
  if (!ts.isVariableDeclaration(declaration) || declaration.type !== undefined) return false;
  const { initializer } = declaration;
  return initializer === undefined || initializer.kind === ts.SyntaxKind.NullKeyword || (ts.isArrayLiteralExpression(initializer) && initializer.elements.length === 0);
}

/** Whether a name stands for two things: `import { size } from './size'; interface size {}`. */
function isOneOfTwo(symbol: ts.Symbol): boolean {
  return isImported(symbol) && (symbol.flags & (ts.SymbolFlags.Value | ts.SymbolFlags.Type | ts.SymbolFlags.Namespace)) !== 0;
}

/** Whether something is a property of what a file is all in all, `export = holder`: what declares that does not say what it is there. */
function isMember({ flags, declarations }: ts.Symbol): boolean {
  return (flags & ts.SymbolFlags.ClassMember) !== 0 && !declarations!.some(ts.isExportAssignment);
}

/** What a function is given later, wherever that is: `f.entry = ptep`. */
function givenTo({ flags, exports }: ts.Symbol): ts.Node[] {
  if ((flags & (ts.SymbolFlags.Function | ts.SymbolFlags.Variable)) === 0 || exports === undefined) return [];
  return [...exports.values()].flatMap(({ declarations = [] }) => declarations.map(({ parent }) => parent));
}

/** What declares something in a file and is in nothing else. Of variables that are declared in one statement, each by itself. */
function outermost(declaration: ts.Node): ts.Node {
  let at = declaration;
  while (!ts.isSourceFile(at) && !ts.isSourceFile(at.parent) && !(ts.isVariableDeclaration(at) && ts.isVariableStatement(at.parent.parent) && ts.isSourceFile(at.parent.parent.parent))) at = at.parent;
  return at;
}

/** Whether a specifier is that of `import()` or `import.defer()`, in an expression or in a type, or of `require`, and so stands in a declaration. */
function isInside({ parent }: ts.StringLiteralLike): boolean {
  if (ts.isLiteralTypeNode(parent)) return ts.isImportTypeNode(parent.parent);
  if (!ts.isCallExpression(parent)) return false;
  const { expression } = parent;
  return expression.kind === ts.SyntaxKind.ImportKeyword || ts.isMetaProperty(expression) || (ts.isIdentifier(expression) && expression.text === 'require');
}

/** The body or the initialiser of a declaration whose type is written. */
function hidden(node: ts.Node): ts.Node | undefined {
  if (ts.isFunctionLike(node)) return node.type === undefined ? undefined : (node as Partial<ts.FunctionLikeDeclaration>).body;
  return (ts.isVariableDeclaration(node) || ts.isParameter(node) || ts.isPropertyDeclaration(node)) && node.type !== undefined ? node.initializer : undefined;
}

/** Whether a name is only what something is called, and stands for nothing else. */
function isOwnName(node: ts.Node): boolean {
  const { parent } = node;
  return ts.isIdentifier(node) && 'name' in parent && parent.name === node && !ts.isShorthandPropertyAssignment(parent) && !ts.isExportSpecifier(parent);
}
