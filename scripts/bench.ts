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
import { chosenBy, parsed, script } from './options.js';

const CASES: readonly Case[] = [scan, translate, pagewalk, dumps, sparse, handles, lint, ...mm];

const command = script('bench', 'Prints one table a case as Markdown, to be kept in docs/benchmarks.md.').argument('[names...]', 'of cases, or parts of their names');
const chosen = chosenBy(command, 'case', CASES, parsed(command).names);
const model = cpus()[0]?.model ?? 'unknown processor';
console.log(`Machine: ${model}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB; Node ${process.version} on ${process.platform} ${process.arch}; load average ${loadavg()[0]!.toFixed(1)} at the start.\n`);
for (const one of chosen) {
  console.log(`## ${one.title} (\`${one.name}\`)\n\n${one.about}\n`);
  const rows = await one.run();
  const columns = [...new Set(rows.flatMap(({ values }) => Object.keys(values)))];
  console.log(`| | ${columns.join(' | ')} |`);
  console.log(`|---|${columns.map(() => '---:').join('|')}|`);
  for (const { what, values } of rows) console.log(`| ${what} | ${columns.map((column) => values[column] ?? '').join(' | ')} |`);
  console.log('');
}
