import { AST_NODE_TYPES, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { CalledNames } from '../../called-names.js';
import type { Settings } from '../../settings.js';
import type { Typed } from '../../typed.js';
import { isOfTest } from './assertions.js';
import { isDeclaredIn } from '../../types/packages.js';
import { CORE } from '../../types/types.js';

/** `pte_offset_map` and its siblings, what allocates a table first, and what locks one of the level above and maps it. */
const MAPS: ReadonlySet<string> = new Set(['pteOffsetMap', 'pteOffsetMapLock', 'pteOffsetMapNolock', 'pteOffsetMapRoNolock', 'pteOffsetMapRwNolock', 'pteAllocMap', 'pteAllocMapLock', 'pmdLockMap']);
const UNMAP = /^(?:pte|pmd)Unmap(?:Unlock)?$/;
/** Methods of a result that give it back. */
const UNMAP_METHOD = /^(?:unmap|unmapUnlock|unlock|release|dispose|close)$/;

/** The names of functions that map a table. */
export function mapNames({ accessors }: Settings): readonly string[] {
  return [...MAPS, ...accessors.map];
}

/** Which calls map a table, give it back, or merely read an entry: by the name that a function was declared with, whatever it is called here. */
export class MapNames {
  private readonly typed: Typed;
  private readonly checker: ts.TypeChecker;
  private readonly called: CalledNames;

  constructor(types: Typed) {
    this.typed = types;
    this.checker = types.types.checker;
    this.called = new CalledNames(types, (name) => this.isMapName(name) || UNMAP.test(name));
  }

  /** Whether a call may give a mapped table. */
  isMap(call: TSESTree.CallExpression): boolean {
    if (!this.typed.mayBeNamed(call, this.isMapName)) return false;
    const name = this.nameOf(call);
    return name !== undefined && this.isMapName(name);
  }

  private readonly isMapName = (name: string): boolean => MAPS.has(name) || this.typed.settings.accessors.map.has(name);

  /** Whether a call gives back what is among its arguments, or what it is a method of. */
  isUnmap(call: TSESTree.CallExpression): boolean {
    const name = this.nameOf(call);
    return name !== undefined && (UNMAP.test(name) || this.typed.settings.accessors.unmap.has(name));
  }

  /** Whether a call of a result's own method gives it back: `mapped.unmap()`, `mapped[Symbol.dispose]()`. */
  isUnmapMethod(call: TSESTree.CallExpression): boolean {
    const callee = call.callee;
    if (callee.type !== AST_NODE_TYPES.MemberExpression) return false;
    if (callee.computed && callee.property.type === AST_NODE_TYPES.Literal) return typeof callee.property.value === 'string' && this.isUnmapName(callee.property.value);
    if (callee.computed) return callee.property.type === AST_NODE_TYPES.MemberExpression && callee.property.property.type === AST_NODE_TYPES.Identifier && /^(?:asyncD|d)ispose$/.test(callee.property.property.name);
    return callee.property.type === AST_NODE_TYPES.Identifier && this.isUnmapName(callee.property.name);
  }

  isUnmapName(name: string): boolean {
    return UNMAP_METHOD.test(name) || UNMAP.test(name) || this.typed.settings.accessors.unmap.has(name);
  }

  /** Whether what is called merely reads or writes the entry that it is given, so that who called still holds it. */
  isAccessor(call: TSESTree.CallExpression): boolean {
    if (this.isOnlyTold(call)) return true;
    const node = this.typed.services.esTreeNodeToTSNodeMap.get(call);
    const symbol = this.called.symbolOf(node.expression);
    if (symbol === undefined) return false;
    const { get, getOnce, set } = this.typed.settings.accessors;
    if (get.has(symbol.name) || getOnce.has(symbol.name) || set.has(symbol.name)) return true;
    if (isDeclaredIn(symbol, CORE)) return true;
    const callee = ts.isPropertyAccessExpression(node.expression) ? this.checker.getTypeAtLocation(node.expression.expression) : undefined;
    return callee !== undefined && this.typed.types.isCore(callee, 'LevelOps', 'WritableOps', 'Arch', 'WritableArch', 'BasicLevelOps');
  }

  /** Whether a call looks at what it is given and does no more: a predicate, an assertion, `Boolean`, what prints, what a test expects. */
  isOnlyTold(call: TSESTree.CallExpression): boolean {
    return isOfTest(call) || this.predicateOf(call) !== undefined || /^(?:Boolean$|console\.)/.test(this.typed.services.esTreeNodeToTSNodeMap.get(call).expression.getText());
  }

  /** What a call says of an argument by its type, if it is a predicate's or an assertion's. */
  predicateOf(call: TSESTree.CallExpression): ts.TypePredicate | undefined {
    const signature = this.typed.signatureOf(call);
    return signature === undefined ? undefined : this.checker.getTypePredicateOfSignature(signature);
  }

  /** The name that what is called was declared with. */
  nameOf(call: TSESTree.CallExpression): string | undefined {
    return this.called.nameOf(call);
  }
}
