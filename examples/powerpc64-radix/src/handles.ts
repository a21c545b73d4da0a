import type { StrongHandles } from '@pgtable/core';

/** What handles are: opaque at every level. */
export type Powerpc64Handles = StrongHandles;
