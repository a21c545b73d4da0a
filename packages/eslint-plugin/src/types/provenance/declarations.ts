import ts from 'typescript';
import { type Env, NONE } from './generics.js';
import { ASSIGNMENTS } from './operators.js';
import { either, type Origin } from './origin.js';
import { Part } from './part.js';
import { isElement, isOverriding, isParameter, takenBy, type Path } from './path.js';

/** What variables, fields, parameters and functions are meant for: by what they are declared as, or else by what they are given. */
export class Declarations extends Part {
  private readonly assignments = new Map<ts.VariableDeclaration, readonly ts.BinaryExpression[]>();

  symbol(symbol: ts.Symbol, path: Path, step: number): Origin {
    const declarations = this.types.resolved(symbol).declarations ?? [];
    return declarations.map((declaration) => this.declaration(declaration, path, step)).reduce(either, 'unknown');
  }

  /** What a variable or a field is meant for, whatever it is given later. */
  meantSymbol(symbol: ts.Symbol, path: Path, step: number): Origin {
    const resolved = this.types.resolved(symbol);
    const declaration = resolved.valueDeclaration ?? (isMapped(resolved) ? resolved.declarations?.[0] : undefined);
    if (declaration === undefined) return 'unknown';
    if (ts.isSetAccessor(declaration)) return declaration.parameters[0] === undefined ? 'unknown' : this.declaration(declaration.parameters[0], path, step + 1);
    if (ts.isBindingElement(declaration) || ts.isFunctionLike(declaration)) return this.declaration(declaration, path, step + 1);
    const { type, initializer } = declaration as Partial<ts.VariableDeclaration>;
    if (type !== undefined) return path.length === 0 && this.isOfFamily(declaration) ? 'live' : this.trace.written.typeNode(type, path, NONE, step + 1);
    return initializer === undefined ? 'unknown' : this.trace.expressions.expression(initializer, path, step + 1);
  }

  declaration(node: ts.Declaration, path: Path, step: number): Origin {
    return this.trace.remember(node, path, step, () => {
      if (ts.isFunctionLike(node) && !ts.isAccessor(node)) return this.called(node, path, step);
      // A property of a handle family is a live entry, whatever the family says that one is.
      if (path.length === 0 && this.isOfFamily(node)) return 'live';
      const annotation = (node as ts.HasType).type;
      if (annotation !== undefined && ts.isTypeNode(annotation)) {
        const said = this.trace.written.typeNode(annotation, path, NONE, step + 1);
        if (said !== 'unknown') return said;
      }
      if (ts.isBindingElement(node)) return this.binding(node, path, step + 1);
      if (ts.isParameter(node)) {
        if (node.initializer !== undefined) return this.trace.expressions.expression(node.initializer, path, step + 1);
        return this.contextual(node, path, step + 1);
      }
      if (ts.isVariableDeclaration(node)) {
        if (node.initializer !== undefined) {
          const given = either(this.trace.expressions.expression(node.initializer, path, step + 1), this.assigned(node, path, step + 1));
          return given === 'unknown' ? this.pushed(node, path, step + 1) : given;
        }
        const loop = node.parent.parent;
        if (ts.isForOfStatement(loop)) return this.trace.expressions.expression(loop.expression, loop.awaitModifier === undefined ? ['*', ...path] : ['*', '%await', ...path], step + 1);
        return this.assigned(node, path, step + 1);
      }
      if (ts.isPropertyAssignment(node)) return this.trace.expressions.expression(node.initializer, path, step + 1);
      if (ts.isPropertyDeclaration(node)) return node.initializer === undefined ? this.constructed(node, path, step + 1) : this.trace.expressions.expression(node.initializer, path, step + 1);
      if (ts.isShorthandPropertyAssignment(node)) {
        const symbol = this.checker.getShorthandAssignmentValueSymbol(node);
        return symbol === undefined ? 'unknown' : this.symbol(symbol, path, step + 1);
      }
      if (ts.isGetAccessorDeclaration(node)) return this.returned(node, path, step + 1);
      return 'unknown';
    });
  }

  /** What a function returns, as it says or as it does. */
  called(node: ts.SignatureDeclaration, path: Path, step: number): Origin {
    if (isParameter(path[0])) return this.taken(node, path, NONE, step);
    if (path[0] !== '()') return 'unknown';
    return node.type === undefined ? this.returned(node, path.slice(1), step + 1) : this.trace.written.typeNode(node.type, path.slice(1), NONE, step + 1);
  }

