import type { TSESTree } from '@typescript-eslint/utils';
import { isOwed, type Mapped, type World } from './worlds.js';

/** Something to report. */
export interface Finding {
  readonly kind: 'unchecked' | 'dropped' | 'notUnmapped' | 'usedAfterUnmap' | 'unmappedTwice';
  readonly node: TSESTree.Node;
  /** What mapped the table. */
  readonly call: TSESTree.CallExpression;
  /** Where the way ends on which it is not given back; elsewhere the line of the node. */
  readonly line: number;
}

/** What was found in one function, once for each place. */
export class Findings {
  private readonly made: TSESTree.Node;
  private readonly found = new Map<string, Finding>();

  /** @param made the function, or what else is gone through */
  constructor(made: TSESTree.Node) {
    this.made = made;
  }

  /** In the order of their places. */
  all(): readonly Finding[] {
    return [...this.found.values()].sort((a, b) => a.node.range[0] - b.node.range[0]);
  }

  report(kind: Finding['kind'], node: TSESTree.Node, mapped: Mapped, line = node.loc.start.line): void {
    const key = `${kind} ${node.range[0]} ${node.range[1]}`;
    const known = this.found.get(key);
    if (known === undefined || known.line > line) this.found.set(key, { kind, node, call: mapped.call, line });
  }

  /** The function is left here: whatever it still has was not given back. */
  exit(worlds: readonly World[], node: TSESTree.Node): void {
    for (const world of worlds) {
      for (const [mapped, state] of world.state) if (isOwed(state)) this.leak(mapped, node === this.made ? node.loc.end.line : node.loc.start.line);
    }
  }

  /** A table is not given back on a way that ends at a line. */
  leak(mapped: Mapped, line: number): void {
    this.report('notUnmapped', mapped.call, mapped, line);
  }
}
