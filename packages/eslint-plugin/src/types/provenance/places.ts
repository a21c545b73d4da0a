import ts from 'typescript';
import { NONE } from './generics.js';
import { ASSIGNMENTS } from './operators.js';
import type { Origin } from './origin.js';
import { Part } from './part.js';
import { assignedTo } from '../assigned.js';
import { isElement, isOverriding, MAX_STEPS, takenBy, type Path } from './path.js';

/** What is wanted where an expression stands. */
export class Places extends Part {
  /** What is wanted where an expression, or the part of it at a path, stands. */
  place(node: ts.Node, path: Path, step: number): Origin {
    const { parent } = node;
    if (step > MAX_STEPS) return 'unknown';
    if (ts.isSatisfiesExpression(parent)) {
      const said = this.trace.written.typeNode(parent.type, path, NONE, step + 1);
      return said === 'unknown' ? this.place(parent, path, step + 1) : said;
    }
    if (ts.isParenthesizedExpression(parent) || ts.isNonNullExpression(parent) || (ts.isAsExpression(parent) && ts.isConstTypeReference(parent.type))) return this.place(parent, path, step + 1);
    if (ts.isConditionalExpression(parent)) return parent.condition === node ? 'unknown' : this.place(parent, path, step + 1);
    if (ts.isBinaryExpression(parent)) {
      const { kind } = parent.operatorToken;
      if (ASSIGNMENTS.has(kind)) return parent.right === node ? this.target(parent.left, path, step + 1) : 'unknown';
      if (kind === ts.SyntaxKind.CommaToken || kind === ts.SyntaxKind.AmpersandAmpersandToken) return parent.right === node ? this.place(parent, path, step + 1) : 'unknown';
      return kind === ts.SyntaxKind.BarBarToken || kind === ts.SyntaxKind.QuestionQuestionToken ? this.place(parent, path, step + 1) : 'unknown';
    }
    if (ts.isPropertyDeclaration(parent) && parent.type === undefined) {
      const name = isOverriding(parent) ? this.nameOf(parent.name) : undefined;
      return name === undefined ? 'unknown' : this.trace.written.inherited(parent.parent, [name, ...path], NONE, step + 1);
    }
    if (ts.isVariableDeclaration(parent) || ts.isPropertyDeclaration(parent)) return parent.type === undefined ? 'unknown' : this.trace.written.typeNode(parent.type, path, NONE, step + 1);
    if (ts.isParameter(parent)) return parent.type === undefined ? this.trace.declarations.contextual(parent, path, step + 1) : this.trace.written.typeNode(parent.type, path, NONE, step + 1);
    if (ts.isBindingElement(parent)) return this.trace.declarations.bound(parent, path, step + 1);
    if (ts.isShorthandPropertyAssignment(node)) return this.inLiteral(node.parent, node.name.text, path, step);
    if (ts.isPropertyAssignment(parent) || ts.isShorthandPropertyAssignment(parent)) {
      const name = this.nameOf(parent.name);
      return name === undefined ? 'unknown' : this.inLiteral(parent.parent, name, path, step);
    }
    if (ts.isSpreadAssignment(parent)) {
      const [name, ...rest] = path;
      return name === undefined || this.trace.spreads.isGivenAfter(parent, name) ? 'unknown' : this.inLiteral(parent.parent, name, rest, step);
    }
    if (ts.isJsxExpression(parent)) return ts.isJsxAttribute(parent.parent) ? this.inElement(parent.parent.parent, parent.parent.name.getText(), path, step) : 'unknown';
    if (ts.isJsxSpreadAttribute(parent)) {
      const [name, ...rest] = path;
      return name === undefined || this.trace.spreads.isGivenAfter(parent, name) ? 'unknown' : this.inElement(parent.parent, name, rest, step);
    }
    if (ts.isArrayLiteralExpression(parent)) return this.place(parent, [String(parent.elements.indexOf(node as ts.Expression)), ...path], step + 1);
    if (ts.isSpreadElement(parent)) {
      if (ts.isArrayLiteralExpression(parent.parent)) return this.place(parent.parent, path, step + 1);
      const at = (parent.parent.arguments ?? ([] as readonly ts.Expression[])).indexOf(parent);
      const [first = '', ...rest] = path;
      return isElement(first) ? this.argument(parent.parent, at + (first === '*' ? 0 : Number(first)), rest, step + 1) : 'unknown';
    }
    if (ts.isReturnStatement(parent) || (ts.isArrowFunction(parent) && parent.body === node)) {
      const made = ts.isArrowFunction(parent) ? parent : ts.findAncestor(parent, ts.isFunctionLike);
      if (made === undefined) return 'unknown';
      const isAsync = (ts.getCombinedModifierFlags(made) & ts.ModifierFlags.Async) !== 0;
      return (made as Partial<ts.FunctionDeclaration>).asteriskToken === undefined ? this.trace.declarations.result(made, isAsync ? ['%await', ...path] : path, step + 1) : 'unknown';
    }
    if (ts.isYieldExpression(parent)) {
      const made = ts.findAncestor(parent, ts.isFunctionLike);
      return made === undefined ? 'unknown' : this.trace.declarations.result(made, parent.asteriskToken === undefined ? ['*', ...path] : path, step + 1);
    }
    if (ts.isCallExpression(parent) || ts.isNewExpression(parent)) {
      const at = parent.arguments?.indexOf(node as ts.Expression) ?? -1;
      return at < 0 ? 'unknown' : this.argument(parent, at, path, step + 1);
    }
    return 'unknown';
  }

