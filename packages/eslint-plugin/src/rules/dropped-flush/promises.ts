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

  private readonly types: Types;

  private constructor(types: Types) {
    this.types = types;
    this.are = types.test((type) => types.isCore(type, 'FlushPromise') || this.isMadeOfPromise(type));
    this.areMade = types.test((type) => {
      const signatures = type.isUnion() ? [] : type.getCallSignatures();
      return signatures.length > 0 && signatures.every((signature) => types.passes(signature.getReturnType(), this.are));
    });
    this.areHeld = types.test((type) => {
      const list = types.container(type);
      return list !== undefined && (list.isTuple || LISTS.has(list.name)) && list.parts.some((held) => types.passes(held, this.are));
    });
  }

  /** `Readonly<FlushPromise<void>>`, `Pick<FlushPromise<void>, 'flush'>`: what a mapped type takes over from a promise, where a decision about the flush is among it. */
  private isMadeOfPromise(type: ts.Type): boolean {
    if ((type.flags & ts.TypeFlags.Object) === 0 || ((type as ts.ObjectType).objectFlags & ts.ObjectFlags.Mapped) === 0) return false;
    return DECISIONS.some((name) => type.getProperty(name)?.declarations?.some(({ parent }) => ts.isClassDeclaration(parent) && this.types.isCore(this.types.checker.getTypeAtLocation(parent), 'FlushPromise')));
  }
}

/** What decides about a flush. */
const DECISIONS: readonly string[] = ['flush', 'gather', 'ignore'];
const LISTS: ReadonlySet<string> = new Set(['Array', 'ReadonlyArray']);
