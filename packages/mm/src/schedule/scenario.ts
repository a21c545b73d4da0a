/**
 * Some threads over shared memory, whose interleavings are explored.
 *
 * All that the threads share is in SharedArrayBuffers somewhere in `S`, which is posted to them. What differs from one run to the next must be the schedule alone: no clock, no chance.
 *
 * @typeParam S what the threads share: plain objects, arrays and maps of numbers, texts, typed arrays and SharedArrayBuffers
 */
export interface Scenario<S> {
  /** Makes the state in which each run begins; once. The memory is put back to it before each run. */
  setup(): S;
  /**
   * The threads by name, in the order of their numbers in schedules; at most {@link MAX_PLAYERS}.
   *
   * Each is called once in a run, one thread after another, to attach what it needs and to say who it is (`setCurrentThread`); nothing is interleaved there. What it returns is what is
   * interleaved.
   */
  readonly threads: Readonly<Record<string, (shared: S) => () => void>>;
  /**
   * Looks at the memory when all threads are done, in the thread of the explorer, and throws if it is not as it must be.
   *
   * @returns what came out, as a short text, where runs may differ; the explorer counts them
   */
  check?(shared: S): string | undefined;
}

/** A scenario of whatever its threads share. */
export type AnyScenario = Scenario<unknown>;

/** For lists of scenarios that share different things. Locking: none. */
export function scenario<S>(one: Scenario<S>): AnyScenario {
  // What setup() returns is all that the other functions are ever given, so nobody but them needs to know the type.
  return one as AnyScenario;
}

/** The shared memory inside of a value that was, or is to be, posted: in an order that is the same in each thread. Each buffer once. */
export function sharedBuffers(value: unknown): SharedArrayBuffer[] {
  const found = new Set<SharedArrayBuffer>();
  const seen = new Set<object>();
  const look = (part: unknown): void => {
    if (typeof part !== 'object' || part === null || seen.has(part)) return;
    seen.add(part);
    if (part instanceof SharedArrayBuffer) found.add(part);
    else if (ArrayBuffer.isView(part)) look(part.buffer);
    else if (part instanceof Map) for (const [key, entry] of part) [key, entry].forEach(look);
    else if (part instanceof Set) for (const entry of part) look(entry);
    else Object.values(part).forEach(look);
  };
  look(value);
  return [...found];
}
