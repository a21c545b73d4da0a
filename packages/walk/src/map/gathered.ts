import { FlushPromise, levelNumber, MmuGather, type FlushRange, type MmContext } from '@pgtable/core';

/**
 * Does something whose flushes become one promise. If it throws, what is stale by then is flushed first.
 */
export function gathered<T>(mm: MmContext, work: (batch: MmuGather) => T): FlushPromise<T> {
  const batch = new MmuGather(mm);
  let result: T;
  try {
    result = work(batch);
  } catch (error) {
    batch.finish();
    throw error;
  }
  return new FlushPromise(mm, result, oneRange(batch.pending));
}

/** The range that covers others. Where they are of several levels, everything in it is to be forgotten, in steps of the smallest pages. */
function oneRange(ranges: readonly FlushRange[]): FlushRange | undefined {
  const first = ranges[0];
  if (first === undefined) return undefined;
  let { start, end, level, tables } = first;
  for (const range of ranges) {
    if (range.start < start) ({ start } = range);
    if (range.end > end) ({ end } = range);
    tables ||= range.tables || range.level !== level;
    if (levelNumber(range.level) < levelNumber(level)) ({ level } = range);
  }
  return { start, end, level, tables };
}
