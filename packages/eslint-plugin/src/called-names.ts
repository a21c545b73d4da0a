import type { TSESTree } from '@typescript-eslint/utils';
import ts from 'typescript';
import { calledName } from './accessors.js';
import type { Typed } from './typed.js';

/** What functions were declared as, whatever they are called where they are used. */
export class CalledNames {
  private readonly typed: Typed;
  private readonly checker: ts.TypeChecker;
  private readonly isKnown: (name: string) => boolean;

  /** What symbols were declared as. */
  private readonly originals = new Map<ts.Symbol, string>();

  /** @param isKnown whether a name says enough by itself, whatever the function behind it is called */
  constructor(types: Typed, isKnown: (name: string) => boolean) {
    this.typed = types;
    this.checker = types.types.checker;
    this.isKnown = isKnown;
  }

  /** The name that what is called was declared with. */
  nameOf(call: TSESTree.CallExpression): string | undefined {
    const name = calledName(call);
    if (name === undefined) return this.symbolOf(this.typed.services.esTreeNodeToTSNodeMap.get(call).expression)?.name;
    const symbol = this.typed.symbolOf(name);
    if (symbol === undefined) return undefined;
    const known = this.originals.get(symbol);
    if (known !== undefined) return known;
    const original = this.original(symbol, 0);
    if (original === undefined) return undefined;
    const declared = this.declaredName(call, original) ?? original.name;
    this.originals.set(symbol, declared);
    return declared;
  }

  /** What the function was declared as that a parameter, a field or a variable holds: `map: typeof pteOffsetMap`. */
  private declaredName(call: TSESTree.CallExpression, held: ts.Symbol): string | undefined {
    if ((held.flags & (ts.SymbolFlags.Variable | ts.SymbolFlags.Property)) === 0 || this.isKnown(held.name)) return undefined;
    const declaration = this.typed.signatureOf(call)?.declaration;
    const name = declaration !== undefined && (ts.isFunctionDeclaration(declaration) || ts.isMethodDeclaration(declaration) || ts.isMethodSignature(declaration)) ? declaration.name : undefined;
    return name !== undefined && ts.isIdentifier(name) ? name.text : undefined;
  }

  /** The symbol behind imports, re-exports, `const other = name` and `const { name: other } = object`. */
  symbolOf(expression: ts.Expression, step = 0): ts.Symbol | undefined {
    let at = expression;
    while (ts.isParenthesizedExpression(at) || ts.isNonNullExpression(at) || ts.isAsExpression(at) || ts.isSatisfiesExpression(at)) at = at.expression;
    if (!ts.isIdentifier(at) && !ts.isPropertyAccessExpression(at) && !ts.isElementAccessExpression(at)) return undefined;
    const found = this.checker.getSymbolAtLocation(ts.isIdentifier(at) ? at : ts.isPropertyAccessExpression(at) ? at.name : at.argumentExpression);
    return found === undefined ? undefined : this.original(found, step);
  }

  private original(found: ts.Symbol, step: number): ts.Symbol | undefined {
    const symbol = this.typed.types.resolved(found);
    const declaration = symbol.valueDeclaration;
    if (declaration === undefined || step > 4) return symbol;
    if (ts.isVariableDeclaration(declaration) && declaration.initializer !== undefined && (ts.getCombinedNodeFlags(declaration) & ts.NodeFlags.Const) !== 0) {
      return this.bound(declaration.initializer, step) ?? symbol;
    }
    if (ts.isBindingElement(declaration)) {
      const from = this.checker.getTypeAtLocation(declaration.parent);
      const name = declaration.propertyName ?? declaration.name;
      return (ts.isIdentifier(name) ? from.getProperty(name.text) : undefined) ?? symbol;
    }
    if (ts.isPropertyAssignment(declaration)) return this.bound(declaration.initializer, step) ?? symbol;
    return symbol;
  }

  /** `mm.pteOffsetMap`, `pteOffsetMap` or `pteOffsetMap.bind(mm)` as a value. */
  private bound(value: ts.Expression, step: number): ts.Symbol | undefined {
    const isBind = ts.isCallExpression(value) && ts.isPropertyAccessExpression(value.expression) && value.expression.name.text === 'bind';
    return this.symbolOf(isBind ? (value.expression).expression : value, step + 1);
  }
}
