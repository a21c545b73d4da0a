/**
 * What a step does to a place in shared memory: the type of an access, as the kernel's sanitizer of data races calls it (include/linux/kcsan-checks.h, Linux 6.12). Two steps that touch the
 * same place are dependent unless both read, or both count: their order matters, and an explorer tries both.
 */
export const AccessType = {
  Read: 0,
  Write: 1,
  /** Adds or subtracts, and looks at nothing but that: readers that take a lock or release it. */
  Count: 2,
  /** A flag, with one of the others: gives back what makes others wait. Who waits for it could not have come before it. */
  Release: 4,
} as const;
/** One of {@link AccessType}, or one with the flag. */
export type AccessType = number;

/** When an operation can be done at once; until then a scheduler lets others run. */
export const Until = {
  /** It needs nothing. */
  Always: 0,
  /** The word is a spin lock, and nobody has it: the bits of its owner are 0 (raw-lock.ts). */
  Unowned: 1,
  /** The word is the state of a read-write lock, and there is no writer: it is not negative. */
  NoWriter: 2,
  /** The word is 0: a read-write lock that nobody has. */
  Zero: 3,
  /** The word is another than it was: {@link Scheduler.blocked}. */
  Changed: 4,
} as const;
export type Until = (typeof Until)[keyof typeof Until];

/** Bits of a spin lock's word that say who has it. */
export const OWNER_BITS = 0xfff;

/** Where an operation takes place: a word of an array over shared memory; or, for `undefined`, the physical address of an entry. */
export type SchedulePlace = Int32Array | undefined;

/**
 * What is told of the places at which threads may be interleaved. One thread at a time runs under a scheduler, so it may keep the caller in any method
 * for as long as it likes.
 */
export interface Scheduler {
  /**
   * Is called before each operation that another thread could see or influence.
   *
   * @param what the operation, in a few words: for listings of schedules
   * @param place,index the word that it is about; the physical address of the first byte; -1 as address: it may be about anything
   * @param access what the operation does there
   * @param until when it can be done at once; about the same word
   * @param count how many words or bytes it is about
   */
  point(what: string, place: SchedulePlace, index: number, access: AccessType, until: Until, count: number): void;
  /** The operation that has begun is about one more place. Is called just before. */
  touch?(place: SchedulePlace, index: number, access: AccessType, count: number): void;
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

/** Entries that an accessor is busy with. */
export interface BusyEntries {
  /** Physical, of the first byte. */
  readonly address: number;
  readonly bytes: number;
}

let scheduler: Scheduler | undefined;
let busy: BusyEntries | undefined;

/**
 * Puts a scheduler between the operations of this thread, or takes it away. A thread has none at first: then a scheduling point costs one test of a variable,
 * and who must wait sleeps.
 *
 * Locking: none.
 *
 * @returns the one that was there before
 */
export function setScheduler(next: Scheduler | undefined): Scheduler | undefined {
  const before = scheduler;
  scheduler = next;
  return before;
}

/**
 * Does something that no other thread is to come into, and no schedule to know of: what checkers do, who watch the machine and are not in it. They wait for nobody.
 *
 * @returns what `action` returns
 */
export function unscheduled<T>(action: () => T): T {
  const before = setScheduler(undefined);
  try {
    return action();
  } finally {
    scheduler = before;
  }
}

/** Whether this thread has a scheduler: for who would have to find out what place it is about. */
export function isScheduled(): boolean {
  return scheduler !== undefined;
}

/**
 * Says that an accessor writes entries from here on, more than once maybe, with points of others in between: s390 makes an entry invalid, flushes, which waits, and then writes what it
 * is to be. Every step that begins meanwhile is about these entries too.
 *
 * @param entries undefined: the accessor is done
 * @returns what it was before
 */
export function scheduleBusy(entries: BusyEntries | undefined): BusyEntries | undefined {
  const before = busy;
  busy = entries;
  return before;
}

/**
 * A place at which threads may be interleaved. Stands before each lock operation; before accesses of entries only where a wrapper architecture puts it.
 *
 * All that the thread does to shared memory until its next point is one step, which nobody can come into. What it touches beyond the place that is named here is said by
 * {@link scheduleTouch}, unless a lock that it has protects it. Without a place the step is taken to be about anything, and goes with no other.
 *
 * Locking: none.
 *
 * @param what the operation, in a few words
 * @param place,index,access,until,count as in {@link Scheduler.point}
 */
export function schedulePoint(what: string, place?: SchedulePlace, index = -1, access: AccessType = AccessType.Write, until: Until = Until.Always, count = 1): void {
  if (scheduler === undefined) return;
  scheduler.point(what, place, index, access, until, count);
  if (busy !== undefined) scheduler.touch?.(undefined, busy.address, AccessType.Write, busy.bytes);
}

/** Says that the present step is about one more place. Locking: none. */
export function scheduleTouch(place: SchedulePlace, index: number, access: AccessType, count = 1): void {
  if (scheduler !== undefined) scheduler.touch?.(place, index, access, count);
}

/**
 * Leaves a wait to the scheduler, if there is one: {@link Scheduler.blocked}.
 *
 * @returns whether there is one; if not, the caller waits by itself
 */
export function scheduleBlocked(what: string, words: Int32Array, index: number, value: number): boolean {
  if (scheduler === undefined) return false;
  scheduler.blocked(what, words, index, value);
  if (busy !== undefined) scheduler.touch?.(undefined, busy.address, AccessType.Write, busy.bytes);
  return true;
}
