import { AST_NODE_TYPES, AST_TOKEN_TYPES, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import { calledName, entryRead, isEntryWrite, stablePath, type EntryRead } from '../accessors.js';
import { ancestors, bare } from '../ast.js';
import { createRule } from '../create-rule.js';
import { importCore } from '../fix/reach.js';
import { NO_TYPES, typed, type Typed } from '../typed.js';

const MESSAGES = {
  ...NO_TYPES,
  plain: 'A {{level}} entry is read plainly, and {{why}}: the read may be torn, or give another value the next time. Read it in one step.',
  unlocked: 'A {{level}} entry is read without a lock and written in line {{line}} by what was read: whoever changes it in between is lost. Take the lock of its table and read it plainly there, or compare under the lock.',
  useOnce: 'Use {{name}}: the one entry, read in one step.',
  useLockless: 'Use {{name}}: the whole of a contiguous block, read until it is consistent.',
} as const;

type Messages = keyof typeof MESSAGES;
type Context = Readonly<TSESLint.RuleContext<Messages, readonly []>>;
type FunctionNode = TSESTree.FunctionDeclaration | TSESTree.FunctionExpression | TSESTree.ArrowFunctionExpression;

/**
 * The two ways of reading are for two situations: plainly under the lock of the table, in one step without it. Plain reads are reported where the code says
 * that no lock is held: in functions marked `@lockless`, in walks without locks, in sections that are RCU's alone. And a read in one step is reported where a write
 * follows with no lock taken in between: it makes a race look as if somebody had thought of it.
 */
export const preferGetOnce = createRule<[], Messages>({
  name: 'prefer-get-once',
  meta: {
    type: 'problem',
    docs: { description: 'Entries are read in one step where no lock is held, and under the lock where they are written', config: 'strict', typed: true },
    hasSuggestions: true,
    messages: MESSAGES,
    schema: [],
    defaultOptions: [],
  },
  create(context) {
    const types = typed(context, { inArchitecture: true });
    return types === undefined ? {} : listeners(context, types);
  },
});

function listeners(context: Context, types: Typed): TSESLint.RuleListener {
  const { sourceCode } = context;

  /** Why no lock is held where a node stands, in words; undefined if one may be. */
  function lockless(node: TSESTree.Node): string | undefined {
    if (isUnderLock(node)) return undefined;
    const section = sectionAround(node);
    if (section !== undefined) return section;
    const around = enclosing(node);
    if (around === undefined) return undefined;
    if (isMarked(around)) return 'this function is marked @lockless';
    const walk = walkOf(around);
    if (walk !== undefined) return walk;
    // A function that is written where it is used runs there, or is handed on: what holds around it holds in it.
    return around.type === AST_NODE_TYPES.FunctionDeclaration ? undefined : lockless(around);
  }

  function isMarked(node: FunctionNode): boolean {
    for (const at of [node, ...ancestors(node)]) {
      const comments = sourceCode.getCommentsBefore(at);
      if (comments.some(({ type, value }) => type === AST_TOKEN_TYPES.Block && value.startsWith('*') && /(^|\s)@lockless\b/.test(value))) return true;
      // The comment stands before what the function is part of: the export, the variable, the method.
      if (at.parent === undefined || !WRAPPERS.has(at.parent.type)) return false;
    }
    return false;
  }

  /** A walk without locks that a function is a callback of. */
  function walkOf(node: FunctionNode): string | undefined {
    const property = node.parent;
    const object = property.type === AST_NODE_TYPES.Property && property.parent.type === AST_NODE_TYPES.ObjectExpression ? property.parent : undefined;
    if (object !== undefined) {
      const mode = object.properties.find((one): one is TSESTree.Property => one.type === AST_NODE_TYPES.Property && one.key.type === AST_NODE_TYPES.Identifier && one.key.name === 'walkLock');
      if (mode !== undefined && NO_LOCK.test(sourceCode.getText(mode.value))) return 'its walk holds no lock';
    }
    const callback: TSESTree.Node = object ?? node;
    if (isGivenToLockless(callback)) return 'its walk holds no lock';
    // An ops object that is given to the walk by its name.
    const holder = callback.parent;
    if (holder.type !== AST_NODE_TYPES.VariableDeclarator && holder.type !== AST_NODE_TYPES.TSSatisfiesExpression) return undefined;
    const declarator = holder.type === AST_NODE_TYPES.VariableDeclarator ? holder : holder.parent;
    if (declarator.type !== AST_NODE_TYPES.VariableDeclarator) return undefined;
    const uses = (sourceCode as { getDeclaredVariables(node: TSESTree.Node): readonly TSESLint.Scope.Variable[] }).getDeclaredVariables(declarator).flatMap(({ references }) => references.filter((reference) => reference.isRead()));
    return uses.length > 0 && uses.every(({ identifier }) => isGivenToLockless(identifier)) ? 'its walk holds no lock' : undefined;
  }

  function isGivenToLockless(node: TSESTree.Node): boolean {
    const { parent } = node;
    if (parent?.type === AST_NODE_TYPES.TSSatisfiesExpression) return isGivenToLockless(parent);
    return parent?.type === AST_NODE_TYPES.CallExpression && parent.arguments.some((argument) => argument === node) && /(Lockless|NoLock)$/.test(calledName(parent)?.name ?? '');
  }

  /** A section that is RCU's alone: `rcuReadLock(); ... rcuReadUnlock();`, `using section = rcu.readLock()`, `rcu.read(() => ...)`. */
  function sectionAround(node: TSESTree.Node): string | undefined {
    for (const [at, parent] of steps(node)) {
      if (isFunction(at)) {
        if (parent.type === AST_NODE_TYPES.CallExpression && RCU_SCOPE.test(sourceCode.getText(parent.callee))) return 'only RCU protects its table';
        return undefined;
      }
      const body = statementsOf(parent);
      if (body === undefined) continue;
      let open = false;
      for (const statement of body.slice(0, body.findIndex((one) => one === at))) {
        const call = calledBy(statement);
        if (call === undefined) continue;
        if (RCU_END.test(call)) open = false;
        else if (RCU_BEGIN.test(call)) open = true;
      }
      if (open) return 'only RCU protects its table';
    }
    return undefined;
  }

  /** Whether a lock was taken before a node, in this function, and not given back: by the order of statements of the blocks around it. */
  function isUnderLock(node: TSESTree.Node): boolean {
    for (const [at, parent] of steps(node)) {
      if (isFunction(at)) return false;
      const body = statementsOf(parent);
      if (body === undefined) continue;
      let held = 0;
      for (const statement of body.slice(0, body.findIndex((one) => one === at))) {
        const call = calledBy(statement);
        if (call === undefined || RCU_BEGIN.test(call) || RCU_END.test(call)) continue;
        if (UNLOCK.test(call)) held = Math.max(0, held - 1);
        else if (TAKES_LOCK.test(call)) held++;
      }
      if (held > 0) return true;
    }
    return false;
  }

  function check(read: EntryRead): void {
    if (!types.isLive(read.handle)) return;
    if (read.way === 'plain') {
      const why = lockless(read.node) ?? mappedWithoutLock(read);
      if (why !== undefined) context.report({ node: read.node, messageId: 'plain', data: { level: read.level ?? 'page-table', why }, suggest: suggestions(read) });
      return;
    }
    const write = writeAfter(read);
    if (write !== undefined) context.report({ node: read.node, messageId: 'unlocked', data: { level: read.level ?? 'page-table', line: String(write.loc.start.line) } });
  }

  /** A handle of `pteOffsetMap` or its Nolock forms, which keep the table there and nothing else out. */
  function mappedWithoutLock({ handle, node }: EntryRead): string | undefined {
    const inner = bare(handle);
    if (inner.type !== AST_NODE_TYPES.Identifier || isUnderLock(node)) return undefined;
    const variable = variableOf(inner);
    const definition = variable?.defs[0]?.node;
    if (definition?.type !== AST_NODE_TYPES.VariableDeclarator || definition.init === null) return undefined;
    const source = bare(definition.init);
    const call = source.type === AST_NODE_TYPES.CallExpression ? source : undefined;
    const name = call === undefined ? undefined : calledName(call)?.name;
    return name !== undefined && /^pteOffsetMap((Ro|Rw)?Nolock)?$/.test(name) ? `${name} takes no lock` : undefined;
  }

  function variableOf(node: TSESTree.Identifier): TSESLint.Scope.Variable | undefined {
    for (let scope: TSESLint.Scope.Scope | null = sourceCode.getScope(node); scope !== null; scope = scope.upper) {
      const found = scope.set.get(node.name);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** The write of the same entry, by what was read, that follows in the same block or one inside of it with no lock taken on the way. */
  function writeAfter(read: EntryRead): TSESTree.CallExpression | undefined {
    const path = stablePath(types, read.handle);
    const holder = read.node.parent.type === AST_NODE_TYPES.VariableDeclarator && read.node.parent.id.type === AST_NODE_TYPES.Identifier ? read.node.parent.id : undefined;
    const around = enclosing(read.node);
    if (path === undefined || isUnderLock(read.node)) return undefined;
    // Written in one expression: setPte(arch, mm, address, ptep, pteMkdirty(arch, ptepGetOnce(arch, ptep))).
    const written = upTo(read.node).find((at) => writes(at, path));
    if (written !== undefined) return written;
    if (holder === undefined) return undefined;
    const variable = variableOf(holder);
    for (const reference of variable?.references ?? []) {
      if (!reference.isRead() || enclosing(reference.identifier) !== around) continue;
      const by = upTo(reference.identifier).filter((at) => writes(at, path)).find((at) => !isUnderLock(at));
      if (by !== undefined) return by;
    }
    return undefined;
  }

  function writes(node: TSESTree.Node, path: string): node is TSESTree.CallExpression {
    if (node.type !== AST_NODE_TYPES.CallExpression || !isEntryWrite(types, node)) return false;
    return node.arguments.some((argument) => argument.type !== AST_NODE_TYPES.SpreadElement && types.handleOf(argument) !== undefined && stablePath(types, argument) === path);
  }

  function suggestions(read: EntryRead): TSESLint.ReportSuggestionArray<Messages> {
    const forms = [['useOnce', 'Once'], ['useLockless', 'Lockless']] as const;
    return forms.flatMap(([messageId, suffix]) => {
      const name = `${read.name.name}${suffix}`;
      // pudpGetLockless does not exist: contiguous blocks are of the two lowest levels. Names of one's own are another matter.
      if (!/^((pte|pmd)pGet|get)$/.test(read.name.name) && !(suffix === 'Once' && /^(pud|p4d|pgd)pGet$/.test(read.name.name))) return [];
      return [{
        messageId,
        data: { name },
        fix(fixer: TSESLint.RuleFixer): TSESLint.RuleFix[] | null {
          const imports = read.isFunction ? importCore(context, fixer, read.node, [name]) : [];
          return imports === undefined ? null : [...imports, fixer.replaceText(read.name, name)];
        },
      }];
    });
  }

  return {
    CallExpression(node) {
      const read = entryRead(types, node);
      if (read !== undefined) check(read);
    },
  };

  /** What a statement calls, by name: `rcuReadLock()`, `const lock = spinLock(ptl)`, `using guard = mm.lock()`. */
  function calledBy(statement: TSESTree.Node): string | undefined {
    const expression =
      statement.type === AST_NODE_TYPES.ExpressionStatement ? statement.expression : statement.type === AST_NODE_TYPES.VariableDeclaration ? (statement.declarations[0].init ?? undefined) : undefined;
    if (expression === undefined) return undefined;
    const inner = bare(expression.type === AST_NODE_TYPES.AwaitExpression ? expression.argument : expression);
    return inner.type === AST_NODE_TYPES.CallExpression ? sourceCode.getText(inner.callee) : undefined;
  }
}

const WRAPPERS: ReadonlySet<string> = new Set([
  AST_NODE_TYPES.ExportNamedDeclaration, AST_NODE_TYPES.ExportDefaultDeclaration, AST_NODE_TYPES.VariableDeclarator, AST_NODE_TYPES.VariableDeclaration, AST_NODE_TYPES.MethodDefinition,
  AST_NODE_TYPES.PropertyDefinition, AST_NODE_TYPES.Property,
]);
/** A lock mode that is none: PageWalkLock.NoLock, 'no-lock', PGWALK_NOLOCK. */
const NO_LOCK = /no_?-?lock|lockless/i;
const RCU_BEGIN = /rcu\w*\.?(read)?_?lock$/i;
const RCU_END = /rcu\w*\.?(read)?_?unlock$/i;
const RCU_SCOPE = /(^|\.)(rcu\.read|withRcu\w*|rcuRead(Section|Side)?|underRcu)$/i;
const UNLOCK = /unlock$|release$/i;
const TAKES_LOCK = /lock(ed)?$|Lock(Irq|Bh|Nested)$|acquire$/i;

function isFunction(node: TSESTree.Node): node is FunctionNode {
  return node.type === AST_NODE_TYPES.FunctionDeclaration || node.type === AST_NODE_TYPES.FunctionExpression || node.type === AST_NODE_TYPES.ArrowFunctionExpression;
}

/** The function that a node is in. */
function enclosing(node: TSESTree.Node): FunctionNode | undefined {
  return [...ancestors(node)].find(isFunction);
}

function statementsOf(node: TSESTree.Node): readonly TSESTree.Node[] | undefined {
  if (node.type === AST_NODE_TYPES.BlockStatement || node.type === AST_NODE_TYPES.Program || node.type === AST_NODE_TYPES.StaticBlock) return node.body;
  return node.type === AST_NODE_TYPES.SwitchCase ? node.consequent : undefined;
}

/** Each node from this one outwards, with the one around it. */
function steps(node: TSESTree.Node): (readonly [TSESTree.Node, TSESTree.Node])[] {
  const around = [...ancestors(node)];
  return [node, ...around].slice(0, around.length).map((at, index) => [at, around[index]!]);
}

/** The nodes around a node, up to the function that it is in. */
function upTo(node: TSESTree.Node): readonly TSESTree.Node[] {
  const around = [...ancestors(node)];
  const end = around.findIndex(isFunction);
  return end < 0 ? around : around.slice(0, end);
}
