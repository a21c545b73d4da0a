import { AST_NODE_TYPES, ASTUtils, type TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import type { Typed } from '../../typed.js';
import type { Names } from './names.js';
import { CALLBACKS, OpsTypes } from './ops-types.js';
import { isCast, isSpread } from './places.js';

/** Where in a file the operations of a walk are expected. */
export class Expected {
  private readonly types: Typed;
  private readonly checker: ts.TypeChecker;
  private readonly toTs: Typed['services']['esTreeNodeToTSNodeMap'];
  private readonly ops: OpsTypes;
  private readonly names: Names;

  constructor(types: Typed, names: Names) {
    this.types = types;
    this.checker = types.types.checker;
    this.toTs = types.services.esTreeNodeToTSNodeMap;
    this.ops = OpsTypes.of(types.types);
    this.names = names;
  }

  /** Whether an object is operations: of types that it may be of, such as operations or a list of them, those count that it fits. */
  isExpectedAsOps(node: TSESTree.ObjectExpression): boolean {
    const expected = this.expectedOf(node);
    if (expected === undefined || this.ops.isOps(expected)) return expected !== undefined;
    if (!expected.isUnion() || !expected.types.some((one) => this.ops.isOps(one))) return false;
    const own = this.types.typeOf(node);
    const fitting = expected.types.filter((member) => this.checker.isTypeAssignableTo(own, member));
    return fitting.length > 0 && fitting.every((one) => this.ops.isOps(one));
  }

  /** Whether an object of callbacks goes by a name where operations are expected: by that of its variable or field, or of what it is in. */
  isTakenAsOps(node: TSESTree.ObjectExpression): boolean {
    if (!node.properties.some(isCallback)) return false;
    return this.names.namesOf(node).some(({ name, path }) => name.parent.type !== AST_NODE_TYPES.SpreadElement && this.ops.isOps(this.ops.partOf(this.expectedOf(name), path)));
  }

  /** What an object is written for. */
  private expectedOf(node: TSESTree.Expression): ts.Type | undefined {
    const call = node.parent;
    // { ... } as unknown as MmWalkOps: what it is cast to at last.
    if (isCast(call) && call.parent !== undefined && isCast(call.parent)) return this.checker.getTypeAtLocation(this.toTs.get(call.parent));
    const isArgument = (call.type === AST_NODE_TYPES.CallExpression || call.type === AST_NODE_TYPES.NewExpression) && call.arguments.includes(node);
    const expected = (isArgument ? this.parameterOf(call, node) : undefined) ?? this.checker.getContextualType(this.toTs.get(node) as ts.Expression);
    if (!isArgument || this.ops.isOps(expected)) return expected;
    // A type parameter has become the type of the object itself; its declaration still says what it extends.
    const declaration = this.types.signatureOf(call)?.declaration;
    const parameter = declaration === undefined || ts.isJSDocSignature(declaration) ? undefined : declaration.parameters[call.arguments.indexOf(node)];
    const declared = parameter === undefined ? undefined : this.checker.getTypeAtLocation(parameter);
    if (this.ops.isOps(declared)) return declared;
    // Object.freeze({ ... }), Promise.resolve({ ... }), new Box({ ... }): what is expected of the call, where it returns what it is given, or what holds that.
    if (declaration === undefined || declared === undefined || (declared.flags & ts.TypeFlags.TypeParameter) === 0 || isSpread(call)) return expected;
    const result = ts.isConstructorDeclaration(declaration) ? this.checker.getTypeAtLocation(declaration.parent) : declaration.type && this.checker.getTypeAtLocation(declaration.type);
    const wanted = this.checker.getContextualType(this.toTs.get(call));
    return (result && wanted && this.ops.wantedFor(declared, result, wanted)) ?? expected;
  }

  /** The type of the parameter that takes an argument, which the compiler knows already; undefined where it is not the one of that number. */
  parameterOf(call: TSESTree.CallExpression | TSESTree.NewExpression, argument: TSESTree.Expression): ts.Type | undefined {
    const at = call.arguments.indexOf(argument);
    const signature = this.types.signatureOf(call);
    const parameter = signature?.parameters[at];
    const declared = parameter?.valueDeclaration;
    const isOne = declared !== undefined && ts.isParameter(declared) && declared.dotDotDotToken === undefined && call.arguments.slice(0, at).every(({ type }) => type !== AST_NODE_TYPES.SpreadElement);
    return isOne ? this.checker.getTypeOfSymbol(parameter!) : undefined;
  }
}

/** Whether a property of an object is called as a callback of a walk is. */
function isCallback(property: TSESTree.ObjectLiteralElement): boolean {
  return property.type === AST_NODE_TYPES.Property && CALLBACKS.includes(ASTUtils.getPropertyName(property) ?? '');
}
