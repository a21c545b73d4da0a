import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ARCHITECTURES } from '../src/index.js';
import { pgtable } from './harness.js';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
/** Blocks of a command line after `$ ` and what it prints; `...` stands for lines left out. */
const examples = [...readme.matchAll(/```console\n\$ (.*)\n([^]*?)\n```/g)].map(([, command, printed]) => ({ command: command!, printed: printed!.split('\n').filter((line) => line !== '...') }));

test('there are examples', () => {
  expect(examples.length).toBeGreaterThan(5);
});

test.each(examples)('$command prints what the README says', async ({ command, printed }) => {
  const [, input = '', args] = /^(?:printf '(.*)' \| )?pgtable (.*)$/.exec(command)!;
  const { lines } = await pgtable(args!.split(' '), { input: input.replaceAll('\\n', '\n') });
  // In that order.
  const places = printed.map((line) => lines.indexOf(line));
  expect(printed.filter((_, at) => places[at] === -1)).toEqual([]);
  expect(places).toEqual([...places].sort((a, b) => a - b));
});

test('the table of registers has every flag', () => {
  for (const { registers } of ARCHITECTURES) for (const { name } of registers) expect(readme).toContain(`| \`--${name}\` |`);
});
