import { AST_NODE_TYPES, ASTUtils, TSESLint, type TSESTree } from '@typescript-eslint/utils';
import { enclosingFunction, isAddition, isExported, isThrownAway, propertyName, statementOf, takenFrom } from './ends.js';
import type { Expected } from './expected.js';

/**
 * What becomes of a value.
 *
 * used: somebody decides about it, or may. dropped: it ends here, at that expression. unused: it ends in a variable that nobody uses.
 */
export type Fate = { readonly kind: 'used' } | End;

export interface End {
  readonly kind: 'dropped' | 'unused';
  readonly at: TSESTree.Node;
}

const USED: Fate = { kind: 'used' };

/** What becomes of the values of a file. */
export class Fates {
  private readonly sourceCode: Readonly<TSESLint.SourceCode>;
  private readonly expected: Expected;
  /** Variables that are being looked through: one that only goes round in a circle is used by nobody. */
  private readonly open = new Set<TSESLint.Scope.Variable>();

  constructor(sourceCode: Readonly<TSESLint.SourceCode>, expected: Expected) {
    this.sourceCode = sourceCode;
    this.expected = expected;
  }

  /**
   * @param node the expression whose value it is, on its way outwards
   * @param at what is reported if it ends here
   * @param held whether the value is not the promise but a list or an object that has it
   */
  fateOf(node: TSESTree.Node, at: TSESTree.Node, held: boolean): Fate {
    const parent = node.parent;
    const dropped: Fate = { kind: 'dropped', at };
    switch (parent?.type) {
      case AST_NODE_TYPES.TSAsExpression:
      case AST_NODE_TYPES.TSTypeAssertion:
      case AST_NODE_TYPES.TSNonNullExpression:
      case AST_NODE_TYPES.TSSatisfiesExpression:
      case AST_NODE_TYPES.ChainExpression:
      case AST_NODE_TYPES.AwaitExpression:
        return this.fateOf(parent, at, held);
      case AST_NODE_TYPES.ExpressionStatement:
      case AST_NODE_TYPES.UnaryExpression:
      case AST_NODE_TYPES.BinaryExpression:
      case AST_NODE_TYPES.TemplateLiteral:
      case AST_NODE_TYPES.IfStatement:
      case AST_NODE_TYPES.WhileStatement:
      case AST_NODE_TYPES.DoWhileStatement:
      case AST_NODE_TYPES.ForStatement:
      case AST_NODE_TYPES.SwitchStatement:
      case AST_NODE_TYPES.SwitchCase:
        return dropped;
      case AST_NODE_TYPES.SequenceExpression:
        return parent.expressions.at(-1) === node ? this.fateOf(parent, at, held) : dropped;
      case AST_NODE_TYPES.LogicalExpression:
        // What is left of && goes on only where it is nothing.
        return parent.operator === '&&' && parent.left === node ? dropped : this.fateOf(parent, parent, held);
      case AST_NODE_TYPES.ConditionalExpression:
        return parent.test === node ? dropped : this.fateOf(parent, parent, held);
      case AST_NODE_TYPES.ArrayExpression: {
        const taken = takenFrom(parent, node);
        return taken === undefined ? this.fateOf(parent, at, true) : this.fateOfVariable(taken, at, held);
      }
      case AST_NODE_TYPES.ObjectExpression:
        return this.fateOf(parent, at, true);
      case AST_NODE_TYPES.Property:
        return parent.value === node && parent.parent.type === AST_NODE_TYPES.ObjectExpression ? this.fateOf(parent.parent, at, true) : USED;
      case AST_NODE_TYPES.SpreadElement:
        return parent.parent.type === AST_NODE_TYPES.ArrayExpression ? this.fateOf(parent.parent, at, true) : USED;
      case AST_NODE_TYPES.ForOfStatement:
        return parent.right === node && parent.left.type === AST_NODE_TYPES.VariableDeclaration ? this.fateOfBinding(parent.left.declarations[0].id, parent.left.declarations[0], at, held) : USED;
      case AST_NODE_TYPES.CallExpression:
        if (parent.callee.type === AST_NODE_TYPES.Identifier) return CONVERSIONS.has(parent.callee.name) ? dropped : USED;
        return isAddition(parent) && this.isLocal(parent.callee.object) ? this.fateInObject(parent.callee.object, at) : USED;
      case AST_NODE_TYPES.MemberExpression:
        return parent.object === node ? this.fateOfMember(parent, at, held) : USED;
      case AST_NODE_TYPES.VariableDeclarator:
        return this.fateOfBinding(parent.id, parent, at, held);
      case AST_NODE_TYPES.AssignmentExpression:
        return parent.right === node ? this.fateOfAssignment(parent, at, held) : USED;
      case AST_NODE_TYPES.ArrowFunctionExpression:
        return parent.body === node && this.expected.isVoidExpected(parent) ? dropped : USED;
      case AST_NODE_TYPES.ReturnStatement: {
        const made = enclosingFunction(parent);
        return made !== undefined && made.type !== AST_NODE_TYPES.FunctionDeclaration && this.expected.isVoidExpected(made) ? dropped : USED;
      }
      default:
        return USED;
    }
  }

