/** One line of the table. */
export interface Row {
  /** What was measured. */
  readonly what: string;
  /** Columns by their heading, as they are printed. */
  readonly values: Readonly<Record<string, string>>;
}

/** One case: a file under scripts/bench/, a section of the table. */
export interface Case {
  /** The name that `npm run bench -- NAME` selects by. */
  readonly name: string;
  readonly title: string;
  /** What the numbers mean, in a sentence or two. */
  readonly about: string;
  run(): Promise<Row[]>;
}

/** How often everything is measured; the best counts. */
export const TIMES = 5;

/** The best time of {@link TIMES} calls in milliseconds, after one that is not counted. */
export function best(work: () => unknown): number {
  return bestOf([work])[0]!;
}

/**
 * The best times of several things that are compared. They take turns, so that what else the machine does at the time meets
 * all of them.
 */
export function bestOf(works: readonly (() => unknown)[]): number[] {
  const least = works.map(() => Infinity);
  for (let time = 0; time <= TIMES; time++) {
    for (const [at, work] of works.entries()) {
      const start = performance.now();
      work();
      // The first time warms up.
      if (time > 0) least[at] = Math.min(least[at]!, performance.now() - start);
    }
  }
  return least;
}

export const mebibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;
export const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(2)} s`;
