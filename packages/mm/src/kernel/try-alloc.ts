import { PgtableError } from '@pgtable/core';

/** What an allocation gives; undefined: there is no memory, and the caller has another way. Locking: none. */
export function tryAlloc<T>(alloc: () => T): T | undefined {
  try {
    return alloc();
  } catch (error) {
    if (error instanceof PgtableError && error.code === 'ENOMEM') return undefined;
    throw error;
  }
}
