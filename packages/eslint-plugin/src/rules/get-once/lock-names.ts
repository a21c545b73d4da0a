/* What names say of locks: of the kernel's own functions, and of those that others write around them. */

/** A lock mode that is none: PageWalkLock.NoLock, 'no-lock', PGWALK_NOLOCK. */
export const NO_LOCK = /no_?-?lock|lockless/i;
/** PageWalkLock.Write, 'write-verify', PGWALK_WRLOCK. */
export const WRITE_LOCK = /write|wrlock/i;
/** Maps that keep the table there and nothing else out. */
export const NO_LOCK_MAP = /^pteOffsetMap((Ro|Rw)?Nolock)?$/;
export const RCU_BEGIN = /((^|[^A-Za-z])s?rcu|Rcu|RCU)\w*\.?([Rr]ead)?_?[Ll]ock([Bb]h|[Ss]ched)?$/;
export const RCU_END = /((^|[^A-Za-z])s?rcu|Rcu|RCU)\w*\.?([Rr]ead)?_?[Uu]nlock([Bb]h|[Ss]ched)?$/;
/** A function that calls another one back in a section of RCU: `rcu.read(() => ...)`, `withRcuReadLock(() => ...)`. Who waits for a grace period calls back later. */
export const RCU_SCOPE = /(^|\.)(s?rcu\.(read|with|(critical)?section|guard)\w*|(with(in)?|in(side)?|under|hold(ing)?|run(in|under))S?Rcu\w*|s?rcu(Read\w*|Section|Critical\w*|Guard\w*|Protected))$/i;
/** What `using` holds that is made of RCU: `rcuGuard()`, `new RcuReadSection()`. */
export const RCU_GUARD = /((^|[^A-Za-z])s?rcu|Rcu|RCU)\w*(\.(read|enter|section|guard|hold)\w*)?$/;
export const UNLOCK = /unlock(Irq\w*|Bh)?$|(^|\.)unlock[A-Z]\w*$|release$|(^|\.)up_?(read|write)$/i;
export const TAKES_LOCK = /lock(ed)?$|(^|\.)getLocked[A-Z]\w*$|Lock(Irq\w*|Bh|Nested)$|(^|\.)(try)?lock[A-Z]\w*$|acquire$|assert\w*held$|(^|\.)down_?(read|write)(Nested|Killable)?$/i;
/** A function that calls another one back while it holds a lock. */
export const LOCK_SCOPE = /(^|\.)(with|under|hold(ing)?)\w*lock\w*$|lock(ed)?$|exclusive$|locks\.request$/i;
/** What a guard is made of that holds a lock until it is disposed of: `new SpinLockGuard(words, 0)`, `new Guard(pteLockptr(mm, pmd))`. */
export const LOCK_GUARD = /[Ll]ock|[Pp]tl\b/;
/** What a guard has to give back what it holds. */
export const ENDS = /(\.(unlock|release|end|exit|leave|close|dispose)|\[Symbol\.(asyncD|d)ispose\])$/;
/** Whether somebody holds a lock is a question: `spinIsLocked(ptl)`. Whoever asserts it relies on it. */
const ASKS = /(^|\.)(is|(?!assert)\w*Is)\w*[Ll]ocked$/;
/** `assertNoneHeld()`, and what asserts that there is an RCU section. */
const ASSERTS_NONE = /[Aa]ssert(No(ne|t|thing)?|Rcu)(?=[A-Z])\w*Held$|[Rr]cu\w*\.assert\w*Held$/;

/** Whether a name is one of something that takes a lock: blocks, clocks, questions, and whatever says that it takes none, are not. */
export function takesLock(call: string, how: RegExp): boolean {
  return how.test(call) && !NO_LOCK.test(call) && !/(^|[a-z_])([BbCc]|[Dd]ead)lock/.test(call.slice(call.lastIndexOf('.') + 1)) && !ASKS.test(call) && !ASSERTS_NONE.test(call) && !RCU_BEGIN.test(call) && !RCU_SCOPE.test(call);
}

/** `guard` of `guard.lock`. */
export function objectOf(name: string): string {
  return name.replace(/(\.#?\w+|\[Symbol\.\w+\])$|^\w+$/, '');
}
