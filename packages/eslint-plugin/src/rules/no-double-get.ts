import { AST_NODE_TYPES, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import { calledName, entryRead, isEntryWrite, isLocking, stablePath, type EntryRead } from '../accessors.js';
import { bare } from '../ast.js';
import { createRule } from '../create-rule.js';
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
export const noDoubleGet = createRule<[], Messages>({
  name: 'no-double-get',
  meta: {
    type: 'problem',
    docs: { description: 'An entry is read once, and its value passed on', config: 'strict', typed: true },
    hasSuggestions: true,
    messages: MESSAGES,
    schema: [],
    defaultOptions: [],
  },
  create(context) {
    const types = typed(context);
    if (types === undefined) return {};
    const look = (body: TSESTree.Node): void => {
      new Paths(context, types).function(body);
    };
    return {
      Program: look,
      'FunctionDeclaration, FunctionExpression, ArrowFunctionExpression'(node: TSESTree.FunctionDeclaration | TSESTree.FunctionExpression | TSESTree.ArrowFunctionExpression) {
        look(node.body);
      },
      StaticBlock: look,
    };
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
        return;
      case AST_NODE_TYPES.IfStatement:
      case AST_NODE_TYPES.ConditionalExpression:
        this.visit(node.test);
        this.branches([() => { this.visit(node.consequent); }, () => { this.visit(node.alternate); }]);
        return;
      case AST_NODE_TYPES.LogicalExpression:
        this.visit(node.left);
        this.branches([() => { this.visit(node.right); }, () => undefined]);
        return;
      case AST_NODE_TYPES.SwitchStatement:
        this.visit(node.discriminant);
        this.branches([...node.cases.map((one) => () => { this.all([one.test, ...one.consequent]); }), () => undefined]);
        return;
      case AST_NODE_TYPES.ForStatement:
        this.visit(node.init);
        this.loop(() => { this.all([node.test, node.body, node.update]); });
        return;
      case AST_NODE_TYPES.ForOfStatement:
      case AST_NODE_TYPES.ForInStatement:
        this.visit(node.right);
        this.loop(() => { this.visit(node.body); });
        return;
      case AST_NODE_TYPES.WhileStatement:
        this.loop(() => { this.all([node.test, node.body]); });
        return;
      case AST_NODE_TYPES.DoWhileStatement:
        this.loop(() => { this.all([node.body, node.test]); });
        return;
      case AST_NODE_TYPES.TryStatement:
        this.visit(node.block);
        // What of the block has run is not known in the others.
        this.forget();
        this.branches([() => { this.visit(node.handler?.body); }, () => undefined]);
        this.visit(node.finalizer);
        return;
      case AST_NODE_TYPES.ReturnStatement:
      case AST_NODE_TYPES.ThrowStatement:
        this.visit(node.argument);
        this.now = undefined;
        return;
      case AST_NODE_TYPES.BreakStatement:
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
      case AST_NODE_TYPES.AssignmentExpression:
        this.all([node.right, node.left]);
        this.assigned(node.left);
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
        for (const key of this.context.sourceCode.visitorKeys[node.type] ?? []) {
          const child = (node as unknown as Readonly<Record<string, TSESTree.Node | readonly (TSESTree.Node | null)[] | null | undefined>>)[key];
          if (Array.isArray(child)) this.all(child as readonly (TSESTree.Node | null)[]);
          else this.visit(child as TSESTree.Node | null | undefined);
        }
    }
  }

  private forget(): void {
    this.now?.clear();
  }

  /** Ways that part here and meet again: what holds on all of them that do. */
  private branches(ways: readonly (() => void)[]): void {
    const before = this.now;
    const ends = ways.map((way) => {
      this.now = before === undefined ? undefined : new Map(before);
      way();
      return this.now;
    });
    const open = ends.filter((end) => end !== undefined);
    const [first, ...others] = open;
    this.now = first === undefined ? undefined : new Map([...first].filter(([key, read]) => others.every((other) => other.get(key) === read)));
  }

  /** What runs again and again reads again on purpose. */
  private loop(body: () => void): void {
    this.now = new Map();
    body();
    this.now = new Map();
  }

  private assigned(target: TSESTree.Node): void {
    const inner = bare(target as TSESTree.Expression);
    if (inner.type === AST_NODE_TYPES.ArrayPattern || inner.type === AST_NODE_TYPES.ObjectPattern || (inner.type === AST_NODE_TYPES.MemberExpression && inner.computed)) {
      // A list's element may be an entry of a table.
      this.forget();
      return;
    }
    const path = stablePath(this.types, inner);
    if (path === undefined) this.forget();
    else for (const key of [...(this.now?.keys() ?? [])]) if (key === path || key.startsWith(`${path}.`)) this.now?.delete(key);
  }

  private call(node: TSESTree.CallExpression): void {
    this.visit(node.callee);
    this.all(node.arguments);
    const read = entryRead(this.types, node);
    if (read === undefined) {
      if (this.mayChange(node)) this.forget();
      return;
    }
    if (!this.types.isLive(read.handle)) return;
    const key = stablePath(this.types, read.handle);
    if (key === undefined || this.now === undefined) return;
    const earlier = this.now.get(key);
    if (earlier === undefined) this.now.set(key, read);
    else if (!this.isCompared(read)) this.report(read, earlier);
  }

  /** Whether a value is compared with another, to see whether the entry is still what it was: `pte_same` after a lockless read. */
  private isCompared({ node }: EntryRead): boolean {
    const { parent } = node;
    if (parent.type === AST_NODE_TYPES.BinaryExpression && /^[!=]==?$/.test(parent.operator)) {
      const other = parent.left === node ? parent.right : parent.left;
      return this.types.types.value(this.types.typeOf(other)) !== undefined;
    }
    return parent.type === AST_NODE_TYPES.CallExpression && (calledName(parent)?.name ?? '').endsWith("Same");
  }

  /** Whether a call may write entries, or let somebody else: an accessor that writes, a lock, and whatever it is given the means to. */
  private mayChange(node: TSESTree.CallExpression | TSESTree.NewExpression): boolean {
    const { types } = this.types;
    if (node.type === AST_NODE_TYPES.CallExpression && (isLocking(node) || isEntryWrite(this.types, node))) return true;
    const name = calledName(node);
    const symbol = name === undefined ? undefined : types.checker.getSymbolAtLocation(this.types.services.esTreeNodeToTSNodeMap.get(name));
    const files = (symbol === undefined ? [] : (types.resolved(symbol).declarations ?? [])).map((declaration) => declaration.getSourceFile());
    // The language's own functions and the accessors that only read change nothing.
    if (files.length > 0 && files.every((file) => this.types.services.program.isSourceFileDefaultLibrary(file))) return false;
    if (symbol !== undefined && types.isCoreSymbol(symbol, types.resolved(symbol).name)) return false;
    // A function without arguments does what it does to the machine; one that gets values only cannot get at the tables by them.
    return node.arguments.length === 0 || node.arguments.some((argument) => !this.isPlainValue(argument));
  }

  private isPlainValue(node: TSESTree.CallExpressionArgument): boolean {
    if (node.type === AST_NODE_TYPES.SpreadElement || this.types.handleOf(node) !== undefined) return false;
    const { checker } = this.types.types;
    const type = this.types.typeOf(node);
    const values = [checker.getNumberType(), checker.getBigIntType(), checker.getStringType(), checker.getBooleanType(), checker.getUndefinedType(), checker.getNullType()];
    return (type.isUnion() ? type.types : [type]).every((member) => values.some((value) => checker.isTypeAssignableTo(member, value)));
  }

  private report(read: EntryRead, earlier: EntryRead): void {
    const line = String(earlier.node.loc.start.line);
    const data = { level: read.level ?? 'page-table', line };
    const holder = earlier.way === read.way ? this.holderOf(earlier) : undefined;
    const isThere = holder !== undefined && this.isVisible(holder, read.node);
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
