import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { patched, type Patch } from '../races/patched.js';
import type { Case, Row } from './case.js';
import { withoutChecks, withoutChecksAndScheduling } from './checks/without.js';
import type { Work } from './checks/works.js';
import { MACHINES, nanoseconds } from './mm-machines.js';

/** Copies of each bundle: the same code is a few percent faster or slower by where the compiler puts it. */
const COPIES = 5;
/** Rounds that count, and those before them, which let the compiler settle. */
const ROUNDS = 25;
const WARMING = 12;

/** What a bundle of `checks/works.ts` exports. */
interface Works {
  worksOf(name: string): Work[];
}

/** The sources in one file, each time with other patches. */
class Copies {
  private readonly folder = mkdtempSync(join(tmpdir(), 'pgtable-checks-'));

  /** @throws Error if a patch does not fit */
  async build(name: string, patches: readonly Patch[]): Promise<string> {
    const outfile = join(this.folder, `${name}.mjs`);
    await build({
      entryPoints: [fileURLToPath(new URL('checks/works.ts', import.meta.url))], outfile, bundle: true, platform: 'node', format: 'esm', target: 'node20', conditions: ['@pgtable/source'], logLevel: 'error',
      plugins: [patched(patches)],
    });
    return outfile;
  }

  /** A copy of the bundle that is compiled by itself: what the compiler learns of one says nothing of another. */
  async load(outfile: string, copy: string): Promise<Works> {
    // The bundle is of works.ts.
    return await import(`${pathToFileURL(outfile).href}?${encodeURIComponent(copy)}`) as Works;
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function time(work: Work): number {
  work.prepare?.();
  const start = performance.now();
  work.run();
  return performance.now() - start;
}

/** The best times of things that are compared. They take turns, and each round another one begins. */
function alternate(works: readonly Work[]): number[] {
  const least = works.map(() => Infinity);
  for (let round = 0; round < WARMING + ROUNDS; round++) {
    for (let turn = 0; turn < works.length; turn++) {
      const at = (round + turn) % works.length;
      const milliseconds = time(works[at]!);
      if (round >= WARMING) least[at] = Math.min(least[at]!, milliseconds);
    }
  }
  return least;
}

function sorted(numbers: readonly number[]): number[] {
  return [...numbers].sort((a, b) => a - b);
}

function middle(numbers: readonly number[]): number {
  return sorted(numbers)[numbers.length >>> 1]!;
}

/** The lowest and the highest ratio of two things, each copy of the one against that of the other. */
function spread(numbers: readonly number[], to: readonly number[]): string {
  const ratios = sorted(numbers.map((one, at) => one / to[at]!));
  return `${ratios[0]!.toFixed(2)}-${ratios.at(-1)!.toFixed(2)}`;
}

export const mmChecks: Case = {
  name: 'mm-checks',
  title: 'Checks that are off',
  about:
    `The same work with the sources as they are, all checks off ("off"), with copies from which the code of the checks was taken out ("none"), and with copies without the scheduling points too ("bare"). ${COPIES} copies of each are in one ` +
    `process, on kernels of their own, and take turns for ${ROUNDS} rounds. The best time of a copy counts; a ratio is that of the middle copies, and beside it are the lowest and the highest of ${COPIES} pairs of copies. "noise" is that of ` +
    'copies of "off" among themselves: the compiler does not put the same code in the same place.',
  async run() {
    const copies = new Copies();
    try {
      const files = [await copies.build('off', []), await copies.build('none', withoutChecks()), await copies.build('bare', withoutChecksAndScheduling())];
      const rows: Row[] = [];
      for (const machine of MACHINES) {
        const all: Work[][] = [];
        for (let copy = 0; copy < COPIES; copy++) for (const file of files) all.push((await copies.load(file, `${machine} ${copy}`)).worksOf(machine));
        for (const [number, { what, unit, count }] of all[0]!.entries()) {
          const best = alternate(all.map((works) => works[number]!)).map((milliseconds) => nanoseconds(count, milliseconds));
          const [off, none, bare] = files.map((_, file) => best.filter((_time, at) => at % files.length === file)) as [number[], number[], number[]];
          rows.push({
            what: `${machine}: ${what}`,
            values: {
              'off, ns': `${middle(off).toFixed(1)} each ${unit}`, 'off : none': (middle(off) / middle(none)).toFixed(2), 'of pairs': spread(off, none), 'noise': spread(off, [...off.slice(1), off[0]!]),
              'off : bare': (middle(off) / middle(bare)).toFixed(2),
            },
          });
        }
      }
      return rows;
    } finally {
      copies.close();
    }
  },
};
