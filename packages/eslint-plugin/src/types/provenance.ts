import ts from 'typescript';
import type { Types } from './types.js';

/**
 * Where a pointer came from, as far as the code says.
 *
 * live: a hardware table: a handle. aside: a value held aside (`EntryBuffer.at`, anything declared `EntryPtr`).
 * mixed: one or the other, by the way that the code takes. unknown: nothing says.
 */
export type Origin = 'live' | 'aside' | 'mixed' | 'unknown';

/**
 * The way from something to a part of it: names of properties, indices of a tuple, and for what has no name
 * `*` (an element), `%key` and `%value` (of a map), `%await` (what a promise brings), `()` (what a function returns), `(0)` (what it takes), `%0:Queue` (a type argument of a class or an interface).
 */
type Path = readonly string[];

/** What type parameters stand for. */
type Meanings = ReadonlyMap<ts.Symbol, (path: Path, step: number) => Origin>;

/** The type parameters around a written type, and what they stand for, found out where one of them is met. */
class Env {
  private readonly names: ReadonlySet<string>;
  private readonly find: () => Meanings;
  /** The name of a property that a type parameter stands for: the key of a mapped type, or the `K` of `on<K>(name: K, ...)`. */
  private readonly key: ((symbol: ts.Symbol) => string | undefined) | undefined;
  private readonly around: Env | undefined;
  private found: Meanings | undefined;

  constructor(names: ReadonlySet<string>, find: () => Meanings, key?: (symbol: ts.Symbol) => string | undefined, around?: Env) {
    this.names = names;
    this.find = find;
    this.key = key;
    this.around = around;
  }

  get(symbol: ts.Symbol): ((path: Path, step: number) => Origin) | undefined {
    if (!this.names.has(symbol.name)) return this.around?.get(symbol);
    this.found ??= this.find();
    return this.found.get(symbol) ?? this.around?.get(symbol);
  }

  keyOf(symbol: ts.Symbol): string | undefined {
    return this.key?.(symbol) ?? this.around?.keyOf(symbol);
  }

  /** Whether any of them may be written in a type. */
  isMentioned(written: ReadonlySet<string>): boolean {
    for (const name of this.names) if (written.has(name)) return true;
    return this.around?.isMentioned(written) ?? false;
  }
}

const WHOLE: Path = [];
const NONE = new Env(new Set(), () => new Map());

/** Deep enough for real code, and an end for code that leads back to itself. */
const MAX_STEPS = 48;
const MAX_PARTS = 8;

/**
 * Follows values to where they came from, and annotations to what was written. Under the alias both kinds of pointers have one type, and what
 * tells them apart is how it was written down: `H['pte']` is a live entry, `EntryPtr<'pte'>` a value held aside.
 */
export class Provenance {
  private readonly types: Types;
  private readonly checker: ts.TypeChecker;
  private readonly wholes = new Map<ts.Node, Origin>();
  private readonly parts = new Map<ts.Node, Map<string, Origin>>();
  private readonly mentioned = new Map<ts.TypeNode, ReadonlySet<string>>();

  private static readonly made = new WeakMap<Types, Provenance>();

  static of(types: Types): Provenance {
    const known = Provenance.made.get(types);
    if (known !== undefined) return known;
    const made = new Provenance(types);
    Provenance.made.set(types, made);
    return made;
  }

  private constructor(types: Types) {
    this.types = types;
    this.checker = types.checker;
  }

  /** Where the value of an expression came from. */
  of(expression: ts.Expression): Origin {
    return this.expression(expression, WHOLE, 0);
  }

  /** The same of one whose type is known to be the alias of both kinds. */
  ofAlias(expression: ts.Expression): Origin {
    return this.remember(expression, WHOLE, 0, () => this.traced(expression, WHOLE, 1));
  }

  /** What a parameter, field or variable is meant for, as it was declared: by its annotation, or else by what it begins with. */
  ofDeclaration(declaration: ts.Declaration): Origin {
    return this.declaration(declaration, WHOLE, 0);
  }

  /** What a parameter is annotated as. */
  ofAnnotation(parameter: ts.ParameterDeclaration): Origin {
    return parameter.type === undefined ? 'unknown' : this.typeNode(parameter.type, WHOLE, NONE, 0);
  }

  /** What a variable or a field is meant for: its annotation, or else the first value that it is given. */
  ofMeant(symbol: ts.Symbol): Origin {
    return this.meantSymbol(symbol, WHOLE, 0);
  }

  /** What a function is declared to return, or to bring or yield: by its result type, or by the type of the place that it is written for. */
  ofResult(declaration: ts.SignatureDeclaration): Origin {
    const ways: readonly Path[] = [WHOLE, ['%await'], ['*']];
    return ways.map((path) => this.result(declaration, path, 0)).find((said) => said !== 'unknown') ?? 'unknown';
  }

  /** What a written type is meant for. */
  ofTypeNode(node: ts.TypeNode): Origin {
    return this.typeNode(node, WHOLE, NONE, 0);
  }

  /** What the elements of a list of that written type are meant for. */
  ofElementType(node: ts.TypeNode): Origin {
    const ways: readonly Path[] = [['*'], ['%await'], ['%value']];
    return ways.map((path) => this.typeNode(node, path, NONE, 0)).find((said) => said !== 'unknown') ?? 'unknown';
  }

  /** What the elements of a list, a set or the like are. */
  ofElements(list: ts.Expression): Origin {
    const ways: readonly Path[] = [['*'], ['%await'], ['%value']];
    return ways.map((path) => this.expression(list, path, 0)).find((said) => said !== 'unknown') ?? 'unknown';
  }

  /** What a part of something is, and what the place that the whole stands at wants it to be. @param name of a property, or `*` for the elements of a list */
  ofPart(whole: ts.Expression, name: string): { readonly origin: Origin; readonly place: Origin } {
    return { origin: this.expression(whole, [name], 0), place: this.place(whole, [name], 0) };
  }

  /** What a function that is given where one is expected is called with, and what its own parameter `at` is meant for. */
  ofCallback(given: ts.Expression, at: number): { readonly origin: Origin; readonly place: Origin } {
    const expected = this.checker.getContextualType(given);
    const wanted = expected === undefined ? undefined : this.checker.getNonNullableType(expected).getCallSignatures()[0]?.parameters[at]?.valueDeclaration;
    const own = this.checker.getTypeAtLocation(given).getCallSignatures()[0]?.parameters[at]?.valueDeclaration;
    if (wanted === undefined || !ts.isParameter(wanted) || wanted.type === undefined || own === undefined || !ts.isParameter(own) || own.type === undefined) return { origin: 'unknown', place: 'unknown' };
    const call = given.parent;
    const env = ts.isCallExpression(call) || ts.isNewExpression(call) ? this.envOf(call) : NONE;
    return { origin: this.typeNode(wanted.type, WHOLE, env, 0), place: this.typeNode(own.type, own.dotDotDotToken === undefined ? WHOLE : ['*'], NONE, 0) };
  }

