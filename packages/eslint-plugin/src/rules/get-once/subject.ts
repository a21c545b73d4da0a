import { ASTUtils, type TSESLint, type TSESTree } from '@typescript-eslint/utils';
import { calledName } from '../../accessors.js';
import { CalledNames } from '../../called-names.js';
import type { Typed } from '../../typed.js';
import { NO_LOCK_MAP, TAKES_LOCK, UNLOCK } from './lock-names.js';

/** One file that is looked at for reads of entries, and whom to ask about what stands in it. */
export class Subject {
  readonly sourceCode: Readonly<TSESLint.SourceCode>;
  readonly types: Typed;
  private readonly called: CalledNames;

  constructor(sourceCode: Readonly<TSESLint.SourceCode>, types: Typed) {
    this.sourceCode = sourceCode;
    this.types = types;
    this.called = new CalledNames(types, (name) => [TAKES_LOCK, UNLOCK, NO_LOCK_MAP].some((known) => known.test(name)));
  }

  /** What a call's function is called where it is declared. */
  nameOf(node: TSESTree.CallExpression): string {
    return this.called.nameOf(node) ?? calledName(node)?.name ?? '';
  }

  variableOf(node: TSESTree.Identifier): TSESLint.Scope.Variable | undefined {
    return ASTUtils.findVariable(this.sourceCode.getScope(node), node) ?? undefined;
  }
}
