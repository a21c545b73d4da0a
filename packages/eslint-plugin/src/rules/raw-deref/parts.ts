import { AST_NODE_TYPES, ASTUtils, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import type { Typed } from '../../typed.js';
import { isSameWay } from '../../types/provenance/path.js';
import { isReference, STRUCTURED } from '../../types/types.js';
import { HOLDS_NOTHING, type Containers } from './containers.js';
import { MAX_DEPTH, MAX_FIELDS } from './handle-types.js';
import { isRest, launders } from './launders.js';
import { isSatisfied, type Places } from './places.js';
import { Questions } from './questions.js';

/** Lists, objects and arguments with handles in them, where such with numbers are expected. */
export class Parts extends Questions {
  private readonly containers: Containers;
  private readonly places: Places;

  constructor(typed: Typed, containers: Containers, places: Places) {
    super(typed);
    this.containers = containers;
    this.places = places;
  }

  /** What is expected of the elements of a list of live handles, in words, where the place that it goes to is declared for a list of numbers; undefined where it may go. */
  launderingWithin(expression: TSESTree.Expression): string | undefined {
    if (expression.type === AST_NODE_TYPES.ArrayExpression || this.typed.handleOf(expression) !== undefined || !this.containers.mayHoldHandles(expression)) return undefined;
    const node = this.ts(expression);
    const expected = this.checker.getContextualType(node);
    const wanted = this.places.ofApply(node) ?? (expected === undefined ? [] : this.handles.heldBy(expected));
    for (const { path } of wanted.length === 0 ? [] : this.containers.liveParts(expression)) {
      const there = wanted.filter((one) => isSameWay(one.path, path));
      if (there.some(({ type }) => this.typed.types.handle(type) !== undefined)) continue;
      // Any list may be of anything; who takes pairs of anything makes something of each.
      for (const one of there) {
        const what = launders(one.type);
        if (what === 'a number' || what === 'a bigint' || (what === 'any' && one.path.length > 1)) return what;
      }
    }
    return undefined;
  }

  /**
   * The same of an object that has a live handle, or is generic over one, for a place that is declared for one with a number there.
   *
   * @param but names of what does not get there
   */
  launderingPart(expression: TSESTree.Expression, but: ReadonlySet<string> = NONE): string | undefined {
    // What is written as a literal on one side of a choice is looked at part by part.
    if (expression.type === AST_NODE_TYPES.ConditionalExpression) return this.launderingPart(expression.consequent, but) ?? this.launderingPart(expression.alternate, but);
    if (HOLDS_NOTHING.has(expression.type) || expression.type === AST_NODE_TYPES.ArrayExpression || !this.typed.mayBe(expression, this.handles.had)) return undefined;
    const node = this.ts(expression);
    // What is expected is known sooner than what a choice is.
    const expected = this.checker.getContextualType(node);
    const wanted = expected === undefined ? undefined : this.checker.getNonNullableType(expected);
    if (wanted === undefined || (wanted.flags & STRUCTURED) === 0 || !this.typed.is(expression, this.handles.had)) return undefined;
    return this.lostPart(node, this.typed.types.bound(this.checker.getNonNullableType(this.typed.typeOf(expression))), wanted, but);
  }

  /** The same of `...fault` in an object or an element, but for what is said there behind it. */
  launderingFields(spread: TSESTree.SpreadElement | TSESTree.JSXSpreadAttribute, around: readonly TSESTree.Node[]): string | undefined {
    if (HOLDS_NOTHING.has(spread.argument.type)) return undefined;
    const later = around.slice(around.indexOf(spread) + 1).flatMap((one) => (one.type === AST_NODE_TYPES.Property || one.type === AST_NODE_TYPES.JSXAttribute ? [nameOf(one)] : []));
    const what = this.launderingPart(spread.argument, new Set(later));
    return what === undefined || isSatisfied(this.ts(spread.parent)) ? undefined : what;
  }

  private lostPart(node: ts.Expression, given: ts.Type, wanted: ts.Type, but: ReadonlySet<string>, depth = 0): string | undefined {
    if (given === wanted || depth > MAX_DEPTH || (wanted.flags & STRUCTURED) === 0) return undefined;
    // Of two lists the elements are compared.
    const [element, wantedElement] = [given, wanted].map((type) => (this.checker.isArrayLikeType(type) ? type.getNumberIndexType() : undefined));
    if (element !== undefined && wantedElement !== undefined) return this.lostPart(node, this.checker.getNonNullableType(element), this.checker.getNonNullableType(wantedElement), but, depth + 1);
    if (isReference(given) && isReference(wanted) && given.target === wanted.target) {
      const { name } = given.symbol;
      return this.lost(this.checker.getTypeArguments(given).map((type, at) => ({ type, wanted: this.checker.getTypeArguments(wanted)[at], isAside: () => this.typed.provenance.ofWay(node, [`%${at}:${name}`]) === 'aside' })));
    }
    const named = given.getStringIndexType();
    if (named !== undefined) return this.lost([{ type: named, wanted: wanted.getStringIndexType(), isAside: () => this.typed.provenance.ofElements(node) === 'aside' }]);
    return this.lost(
      wanted.getProperties().slice(0, MAX_FIELDS).flatMap((property) => {
        const own = given.getProperty(property.name);
        return own === undefined || own === property || but.has(property.name) ? [] : [{ type: this.checker.getTypeOfSymbol(own), wanted: this.checker.getTypeOfSymbol(property), isAside: () => this.typed.provenance.ofMeant(own) === 'aside' }];
      }),
    );
  }

  private lost(parts: readonly { readonly type: ts.Type; readonly wanted: ts.Type | undefined; readonly isAside: () => boolean }[]): string | undefined {
    for (const { type, wanted, isAside } of parts) {
      const handle = wanted === undefined || this.typed.types.handle(wanted) !== undefined ? undefined : this.typed.types.handle(type);
      const what = wanted === undefined || handle === undefined ? undefined : launders(wanted);
      if ((what === 'a number' || what === 'a bigint') && (handle?.form !== 'alias' || !isAside())) return what;
    }
    return undefined;
  }

  /** The same of `...handles` among the arguments of a call. */
  launderingRest(spread: TSESTree.SpreadElement, call: TSESTree.CallExpression | TSESTree.NewExpression): string | undefined {
    if (!this.containers.liveParts(spread.argument).some(({ path }) => path.length === 1)) return undefined;
    const node = this.ts(call) as ts.CallExpression | ts.NewExpression;
    const parameters = this.checker.getResolvedSignature(node)?.parameters ?? [];
    const parameter = parameters[Math.min(call.arguments.indexOf(spread) + this.containers.firstHandleIn(spread.argument), parameters.length - 1)];
    if (parameter === undefined) return undefined;
    const { valueDeclaration } = parameter;
    const declared = this.checker.getTypeOfSymbolAtLocation(parameter, node);
    const isAll = isRest(parameter);
    const expected = isAll ? this.checker.getIndexTypeOfType(declared, ts.IndexKind.Number) : declared;
    if (expected === undefined || this.typed.types.handle(expected) !== undefined) return undefined;
    if (isAll && valueDeclaration !== undefined && ts.isParameter(valueDeclaration) && valueDeclaration.type !== undefined && this.typed.provenance.ofElementType(valueDeclaration.type) === 'live') return undefined;
    if (ts.isPropertyAccessExpression(node.expression) && this.places.isEmptyList(node.expression.expression)) return undefined;
    return launders(expected);
  }

  /** The same of `...handles` in a list of numbers. */
  launderingSpread(spread: TSESTree.SpreadElement, list: TSESTree.ArrayExpression): string | undefined {
    if (!this.containers.liveParts(spread.argument).some(({ path }) => path.length === 1)) return undefined;
    const expected = this.checker.getContextualType(this.ts(list));
    const there = expected === undefined ? [] : this.handles.heldBy(expected).filter(({ path }) => path.length === 1);
    if (there.some(({ type }) => this.typed.types.handle(type) !== undefined) || this.places.isInferred(this.ts(list))) return undefined;
    return there.map(({ type }) => launders(type)).find((words) => words === 'a number' || words === 'a bigint');
  }
}

const NONE: ReadonlySet<string> = new Set();

/** The name of a property that is written in an object or an element; empty where only the running code knows it. */
function nameOf(node: TSESTree.Property | TSESTree.JSXAttribute): string {
  if (node.type === AST_NODE_TYPES.Property) return ASTUtils.getPropertyName(node) ?? '';
  return node.name.type === AST_NODE_TYPES.JSXIdentifier ? node.name.name : '';
}
