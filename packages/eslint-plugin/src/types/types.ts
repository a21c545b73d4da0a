import type { ParserServicesWithTypeInformation } from '@typescript-eslint/utils';
import ts from 'typescript';
import { isLevel, LEVELS, type Level } from '../levels.js';
import type { HandleTypeSetting, Settings } from '../settings.js';
import { firstOf } from '../first-of.js';
import { isForeign } from './modules.js';
import { isDeclaredIn, isOrIsIn, packageOfFile } from './packages.js';
import { SOUGHT, type Brand, type CoreType } from './core-types.js';
import { Declarations } from './declarations.js';
import { CONTAINERS } from './provenance/path.js';
import { Named } from './named.js';
import { Reach, speaksFor, speaksOf } from './reach.js';

/** The package whose types are meant. Nothing is imported from it: the rules know its types by name and by where they are declared. */
export const CORE = '@pgtable/core';

/** That a type is one of a live entry's handle, or, under the alias, of a pointer to a value held aside. */
export interface Handle {
  /**
   * opaque: `HwHandle`, or a type named in the settings. It can be nothing but a handle.
   * generic: `H['pte']` of a family that is a type parameter. It can be nothing but a handle either.
   * alias: `EntryPtr`, which is the type of both, so that only where a value came from tells ({@link Provenance}).
   */
  readonly form: 'opaque' | 'generic' | 'alias';
  /** Undefined where it may be of several. */
  readonly level: Level | undefined;
}

/** That a type is of values of entries: of which level, or of some. */
export interface Value {
  readonly level: Level | undefined;
}

/** Types that are neither handles nor values, and that most expressions have. */
export const PRIMITIVE =
  ts.TypeFlags.NumberLike | ts.TypeFlags.BigIntLike | ts.TypeFlags.StringLike | ts.TypeFlags.BooleanLike | ts.TypeFlags.Undefined | ts.TypeFlags.Null | ts.TypeFlags.Void | ts.TypeFlags.ESSymbolLike;

/** A question whether something of a type is what a rule looks for. No primitive is. */
export interface TypeTest {
  /** Its own, so that all answers for a type are two numbers. */
  readonly bit: number;
  readonly find: (type: ts.Type) => boolean;
}

/** What is known of a type, by whoever asked for it. */
export interface Known {
  readonly type: ts.Type;
  /** What something of the type may be, in the terms of whoever asks; -1 where that is anything, undefined if nobody has asked. */
  possible: number | undefined;
  /** Null while nobody has asked. */
  handle: Handle | undefined | null;
  value: Value | undefined | null;
  /** The tests that were made, and those of them that the type passes. */
  tested: number;
  passed: number;
  /** The same of what something of the type may turn out to be. */
  guessed: number;
  possibly: number;
}

/** A list, a map, a promise or the like of the language. */
export interface Container {
  readonly name: string;
  readonly isTuple: boolean;
  /** What it is of. */
  readonly parts: readonly ts.Type[];
}

/** Types that have properties. */
export const STRUCTURED = ts.TypeFlags.Object | ts.TypeFlags.Intersection;

/** The interfaces of the language that say what numbers have. */
const NUMBERS: ReadonlySet<string> = new Set(['Object', 'Number']);

/** Types that may turn out to be anything. */
export const UNSAID = ts.TypeFlags.Any | ts.TypeFlags.Unknown | ts.TypeFlags.NonPrimitive;

/** What the rules ask about types, for one program. Answers are remembered by type. */
export class Types {
  readonly checker: ts.TypeChecker;
  private readonly services: ParserServicesWithTypeInformation;
  private readonly declared: readonly HandleTypeSetting[];
  private readonly core: Reach;
  private readonly sought: Declarations;
  private readonly known = new Map<ts.Type, Known>();

  private static readonly made = new WeakMap<ts.Program, Map<Settings, Types>>();

