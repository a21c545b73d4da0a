/** One answer of ours that is not the oracle's. */
export interface Difference {
  /** What was asked, what the oracle said, what we said. One line. */
  readonly text: string;
  /** What it comes from, computed from the entry itself; undefined if nothing was. Differences are grouped by it. */
  readonly cause: string | undefined;
}

/** One comparison with one oracle. */
export class Part {
  readonly name: string;
  asked = 0;
  agree = 0;
  readonly differences: Difference[] = [];
  /** Counts worth printing that are no agreement or difference. */
  readonly notes: string[] = [];

  constructor(name: string) {
    this.name = name;
  }

  same(count = 1): void {
    this.asked += count;
    this.agree += count;
  }

  differs(text: string, cause?: string): void {
    this.asked++;
    this.differences.push({ text, cause });
  }

  /** Counts an agreement if two things are equal, else a difference that shows both. */
  equal(what: string, ours: string | undefined, oracle: string | undefined): void {
    if (ours === oracle) this.same();
    else this.differs(`${what}: oracle ${oracle ?? 'nothing'}, ours ${ours ?? 'nothing'}`);
  }

  note(text: string): void {
    this.notes.push(text);
  }
}

/** Everything that was compared for one dump file. */
export interface DumpReport {
  /** `guests/x86_64-4level`. */
  readonly name: string;
  /** File and format. */
  readonly form: string;
  readonly parts: readonly Part[];
  /** Facts that nothing is compared with. */
  readonly information: readonly string[];
  readonly seconds: number;
  /** Why nothing could be compared. */
  readonly error?: string;
}

const SHOWN = 20;

export function totals(parts: readonly Part[]): { asked: number; agree: number; differ: number } {
  let asked = 0;
  let agree = 0;
  for (const part of parts) {
    asked += part.asked;
    agree += part.agree;
  }
  return { asked, agree, differ: asked - agree };
}

export const HEADING = `${'dump'.padEnd(34)} ${'form'.padEnd(10)} ${'asked'.padStart(8)} ${'agree'.padStart(8)} ${'differ'.padStart(6)}  parts (agree/asked)`;

/** One line, and what differs below it. */
export function printReport(report: DumpReport, print: (line: string) => void): void {
  const { asked, agree, differ } = totals(report.parts);
  const parts = report.parts.map((part) => `${part.name} ${part.agree}/${part.asked}${part.notes.length === 0 ? '' : ` (${part.notes.join(', ')})`}`);
  const told = [...parts, ...report.information].join('; ');
  print(
    `${report.name.padEnd(34)} ${report.form.padEnd(10)} ${String(asked).padStart(8)} ${String(agree).padStart(8)} ${String(differ).padStart(6)}  ${told}; ${report.seconds.toFixed(1)} s`,
  );
  if (report.error !== undefined) print(`    ERROR ${report.error}`);
  for (const part of report.parts) {
    const groups = new Map<string | undefined, Difference[]>();
    for (const difference of part.differences) groups.set(difference.cause, [...(groups.get(difference.cause) ?? []), difference]);
    for (const [cause, group] of groups) {
      print(`    ${part.name}: ${group.length} ${group.length === 1 ? 'differs' : 'differ'}${cause === undefined ? '' : `: ${cause}`}`);
      for (const { text } of group.slice(0, SHOWN)) print(`        ${text}`);
      if (group.length > SHOWN) print(`        ... and ${group.length - SHOWN} more`);
    }
  }
}
