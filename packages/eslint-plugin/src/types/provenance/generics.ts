import ts from 'typescript';
import { either, type Origin } from './origin.js';
import { Part } from './part.js';
import { isParameter, isThis, joined, nameOf, type Path, stepInto, takenBy, WHOLE } from './path.js';

/** How many ways there may be from something to its type argument. */
const MAX_WAYS = 16;

/** What type parameters stand for. */
type Meanings = ReadonlyMap<ts.Symbol, (path: Path, step: number) => Origin>;

/** What is given, and the way in it to what a type parameter stands for. */
interface Way {
  readonly given: ts.Expression;
  readonly way: Path;
}

/** The type parameters around a written type, and what they stand for, found out where one of them is met. */
export class Env {
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

/** No type parameters. */
export const NONE = new Env(new Set(), () => new Map());

/** What type parameters stand for where a function is called, a class is made, a type is written. */
export class Generics extends Part {
  /** What the type parameters of a called function stand for: what is written, or what the arguments are; and those of the object that it is a method of. */
  envOf(call: ts.CallExpression | ts.NewExpression): Env {
    const declaration = this.checker.getResolvedSignature(call)?.declaration;
    const ofClass = ts.isNewExpression(call) ? (this.checker.getTypeAtLocation(call).symbol as ts.Symbol | undefined)?.declarations?.find(ts.isClassLike)?.typeParameters : undefined;
    const own = (declaration === undefined || ts.isJSDocSignature(declaration) ? undefined : declaration.typeParameters) ?? ofClass ?? [];
    const holder = declaration?.parent;
    // peek = (): T | undefined => ...
    const around = holder !== undefined && (ts.isPropertyDeclaration(holder) || ts.isPropertySignature(holder)) ? holder.parent : holder;
    const object = around !== undefined && (ts.isInterfaceDeclaration(around) || ts.isClassLike(around)) && ts.isCallExpression(call) && ts.isPropertyAccessExpression(call.expression) ? call.expression.expression : undefined;
    const ofObject = object === undefined ? [] : ((around as ts.InterfaceDeclaration | ts.ClassLikeDeclaration).typeParameters ?? []);
    const inherited = this.inheritedBy(call, declaration);
    if (own.length === 0 && ofObject.length === 0 && inherited === undefined) return NONE;
    const env: Env = new Env(new Set([...own, ...ofObject, ...(inherited?.parameters ?? [])].map(({ name }) => name.text)), () => {
      const meanings = new Map<ts.Symbol, (path: Path, step: number) => Origin>();
      const parameters = declaration === undefined || ts.isJSDocSignature(declaration) ? [] : takenBy(declaration);
      const self = declaration === undefined || ts.isJSDocSignature(declaration) ? undefined : declaration.parameters.find(isThis);
      own.forEach((parameter, at) => {
        const symbol = this.checker.getSymbolAtLocation(parameter.name);
        if (symbol === undefined) return;
        const written = call.typeArguments?.[at];
        meanings.set(symbol, (path, step) => {
          if (written !== undefined) return this.trace.written.typeNode(written, path, NONE, step + 1);
          const along = (ways: readonly Way[]): Origin => ways.map(({ given, way }) => this.trace.expressions.expression(given, joined(way, path), step + 1)).reduce<Origin>(either, 'unknown');
          // What it is a method of says it first: `live.apply(undefined, [copy])`.
          const ofSelf = self?.type !== undefined && ts.isPropertyAccessExpression(call.expression) ? this.waysTo(self.type, symbol, 0) : [];
          const saidOfSelf = ofSelf.length === 0 ? 'unknown' : along(ofSelf.map((way) => ({ given: (call.expression as ts.PropertyAccessExpression).expression, way })));
          if (saidOfSelf !== 'unknown') return saidOfSelf;
          const ways = parameters.flatMap(({ type, dotDotDotToken }, index) => {
            if (type === undefined) return [];
            if (dotDotDotToken !== undefined) return this.waysOfRest(call.arguments?.slice(index) ?? [], this.waysTo(type, symbol, 0));
            const given = call.arguments?.[index];
            if (given === undefined || ts.isSpreadElement(given)) return [];
            return this.waysTo(type, symbol, 0).map((way): Way => ({ given, way }));
          });
          const said = along(ways.filter(({ way }) => !way.some(isParameter)));
          if (said !== 'unknown') return said;
          // What a callback takes says it where nothing is given, and then its bounds: `filter<S extends T>(...): S[]`.
          const taken = along(ways.filter(({ way }) => way.some(isParameter)));
          if (taken !== 'unknown' || parameter.constraint === undefined) return taken;
          const bound = this.trace.written.typeNode(parameter.constraint, path, env, step + 1);
          return bound === 'mixed' ? 'unknown' : bound;
        });
      });
      ofObject.forEach((parameter, at) => {
        const symbol = this.checker.getSymbolAtLocation(parameter.name);
        const { parent } = parameter;
        const kind = ts.isInterfaceDeclaration(parent) || ts.isClassLike(parent) ? (parent.name?.text ?? '') : '';
        if (symbol !== undefined) meanings.set(symbol, (path, step) => this.trace.expressions.expression(object!, [this.trace.written.isLib(parent) ? stepInto(kind, at) : `%${at}:${kind}`, ...path], step + 1));
      });
      inherited?.parameters.forEach((parameter, at) => {
        const symbol = this.checker.getSymbolAtLocation(parameter.name);
        if (symbol !== undefined) meanings.set(symbol, (path, step) => this.trace.written.member(inherited.by, [`%${at}:${inherited.of}`, ...path], env, step + 1));
      });
      return meanings;
    }, (symbol) => this.namedBy(call, own, symbol));
    return env;
  }

