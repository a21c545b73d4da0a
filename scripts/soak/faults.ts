import type { Fault } from '../faults/fault.js';
import { FAULTS } from '../faults/list.js';

/** A fault that the soak may be run with. */
export type SoakFault = Pick<Fault, 'name' | 'patches' | 'on'>;

/** Faults in what is done where memory or VMAs run out: rounds in which they do must find them. */
const SCARCE: readonly SoakFault[] = [
  {
    name: 'a fork that runs out of memory leaves its child',
    patches: [{ file: 'packages/mm/src/ops/fork.ts', find: '    child.mmput();\n', replace: '' }],
  },
];

/** Faults whose name contains a text: those of `npm run faults` that are put into the sources of packages/mm, and those of the soak alone. @throws Error if there is none */
export function soakFaults(part: string): readonly SoakFault[] {
  const found = [...SCARCE, ...FAULTS.filter(({ lint }) => lint === undefined)].filter(({ name }) => name.includes(part));
  if (found.length === 0) throw new Error(`there is no fault whose name contains '${part}': npm run faults -- --list`);
  return found;
}
