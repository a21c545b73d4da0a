import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { HugePage } from '@pgtable/core';
import { LAWS } from '@pgtable/arch-testkit';
import { describe, expect, it } from 'vitest';
import { ALL, memoryOf, type Configuration } from '../../packages/arch-testkit/test/configurations.js';
import { TRIALS } from '../qemu/architectures.js';

/* What docs/support-matrix.md says of writing is held to the kit's configurations, to QEMU's, and to the sources that it names. */

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const PAGE = readFileSync(join(ROOT, 'docs/support-matrix.md'), 'utf8');

function size(bytes: number): string {
  const [unit, name] = ([[2 ** 30, 'GiB'], [2 ** 20, 'MiB'], [2 ** 10, 'KiB']] as const).find(([least]) => bytes >= least)!;
  return `${bytes / unit} ${name}`;
}

function pageOf({ bytes, level, count }: HugePage): string {
  return count === 1 ? size(bytes) : `${size(bytes)} (${count} ${level})`;
}

const trials = Object.values(TRIALS).flat().map(({ name }) => name);

/** The row of a configuration: name, page, larger pages, and whether QEMU is asked. */
function rowOf(configuration: Configuration): string[] {
  const { geometry, hugePages } = configuration.make('user', memoryOf(configuration));
  const larger = hugePages.map(pageOf);
  // What has no root for both halves is a trial for each.
  const asked = trials.some((name) => name === configuration.name || name === `${configuration.name} user`);
  return [configuration.name, size(geometry.pageBytes), larger.length === 0 ? 'none' : larger.join(', '), asked ? 'yes' : 'no'];
}

describe('docs/support-matrix.md', () => {
  it('lists the configurations of the conformance kit, their pages, and what QEMU is asked', () => {
    const rows = [...PAGE.matchAll(/^\| `([^`]+)` \| (\d+ KiB) \| ([^|]+) \| (yes|no)(?:: [^|]+)? \|$/gm)].map((match) => match.slice(1, 5));
    expect(rows).toEqual(ALL.map(rowOf));
  });

  it('says why where QEMU is not asked', () => {
    const unasked = [...PAGE.matchAll(/^\| `[^`]+` \| \d+ KiB \| [^|]+ \| no(.*) \|$/gm)].map((match) => match[1]!);
    expect(unasked.length).toBe(ALL.filter((configuration) => rowOf(configuration)[3] === 'no').length);
    expect(unasked.filter((why) => !/^: \S/.test(why))).toEqual([]);
  });

  it('names files, commands and laws that there are', () => {
    const scripts = Object.keys((JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> }).scripts);
    const files = [...PAGE.matchAll(/`((?:apps|examples|packages|scripts)\/[^`]+)`/g)].map((match) => match[1]!);
    expect(files.length).toBeGreaterThan(6);
    expect(files.filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
    // A line may end within a command.
    const commands = [...PAGE.matchAll(/`npm\s+run\s+([\w:]+)/g)].map((match) => match[1]!);
    expect(commands.length).toBeGreaterThan(4);
    expect(commands.filter((command) => !scripts.includes(command))).toEqual([]);
    const laws = [...PAGE.matchAll(/\blaws? ((?:"[^"]+"(?:, | and |\s)?)+)/g)].flatMap((match) => [...match[1]!.matchAll(/"([^"]+)"/g)].map((name) => name[1]!.replace(/\s+/g, ' ')));
    expect(laws.length).toBeGreaterThan(4);
    expect(laws.filter((name) => !LAWS.some((law) => law.name === name))).toEqual([]);
  });

  it('explains each letter of a check that it uses, and uses each', () => {
    const explained = [...PAGE.matchAll(/^- \*\*([A-Z])\*\*: /gm)].map((match) => match[1]!).sort();
    const used = new Set([...PAGE.matchAll(/\[([A-Z](?: [A-Z])*)\]/g)].flatMap((match) => match[1]!.split(' ')));
    expect([...used].sort()).toEqual(explained);
  });
});
