import { AST_NODE_TYPES, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { createRule } from '../create-rule.js';
import { NO_TYPES, typed, type Typed } from '../typed.js';
import type { Origin } from '../types/provenance.js';

const MESSAGES = {
  ...NO_TYPES,
  asideAsLive: 'A pointer to a value held aside goes where the handle of a live {{level}} entry is meant: what is done there is done to the copy, or to whatever entry has that number. Pass the handle.',
  maybeAsideAsLive: 'On some way this is a pointer to a value held aside, and it goes where the handle of a live {{level}} entry is meant. Keep the two in variables of their own.',
  liveAsAside: 'The handle of a live {{level}} entry goes where a pointer to a value held aside is meant: what is read there is no entry of this table. Read the entry, and hold its value aside.',
  compared: 'A pointer to a value held aside is compared with the handle of a live {{level}} entry: the two are numbers of different things.',
} as const;

type Messages = keyof typeof MESSAGES;
type Context = Readonly<TSESLint.RuleContext<Messages, readonly []>>;

/** Methods of lists and sets that put what they are given among the elements, from which argument on. */
const ADDERS: ReadonlyMap<string, number> = new Map([['push', 0], ['unshift', 0], ['add', 0], ['fill', 0], ['splice', 2], ['with', 1]]);

/**
 * The bug class of the proposal of opaque handles: under the alias, a live entry and a copy of one on the stack have the same type, and what was meant for the
 * one is done to the other. The rule follows where a pointer came from and what its destination was declared for.
 */
export const noStackHandle = createRule<[], Messages>({
  name: 'no-stack-handle',
  meta: {
    type: 'problem',
    docs: { description: 'A pointer to a value held aside never stands where the handle of a live entry is meant, nor the other way round', config: 'recommended', typed: true },
    messages: MESSAGES,
    schema: [],
    defaultOptions: [],
  },
  create(context) {
    const types = typed(context);
    return types === undefined ? {} : listeners(context, types);
  },
});

function listeners(context: Context, types: Typed): TSESLint.RuleListener {
  const { checker } = types.types;
  const { provenance } = types;
  const toTs = types.services.esTreeNodeToTSNodeMap;

  /** Where a pointer came from; undefined for what is none. */
  function originOf(node: TSESTree.Node): Origin | undefined {
    const handle = types.handleOf(node);
    if (handle === undefined) return undefined;
    return handle.form === 'alias' ? types.originOf(node) : 'live';
  }

  function check(node: TSESTree.Expression | null | undefined, meant: () => Origin): void {
    if (node === null || node === undefined) return;
    // Both ways of a choice are looked at where they stand.
    if (node.type === AST_NODE_TYPES.ConditionalExpression) {
      check(node.consequent, meant);
      check(node.alternate, meant);
      return;
    }
    if (node.type === AST_NODE_TYPES.LogicalExpression) {
      if (node.operator !== '&&') check(node.left, meant);
      check(node.right, meant);
      return;
    }
    const origin = originOf(node);
    if (origin === undefined || origin === 'unknown') return;
    const place = meant();
    const data = { level: types.handleOf(node)?.level ?? 'page-table' };
    if (place === 'live' && origin === 'aside') context.report({ node, messageId: 'asideAsLive', data });
    else if (place === 'live' && origin === 'mixed') context.report({ node, messageId: 'maybeAsideAsLive', data });
    else if (place === 'aside' && origin === 'live') context.report({ node, messageId: 'liveAsAside', data });
  }

  /** What a property of an object that is written here is declared for. */
  function ofProperty(object: ts.Type | undefined, name: string): Origin {
    const property = object === undefined ? undefined : checker.getNonNullableType(object).getProperty(name);
    return property === undefined ? 'unknown' : provenance.ofMeant(property);
  }

  function checkCall(node: TSESTree.CallExpression | TSESTree.NewExpression): void {
    if (!node.arguments.some((argument) => types.handleOf(argument.type === AST_NODE_TYPES.SpreadElement ? argument.argument : argument) !== undefined)) return;
    const call = toTs.get(node) as ts.CallExpression | ts.NewExpression;
    const declaration = checker.getResolvedSignature(call)?.declaration;
    const parameters = declaration === undefined || ts.isJSDocSignature(declaration) ? [] : declaration.parameters;
    node.arguments.forEach((argument, at) => {
      if (argument.type === AST_NODE_TYPES.SpreadElement) return;
      const parameter = parameters[Math.min(at, parameters.length - 1)];
      check(argument, () => {
        if (parameter !== undefined) {
          const said = at >= parameters.length - 1 && parameter.dotDotDotToken !== undefined && parameter.type !== undefined ? provenance.ofElementType(parameter.type) : provenance.ofAnnotation(parameter);
          if (said !== 'unknown') return said;
        }
        const { expression } = call;
        if (!ts.isPropertyAccessExpression(expression)) return 'unknown';
        const from = ADDERS.get(expression.name.text);
        return from !== undefined && at >= from ? provenance.ofElements(expression.expression) : 'unknown';
      });
    });
  }

  /** What the function around a node was declared to return. */
  function ofResult(node: TSESTree.Node): Origin {
    const declaration = ts.findAncestor(toTs.get(node), ts.isFunctionLike);
    return declaration === undefined ? 'unknown' : provenance.ofResult(declaration);
  }

  return {
    CallExpression: checkCall,
    NewExpression: checkCall,
    VariableDeclarator(node) {
      const { annotated, init } = { annotated: node.id.typeAnnotation, init: node.init };
      if (annotated !== undefined && node.id.type === AST_NODE_TYPES.Identifier) check(init, () => provenance.ofTypeNode(toTs.get(annotated.typeAnnotation) as ts.TypeNode));
    },
    AssignmentExpression(node) {
      if (!/^(\?\?|\|\||&&)?=$/.test(node.operator)) return;
      const { left } = node;
      check(node.right, () => {
        if (left.type === AST_NODE_TYPES.MemberExpression && left.computed) {
          const list = provenance.ofElements(toTs.get(left.object) as ts.Expression);
          if (list !== 'unknown') return list;
        }
        const symbol = checker.getSymbolAtLocation(toTs.get(left.type === AST_NODE_TYPES.MemberExpression ? left.property : left));
        return symbol === undefined ? 'unknown' : provenance.ofMeant(symbol);
      });
    },
    ReturnStatement(node) {
      check(node.argument, () => ofResult(node));
    },
    ArrowFunctionExpression(node) {
      if (node.body.type !== AST_NODE_TYPES.BlockStatement) check(node.body, () => provenance.ofResult(toTs.get(node)));
    },
    YieldExpression(node) {
      if (!node.delegate) check(node.argument, () => ofResult(node));
    },
    'ObjectExpression > Property'(node: TSESTree.Property) {
      const name = node.key.type === AST_NODE_TYPES.Identifier && !node.computed ? node.key.name : node.key.type === AST_NODE_TYPES.Literal ? String(node.key.value) : undefined;
      if (name === undefined || node.parent.type !== AST_NODE_TYPES.ObjectExpression) return;
      const { parent } = node;
      check(node.value as TSESTree.Expression, () => ofProperty(checker.getContextualType(toTs.get(parent)), name));
    },
    ArrayExpression(node) {
      for (const element of node.elements) {
        if (element === null || element.type === AST_NODE_TYPES.SpreadElement) continue;
        check(element, () => {
          const { parent } = node;
          const annotation = parent.type === AST_NODE_TYPES.VariableDeclarator ? parent.id.typeAnnotation : parent.type === AST_NODE_TYPES.PropertyDefinition ? parent.typeAnnotation : undefined;
          return annotation === undefined ? 'unknown' : provenance.ofElementType(toTs.get(annotation.typeAnnotation) as ts.TypeNode);
        });
      }
    },
    'PropertyDefinition, AccessorProperty'(node: TSESTree.PropertyDefinition | TSESTree.AccessorProperty) {
      const { typeAnnotation } = node;
      if (typeAnnotation !== undefined) check(node.value, () => provenance.ofTypeNode(toTs.get(typeAnnotation.typeAnnotation) as ts.TypeNode));
    },
    AssignmentPattern(node) {
      const { typeAnnotation } = node.left;
      if (typeAnnotation !== undefined) check(node.right, () => provenance.ofTypeNode(toTs.get(typeAnnotation.typeAnnotation) as ts.TypeNode));
    },
    BinaryExpression(node) {
      if (!/^[!=]==?$/.test(node.operator) || node.left.type === AST_NODE_TYPES.PrivateIdentifier) return;
      const origins = [originOf(node.left), originOf(node.right)];
      if (origins.includes('live') && origins.includes('aside')) context.report({ node, messageId: 'compared', data: { level: types.handleOf(node.left)?.level ?? 'page-table' } });
    },
  };
}
