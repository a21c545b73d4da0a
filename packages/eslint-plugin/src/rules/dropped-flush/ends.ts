import { AST_NODE_TYPES, ASTUtils, type TSESLint, type TSESTree } from '@typescript-eslint/utils';

/** The list of statements where a variable gets its value by a statement of its own, and the place in it. What may be left by an error is none. */
export function statementOf(id: TSESTree.Identifier): { readonly list: readonly TSESTree.Node[]; readonly at: number } | undefined {
  const { parent } = id;
  const statement = parent.type === AST_NODE_TYPES.VariableDeclarator || parent.type === AST_NODE_TYPES.AssignmentExpression ? parent.parent : undefined;
  const block = statement?.parent;
  if (statement === undefined || (block?.type !== AST_NODE_TYPES.BlockStatement && block?.type !== AST_NODE_TYPES.Program)) return undefined;
  for (let at: TSESTree.Node = block; at.type !== AST_NODE_TYPES.Program && !ASTUtils.isFunction(at); at = at.parent!) if (at.type === AST_NODE_TYPES.TryStatement) return undefined;
  return { list: block.body, at: block.body.findIndex((one) => one === statement) };
}

/** The variable that a list which is taken apart where it is written has something for: `const [first, second] = [clear(a), clear(b)]`. */
export function takenFrom(list: TSESTree.ArrayExpression, element: TSESTree.Node): TSESTree.Identifier | undefined {
  const { elements, parent } = list;
  if (parent.type !== AST_NODE_TYPES.VariableDeclarator || parent.id.type !== AST_NODE_TYPES.ArrayPattern) return undefined;
  const at = elements.findIndex((one) => one === element || one?.type === AST_NODE_TYPES.SpreadElement);
  const target = elements[at] === element ? parent.id.elements[at] : undefined;
  return target?.type === AST_NODE_TYPES.Identifier && parent.parent.parent.type !== AST_NODE_TYPES.ExportNamedDeclaration ? target : undefined;
}

/** The properties, or the places, that a pattern takes; undefined where it may take any. */
export function namesTaken(pattern: TSESTree.BindingName): readonly string[] | undefined {
  if (pattern.type === AST_NODE_TYPES.ArrayPattern) {
    if (pattern.elements.some((one) => one?.type === AST_NODE_TYPES.RestElement)) return undefined;
    return pattern.elements.flatMap((one, at) => (one === null ? [] : [String(at)]));
  }
  if (pattern.type !== AST_NODE_TYPES.ObjectPattern) return undefined;
  const names = pattern.properties.map((one) => (one.type !== AST_NODE_TYPES.Property || one.computed ? undefined : one.key.type === AST_NODE_TYPES.Identifier ? one.key.name : String(one.key.value)));
  return names.every((name) => name !== undefined) ? names : undefined;
}

/** `Promise.all([clearLater(first), clearLater(second)])`: a list that was made there, of what was made there. */
export function isAllOfCalls({ callee, arguments: [list] }: TSESTree.CallExpression): boolean {
  if (callee.type !== AST_NODE_TYPES.MemberExpression || callee.object.type !== AST_NODE_TYPES.Identifier || callee.object.name !== 'Promise' || propertyName(callee) !== 'all') return false;
  return list?.type === AST_NODE_TYPES.ArrayExpression && list.elements.every((one) => one?.type === AST_NODE_TYPES.CallExpression);
}

/** `list.push(promise)`, where the list has a name. */
export function isAddition(call: TSESTree.CallExpression): call is TSESTree.CallExpression & { callee: TSESTree.MemberExpression & { object: TSESTree.Identifier } } {
  return call.callee.type === AST_NODE_TYPES.MemberExpression && call.callee.object.type === AST_NODE_TYPES.Identifier && ADDITIONS.has(propertyName(call.callee) ?? '');
}

export function isThrownAway(node: TSESTree.Node): boolean {
  const { parent } = node;
  if (parent === undefined) return false;
  if (parent.type === AST_NODE_TYPES.TSNonNullExpression || parent.type === AST_NODE_TYPES.ChainExpression) return isThrownAway(parent);
  if (parent.type === AST_NODE_TYPES.SequenceExpression) return parent.expressions.at(-1) !== node || isThrownAway(parent);
  return parent.type === AST_NODE_TYPES.ExpressionStatement || (parent.type === AST_NODE_TYPES.UnaryExpression && parent.operator === 'void');
}

export function isExported(variable: TSESLint.Scope.Variable): boolean {
  return variable.defs.some(({ node }) => node.type === AST_NODE_TYPES.VariableDeclarator && node.parent.parent.type === AST_NODE_TYPES.ExportNamedDeclaration);
}

/** The function that a statement returns from. */
export function enclosingFunction(node: TSESTree.Node): TSESTree.FunctionLike | undefined {
  let at = node;
  while (at.type !== AST_NODE_TYPES.Program && !ASTUtils.isFunction(at)) at = at.parent!;
  return at.type === AST_NODE_TYPES.Program ? undefined : at;
}

/** `p.flush`, `p['flush']`. */
export function propertyName(member: TSESTree.MemberExpression): string | undefined {
  if (!member.computed) return member.property.type === AST_NODE_TYPES.Identifier ? member.property.name : undefined;
  return member.property.type === AST_NODE_TYPES.Literal && typeof member.property.value === 'string' ? member.property.value : undefined;
}

/** Methods of the language that put something into a list, a set or a map. */
const ADDITIONS: ReadonlySet<string> = new Set(['push', 'unshift', 'add', 'set']);
