import { explicitWalkLock } from './explicit-walk-lock.js';
import { noDoubleGet } from './no-double-get.js';
import { noDroppedFlush } from './no-dropped-flush.js';
import { noHandleArithmetic } from './no-handle-arithmetic.js';
import { noHandleCast } from './no-handle-cast.js';
import { noPrivilegedImport } from './no-privileged-import.js';
import { noRawDeref } from './no-raw-deref.js';
import { noStackHandle } from './no-stack-handle.js';
import { noZeroEntry } from './no-zero-entry.js';
import { preferGetOnce } from './prefer-get-once.js';
import { pteOffsetMapResult } from './pte-offset-map-result.js';
import { requireReason } from './require-reason.js';

/** Every rule by its name. */
export const rules = {
  'explicit-walk-lock': explicitWalkLock,
  'no-double-get': noDoubleGet,
  'no-dropped-flush': noDroppedFlush,
  'no-handle-arithmetic': noHandleArithmetic,
  'no-handle-cast': noHandleCast,
  'no-privileged-import': noPrivilegedImport,
  'no-raw-deref': noRawDeref,
  'no-stack-handle': noStackHandle,
  'no-zero-entry': noZeroEntry,
  'prefer-get-once': preferGetOnce,
  'pte-offset-map-result': pteOffsetMapResult,
  'require-reason': requireReason,
};

export type RuleName = keyof typeof rules;
