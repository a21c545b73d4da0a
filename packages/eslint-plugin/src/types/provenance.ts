import ts from 'typescript';
import type { Types } from './types.js';

/**
 * Where a pointer came from, as far as the code says.
 *
 * live: a hardware table: a handle. aside: a value held aside (`EntryBuffer.at`, anything declared `EntryPtr`).
 * mixed: one or the other, by the way that the code takes. unknown: nothing says.
 */
export type Origin = 'live' | 'aside' | 'mixed' | 'unknown';

/** Deep enough for real code, and an end for code that leads back to itself. */
const MAX_STEPS = 24;

/**
 * Follows values to where they came from, and annotations to what was written. Under the alias both kinds of pointers have one type, and what
 * tells them apart is how it was written down: `H['pte']` is a live entry, `EntryPtr<'pte'>` a value held aside.
 */
export class Provenance {
  private readonly types: Types;
  private readonly checker: ts.TypeChecker;
  private readonly known = new WeakMap<ts.Node, Origin>();
  /** The same of the elements of lists. */
  private readonly knownElements = new WeakMap<ts.Node, Origin>();

  private static readonly made = new WeakMap<Types, Provenance>();

  static of(types: Types): Provenance {
    const provenance = Provenance.made.get(types) ?? new Provenance(types);
    Provenance.made.set(types, provenance);
    return provenance;
  }

  private constructor(types: Types) {
    this.types = types;
    this.checker = types.checker;
  }

  /** Where the value of an expression came from. */
  of(expression: ts.Expression): Origin {
    return this.expression(expression, 0);
  }

  /** What a parameter, field or variable is meant for, as it was declared: by its annotation, or else by what it begins with. */
  ofDeclaration(declaration: ts.Declaration): Origin {
    return this.declaration(declaration, 0);
  }

  /** What a parameter is annotated as. */
  ofAnnotation(parameter: ts.ParameterDeclaration): Origin {
    return parameter.type === undefined ? 'unknown' : this.typeNode(parameter.type, 0);
  }

  /** What a variable or a field is meant for: its annotation, or else the first value that it is given. */
  ofMeant(symbol: ts.Symbol): Origin {
    const declaration = this.types.resolved(symbol).valueDeclaration as Partial<ts.VariableDeclaration> | undefined;
    if (declaration?.type !== undefined) return this.typeNode(declaration.type, 0);
    return declaration?.initializer === undefined ? 'unknown' : this.expression(declaration.initializer, 0);
  }

  /** What a function is declared to return: by its result type, or by the type of the place that it is written for. */
  ofResult(declaration: ts.SignatureDeclaration): Origin {
    if (declaration.type !== undefined) {
      const said = this.typeNode(declaration.type, 0);
      return said === 'unknown' ? this.elementType(declaration.type, 0) : said;
    }
    if (!ts.isArrowFunction(declaration) && !ts.isFunctionExpression(declaration)) return 'unknown';
    const expected = this.checker.getContextualType(declaration)?.getCallSignatures()[0]?.getDeclaration();
    return expected?.type === undefined ? 'unknown' : this.typeNode(expected.type, 0);
  }

  /** What a written type is meant for. */
  ofTypeNode(node: ts.TypeNode): Origin {
    return this.typeNode(node, 0);
  }

  /** What the elements of a list of that written type are meant for. */
  ofElementType(node: ts.TypeNode): Origin {
    return this.elementType(node, 0);
  }

  /** What the elements of a list, a set or the like are. */
  ofElements(list: ts.Expression): Origin {
    return this.element(list, 0);
  }

  private remember(node: ts.Node, step: number, find: () => Origin, memory = this.known): Origin {
    const known = memory.get(node);
    if (known !== undefined) return known;
    if (step > MAX_STEPS) return 'unknown';
    memory.set(node, 'unknown');
    const origin = find();
    memory.set(node, origin);
    return origin;
  }

  private expression(node: ts.Expression, step: number): Origin {
    return this.remember(node, step, () => {
      const type = this.checker.getTypeAtLocation(node);
      const handle = this.types.handle(type);
      // What can be nothing but a handle needs no looking further, and what is no pointer at all has no origin.
      if (handle === undefined) return 'unknown';
      return handle.form === 'alias' ? this.aliased(node, step + 1) : 'live';
    });
  }

