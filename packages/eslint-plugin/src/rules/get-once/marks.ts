import { AST_NODE_TYPES, AST_TOKEN_TYPES, ASTUtils, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { ancestors, type FunctionNode } from '../../ast.js';
import { listed } from '../../listed.js';
import type { Typed } from '../../typed.js';
import type { Subject } from './subject.js';

/** Which functions say of themselves that they are run without a lock, by the comment `@lockless`. */
export class Marks {
  private readonly sourceCode: Subject['sourceCode'];
  private readonly types: Typed;
  private readonly checker: ts.TypeChecker;
  private readonly toTs: Typed['services']['esTreeNodeToTSNodeMap'];

  constructor(subject: Subject) {
    this.sourceCode = subject.sourceCode;
    this.types = subject.types;
    this.checker = subject.types.types.checker;
    this.toTs = subject.types.services.esTreeNodeToTSNodeMap;
  }

  isMarked(node: FunctionNode): boolean {
    for (const at of [node, ...ancestors(node)]) {
      const comments = this.sourceCode.getCommentsBefore(at);
      if (comments.some(({ type, value }) => (type === AST_TOKEN_TYPES.Block && value.startsWith('*') ? TAG : LINE_TAG).test(value))) return true;
      // The comment stands before what the function is part of: the export, the variable, the method.
      if (at.parent === undefined || !WRAPPERS.has(at.parent.type)) break;
    }
    return this.elsewhereDeclared(node).some(isDocumented);
  }

  /** Where else a function is declared: its overloads, the type that it is written for, and what the class or the object that it is a method of extends or implements. */
  private elsewhereDeclared(node: FunctionNode): readonly ts.Declaration[] {
    const { parent } = node;
    if (parent.type === AST_NODE_TYPES.Property && parent.parent.type === AST_NODE_TYPES.ObjectExpression) {
      const name = ASTUtils.getPropertyName(parent);
      const expected = name === null ? undefined : this.checker.getContextualType(this.toTs.get(parent.parent));
      return [...(expected?.getProperty(name!)?.declarations ?? []), ...(parent.value === node && !parent.method && parent.kind === 'init' ? this.expectedOf(node) : [])];
    }
    const isMember = parent.type === AST_NODE_TYPES.MethodDefinition || parent.type === AST_NODE_TYPES.PropertyDefinition;
    const name = node.type === AST_NODE_TYPES.FunctionDeclaration ? node.id : isMember ? parent.key : null;
    const expected = node.type === AST_NODE_TYPES.FunctionDeclaration || parent.type === AST_NODE_TYPES.MethodDefinition ? [] : this.expectedOf(node);
    const symbol = name === null ? undefined : this.types.symbolOf(name);
    if (symbol === undefined) return expected;
    const made = symbol.valueDeclaration?.parent;
    // What is said of a getter is not said of the setter beside it.
    const other = parent.type !== AST_NODE_TYPES.MethodDefinition ? undefined : parent.kind === 'get' ? ts.SyntaxKind.SetAccessor : parent.kind === 'set' ? ts.SyntaxKind.GetAccessor : undefined;
    const bases = made !== undefined && ts.isClassLike(made) ? this.basesOf(made) : [];
    return [...expected, ...[symbol, ...bases.map((base) => base.getProperty(symbol.name))].flatMap((one) => one?.declarations ?? []).filter((declaration) => declaration !== this.toTs.get(node) && declaration.kind !== other)];
  }

  /** What is expected where a function stands: the type that it is written for, and the name that this type has. */
  private expectedOf(node: TSESTree.ArrowFunctionExpression | TSESTree.FunctionExpression): readonly ts.Declaration[] {
    const expected = this.checker.getContextualType(this.toTs.get(node) as ts.Expression);
    const callable = (expected?.isUnion() === true ? expected.types : listed(expected)).map((one) => one.getCallSignatures()).filter(({ length }) => length > 0);
    const declared = callable.map((signatures) => signatures.flatMap(({ declaration }) => (
      declaration === undefined || ts.isJSDocSignature(declaration) ? [] : ts.isTypeAliasDeclaration(declaration.parent) ? [declaration, declaration.parent] : [declaration]
    )));
    // Of two types, one of which says so, it may be written for the other.
    return declared.length > 1 && !declared.every((ones) => ones.some(isDocumented)) ? [] : declared.flat();
  }

  /** What a class extends and implements, and what that does. Code that does not compile may go in circles. */
  private basesOf(made: ts.ClassLikeDeclaration | ts.InterfaceDeclaration, seen = new Set<ts.Node>()): readonly ts.Type[] {
    if (seen.has(made)) return [];
    seen.add(made);
    const bases = (made.heritageClauses ?? []).flatMap((clause) => clause.types.map((one) => this.checker.getTypeAtLocation(one)));
    const further = bases.flatMap((base) => (base.symbol as ts.Symbol | undefined)?.declarations ?? []).filter((one) => ts.isClassLike(one) || ts.isInterfaceDeclaration(one));
    return [...bases, ...further.flatMap((one) => this.basesOf(one, seen))];
  }
}

/** In a documentation comment: at the beginning of a line, or after a sentence. */
const TAG = /(^\**|\n[ \t]*\**|[.!?:;)])[ \t]*@lockless\b/;
/** In any other comment: all that it begins with. */
const LINE_TAG = /^\s*@lockless\b/;
const WRAPPERS: ReadonlySet<string> = new Set([
  AST_NODE_TYPES.ExportNamedDeclaration, AST_NODE_TYPES.ExportDefaultDeclaration, AST_NODE_TYPES.VariableDeclarator, AST_NODE_TYPES.VariableDeclaration, AST_NODE_TYPES.MethodDefinition,
  AST_NODE_TYPES.PropertyDefinition, AST_NODE_TYPES.Property, AST_NODE_TYPES.AssignmentExpression, AST_NODE_TYPES.ExpressionStatement, AST_NODE_TYPES.TSAsExpression,
  AST_NODE_TYPES.TSSatisfiesExpression,
]);

/** The documentation comments of a declaration, those too that stand in one line with what is before it: `{ /** @lockless *\/ peek(): PteVal }`. The compiler does not take these for its own. */
function documentationOf(declaration: ts.Declaration): readonly string[] {
  const known = ts.getJSDocCommentsAndTags(declaration).filter(ts.isJSDoc).map((comment) => comment.getText());
  const { text } = declaration.getSourceFile();
  const start = declaration.getStart();
  const beside = (ts.getTrailingCommentRanges(text, declaration.pos) ?? []).filter(({ pos, end }) => text.startsWith('/**', pos) && !text.slice(end, start).includes('\n'));
  return [...known, ...beside.map(({ pos, end }) => text.slice(pos, end))];
}

/**', pos) && !text.slice(end, start).includes('\n'));
  return [...known, ...beside.map(({ pos, end }) => text.slice(pos, end))];
}

/** Whether the documentation of a declaration says that it is lockless. */
function isDocumented(declaration: ts.Declaration): boolean {
  return documentationOf(declaration).some((comment) => TAG.test(comment.slice(2)));
}