  static of(services: ParserServicesWithTypeInformation, settings: Settings): Types {
    const bySettings = Types.made.get(services.program) ?? new Map<Settings, Types>();
    const known = bySettings.get(settings);
    if (known !== undefined) return known;
    const types = new Types(services, settings);
    Types.made.set(services.program, bySettings.set(settings, types));
    return types;
  }

  private constructor(services: ParserServicesWithTypeInformation, settings: Settings) {
    this.services = services;
    this.checker = services.program.getTypeChecker();
    this.declared = settings.handleTypes;
    this.core = new Reach(services.program, (file) => speaksOf(file, CORE));
    this.sought = new Declarations(services.program, this.core, { mayBeIn: (file) => packageOfFile(file.fileName) === CORE || speaksFor(file, CORE), is: isSought });
  }

  /** Whether any file of the program can have handles. Where none can, no rule looks at anything. */
  get relevant(): boolean {
    this.knowsCore ??=
      this.declared.length > 0 ||
      this.services.program.getSourceFiles().some(({ fileName }) => packageOfFile(fileName) === CORE) ||
      this.checker.getAmbientModules().some(({ name }) => name === `"${CORE}"`);
    return this.knowsCore;
  }
  private knowsCore: boolean | undefined;

  /** Whether core, or a type that the settings name, can be reached from a file. */
  reachesCore(file: ts.SourceFile): boolean {
    return this.declared.length > 0 || this.core.from(file);
  }

  /** Whether anything in a file can have a type of core that a rule looks for, or one that the settings name. */
  reachesHandles(file: ts.SourceFile): boolean {
    return this.declared.length > 0 || this.sought.from(file);
  }

  /**
   * Whether anything in a file can have been declared with one of some names.
   *
   * @param what stands for the names: whoever says the same asks for the same
   * @param names asked for once
   */
  reachesName(file: ts.SourceFile, what: string, names: () => readonly string[]): boolean {
    let named = this.names.get(what);
    if (named === undefined) {
      named = new Named(this.services.program, names());
      this.names.set(what, named);
    }
    return named.from(file);
  }
  private readonly names = new Map<string, Named>();

  /** A question about types, answered once for each type, for all files of the program. */
  remembered<T>(find: (type: ts.Type) => T): (type: ts.Type) => T {
    const answers = new Map<ts.Type, T>();
    return (type) => {
      const answer = answers.get(type);
      // What was found before may be that there is none.
      if (answer !== undefined || answers.has(type)) return answer as T;
      const found = find(type);
      answers.set(type, found);
      return found;
    };
  }

  /** What is known of a type. */
  of(type: ts.Type): Known {
    const known = this.known.get(type);
    if (known !== undefined) return known;
    const made: Known = { type, possible: undefined, handle: null, value: null, tested: 0, passed: 0, guessed: 0, possibly: 0 };
    this.known.set(type, made);
    return made;
  }

  /** A test of types. There may be some thirty. */
  test(find: (type: ts.Type) => boolean): TypeTest {
    return { bit: 2 ** this.tests++, find };
  }
  private tests = 0;

  /** Whether a type passes a test. */
  passes(type: ts.Type, test: TypeTest): boolean {
    if ((type.flags & PRIMITIVE) !== 0) return false;
    const known = this.of(type);
    if ((known.tested & test.bit) === 0) {
      // A type that leads back to itself does not pass on that way.
      known.tested |= test.bit;
      if (test.find(type)) known.passed |= test.bit;
    }
    return (known.passed & test.bit) !== 0;
  }

  /** Whether something of a type may turn out to be of one that passes a test: as one of the members of a union, or of what may be anything. */
  mayPass(known: Known, test: TypeTest): boolean {
    if ((known.guessed & test.bit) === 0) {
      const { type } = known;
      const may = (type.flags & UNSAID) !== 0 || (type.isUnion() ? this.mayOnePass(type.types, test) : this.passes(type, test));
      known.guessed |= test.bit;
      if (may) known.possibly |= test.bit;
    }
    return (known.possibly & test.bit) !== 0;
  }

