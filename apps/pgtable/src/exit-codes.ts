/** What the command ends with. */
export const ExitCode = {
  Done: 0,
  /** A finding of `check`, or an address that is not mapped. */
  Finding: 1,
  Usage: 2,
  Unreadable: 3,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];
