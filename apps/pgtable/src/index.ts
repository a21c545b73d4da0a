/**
 * The `pgtable` command as a function: what the binary runs.
 *
 * @packageDocumentation
 */
export { ARCHITECTURES } from './architectures.js';
export { ExitCode } from './exit-codes.js';
export type { Io } from './io.js';
export { Machine, type MachineOptions, type OpenedRoot } from './machine.js';
export { run } from './program.js';
