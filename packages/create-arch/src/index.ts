/**
 * What `npm create @pgtable/arch` does, for programs.
 *
 * @packageDocumentation
 */
export { createArch, CreateError, type Created, type CreateOptions } from './create.js';