  private fateOfMember(member: TSESTree.MemberExpression, at: TSESTree.Node, held: boolean): Fate {
    const name = propertyName(member);
    // Of promises in a list, how many they are is no more than whether there is one.
    if (name === 'length' || (name === 'size' && held) || (name === 'owed' && !held)) return { kind: 'dropped', at };
    if (held) return USED;
    const call = member.parent;
    if (call.type === AST_NODE_TYPES.CallExpression && call.callee === member) return USED;
    // The method itself, and not a call of it: `promise.flush;`, `void promise.flush`.
    return ['flush', 'gather', 'ignore', 'map'].includes(name ?? '') ? this.fateOf(member, at, true) : USED;
  }

  private fateOfAssignment(assignment: TSESTree.AssignmentExpression, at: TSESTree.Node, held: boolean): Fate {
    const { left } = assignment;
    let stored: Fate = USED;
    if (left.type === AST_NODE_TYPES.Identifier) stored = this.fateOfVariable(left, at, held);
    else if (left.type === AST_NODE_TYPES.MemberExpression && left.object.type === AST_NODE_TYPES.Identifier) stored = this.fateInObject(left.object, at);
    if (stored.kind === 'used') return USED;
    const value = this.fateOf(assignment, at, held);
    return value.kind === 'used' ? USED : stored;
  }

  /** A promise in a field of an object that is in a variable: used, unless that object is made here and nobody looks at it. */
  private fateInObject(object: TSESTree.Identifier, at: TSESTree.Node): Fate {
    const [definition] = ASTUtils.findVariable(this.sourceCode.getScope(object), object)?.defs ?? [];
    const made = definition?.node.type === AST_NODE_TYPES.VariableDeclarator ? definition.node.init : undefined;
    const isMade = made?.type === AST_NODE_TYPES.ObjectExpression || made?.type === AST_NODE_TYPES.ArrayExpression || (made?.type === AST_NODE_TYPES.NewExpression && this.isCollection(made));
    return isMade ? this.fateOfVariable(object, at, true) : USED;
  }

  /** Whether a variable is one of a function: what is put aside in one of a module lives on. */
  private isLocal(id: TSESTree.Identifier): boolean {
    const scope = ASTUtils.findVariable(this.sourceCode.getScope(id), id)?.scope.variableScope;
    return scope?.type === TSESLint.Scope.ScopeType.function;
  }

  /** `new Set()`, of the language. */
  private isCollection({ callee }: TSESTree.NewExpression): boolean {
    return callee.type === AST_NODE_TYPES.Identifier && COLLECTIONS.has(callee.name) && (ASTUtils.findVariable(this.sourceCode.getScope(callee), callee)?.defs.length ?? 0) === 0;
  }

  private fateOfBinding(id: TSESTree.BindingName, declarator: TSESTree.VariableDeclarator, at: TSESTree.Node, held: boolean): Fate {
    if (id.type === AST_NODE_TYPES.Identifier) {
      return declarator.parent.parent.type === AST_NODE_TYPES.ExportNamedDeclaration ? USED : this.fateOfVariable(id, at, held);
    }
    if (held || id.type !== AST_NODE_TYPES.ObjectPattern) return USED;
    const onlyOwed = id.properties.every((one) => one.type === AST_NODE_TYPES.Property && !one.computed && one.key.type === AST_NODE_TYPES.Identifier && one.key.name === 'owed');
    return onlyOwed ? { kind: 'dropped', at } : USED;
  }