  /** What a property of an object that is written here is declared for. */
  inLiteral(object: ts.ObjectLiteralExpression, name: string, path: Path, step: number): Origin {
    const said = this.place(object, [name, ...path], step + 1);
    if (said !== 'unknown' && said !== 'mixed') return said;
    const expected = this.checker.getContextualType(object);
    // Of a union of requests, what else is written there says which one it is.
    const members = expected?.isUnion() === true ? expected.types.filter((one) => this.fits(one, object)) : expected === undefined ? [] : [this.checker.getNonNullableType(expected)];
    const meant = new Set(members.flatMap((one) => one.getProperty(name) ?? []).map((property) => this.trace.declarations.meantSymbol(property, path, step + 1)));
    return meant.size === 1 ? [...meant][0]! : 'unknown';
  }

  /** What a property of an element is declared for. */
  private inElement(attributes: ts.JsxAttributes, name: string, path: Path, step: number): Origin {
    const property = this.checker.getContextualType(attributes)?.getProperty(name);
    return property === undefined ? 'unknown' : this.trace.declarations.meantSymbol(property, path, step + 1);
  }

  /** Whether a member of a union may be meant by an object that is written here, by the names, numbers and truths in it. */
  private fits(member: ts.Type, object: ts.ObjectLiteralExpression): boolean {
    return object.properties.every((property) => {
      if (!ts.isPropertyAssignment(property) || !this.isUnit(property.initializer)) return true;
      const declared = member.getProperty(this.nameOf(property.name) ?? '');
      return declared !== undefined && this.checker.isTypeAssignableTo(this.checker.getTypeAtLocation(property.initializer), this.checker.getTypeOfSymbol(declared));
    });
  }

  /** Whether a union can be told apart by a value: a literal, a member of an enum, a constant. */
  private isUnit(node: ts.Expression): boolean {
    const isNamed = ts.isIdentifier(node) || ts.isPropertyAccessExpression(node);
    if (isNamed) return (this.checker.getTypeAtLocation(node).flags & ts.TypeFlags.Unit) !== 0;
    return ts.isStringLiteralLike(node) || ts.isNumericLiteral(node) || node.kind === ts.SyntaxKind.TrueKeyword || node.kind === ts.SyntaxKind.FalseKeyword;
  }

  /** What the left side of an assignment is meant for. */
  target(node: ts.Expression, path: Path, step: number): Origin {
    const [at, ...rest] = path;
    if (ts.isParenthesizedExpression(node) || ts.isNonNullExpression(node)) return this.target(node.expression, path, step + 1);
    if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.EqualsToken) return this.target(node.left, path, step + 1);
    if (ts.isArrayLiteralExpression(node)) {
      const one = at === undefined ? undefined : node.elements[Number(at)];
      return one === undefined || ts.isSpreadElement(one) ? 'unknown' : this.target(one, rest, step + 1);
    }
    if (ts.isObjectLiteralExpression(node)) {
      const one = node.properties.find((property) => this.nameOf(property.name) === at);
      if (one !== undefined && ts.isPropertyAssignment(one)) return this.target(one.initializer, rest, step + 1);
      const symbol = one !== undefined && ts.isShorthandPropertyAssignment(one) ? this.checker.getShorthandAssignmentValueSymbol(one) : undefined;
      return symbol === undefined ? 'unknown' : this.trace.declarations.meantSymbol(symbol, rest, step + 1);
    }
    const symbol = this.checker.getSymbolAtLocation(ts.isPropertyAccessExpression(node) ? node.name : ts.isElementAccessExpression(node) ? node.argumentExpression : node);
    const isOwn = !ts.isElementAccessExpression(node) || (symbol?.valueDeclaration !== undefined && (ts.isPropertySignature(symbol.valueDeclaration) || ts.isPropertyDeclaration(symbol.valueDeclaration)));
    const said = symbol === undefined || !isOwn ? 'unknown' : this.trace.declarations.meantSymbol(symbol, path, step + 1);
    if (said !== 'unknown') return said;
    if (ts.isPropertyAccessExpression(node)) return this.trace.expressions.expression(node.expression, [node.name.text, ...path], step + 1);
    if (!ts.isElementAccessExpression(node)) return 'unknown';
    return this.trace.expressions.expression(node.expression, [this.trace.expressions.keyName(node.argumentExpression) ?? '*', ...path], step + 1);
  }

  /** What a parameter is declared for. */
  private argument(call: ts.CallExpression | ts.NewExpression, at: number, path: Path, step: number): Origin {
    const declaration = this.checker.getResolvedSignature(call)?.declaration;
    if (declaration === undefined || ts.isJSDocSignature(declaration)) return 'unknown';
    // Object.assign(fault, { ptep }): what is written into an object is meant for its fields.
    const assigned = at > 0 && path.length > 0 ? assignedTo(call) : undefined;
    if (assigned !== undefined && this.types.isOfLanguage(declaration)) return this.trace.expressions.expression(assigned, path, step + 1);
    const parameters = takenBy(declaration);
    const parameter = parameters[Math.min(at, parameters.length - 1)];
    if (parameter === undefined || (at >= parameters.length && parameter.dotDotDotToken === undefined)) return 'unknown';
    const way: Path = parameter.dotDotDotToken === undefined ? path : [String(at - parameters.indexOf(parameter)), ...path];
    if (parameter.type === undefined) return this.trace.declarations.contextual(parameter, way, step + 1);
    const env = ts.isPropertyAccessExpression(call.expression) && ts.isMappedTypeNode(declaration.parent) ? this.trace.generics.envOfMapped(declaration, call.expression.name) : this.trace.generics.envOf(call);
    const said = this.trace.written.typeNode(parameter.type, way, env, step + 1);
    // What the function was made from may say more than its type: `expect(ptep).toBe(...)`.
    return said === 'unknown' ? this.trace.expressions.expression(call.expression, [`(${at})`, ...path], step + 1) : said;
  }
}
