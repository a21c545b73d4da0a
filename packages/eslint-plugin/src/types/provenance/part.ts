import type ts from 'typescript';
import type { Types } from '../types.js';
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
}