  /** What becomes of what a variable holds: the best that any use of it makes of it. */
  private fateOfVariable(id: TSESTree.Identifier, at: TSESTree.Node, held: boolean): Fate {
    const variable = ASTUtils.findVariable(this.sourceCode.getScope(id), id);
    // A variable of a script may be used by another one, and a parameter through `arguments`.
    if (variable === null || variable.scope.type === TSESLint.Scope.ScopeType.global || variable.defs.length === 0) return USED;
    if (isExported(variable)) return USED;
    if (this.isOverwritten(id, variable)) return { kind: 'unused', at };
    return this.isUsed(variable, held) ? USED : { kind: 'unused', at: this.endOf(variable) ?? at };
  }

  /** Whether another value takes the variable in the same list of statements, and nothing in between can look at the first one or lead elsewhere. */
  private isOverwritten(id: TSESTree.Identifier, variable: TSESLint.Scope.Variable): boolean {
    if (variable.references.some(({ from }) => from.variableScope !== variable.scope.variableScope)) return false;
    const from = statementOf(id);
    if (from === undefined) return false;
    const { list, at: start } = from;
    for (const next of list.slice(start + 1)) {
      const write = next.type === AST_NODE_TYPES.ExpressionStatement && next.expression.type === AST_NODE_TYPES.AssignmentExpression && next.expression.operator === '=' ? next.expression.left : undefined;
      const here = variable.references.filter(({ identifier }) => next.range[0] <= identifier.range[0] && identifier.range[1] <= next.range[1]);
      if (here.some((reference) => reference.isRead())) return false;
      if (here.length === 1 && here[0]!.identifier === write) return true;
      if (here.length > 0 || (next.type !== AST_NODE_TYPES.ExpressionStatement && next.type !== AST_NODE_TYPES.VariableDeclaration)) return false;
    }
    return false;
  }

  isUsed(variable: TSESLint.Scope.Variable, held: boolean): boolean {
    if (this.open.has(variable)) return false;
    this.open.add(variable);
    const used = variable.references.some((reference) => reference.isRead() && reference.identifier.type === AST_NODE_TYPES.Identifier && this.isUse(reference.identifier, held));
    this.open.delete(variable);
    return used;
  }

  private isUse(identifier: TSESTree.Identifier, held: boolean): boolean {
    const { parent } = identifier;
    // `box.promise = ...` puts something into it, and takes nothing out; `p ||= ...` only looks at it.
    if (held && parent.type === AST_NODE_TYPES.MemberExpression && parent.object === identifier && parent.parent.type === AST_NODE_TYPES.AssignmentExpression && parent.parent.left === parent) return false;
    if (held && parent.type === AST_NODE_TYPES.MemberExpression && parent.object === identifier && parent.parent.type === AST_NODE_TYPES.CallExpression && isAddition(parent.parent) && isThrownAway(parent.parent)) return false;
    if (parent.type === AST_NODE_TYPES.AssignmentExpression && parent.left === identifier) return this.fateOf(parent, identifier, held).kind === 'used';
    return parent.type === AST_NODE_TYPES.ExportSpecifier || this.fateOf(identifier, identifier, held).kind === 'used';
  }

  /** `void promise;`, `promise;`: where a variable that nobody uses is thrown away by name, that place is the one to look at. */
  private endOf(variable: TSESLint.Scope.Variable): TSESTree.Node | undefined {
    return variable.references.find(({ identifier }) => isThrownAway(identifier))?.identifier;
  }
}

/** Functions of the language that make something else of a promise, and keep nothing of it. */
const CONVERSIONS: ReadonlySet<string> = new Set(['Boolean', 'String', 'Number', 'BigInt']);
const COLLECTIONS: ReadonlySet<string> = new Set(['Array', 'Set', 'Map']);
