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

  private constructor(types: Types) {
    this.are = types.test((type) => types.isCore(type, 'FlushPromise'));
    this.areMade = types.test((type) => {
      const signatures = type.isUnion() ? [] : type.getCallSignatures();
      return signatures.length > 0 && signatures.every((signature) => types.passes(signature.getReturnType(), this.are));
    });
    this.areHeld = types.test((type) => {
      const list = types.container(type);
      return list !== undefined && (list.isTuple || LISTS.has(list.name)) && list.parts.some((held) => types.passes(held, this.are));
    });
  }
}

const LISTS: ReadonlySet<string> = new Set(['Array', 'ReadonlyArray']);
