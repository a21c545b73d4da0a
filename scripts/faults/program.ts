import type { Configuration } from '../../packages/arch-testkit/test/configurations.js';

/** Something that a kernel does, with no other thread, and that must come out in one way. */
export interface Program {
  readonly about: string;
  /** How the name of the configuration begins that it runs in; left out: all that interleavings are run in. */
  readonly on?: string;
  /** @throws what the kernel, its checks or the program find */
  run(configuration: Configuration): void;
}

/** A program in a form in which it can be in a list with others. */
export function program(one: Program): Program {
  return one;
}
