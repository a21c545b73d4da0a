import { PgtableError } from '@pgtable/core';

/** A schedule as a text: `0*12 1*3 0*4` is twelve steps of thread 0, three of thread 1, and four of thread 0. Locking: none. */
export function formatSchedule(schedule: readonly number[]): string {
  const parts: string[] = [];
  for (let at = 0; at < schedule.length;) {
    let end = at;
    while (schedule[end] === schedule[at]) end++;
    parts.push(end - at === 1 ? String(schedule[at]) : `${schedule[at]}*${end - at}`);
    at = end;
  }
  return parts.join(' ');
}

/**
 * Reads what {@link formatSchedule} writes.
 *
 * Locking: none.
 *
 * @returns the thread of each step
 * @throws PgtableError `EINVAL` if it is no schedule
 */
export function parseSchedule(text: string): number[] {
  return text.split(/\s+/).filter((part) => part !== '').flatMap((part) => {
    const match = /^(\d{1,2})(?:\*(\d{1,7}))?$/.exec(part);
    if (match === null) throw new PgtableError('EINVAL', `"${part}" is no part of a schedule`, { hint: 'a schedule is made of threads and numbers of steps: 0*12 1*3 0' });
    return Array.from({ length: Number(match[2] ?? 1) }, () => Number(match[1]));
  });
}