  /** The type parameters of the class whose constructor is called to make something of a class that extends it, and that class. */
  private inheritedBy(call: ts.CallExpression | ts.NewExpression, declaration: ts.SignatureDeclaration | ts.JSDocSignature | undefined): { readonly parameters: readonly ts.TypeParameterDeclaration[]; readonly of: string; readonly by: ts.Symbol } | undefined {
    const above = declaration !== undefined && ts.isConstructorDeclaration(declaration) ? declaration.parent : undefined;
    if (above?.typeParameters === undefined) return undefined;
    const by = ts.isNewExpression(call) ? (this.checker.getTypeAtLocation(call).symbol as ts.Symbol | undefined) : this.checker.getTypeAtLocation(ts.findAncestor(call, ts.isClassLike) ?? call).symbol;
    return by === undefined || by.declarations?.includes(above) === true ? undefined : { parameters: above.typeParameters, of: above.name?.text ?? '', by };
  }

  /** The ways from what is given for `...items: T[]` to what is an element there. */
  private waysOfRest(all: readonly ts.Expression[], ways: readonly Path[]): Way[] {
    return ways.flatMap(([at, ...way]) => all.flatMap((given, index): Way[] => {
      if (ts.isSpreadElement(given)) return at === '*' ? [{ given: given.expression, way: ['*', ...way] }] : [];
      return at === '*' || at === String(index) ? [{ given, way }] : [];
    }));
  }

  /** The name of a property that a type parameter of a called function stands for: what is written, or the argument that is that name. */
  private namedBy(call: ts.CallExpression | ts.NewExpression, own: readonly ts.TypeParameterDeclaration[], symbol: ts.Symbol): string | undefined {
    const at = own.findIndex(({ name }) => this.checker.getSymbolAtLocation(name) === symbol);
    if (at < 0) return undefined;
    const written = call.typeArguments?.[at];
    if (written !== undefined) return ts.isLiteralTypeNode(written) && ts.isStringLiteral(written.literal) ? written.literal.text : undefined;
    const declaration = this.checker.getResolvedSignature(call)?.declaration;
    const parameters = declaration === undefined || ts.isJSDocSignature(declaration) ? [] : takenBy(declaration);
    const index = parameters.findIndex(({ type }) => type !== undefined && ts.isTypeReferenceNode(type) && this.checker.getSymbolAtLocation(type.typeName) === symbol);
    const given = call.arguments?.[index];
    return given === undefined ? undefined : this.trace.expressions.keyName(given);
  }

