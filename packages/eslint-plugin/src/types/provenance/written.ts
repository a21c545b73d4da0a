import ts from 'typescript';
import { type Env, NONE } from './generics.js';
import { either, type Origin } from './origin.js';
import { Part } from './part.js';
import { isElement, isParameter, isPromise, MAX_PARTS, MAX_STEPS, type Path, takenBy, typeArgument } from './path.js';

/** How often a conditional type is gone into by way of itself, `Leaf<U>` in `Leaf<T>`. */
const MAX_ENTERED = 2;

/** What a written type, or a part of it, is meant for. */
export class WrittenTypes extends Part {
  private readonly mentioned = new Map<ts.TypeNode, ReadonlySet<string>>();
  /** How often the search is within a conditional type: one that leads to itself is another each time, and has two ways. */
  private readonly entered = new Map<ts.ConditionalTypeNode, number>();

  typeNode(node: ts.TypeNode, path: Path, env: Env, step: number): Origin {
    if (env === NONE || !env.isMentioned(this.namesIn(node))) return this.trace.remember(node, path, step, () => this.written(node, path, NONE, step + 1));
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
    if (ts.isUnionTypeNode(node) || ts.isIntersectionTypeNode(node)) return (ts.isUnionTypeNode(node) || at === undefined ? node.types : this.having(node, at)).map((one) => this.typeNode(one, path, env, step)).reduce<Origin>(either, 'unknown');
    if (ts.isTypeQueryNode(node)) {
      const symbol = this.checker.getSymbolAtLocation(node.exprName);
      return symbol === undefined ? 'unknown' : this.trace.declarations.symbol(symbol, path, step);
    }
    if (ts.isImportTypeNode(node) && at === undefined) {
      const symbol = node.qualifier === undefined ? undefined : this.checker.getSymbolAtLocation(node.qualifier);
      return symbol !== undefined && this.types.isCoreSymbol(symbol, 'EntryPtr') ? 'aside' : this.byType(node);
    }
    if (ts.isConditionalTypeNode(node)) return this.conditional(node, path, env, step);
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
    if (ts.isFunctionTypeNode(node)) return at === '()' ? this.typeNode(node.type, rest, env, step) : isParameter(at) ? this.trace.declarations.taken(node, path, env, step) : 'unknown';
    if (ts.isMappedTypeNode(node)) return node.type === undefined ? 'unknown' : this.typeNode(node.type, rest, this.trace.generics.keyed(node, at, env), step);
    if (ts.isTypeLiteralNode(node)) return this.isFamily(node, path) ? 'live' : this.inMembers(node.members, path, env, step);
    return 'unknown';
  }

  /** The parts of an intersection that have a property, where any of them is known to. */
  private having({ types }: ts.IntersectionTypeNode, name: string): readonly ts.TypeNode[] {
    const found = types.filter((one) => this.checker.getTypeFromTypeNode(one).getProperty(name) !== undefined);
    return found.length === 0 ? types : found;
  }

  /** `K extends 'live' ? H['pte'] : EntryPtr<'pte'>`: the way that the name goes, or else what all ways have in common. */
  private conditional(node: ts.ConditionalTypeNode, path: Path, env: Env, step: number): Origin {
    const entered = this.entered.get(node) ?? 0;
    if (entered === MAX_ENTERED) return 'unknown';
    this.entered.set(node, entered + 1);
    const said = this.chosen(node, path, env, step);
    this.entered.set(node, entered);
    return said;
  }

  private chosen(node: ts.ConditionalTypeNode, path: Path, env: Env, step: number): Origin {
    const name = this.trace.generics.nameIn(node.checkType, env);
    const named = name === undefined ? [] : ts.isUnionTypeNode(node.extendsType) ? node.extendsType.types : [node.extendsType];
    const isNames = named.length > 0 && named.every((one) => ts.isLiteralTypeNode(one));
    const [isFirst, isSecond] = isNames ? [named.some((one) => this.trace.generics.nameIn(one, env) === name), named.every((one) => this.trace.generics.nameIn(one, env) !== name)] : [true, true];
    const first = isFirst ? this.typeNode(node.trueType, path, this.trace.generics.inferred(node, env), step) : 'unknown';
    const second = isSecond ? this.typeNode(node.falseType, path, env, step) : 'unknown';
    const said = either(first, second);
    return said === 'mixed' ? 'unknown' : said;
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
    const inner = this.trace.generics.parametersOf(original, arguments_, env);
    const alias = original.declarations?.find(ts.isTypeAliasDeclaration);
    if (alias !== undefined) {
      if (this.isLib(alias)) {
        if (original.name === 'ReturnType') return argument(0, ['()', ...path]);
        if (original.name === 'Awaited') return argument(0, ['%await', ...path]);
        if (original.name === 'Parameters' || original.name === 'ConstructorParameters') return this.parameterOf(arguments_[0], path, step);
        if (original.name === 'FlatArray') return [['*', '*'], ['*']].map((way) => argument(0, [...way, ...path])).find((one) => one !== 'unknown') ?? 'unknown';
        if (original.name === 'Record') return at === undefined ? 'unknown' : argument(1, rest);
      }
      const said = this.typeNode(alias.type, path, inner, step);
      if (said !== 'unknown') return said;
      // NonNullable<Ptep>, Readonly<...>: what it is of.
      return arguments_.map((one) => this.typeNode(one, path, env, step)).reduce<Origin>(either, 'unknown');
    }
    if (at === undefined) return this.byType(node);
    const held = this.inContainer(original, path);
    if (held !== undefined) return held.at === undefined ? 'unknown' : argument(held.at, held.rest);
    const said = this.member(original, path, inner, step);
    // A list of somebody's own: what it is of.
    return said === 'unknown' && at === '*' ? arguments_.map((one) => this.typeNode(one, rest, env, step)).reduce<Origin>(either, 'unknown') : said;
  }

