import { AST_NODE_TYPES, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import type { Typed } from '../../typed.js';
import type { Path } from '../../types/provenance/path.js';
import { launders } from './launders.js';
import { Questions } from './questions.js';

/** Patterns that take handles apart, or give them to what is declared for something else. */
export class Patterns extends Questions {
  private readonly report: Report;

  constructor(typed: Typed, report: Report) {
    super(typed);
    this.report = report;
  }

  /** A pattern that takes a handle apart. */
  checkPattern(pattern: TSESTree.ObjectPattern | TSESTree.ArrayPattern): void {
    // What a pattern takes apart that declares names only, and says no type, is what is given to it.
    const given = pattern.parent.type === AST_NODE_TYPES.VariableDeclarator && pattern.typeAnnotation === undefined ? pattern.parent.init : null;
    if (given !== null && this.typed.handleOf(given) === undefined) return;
    if (given === null && this.isOfOthers(pattern)) return;
    // Of one that says its type nothing is assigned to that is there already.
    if (pattern.typeAnnotation !== undefined && this.typed.types.handle(this.typed.typeOf(pattern.typeAnnotation.typeAnnotation)) === undefined) return;
    // The compiler takes a pattern that is assigned to for a literal.
    const type = this.parameterType(pattern) ?? this.typed.typeOf(pattern.parent.type === AST_NODE_TYPES.AssignmentExpression ? pattern.parent.right : pattern);
    const handle = this.typed.types.handle(type);
    if (handle === undefined) return;
    const { parent } = pattern;
    const from = parent.type === AST_NODE_TYPES.VariableDeclarator ? parent.init : parent.type === AST_NODE_TYPES.AssignmentExpression ? parent.right : null;
    if (from !== null && this.typed.handleOf(from) !== undefined) {
      if (this.typed.isLive(from)) this.report(pattern, 'spread', from);
      return;
    }
    const declared = this.typed.services.esTreeNodeToTSNodeMap.get(pattern).parent;
    const isDeclared = ts.isParameter(declared) || ts.isBindingElement(declared) || ts.isVariableDeclaration(declared);
    if (handle.form === 'alias' && isDeclared && this.typed.provenance.ofDeclaration(declared) === 'aside') return;
    this.report(pattern, 'spread', type);
  }

  /** `for (const [name, entry] of entries)`: whether what a list or a map holds is no handle. The compiler would find out again what the list is. */
  private isOfOthers({ parent }: TSESTree.ObjectPattern | TSESTree.ArrayPattern): boolean {
    const loop = parent.type === AST_NODE_TYPES.VariableDeclarator ? parent.parent.parent : undefined;
    if (loop?.type !== AST_NODE_TYPES.ForOfStatement || loop.await || loop.left !== parent.parent) return false;
    return this.typed.types.container(this.typed.typeOf(loop.right))?.parts.every((part) => this.typed.types.handle(part) === undefined) === true;
  }

  /** What a parameter is that a pattern takes apart. The compiler would find out again what the pattern says of it. */
  private parameterType(pattern: TSESTree.ObjectPattern | TSESTree.ArrayPattern): ts.Type | undefined {
    const declared = this.typed.services.esTreeNodeToTSNodeMap.get(pattern).parent;
    if (!ts.isParameter(declared)) return undefined;
    const symbol = this.checker.getSignatureFromDeclaration(declared.parent)?.parameters.find(({ valueDeclaration }) => valueDeclaration === declared);
    return symbol === undefined ? undefined : this.checker.getTypeOfSymbol(symbol);
  }

  /**
   * `({ ptep: n } = request)` and `[n] = entries`, where n is a number.
   *
   * @param path the way from the expression to what the pattern takes apart
   */
  checkTargets(pattern: TSESTree.ObjectPattern | TSESTree.ArrayPattern, from: ts.Type, whole: TSESTree.Expression, path: Path): void {
    for (const [name, value] of partsOf(pattern)) {
      const property = from.getProperty(name);
      const held = property === undefined || from.getNumberIndexType() !== undefined ? this.elementOf(from, name) : this.checker.getTypeOfSymbolAtLocation(property, this.typed.services.esTreeNodeToTSNodeMap.get(pattern));
      if (held === undefined) continue;
      const target = value.type === AST_NODE_TYPES.AssignmentPattern ? value.left : value;
      if (target.type === AST_NODE_TYPES.ObjectPattern || target.type === AST_NODE_TYPES.ArrayPattern) this.checkTargets(target, this.checker.getNonNullableType(held), whole, [...path, name]);
      if (target.type !== AST_NODE_TYPES.Identifier && target.type !== AST_NODE_TYPES.MemberExpression) continue;
      const handle = this.typed.types.handle(held);
      if (handle === undefined) continue;
      const isField = property !== undefined && from.getNumberIndexType() === undefined;
      if (handle.form === 'alias' && (isField ? this.typed.provenance.ofMeant(property) : this.typed.provenance.ofWay(this.ts(whole), [...path, name])) === 'aside') continue;
      const expected = this.declaredFor(target);
      if (expected !== undefined) this.report(value, 'launder', held, { data: { expected } });
    }
  }

  /** The type of an element of a list, or of that of a tuple. */
  private elementOf(list: ts.Type, index: string): ts.Type | undefined {
    return this.checker.isTupleType(list) ? this.checker.getTypeArguments(list as ts.TypeReference)[Number(index)] : list.getNumberIndexType();
  }

  /** What a variable or a field that is assigned to was declared for, in words; undefined where a handle may go. */
  declaredFor(target: TSESTree.Identifier | TSESTree.MemberExpression): string | undefined {
    const symbol = this.typed.symbolOf(target.type === AST_NODE_TYPES.MemberExpression ? target.property : target);
    const declared = symbol === undefined ? undefined : this.checker.getTypeOfSymbol(symbol);
    return declared === undefined || this.typed.types.handle(declared) !== undefined || declared.flags & ts.TypeFlags.Any ? undefined : launders(declared);
  }
}

/** What is told of a pattern, or of a part of one. */
type Report = (node: TSESTree.Node, messageId: 'spread' | 'launder', handle: TSESTree.Node | ts.Type, more?: { readonly data: { readonly expected: string } }) => void;

/** The parts that a pattern takes by name or by number, with what each goes to. */
function partsOf(pattern: TSESTree.ObjectPattern | TSESTree.ArrayPattern): (readonly [string, TSESTree.Node])[] {
  if (pattern.type === AST_NODE_TYPES.ArrayPattern) return pattern.elements.flatMap((element, at) => (element === null || element.type === AST_NODE_TYPES.RestElement ? [] : [[String(at), element] as const]));
  return pattern.properties.flatMap((property) =>
    property.type === AST_NODE_TYPES.Property && !property.computed && property.key.type === AST_NODE_TYPES.Identifier ? [[property.key.name, property.value] as const] : [],
  );
}
