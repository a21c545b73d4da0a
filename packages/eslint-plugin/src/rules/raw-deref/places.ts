import { AST_NODE_TYPES, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { assignedTo } from '../../types/assigned.js';
import { wantedResult } from '../../types/wanted-result.js';
import type { Held } from './handle-types.js';
import { isRest, launders } from './launders.js';
import { Questions } from './questions.js';

/** What the places are declared for that handles go to. */
export class Places extends Questions {
  /**
   * The live handle that an expression's value is, or may be: itself, or one of the sides of a choice. Where a choice is between a handle and a number the compiler
   * makes a number of both under the alias.
   */
  live(expression: TSESTree.Expression): TSESTree.Expression | undefined {
    if (this.typed.handleOf(expression) !== undefined) return this.typed.isLive(expression) && !this.isLost(expression) ? expression : undefined;
    const { type } = expression;
    if (type === AST_NODE_TYPES.ConditionalExpression) return this.live(expression.consequent) ?? this.live(expression.alternate);
    if (type === AST_NODE_TYPES.LogicalExpression) return (expression.operator === '&&' ? undefined : this.live(expression.left)) ?? this.live(expression.right);
    if (type === AST_NODE_TYPES.SequenceExpression) return this.live(expression.expressions.at(-1)!);
    if (type === AST_NODE_TYPES.TSNonNullExpression || type === AST_NODE_TYPES.ChainExpression) return this.live(expression.expression);
    return undefined;
  }

  /** Whether a handle went to another place before, which is where it stopped being one: `index = first = ptep`, of numbers. */
  private isLost(expression: TSESTree.Expression): boolean {
    return expression.type === AST_NODE_TYPES.AssignmentExpression && expression.operator === '=' && this.laundering(expression.right) !== undefined;
  }

  /** What a place that a live handle goes to is declared for, in words; undefined where a handle may go. */
  laundering(expression: TSESTree.Expression): string | undefined {
    let node = this.ts(expression);
    while (ts.isParenthesizedExpression(node.parent)) node = node.parent;
    const expected = this.expected(node);
    if (expected === undefined) return undefined;
    // No opaque handle is within the bounds of a key.
    if (this.typed.types.handle(expected) !== undefined || (expected.flags & ts.TypeFlags.Never) !== 0) return this.constraint(node);
    const what = launders(expected);
    return what === undefined || this.isEvolving(node) || this.isMeantForHandle(node) || this.isIgnored(node) || this.isOfItself(node) || this.isAsserted(node) || isSatisfied(node) || (what === 'any' && isTakenApart(node)) ? undefined : what;
  }

  /** The same of an argument that decides itself what is expected, within bounds: `Reflect.get<T, P extends PropertyKey>(target: T, key: P)`. Under the alias a handle is within those of numbers. */
  private constraint(node: ts.Expression): string | undefined {
    const { parent } = node;
    // What a callback says: `Object.groupBy(entries, (ptep) => ptep)`.
    const made = ts.isArrowFunction(parent) ? parent : ts.isReturnStatement(parent) ? ts.findAncestor(parent, ts.isFunctionLike) : undefined;
    const argument = made ?? node;
    const call = argument.parent;
    if (!(ts.isCallExpression(call) || ts.isNewExpression(call))) return undefined;
    const declaration = this.checker.getResolvedSignature(call)?.declaration;
    const said = declaration === undefined || ts.isJSDocSignature(declaration) ? undefined : declaration.parameters[call.arguments?.findIndex((one) => one === argument) ?? -1]?.type;
    const written = made === undefined ? said : said !== undefined && ts.isFunctionTypeNode(said) ? said.type : undefined;
    if (written === undefined || !ts.isTypeReferenceNode(written) || !ts.isIdentifier(written.typeName) || written.typeArguments !== undefined) return undefined;
    const own = this.checker.getSymbolAtLocation(written.typeName)?.declarations?.find(ts.isTypeParameterDeclaration)?.constraint;
    const bound = own === undefined ? undefined : this.checker.getTypeFromTypeNode(own);
    const what = bound === undefined || this.typed.types.handle(bound) !== undefined ? undefined : launders(bound);
    return what === 'a number' || what === 'a bigint' ? what : undefined;
  }

  /** The type that is expected of an expression. */
  private expected(node: ts.Expression): ts.Type | undefined {
    const ofCall = this.ofCall(node);
    if (ofCall !== undefined) return ofCall;
    const contextual = this.ofAssigned(node) ?? this.checker.getContextualType(node);
    if (contextual !== undefined) return contextual;
    // Who returns anything may return a handle too, as a function may that is called for nothing.
    const result = wantedResult(this.checker, node);
    if (result !== undefined && (result.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown)) === 0) return result;
    // In a literal that is itself given to any or unknown, every part is.
    const { parent } = node;
    const literal = ts.isArrayLiteralExpression(parent) ? parent : ts.isPropertyAssignment(parent) || ts.isShorthandPropertyAssignment(parent) ? parent.parent : undefined;
    if (literal !== undefined) {
      const around = this.expected(literal);
      const isAnything = around !== undefined && (around.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown)) !== 0;
      return isAnything && !this.isEvolving(literal) && !this.isIgnored(literal) ? around : undefined;
    }
    // A side of a choice whose outcome is a number.
    let outer: ts.Node = node;
    while (ts.isParenthesizedExpression(outer.parent) || ts.isConditionalExpression(outer.parent) || (ts.isBinaryExpression(outer.parent) && CHOICES.has(outer.parent.operatorToken.kind))) outer = outer.parent;
    if (outer === node) return undefined;
    const whole = this.checker.getTypeAtLocation(outer);
    return launders(whole) === undefined ? undefined : whole;
  }

  /** The parameter behind an argument of `f.call(self, ptep)` and `f.bind(self, ptep)`, and behind an element of `f.apply(self, [ptep])`. */
  private ofCall(node: ts.Expression): ts.Type | undefined {
    const { parent } = node;
    const isListed = ts.isArrayLiteralExpression(parent);
    const call = isListed ? parent.parent : parent;
    if (!ts.isCallExpression(call) || !ts.isPropertyAccessExpression(call.expression) || !(isListed ? APPLY : CALL).test(call.expression.name.text)) return undefined;
    const at = isListed ? (call.arguments[1] === parent ? parent.elements.indexOf(node) : -1) : call.arguments.indexOf(node) - 1;
    const called = at < 0 ? undefined : this.calledBy(call, call.expression);
    const parameter = called?.parameters[Math.min(at, called.parameters.length - 1)];
    if (parameter === undefined) return undefined;
    const type = this.checker.getTypeOfSymbolAtLocation(parameter, node);
    return isRest(parameter) ? this.checker.getIndexTypeOfType(type, ts.IndexKind.Number) : type;
  }

  /** What the parameters of a function are that is called with a list of arguments: `f.apply(self, entries)`. */
  ofApply(list: ts.Expression): readonly Held[] | undefined {
    const call = list.parent;
    if (!ts.isCallExpression(call) || !ts.isPropertyAccessExpression(call.expression) || !APPLY.test(call.expression.name.text) || call.arguments[1] !== list) return undefined;
    return this.calledBy(call, call.expression)?.parameters.map((parameter, at) => {
      const type = this.checker.getTypeOfSymbolAtLocation(parameter, list);
      return isRest(parameter) ? { path: ['*'], type: this.checker.getIndexTypeOfType(type, ts.IndexKind.Number) ?? type } : { path: [String(at)], type };
    });
  }

  /** The field of an object that a literal is written into: `Object.assign(row, { index: ptep })`. */
  private ofAssigned({ parent }: ts.Expression): ts.Type | undefined {
    const field = ts.isPropertyAssignment(parent) || ts.isShorthandPropertyAssignment(parent) ? this.assignedField(parent) : undefined;
    return field === undefined ? undefined : this.checker.getTypeOfSymbolAtLocation(field, parent);
  }

  private assignedField({ name, parent }: ts.PropertyAssignment | ts.ShorthandPropertyAssignment): ts.Symbol | undefined {
    const call = parent.parent;
    const target = ts.isCallExpression(call) && call.arguments[0] !== parent ? assignedTo(call) : undefined;
    return target === undefined || !ts.isIdentifier(name) ? undefined : this.checker.getNonNullableType(this.checker.getTypeAtLocation(target)).getProperty(name.text);
  }

  /** The function that is called by a method of all functions. */
  private calledBy(call: ts.CallExpression, { expression }: ts.PropertyAccessExpression): ts.Signature | undefined {
    const declaration = this.checker.getResolvedSignature(call)?.declaration;
    return declaration === undefined || !this.isOfLanguage(declaration) ? undefined : this.checker.getTypeAtLocation(expression).getCallSignatures()[0];
  }

  /** Whether a declaration is one of the language's own, not of the program or of a package. */
  isOfLanguage(declaration: ts.Node): boolean {
    return this.typed.services.program.isSourceFileDefaultLibrary(declaration.getSourceFile());
  }

  /** Whether the place is a variable or a list whose type follows from what it is given: `let p; p = ptep`, `const list = []; list.push(ptep)`. */
  private isEvolving(node: ts.Expression): boolean {
    const { parent } = node;
    if (ts.isBinaryExpression(parent) && parent.operatorToken.kind === ts.SyntaxKind.EqualsToken && parent.right === node) {
      const { left } = parent;
      if (ts.isElementAccessExpression(left)) return this.isEmptyList(left.expression);
      if (!ts.isIdentifier(left)) return false;
      const declaration = this.checker.getSymbolAtLocation(left)?.valueDeclaration;
      return declaration !== undefined && ts.isVariableDeclaration(declaration) && declaration.type === undefined && declaration.initializer === undefined;
    }
    return ts.isCallExpression(parent) && parent.expression !== node && ts.isPropertyAccessExpression(parent.expression) && this.isEmptyList(parent.expression.expression);
  }

  /** `const list = [];` */
  isEmptyList(node: ts.Expression): boolean {
    const declaration = ts.isIdentifier(node) ? this.checker.getSymbolAtLocation(node)?.valueDeclaration : undefined;
    if (declaration === undefined || !ts.isVariableDeclaration(declaration) || declaration.type !== undefined) return false;
    return declaration.initializer !== undefined && ts.isArrayLiteralExpression(declaration.initializer) && declaration.initializer.elements.length === 0;
  }

  /**
   * Whether what is expected of an element follows from the list that it is in: `same([ptep, count])`, `list.map((ptep, index) => [ptep, index])`. Under the alias the
   * compiler finds that such a list is one of numbers.
   */
  private isOfItself(node: ts.Expression): boolean {
    return ts.isArrayLiteralExpression(node.parent) && this.isInferred(node) && this.ofCall(node) === undefined;
  }

  /** Whether what is expected of an expression is a type parameter that follows from it: of an argument, of what a callback returns, and of elements of those. */
  isInferred(node: ts.Expression): boolean {
    let outer = node;
    while (ts.isArrayLiteralExpression(outer.parent) || ts.isParenthesizedExpression(outer.parent)) outer = outer.parent;
    const { parent } = outer;
    const made = ts.isArrowFunction(parent) ? parent : ts.isReturnStatement(parent) ? ts.findAncestor(parent, ts.isFunctionLike) : undefined;
    const argument = made ?? outer;
    const call = argument.parent;
    if (made?.type !== undefined) return false;
    if (!(ts.isCallExpression(call) || ts.isNewExpression(call)) || call.typeArguments !== undefined) return false;
    const declaration = this.checker.getResolvedSignature(call)?.declaration;
    if (declaration === undefined || ts.isJSDocSignature(declaration)) return false;
    const at = call.arguments?.findIndex((one) => one === argument) ?? -1;
    const type = at < 0 ? undefined : declaration.parameters[Math.min(at, declaration.parameters.length - 1)]?.type;
    const { typeParameters = [] } = ts.isConstructorDeclaration(declaration) ? declaration.parent : declaration;
    const own = new Set(typeParameters.map(({ name }) => name.text));
    const mentions = (part: ts.Node): boolean => (ts.isIdentifier(part) && own.has(part.text)) || (ts.forEachChild(part, mentions) ?? false);
    return type !== undefined && mentions(type);
  }

  /**
   * Whether an expression is what a callback returns that may return whatever it likes: `() => unknown`. Nobody keeps that, or all that counts is whether it is anything. The same
   * of a function with overloads, whose callers see those.
   */
  private isIgnored(node: ts.Expression): boolean {
    let outer: ts.Node = node.parent;
    while (ts.isParenthesizedExpression(outer) || ts.isConditionalExpression(outer) || (ts.isBinaryExpression(outer) && CHOICES.has(outer.operatorToken.kind))) outer = outer.parent;
    const implementing = ts.isReturnStatement(outer) ? ts.findAncestor(outer, ts.isFunctionLike) : undefined;
    if (implementing !== undefined && (ts.isFunctionDeclaration(implementing) || ts.isMethodDeclaration(implementing)) && this.checker.isImplementationOfOverload(implementing) === true) return true;
    const { parent } = node;
    const made = ts.isArrowFunction(parent) ? parent : ts.isReturnStatement(parent) ? ts.findAncestor(parent, ts.isFunctionLike) : undefined;
    if (made === undefined || (!ts.isArrowFunction(made) && !ts.isFunctionExpression(made)) || made.type !== undefined || !ts.isCallExpression(made.parent)) return false;
    const declaration = this.checker.getContextualType(made)?.getCallSignatures()[0]?.getDeclaration();
    return declaration?.type?.kind === ts.SyntaxKind.UnknownKeyword || declaration?.type?.kind === ts.SyntaxKind.AnyKeyword;
  }

  /** Whether a call only asserts that an argument is there: `assert(of: unknown): asserts of`. */
  private isAsserted(argument: ts.Expression): boolean {
    const call = argument.parent;
    if (!ts.isCallExpression(call)) return false;
    const signature = this.checker.getResolvedSignature(call);
    const said = signature === undefined ? undefined : this.checker.getTypePredicateOfSignature(signature);
    return said?.kind === ts.TypePredicateKind.AssertsIdentifier && said.type === undefined && call.arguments[said.parameterIndex] === argument;
  }

  /** Whether the place is written down as one for a handle of a family that is known by its constraint alone, where each handle is `unknown`. */
  private isMeantForHandle(node: ts.Expression): boolean {
    const { provenance } = this.typed;
    const { parent } = node;
    if (ts.isCallExpression(parent) || ts.isNewExpression(parent)) return this.isMeantParameter(node, parent);
    if (ts.isVariableDeclaration(parent) || ts.isPropertyDeclaration(parent) || ts.isParameter(parent)) return parent.type !== undefined && provenance.ofTypeNode(parent.type) === 'live';
    if (ts.isArrayLiteralExpression(parent)) return ts.isVariableDeclaration(parent.parent) && parent.parent.type !== undefined && provenance.ofElementType(parent.parent.type) === 'live';
    if (ts.isBinaryExpression(parent) && !CHOICES.has(parent.operatorToken.kind)) return this.isMeantSymbol(this.checker.getSymbolAtLocation(ts.isPropertyAccessExpression(parent.left) ? parent.left.name : parent.left));
    if (ts.isPropertyAssignment(parent) || ts.isShorthandPropertyAssignment(parent)) {
      return ts.isIdentifier(parent.name) && this.isMeantSymbol(this.assignedField(parent) ?? this.checker.getContextualType(parent.parent)?.getProperty(parent.name.text));
    }
    const made = ts.isArrowFunction(parent) ? parent : ts.isReturnStatement(parent) || ts.isYieldExpression(parent) ? ts.findAncestor(parent, ts.isFunctionLike) : undefined;
    return made !== undefined && provenance.ofResult(made) === 'live';
  }

  private isMeantSymbol(symbol: ts.Symbol | undefined): boolean {
    return symbol !== undefined && this.typed.provenance.ofMeant(symbol) === 'live';
  }

  private isMeantParameter(argument: ts.Expression, call: ts.CallExpression | ts.NewExpression): boolean {
    const { provenance } = this.typed;
    const at = call.arguments?.indexOf(argument) ?? -1;
    const declaration = this.checker.getResolvedSignature(call)?.declaration;
    if (declaration === undefined || ts.isJSDocSignature(declaration)) return false;
    const parameter = declaration.parameters[Math.min(at, declaration.parameters.length - 1)];
    if (parameter === undefined || !ts.isParameter(parameter)) return false;
    if (parameter.dotDotDotToken !== undefined && parameter.type !== undefined) return provenance.ofElementType(parameter.type) === 'live';
    return provenance.ofDeclaration(parameter) === 'live';
  }
}

