import { AST_NODE_TYPES, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { bare } from './ast.js';
import { isLevel, type Level } from './levels.js';
import type { Typed } from './typed.js';

/** A call that reads one live entry. */
export interface EntryRead {
  readonly node: TSESTree.CallExpression;
  /** plain: `ptepGet`. once: `ptepGetOnce`. lockless: `ptepGetLockless`. */
  readonly way: 'plain' | 'once' | 'lockless';
  /** The handle that it is given. */
  readonly handle: TSESTree.Expression;
  readonly level: Level | undefined;
  /** What would have to be another for another way: `ptepGet`, or `get` of `ops.get` and `ops['get']`. */
  readonly name: CalledName;
  /** Whether it is a function of `@pgtable/core`, which is imported by its name, or a method. */
  readonly isFunction: boolean;
}

const GETTER = /^(pte|pmd|pud|p4d|pgd)pGet(Once|Lockless)?$/;
const METHODS: ReadonlyMap<string, EntryRead['way']> = new Map([['get', 'plain'], ['getOnce', 'once'], ['getLockless', 'lockless']]);

/** What a call reads, if it is a getter: of `@pgtable/core`, of an architecture's accessors, or one that the settings name. */
export function entryRead(types: Typed, node: TSESTree.CallExpression): EntryRead | undefined {
  // Most calls are none of a getter for sure.
  if (!types.mayGiveHandle(node)) return undefined;
  const known = reads.get(node);
  if (known !== undefined) return known.read;
  const read = findRead(types, node);
  reads.set(node, { read });
  return read;
}

/** What calls read, for all rules that ask. A node is of one file, and a file of one project. */
const reads = new WeakMap<TSESTree.Node, { readonly read: EntryRead | undefined }>();

function findRead(types: Typed, node: TSESTree.CallExpression): EntryRead | undefined {
  const name = writtenName(node);
  if (name === undefined) return undefined;
  const found = wayOf(types, node, name);
  if (found === undefined) return undefined;
  const handle = found.at === undefined ? node.arguments.find((argument) => types.handleOf(argument) !== undefined) : node.arguments[found.at];
  if (handle === undefined || handle.type === AST_NODE_TYPES.SpreadElement) return undefined;
  return { node, way: found.way, handle, level: types.handleOf(handle)?.level, name, isFunction: node.callee.type === AST_NODE_TYPES.Identifier };
}

/** A plain getter that is no call: `entries.map(arch.ops.pte.get)`. */
export interface PlainGetter extends Pick<EntryRead, 'name' | 'isFunction'> {
  readonly node: TSESTree.Expression;
  readonly level: Level | undefined;
  /** The name that core has for it. */
  readonly original: string;
}

/** The plain getter that an argument is: `arch.ops.pte.get`, `ptepGet`. */
export function handedOver(types: Typed, argument: TSESTree.Node): PlainGetter | undefined {
  if (argument.type === AST_NODE_TYPES.Identifier) {
    // What is imported by another name is found where it is called.
    const [, level, how] = GETTER.exec(argument.name) ?? [];
    const symbol = !isLevel(level) || how !== undefined ? undefined : types.symbolOf(argument);
    if (!isLevel(level) || symbol === undefined || !types.types.isCoreSymbol(types.types.resolved(symbol), argument.name)) return undefined;
    return { node: argument, name: argument, original: argument.name, isFunction: true, level };
  }
  if (argument.type !== AST_NODE_TYPES.MemberExpression || argument.computed || argument.property.type !== AST_NODE_TYPES.Identifier || argument.property.name !== 'get') return undefined;
  const { object, property } = argument;
  if (!types.types.isCore(types.typeOf(object), 'LevelOps', 'WritableOps', 'BasicLevelOps', 'TableLevelOps')) return undefined;
  const level = object.type === AST_NODE_TYPES.MemberExpression && object.property.type === AST_NODE_TYPES.Identifier ? object.property.name : undefined;
  return { node: argument, name: property, original: property.name, isFunction: false, level: isLevel(level) ? level : undefined };
}

function wayOf(types: Typed, node: TSESTree.CallExpression, called: CalledName): { way: EntryRead['way']; at: number | undefined } | undefined {
  const { accessors } = types.settings;
  const name = textOf(called);
  if (accessors.get.has(name)) return { way: 'plain', at: undefined };
  if (accessors.getOnce.has(name)) return { way: 'once', at: undefined };
  const callee = bare(node.callee);
  if (callee.type === AST_NODE_TYPES.MemberExpression) {
    const way = METHODS.get(name);
    if (way !== undefined && types.types.isCore(types.typeOf(callee.object), 'LevelOps', 'WritableOps', 'BasicLevelOps', 'TableLevelOps')) return { way, at: 0 };
  }
  const match = GETTER.exec(coreFunction(types, node, (original) => GETTER.test(original))?.name ?? '');
  if (match === null) return heldWay(types, node, called);
  return { way: match[2] === undefined ? 'plain' : match[2] === 'Once' ? 'once' : 'lockless', at: 1 };
}

/** The same of a variable or a field that has a method of the accessors: `const { get } = arch.ops.pte`. It is called by that method's signature. */
function heldWay(types: Typed, node: TSESTree.CallExpression, called: CalledName): { way: EntryRead['way']; at: number } | undefined {
  if (((types.symbolOf(called)?.flags ?? 0) & HOLDER) === 0) return undefined;
  const declaration = types.signatureOf(node)?.declaration;
  if (declaration === undefined || !(ts.isMethodSignature(declaration) || ts.isMethodDeclaration(declaration)) || !ts.isIdentifier(declaration.name)) return undefined;
  const way = METHODS.get(declaration.name.text);
  const owner = declaration.parent;
  return way !== undefined && types.types.isCore(types.types.checker.getTypeAtLocation(owner), 'LevelOps', 'WritableOps', 'BasicLevelOps', 'TableLevelOps') ? { way, at: 0 } : undefined;
}

/**
 * The function of `@pgtable/core` that is called, or the method of one of its classes, whatever it is called by here: `read` of `const { ptepGet: read } = core`.
 *
 * @param test of its own name: what core is asked for is asked last
 */
export function coreFunction(types: Typed, node: TSESTree.CallExpression | TSESTree.NewExpression, test: (name: string) => boolean = () => true): ts.Symbol | undefined {
  const name = writtenName(node);
  const symbol = name === undefined ? undefined : types.symbolOf(name);
  if (symbol === undefined) return undefined;
  const original = withoutName(types, types.types.resolved(symbol));
  if (test(original.name) && types.types.isCoreSymbol(original, original.name)) return original;
  // A variable or a field that has a function is called by the signature of that one.
  const declaration = (original.flags & HOLDER) === 0 ? undefined : types.signatureOf(node)?.declaration;
  if (declaration === undefined || !ts.isFunctionDeclaration(declaration) || declaration.name === undefined || !test(declaration.name.text)) return undefined;
  const declared = types.types.checker.getSymbolAtLocation(declaration.name);
  return declared !== undefined && types.types.isCoreSymbol(declared, declared.name) ? declared : undefined;
}

const HOLDER = ts.SymbolFlags.Variable | ts.SymbolFlags.Property;

/** What a constant stands for that is only another name: `const read = ptepGet`. */
function withoutName(types: Typed, symbol: ts.Symbol): ts.Symbol {
  const declaration = symbol.valueDeclaration;
  if (declaration === undefined || !ts.isVariableDeclaration(declaration) || declaration.initializer === undefined || !ts.isIdentifier(declaration.initializer)) return symbol;
  if ((ts.getCombinedNodeFlags(declaration) & ts.NodeFlags.Const) === 0) return symbol;
  const found = types.types.checker.getSymbolAtLocation(declaration.initializer);
  return found === undefined ? symbol : types.types.resolved(found);
}

/** The identifier of what is called: `f` of `f()` and of `a.b.f()`. */
export function calledName(node: TSESTree.CallExpression | TSESTree.NewExpression): TSESTree.Identifier | undefined {
  const callee = bare(node.callee);
  if (callee.type === AST_NODE_TYPES.Identifier) return callee;
  if (callee.type === AST_NODE_TYPES.MemberExpression && !callee.computed && callee.property.type === AST_NODE_TYPES.Identifier) return callee.property;
  return undefined;
}

type CalledName = TSESTree.Identifier | TSESTree.StringLiteral;

/** What names that which is called: the identifier, or the text of `a['f']()`. */
function writtenName(node: TSESTree.CallExpression | TSESTree.NewExpression): CalledName | undefined {
  const callee = bare(node.callee);
  if (callee.type !== AST_NODE_TYPES.MemberExpression || !callee.computed) return calledName(node);
  return callee.property.type === AST_NODE_TYPES.Literal && typeof callee.property.value === 'string' ? callee.property : undefined;
}

/** The name that {@link writtenName} gives, as a text. */
export function textOf(name: CalledName): string {
  return name.type === AST_NODE_TYPES.Identifier ? name.name : name.value;
}

/** Whether a call writes a live entry: every accessor that does takes the address space, and whatever else is given both may. */
export function isEntryWrite(types: Typed, node: TSESTree.CallExpression): boolean {
  const name = calledName(node)?.name ?? '';
  if (types.settings.accessors.set.has(name)) return true;
  if (!types.mayGiveHandle(node)) return false;
  const given = node.arguments.filter((argument) => argument.type !== AST_NODE_TYPES.SpreadElement);
  return given.some((argument) => types.handleOf(argument) !== undefined) && given.some((argument) => types.types.isCore(types.typeOf(argument), 'MmContext'));
}

/** Whether a call takes or gives back a lock, enters or leaves a section, or waits: by the field's words in its name. */
export function isLocking(node: TSESTree.CallExpression): boolean {
  // What is lockless takes none: `pteOffsetLockless`.
  const name = (calledName(node)?.name ?? '').replace(/lockless/i, '');
  return LOCKING.test(name) || name.includes('Lock');
}

/** Blocks and clocks are no locks. */
const LOCKING = /((?<![bc])lock|acquire|release|barrier|fence|schedule|resched|yield|relax|synchronize|grace|rcuread|enter|leave|exclusive|critical)/i;

/**
 * Something that stays the same entry as long as its parts are not assigned: `ptep`, `this.ptep`, `fault.ptep`. As a text that is equal for equal ones, with
 * the variables by what they resolve to.
 */
export function stablePath(types: Typed, node: TSESTree.Node): string | undefined {
  const inner = bare(node as TSESTree.Expression);
  if (inner.type === AST_NODE_TYPES.ThisExpression) return 'this';
  if (inner.type === AST_NODE_TYPES.Identifier) {
    const symbol = types.symbolOf(inner);
    return symbol === undefined ? undefined : `${inner.name}#${idOf(symbol)}`;
  }
  if (inner.type !== AST_NODE_TYPES.MemberExpression || inner.computed) return undefined;
  const object = stablePath(types, inner.object);
  return object === undefined ? undefined : `${object}.${inner.property.type === AST_NODE_TYPES.PrivateIdentifier ? '#' : ''}${inner.property.name}`;
}

const ids = new WeakMap<ts.Symbol, number>();
let last = 0;

function idOf(symbol: ts.Symbol): number {
  const known = ids.get(symbol);
  if (known !== undefined) return known;
  ids.set(symbol, ++last);
  return last;
}
