import { AST_NODE_TYPES, ASTUtils, TSESLint, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { calledName, coreFunction, entryRead, isEntryWrite, isLocking } from '../../accessors.js';
import { bare, children } from '../../ast.js';
import type { Subject } from '../../subject.js';
import type { Typed } from '../../typed.js';
import { functionOf, ownMethod } from './functions.js';

/** What may change an entry, or lets somebody else. */
export class Changes {
  private readonly types: Typed;
  private readonly sourceCode: Subject['sourceCode'];
  private readonly written = new Map<TSESTree.Node, boolean>();
  private readonly kept = new Map<TSESTree.Node, boolean>();
  private readonly calls = new Map<TSESTree.Node, boolean>();
  /** What is asked about the first of some functions that call each other is taken to change nothing until that is known. */
  private readonly granted: { readonly answers: Map<TSESTree.Node, boolean>; readonly node: TSESTree.Node }[] = [];

  constructor({ sourceCode, types }: Subject) {
    this.types = types;
    this.sourceCode = sourceCode;
  }

  /** Whether a call may write entries, or let somebody else: an accessor that writes, a lock, and whatever it is given the means to. */
  mayChange(node: TSESTree.CallExpression | TSESTree.NewExpression): boolean {
    const { types } = this.types;
    const name = calledName(node);
    // Whoever asserts that a lock is held does not take it.
    if (((name !== undefined && ASSERTS.test(name.name)) || this.isSaying(node)) && !node.arguments.some((argument) => this.isCalledBack(argument))) return false;
    if (node.type === AST_NODE_TYPES.CallExpression && (isLocking(node) || isEntryWrite(this.types, node))) return true;
    const symbol = name === undefined ? undefined : this.types.symbolOf(name);
    const files = (symbol === undefined ? [] : (types.resolved(symbol).declarations ?? [])).map((declaration) => declaration.getSourceFile());
    // The language's own functions change nothing, but for what they call back, and so do the accessors that only read.
    if (files.length > 0 && files.every((file) => this.types.services.program.isSourceFileDefaultLibrary(file))) return this.isAtomic(node) || node.arguments.some((argument) => this.isCalledBack(argument));
    if (coreFunction(this.types, node) !== undefined) return this.isChangingMethod(node);
    if (name !== undefined && (CHANGES.test(name.name) || RUNS.test(name.name))) return true;
    // A method does what it does to its object, and a function without arguments to the machine; one that gets values only cannot get at the tables by them.
    if (this.isMethod(node) || (node.arguments.length === 0 && !this.isOwn(node))) return true;
    if (node.arguments.every((argument) => this.isPlainValue(argument))) return this.isWrittenToChange(node.callee);
    return this.isUnknownToKeep(node.callee) || node.arguments.some((argument) => this.isHandedOn(argument));
  }

  /** The same where it is given handles or objects: unless all that it does is known, it may change anything. */
  private isUnknownToKeep(callee: TSESTree.Node): boolean {
    const made = functionOf(callee, this.sourceCode);
    if (made === undefined) return true;
    return this.answered(this.kept, made, () => [...made.params, made.body].some((part) => this.doesChange(part)));
  }

  /** Whether the function of this file that is called does something that may change an entry. What it assigns is looked at where it is called. */
  private isWrittenToChange(callee: TSESTree.Node): boolean {
    const made = functionOf(callee, this.sourceCode);
    if (made === undefined) return false;
    const calls = (node: TSESTree.Node): boolean => (
      node.type === AST_NODE_TYPES.AwaitExpression || (node.type === AST_NODE_TYPES.CallExpression && entryRead(this.types, node) === undefined && this.mayChange(node)) ||
      children(node, this.sourceCode.visitorKeys).some(calls)
    );
    return this.answered(this.written, made, () => [...made.params, made.body].some(calls));
  }

  /** What was found out before, or is now. A function may call itself, and another one that calls it: what was found of those meanwhile holds only if it changes nothing either. */
  private answered(answers: Map<TSESTree.Node, boolean>, node: TSESTree.Node, find: () => boolean): boolean {
    const known = answers.get(node);
    if (known !== undefined) return known;
    const isFirst = this.granted.length === 0;
    this.granted.push({ answers, node });
    answers.set(node, false);
    const found = find();
    if (found) answers.set(node, true);
    if (!isFirst) return found;
    if (found) for (const one of this.granted) if (one.answers.get(one.node) === false) one.answers.delete(one.node);
    this.granted.length = 0;
    return found;
  }

  /** `Atomics.wait(words, 0, 0)`: what waits, or may take or release a lock. */
  private isAtomic(node: TSESTree.CallExpression | TSESTree.NewExpression): boolean {
    const callee = bare(node.callee);
    return callee.type === AST_NODE_TYPES.MemberExpression && callee.object.type === AST_NODE_TYPES.Identifier && callee.object.name === 'Atomics' && !/^(load|isLockFree)$/.test(calledName(node)?.name ?? '');
  }

  /** Of core's classes: those that change tables or wait for the hardware. */
  private isChangingMethod(node: TSESTree.CallExpression | TSESTree.NewExpression): boolean {
    const callee = bare(node.callee);
    if (callee.type !== AST_NODE_TYPES.MemberExpression) return false;
    const { types } = this.types;
    const object = this.types.typeOf(callee.object);
    if (types.isCore(object, 'UnlinkedTable')) return /^(set|link)$/.test(calledName(node)?.name ?? '');
    if (types.isCore(object, 'Arch', 'WritableArch')) return /^(newTable|freeTable)$/.test(calledName(node)?.name ?? '');
    return types.isCore(object, 'FlushPromise', 'FlushLedger', 'MmuGather', 'TableMemory', 'Tlb');
  }

  /** `this.#note(1)`: a private method stands in this file, as a function does. */
  private isOwn({ callee }: TSESTree.CallExpression | TSESTree.NewExpression): boolean {
    const inner = bare(callee);
    return inner.type === AST_NODE_TYPES.MemberExpression && ownMethod(inner) !== undefined;
  }

  /** `this.mark(1)`, and not `util.mark(1)` of a namespace. */
  private isMethod(node: TSESTree.CallExpression | TSESTree.NewExpression): boolean {
    const callee = bare(node.callee);
    if (callee.type !== AST_NODE_TYPES.MemberExpression) return false;
    if (this.isOwn(node)) return false;
    const symbol = this.types.symbolOf(callee.object);
    return symbol === undefined || (this.types.types.resolved(symbol).flags & (ts.SymbolFlags.Module | ts.SymbolFlags.Namespace)) === 0;
  }

  /** `console.log(pte)`, `this.logger.debug('present')`, `this.log(pte)`, `expect(pteYoung(arch, pte)).not.toBe(true)`: what says something, or asserts it, by a method. */
  private isSaying(node: TSESTree.CallExpression | TSESTree.NewExpression): boolean {
    const callee = bare(node.callee);
    if (callee.type !== AST_NODE_TYPES.MemberExpression) return false;
    if (LOGS.test(calledName(node)?.name ?? '') || LOGGER.test(this.sourceCode.getText(callee.object))) return true;
    let from: TSESTree.Node = callee.object;
    while (from.type === AST_NODE_TYPES.MemberExpression) from = from.object;
    return from.type === AST_NODE_TYPES.CallExpression && calledName(from)?.name === 'expect';
  }

  /** Whether a function that is given to one of the language's own may change something when it is called. */
  private isCalledBack(node: TSESTree.CallExpressionArgument): boolean {
    if (node.type === AST_NODE_TYPES.ArrowFunctionExpression || node.type === AST_NODE_TYPES.FunctionExpression) return this.doesChange(node.body);
    return node.type !== AST_NODE_TYPES.SpreadElement && this.types.typeOf(node).getCallSignatures().length > 0;
  }

  /** The same of a function that is given to one of this file, by itself, in a list, or in an object. */
  private isHandedOn(node: TSESTree.CallExpressionArgument): boolean {
    if (node.type === AST_NODE_TYPES.ArrayExpression) return node.elements.some((element) => element !== null && this.isHandedOn(element));
    if (node.type === AST_NODE_TYPES.ObjectExpression) return node.properties.some((property) => property.type === AST_NODE_TYPES.Property && this.isHandedOn(property.value as TSESTree.Expression));
    return this.isCalledBack(node);
  }

  /** Whether a function is one of an object or a list that nobody sees here: `const { visit } = options;`, `for (const visit of visitors)`. */
  private isTaken(callee: TSESTree.Node): boolean {
    const name = bare(callee as TSESTree.Expression);
    const [definition] = name.type === AST_NODE_TYPES.Identifier ? (ASTUtils.findVariable(this.sourceCode.getScope(name), name)?.defs ?? []) : [];
    // What a helper is given by itself is looked at where it is given.
    if (definition?.type === TSESLint.Scope.DefinitionType.Parameter) return definition.name.parent !== definition.node || definition.node.parent.type === AST_NODE_TYPES.CallExpression;
    if (definition?.type !== TSESLint.Scope.DefinitionType.Variable) return false;
    return definition.parent.parent.type === AST_NODE_TYPES.ForOfStatement || (definition.node.init !== null && functionOf(name, this.sourceCode) === undefined);
  }

  /** Whether anything in a piece of code may change an entry. */
  private doesChange(node: TSESTree.Node): boolean {
    if (node.type === AST_NODE_TYPES.AwaitExpression || node.type === AST_NODE_TYPES.YieldExpression || node.type === AST_NODE_TYPES.TaggedTemplateExpression || node.type === AST_NODE_TYPES.AssignmentExpression) return true;
    // Whatever a guard does at its end, and a list before its next element.
    if (isUsing(node) || (node.type === AST_NODE_TYPES.ForOfStatement && node.await)) return true;
    if (node.type === AST_NODE_TYPES.UpdateExpression && node.argument.type === AST_NODE_TYPES.MemberExpression) return true;
    if (node.type === AST_NODE_TYPES.NewExpression && this.mayChange(node)) return true;
    if (node.type === AST_NODE_TYPES.CallExpression) return this.doesCallChange(node);
    return children(node, this.sourceCode.visitorKeys).some((child) => this.doesChange(child));
  }

  /** The same of a call. What it calls back is asked for twice, as what is called back and as a part of it, and so are the calls in that. */
  private doesCallChange(node: TSESTree.CallExpression): boolean {
    return this.answered(this.calls, node, () => (
      (entryRead(this.types, node) === undefined && (this.mayChange(node) || this.isTaken(node.callee))) || children(node, this.sourceCode.visitorKeys).some((child) => this.doesChange(child))
    ));
  }

  private isPlainValue(node: TSESTree.CallExpressionArgument): boolean {
    if (node.type === AST_NODE_TYPES.SpreadElement || this.types.handleOf(node) !== undefined) return false;
    if (node.type === AST_NODE_TYPES.ArrayExpression) return node.elements.every((element) => element === null || this.isPlainValue(element));
    if (node.type === AST_NODE_TYPES.ObjectExpression) return node.properties.every((property) => property.type === AST_NODE_TYPES.Property && this.isPlainValue(property.value as TSESTree.Expression));
    const type = this.types.typeOf(node);
    return (type.isUnion() ? type.types : [type]).every((member) => this.isPlain(member));
  }

  /** Whether a type is one of numbers, texts and the like, or of less. */
  private isPlain(type: ts.Type): boolean {
    if ((type.flags & PLAIN) !== 0) return true;
    if ((type.flags & ts.TypeFlags.Object) !== 0) return false;
    const { checker } = this.types.types;
    const values = [checker.getNumberType(), checker.getBigIntType(), checker.getStringType(), checker.getBooleanType(), checker.getUndefinedType(), checker.getNullType()];
    return values.some((value) => checker.isTypeAssignableTo(type, value));
  }
}

/** `using guard = lock(ptl);` */
export function isUsing(node: TSESTree.Node): boolean {
  return node.type === AST_NODE_TYPES.VariableDeclaration && (node.kind === 'using' || node.kind === 'await using');
}

const PLAIN = ts.TypeFlags.NumberLike | ts.TypeFlags.BigIntLike | ts.TypeFlags.StringLike | ts.TypeFlags.BooleanLike | ts.TypeFlags.Undefined | ts.TypeFlags.Null;
/** A function that gets numbers only and writes entries all the same, or waits until somebody did, by its name. */
const CHANGES = /^(zap|m?unmap|remap|map|clear|flush|invalidate|write|store|set(?=[A-Z]|$)|update|populate|free|fault|handle|protect|split|collapse|migrate|touch|dirty|wait|sleep|msleep|delay|udelay|pause|poll|spin|tick|step|run)/i;
/** The same by what a program asks of the kernel, or of the machine that it lets run, and by the last word: `guestWrite(address, 1)`. */
const RUNS = /^(change|mmap|mprotect|mremap|madvise|mlock|reclaim|evict|swap(In|Out)|execute|emulate|simulate|resume|access(?!Bits|Flags|Mode|Of|Rights|Type))(?![a-z])|^(?!(is|has|can|needs|count)[A-Z]).*[a-z](Write|Store|Fault|Access|Unmap|Munmap|Mprotect|Flush|Zap)$/;
/** What is written to a log, or asks for the time, and what writes a log. */
const LOGS = /^(log|debug|info|warn|now)$/;
const LOGGER = /(^|\.|#)(console|_?log|_?logger|stdout|stderr)\??$/i;
/** `lockdepAssertHeld(ptl)`, `assert(isPresent)`. */
const ASSERTS = /^(lockdep_?)?assert/i;
