import { AST_NODE_TYPES, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { stablePath } from '../../accessors.js';
import type { Entries } from '../../entries.js';
import type { Subject } from '../../subject.js';
import type { Typed } from '../../typed.js';

/** By variable, the other one, the field or the step that it was given, for as long as neither can have become another: both are the same entry, or the same architecture. */
export class Fields {
  private readonly types: Typed;
  private readonly entries: Entries;
  private readonly fields = new Map<string, string>();

  constructor({ types }: Subject, entries: Entries) {
    this.types = types;
    this.entries = entries;
  }

  /** Remembers what a variable was given where it was declared: `const { ptep } = fault`, where `fault.ptep` may be another later. */
  given({ id, init, parent }: TSESTree.VariableDeclarator): void {
    if (init === null || (parent.kind !== 'const' && parent.kind !== 'let')) return;
    this.takenApart(id, init, () => this.entries.pathOf(init));
  }

  /** @param of what the pattern is given, or takes a part of */
  private takenApart(pattern: TSESTree.DestructuringPattern, of: TSESTree.Node, find: () => string | undefined): void {
    if (pattern.type === AST_NODE_TYPES.Identifier) {
      this.stands(pattern, find);
      return;
    }
    if (pattern.type !== AST_NODE_TYPES.ObjectPattern) return;
    for (const property of pattern.properties) {
      if (property.type !== AST_NODE_TYPES.Property || property.computed || property.key.type !== AST_NODE_TYPES.Identifier) continue;
      const { key, value } = property;
      if (value.type !== AST_NODE_TYPES.Identifier && value.type !== AST_NODE_TYPES.ObjectPattern) continue;
      this.takenApart(value, key, () => {
        const object = find();
        const field = object === undefined ? undefined : this.types.types.checker.getPropertyOfType(this.types.typeOf(of), key.name);
        return field === undefined || (field.flags & ts.SymbolFlags.GetAccessor) !== 0 ? undefined : `${object}.${key.name}`;
      });
    }
  }

  private stands(variable: TSESTree.Identifier, find: () => string | undefined): void {
    if (this.types.handleOf(variable) === undefined && !this.types.types.isCore(this.types.typeOf(variable), 'Arch', 'WritableArch', 'LevelOps', 'WritableOps')) return;
    const own = stablePath(this.types, variable);
    const field = find();
    if (own !== undefined && field !== undefined) this.fields.set(own, this.byFields(field));
  }

  /** A path with the fields in the place of the variables that were given them. */
  byFields(path: string): string {
    return this.fields.size === 0 ? path : path.replace(VARIABLE, (name) => this.fields.get(name) ?? name);
  }

  /** Forgets what is said to have become another. */
  drop(isAnother: (path: string) => boolean): void {
    for (const [variable, field] of [...this.fields]) if (isAnother(variable) || isAnother(field)) this.fields.delete(variable);
  }

  forget(): void {
    this.fields.clear();
  }
}

/** A variable in a path. */
const VARIABLE = /[\w$]+#\d+/g;