  /** What a function says that it takes. */
  taken(declaration: ts.SignatureDeclaration, [at = '', ...rest]: Path, env: Env, step: number): Origin {
    const parameters = takenBy(declaration);
    const given = Number(at.slice(1, -1));
    const index = Math.min(given, parameters.length - 1);
    const parameter = parameters[index];
    if (parameter?.type === undefined || (index < given && parameter.dotDotDotToken === undefined)) return 'unknown';
    const way = parameter.dotDotDotToken === undefined ? rest : [String(given - index), ...rest];
    return this.trace.written.typeNode(parameter.type, way, env, step + 1);
  }

  private isOfFamily(node: ts.Declaration): boolean {
    return ts.isPropertySignature(node) && this.types.isFamily(this.checker.getTypeAtLocation(node.parent));
  }

  /** What a `let` without an annotation is given later on. */
  private assigned(declaration: ts.VariableDeclaration, path: Path, step: number): Origin {
    return this.assignmentsTo(declaration).map(({ right }) => this.trace.expressions.expression(right, path, step)).reduce<Origin>(either, 'unknown');
  }

  private assignmentsTo(declaration: ts.VariableDeclaration): readonly ts.BinaryExpression[] {
    let found = this.assignments.get(declaration);
    if (found === undefined) {
      const { name } = declaration;
      found = ts.isIdentifier(name) && (ts.getCombinedNodeFlags(declaration) & ts.NodeFlags.Const) === 0 ? this.findAssignments(declaration, name) : [];
      this.assignments.set(declaration, found);
    }
    return found;
  }

  private findAssignments(declaration: ts.VariableDeclaration, name: ts.Identifier): readonly ts.BinaryExpression[] {
    const symbol = this.checker.getSymbolAtLocation(name);
    const found: ts.BinaryExpression[] = [];
    const visit = (node: ts.Node): void => {
      if (ts.isBinaryExpression(node) && ASSIGNMENTS.has(node.operatorToken.kind) && ts.isIdentifier(node.left) && node.left.text === name.text && this.checker.getSymbolAtLocation(node.left) === symbol) found.push(node);
      ts.forEachChild(node, visit);
    };
    // Only the block that declares it can assign it.
    const block = ts.findAncestor(declaration, (node) => ts.isBlock(node) || ts.isSourceFile(node) || ts.isModuleBlock(node));
    if (block !== undefined) visit(block);
    return found;
  }

  /** What a variable that is given one thing and another is where it stands: what it began with, as long as nobody can have given it anything else. */
  standing(symbol: ts.Symbol, at: ts.Identifier, path: Path, step: number): Origin {
    const { valueDeclaration: declaration } = symbol;
    if (declaration === undefined || !ts.isVariableDeclaration(declaration) || declaration.type !== undefined || declaration.initializer === undefined) return 'mixed';
    const isOnTheWay = (node: ts.Node): boolean => ts.isFunctionLike(node) || ts.isIterationStatement(node, false) || ts.isPropertyDeclaration(node);
    const isBefore = ts.findAncestor(at, isOnTheWay) === ts.findAncestor(declaration, isOnTheWay) && this.assignmentsTo(declaration).every((one) => one.getStart() > at.end);
    return isBefore ? this.trace.expressions.expression(declaration.initializer, path, step) : 'mixed';
  }