  /** The ways from a value of a written type to what a type parameter stands for. */
  private waysTo(node: ts.TypeNode, parameter: ts.Symbol, depth: number): Path[] {
    const further = (into: ts.TypeNode | undefined, ...by: string[]): Path[] => (into === undefined || depth > 5 ? [] : this.waysTo(into, parameter, depth + 1).map((way) => [...by, ...way]));
    if (ts.isParenthesizedTypeNode(node) || ts.isTypeOperatorNode(node) || ts.isOptionalTypeNode(node)) return further(node.type);
    if (ts.isUnionTypeNode(node) || ts.isIntersectionTypeNode(node)) return node.types.flatMap((one) => further(one));
    if (ts.isArrayTypeNode(node)) return further(node.elementType, '*');
    if (ts.isTupleTypeNode(node)) return node.elements.flatMap((one, at) => further(ts.isNamedTupleMember(one) ? one.type : one, String(at)));
    if (ts.isFunctionTypeNode(node)) return [...further(node.type, '()'), ...takenBy(node).flatMap((one, at) => (one.dotDotDotToken === undefined ? further(one.type, `(${at})`) : this.isRestOf(one.type, parameter) ? [[`(${at}..)`]] : []))];
    if (ts.isTypeLiteralNode(node)) {
      return node.members.flatMap((one) => (ts.isPropertySignature(one) ? further(one.type, nameOf(one.name) ?? '*') : ts.isIndexSignatureDeclaration(one) ? further(one.type, '*') : []));
    }
    if (ts.isInferTypeNode(node)) return this.checker.getSymbolAtLocation(node.typeParameter.name) === parameter ? [WHOLE] : [];
    if (!ts.isTypeReferenceNode(node)) return [];
    const symbol = this.checker.getSymbolAtLocation(node.typeName);
    if (symbol === parameter) return [WHOLE];
    return (node.typeArguments ?? []).flatMap((one, at) => {
      const known = symbol === undefined || depth > 5 ? [] : this.waysIn(this.types.resolved(symbol), at, depth);
      return known.length === 0 ? further(one, stepInto(node.typeName.getText(), at)) : known.flatMap((way) => further(one, ...way));
    });
  }

  /** The ways from a value of a generic type of the program's own to what is its type argument of that number: `Result<T>`, `OneOrMany<T>`. */
  private waysIn(generic: ts.Symbol, at: number, depth: number): readonly Path[] {
    return (generic.declarations ?? []).flatMap((declaration) => {
      if ((!ts.isTypeAliasDeclaration(declaration) && !ts.isInterfaceDeclaration(declaration) && !ts.isClassLike(declaration)) || this.trace.written.isLib(declaration)) return [];
      const parameter = declaration.typeParameters?.[at];
      const own = parameter === undefined ? undefined : this.checker.getSymbolAtLocation(parameter.name);
      if (own === undefined) return [];
      const known = this.ways.get(own);
      if (known !== undefined) return known;
      // A type that leads back to itself has nothing more on that way.
      this.ways.set(own, []);
      const found = ts.isTypeAliasDeclaration(declaration) ? this.waysTo(declaration.type, own, depth + 1) : [[`%${at}:${declaration.name?.text ?? ''}`], ...declaration.members.flatMap((one) => this.waysOfField(one, own, depth + 1))];
      this.ways.set(own, found.slice(0, MAX_WAYS));
      return found.slice(0, MAX_WAYS);
    });
  }
  private readonly ways = new Map<ts.Symbol, readonly Path[]>();

  private waysOfField(member: ts.TypeElement | ts.ClassElement, parameter: ts.Symbol, depth: number): Path[] {
    const name = ts.isPropertySignature(member) ? nameOf(member.name) : undefined;
    const { type } = member as Partial<ts.PropertySignature>;
    return name === undefined || type === undefined ? [] : this.waysTo(type, parameter, depth).map((way) => [name, ...way]);
  }

  /** What `infer` found in the type that a conditional one asks about. */
  inferred({ checkType, extendsType }: ts.ConditionalTypeNode, around: Env): Env {
    const found: ts.TypeParameterDeclaration[] = [];
    const visit = (node: ts.Node): void => {
      if (ts.isInferTypeNode(node)) found.push(node.typeParameter);
      else ts.forEachChild(node, visit);
    };
    visit(extendsType);
    if (found.length === 0) return around;
    return new Env(new Set(found.map(({ name }) => name.text)), () => {
      const meanings = new Map<ts.Symbol, (path: Path, step: number) => Origin>();
      for (const { name } of found) {
        const symbol = this.checker.getSymbolAtLocation(name);
        if (symbol === undefined) continue;
        const ways = this.waysTo(extendsType, symbol, 0);
        meanings.set(symbol, (path, step) => ways.map((way) => this.trace.written.typeNode(checkType, [...way, ...path], around, step + 1)).reduce<Origin>(either, 'unknown'));
      }
      return meanings;
    }, undefined, around);
  }

