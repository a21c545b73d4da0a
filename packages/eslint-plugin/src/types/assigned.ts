import ts from 'typescript';

/** The object that `Object.assign` writes into, as far as names tell. */
export function assignedTo(call: ts.CallExpression | ts.NewExpression): ts.Expression | undefined {
  const { expression } = call;
  const isAssign = ts.isCallExpression(call) && ts.isPropertyAccessExpression(expression) && expression.name.text === 'assign' && ts.isIdentifier(expression.expression) && expression.expression.text === 'Object';
  return isAssign ? call.arguments[0] : undefined;
}
