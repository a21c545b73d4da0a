import type { TSESTree } from '@typescript-eslint/utils';
import type { Findings } from './findings.js';
import type { World } from './worlds.js';

/** Something that leaves a statement, and the worlds that leave with it. An implicit one may happen: what is called may throw. */
export interface Jump {
  readonly kind: 'break' | 'continue' | 'return' | 'throw' | 'implicit';
  readonly label: string | undefined;
  readonly node: TSESTree.Node;
  readonly worlds: readonly World[];
}

/** A statement that catches jumps. */
export interface Frame {
  readonly kind: 'loop' | 'block' | 'catch' | 'finally' | 'function';
  readonly labels: readonly string[];
  /** Whether `break` without a label ends it. */
  readonly breakable: boolean;
}

/** Where jumps go to. */
export class Jumps {
  private readonly findings: Findings;
  private readonly frames: (Frame & { readonly caught: Jump[] })[] = [];

  constructor(findings: Findings) {
    this.findings = findings;
  }

  /** Goes through what stands in a statement that catches jumps. Returns: the worlds at its end, and what it caught. */
  within(frame: Frame, run: () => readonly World[]): { readonly end: readonly World[]; readonly caught: readonly Jump[] } {
    const complete = { ...frame, caught: [] };
    this.frames.push(complete);
    const end = run();
    this.frames.pop();
    return { end, caught: complete.caught };
  }

  /** Leaves a statement, for the innermost that catches that, or for good. */
  jump(jump: Jump): void {
    if (jump.worlds.length === 0) return;
    for (const frame of this.frames.toReversed()) {
      const isThrow = jump.kind === 'throw' || jump.kind === 'implicit';
      const isTarget = jump.label === undefined ? (jump.kind === 'break' ? frame.breakable : jump.kind === 'continue' && frame.kind === 'loop') : frame.labels.includes(jump.label);
      if (frame.kind === 'function' || frame.kind === 'finally' || (frame.kind === 'catch' && isThrow) || isTarget) {
        frame.caught.push(jump);
        return;
      }
    }
    if (jump.kind !== 'implicit') this.findings.exit(jump.worlds, jump.node);
  }

  /** Something here may throw, which matters where that is caught. */
  mayThrow(node: TSESTree.Node, worlds: readonly World[]): void {
    if (this.frames.some(({ kind }) => kind === 'catch' || kind === 'finally')) this.jump({ kind: 'implicit', label: undefined, node, worlds });
  }
}