  /** The same of something of one of some types. */
  mayOnePass(members: readonly ts.Type[], test: TypeTest): boolean {
    return members.some((member) => (member.flags & PRIMITIVE) === 0 && this.mayPass(this.of(member), test));
  }

  /** What a type says of handles; for a union, what the first of its members that says anything does. */
  handle(type: ts.Type): Handle | undefined {
    if ((type.flags & PRIMITIVE) !== 0) return undefined;
    const known = this.of(type);
    if (known.handle === null) {
      // A type that leads back to itself is no handle on that way.
      known.handle = undefined;
      known.handle = this.find(type);
    }
    return known.handle;
  }

  /**
   * Whether what declares properties may declare those of a handle, under the alias of a number: a class that is one, or an object type that is one or may be added to one
   * by `&`. What the language and core declare is not.
   */
  isOfHandles(owner: ts.Node): boolean {
    if (ts.isTypeLiteralNode(owner) || ts.isObjectLiteralExpression(owner)) return true;
    if (!ts.isInterfaceDeclaration(owner) && !ts.isClassLike(owner)) return false;
    let is = this.owners.get(owner);
    if (is === undefined) {
      is = this.findsOfHandles(owner);
      this.owners.set(owner, is);
    }
    return is;
  }

  /** Whether the language itself declares something, or what comes with it. */
  isOfLanguage(declaration: ts.Node): boolean {
    return this.services.program.isSourceFileDefaultLibrary(declaration.getSourceFile());
  }

  private findsOfHandles(owner: ts.InterfaceDeclaration | ts.ClassLikeDeclaration): boolean {
    if (NUMBERS.has(owner.name?.text ?? '') || this.handle(this.checker.getTypeAtLocation(owner)) !== undefined) return true;
    if (ts.isClassLike(owner)) return false;
    return !this.isOfLanguage(owner) && packageOfFile(owner.getSourceFile().fileName) !== CORE;
  }
  private readonly owners = new Map<ts.Node, boolean>();

  private find(type: ts.Type): Handle | undefined {
    if (type.isUnion()) {
      const found = type.types.map((member) => this.handle(member)).filter((handle) => handle !== undefined);
      const first = found[0];
      if (first === undefined) return undefined;
      return {
        form: found.find(({ form }) => form !== 'alias')?.form ?? 'alias',
        level: found.every(({ level }) => level === first.level) ? first.level : undefined,
      };
    }
    const setting = this.declared.find((one) => this.isNamed(type, one));
    if (setting !== undefined) return { form: 'opaque', level: setting.level ?? this.levelArgument(type) };
    if (type.isIntersection()) {
      for (const member of type.types) {
        const handle = this.handle(member) ?? this.aliasPart(member);
        if (handle !== undefined) return handle;
      }
      return undefined;
    }
    if (type.flags & ts.TypeFlags.IndexedAccess) return this.ofFamily(type as ts.IndexedAccessType);
    if (type.flags & ts.TypeFlags.Conditional) return this.ofConditional(type as ts.ConditionalType);
    if (type.flags & ts.TypeFlags.TypeParameter) {
      const constraint = this.checker.getBaseConstraintOfType(type);
      return constraint === undefined || constraint === type ? undefined : this.handle(constraint);
    }
    if ((type.flags & ts.TypeFlags.Object) === 0) return undefined;
    const brand = this.brand(type, 'hw');
    if (brand === undefined) return this.declared.length === 0 ? undefined : this.ofBase(type);
    return { form: 'opaque', level: this.levelOf(this.checker.getTypeOfSymbol(brand)) };
  }

  /** What an interface or a class extends that the settings name. */
  private ofBase(type: ts.Type): Handle | undefined {
    const made = isReference(type) ? type.target : type;
    return made.isClassOrInterface() ? this.checker.getBaseTypes(made).map((base) => this.handle(base)).find((handle) => handle !== undefined) : undefined;
  }