  private aliased(node: ts.Expression, step: number): Origin {
    if (ts.isParenthesizedExpression(node) || ts.isNonNullExpression(node) || ts.isSatisfiesExpression(node)) return this.expression(node.expression, step);
    if (ts.isAwaitExpression(node)) {
      const said = this.expression(node.expression, step);
      return said === 'unknown' ? this.element(node.expression, step) : said;
    }
    if (ts.isAsExpression(node) || ts.isTypeAssertionExpression(node)) {
      const said = ts.isConstTypeReference(node.type) ? 'unknown' : this.typeNode(node.type, step);
      return said === 'unknown' ? this.expression(node.expression, step) : said;
    }
    if (ts.isConditionalExpression(node)) return either(this.expression(node.whenTrue, step), this.expression(node.whenFalse, step));
    if (ts.isBinaryExpression(node)) {
      const { kind } = node.operatorToken;
      if (kind === ts.SyntaxKind.CommaToken || kind === ts.SyntaxKind.EqualsToken || kind === ts.SyntaxKind.AmpersandAmpersandToken) return this.expression(node.right, step);
      if (kind === ts.SyntaxKind.BarBarToken || kind === ts.SyntaxKind.QuestionQuestionToken) return either(this.expression(node.left, step), this.expression(node.right, step));
      return 'unknown';
    }
    if (ts.isCallExpression(node) || ts.isNewExpression(node)) return this.call(node, step);
    if (ts.isElementAccessExpression(node)) {
      const property = this.checker.getSymbolAtLocation(node.argumentExpression);
      const named = property?.valueDeclaration !== undefined && ts.isPropertySignature(property.valueDeclaration);
      return named ? this.symbol(property, step) : this.element(node.expression, step);
    }
    if (ts.isIdentifier(node) || ts.isPropertyAccessExpression(node)) {
      const symbol = this.checker.getSymbolAtLocation(ts.isIdentifier(node) ? node : node.name);
      const said = symbol === undefined ? 'unknown' : this.symbol(symbol, step);
      // A property that only a signature of all properties tells of: that of a Record.
      return said === 'unknown' && ts.isPropertyAccessExpression(node) ? this.element(node.expression, step) : said;
    }
    return 'unknown';
  }

  private symbol(symbol: ts.Symbol, step: number): Origin {
    const declarations = this.types.resolved(symbol).declarations ?? [];
    return declarations.map((declaration) => this.declaration(declaration, step)).reduce(either, 'unknown');
  }

  private declaration(node: ts.Declaration, step: number): Origin {
    return this.remember(node, step, () => {
      // What a family says of a level is what its handles are: `handles.pte` of AliasHandles.
      if (ts.isPropertySignature(node) && (ts.isInterfaceDeclaration(node.parent) || ts.isTypeLiteralNode(node.parent)) && this.types.isFamily(this.checker.getTypeAtLocation(node.parent))) return 'live';
      const annotation = (node as ts.HasType).type;
      if (annotation !== undefined && ts.isTypeNode(annotation)) {
        const said = this.typeNode(annotation, step + 1);
        if (said !== 'unknown') return said;
      }
      if (ts.isBindingElement(node)) return this.binding(node, step + 1);
      if (ts.isParameter(node)) {
        if (node.initializer !== undefined) return this.expression(node.initializer, step + 1);
        return this.contextual(node, step + 1);
      }
      if (ts.isVariableDeclaration(node)) {
        if (node.initializer !== undefined) return either(this.expression(node.initializer, step + 1), this.assigned(node, step + 1));
        const loop = node.parent.parent;
        if (ts.isForOfStatement(loop)) return this.element(loop.expression, step + 1);
        return this.assigned(node, step + 1);
      }
      if (ts.isPropertyDeclaration(node) || ts.isPropertyAssignment(node)) return node.initializer === undefined ? 'unknown' : this.expression(node.initializer, step + 1);
      if (ts.isShorthandPropertyAssignment(node)) {
        const symbol = this.checker.getShorthandAssignmentValueSymbol(node);
        return symbol === undefined ? 'unknown' : this.symbol(symbol, step + 1);
      }
      if (ts.isGetAccessorDeclaration(node)) return this.returned(node, step + 1);
      return 'unknown';
    });
  }

