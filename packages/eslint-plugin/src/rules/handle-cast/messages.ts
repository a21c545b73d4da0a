import { NO_TYPES } from '../../typed.js';

export const MESSAGES = {
  ...NO_TYPES,
  from: 'A cast makes something else of the handle of a live {{level}} entry: what it is at run time is the architecture\'s business. Keep the handle, or read the entry by its accessor.',
  to: 'A cast makes a handle of a live {{level}} entry of what is none. Handles come from accessors: of the entry above, of the table, or of a neighbour.',
  forged: 'A cast makes a pointer to a value held aside of a number. Such pointers come from an EntryBuffer.',
  any: 'What is `any` is taken for the handle of a live {{level}} entry, and nobody knows whether it is one. Give it its type where it comes from.',
  other: 'What is no handle of a live {{level}} entry is taken for one: while nobody knows which family it is of, the compiler lets everything pass. Handles come from accessors.',
  generic: 'This call returns whatever type it is asked for, so it is a cast in disguise, here {{direction}} the handle of a live {{level}} entry.',
  satisfies: '`satisfies {{written}}` says nothing about the handle of a live {{level}} entry, and hides that it is one from the reader.',
  predicate: 'This function declares that something is the handle of a live {{level}} entry, which nothing can find out at run time.',
} as const;

export type Messages = keyof typeof MESSAGES;

/** What is wrong with a cast. */
export interface Problem {
  readonly messageId: Messages;
  readonly data: { readonly level: string; readonly direction?: 'to' | 'from' };
}
