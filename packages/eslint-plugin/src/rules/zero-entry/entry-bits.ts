import { AST_NODE_TYPES, ASTUtils, TSESLint, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { entryRead } from '../../accessors.js';
import { bare } from '../../ast.js';
import type { Level } from '../../levels.js';
import type { Typed } from '../../typed.js';
import type { Memory } from './memory.js';
import type { Zeros } from './zeros.js';

/** Something that holds an entry's bits: of which level, where that is known. */
export interface Entry {
  readonly level: Level | undefined;
  /** Whether it is a value of an entry by its type, so that predicates take it. */
  readonly isValue: boolean;
}

/** Types that no bits of an entry have. */
const NO_BITS = ts.TypeFlags.BooleanLike | ts.TypeFlags.StringLike | ts.TypeFlags.Object | ts.TypeFlags.Undefined | ts.TypeFlags.Null;

/** How far a variable is followed to what it was read from. */
const MAX_DEPTH = 4;
/** What a mask of 64 bits is that leaves an entry as it is. */
const ALL_BITS = 0xffff_ffff_ffff_ffffn;

/** What holds entries in a file. */
export class EntryBits {
  private readonly sourceCode: Readonly<TSESLint.SourceCode>;
  private readonly types: Typed;
  private readonly checker: ts.TypeChecker;
  private readonly zeros: Zeros;
  private readonly memory: Memory;

  constructor(sourceCode: Readonly<TSESLint.SourceCode>, types: Typed, zeros: Zeros, memory: Memory) {
    this.sourceCode = sourceCode;
    this.types = types;
    this.checker = types.types.checker;
    this.zeros = zeros;
    this.memory = memory;
  }

  /** What holds an entry: its value, the bits that stand in memory, or either of them converted as a whole. */
  of(node: TSESTree.Node, depth = 0): Entry | undefined {
    const value = this.types.valueOf(node);
    if (value !== undefined) return this.isEmptyEntry(node) ? undefined : { level: value.level, isValue: true };
    const inner = bare(node as TSESTree.Expression);
    if (inner !== node) return asBits(this.of(inner, depth));
    if (inner.type === AST_NODE_TYPES.CallExpression) return asBits(this.ofCall(inner, depth));
    if (inner.type === AST_NODE_TYPES.AssignmentExpression && inner.operator === '=') return asBits(this.of(inner.right, depth));
    if (inner.type === AST_NODE_TYPES.SequenceExpression) return asBits(this.of(inner.expressions.at(-1)!, depth));
    // Both halves of an entry at once.
    if (inner.type === AST_NODE_TYPES.BinaryExpression && inner.operator === '|') return asBits(this.of(inner.left, depth) && this.of(inner.right, depth));
    // All of its bits.
    if (inner.type === AST_NODE_TYPES.BinaryExpression && inner.operator === '&') return this.isAllBits(inner.right) ? asBits(this.of(inner.left, depth)) : this.isAllBits(inner.left) ? asBits(this.of(inner.right, depth)) : undefined;
    // No entry, as a zero: what is found is compared with an empty one all the same.
    if (inner.type === AST_NODE_TYPES.LogicalExpression && inner.operator !== '&&') return this.zeros.isZero(inner.right) ? asBits(this.of(inner.left, depth)) : undefined;
    if (inner.type === AST_NODE_TYPES.MemberExpression && inner.computed) {
      if (this.types.isLive(inner.property)) return this.holdsNoBits(inner.object) ? undefined : { level: this.types.handleOf(inner.property)?.level, isValue: false };
      return this.memory.isTableMemory(inner.object) ? { level: undefined, isValue: false } : undefined;
    }
    return inner.type === AST_NODE_TYPES.Identifier && depth < MAX_DEPTH ? asBits(this.ofVariable(inner, depth + 1)) : undefined;
  }

  /** Whether what is kept by entries is something about them: `young[ptep]`, of a list of booleans, and names. */
  private holdsNoBits(list: TSESTree.Expression): boolean {
    const element = this.types.types.present(this.types.typeOf(list)).getNumberIndexType();
    return element !== undefined && (element.isUnion() ? element.types : [element]).every(({ flags }) => (flags & NO_BITS) !== 0);
  }

  /** 0xffff_ffff_ffff_ffffn, or a constant that is just that, and is written as constants are: most masks are lists of bits, which are not looked up. */
  private isAllBits(node: TSESTree.Node): boolean {
    if (node.type === AST_NODE_TYPES.Literal) return node.value === ALL_BITS;
    if (node.type !== AST_NODE_TYPES.Identifier || !/^[A-Z]/.test(node.name)) return false;
    const type = this.types.typeOf(node);
    return (type.flags & ts.TypeFlags.BigIntLiteral) !== 0 && (type as ts.BigIntLiteralType).value.base10Value === String(ALL_BITS);
  }

  /** `arch.values.pte.empty`: whoever asks whether that is zero asks for just this. */
  private isEmptyEntry(node: TSESTree.Node): boolean {
    const inner = bare(node as TSESTree.Expression);
    return inner.type === AST_NODE_TYPES.MemberExpression && !inner.computed && inner.property.type === AST_NODE_TYPES.Identifier && inner.property.name === 'empty' && this.types.types.isCore(this.types.typeOf(inner.object), 'EntryValues');
  }

  /** A variable that was read from a table some lines above, and is given nothing else. */
  private ofVariable(node: TSESTree.Identifier, depth: number): Entry | undefined {
    const variable = ASTUtils.findVariable(this.sourceCode.getScope(node), node);
    const [definition] = variable?.defs ?? [];
    if (variable === null || definition === undefined) return undefined;
    if (definition.type === TSESLint.Scope.DefinitionType.Parameter) return this.memory.isElementOfTables(definition.node, definition.name) ? { level: undefined, isValue: false } : undefined;
    if (definition.type !== TSESLint.Scope.DefinitionType.Variable) return undefined;
    const { id } = definition.node;
    const loop = definition.parent.parent;
    if (loop.type === AST_NODE_TYPES.ForOfStatement && loop.left === definition.parent) {
      // for (const [index, entry] of tables.elements.entries())
      const list = id.type === AST_NODE_TYPES.Identifier ? loop.right : id.type === AST_NODE_TYPES.ArrayPattern && id.elements[1] === definition.name ? objectOfEntries(loop.right) : undefined;
      return list !== undefined && this.memory.isTableMemory(list) ? { level: undefined, isValue: false } : undefined;
    }
    if (id.type !== AST_NODE_TYPES.Identifier) return undefined;
    const given = variable.references.filter((reference) => reference.isWrite()).map(({ writeExpr, identifier }) =>
      writeExpr && (identifier.parent.type === AST_NODE_TYPES.VariableDeclarator || (identifier.parent.type === AST_NODE_TYPES.AssignmentExpression && identifier.parent.operator === '=')) ? this.of(writeExpr, depth) : undefined,
    );
    return given.every((one) => one !== undefined) ? given[0] : undefined;
  }

  private ofCall(node: TSESTree.CallExpression, depth: number): Entry | undefined {
    const callee = bare(node.callee);
    const name = this.sourceCode.getText(node.callee);
    const [first, second] = node.arguments;
    if (name === 'Number' || name === 'BigInt') return first === undefined ? undefined : this.of(first, depth);
    // Of all bits, and not of some of them.
    if (name === 'BigInt.asUintN' || name === 'BigInt.asIntN') return second !== undefined && this.sourceCode.getText(first) === '64' ? this.of(second, depth) : undefined;
    // What the last two give is what stood there before.
    if (/^Atomics\.(load|exchange|compareExchange)$/.test(name) && second !== undefined) {
      if (this.types.isLive(second)) return { level: this.types.handleOf(second)?.level, isValue: false };
      return this.memory.isTableMemory(first!) ? { level: undefined, isValue: false } : undefined;
    }
    // A getter that the settings name, whatever it returns.
    const read = entryRead(this.types, node);
    if (read !== undefined) return { level: read.level, isValue: false };
    if (callee.type === AST_NODE_TYPES.MemberExpression && !callee.computed && callee.property.type === AST_NODE_TYPES.Identifier) {
      if (callee.property.name === 'valueOf') return this.of(callee.object, depth);
      if (/^(at|getBigU?[iI]nt64)$/.test(callee.property.name) && this.memory.isTableMemory(callee.object)) return { level: undefined, isValue: false };
    }
    return this.isCoreCall(node, 'raw') ? { level: first === undefined ? undefined : this.types.handleOf(first)?.level, isValue: false } : undefined;
  }

  /** Whether what is called is declared by that name in `@pgtable/core`, whatever it is called here. */
  isCoreCall(node: TSESTree.CallExpression, name: string): boolean {
    const declaration = this.types.signatureOf(node)?.declaration;
    if (declaration === undefined || ts.isJSDocSignature(declaration)) return false;
    const symbol = declaration.name === undefined ? undefined : this.checker.getSymbolAtLocation(declaration.name);
    return symbol !== undefined && this.types.types.isCoreSymbol(symbol, name);
  }
}

/** The list of `list.entries()`. */
function objectOfEntries(node: TSESTree.Expression): TSESTree.Expression | undefined {
  const isEntries = node.type === AST_NODE_TYPES.CallExpression && node.callee.type === AST_NODE_TYPES.MemberExpression && ASTUtils.getPropertyName(node.callee) === 'entries';
  return isEntries ? (node.callee as TSESTree.MemberExpression).object : undefined;
}

/** The same bits without the type that says so. */
function asBits(entry: Entry | undefined): Entry | undefined {
  return entry === undefined ? undefined : { level: entry.level, isValue: false };
}