  /** `{ [ptr]: L }`, the half of an `EntryPtr` that says so. */
  private aliasPart(type: ts.Type): Handle | undefined {
    if ((type.flags & ts.TypeFlags.Object) === 0) return undefined;
    const brand = this.brand(type, 'ptr');
    return brand === undefined ? undefined : { form: 'alias', level: this.levelOf(this.checker.getTypeOfSymbol(brand)) };
  }

  /** `H['pte']` where H is a type parameter that any family may stand for, or `AliasHandles[L]` of a level that is one, or `F['ptep']` of some fault. */
  private ofFamily(type: ts.IndexedAccessType): Handle | undefined {
    const { objectType, indexType } = type;
    if (objectType.flags & (ts.TypeFlags.TypeParameter | ts.TypeFlags.Conditional | ts.TypeFlags.Substitution) && this.isFamily(objectType)) return { form: 'generic', level: this.levelOf(indexType) };
    const constraint = this.checker.getBaseConstraintOfType(type);
    return constraint === undefined || constraint === type ? undefined : this.handle(constraint);
  }

  /** `Exclude<H['pte'], undefined>`, while nobody knows what H is, and what comes out of a condition, of which nobody knows what it is. */
  private ofConditional(type: ts.ConditionalType): Handle | undefined {
    const [of] = type.aliasTypeArguments ?? [];
    if (of !== undefined && /^(Exclude|Extract)$/.test(type.aliasSymbol?.name ?? '')) return this.handle(of);
    const found = this.sidesOf(type).map((side) => this.handle(side)).filter((handle) => handle?.form === 'generic');
    const [first] = found;
    return first === undefined ? undefined : { form: 'generic', level: found.every((one) => one?.level === first.level) ? first.level : undefined };
  }

  /** What may come out of a condition, as it was written. */
  private sidesOf({ root }: ts.ConditionalType): readonly ts.Type[] {
    return [root.node.trueType, root.node.falseType].map((side) => this.checker.getTypeFromTypeNode(side));
  }

  /** Whether a type is a handle family: a property for each level, each of them unknown, or a handle, or either. */
  readonly isFamily = this.remembered((type) => this.findFamily(type));

  private findFamily(type: ts.Type): boolean {
    // H extends HandleFamily ? H['pte'] : never
    if (type.flags & ts.TypeFlags.Substitution) return this.isFamily((type as ts.SubstitutionType).constraint);
    // HandlesOf<A>, of an architecture of which nobody knows which it is.
    if (type.flags & ts.TypeFlags.Conditional) return this.sidesOf(type as ts.ConditionalType).some((side) => (side.flags & ts.TypeFlags.TypeParameter) !== 0 && this.isFamily(side));
    const family = type.flags & ts.TypeFlags.TypeParameter ? this.checker.getBaseConstraintOfType(type) : type;
    if (family === undefined || (family.flags & (ts.TypeFlags.Object | ts.TypeFlags.Intersection)) === 0) return false;
    return LEVELS.every((level) => {
      const property = family.getProperty(level);
      if (property === undefined) return false;
      const handles = this.checker.getTypeOfSymbol(property);
      return (handles.flags & ts.TypeFlags.Unknown) !== 0 || this.handle(handles) !== undefined;
    });
  }

  /** Whether a type is a value of an entry, `EntryVal`: of which level, or of some. */
  value(type: ts.Type): Value | undefined {
    if ((type.flags & PRIMITIVE) !== 0) return undefined;
    const known = this.of(type);
    if (known.value === null) {
      known.value = undefined;
      known.value = this.findValue(type);
    }
    return known.value;
  }

