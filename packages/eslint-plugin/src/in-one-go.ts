import { AST_NODE_TYPES, type TSESLint, type TSESTree } from '@typescript-eslint/utils';

/** A rule that looks at a file: its methods are called for the nodes of the kinds that they are named after. */
export type Visitor = { readonly [K in AST_NODE_TYPES]?: (node: Extract<TSESTree.Node, { readonly type: K }>) => void };

/**
 * Calls a visitor for the nodes of a file, one kind after the other, and in the order of the file within each, before any other listener is called.
 *
 * A rule that looks at every call and every name is called a thousand times a file, mostly to find that there is nothing to do: with listeners that did nothing, ESLint took
 * a fifth of what all rules took. So they share one list of the nodes. And a visitor is of a class: functions that are made anew for each file are slow when they are first called.
 */
export function inOneGo(sourceCode: Readonly<TSESLint.SourceCode>, visitor: Visitor): TSESLint.RuleListener {
  const methods = methodsOf(visitor);
  for (const [kind] of methods) wanted.add(kind);
  return {
    Program() {
      const nodes = nodesOf(sourceCode);
      for (const [kind, method] of methods) for (const node of nodes.get(kind) ?? NONE) method.call(visitor, node);
    },
  };
}

/** The same, where ESLint calls a visitor for one node after the other, among the other rules. */
export function oneByOne(visitor: Visitor): TSESLint.RuleListener {
  return Object.fromEntries(methodsOf(visitor).map(([kind, method]) => [kind, (node: TSESTree.Node) => { method.call(visitor, node); }]));
}

type Method = (this: Visitor, node: TSESTree.Node) => void;

/** The methods of a class, and of those that it extends, that are named after kinds of nodes. */
function methodsOf(visitor: Visitor): readonly (readonly [kind: string, method: Method])[] {
  const made = Object.getPrototypeOf(visitor) as object;
  const known = methods.get(made);
  if (known !== undefined) return known;
  const found = new Map<string, Method>();
  for (let at = made; at !== Object.prototype; at = Object.getPrototypeOf(at) as object) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at))) if (name in AST_NODE_TYPES && !found.has(name)) found.set(name, value as Method);
  }
  methods.set(made, [...found]);
  return methods.get(made)!;
}

const methods = new WeakMap<object, readonly (readonly [kind: string, method: Method])[]>();

/** What is asked for whatever the rules listen to. */
const ALWAYS = [AST_NODE_TYPES.CallExpression, AST_NODE_TYPES.BinaryExpression] as const;

/** The kinds of nodes that are listed: those that some rule listens to too. All rules have said theirs before the first of them is called. */
const wanted = new Set<string>(ALWAYS);

/** The nodes of the file that was gone through last. The next file's go into the same lists: sixty new ones for each file were a twentieth of what all rules allocated for small ones. */
const lists = new Map<string, TSESTree.Node[]>();
let listed: { readonly sourceCode: Readonly<TSESLint.SourceCode>; readonly kinds: number } | undefined;

/** The nodes of one of the kinds that are always listed, in the order of the file. */
export function ofKind<K extends (typeof ALWAYS)[number]>(sourceCode: Readonly<TSESLint.SourceCode>, kind: K): readonly Extract<TSESTree.Node, { readonly type: K }>[] {
  return (nodesOf(sourceCode).get(kind) ?? NONE) as readonly Extract<TSESTree.Node, { readonly type: K }>[];
}

/** The nodes of a file by their kind, those of kinds that are wanted: until somebody asks for those of another file. */
function nodesOf(sourceCode: Readonly<TSESLint.SourceCode>): ReadonlyMap<string, readonly TSESTree.Node[]> {
  // Who looks at the same tree later may want more kinds.
  if (listed?.sourceCode === sourceCode && listed.kinds === wanted.size) return lists;
  for (const kind of wanted) {
    const list = lists.get(kind);
    if (list === undefined) lists.set(kind, []);
    else list.length = 0;
  }
  // The types of typescript-eslint leave out what ESLint calls to go through a file, and keeps.
  for (const step of (sourceCode as Readonly<TSESLint.SourceCode> & Traversed).traverse()) {
    if (step.kind === VISIT && step.phase === ENTER) lists.get(step.target.type)?.push(step.target);
  }
  listed = { sourceCode, kinds: wanted.size };
  return lists;
}

/** @see https://eslint.org/docs/latest/extend/languages */
interface Traversed {
  traverse(): Iterable<{ readonly kind: typeof VISIT; readonly phase: 1 | 2; readonly target: TSESTree.Node } | { readonly kind: 2; readonly phase?: undefined }>;
}

const NONE: readonly TSESTree.Node[] = [];
const VISIT = 1;
const ENTER = 1;
