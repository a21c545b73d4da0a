import { AST_NODE_TYPES, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { isPrimitive } from '../../ast.js';
import { firstOf } from '../../first-of.js';
import type { Typed } from '../../typed.js';
import { STRUCTURED } from '../../types/types.js';
import type { Containers } from './containers.js';
import type { Places } from './places.js';
import { Questions } from './questions.js';

/** How many lists in lists are looked into. */
const MAX_LISTS = 2;

/** Handles that become text with what holds them. */
export class Written extends Questions {
  private readonly containers: Containers;
  private readonly places: Places;

  constructor(typed: Typed, containers: Containers, places: Places) {
    super(typed);
    this.containers = containers;
    this.places = places;
  }

  /** The type of a live handle in a list that becomes text. Handles that stand in a literal themselves stand at a place. */
  liveListed(value: TSESTree.Node): ts.Type | undefined {
    if (value.type === AST_NODE_TYPES.ArrayExpression) return firstOf(value.elements, (element) => (element === null ? undefined : this.liveListed(element.type === AST_NODE_TYPES.SpreadElement ? element.argument : element)));
    return isPrimitive(value) ? undefined : this.liveInText(value as TSESTree.Expression);
  }

  /** The same of what is no literal. Who says what text it becomes need not write what it has. */
  liveInText(list: TSESTree.Expression | TSESTree.PrivateIdentifier): ts.Type | undefined {
    const held = list.type === AST_NODE_TYPES.PrivateIdentifier ? undefined : this.containers.liveWithin(list);
    const written = held === undefined ? undefined : this.checker.getNonNullableType(this.typed.typeOf(list)).getProperty('toString')?.declarations;
    return written === undefined || written.some((one) => this.places.isOfLanguage(one)) ? held : undefined;
  }

  /** The type of a live handle that is written out with what holds it: a list, an object, or a literal with one of those in it. Handles that stand in a literal themselves stand at a place. */
  liveWritten(value: TSESTree.Node): ts.Type | undefined {
    if (value.type === AST_NODE_TYPES.ArrayExpression) return firstOf(value.elements, (element) => (element === null ? undefined : this.liveWritten(element.type === AST_NODE_TYPES.SpreadElement ? element.argument : element)));
    if (value.type === AST_NODE_TYPES.ObjectExpression) return firstOf(value.properties, (one) => (one.type === AST_NODE_TYPES.Property ? this.liveWritten(one.value) : this.liveWritten(one.argument)));
    if (isPrimitive(value) || this.typed.handleOf(value) !== undefined) return undefined;
    return this.containers.liveWithin(value as TSESTree.Expression) ?? this.liveProperty(value as TSESTree.Expression);
  }

  /** The type of a live handle that is a property of an object, or of each in a list. */
  private liveProperty(object: TSESTree.Expression): ts.Type | undefined {
    return object.type === AST_NODE_TYPES.ObjectExpression ? undefined : this.livePropertyOf(this.checker.getNonNullableType(this.typed.typeOf(object)), object);
  }

  private livePropertyOf(given: ts.Type, object: TSESTree.Expression, depth = 0): ts.Type | undefined {
    const type = this.typed.types.bound(given);
    if (type.isUnion()) return firstOf(type.types, (one) => this.livePropertyOf(one, object, depth));
    const element = this.checker.isArrayLikeType(type) ? type.getNumberIndexType() : undefined;
    if (element !== undefined) return depth > MAX_LISTS ? undefined : this.livePropertyOf(this.checker.getNonNullableType(element), object, depth + 1);
    // Who says how it is written need not write what it has.
    if ((type.flags & STRUCTURED) === 0 || this.checker.isArrayLikeType(type) || type.getProperty('toJSON') !== undefined) return undefined;
    for (const property of type.getProperties()) {
      // What is private by its name is not seen.
      const { valueDeclaration } = property;
      const name = valueDeclaration === undefined ? undefined : ts.getNameOfDeclaration(valueDeclaration);
      if (name !== undefined && ts.isPrivateIdentifier(name)) continue;
      const held = this.checker.getTypeOfSymbolAtLocation(property, this.ts(object));
      const handle = this.typed.types.handle(held);
      if (handle !== undefined && (handle.form !== 'alias' || this.typed.provenance.ofMeant(property) !== 'aside')) return held;
    }
    // What `Object.fromEntries` makes of a map.
    const indexed = type.getStringIndexType();
    const handle = indexed === undefined ? undefined : this.typed.types.handle(indexed);
    return handle !== undefined && (handle.form !== 'alias' || this.typed.provenance.ofElements(this.ts(object)) !== 'aside') ? indexed : undefined;
  }
}