  /** What a `let` without an annotation is given later on. */
  private assigned(declaration: ts.VariableDeclaration, step: number): Origin {
    if (!ts.isIdentifier(declaration.name) || (ts.getCombinedNodeFlags(declaration) & ts.NodeFlags.Const) !== 0) return 'unknown';
    const symbol = this.checker.getSymbolAtLocation(declaration.name);
    let origin: Origin = 'unknown';
    const visit = (node: ts.Node): void => {
      if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.EqualsToken && ts.isIdentifier(node.left) && this.checker.getSymbolAtLocation(node.left) === symbol) {
        origin = either(origin, this.expression(node.right, step));
      }
      ts.forEachChild(node, visit);
    };
    // Only the block that declares it can assign it.
    const block = ts.findAncestor(declaration, (node) => ts.isBlock(node) || ts.isSourceFile(node) || ts.isModuleBlock(node));
    if (block !== undefined) visit(block);
    return origin;
  }

  /** `const { ptep } = ...`, `const [ptep] = ...` */
  private binding(node: ts.BindingElement, step: number): Origin {
    if (node.dotDotDotToken !== undefined) return 'unknown';
    const pattern = node.parent;
    const from = this.checker.getTypeAtLocation(pattern);
    if (ts.isArrayBindingPattern(pattern)) {
      const source = pattern.parent;
      // A pattern inside of another says too little.
      if (ts.isBindingElement(source)) return 'unknown';
      if (source.type !== undefined) return this.elementType(source.type, step);
      const loop = source.parent.parent;
      if (ts.isForOfStatement(loop)) return this.ofPair(loop.expression, pattern.elements.indexOf(node), step);
      return source.initializer === undefined ? 'unknown' : this.element(source.initializer, step);
    }
    const name = node.propertyName ?? node.name;
    if (!ts.isIdentifier(name) && !ts.isStringLiteral(name)) return 'unknown';
    const property = from.getProperty(name.text);
    return property === undefined ? 'unknown' : this.symbol(property, step);
  }

  /** The key or the value of what goes through a Map, or through the `entries()` of a list. */
  private ofPair(pairs: ts.Expression, at: number, step: number): Origin {
    if (ts.isCallExpression(pairs) && ts.isPropertyAccessExpression(pairs.expression) && pairs.expression.name.text === 'entries') {
      const list = pairs.expression.expression;
      return this.checker.isArrayLikeType(this.checker.getTypeAtLocation(list)) ? (at === 1 ? this.element(list, step) : 'unknown') : this.ofPair(list, at, step);
    }
    const symbol = this.checker.getSymbolAtLocation(ts.isPropertyAccessExpression(pairs) ? pairs.name : pairs);
    const { type, initializer } = (symbol?.valueDeclaration ?? {}) as Partial<ts.VariableDeclaration>;
    const written = type ?? (initializer !== undefined && ts.isNewExpression(initializer) ? initializer : undefined);
    const given = written !== undefined && (ts.isTypeReferenceNode(written) || ts.isNewExpression(written)) ? written.typeArguments : undefined;
    return given?.length === 2 ? this.typeNode(given[at]!, step) : this.element(pairs, step);
  }

  /** A parameter without an annotation, of a function that is written where one is expected. */
  private contextual(node: ts.ParameterDeclaration, step: number): Origin {
    const made = node.parent;
    if (!ts.isArrowFunction(made) && !ts.isFunctionExpression(made)) return 'unknown';
    const expected = this.checker.getContextualType(made)?.getCallSignatures()[0];
    const parameter = expected?.parameters[made.parameters.indexOf(node)];
    const declared = parameter === undefined ? 'unknown' : this.symbol(parameter, step);
    if (declared !== 'unknown') return declared;
    // What a list's own methods call back with are its elements.
    const call = made.parent;
    return ts.isCallExpression(call) && ts.isPropertyAccessExpression(call.expression) ? this.element(call.expression.expression, step) : 'unknown';
  }

  private call(node: ts.CallExpression | ts.NewExpression, step: number): Origin {
    const declaration = this.checker.getResolvedSignature(node)?.declaration;
    if (declaration === undefined || ts.isJSDocSignature(declaration)) return 'unknown';
    if (declaration.type === undefined) return this.returned(declaration, step);
    const said = this.typeNode(declaration.type, step);
    if (said !== 'unknown') return said;
    // A type parameter is what the argument of that type was: identity(ptep).
    const { type } = declaration;
    const arguments_ = node.arguments ?? [];
    const symbol = ts.isTypeReferenceNode(type) ? this.checker.getSymbolAtLocation(type.typeName) : undefined;
    if (symbol === undefined || (symbol.flags & ts.SymbolFlags.TypeParameter) === 0) {
      // A list's own methods return its elements: at(), pop(), find().
      return ts.isPropertyAccessExpression(node.expression) ? this.element(node.expression.expression, step) : 'unknown';
    }
    return declaration.parameters
      .map((parameter, at) => {
        const same = parameter.type !== undefined && ts.isTypeReferenceNode(parameter.type) && this.checker.getSymbolAtLocation(parameter.type.typeName) === symbol;
        return same && arguments_[at] !== undefined ? this.expression(arguments_[at], step) : 'unknown';
      })
      .reduce<Origin>(either, 'unknown');
  }

  /** What a function without a result type returns. */
  private returned(declaration: ts.SignatureDeclaration, step: number): Origin {
    const { body } = declaration as Partial<ts.FunctionLikeDeclaration>;
    if (body === undefined) return 'unknown';
    if (!ts.isBlock(body)) return this.expression(body, step);
    let origin: Origin = 'unknown';
    const visit = (node: ts.Node): void => {
      if (ts.isFunctionLike(node)) return;
      if (ts.isReturnStatement(node) && node.expression !== undefined) origin = either(origin, this.expression(node.expression, step));
      ts.forEachChild(node, visit);
    };
    ts.forEachChild(body, visit);
    return origin;
  }

  /** The elements of a list. */
  private element(list: ts.Expression, step: number): Origin {
    return this.remember(list, step, () => {
      if (ts.isParenthesizedExpression(list) || ts.isNonNullExpression(list) || ts.isSatisfiesExpression(list)) return this.element(list.expression, step + 1);
      if (ts.isAsExpression(list)) return ts.isConstTypeReference(list.type) ? this.element(list.expression, step + 1) : this.elementType(list.type, step + 1);
      if (ts.isArrayLiteralExpression(list)) {
        return list.elements.map((one) => (ts.isSpreadElement(one) ? this.element(one.expression, step + 1) : this.expression(one, step + 1))).reduce<Origin>(either, 'unknown');
      }
      if (ts.isCallExpression(list) || ts.isNewExpression(list)) {
        const written = list.typeArguments?.map((one) => this.typeNode(one, step + 1)).reduce<Origin>(either, 'unknown');
        if (written !== undefined && written !== 'unknown') return written;
        const declaration = this.checker.getResolvedSignature(list)?.declaration;
        if (declaration?.type !== undefined && !ts.isJSDocSignature(declaration)) {
          const said = this.elementType(declaration.type, step + 1);
          if (said !== 'unknown') return said;
        }
        return ts.isCallExpression(list) && ts.isPropertyAccessExpression(list.expression) ? this.element(list.expression.expression, step + 1) : 'unknown';
      }
      const symbol = ts.isIdentifier(list) ? this.checker.getSymbolAtLocation(list) : ts.isPropertyAccessExpression(list) ? this.checker.getSymbolAtLocation(list.name) : undefined;
      if (symbol === undefined) return 'unknown';
      return (this.types.resolved(symbol).declarations ?? [])
        .map((declaration) => {
          const { type, initializer } = declaration as Partial<ts.VariableDeclaration>;
          if (type !== undefined) return this.elementType(type, step + 1);
          return initializer === undefined ? 'unknown' : this.element(initializer, step + 1);
        })
        .reduce<Origin>(either, 'unknown');
    }, this.knownElements);
  }

  private elementType(node: ts.TypeNode, step: number): Origin {
    if (step > MAX_STEPS) return 'unknown';
    if (ts.isArrayTypeNode(node)) return this.typeNode(node.elementType, step + 1);
    if (ts.isTupleTypeNode(node)) return node.elements.map((one) => this.typeNode(ts.isNamedTupleMember(one) ? one.type : one, step + 1)).reduce<Origin>(either, 'unknown');
    if (ts.isTypeOperatorNode(node) || ts.isParenthesizedTypeNode(node)) return this.elementType(node.type, step + 1);
    if (ts.isUnionTypeNode(node)) return node.types.map((one) => this.elementType(one, step + 1)).reduce<Origin>(either, 'unknown');
    if (!ts.isTypeReferenceNode(node)) return 'unknown';
    if (node.typeArguments !== undefined) return node.typeArguments.map((one) => this.typeNode(one, step + 1)).reduce<Origin>(either, 'unknown');
    const alias = this.aliasOf(node);
    return alias === undefined ? 'unknown' : this.elementType(alias, step + 1);
  }

  private typeNode(node: ts.TypeNode, step: number): Origin {
    return this.remember(node, step, () => {
      if (ts.isParenthesizedTypeNode(node) || ts.isTypeOperatorNode(node) || ts.isOptionalTypeNode(node) || ts.isRestTypeNode(node)) return this.typeNode(node.type, step + 1);
      if (ts.isUnionTypeNode(node)) return node.types.map((one) => this.typeNode(one, step + 1)).reduce<Origin>(either, 'unknown');
      if (ts.isTypeQueryNode(node)) {
        const symbol = this.checker.getSymbolAtLocation(node.exprName);
        return symbol === undefined ? 'unknown' : this.symbol(symbol, step + 1);
      }
      if (ts.isIndexedAccessTypeNode(node)) return this.indexed(node, step + 1);
      if (ts.isTypeReferenceNode(node)) return this.reference(node, step + 1);
      return this.byType(node);
    });
  }

  private reference(node: ts.TypeReferenceNode, step: number): Origin {
    const symbol = this.checker.getSymbolAtLocation(node.typeName);
    if (symbol === undefined) return 'unknown';
    if (this.types.isCoreSymbol(symbol, 'EntryPtr')) return 'aside';
    const alias = this.aliasOf(node);
    if (alias !== undefined) {
      const said = this.typeNode(alias, step);
      if (said !== 'unknown') return said;
      // NonNullable<Ptep>, Readonly<...>: what it is of.
      return (node.typeArguments ?? []).map((one) => this.typeNode(one, step)).reduce<Origin>(either, 'unknown');
    }
    return this.byType(node);
  }

  /** The right side of `type X = ...`, for a reference to X. */
  private aliasOf(node: ts.TypeReferenceNode): ts.TypeNode | undefined {
    const symbol = this.checker.getSymbolAtLocation(node.typeName);
    if (symbol === undefined) return undefined;
    return this.types.resolved(symbol).declarations?.find(ts.isTypeAliasDeclaration)?.type;
  }

  /** `H['pte']` is a live entry; `Request['ptep']` what that property is declared as. */
  private indexed(node: ts.IndexedAccessTypeNode, step: number): Origin {
    const object = this.checker.getTypeFromTypeNode(node.objectType);
    if (this.types.isFamily(object)) return 'live';
    const index = this.checker.getTypeFromTypeNode(node.indexType);
    const property = index.isStringLiteral() ? object.getProperty(index.value) : undefined;
    if (property !== undefined) return this.symbol(property, step);
    return index.flags & ts.TypeFlags.Number ? this.elementType(node.objectType, step) : 'unknown';
  }

  /** What no spelling says, the type may: that of an opaque handle does. */
  private byType(node: ts.TypeNode): Origin {
    const handle = this.types.handle(this.checker.getTypeFromTypeNode(node));
    return handle === undefined || handle.form === 'alias' ? 'unknown' : 'live';
  }
}

function either(a: Origin, b: Origin): Origin {
  if (a === b || b === 'unknown') return a;
  return a === 'unknown' ? b : 'mixed';
}