  /** What is put into a list that begins without a type and without anything: `const list = [];`. */
  private pushed({ name, initializer, type, parent }: ts.VariableDeclaration, path: Path, step: number): Origin {
    const [at, ...rest] = path;
    const isEmpty = initializer !== undefined && ts.isArrayLiteralExpression(initializer) && initializer.elements.length === 0;
    if (!isEmpty || type !== undefined || at === undefined || !isElement(at)) return 'unknown';
    const symbol = this.checker.getSymbolAtLocation(name);
    let origin: Origin = 'unknown';
    const visit = (node: ts.Node): void => {
      if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression) && node.expression.name.text === 'push' && this.checker.getSymbolAtLocation(node.expression.expression) === symbol) {
        for (const one of node.arguments) origin = either(origin, ts.isSpreadElement(one) ? this.trace.expressions.expression(one.expression, path, step) : this.trace.expressions.expression(one, rest, step));
      }
      ts.forEachChild(node, visit);
    };
    // Only the block that declares it can fill it while it has no type.
    const block = ts.findAncestor(parent, (node) => ts.isBlock(node) || ts.isSourceFile(node) || ts.isModuleBlock(node));
    if (block !== undefined) visit(block);
    return origin;
  }

  /** What a field that says nothing of itself is given in the constructor. */
  private constructed(field: ts.PropertyDeclaration, path: Path, step: number): Origin {
    const { body } = field.parent.members.find(ts.isConstructorDeclaration) ?? {};
    if (field.type !== undefined || body === undefined) return 'unknown';
    let origin: Origin = 'unknown';
    const visit = (node: ts.Node): void => {
      const isGiven = ts.isBinaryExpression(node) && ASSIGNMENTS.has(node.operatorToken.kind) && ts.isPropertyAccessExpression(node.left) && node.left.expression.kind === ts.SyntaxKind.ThisKeyword;
      if (isGiven && node.left.name.text === this.nameOf(field.name)) origin = either(origin, this.trace.expressions.expression(node.right, path, step));
      ts.forEachChild(node, visit);
    };
    visit(body);
    return origin;
  }

  /** `const { ptep } = ...`, `const [ptep] = ...`, at any depth, with what stands in for nothing. */
  private binding(node: ts.BindingElement, path: Path, step: number): Origin {
    const given = this.bound(node, path, step);
    return given === 'unknown' && node.initializer !== undefined ? this.trace.expressions.expression(node.initializer, path, step) : given;
  }

  /** What a pattern takes out of what it is given. */
  bound(node: ts.BindingElement, path: Path, step: number): Origin {
    const pattern = node.parent;
    const source = pattern.parent;
    if (ts.isArrayBindingPattern(pattern)) {
      const at = pattern.elements.indexOf(node);
      if (!this.isList(pattern)) {
        // What can only be walked has no places: any of what it brings may be the first.
        const [, ...further] = path;
        const brought = this.declaration(source, ['*', ...(node.dotDotDotToken === undefined ? path : further)], step);
        return brought === 'mixed' ? 'unknown' : brought;
      }
      if (node.dotDotDotToken === undefined) return this.declaration(source, [String(at), ...path], step);
      const [first, ...rest] = path;
      return first === undefined ? 'unknown' : this.declaration(source, [/^\d+$/.test(first) ? String(at + Number(first)) : first, ...rest], step);
    }
    if (node.dotDotDotToken !== undefined) return this.declaration(source, path, step);
    const name = this.nameOf(node.propertyName ?? node.name);
    if (name === undefined) return 'unknown';
    // What is written where the property is declared says more than the way there, where the type knows which it is.
    const property = this.checker.getNonNullableType(this.checker.getTypeAtLocation(pattern)).getProperty(name);
    const ofSymbol = (): Origin => (property === undefined ? 'unknown' : this.symbol(property, path, step));
    const ofWay = (): Origin => this.declaration(source, [name, ...path], step);
    const [said, otherwise] = property !== undefined && isMapped(property) ? [ofWay(), ofSymbol] : [ofSymbol(), ofWay];
    return said === 'unknown' ? otherwise() : said;
  }

  /** Whether what a pattern takes apart is a list or a tuple, and not a set, a map, a generator. */
  private isList(pattern: ts.ArrayBindingPattern): boolean {
    const type = this.checker.getNonNullableType(this.checker.getTypeAtLocation(pattern));
    return (type.flags & ts.TypeFlags.Object) === 0 || type.getNumberIndexType() !== undefined;
  }

  /** A parameter without an annotation, of a function that is written where one is expected. */
  contextual(node: ts.ParameterDeclaration, path: Path, step: number): Origin {
    const made = node.parent;
    const expected = this.expectedOf(made);
    const at = takenBy(made).indexOf(node);
    const all = expected?.parameters ?? [];
    const index = Math.min(at, all.length - 1);
    const parameter = all[index]?.valueDeclaration;
    if (parameter === undefined || !ts.isParameter(parameter) || parameter.type === undefined || (at > index && parameter.dotDotDotToken === undefined)) return 'unknown';
    const around = made.parent;
    const env = ts.isCallExpression(around) || ts.isNewExpression(around) ? this.trace.generics.envOf(around) : this.trace.generics.envOfMapped(parameter.parent, ts.isPropertyAssignment(around) ? around.name : made.name);
    const isWhole = parameter.dotDotDotToken === undefined || node.dotDotDotToken !== undefined;
    const said = this.trace.written.typeNode(parameter.type, isWhole ? path : [String(at - index), ...path], env, step);
    return said === 'unknown' ? this.wantedOf(made, `(${at})`, path, step + 1) : said;
  }

  /** What a part of a function is wanted to be where the function is written: of an object of a generic type, the type arguments say it. */
  private wantedOf(made: ts.SignatureDeclaration, part: string, path: Path, step: number): Origin {
    if (ts.isArrowFunction(made) || ts.isFunctionExpression(made)) return this.trace.places.place(made, [part, ...path], step);
    const name = this.nameOf(made.name);
    return name !== undefined && ts.isMethodDeclaration(made) && ts.isObjectLiteralExpression(made.parent) ? this.trace.places.place(made.parent, [name, part, ...path], step) : 'unknown';
  }

  /** The signature that is expected where a function is written. */
  private expectedOf(made: ts.SignatureDeclaration): ts.Signature | undefined {
    let expected: ts.Type | undefined;
    if (ts.isArrowFunction(made) || ts.isFunctionExpression(made)) expected = this.checker.getContextualType(made);
    else if (ts.isMethodDeclaration(made) && ts.isObjectLiteralExpression(made.parent)) {
      const object = this.checker.getContextualType(made.parent);
      const property = object === undefined ? undefined : this.checker.getNonNullableType(object).getProperty(this.nameOf(made.name) ?? '');
      expected = property === undefined ? undefined : this.checker.getTypeOfSymbolAtLocation(property, made);
    }
    return expected === undefined ? undefined : this.checker.getNonNullableType(expected).getCallSignatures()[0];
  }

  /** What a function without a result type returns, or yields. */
  returned(declaration: ts.SignatureDeclaration, path: Path, step: number): Origin {
    const { body, asteriskToken } = declaration as Partial<ts.FunctionLikeDeclaration>;
    if (body === undefined) return 'unknown';
    if (!ts.isBlock(body)) return this.trace.expressions.expression(body, path, step);
    let origin: Origin = 'unknown';
    const visit = (node: ts.Node): void => {
      if (ts.isFunctionLike(node)) return;
      if (asteriskToken === undefined) {
        if (ts.isReturnStatement(node) && node.expression !== undefined) origin = either(origin, this.trace.expressions.expression(node.expression, path, step));
      } else if (ts.isYieldExpression(node) && node.expression !== undefined && path[0] === '*') {
        origin = either(origin, this.trace.expressions.expression(node.expression, node.asteriskToken === undefined ? path.slice(1) : path, step));
      }
      ts.forEachChild(node, visit);
    };
    ts.forEachChild(body, visit);
    return origin;
  }

  /** What a function is declared to return. */
  result(declaration: ts.SignatureDeclaration, path: Path, step: number): Origin {
    if (declaration.type !== undefined) return this.trace.written.typeNode(declaration.type, path, NONE, step + 1);
    if (ts.isGetAccessorDeclaration(declaration) && ts.isObjectLiteralExpression(declaration.parent)) {
      const name = this.nameOf(declaration.name);
      return name === undefined ? 'unknown' : this.trace.places.inLiteral(declaration.parent, name, path, step + 1);
    }
    const expected = this.expectedOf(declaration)?.getDeclaration();
    if (expected?.type === undefined) return this.overridden(declaration, path, step + 1);
    const { parent } = declaration;
    const env = ts.isCallExpression(parent) || ts.isNewExpression(parent) ? this.trace.generics.envOf(parent) : this.trace.generics.envOfMapped(expected, ts.isPropertyAssignment(parent) ? parent.name : declaration.name);
    const said = this.trace.written.typeNode(expected.type, path, env, step + 1);
    return said === 'unknown' ? this.wantedOf(declaration, '()', path, step + 1) : said;
  }

  /** What a method without a result type is declared to return where it is declared first: by the class that it overrides, by the interface that it implements. */
  private overridden(declaration: ts.SignatureDeclaration, path: Path, step: number): Origin {
    if (!(ts.isMethodDeclaration(declaration) || ts.isGetAccessorDeclaration(declaration)) || !ts.isClassLike(declaration.parent) || !isOverriding(declaration)) return 'unknown';
    const name = this.nameOf(declaration.name);
    return name === undefined ? 'unknown' : this.trace.written.inherited(declaration.parent, [name, ...(ts.isGetAccessorDeclaration(declaration) ? [] : ['()']), ...path], NONE, step);
  }
}

/** Whether a property is one that a mapped type makes: it has the declarations of the property that it is made of, and another type. */
export function isMapped(property: ts.Symbol): boolean {
  return property.valueDeclaration === undefined && (property.flags & ts.SymbolFlags.Property) !== 0 && (property.flags & ts.SymbolFlags.Transient) !== 0;
}