  /** Whether all that follows in a list of parameters is a type parameter, or begins with it: `...args: A`, `...args: [...A, ...B]`. */
  private isRestOf(node: ts.TypeNode | undefined, parameter: ts.Symbol): boolean {
    const first = node !== undefined && ts.isTupleTypeNode(node) ? node.elements[0] : node;
    const type = first !== undefined && ts.isRestTypeNode(first) ? first.type : first;
    return type !== undefined && ts.isTypeReferenceNode(type) && this.checker.getSymbolAtLocation(type.typeName) === parameter;
  }

  /** The type parameters in a mapped type, where it makes the property of that name. */
  keyed(node: ts.MappedTypeNode, name: string, around: Env): Env {
    const key = this.checker.getSymbolAtLocation(node.typeParameter.name);
    const made = key === undefined ? undefined : keyBefore(node.nameType, name);
    return made === undefined ? around : new Env(new Set([node.typeParameter.name.text]), () => new Map(), (symbol) => (symbol === key ? made : undefined), around);
  }

  /** The type parameters of a function that a mapped type makes the property of that name of. */
  envOfMapped(declaration: ts.SignatureDeclaration, name: ts.PropertyName | ts.DeclarationName | undefined): Env {
    const property = nameOf(name);
    return property !== undefined && ts.isMappedTypeNode(declaration.parent) ? this.keyed(declaration.parent, property, NONE) : NONE;
  }

  /** What the type parameters of something that is written with type arguments stand for. */
  parametersOf(symbol: ts.Symbol, written: readonly ts.TypeNode[], env: Env): Env {
    const generic = (symbol.declarations ?? []).filter((one) => ts.isTypeAliasDeclaration(one) || ts.isInterfaceDeclaration(one) || ts.isClassLike(one)).flatMap(({ typeParameters = [] }) => [typeParameters]);
    if (generic.every((parameters) => parameters.length === 0)) return NONE;
    return new Env(new Set(generic.flatMap((parameters) => parameters.map(({ name }) => name.text))), () => {
      const meanings = new Map<ts.Symbol, (path: Path, step: number) => Origin>();
      for (const parameters of generic) {
        parameters.forEach((parameter, at) => {
          const own = this.checker.getSymbolAtLocation(parameter.name);
          const given = written[at] ?? parameter.default;
          if (own !== undefined && given !== undefined) meanings.set(own, (path, step) => this.trace.written.typeNode(given, path, env, step + 1));
        });
      }
      return meanings;
    }, (symbol) => {
      const at = generic.map((parameters) => parameters.findIndex(({ name }) => this.checker.getSymbolAtLocation(name) === symbol)).find((index) => index >= 0);
      return at === undefined ? undefined : this.nameIn(written[at], env);
    });
  }

  /** The name of a property that a written type is: a literal, or a type parameter that stands for one. */
  nameIn(node: ts.TypeNode | undefined, env: Env): string | undefined {
    if (node === undefined) return undefined;
    if (ts.isLiteralTypeNode(node) && ts.isStringLiteral(node.literal)) return node.literal.text;
    const symbol = ts.isTypeReferenceNode(node) ? this.checker.getSymbolAtLocation(node.typeName) : undefined;
    return symbol === undefined ? undefined : env.keyOf(symbol);
  }
}

/** The key that a mapped type made a name of: `entry` of `getEntry`, where it says ``as `get${Capitalize<K>}` ``. */
function keyBefore(made: ts.TypeNode | undefined, name: string): string | undefined {
  if (made === undefined || !ts.isTemplateLiteralTypeNode(made)) return name;
  const { head, templateSpans: [span, ...more] } = made;
  if (span === undefined || more.length > 0 || !name.startsWith(head.text) || !name.endsWith(span.literal.text)) return undefined;
  const middle = name.slice(head.text.length, name.length - span.literal.text.length);
  const how = ts.isTypeReferenceNode(span.type) ? span.type.typeName.getText() : '';
  const first = how === 'Capitalize' ? middle.charAt(0).toLowerCase() : how === 'Uncapitalize' ? middle.charAt(0).toUpperCase() : middle.charAt(0);
  return first + middle.slice(1);
}
