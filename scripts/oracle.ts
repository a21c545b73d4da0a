import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Dump } from './oracle/dump.js';
import { discover, type Fixture } from './oracle/fixture.js';
import { compareGuest } from './oracle/guests.js';
import { comparePtdump } from './oracle/ptdump.js';
import { HEADING, printReport, totals, type DumpReport } from './oracle/report.js';
import { unpacked } from './oracle/zstd.js';
import { parsed, script } from './options.js';

const DEFAULT = fileURLToPath(new URL('../../shared/fixtures', import.meta.url));

async function compare(fixture: Fixture, path: string): Promise<DumpReport> {
  const began = performance.now();
  const finish = (parts: DumpReport['parts'], information: readonly string[], error?: string): DumpReport => ({
    name: fixture.name,
    form: basename(path),
    parts,
    information,
    seconds: (performance.now() - began) / 1000,
    ...(error === undefined ? {} : { error }),
  });
  let dump: Dump | undefined;
  try {
    const file = await unpacked(path);
    if (file === undefined) return finish([], [], `${path} is gone`);
    dump = await Dump.open(file, fixture.facts.arch);
    const { parts, information } = fixture.kind === 'guests' ? await compareGuest(fixture, dump) : await comparePtdump(fixture, dump, file);
    return finish(parts, information);
  } catch (error) {
    return finish([], [], error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    await dump?.close();
  }
}

async function main(): Promise<number> {
  const { options: { json = false }, names } = parsed<{ json?: true }>(
    script('oracle', 'What the packages here say of real dumps, against what QEMU, the guest kernels and their own ptdump said of the same machines (docs/oracles.md). Ends with 1 if anything differs.')
      .argument('[folders...]', 'with a dump, or with such folders in them; ../shared/fixtures beside the repository where none is given')
      .option('--json', 'prints everything as JSON'),
  );
  const directories = [...names];
  if (directories.length === 0) {
    if (!existsSync(DEFAULT)) {
      console.log('oracle: nothing was compared: there is no ../shared/fixtures beside the repository, and no DIR was given');
      return 0;
    }
    directories.push(DEFAULT);
  }
  const gone = directories.find((directory) => !existsSync(directory));
  if (gone !== undefined) {
    console.error(`oracle: there is no folder ${gone}`);
    return 2;
  }
  const began = performance.now();
  const fixtures = directories.flatMap((directory) => discover(directory));
  if (fixtures.length === 0) {
    console.error(`oracle: no folder with regs.json, a dump and its answers in ${directories.join(', ')}`);
    return 2;
  }
  const reports: DumpReport[] = [];
  if (!json) console.log(HEADING);
  for (const fixture of fixtures) {
    for (const path of fixture.dumps) {
      const report = await compare(fixture, path);
      reports.push(report);
      if (!json) printReport(report, console.log);
    }
  }
  const { asked, agree, differ } = totals(reports.flatMap(({ parts }) => parts));
  const failed = reports.filter(({ error }) => error !== undefined).length;
  const seconds = (performance.now() - began) / 1000;
  if (json) console.log(JSON.stringify({ reports, asked, agree, differ, failed, seconds }, undefined, 2));
  else console.log(`${reports.length} dumps: asked ${asked}, agree ${agree}, differ ${differ}${failed === 0 ? '' : `, ${failed} could not be compared`}; ${seconds.toFixed(0)} s`);
  return differ > 0 || failed > 0 ? 1 : 0;
}

process.exitCode = await main();
