import { AST_NODE_TYPES, ASTUtils } from '@typescript-eslint/utils';
import { Expressions } from './expressions.js';
import { Findings, type Finding } from './findings.js';
import { Jumps } from './jumps.js';
import { Statements } from './statements.js';
import type { Subject } from './subject.js';
import { Uses } from './uses.js';
import { Variables } from './variables.js';
import { BEGIN, TooManyWays, Worlds, type World } from './worlds.js';

/** What is wrong with the tables that one function maps: it is gone through way by way. */
export function findPaths(subject: Subject): readonly Finding[] {
  // Where variables are compared with many constants there may be too many ways to remember how each comparison came out.
  return goThrough(subject, true) ?? goThrough(subject, false) ?? [];
}

/** @param byConstants whether it is remembered which constants variables are. @returns undefined: there are too many ways */
function goThrough(subject: Subject, byConstants: boolean): readonly Finding[] | undefined {
  const { made } = subject;
  const worlds = new Worlds();
  const findings = new Findings(made);
  const jumps = new Jumps(findings);
  const uses = new Uses(subject);
  const variables = new Variables(subject, uses, byConstants);
  const expressions = new Expressions(subject, worlds, uses, variables, jumps, findings, (list, now) => statements.block(list, now));
  const statements: Statements = new Statements(subject, worlds, variables, jumps, expressions);
  const start = [BEGIN];
  try {
    if (made.type === AST_NODE_TYPES.Program || made.type === AST_NODE_TYPES.StaticBlock || made.type === AST_NODE_TYPES.TSModuleBlock) findings.exit(statements.block(made.body, start), made);
    else if (made.type === AST_NODE_TYPES.PropertyDefinition || made.type === AST_NODE_TYPES.AccessorProperty) {
      if (made.value !== null) findings.exit(expressions.evaluate(made.value, start), made);
    } else if (ASTUtils.isFunction(made)) {
      let now: readonly World[] = start;
      for (const parameter of made.params) if (parameter.type === AST_NODE_TYPES.AssignmentPattern) now = expressions.evaluate(parameter.right, now);
      if (made.body.type === AST_NODE_TYPES.BlockStatement) findings.exit(statements.block(made.body.body, now), made);
      else findings.exit(expressions.evaluate(made.body, now), made);
    }
  } catch (error) {
    if (error instanceof TooManyWays) return undefined;
    throw error;
  }
  return findings.all();
}