  private findValue(type: ts.Type): Value | undefined {
    if (type.isUnion()) {
      const [first, ...others] = type.types.map((member) => this.value(member)).filter((value) => value !== undefined);
      return first === undefined || others.every(({ level }) => level === first.level) ? first : { level: undefined };
    }
    if (type.isIntersection()) return type.types.map((member) => this.value(member)).find((value) => value !== undefined);
    if (type.flags & (ts.TypeFlags.TypeParameter | ts.TypeFlags.IndexedAccess | ts.TypeFlags.Conditional)) {
      const constraint = this.checker.getBaseConstraintOfType(type);
      return constraint === undefined || constraint === type ? undefined : this.value(constraint);
    }
    if ((type.flags & ts.TypeFlags.Object) === 0) return undefined;
    const brand = this.brand(type, 'value');
    return brand === undefined ? undefined : { level: this.levelOf(this.checker.getTypeOfSymbol(brand)) };
  }

  /** Whether a type is, or extends, a class or interface of `@pgtable/core` with one of these names. */
  isCore(type: ts.Type, ...names: readonly CoreType[]): boolean {
    const question = names.length === 1 ? names[0]! : names.join();
    const answers = this.ofCore.get(question) ?? new Map<ts.Type, boolean>();
    this.ofCore.set(question, answers);
    const known = answers.get(type);
    if (known !== undefined) return known;
    const found = this.findCore(type, names);
    answers.set(type, found);
    return found;
  }
  private readonly ofCore = new Map<string, Map<ts.Type, boolean>>();

  private findCore(type: ts.Type, names: readonly CoreType[]): boolean {
    if ((type.flags & PRIMITIVE) !== 0) return false;
    if (type.isUnionOrIntersection()) return type.types.some((member) => this.isCore(member, ...names));
    const constraint = type.flags & (ts.TypeFlags.TypeParameter | ts.TypeFlags.IndexedAccess) ? this.checker.getBaseConstraintOfType(type) : undefined;
    if (constraint !== undefined && constraint !== type) return this.isCore(constraint, ...names);
    const symbols = [type.symbol as ts.Symbol | undefined, type.aliasSymbol];
    if (symbols.some((symbol) => symbol !== undefined && (names as readonly string[]).includes(symbol.name) && isDeclaredIn(symbol, CORE))) return true;
    const target = (type as Partial<ts.TypeReference>).target ?? type;
    return target.isClassOrInterface() && (this.checker.getBaseTypes(target).some((base) => this.isCore(base, ...names)) || this.implemented(target).some((base) => this.isCore(base, ...names)));
  }

  /** What a class says that it implements. */
  private implemented(type: ts.InterfaceType): ts.Type[] {
    return (type.symbol.declarations ?? []).filter(ts.isClassLike).flatMap(({ heritageClauses = [] }) =>
      heritageClauses.filter(({ token }) => token === ts.SyntaxKind.ImplementsKeyword).flatMap((clause) => clause.types.map((one) => this.checker.getTypeAtLocation(one))),
    );
  }

  /** Whether a symbol is one that `@pgtable/core` exports under that name, through whatever imports and re-exports. */
  isCoreSymbol(symbol: ts.Symbol, name: string): boolean {
    const original = this.resolved(symbol);
    return original.name === name && isDeclaredIn(original, CORE);
  }

  /** What is there when something of a type was waited for. */
  readonly awaited = this.remembered((type) => this.checker.getAwaitedType(type));

  /** A type without undefined and null. */
  readonly present = this.remembered((type) => this.checker.getNonNullableType(type));

  /** What something of a type is at least: of a type parameter, what it extends. */
  bound(type: ts.Type): ts.Type {
    return (type.flags & ts.TypeFlags.Instantiable) === 0 ? type : (this.checker.getBaseConstraintOfType(type) ?? type);
  }

  /** The list, the map, the promise or the like of the language that a type is, extends, or adds something to. */
  readonly container = this.remembered((type) => this.findContainer(type));

