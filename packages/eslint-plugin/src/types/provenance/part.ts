import ts from 'typescript';
import type { Types } from '../types.js';
import { nameOf } from './path.js';
import type { Trace } from './trace.js';

/** One part of a search, which calls the others. */
export abstract class Part {
  protected readonly trace: Trace;
  protected readonly types: Types;
  protected readonly checker: ts.TypeChecker;

  constructor(trace: Trace) {
    this.trace = trace;
    this.types = trace.types;
    this.checker = trace.checker;
  }

  /** The name of a property, in brackets too: a constant, a member of an enum. */
  protected nameOf(name: ts.PropertyName | ts.BindingName | ts.DeclarationName | undefined): string | undefined {
    return nameOf(name) ?? (name !== undefined && ts.isComputedPropertyName(name) ? this.trace.expressions.keyName(name.expression) : undefined);
  }
}
