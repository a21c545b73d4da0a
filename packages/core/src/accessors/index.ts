/*
 * The kernel's accessors by the kernel's names (include/linux/pgtable.h, Linux 6.12). Each is the architecture's own operation at one level, so
 * an override at that level is seen by everyone; what the operation promises stands with it, in LevelOps, WritableOps and EntryValues.
 */
export * from './batch.js';
export * from './clear.js';
export * from './get.js';
export * from './huge.js';
export * from './migration.js';
export * from './offset.js';
export * from './protect.js';
export * from './set.js';
export * from './step.js';
export * from './swap-values.js';
export * from './tables.js';
export * from './value-arch.js';
export * from './value-frame.js';
export * from './value-marks.js';
export * from './value-state.js';
export * from './young.js';
