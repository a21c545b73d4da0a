import { noDroppedFlush } from './no-dropped-flush.js';
import { noHandleArithmetic } from './no-handle-arithmetic.js';
import { noHandleCast } from './no-handle-cast.js';
import { noRawDeref } from './no-raw-deref.js';
import { noStackHandle } from './no-stack-handle.js';
import { noZeroEntry } from './no-zero-entry.js';

/** Every rule by its name. */
export const rules = {
  'no-dropped-flush': noDroppedFlush,
  'no-handle-arithmetic': noHandleArithmetic,
  'no-handle-cast': noHandleCast,
  'no-raw-deref': noRawDeref,
  'no-stack-handle': noStackHandle,
  'no-zero-entry': noZeroEntry,
};

export type RuleName = keyof typeof rules;
