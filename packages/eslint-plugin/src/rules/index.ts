import { noRawDeref } from './no-raw-deref.js';

/** Every rule by its name. */
export const rules = {
  'no-raw-deref': noRawDeref,
};

export type RuleName = keyof typeof rules;
