import { AST_NODE_TYPES, ASTUtils, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import { ancestors, bare } from '../ast.js';
import type { Typed } from '../typed.js';

/*
 * What is in reach need not be what is meant: beside the architecture there may be another machine with its own tables, and beside the address the entries of a whole
 * table. A fix is kept away where the code says so.
 */

type Context = Readonly<TSESLint.RuleContext<string, readonly unknown[]>>;

/**
 * Whether an architecture may be that of something: of the memory of its tables, of one of its entries, of the value of one. What is taken of an object that has an architecture itself is
 * of that one: `from.tables.elements` is not what `to` has.
 *
 * @param arch what is in reach: `arch`, `this.arch`
 */
export function isArchOf(context: Context, typed: Typed, arch: string, part: TSESTree.Node): boolean {
  return ownersOf(context, typed, part).every((owner) => {
    const own = architectures(typed, owner).map((name) => context.sourceCode.getText(owner) + name);
    return own.includes(arch) || own.includes(writtenOut(context, arch, part));
  });
}

/**
 * The objects with an architecture of which something may be taken: `space` of `space.tables.elements`, of `const { tables } = space`, and `arch` of `ptepGet(arch, ptep)`. There are
 * several of what is assigned more than once.
 */
function ownersOf(context: Context, typed: Typed, part: TSESTree.Node, before: readonly TSESTree.Node[] = []): readonly TSESTree.Expression[] {
  const node = bare(part as TSESTree.Expression);
  if (before.length > MAX_STEPS || before.includes(node) || node.type === AST_NODE_TYPES.PrivateIdentifier) return [];
  if (before.length > 0 && architectures(typed, node).length > 0) return [node];
  const from = (one: TSESTree.Node): readonly TSESTree.Expression[] => ownersOf(context, typed, one, [...before, node]);
  if (node.type === AST_NODE_TYPES.MemberExpression) return from(node.object);
  if (node.type === AST_NODE_TYPES.CallExpression) {
    const [first] = node.arguments;
    return first !== undefined && first.type !== AST_NODE_TYPES.SpreadElement && isArch(typed, first) ? [first] : from(node.callee);
  }
  if (node.type === AST_NODE_TYPES.ConditionalExpression) return [...from(node.consequent), ...from(node.alternate)];
  if (node.type === AST_NODE_TYPES.LogicalExpression) return [...from(node.left), ...from(node.right)];
  const references = node.type === AST_NODE_TYPES.Identifier ? variableAt(context, node, node.name)?.references : undefined;
  return references?.flatMap(({ writeExpr }) => (writeExpr == null ? [] : from(writeExpr))) ?? [];
}

/** How the architectures of an object are written behind it: `.arch`, or nothing for what is one. */
function architectures(typed: Typed, node: TSESTree.Expression): readonly string[] {
  if (isArch(typed, node)) return [''];
  const { checker } = typed.types;
  return checker.getNonNullableType(typed.typeOf(node)).getProperties().filter((property) => typed.types.isCore(checker.getNonNullableType(checker.getTypeOfSymbol(property)), ...ARCH)).map(({ name }) => `.${name}`);
}

function isArch(typed: Typed, node: TSESTree.Node): boolean {
  return typed.types.isCore(typed.types.checker.getNonNullableType(typed.typeOf(node)), ...ARCH);
}

/** What a constant stands for that is another name of something: `space.arch` of `const { arch } = space`. */
function writtenOut(context: Context, name: string, at: TSESTree.Node): string {
  const begins = beginning(context, at, name);
  if (begins?.init == null) return name;
  const init = context.sourceCode.getText(begins.init);
  if (begins.id.type !== AST_NODE_TYPES.ObjectPattern) return init;
  const part = begins.id.properties.find((one) => one.type === AST_NODE_TYPES.Property && one.value.type === AST_NODE_TYPES.Identifier && one.value.name === name);
  return part?.type === AST_NODE_TYPES.Property && part.key.type === AST_NODE_TYPES.Identifier ? `${init}.${part.key.name}` : name;
}

/** The declaration of a variable with what it begins with. */
function beginning(context: Context, at: TSESTree.Node, name: string): TSESTree.VariableDeclarator | undefined {
  return beginningOf(variableAt(context, at, name));
}

function beginningOf(variable: TSESLint.Scope.Variable | undefined): TSESTree.VariableDeclarator | undefined {
  const declared = variable?.defs[0]?.node;
  return declared?.type === AST_NODE_TYPES.VariableDeclarator ? declared : undefined;
}

/**
 * Whether an address may be that of an entry in each turn: the entry is found by it, or the two are stepped together, or are the same in all turns. Not where a loop or a callback has one
 * entry after the other and the address stays, nor where only one of the two goes on.
 *
 * @param address what is in reach: `address`, `this.address`
 */
export function goTogether(context: Context, at: TSESTree.Node, handle: TSESTree.Expression, address: string): boolean {
  const node = bare(handle);
  if (isFoundBy(context, node, address)) return true;
  const variable = variableAt(context, at, address);
  if (node.type === AST_NODE_TYPES.CallExpression) return variable !== undefined && isSteppedBy(context, node, variable);
  const root = rootOf(node);
  const entry = root === undefined ? undefined : variableAt(context, at, root);
  if (entry === undefined || variable === undefined) return entry === undefined || !isAssigned(entry);
  if (!isAssigned(entry) && isFoundBy(context, beginningOf(entry)?.init, address)) return !variable.references.some((reference) => reference.isWrite() && isBetween(reference.identifier, beginningOf(entry)!, at));
  return isAssigned(entry) === isAssigned(variable) && (isAssigned(entry) ? areSteppedTogether(entry, variable) : turnOf(entry) === turnOf(variable));
}

/** What is found by an address is its entry: `pteOffset(arch, pmdp, address)`. */
function isFoundBy(context: Context, found: TSESTree.Expression | TSESTree.PrivateIdentifier | null | undefined, address: string): boolean {
  const node = found == null ? undefined : bare(found);
  return node?.type === AST_NODE_TYPES.CallExpression && node.arguments.some((argument) => context.sourceCode.getText(argument) === address);
}

/** `hwPteAdvance(arch, first, index)`, beside `const address = start + BigInt(index) * PAGE`: a neighbour is that of another address, but for one that is as many pages on. */
function isSteppedBy(context: Context, { arguments: given }: TSESTree.CallExpression, address: TSESLint.Scope.Variable): boolean {
  const count = given.at(-1);
  const init = isAssigned(address) ? undefined : beginningOf(address)?.init;
  if (count?.type !== AST_NODE_TYPES.Identifier || init == null) return false;
  return variableAt(context, count, count.name)?.references.some(({ identifier: { range } }) => init.range[0] <= range[0] && range[1] <= init.range[1]) === true;
}

function isBetween(node: TSESTree.Node, first: TSESTree.Node, last: TSESTree.Node): boolean {
  return first.range[1] <= node.range[0] && node.range[1] <= last.range[0];
}

/** The variable of a path: `fault` of `fault.ptep`. */
function rootOf(node: TSESTree.Node): string | undefined {
  if (node.type === AST_NODE_TYPES.MemberExpression) return rootOf(bare(node.object));
  return node.type === AST_NODE_TYPES.Identifier ? node.name : undefined;
}

function variableAt(context: Context, at: TSESTree.Node, name: string): TSESLint.Scope.Variable | undefined {
  return ASTUtils.findVariable(context.sourceCode.getScope(at), name) ?? undefined;
}

/** Whether a variable is assigned to after it was declared. */
function isAssigned({ references }: TSESLint.Scope.Variable): boolean {
  return references.some((reference) => reference.isWrite() && reference.init !== true);
}

/** Whether two variables are assigned to in the same loops. */
function areSteppedTogether(one: TSESLint.Scope.Variable, other: TSESLint.Scope.Variable): boolean {
  const [loops, others] = [loopsOf(one), loopsOf(other)];
  return loops.size === others.size && [...loops].every((loop) => others.has(loop));
}

/** The loops in which a variable is assigned to; undefined among them where it is outside of one. */
function loopsOf({ references }: TSESLint.Scope.Variable): ReadonlySet<TSESTree.Node | undefined> {
  return new Set(references.filter((reference) => reference.isWrite() && reference.init !== true).map(({ identifier }) => [...ancestors(identifier)].find(({ type }) => LOOPS.test(type))));
}

/** The loop or the function in each turn of which a variable is another. */
function turnOf({ scope }: TSESLint.Scope.Variable): TSESTree.Node {
  for (let at = scope; at.upper !== null; at = at.upper) {
    if (TURNS.test(at.block.type)) return at.block;
    if (at.block.type === AST_NODE_TYPES.BlockStatement && LOOPS.test(at.block.parent.type)) return at.block.parent;
  }
  return scope.block;
}

const LOOPS = /^(For|While|DoWhile)/;
const TURNS = /^(For|While|DoWhile|Program)|Function/;
const ARCH = ['Arch', 'WritableArch'] as const;
const MAX_STEPS = 6;
