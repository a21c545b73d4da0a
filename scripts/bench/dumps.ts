import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mebibytes, seconds, type Case, type Row } from './case.js';
import { measureCommand, missingCommand } from './command.js';

const FIXTURES = fileURLToPath(new URL('../../../shared/fixtures', import.meta.url));

/** Unpacks the dumps of all guests one by one and keeps the largest. */
function largestElf(folder: string): { readonly path: string; readonly name: string } {
  const kept = join(folder, 'largest.elf');
  let name = '';
  for (const guest of readdirSync(join(FIXTURES, 'guests'))) {
    const packed = join(FIXTURES, 'guests', guest, 'dump.elf.zst');
    if (!existsSync(packed)) continue;
    const path = join(folder, 'unpacked.elf');
    const file = openSync(path, 'w');
    const { status } = spawnSync('zstd', ['-d', '-c', '-q', packed], { stdio: ['ignore', file, 'inherit'] });
    closeSync(file);
    if (status !== 0) throw new Error(`zstd cannot unpack ${packed}`);
    if (name !== '' && statSync(kept).size >= statSync(path).size) continue;
    renameSync(path, kept);
    name = guest;
  }
  return { path: kept, name };
}

function row(format: string, fixture: string, path: string, flags: readonly string[] = []): Row {
  const { milliseconds, peak } = measureCommand(['ptdump', path, ...flags]);
  const idle = measureCommand(['--version']);
  return {
    what: `${format}: ${fixture}`,
    values: { file: mebibytes(statSync(path).size), time: seconds(milliseconds), 'peak memory': mebibytes(peak), 'of that, node and pgtable': mebibytes(idle.peak) },
  };
}

export const dumps: Case = {
  name: 'dumps',
  title: 'Opening and listing a real dump',
  about: 'The largest fixture of each format, `pgtable ptdump FILE` as a process of its own, from start to end.',
  run() {
    const missing = missingCommand() ?? (existsSync(FIXTURES) ? undefined : `not measured: there are no fixtures at ${FIXTURES}`);
    if (missing !== undefined) return Promise.resolve([{ what: missing, values: {} }]);
    const folder = mkdtempSync(join(tmpdir(), 'pgtable-bench-'));
    try {
      const elf = largestElf(folder);
      return Promise.resolve([row('ELF', elf.name, elf.path), row('kdump, flattened', 's390x', join(FIXTURES, 'guests/s390x/dump.kdump'), ['--arch', 's390'])]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
};
