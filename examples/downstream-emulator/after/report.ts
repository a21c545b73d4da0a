import { RACES } from './races.js';
import { WORKLOADS } from './workload.js';

/** Runs everything. Returns: what came of it, in lines; the same every time. */
export function report(): string[] {
  const lines: string[] = [];
  for (const part of WORKLOADS) lines.push(`# ${part.name}`, ...part.run(), '');
  lines.push('# rarely');
  for (const race of RACES) lines.push(`${race.name}: ${race.run()}`);
  return lines;
}
