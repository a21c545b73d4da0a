import type { AliasHandles } from '@pgtable/core';
import { CONFIGURATIONS } from '../../arch-testkit/test/configurations.js';
import type { Platform } from '../src/index.js';

/** The machine that tests use which are about no machine in particular; by name, so that a worker finds it. */
export const MACHINE: Platform<AliasHandles> = CONFIGURATIONS.x86[2]!;
