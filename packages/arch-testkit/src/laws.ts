import { GROUP_LAWS } from './group-laws.js';
import type { Law } from './law.js';
import { SHAPE_LAWS } from './shape-laws.js';
import { SPACE_LAWS } from './space-laws.js';
import { TABLE_LAWS } from './table-laws.js';
import { VALUE_LAWS } from './value-laws.js';

/** Every law, in the order from shapes and values to whole address spaces. */
export const LAWS: readonly Law[] = [...SHAPE_LAWS, ...VALUE_LAWS, ...TABLE_LAWS, ...GROUP_LAWS, ...SPACE_LAWS];