/** Whether what is expected of an expression, or of the literal around it, is what it `satisfies`: that tells what it is and takes nothing away. */
export function isSatisfied(node: ts.Expression): boolean {
  let outer: ts.Node = node.parent;
  while (ts.isArrayLiteralExpression(outer) || ts.isObjectLiteralExpression(outer) || ts.isPropertyAssignment(outer) || ts.isShorthandPropertyAssignment(outer) || ts.isParenthesizedExpression(outer) || ts.isConditionalExpression(outer)) {
    outer = outer.parent;
  }
  return ts.isSatisfiesExpression(outer);
}

/** Whether an expression is a part of what a pattern takes apart at once: `const [first] = [ptep]`, `const { at } = flag ? { at: ptep } : fault`. To the compiler the pattern expects anything. */
export function isTakenApart(node: ts.Expression): boolean {
  let outer: ts.Node = node;
  while (
    ts.isArrayLiteralExpression(outer.parent) || ts.isObjectLiteralExpression(outer.parent) || ts.isPropertyAssignment(outer.parent) || ts.isShorthandPropertyAssignment(outer.parent) || ts.isParenthesizedExpression(outer.parent) ||
    ts.isConditionalExpression(outer.parent) || (ts.isBinaryExpression(outer.parent) && CHOICES.has(outer.parent.operatorToken.kind)) || (ts.isAsExpression(outer.parent) && ts.isConstTypeReference(outer.parent.type))
  ) {
    outer = outer.parent;
  }
  const { parent } = outer;
  if (outer === node || !(ts.isVariableDeclaration(parent) || ts.isParameter(parent) || ts.isBindingElement(parent)) || parent.initializer !== outer) return false;
  return !ts.isIdentifier(parent.name) && (ts.isBindingElement(parent) || parent.type === undefined);
}

const CALL = /^(call|bind)$/;
const APPLY = /^apply$/;

const CHOICES: ReadonlySet<ts.SyntaxKind> = new Set([
  ts.SyntaxKind.BarBarToken, ts.SyntaxKind.QuestionQuestionToken, ts.SyntaxKind.AmpersandAmpersandToken, ts.SyntaxKind.CommaToken,
]);