  /** What the place that an expression stands at is meant for: a parameter, a field, a variable, a result, an element. */
  ofPlace(expression: ts.Expression): Origin {
    return this.place(expression, WHOLE, 0);
  }

  private remember(node: ts.Node, path: Path, step: number, find: () => Origin): Origin {
    if (path.length === 0) return remember(this.wholes, node, step, find);
    if (path.length > MAX_PARTS) return 'unknown';
    const ofNode = this.parts.get(node) ?? new Map<string, Origin>();
    this.parts.set(node, ofNode);
    return remember(ofNode, path.join('/'), step, find);
  }

  private expression(node: ts.Expression, path: Path, step: number): Origin {
    return this.remember(node, path, step, () => {
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

  private traced(node: ts.Expression, path: Path, step: number): Origin {
    if (ts.isParenthesizedExpression(node) || ts.isNonNullExpression(node) || ts.isSatisfiesExpression(node)) return this.expression(node.expression, path, step);
    if (ts.isAwaitExpression(node)) return this.expression(node.expression, ['%await', ...path], step);
    if (ts.isAsExpression(node) || ts.isTypeAssertionExpression(node)) {
      const said = ts.isConstTypeReference(node.type) ? 'unknown' : this.typeNode(node.type, path, NONE, step);
      return said === 'unknown' ? this.expression(node.expression, path, step) : said;
    }
    if (ts.isConditionalExpression(node)) return either(this.expression(node.whenTrue, path, step), this.expression(node.whenFalse, path, step));
    if (ts.isBinaryExpression(node)) {
      const { kind } = node.operatorToken;
      if (LAST.has(kind)) return this.expression(node.right, path, step);
      if (EITHER.has(kind)) return either(this.expression(node.left, path, step), this.expression(node.right, path, step));
      return 'unknown';
    }
    if (ts.isArrayLiteralExpression(node)) return this.inArray(node, path, step);
    if (ts.isObjectLiteralExpression(node)) return this.inObject(node, path, step);
    if (ts.isFunctionExpression(node) || ts.isArrowFunction(node)) return this.called(node, path, step);
    if (ts.isCallExpression(node) || ts.isNewExpression(node)) return this.call(node, path, step);
    if (ts.isElementAccessExpression(node)) {
      const property = this.checker.getSymbolAtLocation(node.argumentExpression);
      const named = property?.valueDeclaration !== undefined && ts.isPropertySignature(property.valueDeclaration) ? this.symbol(property, path, step) : 'unknown';
      if (named !== 'unknown') return named;
      const key = this.keyName(node.argumentExpression);
      const known = key === undefined || property === undefined ? undefined : this.checker.getTypeAtLocation(node.expression).getProperty(key);
      const said = known === undefined ? 'unknown' : this.symbol(known, path, step);
      return said === 'unknown' ? this.expression(node.expression, [key ?? '*', ...path], step) : said;
    }
    if (ts.isIdentifier(node) || ts.isPropertyAccessExpression(node)) {
      const symbol = this.checker.getSymbolAtLocation(ts.isIdentifier(node) ? node : node.name);
      if (symbol !== undefined && ts.isPropertyAccessExpression(node) && isMapped(symbol)) {
        const mapped = this.expression(node.expression, [node.name.text, ...path], step);
        if (mapped !== 'unknown') return mapped;
      }
      const said = symbol === undefined ? 'unknown' : this.symbol(symbol, path, step);
      return said === 'unknown' && ts.isPropertyAccessExpression(node) ? this.expression(node.expression, [node.name.text, ...path], step) : said;
    }
    if (node.kind === ts.SyntaxKind.ThisKeyword && path.length > 0) {
      const made = this.checker.getTypeAtLocation(node).symbol as ts.Symbol | undefined;
      return made === undefined ? 'unknown' : this.member(made, path, NONE, step);
    }
    return 'unknown';
  }

  /** The name of the property that stands in brackets: a literal, a constant that is one, a member of an enum. */
  private keyName(index: ts.Expression): string | undefined {
    if (ts.isStringLiteralLike(index) || ts.isNumericLiteral(index)) return index.text;
    const type = this.checker.getTypeAtLocation(index);
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
    const named = node.properties.filter((property) => name === '*' || nameOf(property.name) === name);
    if (named.length > 0) return named.map((property) => this.declaration(property, rest, step)).reduce<Origin>(either, 'unknown');
    return node.properties.filter(ts.isSpreadAssignment).map(({ expression }) => this.expression(expression, path, step)).reduce<Origin>(either, 'unknown');
  }

  private symbol(symbol: ts.Symbol, path: Path, step: number): Origin {
    const declarations = this.types.resolved(symbol).declarations ?? [];
    return declarations.map((declaration) => this.declaration(declaration, path, step)).reduce(either, 'unknown');
  }

  /** What a variable or a field is meant for, whatever it is given later. */
  private meantSymbol(symbol: ts.Symbol, path: Path, step: number): Origin {
    const declaration = this.types.resolved(symbol).valueDeclaration;
    if (declaration === undefined) return 'unknown';
    if (ts.isSetAccessor(declaration)) return declaration.parameters[0] === undefined ? 'unknown' : this.declaration(declaration.parameters[0], path, step + 1);
    if (ts.isBindingElement(declaration) || ts.isFunctionLike(declaration)) return this.declaration(declaration, path, step + 1);
    const { type, initializer } = declaration as Partial<ts.VariableDeclaration>;
    if (type !== undefined) return path.length === 0 && this.isOfFamily(declaration) ? 'live' : this.typeNode(type, path, NONE, step + 1);
    return initializer === undefined ? 'unknown' : this.expression(initializer, path, step + 1);
  }

  private declaration(node: ts.Declaration, path: Path, step: number): Origin {
    return this.remember(node, path, step, () => {
      if (ts.isFunctionLike(node) && !ts.isAccessor(node)) return this.called(node, path, step);
      // A property of a handle family is a live entry, whatever the family says that one is.
      if (path.length === 0 && this.isOfFamily(node)) return 'live';
      const annotation = (node as ts.HasType).type;
      if (annotation !== undefined && ts.isTypeNode(annotation)) {
        const said = this.typeNode(annotation, path, NONE, step + 1);
        if (said !== 'unknown') return said;
      }
      if (ts.isBindingElement(node)) return this.binding(node, path, step + 1);
      if (ts.isParameter(node)) {
        if (node.initializer !== undefined) return this.expression(node.initializer, path, step + 1);
        return this.contextual(node, path, step + 1);
      }
      if (ts.isVariableDeclaration(node)) {
        if (node.initializer !== undefined) {
          const given = either(this.expression(node.initializer, path, step + 1), this.assigned(node, path, step + 1));
          return given === 'unknown' ? this.pushed(node, path, step + 1) : given;
        }
        const loop = node.parent.parent;
        if (ts.isForOfStatement(loop)) return this.expression(loop.expression, loop.awaitModifier === undefined ? ['*', ...path] : ['*', '%await', ...path], step + 1);
        return this.assigned(node, path, step + 1);
      }
      if (ts.isPropertyAssignment(node)) return this.expression(node.initializer, path, step + 1);
      if (ts.isPropertyDeclaration(node)) return node.initializer === undefined ? this.constructed(node, path, step + 1) : this.expression(node.initializer, path, step + 1);
      if (ts.isShorthandPropertyAssignment(node)) {
        const symbol = this.checker.getShorthandAssignmentValueSymbol(node);
        return symbol === undefined ? 'unknown' : this.symbol(symbol, path, step + 1);
      }
      if (ts.isGetAccessorDeclaration(node)) return this.returned(node, path, step + 1);
      return 'unknown';
    });
  }

  /** What a function returns, as it says or as it does. */
  private called(node: ts.SignatureDeclaration, path: Path, step: number): Origin {
    if (isParameter(path[0])) return this.taken(node, path, NONE, step);
    if (path[0] !== '()') return 'unknown';
    return node.type === undefined ? this.returned(node, path.slice(1), step + 1) : this.typeNode(node.type, path.slice(1), NONE, step + 1);
  }

  /** What a function says that it takes. */
  private taken({ parameters }: ts.SignatureDeclaration, [at = '', ...rest]: Path, env: Env, step: number): Origin {
    const parameter = parameters[Number(at.slice(1, -1))];
    return parameter?.type === undefined || parameter.dotDotDotToken !== undefined ? 'unknown' : this.typeNode(parameter.type, rest, env, step + 1);
  }

  private isOfFamily(node: ts.Declaration): boolean {
    return ts.isPropertySignature(node) && this.types.isFamily(this.checker.getTypeAtLocation(node.parent));
  }

  /** What a `let` without an annotation is given later on. */
  private assigned(declaration: ts.VariableDeclaration, path: Path, step: number): Origin {
    if (!ts.isIdentifier(declaration.name) || (ts.getCombinedNodeFlags(declaration) & ts.NodeFlags.Const) !== 0) return 'unknown';
    const symbol = this.checker.getSymbolAtLocation(declaration.name);
    let origin: Origin = 'unknown';
    const visit = (node: ts.Node): void => {
      if (ts.isBinaryExpression(node) && ASSIGNMENTS.has(node.operatorToken.kind) && ts.isIdentifier(node.left) && this.checker.getSymbolAtLocation(node.left) === symbol) {
        origin = either(origin, this.expression(node.right, path, step));
      }
      ts.forEachChild(node, visit);
    };
    // Only the block that declares it can assign it.
    const block = ts.findAncestor(declaration, (node) => ts.isBlock(node) || ts.isSourceFile(node) || ts.isModuleBlock(node));
    if (block !== undefined) visit(block);
    return origin;
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
        for (const one of node.arguments) origin = either(origin, ts.isSpreadElement(one) ? this.expression(one.expression, path, step) : this.expression(one, rest, step));
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
      if (isGiven && (node.left).name.text === nameOf(field.name)) origin = either(origin, this.expression(node.right, path, step));
      ts.forEachChild(node, visit);
    };
    visit(body);
    return origin;
  }

  /** `const { ptep } = ...`, `const [ptep] = ...`, at any depth, with what stands in for nothing. */
  private binding(node: ts.BindingElement, path: Path, step: number): Origin {
    const given = this.bound(node, path, step);
    return given === 'unknown' && node.initializer !== undefined ? this.expression(node.initializer, path, step) : given;
  }

  /** What a pattern takes out of what it is given. */
  private bound(node: ts.BindingElement, path: Path, step: number): Origin {
    const pattern = node.parent;
    const source = pattern.parent;
    if (ts.isArrayBindingPattern(pattern)) {
      const at = pattern.elements.indexOf(node);
      if (node.dotDotDotToken === undefined) return this.declaration(source, [String(at), ...path], step);
      const [first, ...rest] = path;
      return first === undefined ? 'unknown' : this.declaration(source, [/^\d+$/.test(first) ? String(at + Number(first)) : first, ...rest], step);
    }
    if (node.dotDotDotToken !== undefined) return this.declaration(source, path, step);
    const name = nameOf(node.propertyName ?? node.name);
    if (name === undefined) return 'unknown';
    // What is written where the property is declared says more than the way there, where the type knows which it is.
    const property = this.checker.getNonNullableType(this.checker.getTypeAtLocation(pattern)).getProperty(name);
    const ofSymbol = (): Origin => (property === undefined ? 'unknown' : this.symbol(property, path, step));
    const ofWay = (): Origin => this.declaration(source, [name, ...path], step);
    const [said, otherwise] = property !== undefined && isMapped(property) ? [ofWay(), ofSymbol] : [ofSymbol(), ofWay];
    return said === 'unknown' ? otherwise() : said;
  }

  /** A parameter without an annotation, of a function that is written where one is expected. */
  private contextual(node: ts.ParameterDeclaration, path: Path, step: number): Origin {
    const made = node.parent;
    const expected = this.expectedOf(made);
    const at = made.parameters.indexOf(node);
    const all = expected?.parameters ?? [];
    const index = Math.min(at, all.length - 1);
    const parameter = all[index]?.valueDeclaration;
    if (parameter === undefined || !ts.isParameter(parameter) || parameter.type === undefined || (at > index && parameter.dotDotDotToken === undefined)) return 'unknown';
    const around = made.parent;
    const env = ts.isCallExpression(around) || ts.isNewExpression(around) ? this.envOf(around) : this.envOfMapped(parameter.parent, ts.isPropertyAssignment(around) ? around.name : made.name);
    const isWhole = parameter.dotDotDotToken === undefined || node.dotDotDotToken !== undefined;
    const said = this.typeNode(parameter.type, isWhole ? path : [String(at - index), ...path], env, step);
    return said === 'unknown' ? this.wantedOf(made, `(${at})`, path, step + 1) : said;
  }

  /** What a part of a function is wanted to be where the function is written: of an object of a generic type, the type arguments say it. */
  private wantedOf(made: ts.SignatureDeclaration, part: string, path: Path, step: number): Origin {
    if (ts.isArrowFunction(made) || ts.isFunctionExpression(made)) return this.place(made, [part, ...path], step);
    const name = nameOf(made.name);
    return name !== undefined && ts.isMethodDeclaration(made) && ts.isObjectLiteralExpression(made.parent) ? this.place(made.parent, [name, part, ...path], step) : 'unknown';
  }

  /** The signature that is expected where a function is written. */
  private expectedOf(made: ts.SignatureDeclaration): ts.Signature | undefined {
    let expected: ts.Type | undefined;
    if (ts.isArrowFunction(made) || ts.isFunctionExpression(made)) expected = this.checker.getContextualType(made);
    else if (ts.isMethodDeclaration(made) && ts.isObjectLiteralExpression(made.parent)) {
      const object = this.checker.getContextualType(made.parent);
      const property = object === undefined ? undefined : this.checker.getNonNullableType(object).getProperty(nameOf(made.name) ?? '');
      expected = property === undefined ? undefined : this.checker.getTypeOfSymbolAtLocation(property, made);
    }
    return expected === undefined ? undefined : this.checker.getNonNullableType(expected).getCallSignatures()[0];
  }

  private call(node: ts.CallExpression | ts.NewExpression, path: Path, step: number): Origin {
    const declaration = this.checker.getResolvedSignature(node)?.declaration;
    if (ts.isNewExpression(node) && (declaration?.type === undefined || ts.isJSDocSignature(declaration))) {
      const made = this.checker.getTypeAtLocation(node).symbol as ts.Symbol | undefined;
      return made === undefined ? 'unknown' : this.member(made, path, this.envOf(node), step);
    }
    if (declaration === undefined || ts.isJSDocSignature(declaration)) return 'unknown';
    if (declaration.type === undefined) return this.returned(declaration, path, step);
    if (declaration.type.kind === ts.SyntaxKind.ThisType && ts.isPropertyAccessExpression(node.expression)) return this.expression(node.expression.expression, path, step);
    const said = this.typeNode(declaration.type, path, this.envOf(node), step);
    // What a function was made from may say more than its type: `memo(() => buffer.at(0))()`.
    return said === 'unknown' && ts.isCallExpression(node) ? this.expression(node.expression, ['()', ...path], step) : said;
  }

  /** What the type parameters of a called function stand for: what is written, or what the arguments are; and those of the object that it is a method of. */
  private envOf(call: ts.CallExpression | ts.NewExpression): Env {
    const declaration = this.checker.getResolvedSignature(call)?.declaration;
    const ofClass = ts.isNewExpression(call) ? (this.checker.getTypeAtLocation(call).symbol as ts.Symbol | undefined)?.declarations?.find(ts.isClassLike)?.typeParameters : undefined;
    const own = (declaration === undefined || ts.isJSDocSignature(declaration) ? undefined : declaration.typeParameters) ?? ofClass ?? [];
    const around = declaration?.parent;
    const object = around !== undefined && (ts.isInterfaceDeclaration(around) || ts.isClassLike(around)) && ts.isCallExpression(call) && ts.isPropertyAccessExpression(call.expression) ? call.expression.expression : undefined;
    const ofObject = object === undefined ? [] : ((around as ts.InterfaceDeclaration | ts.ClassLikeDeclaration).typeParameters ?? []);
    if (own.length === 0 && ofObject.length === 0) return NONE;
    return new Env(new Set([...own, ...ofObject].map(({ name }) => name.text)), () => {
      const meanings = new Map<ts.Symbol, (path: Path, step: number) => Origin>();
      const parameters = declaration === undefined || ts.isJSDocSignature(declaration) ? [] : declaration.parameters;
      own.forEach((parameter, at) => {
        const symbol = this.checker.getSymbolAtLocation(parameter.name);
        if (symbol === undefined) return;
        const written = call.typeArguments?.[at];
        meanings.set(symbol, (path, step) => {
          if (written !== undefined) return this.typeNode(written, path, NONE, step + 1);
          const ways = parameters.flatMap(({ type, dotDotDotToken }, index) => {
            const given = call.arguments?.[index];
            if (type === undefined || given === undefined || dotDotDotToken !== undefined || ts.isSpreadElement(given)) return [];
            return this.waysTo(type, symbol, 0).map((way) => ({ given, way }));
          });
          const along = (isTaken: boolean): Origin => ways.filter(({ way }) => way.some(isParameter) === isTaken).map(({ given, way }) => this.expression(given, [...way, ...path], step + 1)).reduce<Origin>(either, 'unknown');
          const said = along(false);
          // What a callback takes says it where nothing is given.
          return said === 'unknown' ? along(true) : said;
        });
      });
      ofObject.forEach((parameter, at) => {
        const symbol = this.checker.getSymbolAtLocation(parameter.name);
        const { parent } = parameter;
        const kind = ts.isInterfaceDeclaration(parent) || ts.isClassLike(parent) ? (parent.name?.text ?? '') : '';
        if (symbol !== undefined) meanings.set(symbol, (path, step) => this.expression(object!, [this.isLib(parent) ? stepInto(kind, at) : `%${at}:${kind}`, ...path], step + 1));
      });
      return meanings;
    }, (symbol) => this.namedBy(call, own, symbol));
  }

  /** The name of a property that a type parameter of a called function stands for: what is written, or the argument that is that name. */
  private namedBy(call: ts.CallExpression | ts.NewExpression, own: readonly ts.TypeParameterDeclaration[], symbol: ts.Symbol): string | undefined {
    const at = own.findIndex(({ name }) => this.checker.getSymbolAtLocation(name) === symbol);
    if (at < 0) return undefined;
    const written = call.typeArguments?.[at];
    if (written !== undefined) return ts.isLiteralTypeNode(written) && ts.isStringLiteral(written.literal) ? written.literal.text : undefined;
    const declaration = this.checker.getResolvedSignature(call)?.declaration;
    const parameters = declaration === undefined || ts.isJSDocSignature(declaration) ? [] : declaration.parameters;
    const index = parameters.findIndex(({ type }) => type !== undefined && ts.isTypeReferenceNode(type) && this.checker.getSymbolAtLocation(type.typeName) === symbol);
    const given = call.arguments?.[index];
    return given === undefined ? undefined : this.keyName(given);
  }

  /** The ways from a value of a written type to what a type parameter stands for. */
  private waysTo(node: ts.TypeNode, parameter: ts.Symbol, depth: number): Path[] {
    const further = (into: ts.TypeNode | undefined, ...by: string[]): Path[] => (into === undefined || depth > 5 ? [] : this.waysTo(into, parameter, depth + 1).map((way) => [...by, ...way]));
    if (ts.isParenthesizedTypeNode(node) || ts.isTypeOperatorNode(node) || ts.isOptionalTypeNode(node)) return further(node.type);
    if (ts.isUnionTypeNode(node) || ts.isIntersectionTypeNode(node)) return node.types.flatMap((one) => further(one));
    if (ts.isArrayTypeNode(node)) return further(node.elementType, '*');
    if (ts.isTupleTypeNode(node)) return node.elements.flatMap((one, at) => further(ts.isNamedTupleMember(one) ? one.type : one, String(at)));
    if (ts.isFunctionTypeNode(node)) return [...further(node.type, '()'), ...node.parameters.flatMap((one, at) => (one.dotDotDotToken === undefined ? further(one.type, `(${at})`) : []))];
    if (ts.isTypeLiteralNode(node)) {
      return node.members.flatMap((one) => (ts.isPropertySignature(one) ? further(one.type, nameOf(one.name) ?? '*') : ts.isIndexSignatureDeclaration(one) ? further(one.type, '*') : []));
    }
    if (!ts.isTypeReferenceNode(node)) return [];
    if (this.checker.getSymbolAtLocation(node.typeName) === parameter) return [WHOLE];
    return (node.typeArguments ?? []).flatMap((one, at) => further(one, stepInto(node.typeName.getText(), at)));
  }

  /** What a function without a result type returns, or yields. */
  private returned(declaration: ts.SignatureDeclaration, path: Path, step: number): Origin {
    const { body, asteriskToken } = declaration as Partial<ts.FunctionLikeDeclaration>;
    if (body === undefined) return 'unknown';
    if (!ts.isBlock(body)) return this.expression(body, path, step);
    let origin: Origin = 'unknown';
    const visit = (node: ts.Node): void => {
      if (ts.isFunctionLike(node)) return;
      if (asteriskToken === undefined) {
        if (ts.isReturnStatement(node) && node.expression !== undefined) origin = either(origin, this.expression(node.expression, path, step));
      } else if (ts.isYieldExpression(node) && node.expression !== undefined && path[0] === '*') {
        origin = either(origin, this.expression(node.expression, node.asteriskToken === undefined ? path.slice(1) : path, step));
      }
      ts.forEachChild(node, visit);
    };
    ts.forEachChild(body, visit);
    return origin;
  }

  /** What a function is declared to return. */
  private result(declaration: ts.SignatureDeclaration, path: Path, step: number): Origin {
    if (declaration.type !== undefined) return this.typeNode(declaration.type, path, NONE, step + 1);
    const expected = this.expectedOf(declaration)?.getDeclaration();
    if (expected?.type === undefined) return 'unknown';
    const { parent } = declaration;
    const env = ts.isCallExpression(parent) || ts.isNewExpression(parent) ? this.envOf(parent) : this.envOfMapped(expected, ts.isPropertyAssignment(parent) ? parent.name : declaration.name);
    const said = this.typeNode(expected.type, path, env, step + 1);
    return said === 'unknown' ? this.wantedOf(declaration, '()', path, step + 1) : said;
  }

  private typeNode(node: ts.TypeNode, path: Path, env: Env, step: number): Origin {
    if (env === NONE || !env.isMentioned(this.namesIn(node))) return this.remember(node, path, step, () => this.written(node, path, NONE, step + 1));
    return step > MAX_STEPS || path.length > MAX_PARTS ? 'unknown' : this.written(node, path, env, step + 1);
  }

  /** The names that stand in a written type. */
  private namesIn(node: ts.TypeNode): ReadonlySet<string> {
    const known = this.mentioned.get(node);
    if (known !== undefined) return known;
    const names = new Set<string>();
    const visit = (part: ts.Node): void => {
      if (ts.isIdentifier(part)) names.add(part.text);
      ts.forEachChild(part, visit);
    };
    visit(node);
    this.mentioned.set(node, names);
    return names;
  }

  private written(node: ts.TypeNode, path: Path, env: Env, step: number): Origin {
    const [at, ...rest] = path;
    if (ts.isParenthesizedTypeNode(node) || ts.isTypeOperatorNode(node) || ts.isOptionalTypeNode(node) || ts.isRestTypeNode(node) || ts.isNamedTupleMember(node)) return this.typeNode(node.type, path, env, step);
    if (ts.isUnionTypeNode(node) || (ts.isIntersectionTypeNode(node) && at !== undefined)) return node.types.map((one) => this.typeNode(one, path, env, step)).reduce<Origin>(either, 'unknown');
    if (ts.isTypeQueryNode(node)) {
      const symbol = this.checker.getSymbolAtLocation(node.exprName);
      return symbol === undefined ? 'unknown' : this.symbol(symbol, path, step);
    }
    if (ts.isImportTypeNode(node) && at === undefined) {
      const symbol = node.qualifier === undefined ? undefined : this.checker.getSymbolAtLocation(node.qualifier);
      return symbol !== undefined && this.types.isCoreSymbol(symbol, 'EntryPtr') ? 'aside' : this.byType(node);
    }
    if (ts.isIndexedAccessTypeNode(node)) return this.indexed(node, path, env, step);
    if (ts.isTypeReferenceNode(node)) return this.reference(node, path, env, step);
    if (at === undefined) return this.byType(node);
    if (ts.isArrayTypeNode(node)) return isElement(at) ? this.typeNode(node.elementType, rest, env, step) : 'unknown';
    if (ts.isTupleTypeNode(node)) {
      const rested = node.elements.findIndex(isRest);
      const isRested = rested >= 0 && Number(at) >= rested;
      const one = isRested ? undefined : node.elements[Number(at)];
      if (one !== undefined) return this.typeNode(one, rest, env, step);
      // From where a tuple goes on as a list, any of what follows may be meant.
      if (isRested) return node.elements.slice(rested).map((element) => this.typeNode(element, isRest(element) ? ['*', ...rest] : rest, env, step)).reduce<Origin>(either, 'unknown');
      return isElement(at) ? node.elements.map((element) => this.typeNode(element, isRest(element) ? ['*', ...rest] : rest, env, step)).reduce<Origin>(either, 'unknown') : 'unknown';
    }
    if (ts.isFunctionTypeNode(node)) return at === '()' ? this.typeNode(node.type, rest, env, step) : isParameter(at) ? this.taken(node, path, env, step) : 'unknown';
    if (ts.isMappedTypeNode(node)) return node.type === undefined ? 'unknown' : this.typeNode(node.type, rest, this.keyed(node, at, env), step);
    if (ts.isTypeLiteralNode(node)) return this.isFamily(node, path) ? 'live' : this.inMembers(node.members, path, env, step);
    return 'unknown';
  }

  /** The type parameters in a mapped type, where it makes the property of that name. */
  private keyed(node: ts.MappedTypeNode, name: string, around: Env): Env {
    const key = node.nameType === undefined ? this.checker.getSymbolAtLocation(node.typeParameter.name) : undefined;
    return key === undefined ? around : new Env(new Set([node.typeParameter.name.text]), () => new Map(), (symbol) => (symbol === key ? name : undefined), around);
  }

  /** The type parameters of a function that a mapped type makes the property of that name of. */
  private envOfMapped(declaration: ts.SignatureDeclaration, name: ts.PropertyName | ts.DeclarationName | undefined): Env {
    const property = nameOf(name);
    return property !== undefined && ts.isMappedTypeNode(declaration.parent) ? this.keyed(declaration.parent, property, NONE) : NONE;
  }

  /** Whether a path leads to a property of a handle family. A mapped type over the levels may be of copies as well. */
  private isFamily(node: ts.TypeNode, path: Path): boolean {
    if (path.length !== 1) return false;
    const type = this.checker.getTypeFromTypeNode(node);
    const isMapped = (type.flags & ts.TypeFlags.Object) !== 0 && ((type as ts.ObjectType).objectFlags & ts.ObjectFlags.Mapped) !== 0;
    return !isMapped && this.types.isFamily(type);
  }

  private reference(node: ts.TypeReferenceNode, path: Path, env: Env, step: number): Origin {
    const symbol = this.checker.getSymbolAtLocation(node.typeName);
    if (symbol === undefined) return 'unknown';
    const stands = env.get(symbol);
    if (stands !== undefined) return stands(path, step);
    // What `for await` takes from something that is no promise is that itself.
    if (path[0] === '%await' && this.checker.getTypeFromTypeNode(node).getProperty('then') === undefined) return this.typeNode(node, path.slice(1), env, step);
    if (path.length === 0 && this.types.isCoreSymbol(symbol, 'EntryPtr')) return 'aside';
    if (this.isFamily(node, path)) return 'live';
    const original = this.types.resolved(symbol);
    const arguments_ = node.typeArguments ?? [];
    const [at, ...rest] = path;
    const argument = (index: number, way: Path): Origin => (arguments_[index] === undefined ? 'unknown' : this.typeNode(arguments_[index], way, env, step));
    const asked = typeArgument(at);
    if (asked?.of === original.name) return argument(asked.at, rest);
    const constraint = original.declarations?.find(ts.isTypeParameterDeclaration)?.constraint;
    if (constraint !== undefined) return this.typeNode(constraint, path, env, step);
    const inner = this.parametersOf(original, arguments_, env);
    const alias = original.declarations?.find(ts.isTypeAliasDeclaration);
    if (alias !== undefined) {
      if (this.isLib(alias)) {
        if (original.name === 'ReturnType') return argument(0, ['()', ...path]);
        if (original.name === 'Awaited') return argument(0, ['%await', ...path]);
        if (original.name === 'Parameters') return this.parameterOf(arguments_[0], path, step);
        if (original.name === 'Record') return at === undefined ? 'unknown' : argument(1, rest);
      }
      const said = this.typeNode(alias.type, path, inner, step);
      if (said !== 'unknown') return said;
      // NonNullable<Ptep>, Readonly<...>: what it is of.
      return arguments_.map((one) => this.typeNode(one, path, env, step)).reduce<Origin>(either, 'unknown');
    }
    if (at === undefined) return this.byType(node);
    if (original.declarations?.some((one) => this.isLib(one)) === true) {
      if (original.name.endsWith('Map')) {
        if (at === '%key' || at === '%value') return argument(at === '%key' ? 0 : 1, rest);
        return at === '*' && (rest[0] === '0' || rest[0] === '1') ? argument(Number(rest[0]), rest.slice(1)) : 'unknown';
      }
      if (isPromise(original.name)) return at === '%await' ? argument(0, rest) : 'unknown';
      if (isElement(at)) return argument(0, rest);
    }
    const said = this.member(original, path, inner, step);
    // A list of somebody's own: what it is of.
    return said === 'unknown' && at === '*' ? arguments_.map((one) => this.typeNode(one, rest, env, step)).reduce<Origin>(either, 'unknown') : said;
  }

  /** `Parameters<typeof f>[0]` */
  private parameterOf(node: ts.TypeNode | undefined, path: Path, step: number): Origin {
    const declaration = node === undefined ? undefined : (this.checker.getTypeFromTypeNode(node).getCallSignatures()[0]?.getDeclaration());
    const parameter = declaration?.parameters[Number(path[0])];
    return parameter === undefined ? 'unknown' : this.declaration(parameter, path.slice(1), step + 1);
  }

  /** What the type parameters of something that is written with type arguments stand for. */
  private parametersOf(symbol: ts.Symbol, written: readonly ts.TypeNode[], env: Env): Env {
    const generic = (symbol.declarations ?? []).filter((one) => ts.isTypeAliasDeclaration(one) || ts.isInterfaceDeclaration(one) || ts.isClassLike(one)).flatMap(({ typeParameters = [] }) => [typeParameters]);
    if (generic.every((parameters) => parameters.length === 0)) return NONE;
    return new Env(new Set(generic.flatMap((parameters) => parameters.map(({ name }) => name.text))), () => {
      const meanings = new Map<ts.Symbol, (path: Path, step: number) => Origin>();
      for (const parameters of generic) {
        parameters.forEach((parameter, at) => {
          const own = this.checker.getSymbolAtLocation(parameter.name);
          const given = written[at] ?? parameter.default;
          if (own !== undefined && given !== undefined) meanings.set(own, (path, step) => this.typeNode(given, path, env, step + 1));
        });
      }
      return meanings;
    });
  }

  /** A part of a class or an interface. */
  private member(symbol: ts.Symbol, path: Path, env: Env, step: number): Origin {
    if (path.length === 0 || step > MAX_STEPS) return 'unknown';
    const asked = typeArgument(path[0]);
    for (const declaration of symbol.declarations ?? []) {
      if (!ts.isInterfaceDeclaration(declaration) && !ts.isClassLike(declaration)) continue;
      if (asked?.of === (declaration.name?.text ?? '')) {
        const parameter = declaration.typeParameters?.[asked.at];
        const own = parameter === undefined ? undefined : this.checker.getSymbolAtLocation(parameter.name);
        if (own !== undefined) return env.get(own)?.(path.slice(1), step) ?? 'unknown';
      }
      const said = this.inMembers(declaration.members, path, env, step);
      if (said !== 'unknown') return said;
      const iterator = path[0] === '*' ? declaration.members.find(isIterator) : undefined;
      const yielded = iterator === undefined ? 'unknown' : iterator.type === undefined ? this.returned(iterator, path, step + 1) : this.typeNode(iterator.type, path, env, step + 1);
      if (yielded !== 'unknown') return yielded;
      for (const base of (declaration.heritageClauses ?? []).flatMap(({ types }) => types)) {
        const extended = this.checker.getSymbolAtLocation(base.expression);
        if (extended === undefined) continue;
        const original = this.types.resolved(extended);
        const found = this.member(original, path, this.parametersOf(original, base.typeArguments ?? [], env), step + 1);
        if (found !== 'unknown') return found;
      }
    }
    return 'unknown';
  }

  private inMembers(members: readonly (ts.TypeElement | ts.ClassElement)[], path: Path, env: Env, step: number): Origin {
    const [name, ...rest] = path;
    const properties = members.flatMap((member): readonly ts.Declaration[] => (ts.isConstructorDeclaration(member) ? member.parameters.filter((one) => ts.isParameterPropertyDeclaration(one, member)) : [member]));
    const found = properties.find((member) => nameOf((member as ts.NamedDeclaration).name) === name) ?? members.find(ts.isIndexSignatureDeclaration);
    if (found === undefined || name === '()' || typeArgument(name) !== undefined) return 'unknown';
    const { type } = found as Partial<ts.PropertySignature>;
    if (type === undefined) return this.declaration(found, rest, step);
    if (ts.isMethodSignature(found) || ts.isMethodDeclaration(found)) return isParameter(rest[0]) ? this.taken(found, rest, env, step) : rest[0] === '()' ? this.typeNode(type, rest.slice(1), env, step) : 'unknown';
    return this.typeNode(type, rest, env, step);
  }

  /** `H['pte']` is a live entry; `Request['ptep']` what that property is declared as. */
  private indexed(node: ts.IndexedAccessTypeNode, path: Path, env: Env, step: number): Origin {
    const object = this.checker.getTypeFromTypeNode(node.objectType);
    if (this.types.isFamily(object)) return path.length === 0 || (path.length === 1 && path[0] === '%await') ? 'live' : 'unknown';
    const key = ts.isTypeReferenceNode(node.indexType) ? this.checker.getSymbolAtLocation(node.indexType.typeName) : undefined;
    const keyed = key === undefined ? undefined : env.keyOf(key);
    if (keyed !== undefined) return this.typeNode(node.objectType, [keyed, ...path], env, step);
    const index = this.checker.getTypeFromTypeNode(node.indexType);
    const names = (index.isUnion() ? index.types : [index]).map((one) => (one.isStringLiteral() || one.isNumberLiteral() ? String(one.value) : one.flags & ts.TypeFlags.Number ? '*' : undefined));
    return names.map((name) => (name === undefined ? 'unknown' : this.typeNode(node.objectType, [name, ...path], env, step))).reduce<Origin>(either, 'unknown');
  }

  /** What no spelling says, the type may: that of an opaque handle does. */
  private byType(node: ts.TypeNode): Origin {
    const handle = this.types.handle(this.checker.getTypeFromTypeNode(node));
    return handle === undefined || handle.form === 'alias' ? 'unknown' : 'live';
  }

  private isLib(node: ts.Node): boolean {
    return /[\\/]lib\.[^\\/]*\.d\.ts$/.test(node.getSourceFile().fileName);
  }

  /** What is wanted where an expression, or the part of it at a path, stands. */
  private place(node: ts.Node, path: Path, step: number): Origin {
    const { parent } = node;
    if (step > MAX_STEPS) return 'unknown';
    if (ts.isSatisfiesExpression(parent)) {
      const said = this.typeNode(parent.type, path, NONE, step + 1);
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
    if (ts.isVariableDeclaration(parent) || ts.isPropertyDeclaration(parent)) return parent.type === undefined ? 'unknown' : this.typeNode(parent.type, path, NONE, step + 1);
    if (ts.isParameter(parent)) return parent.type === undefined ? this.contextual(parent, path, step + 1) : this.typeNode(parent.type, path, NONE, step + 1);
    if (ts.isBindingElement(parent)) return this.bound(parent, path, step + 1);
    if (ts.isShorthandPropertyAssignment(node)) return this.inLiteral(node.parent, node.name.text, path, step);
    if (ts.isPropertyAssignment(parent) || ts.isShorthandPropertyAssignment(parent)) {
      const name = nameOf(parent.name);
      return name === undefined ? 'unknown' : this.inLiteral(parent.parent, name, path, step);
    }
    if (ts.isArrayLiteralExpression(parent)) return this.place(parent, [String(parent.elements.indexOf(node as ts.Expression)), ...path], step + 1);
    if (ts.isSpreadElement(parent)) {
      if (ts.isArrayLiteralExpression(parent.parent)) return this.place(parent.parent, path, step + 1);
      const at = (parent.parent.arguments ?? ([] as readonly ts.Expression[])).indexOf(parent);
      return path[0] === '*' ? this.argument(parent.parent, at, path.slice(1), step + 1) : 'unknown';
    }
    if (ts.isReturnStatement(parent) || (ts.isArrowFunction(parent) && parent.body === node)) {
      const made = ts.isArrowFunction(parent) ? parent : ts.findAncestor(parent, ts.isFunctionLike);
      if (made === undefined) return 'unknown';
      const isAsync = (ts.getCombinedModifierFlags(made) & ts.ModifierFlags.Async) !== 0;
      return (made as Partial<ts.FunctionDeclaration>).asteriskToken === undefined ? this.result(made, isAsync ? ['%await', ...path] : path, step + 1) : 'unknown';
    }
    if (ts.isYieldExpression(parent)) {
      const made = ts.findAncestor(parent, ts.isFunctionLike);
      return made === undefined ? 'unknown' : this.result(made, parent.asteriskToken === undefined ? ['*', ...path] : path, step + 1);
    }
    if (ts.isCallExpression(parent) || ts.isNewExpression(parent)) {
      const at = parent.arguments?.indexOf(node as ts.Expression) ?? -1;
      return at < 0 ? 'unknown' : this.argument(parent, at, path, step + 1);
    }
    return 'unknown';
  }

  /** What a property of an object that is written here is declared for. */
  private inLiteral(object: ts.ObjectLiteralExpression, name: string, path: Path, step: number): Origin {
    const said = this.place(object, [name, ...path], step + 1);
    if (said !== 'unknown' && said !== 'mixed') return said;
    const expected = this.checker.getContextualType(object);
    const property = expected === undefined ? undefined : this.checker.getNonNullableType(expected).getProperty(name);
    // Of a union of requests, the compiler knows which one it is.
    return property === undefined || (expected?.isUnion() === true && said === 'mixed') ? 'unknown' : this.meantSymbol(property, path, step + 1);
  }

  /** What the left side of an assignment is meant for. */
  private target(node: ts.Expression, path: Path, step: number): Origin {
    const [at, ...rest] = path;
    if (ts.isParenthesizedExpression(node) || ts.isNonNullExpression(node)) return this.target(node.expression, path, step + 1);
    if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.EqualsToken) return this.target(node.left, path, step + 1);
    if (ts.isArrayLiteralExpression(node)) {
      const one = at === undefined ? undefined : node.elements[Number(at)];
      return one === undefined || ts.isSpreadElement(one) ? 'unknown' : this.target(one, rest, step + 1);
    }
    if (ts.isObjectLiteralExpression(node)) {
      const one = node.properties.find((property) => nameOf(property.name) === at);
      if (one !== undefined && ts.isPropertyAssignment(one)) return this.target(one.initializer, rest, step + 1);
      const symbol = one !== undefined && ts.isShorthandPropertyAssignment(one) ? this.checker.getShorthandAssignmentValueSymbol(one) : undefined;
      return symbol === undefined ? 'unknown' : this.meantSymbol(symbol, rest, step + 1);
    }
    const symbol = this.checker.getSymbolAtLocation(ts.isPropertyAccessExpression(node) ? node.name : ts.isElementAccessExpression(node) ? node.argumentExpression : node);
    const isOwn = !ts.isElementAccessExpression(node) || (symbol?.valueDeclaration !== undefined && (ts.isPropertySignature(symbol.valueDeclaration) || ts.isPropertyDeclaration(symbol.valueDeclaration)));
    const said = symbol === undefined || !isOwn ? 'unknown' : this.meantSymbol(symbol, path, step + 1);
    if (said !== 'unknown') return said;
    if (ts.isPropertyAccessExpression(node)) return this.expression(node.expression, [node.name.text, ...path], step + 1);
    if (!ts.isElementAccessExpression(node)) return 'unknown';
    return this.expression(node.expression, [this.keyName(node.argumentExpression) ?? '*', ...path], step + 1);
  }

  /** What a parameter is declared for. */
  private argument(call: ts.CallExpression | ts.NewExpression, at: number, path: Path, step: number): Origin {
    const declaration = this.checker.getResolvedSignature(call)?.declaration;
    if (declaration === undefined || ts.isJSDocSignature(declaration)) return 'unknown';
    const parameters = declaration.parameters.filter(({ name }) => !ts.isIdentifier(name) || name.text !== 'this');
    const parameter = parameters[Math.min(at, parameters.length - 1)];
    if (parameter === undefined || (at >= parameters.length && parameter.dotDotDotToken === undefined)) return 'unknown';
    const way: Path = parameter.dotDotDotToken === undefined ? path : [String(at - parameters.indexOf(parameter)), ...path];
    if (parameter.type === undefined) return this.contextual(parameter, way, step + 1);
    const env = ts.isPropertyAccessExpression(call.expression) && ts.isMappedTypeNode(declaration.parent) ? this.envOfMapped(declaration, call.expression.name) : this.envOf(call);
    return this.typeNode(parameter.type, way, env, step + 1);
  }
}

const ASSIGNMENTS: ReadonlySet<ts.SyntaxKind> = new Set([
  ts.SyntaxKind.EqualsToken, ts.SyntaxKind.QuestionQuestionEqualsToken, ts.SyntaxKind.BarBarEqualsToken, ts.SyntaxKind.AmpersandAmpersandEqualsToken,
]);

/** Operators whose outcome is their right side, as far as it can be a pointer. */
const LAST: ReadonlySet<ts.SyntaxKind> = new Set([
  ts.SyntaxKind.CommaToken, ts.SyntaxKind.EqualsToken, ts.SyntaxKind.AmpersandAmpersandToken, ts.SyntaxKind.AmpersandAmpersandEqualsToken,
]);

/** Operators whose outcome is one of their sides. */
const EITHER: ReadonlySet<ts.SyntaxKind> = new Set([
  ts.SyntaxKind.BarBarToken, ts.SyntaxKind.QuestionQuestionToken, ts.SyntaxKind.BarBarEqualsToken, ts.SyntaxKind.QuestionQuestionEqualsToken,
]);

/** The way from a generic of the language to its type argument. */
function stepInto(name: string, at: number): string {
  if (name.endsWith('Map')) return at === 0 ? '%key' : '%value';
  return isPromise(name) ? '%await' : '*';
}

function isPromise(name: string): boolean {
  return name === 'Promise' || name === 'PromiseLike';
}

/** What was found before, or is found now. What leads back to itself is not found on that way. */
function remember<K>(known: Map<K, Origin>, key: K, step: number, find: () => Origin): Origin {
  const before = known.get(key);
  if (before !== undefined) return before;
  if (step > MAX_STEPS) return 'unknown';
  known.set(key, 'unknown');
  const origin = find();
  known.set(key, origin);
  return origin;
}

/** Whether a property is one that a mapped type makes: it has the declarations of the property that it is made of, and another type. */
function isMapped(property: ts.Symbol): boolean {
  return property.valueDeclaration === undefined && (property.flags & ts.SymbolFlags.Property) !== 0 && (property.flags & ts.SymbolFlags.Transient) !== 0;
}

/** The type argument that a step leads to: which one, and of what class or interface. */
function typeArgument(step: string | undefined): { readonly at: number; readonly of: string } | undefined {
  const [, at, of] = /^%(\d+):(.*)$/.exec(step ?? '') ?? [];
  return at === undefined || of === undefined ? undefined : { at: Number(at), of };
}

/** What a function takes, as a step of a way. */
function isParameter(step: string | undefined): boolean {
  return /^\(\d+\)$/.test(step ?? '');
}

/** `[Symbol.iterator]()` and `[Symbol.asyncIterator]()`. */
function isIterator(member: ts.TypeElement | ts.ClassElement): member is ts.MethodSignature | ts.MethodDeclaration {
  const isMethod = ts.isMethodSignature(member) || ts.isMethodDeclaration(member);
  return isMethod && ts.isComputedPropertyName(member.name) && ts.isPropertyAccessExpression(member.name.expression) && ['iterator', 'asyncIterator'].includes(member.name.expression.name.text);
}

/** `...T[]` in a tuple. */
function isRest(element: ts.TypeNode | ts.NamedTupleMember): boolean {
  return ts.isRestTypeNode(element) || (ts.isNamedTupleMember(element) && element.dotDotDotToken !== undefined);
}

function isElement(step: string): boolean {
  return step === '*' || /^\d+$/.test(step);
}

function nameOf(name: ts.PropertyName | ts.BindingName | ts.DeclarationName | undefined): string | undefined {
  if (name === undefined) return undefined;
  if (ts.isIdentifier(name) || ts.isPrivateIdentifier(name) || ts.isStringLiteralLike(name) || ts.isNumericLiteral(name)) return name.text;
  return ts.isComputedPropertyName(name) && ts.isStringLiteralLike(name.expression) ? name.expression.text : undefined;
}

function either(a: Origin, b: Origin): Origin {
  if (a === b || b === 'unknown') return a;
  return a === 'unknown' ? b : 'mixed';
}
