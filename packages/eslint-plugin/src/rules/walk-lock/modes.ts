import ts from 'typescript';
import { oncePer } from '../../once-per.js';
import type { Types } from '../../types/types.js';
import { LOCK } from './ops-types.js';

/** What its lock modes are called: an alias or an enum. */
export const MODES: ReadonlySet<string> = new Set(['', 'Page', 'Mm'].flatMap((of) => ['', 'Mode', 'Kind', 'Type'].map((kind) => `${of}WalkLock${kind}`)));

/** What is a lock mode of a walk, for all files. */
export class LockModes {
  static readonly of = oncePer((types: Types) => new LockModes(types));

  private readonly types: Types;
  private readonly checker: ts.TypeChecker;

  private constructor(types: Types) {
    this.types = types;
    this.checker = types.checker;
  }

  /** Whether a written type is one of lock modes. */
  private saysModes(node: ts.TypeNode): boolean {
    if (ts.isUnionTypeNode(node)) return node.types.some((one) => this.saysModes(one));
    if (ts.isParenthesizedTypeNode(node) || ts.isTypeOperatorNode(node)) return this.saysModes(node.type);
    // `keyof typeof PageWalkLock`, `(typeof PageWalkLock)[keyof typeof PageWalkLock]`: their names, and what they are.
    if (ts.isTypeQueryNode(node)) return this.isNamedModes(node.exprName);
    if (ts.isIndexedAccessTypeNode(node)) return this.saysModes(node.objectType) || (ts.isLiteralTypeNode(node.indexType) && ts.isStringLiteral(node.indexType.literal) && node.indexType.literal.text === LOCK);
    // `${PageWalkLock}` is the texts of an enum.
    if (ts.isTemplateLiteralTypeNode(node)) return node.head.text === '' && node.templateSpans.every((span) => span.literal.text === '' && this.saysModes(span.type));
    if (!ts.isTypeReferenceNode(node)) return false;
    const symbol = this.checker.getSymbolAtLocation(node.typeName);
    if (symbol === undefined) return false;
    const original = this.types.resolved(symbol);
    if (MODES.has(original.name)) return true;
    const alias = original.declarations?.find(ts.isTypeAliasDeclaration)?.type ?? original.declarations?.find(ts.isTypeParameterDeclaration)?.constraint;
    return (alias !== undefined && this.saysModes(alias)) || (node.typeArguments ?? []).some((one) => this.saysModes(one));
  }

  private isModesType(type: ts.Type): boolean {
    const symbols = [type.aliasSymbol, type.symbol as ts.Symbol | undefined];
    if (symbols.some((symbol) => symbol !== undefined && MODES.has(symbol.name))) return true;
    if (type.isUnion()) return type.types.some((one) => this.isModesType(one));
    if (type.flags & ts.TypeFlags.TypeParameter) {
      const constraint = this.checker.getBaseConstraintOfType(type);
      return constraint !== undefined && constraint !== type && this.isModesType(constraint);
    }
    // A member of an enum knows its enum by its declaration.
    const member = (type.symbol as ts.Symbol | undefined)?.valueDeclaration;
    return member !== undefined && ts.isEnumMember(member) && MODES.has(member.parent.name.text);
  }

