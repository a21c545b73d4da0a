import { AST_NODE_TYPES, ASTUtils, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { calledName, entryRead, isEntryWrite, isLocking, stablePath, type EntryRead } from '../accessors.js';
import { bare, children, isArithmetic } from '../ast.js';
import { createRule } from '../create-rule.js';
import { inOneGo } from '../in-one-go.js';
import { NO_TYPES, typed, type Typed } from '../typed.js';

const MESSAGES = {
  ...NO_TYPES,
  twice: 'This {{level}} entry was read in line {{line}} already, and it may have changed since: the two values need not agree. Read it once, and pass the value on.',
  useValue: 'Use {{name}}, which was read in line {{line}}.',
} as const;

type Messages = keyof typeof MESSAGES;
type Context = Readonly<TSESLint.RuleContext<Messages, readonly []>>;

/** What was read so far on the way to some place, by the handle: the entry may be assumed unchanged since. */
type Reads = Map<string, EntryRead>;

/**
 * One decision made of two reads of an entry, between which the hardware or another processor may change it. A second read is meant where something stands
 * between the two: a write, a lock, the next turn of a loop, a wait, or a call that may do any of these; or where the two values are compared.
 */
export const noDoubleGet = createRule<Messages>({
  name: 'no-double-get',
  meta: {
    type: 'problem',
    docs: { description: 'An entry is read once, and its value passed on', config: 'strict', typed: true },
    hasSuggestions: true,
    messages: MESSAGES,
  },
  create(context) {
    const types = typed(context);
    if (types === undefined) return {};
    const reads = new Map<TSESTree.Node, number>();
    return inOneGo(context.sourceCode, {
      CallExpression(node) {
        if (entryRead(types, node) === undefined) return;
        let around: TSESTree.Node = node;
        while (around.type !== AST_NODE_TYPES.Program && around.type !== AST_NODE_TYPES.StaticBlock && !ASTUtils.isFunction(around)) around = around.parent!;
        const count = (reads.get(around) ?? 0) + 1;
        reads.set(around, count);
        // Only functions that read twice are gone through: most read nothing.
        if (count === 2) new Paths(context, types).function(ASTUtils.isFunction(around) ? around.body : around);
      },
    });
  },
});

/**
 * The ways through one function, in the order in which it runs: at every place, which entries were read on all ways that lead there and cannot have been
 * changed by anything in the code since. A way that has ended is `undefined`.
 */
class Paths {
  private readonly context: Context;
  private readonly types: Typed;
  private now: Reads | undefined = new Map();
  /** For each loop and switch around: what is known where a `break` leaves it. */
  private readonly leaves: Way[][] = [];

  /** How often something may have become another. */
  private changes = 0;
  /** How often it had where the case of a switch began that is gone through. */
  private caseChanges = 0;
  /** For each loop around: what was read before it, but for what may have changed in it. */
  private readonly around: Reads[] = [];
  /** By constant, the field that it was given, for as long as that cannot have become another: both are the same entry, or the same architecture. */
  private readonly fields = new Map<string, string>();

  constructor(context: Context, types: Typed) {
    this.context = context;
    this.types = types;
  }

  function(body: TSESTree.Node): void {
    if (body.type === AST_NODE_TYPES.Program || body.type === AST_NODE_TYPES.StaticBlock) this.all(body.body);
    else this.visit(body);
  }

  private all(nodes: readonly (TSESTree.Node | null | undefined)[]): void {
    for (const node of nodes) this.visit(node);
  }

  private visit(node: TSESTree.Node | null | undefined): void {
    if (node === null || node === undefined) return;
    switch (node.type) {
      // Functions are looked at on their own: nobody knows here when they run.
      case AST_NODE_TYPES.FunctionDeclaration:
      case AST_NODE_TYPES.FunctionExpression:
      case AST_NODE_TYPES.ArrowFunctionExpression:
      case AST_NODE_TYPES.StaticBlock:
        return;
      case AST_NODE_TYPES.IfStatement:
        this.visit(node.test);
        this.branches([() => { this.visit(node.consequent); }, () => { this.visit(node.alternate); }], met);
        return;
      case AST_NODE_TYPES.ConditionalExpression:
        this.visit(node.test);
        this.branches([() => { this.visit(node.consequent); }, () => { this.visit(node.alternate); }]);
        return;
      case AST_NODE_TYPES.LogicalExpression:
        this.visit(node.left);
        // What there is already, or else what is read, is no value of one read.
        this.branches([() => { this.visit(node.right); }, () => undefined], node.operator === '??' ? onAll : met);
        return;
      case AST_NODE_TYPES.SwitchStatement:
        this.switch(node);
        return;
      case AST_NODE_TYPES.LabeledStatement:
        // Whatever leaves by the label may leave from anywhere.
        this.now = this.unchangedBy(() => { this.visit(node.body); });
        return;
      case AST_NODE_TYPES.ForStatement:
        this.visit(node.init);
        this.loop(() => {
          const end = this.test(node.test);
          this.all([node.body, node.update]);
          return end;
        });
        return;
      case AST_NODE_TYPES.ForOfStatement:
      case AST_NODE_TYPES.ForInStatement:
        this.visit(node.right);
        // Between two elements, whoever makes them may do anything.
        if (node.type === AST_NODE_TYPES.ForOfStatement && (node.await || !this.isList(node.right))) this.forget();
        this.loop(() => {
          this.visit(node.body);
          return new Map();
        });
        return;
      case AST_NODE_TYPES.WhileStatement:
        this.loop(() => {
          const end = this.test(node.test);
          this.visit(node.body);
          return end;
        });
        return;
      case AST_NODE_TYPES.DoWhileStatement:
        this.loop(() => {
          this.visit(node.body);
          // By `continue`, if by nothing else.
          this.now ??= new Map();
          return this.test(node.test);
        });
        return;
      case AST_NODE_TYPES.TryStatement: {
        const { handler, finalizer } = node;
        const before = this.unchangedBy(() => {
          // What of the block has run is not known in its handler: only what was read before it, and stands.
          const start = this.unchangedBy(() => { this.visit(node.block); });
          this.now = merged([this.now, handler === null ? undefined : this.after(start, handler.body)].filter((way) => way !== undefined));
        });
        if (finalizer === null) return;
        const goesOn = this.now !== undefined;
        this.now ??= before;
        this.visit(finalizer);
        if (!goesOn) this.now = undefined;
        return;
      }
      case AST_NODE_TYPES.ReturnStatement:
      case AST_NODE_TYPES.ThrowStatement:
        this.visit(node.argument);
        this.now = undefined;
        return;
      case AST_NODE_TYPES.BreakStatement:
        if (node.label === null && this.now !== undefined) this.leaves.at(-1)!.push({ reads: this.now, isChanged: this.changes > this.caseChanges });
        this.now = undefined;
        return;
      case AST_NODE_TYPES.ContinueStatement:
        this.now = undefined;
        return;
      case AST_NODE_TYPES.AwaitExpression:
      case AST_NODE_TYPES.YieldExpression:
        this.visit(node.argument);
        this.forget();
        return;
      case AST_NODE_TYPES.VariableDeclaration:
        this.all(node.declarations);
        // Disposing at the end, and whatever was taken here: a lock, a section.
        if (node.kind === 'using' || node.kind === 'await using') this.forget();
        return;
      case AST_NODE_TYPES.VariableDeclarator:
        this.all([node.init, node.id]);
        this.given(node);
        return;
      case AST_NODE_TYPES.AssignmentPattern:
        // A default is only asked for where there is nothing else.
        this.visit(node.left);
        this.branches([() => { this.visit(node.right); }, () => undefined]);
        return;
      case AST_NODE_TYPES.AssignmentExpression:
        if (/^(\?\?|\|\||&&)=$/.test(node.operator)) this.branches([() => { this.visit(node.right); }, () => undefined]);
        else this.all([node.right, node.left]);
        this.assigned(node.left);
        return;
      case AST_NODE_TYPES.TaggedTemplateExpression:
        this.visit(node.quasi);
        this.forget();
        return;
      case AST_NODE_TYPES.UpdateExpression:
        this.visit(node.argument);
        this.assigned(node.argument);
        return;
      case AST_NODE_TYPES.NewExpression:
        this.all(node.arguments);
        if (this.mayChange(node)) this.forget();
        return;
      case AST_NODE_TYPES.CallExpression:
        this.call(node);
        return;
      default:
        this.all(this.children(node));
    }
  }

  /** A piece of code that is reached with what is given known. Returns: what is known at its end */
  private after(start: Reads, node: TSESTree.Node): Reads | undefined {
    const end = this.now;
    this.now = start;
    this.visit(node);
    const known = this.now;
    this.now = end;
    return known;
  }

  /** Goes through a piece of code that may be left from anywhere. Returns: what was read before it, but for what may have changed in it */
  private unchangedBy(body: () => void): Reads {
    const before = new Map(this.now);
    this.around.push(before);
    body();
    this.around.pop();
    return before;
  }

  private forget(): void {
    this.changes++;
    this.now?.clear();
    this.fields.clear();
    for (const reads of this.around) reads.clear();
  }

  /** Ways that part here and meet again, and what is known then. */
  private branches(ways: readonly (() => void)[], meet: (ends: readonly Way[]) => Reads | undefined = onAll): void {
    const before = this.now;
    const open: Way[] = [];
    for (const way of ways) {
      const { changes } = this;
      this.now = before === undefined ? undefined : new Map(before);
      way();
      if (this.now !== undefined) open.push({ reads: this.now, isChanged: this.changes > changes });
    }
    this.now = meet(open);
  }

  /** Cases run into each other, and what leaves one by `break` goes on after all of them. As in {@link met}, what one of the ways has read is known. */
  private switch(node: TSESTree.SwitchStatement): void {
    this.visit(node.discriminant);
    const before = this.now;
    const { caseChanges } = this;
    const left: Way[] = [];
    this.leaves.push(left);
    this.now = undefined;
    this.caseChanges = this.changes;
    for (const one of node.cases) {
      // From the case above, or from the discriminant.
      if (this.now === undefined) this.caseChanges = this.changes;
      this.now = met([...this.open(), ...skipping(before)]);
      this.all(one.consequent);
    }
    const isComplete = node.cases.some(({ test }) => test === null);
    const ends = [...left, ...this.open(), ...(isComplete ? [] : skipping(before))];
    this.leaves.pop();
    this.caseChanges = caseChanges;
    this.now = met(ends);
  }

  /** The way that ends here, if one does, since the case began that it is in. */
  private open(): readonly Way[] {
    return this.now === undefined ? [] : [{ reads: this.now, isChanged: this.changes > this.caseChanges }];
  }

  /**
   * What runs again and again reads again on purpose, and what was read before it may be read in it. What was read before it, or in its last turn, stands until
   * after it.
   *
   * @param body goes through one turn, and returns what is known where the loop ends by itself: undefined if it never does
   */
  private loop(body: () => Reads | undefined): void {
    const left: Way[] = [];
    const before = new Map(this.now);
    this.leaves.push(left);
    this.around.push(before);
    this.now = new Map();
    // What the end of the body changes is another at the beginning of the next turn.
    this.fields.clear();
    const end = body();
    this.leaves.pop();
    this.around.pop();
    this.now = merged([...left.map(({ reads }) => reads), end].filter((way) => way !== undefined));
    for (const [key, read] of before) if (this.now?.has(key) === false) this.now.set(key, read);
  }

  /** The condition of a loop. Returns: what is known where it does not hold; undefined where it always does */
  private test(node: TSESTree.Expression | null): Reads | undefined {
    this.visit(node);
    const isEndless = node === null || (node.type === AST_NODE_TYPES.Literal && Boolean(node.value));
    return isEndless || this.now === undefined ? undefined : new Map(this.now);
  }

  private assigned(target: TSESTree.Node): void {
    const inner = bare(target as TSESTree.Expression);
    if (inner.type === AST_NODE_TYPES.MemberExpression && inner.computed && this.isList(inner.object)) {
      const list = this.pathOf(inner.object);
      if (list === undefined) this.forget();
      else this.drop(list);
      return;
    }
    if (inner.type === AST_NODE_TYPES.ArrayPattern || inner.type === AST_NODE_TYPES.ObjectPattern || (inner.type === AST_NODE_TYPES.MemberExpression && inner.computed)) {
      // An element of a typed array may be an entry of a table.
      this.forget();
      return;
    }
    // What a setter does is its own business.
    const path = this.isSetter(inner) ? undefined : stablePath(this.types, inner);
    if (path === undefined) this.forget();
    else this.drop(path);
  }

  private isSetter(node: TSESTree.Node): boolean {
    return node.type === AST_NODE_TYPES.MemberExpression && ((this.types.symbolOf(node.property)?.flags ?? 0) & ts.SymbolFlags.SetAccessor) !== 0;
  }

  /** What was read through something that is another now. */
  private drop(path: string): void {
    this.changes++;
    const isIn = (text: string): boolean => `${text} `.split(path).slice(1).some((rest) => /^[^\w$]/.test(rest));
    for (const reads of [this.now, ...this.around]) for (const key of [...(reads?.keys() ?? [])]) if (isIn(key)) reads?.delete(key);
    for (const [constant, field] of [...this.fields]) if (isIn(field)) this.fields.delete(constant);
  }

  /** Remembers what a constant was given: `const { ptep } = fault`, where `fault.ptep` may be another later. */
  private given({ id, init, parent }: TSESTree.VariableDeclarator): void {
    if (init === null || parent.kind !== 'const') return;
    if (id.type === AST_NODE_TYPES.Identifier) {
      const { type } = bare(init);
      if (type === AST_NODE_TYPES.Identifier || type === AST_NODE_TYPES.MemberExpression) this.stands(id, () => this.pathOf(init));
      return;
    }
    if (id.type !== AST_NODE_TYPES.ObjectPattern) return;
    for (const property of id.properties) {
      if (property.type !== AST_NODE_TYPES.Property || property.computed || property.key.type !== AST_NODE_TYPES.Identifier || property.value.type !== AST_NODE_TYPES.Identifier) continue;
      const { name } = property.key;
      this.stands(property.value, () => {
        const object = this.pathOf(init);
        const field = object === undefined ? undefined : this.types.types.checker.getPropertyOfType(this.types.typeOf(init), name);
        return field === undefined || (field.flags & ts.SymbolFlags.GetAccessor) !== 0 ? undefined : `${object}.${name}`;
      });
    }
  }

  private stands(constant: TSESTree.Identifier, find: () => string | undefined): void {
    if (this.types.handleOf(constant) === undefined && !this.types.types.isCore(this.types.typeOf(constant), 'Arch', 'WritableArch', 'LevelOps', 'WritableOps')) return;
    const own = stablePath(this.types, constant);
    const field = find();
    if (own !== undefined && field !== undefined) this.fields.set(own, this.byFields(field));
  }

  /** A path with the fields in the place of the constants that were given them. */
  private byFields(path: string): string {
    return this.fields.size === 0 ? path : path.replace(VARIABLE, (name) => this.fields.get(name) ?? name);
  }

  private call(node: TSESTree.CallExpression): void {
    this.visit(node.callee);
    // Arguments of a call that need not happen need not be looked at either.
    if (node.optional) this.branches([() => { this.all(node.arguments); }, () => undefined]);
    else this.all(node.arguments);
    const read = entryRead(this.types, node);
    if (read === undefined) {
      if (this.mayChange(node)) this.forget();
      else {
        this.reordered(node);
        for (const one of [node.callee, ...node.arguments]) this.assignedBy(one);
      }
      return;
    }
    if (!this.types.isLive(read.handle)) return;
    const handle = this.pathOf(read.handle);
    if (handle === undefined || this.now === undefined) return;
    const key = `${this.archOf(node)} ${handle}`;
    const byFields = this.byFields(key);
    const earlier = this.now.get(key) ?? this.now.get(byFields);
    if (earlier === undefined) this.now.set(key, read).set(byFields, read);
    else if (!this.isCompared(read, earlier)) this.report(read, earlier);
  }

  /** What a function of this file, which is called or called back here, gives to variables that are not its own: `const skip = (n: number) => { ptep = hwPteAdvance(arch, ptep, n); }`. */
  private assignedBy(node: TSESTree.Node): void {
    const body = this.functionOf(node);
    if (body === undefined) return;
    for (const reference of this.context.sourceCode.getScope(body).through) {
      let target: TSESTree.Identifier | TSESTree.JSXIdentifier | TSESTree.MemberExpression = reference.identifier;
      while (target.parent.type === AST_NODE_TYPES.MemberExpression && target.parent.object === target) target = target.parent;
      const { parent } = target;
      const isTarget = parent.type === AST_NODE_TYPES.UpdateExpression || (parent.type === AST_NODE_TYPES.AssignmentExpression && parent.left === target);
      if (isTarget || reference.isWrite()) this.assigned(target);
    }
  }

  private functionOf(node: TSESTree.Node): TSESTree.Node | undefined {
    const inner = bare(node as TSESTree.Expression);
    if (ASTUtils.isFunction(inner)) return inner;
    if (inner.type !== AST_NODE_TYPES.Identifier) return undefined;
    const definition = ASTUtils.findVariable(this.context.sourceCode.getScope(inner), inner)?.defs[0]?.node;
    if (definition === undefined || ASTUtils.isFunction(definition)) return definition;
    if (definition.type !== AST_NODE_TYPES.VariableDeclarator || definition.id.type !== AST_NODE_TYPES.Identifier || definition.init === null) return undefined;
    const init = bare(definition.init);
    return ASTUtils.isFunction(init) ? init : undefined;
  }

  /** A list whose elements are others now: `handles.reverse()`. */
  private reordered(node: TSESTree.CallExpression): void {
    const callee = bare(node.callee);
    if (callee.type !== AST_NODE_TYPES.MemberExpression || !/^(copyWithin|fill|pop|push|reverse|set|shift|sort|splice|unshift)$/.test(calledName(node)?.name ?? '')) return;
    const path = stablePath(this.types, callee.object);
    if (path !== undefined) this.drop(path);
  }

  /** Which entry a handle is of, as a text; undefined where it may be another the next time that it is asked for. */
  private pathOf(node: TSESTree.Node, depth = 0): string | undefined {
    const inner = bare(node as TSESTree.Expression);
    if (inner.type === AST_NODE_TYPES.Identifier) return (depth < MAX_DEPTH ? this.standsFor(inner, depth) : undefined) ?? stablePath(this.types, inner);
    if (inner.type === AST_NODE_TYPES.CallExpression) return this.pathOfStep(inner, depth);
    if (inner.type !== AST_NODE_TYPES.MemberExpression) return stablePath(this.types, inner);
    const object = this.pathOf(inner.object, depth);
    if (object === undefined) return undefined;
    if (inner.computed && !(inner.property.type === AST_NODE_TYPES.Literal && typeof inner.property.value === 'string')) {
      const at = this.numberOf(inner.property, depth);
      return at === undefined ? undefined : `${object}[${at}]`;
    }
    // What a getter returns may be another entry each time.
    const symbol = this.types.symbolOf(inner.property);
    if (symbol === undefined || (symbol.flags & ts.SymbolFlags.GetAccessor) !== 0) return undefined;
    if (inner.computed) return `${object}.${symbol.name}`;
    return `${object}.${inner.property.type === AST_NODE_TYPES.PrivateIdentifier ? '#' : ''}${symbol.name}`;
  }

  /** `hwPteAdvance(arch, ptep, i)`: as many entries on from the same one is the same again. */
  private pathOfStep(node: TSESTree.CallExpression, depth: number): string | undefined {
    const name = calledName(node);
    if (name === undefined || !this.types.mayGiveHandle(node)) return undefined;
    const symbol = this.types.symbolOf(name);
    const original = symbol === undefined ? undefined : this.types.types.resolved(symbol);
    if (original === undefined || !STEP.test(original.name) || !this.types.types.isCoreSymbol(original, original.name)) return undefined;
    const parts = node.arguments.map((argument) => (argument.type === AST_NODE_TYPES.SpreadElement ? undefined : this.numberOf(argument, depth)));
    return parts.includes(undefined) ? undefined : `${original.name}(${parts.join()})`;
  }

  /** What an index or a count is, as a text: `3`, `i + 1`, or a path. */
  private numberOf(node: TSESTree.Expression, depth: number): string | undefined {
    const inner = bare(node);
    if (inner.type === AST_NODE_TYPES.Literal) return inner.raw;
    if (inner.type !== AST_NODE_TYPES.BinaryExpression || !isArithmetic(inner.operator)) return this.pathOf(inner, depth);
    const left = inner.left.type === AST_NODE_TYPES.PrivateIdentifier ? undefined : this.numberOf(inner.left, depth);
    const right = this.numberOf(inner.right, depth);
    return left === undefined || right === undefined ? undefined : `(${left} ${inner.operator} ${right})`;
  }

  /** The path of what a constant was given, if neither can become something else: `const same = ptep`, `const { ptep } = fault`. */
  private standsFor(node: TSESTree.Identifier, depth: number): string | undefined {
    const variable = ASTUtils.findVariable(this.context.sourceCode.getScope(node), node);
    const definition = variable?.defs[0]?.node;
    if (definition?.type !== AST_NODE_TYPES.VariableDeclarator || definition.init === null || definition.parent.kind !== 'const') return undefined;
    if (definition.id.type === AST_NODE_TYPES.Identifier) return this.isFixed(definition.init) ? this.pathOf(definition.init, depth + 1) : undefined;
    if (definition.id.type !== AST_NODE_TYPES.ObjectPattern || !this.isFixed(definition.init)) return undefined;
    const property = definition.id.properties.find((one) => one.type === AST_NODE_TYPES.Property && one.value.type === AST_NODE_TYPES.Identifier && one.value.name === node.name);
    if (property?.type !== AST_NODE_TYPES.Property || property.computed || property.key.type !== AST_NODE_TYPES.Identifier) return undefined;
    const object = this.pathOf(definition.init, depth + 1);
    const field = this.types.types.checker.getPropertyOfType(this.types.typeOf(definition.init), property.key.name);
    if (object === undefined || field === undefined) return undefined;
    return this.isReadonly(field) ? `${object}.${property.key.name}` : undefined;
  }

  /** Whether an expression is a variable that is given a value once, or a readonly field of one. */
  private isFixed(node: TSESTree.Expression): boolean {
    const inner = bare(node);
    if (inner.type === AST_NODE_TYPES.Identifier) {
      const variable = ASTUtils.findVariable(this.context.sourceCode.getScope(inner), inner);
      return variable?.references.every((reference) => !reference.isWrite() || reference.init === true) === true;
    }
    if (inner.type === AST_NODE_TYPES.ThisExpression) return true;
    if (inner.type !== AST_NODE_TYPES.MemberExpression || inner.computed || !this.isFixed(inner.object)) return false;
    const symbol = this.types.symbolOf(inner.property);
    return symbol !== undefined && this.isReadonly(symbol);
  }

  private isReadonly(symbol: ts.Symbol): boolean {
    return (symbol.flags & ts.SymbolFlags.GetAccessor) === 0 && (symbol.declarations ?? []).some((declaration) => (ts.getCombinedModifierFlags(declaration) & ts.ModifierFlags.Readonly) !== 0);
  }

  /** Which architecture a read asks: handles of two of them that look alike are of two tables. */
  private archOf(node: TSESTree.CallExpression): string {
    const callee = bare(node.callee);
    const [first] = node.arguments;
    let arch: TSESTree.Node | undefined = first;
    if (callee.type === AST_NODE_TYPES.MemberExpression && this.types.types.isCore(this.types.typeOf(callee.object), 'LevelOps', 'WritableOps')) {
      const path = this.pathOf(callee.object);
      if (path !== undefined) return path.replace(/\.ops(\.\w+|\[[^\]]*\])$/, '');
      arch = callee.object;
    } else if (first === undefined || this.types.handleOf(first) !== undefined) return '';
    return arch === undefined ? '' : (this.pathOf(arch) ?? this.context.sourceCode.getText(arch));
  }

  /** Whether a value is compared with another, to see whether the entry is still what it was: `pte_same` after a lockless read. */
  private isCompared({ node }: EntryRead, earlier: EntryRead): boolean {
    const { parent } = node;
    if (this.comparedWith(node).some((other) => !this.isEmpty(other) && this.types.types.value(this.types.typeOf(other)) !== undefined)) return true;
    // Put into a variable first: const now = ptepGetOnce(arch, ptep); if (now !== pte) ...
    const before = this.variableOf(earlier.node);
    const variable = parent.type === AST_NODE_TYPES.VariableDeclarator ? this.variableOf(node) : null;
    if (variable === null || before === null) return false;
    return variable.references.some(({ identifier }) => this.comparedWith(identifier).some((other) => other.type === AST_NODE_TYPES.Identifier && before.references.some((reference) => reference.identifier === other)));
  }

  /** What a value is asked to be the same as where it stands. */
  private comparedWith(node: TSESTree.Node): readonly TSESTree.Node[] {
    const { parent } = node;
    if (parent?.type === AST_NODE_TYPES.BinaryExpression && /^[!=]==?$/.test(parent.operator)) return [parent.left === node ? parent.right : parent.left];
    if (parent?.type !== AST_NODE_TYPES.CallExpression) return [];
    const name = calledName(parent);
    const outer = parent.parent.type === AST_NODE_TYPES.MemberExpression && parent.parent.object === parent ? parent.parent.parent : undefined;
    // expect(ptepGetOnce(arch, ptep)).toBe(before)
    if (name?.name === 'expect' && outer?.type === AST_NODE_TYPES.CallExpression && outer.callee === parent.parent) return /^to(Be|Equal|StrictEqual)$/.test(calledName(outer)?.name ?? '') ? outer.arguments : [];
    if (name?.name === 'is' && name.parent.type === AST_NODE_TYPES.MemberExpression && name.parent.object.type === AST_NODE_TYPES.Identifier && name.parent.object.name === 'Object') return parent.arguments.filter((argument) => argument !== node);
    const symbol = name === undefined ? undefined : this.types.symbolOf(name);
    const original = symbol === undefined ? name?.name : this.types.types.resolved(symbol).name;
    return original !== undefined && /((^s|S)ame|(^e|E)quals?)$/.test(original) ? parent.arguments.filter((argument) => argument !== node) : [];
  }

  /** `arch.values.pte.empty`: whether an entry is empty is no question of what it was before. */
  private isEmpty(node: TSESTree.Node): boolean {
    return node.type === AST_NODE_TYPES.MemberExpression && node.property.type === AST_NODE_TYPES.Identifier && node.property.name === 'empty';
  }

  /** The variable that a read was put into. */
  private variableOf(node: TSESTree.Node): TSESLint.Scope.Variable | null {
    const { parent } = node;
    const target = parent?.type === AST_NODE_TYPES.VariableDeclarator ? parent.id : parent?.type === AST_NODE_TYPES.AssignmentExpression && parent.right === node ? parent.left : undefined;
    return target?.type === AST_NODE_TYPES.Identifier ? ASTUtils.findVariable(this.context.sourceCode.getScope(target), target) : null;
  }

  /** Whether a call may write entries, or let somebody else: an accessor that writes, a lock, and whatever it is given the means to. */
  private mayChange(node: TSESTree.CallExpression | TSESTree.NewExpression): boolean {
    const { types } = this.types;
    if (node.type === AST_NODE_TYPES.CallExpression && (isLocking(node) || isEntryWrite(this.types, node))) return true;
    const name = calledName(node);
    const symbol = name === undefined ? undefined : this.types.symbolOf(name);
    const files = (symbol === undefined ? [] : (types.resolved(symbol).declarations ?? [])).map((declaration) => declaration.getSourceFile());
    // The language's own functions change nothing, but for what they call back, and so do the accessors that only read.
    if (files.length > 0 && files.every((file) => this.types.services.program.isSourceFileDefaultLibrary(file))) return this.isAtomic(node) || node.arguments.some((argument) => this.isCalledBack(argument));
    if (symbol !== undefined && types.isCoreSymbol(symbol, types.resolved(symbol).name)) return this.isChangingMethod(node);
    if (node.type === AST_NODE_TYPES.CallExpression && this.context.sourceCode.getText(node.callee).startsWith('console.')) return false;
    if (name !== undefined && CHANGES.test(name.name)) return true;
    // A method does what it does to its object, and a function without arguments to the machine; one that gets values only cannot get at the tables by them.
    return this.isMethod(node) || node.arguments.length === 0 || node.arguments.some((argument) => !this.isPlainValue(argument));
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

  /** `this.mark(1)`, and not `util.mark(1)` of a namespace. */
  private isMethod(node: TSESTree.CallExpression | TSESTree.NewExpression): boolean {
    const callee = bare(node.callee);
    if (callee.type !== AST_NODE_TYPES.MemberExpression) return false;
    const symbol = this.types.symbolOf(callee.object);
    return symbol === undefined || (this.types.types.resolved(symbol).flags & (ts.SymbolFlags.Module | ts.SymbolFlags.Namespace)) === 0;
  }

  /** Whether a function that is given to one of the language's own may change something when it is called. */
  private isCalledBack(node: TSESTree.CallExpressionArgument): boolean {
    if (node.type === AST_NODE_TYPES.ArrowFunctionExpression || node.type === AST_NODE_TYPES.FunctionExpression) return this.doesChange(node.body);
    return node.type !== AST_NODE_TYPES.SpreadElement && this.types.typeOf(node).getCallSignatures().length > 0;
  }

  /** Whether anything in a piece of code may change an entry. */
  private doesChange(node: TSESTree.Node): boolean {
    if (node.type === AST_NODE_TYPES.AwaitExpression || node.type === AST_NODE_TYPES.YieldExpression || node.type === AST_NODE_TYPES.TaggedTemplateExpression || node.type === AST_NODE_TYPES.AssignmentExpression) return true;
    if (node.type === AST_NODE_TYPES.NewExpression && this.mayChange(node)) return true;
    if (node.type === AST_NODE_TYPES.CallExpression && entryRead(this.types, node) === undefined && this.mayChange(node)) return true;
    return this.children(node).some((child) => this.doesChange(child));
  }

  private children(node: TSESTree.Node): TSESTree.Node[] {
    return children(node, this.context.sourceCode.visitorKeys);
  }

  private isList(node: TSESTree.Expression): boolean {
    const { checker } = this.types.types;
    const type = this.types.typeOf(node);
    return checker.isArrayType(type) || checker.isTupleType(type);
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

  private report(read: EntryRead, earlier: EntryRead): void {
    const line = String(earlier.node.loc.start.line);
    const data = { level: read.level ?? 'page-table', line };
    const holder = earlier.way === read.way ? this.holderOf(earlier) : undefined;
    const isThere = holder !== undefined && this.isVisible(holder, read.node) && this.context.sourceCode.getCommentsInside(read.node).length === 0;
    this.context.report({
      node: read.node,
      messageId: 'twice',
      data,
      suggest: isThere ? [{ messageId: 'useValue', data: { name: holder.name, line }, fix: (fixer) => fixer.replaceText(read.node, holder.name) }] : [],
    });
  }

  /** The constant that the first read was put into. */
  private holderOf({ node }: EntryRead): TSESTree.Identifier | undefined {
    const { parent } = node;
    const isConstant = parent.type === AST_NODE_TYPES.VariableDeclarator && parent.init === node && parent.parent.kind === 'const';
    return isConstant && parent.id.type === AST_NODE_TYPES.Identifier ? parent.id : undefined;
  }

  private isVisible(holder: TSESTree.Identifier, at: TSESTree.Node): boolean {
    for (let scope: TSESLint.Scope.Scope | null = this.context.sourceCode.getScope(at); scope !== null; scope = scope.upper) {
      const variable = scope.set.get(holder.name);
      if (variable !== undefined) return variable.identifiers.includes(holder);
    }
    return false;
  }
}

const PLAIN = ts.TypeFlags.NumberLike | ts.TypeFlags.BigIntLike | ts.TypeFlags.StringLike | ts.TypeFlags.BooleanLike | ts.TypeFlags.Undefined | ts.TypeFlags.Null;
/** A variable in a path. */
const VARIABLE = /[\w$]+#\d+/g;
/** The functions of core that step from one entry of a table to another. */
const STEP = /^hw(?:Pte|Pmd|Pud|P4d|Pgd)(?:Next|Advance)$/;
/** How far constants are followed to what they stand for. */
const MAX_DEPTH = 4;
/** A function that gets numbers only and writes entries all the same, or waits until somebody did, by its name. */
const CHANGES = /^(zap|m?unmap|remap|map|clear|flush|invalidate|write|store|set(?=[A-Z]|$)|update|populate|free|fault|handle|protect|split|collapse|migrate|touch|dirty|wait|sleep|msleep|delay|udelay|pause|poll|spin|tick|step|run)/i;

/** What is known on all of some ways. */
function merged(ways: readonly Reads[]): Reads | undefined {
  const [first, ...others] = ways;
  return first === undefined ? undefined : new Map([...first].filter(([key]) => others.every((other) => other.has(key))));
}

/** The end of a way that meets others there. */
interface Way {
  readonly reads: Reads;
  /** Whether anything may have become another on it. */
  readonly isChanged: boolean;
}

/** The way past a piece of code, on which nothing of it runs. */
function skipping(before: Reads | undefined): readonly Way[] {
  return before === undefined ? [] : [{ reads: before, isChanged: false }];
}

function onAll(ways: readonly Way[]): Reads | undefined {
  return merged(ways.map(({ reads }) => reads));
}

/** What was read on any of some ways: `if (isStrict && !ptePresent(arch, ptepGet(arch, ptep))) return;`. But where another of them changes something, whoever reads again afterwards has to. */
function met(ways: readonly Way[]): Reads | undefined {
  if (ways.length === 0) return undefined;
  const isKnown = (key: string): boolean => ways.every(({ reads, isChanged }) => !isChanged || reads.has(key));
  return new Map(ways.flatMap(({ reads }) => [...reads]).filter(([key]) => isKnown(key)));
}
