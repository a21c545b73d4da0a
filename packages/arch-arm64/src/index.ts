/**
 * Page tables of arm64 (VMSAv8-64 stage 1, EL1&0): 4K, 16K and 64K granules, 36- to 52-bit addresses, LPA and LPA2.
 *
 * @packageDocumentation
 */
export { arm64 } from './plugin.js';
export { arm64Arch } from './arch.js';
export type { Arm64Handles } from './handles.js';
export { resolveConfig, variantOf, type Arm64Config, type Granule, type PaBits, type ResolvedConfig } from './config.js';
export { arm64Geometry, levelShift, manualLevel } from './geometry.js';
export { arm64Formats, blocksAllowed } from './format.js';
export { contiguousEntries, Inherited, linuxMemoryTypes, memoryTypeName } from './attributes.js';
export { arm64Root, configFromTcr, decodeTcr, decodeTtbr, untag, type TranslationControl, type TranslationTableBase } from './registers.js';
export * as bits from './bits.js';
