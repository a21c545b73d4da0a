/**
 * What is told of the places at which threads may be interleaved. One thread at a time runs under a scheduler, so it may keep the caller in either method
 * for as long as it likes.
 */
export interface Scheduler {
  /**
   * Is called before each operation that another thread could see or influence.
   *
   * @param what the operation, in a few words: for listings of schedules
   */
  point(what: string): void;
  /**
   * Is called where the thread cannot go on as long as a word of shared memory is what it is. Returns when it is worth to look again, which may be at once: the caller
   * looks, and calls again if it must.
   *
   * @param what what is waited for
   * @param words,index the word
   * @param value what it was; the thread goes on when it is another
   */
  blocked(what: string, words: Int32Array, index: number, value: number): void;
}

let scheduler: Scheduler | undefined;

/**
 * Puts a scheduler between the operations of this thread, or takes it away. A thread has none at first: then a scheduling point costs one test of a variable,
 * and who must wait sleeps.
 *
 * @returns the one that was there before
 */
export function setScheduler(next: Scheduler | undefined): Scheduler | undefined {
  const before = scheduler;
  scheduler = next;
  return before;
}

/**
 * A place at which threads may be interleaved. Stands before each lock operation; before accesses of entries only where a wrapper architecture puts it.
 *
 * @param what the operation, in a few words
 */
export function schedulePoint(what: string): void {
  if (scheduler !== undefined) scheduler.point(what);
}

/**
 * Leaves a wait to the scheduler, if there is one: {@link Scheduler.blocked}.
 *
 * @returns whether there is one; if not, the caller waits by itself
 */
export function scheduleBlocked(what: string, words: Int32Array, index: number, value: number): boolean {
  if (scheduler === undefined) return false;
  scheduler.blocked(what, words, index, value);
  return true;
}
