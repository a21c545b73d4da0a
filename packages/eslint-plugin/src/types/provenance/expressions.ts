import ts from 'typescript';
import { isMapped } from './declarations.js';
import { type Env, NONE } from './generics.js';
import { ASSIGNMENTS, EITHER, LAST } from './operators.js';
import { either, type Origin } from './origin.js';
import { Part } from './part.js';
import { isParameter, MAX_STEPS, ownThis, type Path } from './path.js';

/** Where the value of an expression, or a part of it, came from. */
export class Expressions extends Part {
  expression(node: ts.Expression, path: Path, step: number): Origin {
    return this.trace.remember(node, path, step, () => {
      if (path.length === 0) {
        const handle = this.types.handle(this.checker.getTypeAtLocation(node));
        // What can be nothing but a handle needs no looking further, and what is no pointer at all has no origin.
        if (handle === undefined) return 'unknown';
        if (handle.form !== 'alias') return 'live';
      }
      if (path[0] === '%await' && this.checker.getTypeAtLocation(node).getProperty('then') === undefined) return this.expression(node, path.slice(1), step + 1);
      return this.traced(node, path, step + 1);
    });
  }

  traced(node: ts.Expression, path: Path, step: number): Origin {
    if (ts.isParenthesizedExpression(node) || ts.isNonNullExpression(node) || ts.isSatisfiesExpression(node)) return this.expression(node.expression, path, step);
    if (ts.isAwaitExpression(node)) return this.expression(node.expression, ['%await', ...path], step);
    if (ts.isAsExpression(node) || ts.isTypeAssertionExpression(node)) {
      const said = ts.isConstTypeReference(node.type) ? 'unknown' : this.trace.written.typeNode(node.type, path, NONE, step);
      return said === 'unknown' ? this.expression(node.expression, path, step) : said;
    }
    if (ts.isConditionalExpression(node)) return either(this.expression(node.whenTrue, path, step), this.expression(node.whenFalse, path, step));
    if (ts.isBinaryExpression(node)) {
      const { kind } = node.operatorToken;
      // What was assigned is what the left side is meant for: the wrong one is reported where it is assigned.
      const meant = ASSIGNMENTS.has(kind) ? this.trace.places.target(node.left, path, step + 1) : 'unknown';
      if (meant === 'live' || meant === 'aside') return meant;
      if (LAST.has(kind)) return this.expression(node.right, path, step);
      if (EITHER.has(kind)) return either(this.expression(node.left, path, step), this.expression(node.right, path, step));
      return 'unknown';
    }
    if (ts.isArrayLiteralExpression(node)) return this.inArray(node, path, step);
    if (ts.isObjectLiteralExpression(node)) return this.inObject(node, path, step);
    if (ts.isFunctionExpression(node) || ts.isArrowFunction(node)) return this.trace.declarations.called(node, path, step);
    if (ts.isCallExpression(node) || ts.isNewExpression(node)) return this.call(node, path, step);
    if (ts.isElementAccessExpression(node)) {
      const property = this.checker.getSymbolAtLocation(node.argumentExpression);
      const named = property?.valueDeclaration !== undefined && ts.isPropertySignature(property.valueDeclaration) ? this.trace.declarations.symbol(property, path, step) : 'unknown';
      if (named !== 'unknown') return named;
      const key = this.keyName(node.argumentExpression);
      const known = key === undefined || property === undefined ? undefined : this.checker.getTypeAtLocation(node.expression).getProperty(key);
      const said = known === undefined ? 'unknown' : this.trace.declarations.symbol(known, path, step);
      return said === 'unknown' ? this.expression(node.expression, [key ?? '*', ...path], step) : said;
    }
    if (ts.isIdentifier(node) || ts.isPropertyAccessExpression(node)) {
      const symbol = this.checker.getSymbolAtLocation(ts.isIdentifier(node) ? node : node.name);
      if (symbol !== undefined && ts.isPropertyAccessExpression(node) && isMapped(symbol)) {
        const mapped = this.expression(node.expression, [node.name.text, ...path], step);
        if (mapped !== 'unknown') return mapped;
      }
      const said = symbol === undefined ? 'unknown' : this.trace.declarations.symbol(symbol, path, step);
      if (said === 'mixed' && symbol !== undefined && ts.isIdentifier(node)) return this.trace.declarations.standing(symbol, node, path, step + 1);
      return said === 'unknown' && ts.isPropertyAccessExpression(node) ? this.expression(node.expression, [node.name.text, ...path], step) : said;
    }
    if (node.kind === ts.SyntaxKind.ThisKeyword) {
      const said = ownThis(node);
      if (said !== undefined) return this.trace.declarations.declaration(said, path, step);
      if (path.length === 0) return 'unknown';
      const made = this.checker.getTypeAtLocation(node).symbol as ts.Symbol | undefined;
      return made === undefined ? 'unknown' : this.trace.written.member(made, path, NONE, step);
    }
    return 'unknown';
  }