  /** The type argument of a list, a map or a promise of the language that a way leads to, and the rest of the way; undefined of what is none. */
  private inContainer(generic: ts.Symbol, [at = '', ...rest]: Path): { readonly at: number | undefined; readonly rest: Path } | undefined {
    if (generic.declarations?.some((one) => this.isLib(one)) !== true) return undefined;
    if (generic.name.endsWith('Map')) {
      if (at === '%key' || at === '%value') return { at: at === '%key' ? 0 : 1, rest };
      return { at: at === '*' && (rest[0] === '0' || rest[0] === '1') ? Number(rest[0]) : undefined, rest: rest.slice(1) };
    }
    if (isPromise(generic.name)) return { at: at === '%await' ? 0 : undefined, rest };
    return isElement(at) ? { at: 0, rest } : undefined;
  }

  /** `Parameters<typeof f>[0]`, `ConstructorParameters<typeof C>[0]` */
  private parameterOf(node: ts.TypeNode | undefined, path: Path, step: number): Origin {
    const declaration = node === undefined ? undefined : this.calledBy(this.checker.getTypeFromTypeNode(node));
    const parameter = declaration === undefined ? undefined : takenBy(declaration)[Number(path[0])];
    return parameter === undefined ? 'unknown' : this.trace.declarations.declaration(parameter, path.slice(1), step + 1);
  }

  private calledBy(type: ts.Type): ts.SignatureDeclaration | undefined {
    const [signature] = [...type.getCallSignatures(), ...type.getConstructSignatures()];
    // A class without a constructor has a signature that nobody wrote.
    return signature?.declaration === undefined || ts.isJSDocSignature(signature.declaration) ? undefined : signature.declaration;
  }

  /** A part of a class or an interface. */
  member(symbol: ts.Symbol, path: Path, env: Env, step: number): Origin {
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
      const yielded = iterator === undefined ? 'unknown' : iterator.type === undefined ? this.trace.declarations.returned(iterator, path, step + 1) : this.typeNode(iterator.type, path, env, step + 1);
      if (yielded !== 'unknown') return yielded;
      const inherited = this.inherited(declaration, path, env, step);
      if (inherited !== 'unknown') return inherited;
    }
    return 'unknown';
  }

  /** A part of what a class or an interface extends or implements. */
  inherited(declaration: ts.ClassLikeDeclaration | ts.InterfaceDeclaration, path: Path, env: Env, step: number): Origin {
    for (const base of (declaration.heritageClauses ?? []).flatMap(({ types }) => types)) {
      const extended = this.checker.getSymbolAtLocation(base.expression);
      if (extended === undefined) continue;
      const original = this.types.resolved(extended);
      // class Saved extends Map<bigint, EntryPtr<'pte'>>
      const held = this.inContainer(original, path);
      const argument = held?.at === undefined ? undefined : base.typeArguments?.[held.at];
      const find = (): Origin => held !== undefined && argument !== undefined ? this.typeNode(argument, held.rest, env, step) : this.member(original, path, this.trace.generics.parametersOf(original, base.typeArguments ?? [], env), step + 1);
      // Interfaces that extend several may lead to one of them on many ways.
      const found = base.typeArguments === undefined ? this.trace.remember(base, path, step, find) : find();
      if (found !== 'unknown') return found;
    }
    return 'unknown';
  }

  private inMembers(members: readonly (ts.TypeElement | ts.ClassElement)[], path: Path, env: Env, step: number): Origin {
    const [name, ...rest] = path;
    const properties = members.flatMap((member): readonly ts.Declaration[] => (ts.isConstructorDeclaration(member) ? member.parameters.filter((one) => ts.isParameterPropertyDeclaration(one, member)) : [member]));
    const found = properties.find((member) => this.nameOf((member as ts.NamedDeclaration).name) === name) ?? members.find(ts.isIndexSignatureDeclaration);
    if (found === undefined || name === '()' || typeArgument(name) !== undefined) return 'unknown';
    const { type } = found as Partial<ts.PropertySignature>;
    if (type === undefined) return this.trace.declarations.declaration(found, rest, step);
    if (ts.isMethodSignature(found) || ts.isMethodDeclaration(found)) return isParameter(rest[0]) ? this.trace.declarations.taken(found, rest, env, step) : rest[0] === '()' ? this.typeNode(type, rest.slice(1), env, step) : 'unknown';
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

  isLib(node: ts.Node): boolean {
    return /[\\/]lib\.[^\\/]*\.d\.ts$/.test(node.getSourceFile().fileName);
  }
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
