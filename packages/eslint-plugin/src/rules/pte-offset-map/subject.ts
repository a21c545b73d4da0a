import type { TSESLint, TSESTree } from '@typescript-eslint/utils';
import type { Typed } from '../../typed.js';
import type { MapNames } from './names.js';
import { awaited, ResultTypes } from './result-types.js';
import type { Mapped } from './worlds.js';

/** One function that maps tables, and whom to ask about what stands in it. */
export class Subject {
  readonly context: Readonly<TSESLint.RuleContext<string, readonly unknown[]>>;
  readonly typed: Typed;
  readonly names: MapNames;
  readonly results: ResultTypes;
  /** The function; or a module, a static block, or a property with its value. */
  readonly made: TSESTree.Node;
  /** What its calls map. */
  readonly mapped: ReadonlyMap<TSESTree.Node, Mapped>;

  constructor(
    context: Readonly<TSESLint.RuleContext<string, readonly unknown[]>>, types: Typed, names: MapNames, made: TSESTree.Node, calls: readonly TSESTree.CallExpression[],
  ) {
    this.context = context;
    this.typed = types;
    this.names = names;
    this.results = new ResultTypes(types, names);
    this.made = made;
    this.mapped = new Map(calls.map((call) => [call, { call, fallible: this.results.isFallible(types.typeOf(awaited(call))) }]));
  }
}