  /** The name of the property that stands in brackets: a literal, a constant that is one, a member of an enum. */
  keyName(index: ts.Expression): string | undefined {
    if (ts.isStringLiteralLike(index) || ts.isNumericLiteral(index)) return index.text;
    const found = this.checker.getTypeAtLocation(index);
    const type = this.checker.getBaseConstraintOfType(found) ?? found;
    return type.isStringLiteral() || type.isNumberLiteral() ? String(type.value) : undefined;
  }

  private inArray(node: ts.ArrayLiteralExpression, path: Path, step: number): Origin {
    const [at, ...rest] = path;
    if (at === undefined) return 'unknown';
    const isFlat = !node.elements.some(ts.isSpreadElement);
    const one = isFlat && /^\d+$/.test(at) ? node.elements[Number(at)] : undefined;
    if (one !== undefined) return this.expression(one, rest, step);
    return node.elements.map((element) => (ts.isSpreadElement(element) ? this.expression(element.expression, ['*', ...rest], step) : this.expression(element, rest, step))).reduce<Origin>(either, 'unknown');
  }

  private inObject(node: ts.ObjectLiteralExpression, path: Path, step: number): Origin {
    const [name, ...rest] = path;
    if (name === undefined) return 'unknown';
    if (name !== '*') return this.trace.spreads.inObject(node, name, rest, step);
    return node.properties.map((property) => (ts.isSpreadAssignment(property) ? this.expression(property.expression, path, step) : this.trace.declarations.declaration(property, rest, step))).reduce<Origin>(either, 'unknown');
  }

  /** What the functions say that a generic function makes and returns, alone or in an object, in terms of its type parameters. */
  private inReturned(maker: ts.SignatureDeclaration, path: Path, env: Env, step: number): Origin {
    const { body } = maker as Partial<ts.FunctionLikeDeclaration>;
    if (body === undefined || step > MAX_STEPS) return 'unknown';
    const found = ts.isBlock(body) ? body.statements.flatMap((one) => (ts.isReturnStatement(one) ? one.expression ?? [] : [])) : [body];
    return found.map((one) => this.inMade(one, path, env, step)).reduce<Origin>(either, 'unknown');
  }

  private inMade(node: ts.Node, path: Path, env: Env, step: number): Origin {
    const [at, ...rest] = path;
    if (ts.isParenthesizedExpression(node)) return this.inMade(node.expression, path, env, step);
    if (ts.isObjectLiteralExpression(node)) {
      const property = node.properties.find(({ name }) => at !== undefined && this.nameOf(name) === at);
      const made = property !== undefined && ts.isPropertyAssignment(property) ? property.initializer : property;
      return made === undefined || made === node ? 'unknown' : this.inMade(made, rest, env, step + 1);
    }
    if (!ts.isArrowFunction(node) && !ts.isFunctionExpression(node) && !ts.isMethodDeclaration(node)) return 'unknown';
    if (isParameter(at)) return this.trace.declarations.taken(node, path, env, step);
    if (at !== '()') return 'unknown';
    return node.type === undefined ? this.inReturned(node, rest, env, step + 1) : this.trace.written.typeNode(node.type, rest, env, step + 1);
  }

  private call(node: ts.CallExpression | ts.NewExpression, path: Path, step: number): Origin {
    const declaration = this.checker.getResolvedSignature(node)?.declaration;
    const made = (): Origin => {
      const symbol = this.checker.getTypeAtLocation(node).symbol as ts.Symbol | undefined;
      return symbol === undefined ? 'unknown' : this.trace.written.member(symbol, path, this.trace.generics.envOf(node), step);
    };
    if (ts.isNewExpression(node) && (declaration?.type === undefined || ts.isJSDocSignature(declaration))) return made();
    if (declaration === undefined || ts.isJSDocSignature(declaration)) return 'unknown';
    if (declaration.type === undefined) {
      const returned = this.trace.declarations.returned(declaration, path, step);
      return returned === 'unknown' && path.length > 0 && declaration.typeParameters !== undefined ? this.inReturned(declaration, path, this.trace.generics.envOf(node), step + 1) : returned;
    }
    if (declaration.type.kind === ts.SyntaxKind.ThisType && ts.isPropertyAccessExpression(node.expression)) return this.expression(node.expression.expression, path, step);
    const said = this.trace.written.typeNode(declaration.type, path, this.trace.generics.envOf(node), step);
    if (said !== 'unknown') return said;
    // What a function was made from may say more than its type, `memo(() => buffer.at(0))()`, and what a class extends more than what the constructor says that it makes.
    return ts.isCallExpression(node) ? this.expression(node.expression, ['()', ...path], step) : made();
  }
}