  /** Whether an expression is a lock mode: by its type, or by where it was declared, since a union forgets its name where one is taken from it. */
  isMode(node: ts.Expression, steps = 0): boolean {
    if (steps > 8) return false;
    const type = this.checker.getTypeAtLocation(node);
    // Without undefined a union has its name again.
    if (this.isModesType(type) || (type.isUnion() && this.isModesType(this.checker.getNonNullableType(type)))) return true;
    if (ts.isParenthesizedExpression(node) || ts.isNonNullExpression(node) || ts.isAwaitExpression(node)) return this.isMode(node.expression, steps + 1);
    if (ts.isAsExpression(node) || ts.isSatisfiesExpression(node)) return this.saysModes(node.type) || this.isMode(node.expression, steps + 1);
    if (ts.isConditionalExpression(node)) return this.isMode(node.whenTrue, steps + 1) || this.isMode(node.whenFalse, steps + 1);
    if (ts.isBinaryExpression(node)) {
      const { kind } = node.operatorToken;
      return (kind === ts.SyntaxKind.QuestionQuestionToken || kind === ts.SyntaxKind.BarBarToken) && (this.isMode(node.left, steps + 1) || this.isMode(node.right, steps + 1));
    }
    if (ts.isCallExpression(node)) {
      const result = this.checker.getResolvedSignature(node)?.declaration?.type;
      return result !== undefined && ts.isTypeNode(result) && this.saysModes(result);
    }
    // PageWalkLock.Read, of an object whose members have no more than their texts.
    if (ts.isPropertyAccessExpression(node) && this.isNamedModes(node.expression)) return true;
    // RANK[mode] is no mode, and ops['walkLock'] is one.
    if (ts.isElementAccessExpression(node) && !ts.isStringLiteralLike(node.argumentExpression)) return false;
    const name = ts.isPropertyAccessExpression(node) ? node.name : ts.isElementAccessExpression(node) ? node.argumentExpression : node;
    const symbol = this.checker.getSymbolAtLocation(name);
    if (symbol === undefined) return false;
    if ((symbol.flags & ts.SymbolFlags.Property) !== 0 && symbol.name === LOCK) return true;
    return (symbol.declarations ?? []).some((declaration) => {
      if (ts.isBindingElement(declaration)) {
        const from = declaration.propertyName ?? declaration.name;
        return ts.isObjectBindingPattern(declaration.parent) && ts.isIdentifier(from) && from.text === LOCK;
      }
      const { type, initializer } = declaration as Partial<ts.VariableDeclaration>;
      if (type !== undefined) return this.saysModes(type);
      if (this.isElementOfModes(declaration)) return true;
      return initializer !== undefined && ts.isVariableDeclaration(declaration) && this.isMode(initializer, steps + 1);
    });
  }

  /** `for (const mode of Object.values(PageWalkLock))`, and the parameter of a function that a list of all modes calls. */
  private isElementOfModes(declaration: ts.Declaration): boolean {
    const { parent } = declaration;
    if (ts.isVariableDeclaration(declaration)) return ts.isForOfStatement(parent.parent) && this.isListOfModes(parent.parent.expression);
    if (!ts.isParameter(declaration) || !(ts.isArrowFunction(parent) || ts.isFunctionExpression(parent)) || parent.parameters[0] !== declaration) return false;
    const call = parent.parent;
    return ts.isCallExpression(call) && call.arguments[0] === parent && ts.isPropertyAccessExpression(call.expression) && this.isListOfModes(call.expression.expression);
  }

  /** `Object.values(PageWalkLock)`, `Object.keys(PageWalkLock) as (keyof typeof PageWalkLock)[]` */
  private isListOfModes(node: ts.Expression): boolean {
    if (ts.isParenthesizedExpression(node)) return this.isListOfModes(node.expression);
    if (ts.isAsExpression(node)) return ts.isArrayTypeNode(node.type) ? this.saysModes(node.type.elementType) : this.saysModes(node.type);
    const [modes] = ts.isCallExpression(node) ? node.arguments : [];
    if (modes === undefined || !ts.isCallExpression(node) || node.expression.getText() !== 'Object.values') return false;
    return this.isNamedModes(modes);
  }

  /** `PageWalkLock`, `walk.PageWalkLock`: the object that has all modes. */
  private isNamedModes(node: ts.Expression | ts.EntityName): boolean {
    const symbol = this.checker.getSymbolAtLocation(ts.isPropertyAccessExpression(node) ? node.name : ts.isQualifiedName(node) ? node.right : node);
    return symbol !== undefined && MODES.has(this.types.resolved(symbol).name);
  }
}