  private findContainer(type: ts.Type): Container | undefined {
    const whole = this.bound(type);
    if (whole.isIntersection()) return firstOf(whole.types, (member) => this.container(member));
    if ((whole.flags & ts.TypeFlags.Object) === 0) return undefined;
    const name = (whole.symbol as ts.Symbol | undefined)?.name ?? '';
    const given = isReference(whole) ? this.checker.getTypeArguments(whole) : [];
    const isTuple = this.checker.isTupleType(whole);
    if (isReference(whole) && (isTuple || CONTAINERS.has(name))) return { name, isTuple, parts: given };
    const made = isReference(whole) ? whole.target : whole;
    if (!made.isClassOrInterface()) return undefined;
    const base = firstOf(this.checker.getBaseTypes(made), (one) => this.container(one));
    // class Entries<T> extends Array<T>
    return base && { ...base, parts: base.parts.map((part) => given[made.typeParameters?.findIndex((own) => own === part) ?? -1] ?? part) };
  }

  /** What an imported or re-exported name stands for. */
  resolved(symbol: ts.Symbol): ts.Symbol {
    return symbol.flags & ts.SymbolFlags.Alias ? this.checker.getAliasedSymbol(symbol) : symbol;
  }

  private brand(type: ts.Type, name: Brand): ts.Symbol | undefined {
    // A list, a map or a promise of something has the properties of the generic: most types are one of few.
    const generic = isReference(type) ? type.target : type;
    let branded = this.branded.get(generic);
    if (branded === undefined) {
      branded = this.mayHaveHandles(generic) && generic.getProperties().some(isBrand);
      this.branded.set(generic, branded);
    }
    return branded ? type.getProperties().find((property) => isBrand(property) && (property.escapedName as string).startsWith(`__@${name}@`) && isDeclaredIn(property, CORE)) : undefined;
  }
  private readonly branded = new Map<ts.Type, boolean>();

  /**
   * Whether a class or an interface can have anything of handles, by what it declares and extends. To list its properties, the compiler would have to find out about each of
   * them. What its type arguments are is another question; of other types it is not known.
   */
  mayHaveHandles(type: ts.Type): boolean {
    return !type.isClassOrInterface() || this.declared.length > 0 || this.sought.mayLead(type.symbol.declarations ?? []);
  }

  private levelOf(type: ts.Type): Level | undefined {
    return type.isStringLiteral() && isLevel(type.value) ? type.value : undefined;
  }

  private isNamed(type: ts.Type, setting: HandleTypeSetting): boolean {
    return [type.symbol as ts.Symbol | undefined, type.aliasSymbol].some(
      (symbol) => symbol?.name === setting.name && (setting.package === undefined || isDeclaredIn(symbol, setting.package)),
    );
  }

  /** The level in `Cell<'pte'>`. */
  private levelArgument(type: ts.Type): Level | undefined {
    const given = type.aliasTypeArguments ?? (isReference(type) ? this.checker.getTypeArguments(type) : []);
    return given.map((one) => this.levelOf(one)).find((level) => level !== undefined);
  }
}

/** Whether a type is one of a generic with its type arguments, or the generic itself: a list, a map, a class with type parameters. */
export function isReference(type: ts.Type): type is ts.TypeReference {
  return (type.flags & ts.TypeFlags.Object) !== 0 && ((type as ts.ObjectType).objectFlags & ts.ObjectFlags.Reference) !== 0;
}

/** Whether a property has a symbol for its name: to the compiler it is called `__@name@number`. What is written there takes longer to find out. */
function isBrand({ escapedName }: ts.Symbol): boolean {
  return (escapedName as string)[2] === '@' && (escapedName as string).startsWith('__@');
}

/** Whether a declaration of core is one that the rules look for, or the whole of it where another file speaks for it. */
function isSought(declaration: ts.Node): boolean {
  if (isForeign(declaration)) return isOrIsIn(declaration.name.text, CORE);
  const name = (declaration as Partial<ts.NamedDeclaration>).name;
  return name !== undefined && ts.isIdentifier(name) && SOUGHT.has(name.text);
}
