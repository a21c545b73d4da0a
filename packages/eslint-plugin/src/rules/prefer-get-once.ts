import { AST_NODE_TYPES, AST_TOKEN_TYPES, ASTUtils, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { calledName, entryRead, isEntryWrite, stablePath, textOf, type EntryRead } from '../accessors.js';
import { ancestors, bare, children, isEquality } from '../ast.js';
import { CalledNames } from '../called-names.js';
import { createRule } from '../create-rule.js';
import { Entries } from '../entries.js';
import { importCore } from '../fix/reach.js';
import { inOneGo } from '../in-one-go.js';
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
export const preferGetOnce = createRule<Messages>({
  name: 'prefer-get-once',
  meta: {
    type: 'problem',
    docs: { description: 'Entries are read in one step where no lock is held, and under the lock where they are written', config: 'strict', typed: true },
    hasSuggestions: true,
    messages: MESSAGES,
  },
  create(context) {
    const types = typed(context, { inArchitecture: true });
    return types === undefined ? {} : inOneGo(context.sourceCode, listeners(context, types));
  },
});

function listeners(context: Context, types: Typed): TSESLint.RuleListener {
  const { sourceCode } = context;
  const { checker } = types.types;
  const toTs = types.services.esTreeNodeToTSNodeMap;
  const entries = new Entries({ sourceCode, types });
  const called = new CalledNames(types, (name) => [TAKES_LOCK, UNLOCK, NO_LOCK_MAP].some((known) => known.test(name)));
  /** By function, where each field stands in it. */
  const fieldsIn = new Map<TSESTree.Node, Map<string, readonly TSESTree.Node[]>>();

  /** Why no lock is held where a node stands, in words; undefined if one may be. */
  function lockless(node: TSESTree.Node): string | undefined {
    if (isUnderLock(node)) return undefined;
    const section = sectionAround(node);
    if (section !== undefined) return section;
    const around = enclosing(node);
    if (around === undefined) return undefined;
    if (isMarked(around)) return 'this function is marked @lockless';
    const walk = walkOf(around);
    if (walk !== undefined) return runsAround(around) && isUnderLockAround(around) ? undefined : walk;
    // A function that is written where it is used runs there, or is handed on: what holds around it holds in it.
    return runsAround(around) ? lockless(around) : undefined;
  }

  function isMarked(node: FunctionNode): boolean {
    for (const at of [node, ...ancestors(node)]) {
      const comments = sourceCode.getCommentsBefore(at);
      if (comments.some(({ type, value }) => (type === AST_TOKEN_TYPES.Block && value.startsWith('*') ? TAG : LINE_TAG).test(value))) return true;
      // The comment stands before what the function is part of: the export, the variable, the method.
      if (at.parent === undefined || !WRAPPERS.has(at.parent.type)) break;
    }
    return elsewhereDeclared(node).some(isDocumented);
  }

  /** Where else a function is declared: its overloads, the type that it is written for, and what the class or the object that it is a method of extends or implements. */
  function elsewhereDeclared(node: FunctionNode): readonly ts.Declaration[] {
    const { parent } = node;
    if (parent.type === AST_NODE_TYPES.Property && parent.parent.type === AST_NODE_TYPES.ObjectExpression) {
      const name = ASTUtils.getPropertyName(parent);
      const expected = name === null ? undefined : checker.getContextualType(toTs.get(parent.parent));
      return [...(expected?.getProperty(name!)?.declarations ?? []), ...(parent.value === node && !parent.method && parent.kind === 'init' ? expectedOf(node) : [])];
    }
    const isMember = parent.type === AST_NODE_TYPES.MethodDefinition || parent.type === AST_NODE_TYPES.PropertyDefinition;
    const name = node.type === AST_NODE_TYPES.FunctionDeclaration ? node.id : isMember ? parent.key : null;
    const expected = node.type === AST_NODE_TYPES.FunctionDeclaration || parent.type === AST_NODE_TYPES.MethodDefinition ? [] : expectedOf(node);
    const symbol = name === null ? undefined : types.symbolOf(name);
    if (symbol === undefined) return expected;
    const made = symbol.valueDeclaration?.parent;
    const bases = made !== undefined && ts.isClassLike(made) ? basesOf(made) : [];
    return [...expected, ...[symbol, ...bases.map((base) => base.getProperty(symbol.name))].flatMap((one) => one?.declarations ?? []).filter((declaration) => declaration !== toTs.get(node))];
  }

  /** What is expected where a function stands: the type that it is written for, and the name that this type has. */
  function expectedOf(node: TSESTree.ArrowFunctionExpression | TSESTree.FunctionExpression): readonly ts.Declaration[] {
    const expected = checker.getContextualType(toTs.get(node) as ts.Expression);
    const callable = (expected?.isUnion() === true ? expected.types : listed(expected)).map((one) => one.getCallSignatures()).filter(({ length }) => length > 0);
    const declared = callable.map((signatures) => signatures.flatMap(({ declaration }) => (
      declaration === undefined || ts.isJSDocSignature(declaration) ? [] : ts.isTypeAliasDeclaration(declaration.parent) ? [declaration, declaration.parent] : [declaration]
    )));
    // Of two types, one of which says so, it may be written for the other.
    return declared.length > 1 && !declared.every((ones) => ones.some(isDocumented)) ? [] : declared.flat();
  }

  /** What a class extends and implements, and what that does. Code that does not compile may go in circles. */
  function basesOf(made: ts.ClassLikeDeclaration | ts.InterfaceDeclaration, seen = new Set<ts.Node>()): readonly ts.Type[] {
    if (seen.has(made)) return [];
    seen.add(made);
    const bases = (made.heritageClauses ?? []).flatMap((clause) => clause.types.map((one) => checker.getTypeAtLocation(one)));
    const further = bases.flatMap((base) => (base.symbol as ts.Symbol | undefined)?.declarations ?? []).filter((one) => ts.isClassLike(one) || ts.isInterfaceDeclaration(one));
    return [...bases, ...further.flatMap((one) => basesOf(one, seen))];
  }

  /** A walk without locks that a function is a callback of. */
  function walkOf(node: FunctionNode): string | undefined {
    const { parent } = node;
    const named = node.type === AST_NODE_TYPES.FunctionDeclaration ? node : parent.type === AST_NODE_TYPES.VariableDeclarator ? parent : undefined;
    if (named !== undefined) {
      const uses = usesOf(named);
      return uses.length > 0 && uses.every(isOfLocklessWalk) ? NO_WALK_LOCK : undefined;
    }
    if (parent.type === AST_NODE_TYPES.MethodDefinition || parent.type === AST_NODE_TYPES.PropertyDefinition) {
      const says = parent.parent.body.find((one) => (one.type === AST_NODE_TYPES.PropertyDefinition || one.type === AST_NODE_TYPES.MethodDefinition) && ASTUtils.getPropertyName(one) === 'walkLock');
      const isOff = says === undefined ? modesElsewhere(parent.parent.parent).some(isNoLockType) : 'value' in says && says.value !== null && isNoLock(says.value);
      return isOff ? NO_WALK_LOCK : undefined;
    }
    return isOfLocklessWalk(node) ? NO_WALK_LOCK : undefined;
  }

  /** Whether a callback, or operations of a walk, are used by a walk that holds no lock. */
  function isOfLocklessWalk(node: TSESTree.Node): boolean {
    const property = node.parent;
    const object = property?.type === AST_NODE_TYPES.Property && property.value === node && property.parent.type === AST_NODE_TYPES.ObjectExpression ? property.parent : undefined;
    if (object === undefined) return isGivenToLockless(node);
    for (const one of object.properties) {
      if (one.type === AST_NODE_TYPES.Property && ASTUtils.getPropertyName(one) === 'walkLock') return isNoLock(one.value);
    }
    if (modesElsewhere(object).some(isNoLockType)) return true;
    if (isGivenToLockless(object)) return true;
    // An ops object that is given to the walk by its name.
    let holder: TSESTree.Node = object.parent;
    while (holder.type === AST_NODE_TYPES.TSSatisfiesExpression || holder.type === AST_NODE_TYPES.TSAsExpression) holder = holder.parent;
    if (holder.type !== AST_NODE_TYPES.VariableDeclarator) return false;
    const uses = usesOf(holder);
    return uses.length > 0 && uses.every(isGivenToLockless);
  }

  /** Whether a function is a callback of a walk that holds a lock for it: that of the address space for writing, or that of the table whose entries it is called for. */
  function isOfLockedWalk(node: TSESTree.Node): boolean {
    const { parent } = node;
    const named = node.type === AST_NODE_TYPES.FunctionDeclaration ? node : parent?.type === AST_NODE_TYPES.VariableDeclarator ? parent : undefined;
    if (named !== undefined) {
      const uses = usesOf(named);
      return uses.length > 0 && uses.every((use) => use.parent?.type === AST_NODE_TYPES.Property && use.parent.value === use && isOfLockedWalk(use));
    }
    if (parent === undefined) return false;
    if (parent.type !== AST_NODE_TYPES.Property && parent.type !== AST_NODE_TYPES.MethodDefinition && parent.type !== AST_NODE_TYPES.PropertyDefinition) return false;
    const ops = parent.type === AST_NODE_TYPES.Property ? parent.parent : parent.parent.parent;
    if (ops.type === AST_NODE_TYPES.ObjectPattern) return false;
    const holds = (isWrite: boolean): boolean => /^pte(Entry|Range)$/.test(ASTUtils.getPropertyName(parent) ?? '') || isWrite;
    for (const one of ops.type === AST_NODE_TYPES.ObjectExpression ? ops.properties : ops.body.body) {
      if (one.type !== AST_NODE_TYPES.Property && one.type !== AST_NODE_TYPES.PropertyDefinition) continue;
      if (ASTUtils.getPropertyName(one) !== 'walkLock' || one.value === null || isNoLock(one.value)) continue;
      return holds(WRITE_LOCK.test(sourceCode.getText(one.value)));
    }
    return modesElsewhere(ops).some((mode) => isOne(mode) && !isNoLockType(mode) && holds(WRITE_LOCK.test(checker.typeToString(mode))));
  }

  /** The lock mode of operations that is not said among them: of the operations that they are spread from, or of the class that they extend. */
  function modesElsewhere(ops: TSESTree.ObjectExpression | TSESTree.ClassDeclaration | TSESTree.ClassExpression): readonly ts.Type[] {
    const node = toTs.get(ops);
    const from = ts.isClassLike(node)
      ? (node.heritageClauses ?? []).flatMap((clause) => clause.types)
      : (ops.type === AST_NODE_TYPES.ObjectExpression ? ops.properties : []).flatMap((one) => (one.type === AST_NODE_TYPES.SpreadElement ? [toTs.get(one.argument)] : []));
    return from.flatMap((one) => listed(checker.getTypeAtLocation(one).getProperty('walkLock'))).map((mode) => checker.getTypeOfSymbol(mode));
  }

  /** Where the function or variable that a node declares is used. */
  function usesOf(node: TSESTree.FunctionDeclaration | TSESTree.VariableDeclarator): readonly TSESTree.Node[] {
    const variables = (sourceCode as { getDeclaredVariables(node: TSESTree.Node): readonly TSESLint.Scope.Variable[] }).getDeclaredVariables(node);
    const own = variables.filter(({ defs }) => defs.some(({ name }) => name === node.id));
    return own.flatMap(({ references }) => references.filter((reference) => reference.isRead()).map(({ identifier }) => identifier));
  }

  /** Whether an expression is the mode without locks: as it is written, or by its type. */
  function isNoLock(node: TSESTree.Node): boolean {
    if (node.type === AST_NODE_TYPES.ConditionalExpression) return isNoLock(node.consequent) && isNoLock(node.alternate);
    return NO_LOCK.test(sourceCode.getText(node)) || isNoLockType(types.typeOf(node));
  }

  /** Whether an argument is the mode without locks: a member of the modes, or a text where nothing but modes is expected. */
  function isNoLockMode(argument: TSESTree.CallExpressionArgument): boolean {
    if (argument.type === AST_NODE_TYPES.MemberExpression) return isNoLock(argument);
    const isText = argument.type === AST_NODE_TYPES.Literal && typeof argument.value === 'string' && NO_LOCK.test(argument.value);
    if (!isText && argument.type !== AST_NODE_TYPES.Identifier) return false;
    const expected = checker.getContextualType(toTs.get(argument) as ts.Expression);
    const isMode = expected !== undefined && (expected.isUnion() ? expected.types : [expected]).every(({ flags }) => (flags & (ts.TypeFlags.Literal | ts.TypeFlags.EnumLiteral | ts.TypeFlags.Undefined)) !== 0);
    return isMode && (isText || isNoLockType(types.typeOf(argument)));
  }

  function isNoLockType(type: ts.Type): boolean {
    return isOne(type) && NO_LOCK.test(checker.typeToString(type));
  }

  /** Whether a type is of one mode alone. */
  function isOne(type: ts.Type): boolean {
    return !type.isUnion() && (type.flags & (ts.TypeFlags.Literal | ts.TypeFlags.EnumLiteral)) !== 0;
  }

  function isGivenToLockless(node: TSESTree.Node): boolean {
    const { parent } = node;
    if (parent?.type === AST_NODE_TYPES.TSSatisfiesExpression || parent?.type === AST_NODE_TYPES.TSAsExpression) return isGivenToLockless(parent);
    if (parent?.type !== AST_NODE_TYPES.CallExpression || !parent.arguments.some((argument) => argument === node)) return false;
    return /(Lockless|NoLock)$/.test(nameOf(parent)) || parent.arguments.some((argument) => argument !== node && isNoLockMode(argument));
  }

  /** What a call's function is called where it is declared. */
  function nameOf(node: TSESTree.CallExpression): string {
    return called.nameOf(node) ?? calledName(node)?.name ?? '';
  }

  /** A section that is RCU's alone: `rcuReadLock(); ... rcuReadUnlock();`, `using section = rcu.readLock()`, `rcu.read(() => ...)`. */
  function sectionAround(node: TSESTree.Node): string | undefined {
    // What inner blocks end was begun in outer ones.
    let ended = 0;
    for (const [at, parent] of steps(node)) {
      if (isFunction(at) && at !== node) {
        if (parent.type === AST_NODE_TYPES.CallExpression && RCU_SCOPE.test(sourceCode.getText(parent.callee))) return 'only RCU protects its table';
        return undefined;
      }
      const body = statementsOf(parent);
      if (body === undefined) continue;
      // Sections may be inside of each other.
      let open = 0;
      let unopened = 0;
      let guard: string | undefined;
      for (const { name, holder } of callsBefore(body, at)) {
        if (RCU_END.test(name) || (guard !== undefined && objectOf(name) === guard && ENDS.test(name))) {
          if (open > 0) open--;
          else unopened++;
        } else if (RCU_BEGIN.test(name)) {
          open++;
          guard = holder;
        }
      }
      if (open > ended) return 'only RCU protects its table';
      ended = ended - open + unopened;
    }
    return undefined;
  }

  /** Whether a lock was taken before a node, in this function, and not given back: by the order of statements of the blocks around it. */
  function isUnderLock(node: TSESTree.Node): boolean {
    // What inner blocks give back was taken in outer ones.
    const returned = new Set<string>();
    for (const [at, parent] of steps(node)) {
      // withLock(ptl, () => ...)
      if (isFunction(at) && at !== node) return parent.type === AST_NODE_TYPES.CallExpression && parent.arguments.some((argument) => argument === at) && takesLock(sourceCode.getText(parent.callee), LOCK_SCOPE);
      const tried = triedBefore(at, parent);
      if (tried !== undefined && !returned.has(tried.subject)) return true;
      const body = statementsOf(parent);
      if (body !== undefined && heldAfter(callsBefore(body, at), returned)) return true;
    }
    return false;
  }

  /** Whether a lock is held at the end of some calls. @param returned locks that are given back later; those that these calls give back and did not take are added */
  function heldAfter(calls: readonly Called[], returned: Set<string>): boolean {
    const given = new Set<string>();
    const guards = new Set<string>();
    let held = 0;
    for (const { name, holder, subject } of calls) {
      if (RCU_BEGIN.test(name) || RCU_END.test(name)) continue;
      const object = objectOf(name);
      if (UNLOCK.test(name) || (guards.has(object) && ENDS.test(name))) {
        if (held > 0) held--;
        else given.add(subject);
      } else if (takesLock(name, TAKES_LOCK) && !returned.has(subject) && !(holder !== undefined && returned.has(holder))) {
        // const lock = pageTableLock(mm); lock.lock();
        if (!guards.has(object)) held++;
        if (holder !== undefined) guards.add(holder);
      }
    }
    for (const subject of given) returned.add(subject);
    return held > 0;
  }

  /** Whether a name is one of something that takes a lock: blocks, clocks, questions, and whatever says that it takes none, are not. */
  function takesLock(call: string, how: RegExp): boolean {
    return how.test(call) && !NO_LOCK.test(call) && !/(^|[a-z_])([BbCc]|[Dd]ead)lock/.test(call.slice(call.lastIndexOf('.') + 1)) && !ASKS.test(call) && !ASSERTS_NONE.test(call) && !RCU_BEGIN.test(call) && !RCU_SCOPE.test(call);
  }

  /** The lock that was taken if a node is run, because of the condition beside it: `spinTrylock(ptl) && read()`. */
  function triedBefore(at: TSESTree.Node, parent: TSESTree.Node): Called | undefined {
    if (parent.type === AST_NODE_TYPES.IfStatement || parent.type === AST_NODE_TYPES.ConditionalExpression) return at === parent.test ? undefined : tried(parent.test, at === parent.consequent);
    if (parent.type === AST_NODE_TYPES.WhileStatement) return at === parent.body ? tried(parent.test, true) : undefined;
    if (parent.type !== AST_NODE_TYPES.LogicalExpression || at !== parent.right || parent.operator === '??') return undefined;
    return tried(parent.left, parent.operator === '&&');
  }

  /** The lock that was taken if a condition came out as it is said: `spinTrylock(ptl)` if true, `isBusy || !spinTrylock(ptl)` if false. */
  function tried(test: TSESTree.Expression, outcome: boolean): Called | undefined {
    const condition = bare(test) as TSESTree.Expression;
    if (condition.type === AST_NODE_TYPES.UnaryExpression && condition.operator === '!') return tried(condition.argument, !outcome);
    if (condition.type === AST_NODE_TYPES.LogicalExpression) {
      const left = tried(condition.left, outcome);
      const right = tried(condition.right, outcome);
      // Both of them came out so, or nobody knows which.
      return condition.operator === (outcome ? '&&' : '||') ? (left ?? right) : left !== undefined && right !== undefined ? left : undefined;
    }
    // (ptl = pmdTransHugeLock(mm, pmdp)) !== undefined
    if (condition.type === AST_NODE_TYPES.BinaryExpression && isEquality(condition.operator) && condition.left.type !== AST_NODE_TYPES.PrivateIdentifier && NOTHING.test(sourceCode.getText(condition.right))) {
      return tried(condition.left, condition.operator.startsWith('!') ? outcome : !outcome);
    }
    const [call] = outcome ? callsOf(condition, undefined) : [];
    return call !== undefined && takesLock(call.name, TAKES_LOCK) ? call : undefined;
  }

  /** What the statements of a block before one call, in their order. Blocks inside of it count; branches do where all of them take a lock. */
  function callsBefore(body: readonly TSESTree.Node[], until: TSESTree.Node | undefined): readonly Called[] {
    const before = until === undefined ? body : body.slice(0, body.findIndex((one) => one === until));
    return before.flatMap((statement): readonly Called[] => {
      if (statement.type === AST_NODE_TYPES.BlockStatement) return callsBefore(statement.body, undefined);
      if (statement.type === AST_NODE_TYPES.TryStatement) return [...callsBefore(statement.block.body, undefined), ...callsBefore(statement.finalizer?.body ?? [], undefined)];
      if (statement.type === AST_NODE_TYPES.LabeledStatement) return callsBefore([statement.body], undefined);
      if (statement.type === AST_NODE_TYPES.IfStatement) return callsOfBranches(statement);
      if (statement.type === AST_NODE_TYPES.SwitchStatement) {
        const taken = statement.cases.filter(({ consequent }) => consequent.length > 0 && !goesAway(consequent.at(-1)!)).map(({ consequent }) => takenIn(consequent));
        return taken.every((one) => one !== undefined) ? taken.slice(0, 1) : [];
      }
      const endless = endlessBody(statement);
      if (endless !== undefined) return listed(takenInLoop(endless));
      // while (!spinTrylock(ptl)) relax();
      if (statement.type === AST_NODE_TYPES.WhileStatement || statement.type === AST_NODE_TYPES.DoWhileStatement) return listed(tried(statement.test, false));
      // What is disposed of at the end of a block that ended before is given back.
      const isOver = until === undefined && statement.type === AST_NODE_TYPES.VariableDeclaration && (statement.kind === 'using' || statement.kind === 'await using');
      return isOver ? [] : calledBy(statement);
    });
  }

  /** What is taken after a statement with branches, whichever was run: `if (!spinTrylock(ptl)) return;`, `if (isHuge) pmdLock(pmdp); else spinLock(ptl);`. */
  function callsOfBranches({ test, consequent, alternate }: TSESTree.IfStatement): readonly Called[] {
    if (leaves(consequent)) return listed(tried(test, false) ?? (alternate === null ? undefined : takenIn([alternate])));
    const taken = tried(test, true) ?? takenIn([consequent]);
    const otherwise = alternate === null ? tried(test, false) : leaves(alternate) ? taken : (tried(test, false) ?? takenIn([alternate]));
    return taken === undefined || otherwise === undefined ? [] : [taken];
  }

  /** The lock that is held wherever a loop without an end is left: `for (;;) { table.lock(); if (table.unchanged()) break; table.unlock(); }`. */
  function takenInLoop(body: TSESTree.Statement): Called | undefined {
    const statements = body.type === AST_NODE_TYPES.BlockStatement ? body.body : [body];
    const taken = statements.flatMap((statement, at) => {
      const exit = statement.type === AST_NODE_TYPES.IfStatement ? endedByBreak(statement.consequent) : undefined;
      return exit === undefined ? [] : [takenIn([...statements.slice(0, at), ...exit])];
    });
    return taken.every((one) => one !== undefined) ? taken[0] : undefined;
  }

  /** The lock that statements take and keep. */
  function takenIn(statements: readonly TSESTree.Statement[]): Called | undefined {
    const calls = callsBefore(statements, undefined);
    return heldAfter(calls, new Set()) ? calls.find(({ name }) => takesLock(name, TAKES_LOCK)) : undefined;
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
    if (isUnderLockAround(node)) return undefined;
    const names = mappedBy(handle, new Set());
    return names.length > 0 && names.every((name) => NO_LOCK_MAP.test(name)) ? `${names[0]!} takes no lock` : undefined;
  }

  /** Whether a lock is held where a node stands, or where the functions around it are written that run there, or are handed on. */
  function isUnderLockAround(node: TSESTree.Node): boolean {
    if (isUnderLock(node)) return true;
    const around = enclosing(node);
    return around !== undefined && runsAround(around) && isUnderLockAround(around);
  }

  /** The functions that an expression's handle is from: what its variable was given, steps along the table left out. */
  function mappedBy(node: TSESTree.Node, seen: Set<TSESLint.Scope.Variable>): readonly string[] {
    const inner = bare(node as TSESTree.Expression);
    if (inner.type === AST_NODE_TYPES.CallExpression) {
      const name = nameOf(inner);
      const [, stepped] = inner.arguments;
      return STEP.test(name) && stepped !== undefined ? mappedBy(stepped, seen) : [name];
    }
    if (inner.type === AST_NODE_TYPES.MemberExpression) return mappedBy(inner.object, seen);
    const variable = inner.type === AST_NODE_TYPES.Identifier ? variableOf(inner) : undefined;
    if (variable === undefined || variable.defs[0]?.node.type !== AST_NODE_TYPES.VariableDeclarator) return [''];
    if (seen.has(variable)) return [];
    seen.add(variable);
    return variable.references.flatMap((reference) => (reference.isWrite() ? (reference.writeExpr ? mappedBy(reference.writeExpr, seen) : ['']) : []));
  }

  function variableOf(node: TSESTree.Identifier): TSESLint.Scope.Variable | undefined {
    return ASTUtils.findVariable(sourceCode.getScope(node), node) ?? undefined;
  }

  /** The write of the same entry, by what was read, that follows in the same block or one inside of it with no lock taken on the way. */
  function writeAfter(read: EntryRead): TSESTree.CallExpression | undefined {
    const around = enclosing(read.node);
    if (isUnderLockAround(read.node) || (around !== undefined && isOfLockedWalk(around))) return undefined;
    const path = entries.pathOf(read.handle);
    const write = path === undefined ? undefined : writtenFrom(read.node, path, around, new Set([read.node]));
    return write === undefined || isMoved(read, write) ? undefined : write;
  }

  /** Whether a handle is of another entry when the write comes: `ptep = hwPteNext(arch, ptep)`, or `i++` where it is `ptes[i]`. */
  function isMoved(read: EntryRead, write: TSESTree.CallExpression): boolean {
    return within(read.handle).some((at) => at.type === AST_NODE_TYPES.Identifier && (variableOf(at)?.references ?? []).some((reference) => (
      reference.isWrite() && reference.identifier.range[0] > read.node.range[1] && reference.identifier.range[1] < write.range[0]
    )));
  }

  /** A node, and all nodes inside of it. */
  function within(node: TSESTree.Node): readonly TSESTree.Node[] {
    return [node, ...children(node, sourceCode.visitorKeys).flatMap(within)];
  }

  /** The write of an entry that a value goes into: in the same expression, or through variables and fields. */
  function writtenFrom(node: TSESTree.Node, path: string, around: FunctionNode | undefined, seen: Set<TSESTree.Node>): TSESTree.CallExpression | undefined {
    // Written in one expression: setPte(arch, mm, address, ptep, pteMkdirty(arch, ptepGetOnce(arch, ptep))).
    const outwards = upTo(node);
    // What is only asked of a value is no part of what is written: pteYoung(arch, pte) ? young : old.
    const asked = outwards.findIndex((at, index) => at.type === AST_NODE_TYPES.ConditionalExpression && at.test === (outwards[index - 1] ?? node));
    const expression = asked < 0 ? outwards : outwards.slice(0, asked);
    const written = expression.find((at) => writes(at, path));
    if (written !== undefined) return isUnderLock(written) ? undefined : written;
    const target = expression.find((at) => at.type === AST_NODE_TYPES.VariableDeclarator || at.type === AST_NODE_TYPES.AssignmentExpression || isStatement(at));
    const given = target?.type === AST_NODE_TYPES.VariableDeclarator ? target.id : target?.type === AST_NODE_TYPES.AssignmentExpression ? target.left : undefined;
    const part = given === undefined ? undefined : partFor(given, expression.slice(0, expression.findIndex((at) => at === target)), node);
    const id = part?.id;
    const holder = part === undefined || id === undefined || id === node ? undefined : id.type === AST_NODE_TYPES.Identifier && part.path === '' ? variableOf(id) : pathTo(id, part.path);
    if (holder === undefined || id === undefined) return undefined;
    // What is only asked of a value is no part of it.
    const kept = types.typeOf(part?.kept ?? id);
    if (types.types.value(kept) === undefined && (kept.flags & ts.TypeFlags.BigIntLike) === 0) return undefined;
    for (const use of usesOfHolder(holder, around)) {
      if (use.range[0] < node.range[0] || seen.has(use) || enclosing(use) !== around || isAnother(holder, around, node, use)) continue;
      seen.add(use);
      const by = writtenFrom(use, path, around, seen);
      if (by !== undefined) return by;
    }
    return undefined;
  }

  /**
   * What gets a value that is a part of what is given: of `const { pte } = { pte: read() }` the variable, of `const fault = { pte: read() }` the field.
   *
   * @param outwards what is around the value in what is given
   */
  function partFor(given: TSESTree.Node, outwards: readonly TSESTree.Node[], value: TSESTree.Node): Part | undefined {
    let part: Part = { id: given, path: '', kept: undefined };
    for (const [index, at] of [...outwards.entries()].reverse()) {
      const inside = outwards[index - 1] ?? value;
      if (at.type === AST_NODE_TYPES.ArrayExpression) {
        const element = part.id.type === AST_NODE_TYPES.ArrayPattern && !at.elements.some((one) => one?.type === AST_NODE_TYPES.SpreadElement) ? part.id.elements[at.elements.findIndex((one) => one === inside)] : undefined;
        if (element === undefined || element === null) return undefined;
        part = { id: element, path: '', kept: undefined };
      } else if (at.type === AST_NODE_TYPES.Property && at.value === inside) {
        const name = ASTUtils.getPropertyName(at);
        if (name === null) return undefined;
        const { id } = part;
        if (id.type === AST_NODE_TYPES.ObjectPattern) {
          const property = id.properties.find((one) => one.type === AST_NODE_TYPES.Property && ASTUtils.getPropertyName(one) === name);
          if (property?.type !== AST_NODE_TYPES.Property) return undefined;
          part = { id: property.value, path: '', kept: undefined };
        } else part = { id, path: `${part.path}.${name}`, kept: at.value };
      } else if (at.type !== AST_NODE_TYPES.ObjectExpression && at.type !== AST_NODE_TYPES.TSAsExpression && at.type !== AST_NODE_TYPES.TSSatisfiesExpression) break;
    }
    return part;
  }

  /** The path of a part of a variable or a field. */
  function pathTo(id: TSESTree.Node, path: string): string | undefined {
    const whole = id.type === AST_NODE_TYPES.Identifier || id.type === AST_NODE_TYPES.MemberExpression ? stablePath(types, id) : undefined;
    return whole === undefined ? undefined : `${whole}${path}`;
  }

  /** Whether a variable or a field has been given something else before it is used, on every way there: `pte = pfnPte(arch, pfn, prot)`. */
  function isAnother(holder: TSESLint.Scope.Variable | string, around: FunctionNode | undefined, since: TSESTree.Node, use: TSESTree.Node): boolean {
    const targets = typeof holder === 'string' ? [...fieldsOf(holder, around), ...wholesOf(use, around)] : holder.references.map(({ identifier }) => identifier);
    return targets.some((target) => {
      const { parent } = target;
      if (!isTarget(target) || parent?.parent?.type !== AST_NODE_TYPES.ExpressionStatement) return false;
      return since.range[1] <= target.range[0] && parent.range[1] <= use.range[0] && isIn(use, parent.parent.parent);
    });
  }

  /** Where the objects stand that a field is of: `fault` of `fault.orig`. Who gives them something else gives it to the field. */
  function wholesOf(field: TSESTree.Node, around: FunctionNode | undefined): readonly TSESTree.Node[] {
    const whole = field.type === AST_NODE_TYPES.MemberExpression ? bare(field.object) : undefined;
    if (whole?.type === AST_NODE_TYPES.Identifier) return (variableOf(whole)?.references ?? []).map(({ identifier }) => identifier);
    const path = whole?.type === AST_NODE_TYPES.MemberExpression ? stablePath(types, whole) : undefined;
    return whole === undefined || path === undefined ? [] : [...fieldsOf(path, around), ...wholesOf(whole, around)];
  }

  /** Where a field stands in a function, by its path. */
  function fieldsOf(path: string, around: FunctionNode | undefined): readonly TSESTree.Node[] {
    const body = around?.body ?? sourceCode.ast;
    let known = fieldsIn.get(body);
    if (known === undefined) {
      known = new Map();
      fieldsIn.set(body, known);
      for (const at of within(body)) {
        const field = at.type === AST_NODE_TYPES.MemberExpression ? stablePath(types, at) : undefined;
        if (field !== undefined) known.set(field, [...(known.get(field) ?? []), at]);
      }
    }
    return known.get(path) ?? [];
  }

  /** Where a variable, or a field by its path, is read: the field in one function only. */
  function usesOfHolder(holder: TSESLint.Scope.Variable | string, around: FunctionNode | undefined): readonly TSESTree.Node[] {
    if (typeof holder !== 'string') return holder.references.filter((reference) => reference.isRead()).map(({ identifier }) => identifier);
    return fieldsOf(holder, around).filter((at) => !isTarget(at));
  }

  function writes(node: TSESTree.Node, path: string): node is TSESTree.CallExpression {
    // Compared under the lock, or by the hardware, is no blind write.
    if (node.type !== AST_NODE_TYPES.CallExpression || !isEntryWrite(types, node) || COMPARES.test(nameOf(node))) return false;
    return node.arguments.some((argument) => argument.type !== AST_NODE_TYPES.SpreadElement && types.handleOf(argument) !== undefined && entries.pathOf(argument) === path);
  }

  function suggestions(read: EntryRead): TSESLint.ReportSuggestionArray<Messages> {
    const forms = [['useOnce', 'Once'], ['useLockless', 'Lockless']] as const;
    return forms.flatMap(([messageId, suffix]) => {
      // Of a function, the name that core has for it, whatever it is called here.
      const original = read.isFunction ? nameOf(read.node) : textOf(read.name);
      const name = `${original}${suffix}`;
      // pudpGetLockless does not exist: contiguous blocks are of the two lowest levels. Names of one's own are another matter.
      const symbol = types.symbolOf(read.name);
      if (symbol === undefined || !types.types.isCoreSymbol(symbol, original)) return [];
      if (!(read.isFunction ? /^(pte|pmd)pGet$/ : /^((pte|pmd)pGet|get)$/).test(original) && !(suffix === 'Once' && /^(pud|p4d|pgd)pGet$/.test(original))) return [];
      return [{
        messageId,
        data: { name },
        fix(fixer: TSESLint.RuleFixer): TSESLint.RuleFix[] | null {
          const imports = read.isFunction ? importCore(context, fixer, read.node, [name]) : [];
          return imports === undefined ? null : [...imports, fixer.replaceText(read.name, read.name.type === AST_NODE_TYPES.Identifier ? name : `'${name}'`)];
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

  /** What a statement calls: `rcuReadLock()`, `const lock = spinLock(ptl)`, `using guard = mm.lock()`. */
  function calledBy(statement: TSESTree.Node): readonly Called[] {
    if (statement.type === AST_NODE_TYPES.VariableDeclaration) {
      const isUsing = statement.kind === 'using' || statement.kind === 'await using';
      return statement.declarations.flatMap(({ id, init }) => (init === null ? [] : isUsing && init.type === AST_NODE_TYPES.NewExpression ? listed(heldBy(init)) : callsOf(init, id)));
    }
    return statement.type === AST_NODE_TYPES.ExpressionStatement ? callsOf(statement.expression, undefined) : [];
  }

  /** What a guard takes when it is made, and gives back when it is disposed of: `using guard = new SpinLockGuard(ptl)`. */
  function heldBy(guard: TSESTree.NewExpression): Called | undefined {
    const made = sourceCode.getText(guard);
    const isLock = LOCK_GUARD.test(made.replace(/[BbCc]lock/g, '')) && !NO_LOCK.test(made) && !/rcu/i.test(made);
    return isLock ? { name: 'lock', holder: undefined, subject: made } : undefined;
  }

  /** What an expression calls, that is put into a variable: of two calls the first, where it is one or the other. */
  function callsOf(expression: TSESTree.Expression, into: TSESTree.Node | undefined): readonly Called[] {
    const inner = bare(expression);
    switch (inner.type) {
      case AST_NODE_TYPES.AssignmentExpression:
        return callsOf(inner.right, inner.left);
      case AST_NODE_TYPES.AwaitExpression:
        return callsOf(inner.argument, into);
      case AST_NODE_TYPES.SequenceExpression:
        return inner.expressions.flatMap((one) => callsOf(one, into));
      case AST_NODE_TYPES.UnaryExpression:
        return callsOf(inner.argument, into);
      case AST_NODE_TYPES.ConditionalExpression:
        return eitherOf(callsOf(inner.consequent, into), callsOf(inner.alternate, into));
      case AST_NODE_TYPES.LogicalExpression:
        return inner.operator === '&&' ? [] : eitherOf(callsOf(inner.left, into), callsOf(inner.right, into));
      case AST_NODE_TYPES.CallExpression: {
        const name = calleeText(inner);
        const [first] = inner.arguments;
        // stack.use(pmdLock(mm, pmdp)) keeps it until the stack is disposed of.
        if (/\.(use|adopt)$/.test(name) && first?.type === AST_NODE_TYPES.CallExpression) return callsOf(first, into);
        // withLock(ptl, () => ...) gives back what it takes.
        if (LOCK_SCOPE.test(name) && inner.arguments.some(isFunction)) return [];
        const subject = first === undefined || inner.callee.type === AST_NODE_TYPES.MemberExpression ? objectOf(name) : sourceCode.getText(first);
        return [{ name, holder: into?.type === AST_NODE_TYPES.Identifier ? into.name : undefined, subject }];
      }
      default:
        return [];
    }
  }

  /** Calls of which one is made: the first, where both take a lock. */
  function eitherOf(one: readonly Called[], other: readonly Called[]): readonly Called[] {
    return [one, other].every(([first]) => first !== undefined && takesLock(first.name, TAKES_LOCK)) ? one : [];
  }

  /** `guard.lock`, and of a function that has another name here, as an import or as what an object holds, its own. */
  function calleeText(node: TSESTree.CallExpression): string {
    if (node.callee.type === AST_NODE_TYPES.Identifier) return nameOf(node);
    const written = sourceCode.getText(node.callee).replaceAll('?.', '.');
    if (TAKES_LOCK.test(written) || UNLOCK.test(written)) return written;
    const own = written.replace(/(?<=\.)\w+$/, () => nameOf(node));
    return TAKES_LOCK.test(own) || UNLOCK.test(own) ? own : written;
  }
}

/** What a value is put into: a variable or a field, or a part of one. */
interface Part {
  readonly id: TSESTree.Node;
  /** Where it is in that: `.pte` of `fault.pte`; empty where it is the whole. */
  readonly path: string;
  /** What the part is given, if it is one. */
  readonly kept: TSESTree.Node | undefined;
}

/** A call that may have to do with a lock. */
interface Called {
  /** As it is written: `ptl.lock`; of a function as it is declared. */
  readonly name: string;
  /** The variable that the result is put into. */
  readonly holder: string | undefined;
  /** Which lock: the object of a method, the first argument of a function. */
  readonly subject: string;
}

const NO_WALK_LOCK = 'its walk holds no lock';
/** In a documentation comment: at the beginning of a line, or after a sentence. */
const TAG = /(^\**|\n[ \t]*\**|[.!?:;)])[ \t]*@lockless\b/;
/** In any other comment: all that it begins with. */
const LINE_TAG = /^\s*@lockless\b/;
/** Maps that keep the table there and nothing else out. */
const NO_LOCK_MAP = /^pteOffsetMap((Ro|Rw)?Nolock)?$/;
const STEP = /^hw(Pte|Pmd|Pud|P4d|Pgd)(Next|Advance)$/;
const COMPARES = /cmpxchg|compareExchange|compareAndSwap|tryUpdate/i;
/** What a guard has to give back what it holds. */
const ENDS = /(\.(unlock|release|end|exit|leave|close|dispose)|\[Symbol\.(asyncD|d)ispose\])$/;
const WRAPPERS: ReadonlySet<string> = new Set([
  AST_NODE_TYPES.ExportNamedDeclaration, AST_NODE_TYPES.ExportDefaultDeclaration, AST_NODE_TYPES.VariableDeclarator, AST_NODE_TYPES.VariableDeclaration, AST_NODE_TYPES.MethodDefinition,
  AST_NODE_TYPES.PropertyDefinition, AST_NODE_TYPES.Property, AST_NODE_TYPES.AssignmentExpression, AST_NODE_TYPES.ExpressionStatement, AST_NODE_TYPES.TSAsExpression,
  AST_NODE_TYPES.TSSatisfiesExpression,
]);
/** A lock mode that is none: PageWalkLock.NoLock, 'no-lock', PGWALK_NOLOCK. */
const NO_LOCK = /no_?-?lock|lockless/i;
/** PageWalkLock.Write, 'write-verify', PGWALK_WRLOCK. */
const WRITE_LOCK = /write|wrlock/i;
const RCU_BEGIN = /((^|[^A-Za-z])s?rcu|Rcu|RCU)\w*\.?([Rr]ead)?_?[Ll]ock([Bb]h|[Ss]ched)?$/;
const RCU_END = /((^|[^A-Za-z])s?rcu|Rcu|RCU)\w*\.?([Rr]ead)?_?[Uu]nlock([Bb]h|[Ss]ched)?$/;
const RCU_SCOPE = /(^|\.)(rcu\.read|withRcu\w*|rcuRead(Section|Side)?|underRcu)$/i;
const UNLOCK = /unlock(Irq\w*|Bh)?$|(^|\.)unlock[A-Z]\w*$|release$|(^|\.)up_?(read|write)$/i;
const TAKES_LOCK = /lock(ed)?$|(^|\.)getLocked[A-Z]\w*$|Lock(Irq\w*|Bh|Nested)$|(^|\.)(try)?lock[A-Z]\w*$|acquire$|assert\w*held$|(^|\.)down_?(read|write)(Nested|Killable)?$/i;
/** Whether somebody holds a lock is a question: `spinIsLocked(ptl)`. Whoever asserts it relies on it. */
const ASKS = /(^|\.)(is|(?!assert)\w*Is)\w*[Ll]ocked$/;
/** `assertNoneHeld()`, and what asserts that there is an RCU section. */
const ASSERTS_NONE = /[Aa]ssert(No(ne|t|thing)?|Rcu)(?=[A-Z])\w*Held$|[Rr]cu\w*\.assert\w*Held$/;
/** What a guard is made of that holds a lock until it is disposed of: `new SpinLockGuard(words, 0)`, `new Guard(pteLockptr(mm, pmd))`. */
const LOCK_GUARD = /[Ll]ock|[Pp]tl\b/;
/** What a try that failed returns. */
const NOTHING = /^(undefined|null|false)$/;
/** A function that calls another one back while it holds a lock. */
const LOCK_SCOPE = /(^|\.)(with|under|hold(ing)?)\w*lock\w*$|lock(ed)?$|exclusive$|locks\.request$/i;

function isFunction(node: TSESTree.Node): node is FunctionNode {
  return node.type === AST_NODE_TYPES.FunctionDeclaration || node.type === AST_NODE_TYPES.FunctionExpression || node.type === AST_NODE_TYPES.ArrowFunctionExpression;
}

/** Whether a function may be taken to run where it is written: it has no name of its own, and is no member of a class. */
function runsAround({ type, parent }: FunctionNode): boolean {
  return type !== AST_NODE_TYPES.FunctionDeclaration && parent.type !== AST_NODE_TYPES.MethodDefinition && parent.type !== AST_NODE_TYPES.PropertyDefinition;
}

/** The function that a node is in. */
function enclosing(node: TSESTree.Node): FunctionNode | undefined {
  return [...ancestors(node)].find(isFunction);
}

function statementsOf(node: TSESTree.Node): readonly TSESTree.Node[] | undefined {
  if (node.type === AST_NODE_TYPES.BlockStatement || node.type === AST_NODE_TYPES.Program || node.type === AST_NODE_TYPES.StaticBlock) return node.body;
  return node.type === AST_NODE_TYPES.SwitchCase ? node.consequent : undefined;
}

/** The documentation comments of a declaration, those too that stand in one line with what is before it: `{ /** @lockless *\/ peek(): PteVal }`. The compiler does not take these for its own. */
function documentationOf(declaration: ts.Declaration): readonly string[] {
  const known = ts.getJSDocCommentsAndTags(declaration).filter(ts.isJSDoc).map((comment) => comment.getText());
  const { text } = declaration.getSourceFile();
  const start = declaration.getStart();
  const beside = (ts.getTrailingCommentRanges(text, declaration.pos) ?? []).filter(({ pos, end }) => text.startsWith('/**', pos) && !text.slice(end, start).includes('\n'));
  return [...known, ...beside.map(({ pos, end }) => text.slice(pos, end))];
}

/** Whether the documentation of a declaration says that it is lockless. */
function isDocumented(declaration: ts.Declaration): boolean {
  return documentationOf(declaration).some((comment) => TAG.test(comment.slice(2)));
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

/** What `for (;;)` and `while (true)` repeat until a break. */
function endlessBody(node: TSESTree.Node): TSESTree.Statement | undefined {
  if (node.type === AST_NODE_TYPES.ForStatement) return node.test === null ? node.body : undefined;
  return node.type === AST_NODE_TYPES.WhileStatement && node.test.type === AST_NODE_TYPES.Literal && node.test.value === true ? node.body : undefined;
}

/** The statements before the break that ends a branch; undefined if it ends in another way. */
function endedByBreak(branch: TSESTree.Statement): readonly TSESTree.Statement[] | undefined {
  const statements = branch.type === AST_NODE_TYPES.BlockStatement ? branch.body : [branch];
  return statements.at(-1)?.type === AST_NODE_TYPES.BreakStatement ? statements.slice(0, -1) : undefined;
}

/** Whether a statement of a switch leaves more than the switch. */
function goesAway(node: TSESTree.Node): boolean {
  return node.type !== AST_NODE_TYPES.BreakStatement && leaves(node);
}

/** Whether a statement goes away from where it is. */
function leaves(node: TSESTree.Node): boolean {
  if (node.type === AST_NODE_TYPES.BlockStatement) return node.body.length > 0 && leaves(node.body.at(-1)!);
  return node.type === AST_NODE_TYPES.ReturnStatement || node.type === AST_NODE_TYPES.ThrowStatement || node.type === AST_NODE_TYPES.ContinueStatement || node.type === AST_NODE_TYPES.BreakStatement;
}

/** `guard` of `guard.lock`. */
function objectOf(name: string): string {
  return name.replace(/(\.#?\w+|\[Symbol\.\w+\])$|^\w+$/, '');
}

function listed<T>(one: T | undefined): readonly T[] {
  return one === undefined ? [] : [one];
}

/** Whether a node is inside of another. */
function isIn(node: TSESTree.Node, outer: TSESTree.Node): boolean {
  return node.range[0] >= outer.range[0] && node.range[1] <= outer.range[1];
}

/** Whether something is given a value, and not asked for its own. */
function isTarget(node: TSESTree.Node): boolean {
  return node.parent?.type === AST_NODE_TYPES.AssignmentExpression && node.parent.left === node && node.parent.operator === '=';
}

function isStatement(node: TSESTree.Node): boolean {
  return node.type.endsWith('Statement');
}
