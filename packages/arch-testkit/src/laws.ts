import { GROUP_LAWS } from './group-laws.js';
import type { Law } from './law.js';
import { SPACE_LAWS } from './space-laws.js';
import { TABLE_LAWS } from './table-laws.js';
import { VALUE_LAWS } from './value-laws.js';

/** Every law, in the order from values to whole address spaces. */
export const LAWS: readonly Law[] = [...VALUE_LAWS, ...TABLE_LAWS, ...GROUP_LAWS, ...SPACE_LAWS];
