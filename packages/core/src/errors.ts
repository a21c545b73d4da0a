/**
 * The errors of every pgtable package.
 *
 * Only a request that cannot be answered throws. "Not mapped" and "not in this dump" are answers, and are returned.
 */

/**
 * The stable codes. The words are errno's:
 *
 * - `EINVAL`: the request makes no sense (a bad register value, a range that ends before it starts).
 * - `ENOMEM`: a limit on memory or on work would be exceeded.
 * - `EFAULT`: memory that the answer needs is not there (not in the dump, or not memory at all).
 * - `ENOENT`: nothing of that kind was found (no root table, no such file).
 * - `EBADMSG`: the input is damaged, or lies about its own size.
 * - `ENOTSUP`: the input is of a known kind that is not supported.
 * - `ELOOP`: tables refer to each other in a way that has no end within the limit.
 * - `EIO`: reading failed.
 */
export type ErrorCode = 'EINVAL' | 'ENOMEM' | 'EFAULT' | 'ENOENT' | 'EBADMSG' | 'ENOTSUP' | 'ELOOP' | 'EIO';

/** What a {@link PgtableError} may carry besides its message. */
export interface PgtableErrorDetails {
  /** The address that the error is about; physical or virtual, as the message says. */
  readonly address?: bigint;
  /** What the user can do about it: a flag to give, a tool to run first. One sentence. */
  readonly hint?: string;
  /** The error that led to this one. */
  readonly cause?: unknown;
}

/** An error with a stable `code`, a message that says what was tried, and a `hint` that says what would help. */
export class PgtableError extends Error {
  override readonly name = 'PgtableError';
  readonly code: ErrorCode;
  readonly address: bigint | undefined;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, details: PgtableErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.address = details.address;
    this.hint = details.hint;
  }
}

/** Whether a caught value is a {@link PgtableError}, also one that another copy of this package threw. */
export function isPgtableError(value: unknown): value is PgtableError {
  return value instanceof Error && value.name === 'PgtableError' && typeof (value as { code?: unknown }).code === 'string';
}
