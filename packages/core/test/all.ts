/** Both entry points of the package: the tests are architecture code too. */
export * from '../src/index.js';
export * from '../src/arch.js';
