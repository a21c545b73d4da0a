/** Addresses and lists of the fixtures' text files. */

export function hex(value: bigint | number | undefined): string {
  return value === undefined ? 'unmapped' : `0x${value.toString(16)}`;
}

export function hex16(value: bigint): string {
  return BigInt.asUintN(64, value).toString(16).padStart(16, '0');
}

/** A question to QEMU's monitor and its answer. */
export interface Question {
  readonly pid: number | undefined;
  readonly va: bigint;
  /** QEMU's answer; undefined for `unmapped`. */
  readonly pa: bigint | undefined;
}

/** `va<TAB>gpa|unmapped`, or with the process before it. */
export function readQuestions(text: string): Question[] {
  return rows(text).map((columns) => {
    const [pa, va, pid] = [...columns].reverse();
    return { pid: pid === undefined ? undefined : Number(pid), va: BigInt(`0x${va ?? ''}`), pa: pa === 'unmapped' ? undefined : BigInt(`0x${pa ?? ''}`) };
  });
}

/** The columns of a file of tab-separated values; lines with # are headings. */
export function rows(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split('\t'));
}

/** Pages of one process that follow each other in virtual and in physical memory, as /proc/PID/pagemap has them. */
export interface PagemapRun {
  readonly va: bigint;
  readonly pages: number;
  readonly pfn: bigint;
}

export interface Process {
  readonly pid: number;
  readonly name: string;
  readonly pagemap: readonly PagemapRun[];
}

/**
 * What the guest's init printed of its processes: `=== PROC pid name`, their `PM` lines (address, pages, first frame,
 * flags; P is present), `=== ENDPROC`.
 */
export function readProcesses(console: string): Process[] {
  const processes: Process[] = [];
  let pagemap: PagemapRun[] | undefined;
  for (const line of console.slice(0, end(console, '@LISTED')).split('\n')) {
    const begin = /^=== PROC (\d+) (\S+)/.exec(line);
    if (begin !== null) {
      pagemap = [];
      processes.push({ pid: Number(begin[1]), name: begin[2]!, pagemap });
    } else if (line.startsWith('=== ENDPROC')) {
      pagemap = undefined;
    } else {
      const run = /^PM ([0-9a-f]+) (\d+) ([0-9a-f]+) (\S*P\S*)/.exec(line);
      if (run !== null) pagemap?.push({ va: BigInt(`0x${run[1]!}`), pages: Number(run[2]), pfn: BigInt(`0x${run[3]!}`) });
    }
  }
  return processes;
}

/** A mapping of /proc/kcore whose physical address it says. */
export interface KcoreLoad {
  readonly va: bigint;
  readonly pa: bigint;
  readonly length: bigint;
}

export function readKcore(console: string): KcoreLoad[] {
  return [...console.matchAll(/^KCORE LOAD ([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+)/gm)]
    .map((match) => ({ va: BigInt(`0x${match[1]!}`), pa: BigInt(`0x${match[2]!}`), length: BigInt(`0x${match[3]!}`) }))
    .filter(({ pa }) => pa !== 0xffffffffffffffffn);
}

function end(text: string, mark: string): number {
  const at = text.indexOf(mark);
  return at < 0 ? text.length : at;
}
