import ts from 'typescript';
import { either, type Origin } from './origin.js';
import { Part } from './part.js';
import type { Path } from './path.js';

/** What is spread into objects that are written, and into elements: of two that give the same property, the later counts. */
export class Spreads extends Part {
  /** Whether a property is written, or always spread, after something that is spread. */
  isGivenAfter(spread: ts.SpreadAssignment | ts.JsxSpreadAttribute, name: string): boolean {
    const all: readonly (ts.ObjectLiteralElementLike | ts.JsxAttributeLike)[] = spread.parent.properties;
    return all.slice(all.indexOf(spread) + 1).some((one) => (isSpread(one) ? this.brings(one.expression, name) === 'always' : this.isNamed(one, name)));
  }

  /** Where a property of an object that is written comes from. */
  inObject({ properties }: ts.ObjectLiteralExpression, name: string, path: Path, step: number): Origin {
    let origin: Origin = 'unknown';
    for (const one of [...properties].reverse()) {
      if (!ts.isSpreadAssignment(one)) {
        if (this.isNamed(one, name)) return either(origin, this.trace.declarations.declaration(one, path, step));
        continue;
      }
      const brought = this.brings(one.expression, name);
      if (brought !== 'never') origin = either(origin, this.trace.expressions.expression(one.expression, [name, ...path], step));
      if (brought === 'always') return origin;
    }
    return origin;
  }

  private isNamed({ name: own }: ts.ObjectLiteralElementLike | ts.JsxAttribute, name: string): boolean {
    return own !== undefined && (ts.isJsxNamespacedName(own) ? own.getText() : this.nameOf(own)) === name;
  }

  /** Whether what is spread has a property: always, perhaps, or not as far as anybody knows. */
  private brings(spread: ts.Expression, name: string): 'always' | 'maybe' | 'never' {
    const type = this.checker.getTypeAtLocation(spread);
    const property = this.types.present(type).getProperty(name);
    // What may be undefined brings nothing then.
    if (property !== undefined) return (property.flags & ts.SymbolFlags.Optional) === 0 && this.types.present(type) === type ? 'always' : 'maybe';
    return type.isUnion() || type.getStringIndexType() !== undefined ? 'maybe' : 'never';
  }
}

function isSpread(one: ts.ObjectLiteralElementLike | ts.JsxAttributeLike): one is ts.SpreadAssignment | ts.JsxSpreadAttribute {
  return ts.isSpreadAssignment(one) || ts.isJsxSpreadAttribute(one);
}
