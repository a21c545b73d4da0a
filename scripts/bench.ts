import { cpus, loadavg, totalmem } from 'node:os';
import type { Case } from './bench/case.js';
import { dumps } from './bench/dumps.js';
import { handles } from './bench/handles.js';
import { lint } from './bench/lint.js';
import { mm } from './bench/mm.js';
import { scan } from './bench/scan.js';
import { sparse } from './bench/sparse.js';
import { translate } from './bench/translate.js';
import { pagewalk } from './bench/walk.js';

/*
 * npm run bench [-- NAME...]
 *
 * Prints one table a case as Markdown, to be kept in docs/benchmarks.md. NAME selects the cases whose name contains it.
 */
const CASES: readonly Case[] = [scan, translate, pagewalk, dumps, sparse, handles, lint, ...mm];

const wanted = process.argv.slice(2).filter((argument) => argument !== '--');
const chosen = CASES.filter(({ name }) => wanted.length === 0 || wanted.some((part) => name.includes(part)));
if (chosen.length === 0) {
  console.error(`no case is called ${wanted.join(' or ')}; there are: ${CASES.map(({ name }) => name).join(', ')}`);
  process.exitCode = 2;
} else {
  const model = cpus()[0]?.model ?? 'unknown processor';
  console.log(`Machine: ${model}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB; Node ${process.version} on ${process.platform} ${process.arch}; load average ${loadavg()[0]!.toFixed(1)} at the start.\n`);
}
for (const one of chosen) {
  console.log(`## ${one.title} (\`${one.name}\`)\n\n${one.about}\n`);
  const rows = await one.run();
  const columns = [...new Set(rows.flatMap(({ values }) => Object.keys(values)))];
  console.log(`| | ${columns.join(' | ')} |`);
  console.log(`|---|${columns.map(() => '---:').join('|')}|`);
  for (const { what, values } of rows) console.log(`| ${what} | ${columns.map((column) => values[column] ?? '').join(' | ')} |`);
  console.log('');
}
