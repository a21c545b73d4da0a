import ts from 'typescript';
import type { Types } from '../types.js';
import { Declarations } from './declarations.js';
import { Expressions } from './expressions.js';
import { Generics } from './generics.js';
import type { Origin } from './origin.js';
import { MAX_PARTS, MAX_STEPS, type Path } from './path.js';
import { Places } from './places.js';
import { Spreads } from './spreads.js';
import { WrittenTypes } from './written.js';

/** One search for where pointers came from. Its parts call each other: an expression leads to a declaration, that to a written type, and that to another expression. */
export class Trace {
  readonly types: Types;
  readonly checker: ts.TypeChecker;
  readonly expressions: Expressions;
  readonly declarations: Declarations;
  readonly written: WrittenTypes;
  readonly generics: Generics;
  readonly places: Places;
  readonly spreads: Spreads;
  private readonly wholes = new Map<ts.Node, Origin>();
  private readonly parts = new Map<ts.Node, Map<string, Origin>>();

  constructor(types: Types) {
    this.types = types;
    this.checker = types.checker;
    this.expressions = new Expressions(this);
    this.declarations = new Declarations(this);
    this.written = new WrittenTypes(this);
    this.generics = new Generics(this);
    this.places = new Places(this);
    this.spreads = new Spreads(this);
  }

  /** What was found of a part of a node before, or is found now. */
  remember(node: ts.Node, path: Path, step: number, find: () => Origin): Origin {
    if (path.length === 0) return remember(this.wholes, node, step, find);
    if (path.length > MAX_PARTS) return 'unknown';
    const ofNode = this.parts.get(node) ?? new Map<string, Origin>();
    this.parts.set(node, ofNode);
    return remember(ofNode, path.join('/'), step, find);
  }
}

/** What was found before, or is found now. What leads back to itself is not found on that way. */
function remember<K>(known: Map<K, Origin>, key: K, step: number, find: () => Origin): Origin {
  const before = known.get(key);
  if (before !== undefined) return before;
  if (step > MAX_STEPS) return 'unknown';
  known.set(key, 'unknown');
  const origin = find();
  known.set(key, origin);
  return origin;
}
