import ts from 'typescript';
import { oncePer } from '../../once-per.js';
import type { Types, TypeTest } from '../../types/types.js';

/** What types are those of flush promises, for all files. */
export class Promises {
  static readonly of = oncePer((types: Types) => new Promises(types));

  /** Whether a type is that of a flush promise. */
  readonly are: TypeTest;
  /** Whether it is one of functions that make one. */
  readonly areMade: TypeTest;
  /** Whether it is one of lists of them. */
  readonly areHeld: TypeTest;
  /** Whether it is one of tuples or objects that have one, beside something else: `{ count: number; promise: FlushPromise<void> }`. */
  readonly areBeside: TypeTest;
  /** The same where it has no name of its own: what is returned as such was made to be taken apart. */
  readonly areToBeTaken: TypeTest;

  private readonly types: Types;

  private constructor(types: Types) {
    this.types = types;
    this.are = types.test((type) => types.isCore(type, 'FlushPromise') || this.isMadeOfPromise(type));
    this.areMade = types.test((type) => {
      const signatures = type.isUnion() ? [] : type.getCallSignatures();
      return signatures.length > 0 && signatures.every((signature) => types.passes(signature.getReturnType(), this.are));
    });
    this.areHeld = types.test((type) => {
      const list = types.container(types.present(type));
      return list !== undefined && (list.isTuple || LISTS.has(list.name)) && list.parts.some((held) => types.passes(held, this.are));
    });
    this.areBeside = types.test((type) => this.partsOf(type).length > 0);
    this.areToBeTaken = types.test((type) => types.passes(type, this.areBeside) && !types.present(type).isClassOrInterface());
  }

  /** The properties and places of an object or a tuple that are sure to have a promise. */
  partsOf(type: ts.Type): readonly string[] {
    const whole = this.types.present(type);
    const { checker } = this.types;
    if (checker.isTupleType(whole)) {
      const { target } = whole as ts.TupleTypeReference;
      return checker.getTypeArguments(whole as ts.TupleTypeReference).flatMap((part, at) => ((target.elementFlags[at]! & ts.ElementFlags.Required) !== 0 && this.types.passes(part, this.are) ? [String(at)] : []));
    }
    const symbol = whole.symbol as ts.Symbol | undefined;
    if ((whole.flags & ts.TypeFlags.Object) === 0 || symbol === undefined || (symbol.flags & PLAIN) === 0 || symbol.declarations?.some((one) => this.types.isOfLanguage(one)) === true) return [];
    return whole.getProperties().filter(({ flags }) => (flags & ts.SymbolFlags.Property) !== 0 && (flags & ts.SymbolFlags.Optional) === 0)
      .filter((property) => this.types.passes(checker.getTypeOfSymbol(property), this.are)).map(({ name }) => name);
  }

  /** `Readonly<FlushPromise<void>>`, `Pick<FlushPromise<void>, 'flush'>`: what a mapped type takes over from a promise, where a decision about the flush is among it. */
  private isMadeOfPromise(type: ts.Type): boolean {
    if ((type.flags & ts.TypeFlags.Object) === 0 || ((type as ts.ObjectType).objectFlags & ts.ObjectFlags.Mapped) === 0) return false;
    return DECISIONS.some((name) => type.getProperty(name)?.declarations?.some(({ parent }) => ts.isClassDeclaration(parent) && this.types.isCore(this.types.checker.getTypeAtLocation(parent), 'FlushPromise')));
  }
}

/** What types of objects are that have no methods of a class. */
const PLAIN = ts.SymbolFlags.TypeLiteral | ts.SymbolFlags.ObjectLiteral | ts.SymbolFlags.Interface;
/** What decides about a flush. */
const DECISIONS: readonly string[] = ['flush', 'gather', 'ignore'];
const LISTS: ReadonlySet<string> = new Set(['Array', 'ReadonlyArray', 'Set', 'ReadonlySet', 'Map', 'ReadonlyMap']);
