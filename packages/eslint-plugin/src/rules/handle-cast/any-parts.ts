import ts from 'typescript';
import { firstOf } from '../../first-of.js';
import { oncePer } from '../../once-per.js';
import { pairs } from '../../pairs.js';
import { stepInto } from '../../types/provenance/path.js';
import { isReference, type Types, type TypeTest } from '../../types/types.js';
import { isRest } from '../raw-deref/launders.js';
import { Held, MAX_DEPTH, MAX_FIELDS, type HandleWithin } from './held.js';

/** Where types say `any` and others a handle, for all files. */
export class AnyParts {
  static readonly of = oncePer((types: Types) => new AnyParts(types));

  /** Whether something holds what is `any`: a list or another generic of it, or an object with a field of it. */
  readonly isHeld: TypeTest;
  /** Whether a type is one of functions that take `any`. */
  readonly isTaken: TypeTest;
  /** Whether it is one of functions that return `any`. One that takes whatever it is given too, as a stand-in does in tests, says nothing of anything. */
  readonly isReturned: TypeTest;
  private readonly types: Types;
  private readonly checker: ts.TypeChecker;
  private readonly held: Held;

  private constructor(types: Types) {
    this.types = types;
    this.checker = types.checker;
    this.held = Held.of(types);
    this.isHeld = types.test((type) => this.findAny(type, 0));
    this.isTaken = types.test((type) => this.checker.getNonNullableType(type).getCallSignatures().some(({ parameters }) => parameters.some((one) => (this.checker.getTypeOfSymbol(one).flags & ts.TypeFlags.Any) !== 0)));
    this.isReturned = types.test((type) => this.returnedBy(type).some((one) => (one.flags & ts.TypeFlags.Any) !== 0));
  }

  private returnedBy(type: ts.Type): ts.Type[] {
    return type.getCallSignatures().flatMap((signature) => (signature.parameters.some(isRest) ? [] : [signature.getReturnType()]));
  }

  /** The handle that a function is wanted to return. */
  wantedOf(type: ts.Type): HandleWithin | undefined {
    return firstOf(this.returnedBy(this.checker.getNonNullableType(type)), (one) => this.held.wanted(one));
  }

  /** @param isField whether something of the type is a field already: fields of fields are as far as this goes */
  private findAny(type: ts.Type, depth: number, isField = false): boolean {
    if (type.isUnion()) return type.types.length <= MAX_FIELDS && type.types.some((one) => this.findAny(one, depth, isField));
    if (depth > MAX_DEPTH || (type.flags & ts.TypeFlags.Object) === 0) return false;
    const isAny = (one: ts.Type | undefined): boolean => one !== undefined && (one.flags & ts.TypeFlags.Any) !== 0;
    if (isReference(type)) return this.checker.getTypeArguments(type).some((one) => isAny(one) || this.findAny(one, depth + 1, isField));
    if (isAny(type.getStringIndexType())) return true;
    const [declaration] = (type.symbol as ts.Symbol | undefined)?.declarations ?? [];
    if (declaration !== undefined && this.types.isOfLanguage(declaration)) return false;
    const properties = type.getProperties();
    return properties.length <= MAX_FIELDS && properties.some((property) => {
      // What says its type need not be asked what that is, unless it may have fields itself.
      const said = (property.valueDeclaration as Partial<ts.PropertySignature> | undefined)?.type;
      if (said === undefined) return (property.flags & ts.SymbolFlags.Method) === 0 && isAny(this.checker.getTypeOfSymbol(property));
      return said.kind === ts.SyntaxKind.AnyKeyword || (!isField && (ts.isTypeLiteralNode(said) || (ts.isTypeReferenceNode(said) && said.typeArguments === undefined)) && this.findAny(this.checker.getTypeOfSymbol(property), depth + 1, true));
    });
  }

  /** The handle that a part of what is wanted is, where the same part of what is given is `any`. */
  anyFor(given: ts.Type, wanted: ts.Type, depth: number): HandleWithin | undefined {
    if (given.flags & ts.TypeFlags.Any) return this.held.wanted(wanted);
    if (given === wanted || depth > MAX_DEPTH) return undefined;
    if (wanted.isUnion()) return firstOf(wanted.types, (one) => this.anyFor(given, one, depth));
    if (given.isUnion()) return firstOf(given.types, (one) => this.anyFor(one, wanted, depth));
    if ((given.flags & ts.TypeFlags.Object) === 0 || (wanted.flags & ts.TypeFlags.Object) === 0) return undefined;
    const [of, wantedOf] = [this.types.container(given), this.types.container(wanted)];
    if (of !== undefined && wantedOf !== undefined) {
      if (of.isTuple === wantedOf.isTuple) return stepInto(of.name, 0) === stepInto(wantedOf.name, 0) ? firstOf(pairs(of.parts, wantedOf.parts), ([one, other]) => this.anyFor(one, other, depth + 1)) : undefined;
      // A list for a tuple, and the other way round.
      return of.isTuple ? firstOf(of.parts, (one) => this.anyFor(one, wantedOf.parts[0]!, depth + 1)) : firstOf(wantedOf.parts, (one) => this.anyFor(of.parts[0]!, one, depth + 1));
    }
    if (isReference(given) && isReference(wanted)) {
      return given.target === wanted.target ? firstOf(pairs(this.checker.getTypeArguments(given), this.checker.getTypeArguments(wanted)), ([one, other]) => this.anyFor(one, other, depth + 1)) : undefined;
    }
    const named = wanted.getStringIndexType();
    const namedAs = given.getStringIndexType();
    if (named !== undefined && namedAs !== undefined) return this.anyFor(namedAs, named, depth + 1);
    if (this.held.inField(wanted) === undefined) return undefined;
    return firstOf(wanted.getProperties(), (property) => this.anyForField(given, property, depth + 1));
  }

  anyForField(given: ts.Type, wanted: ts.Symbol, depth: number): HandleWithin | undefined {
    const same = given.getProperty(wanted.name);
    const held = this.checker.getTypeOfSymbol(wanted);
    const isAside = this.held.within(held) !== undefined && this.held.isMeantAside(wanted, held);
    if (isAside || (same === undefined && (given.flags & ts.TypeFlags.Any) === 0)) return undefined;
    return this.anyFor(same === undefined ? given : this.checker.getTypeOfSymbol(same), held, depth);
  }

  anyForParameter(given: ts.Symbol, taken: ts.Symbol): HandleWithin | undefined {
    const type = this.checker.getTypeOfSymbol(taken);
    // What stands for all arguments (`...args: any[]`) says nothing of one.
    if (isRest(given) || isRest(taken) || (this.held.within(type) !== undefined && this.held.isMeantAside(taken, type))) return undefined;
    return this.anyFor(this.checker.getTypeOfSymbol(given), type, 0);
  }

  /** Whether a type is `any`, or a list of that. */
  hasAny(type: ts.Type): boolean {
    return (type.flags & ts.TypeFlags.Any) !== 0 || (isReference(type) && this.checker.getTypeArguments(type).some((one) => (one.flags & ts.TypeFlags.Any) !== 0));
  }
}
