import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { DOCUMENTED_ORDER } from '@pgtable/mm';

/* docs/locking.md is held to the sources: the tests that it names are there, the order is the one that is checked, and every rule that can be broken is in it. */

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGE = readFileSync(join(ROOT, 'docs/locking.md'), 'utf8');

/** The tables of the page: cells by row, the head first. */
function tables(): string[][][] {
  return PAGE.split(/\n\n+/).filter((block) => block.startsWith('| ')).map((block) =>
    block.trimEnd().split('\n').filter((line) => !/^\|(---\|)+$/.test(line)).map((line) => line.slice(2, -2).split(' | ')));
}

/** The names that a test file gives: of it(), test() and describe(), with or without .each(). */
function namesIn(path: string): Set<string> {
  const names = new Set<string>();
  const source = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, false);
  (function visit(node: ts.Node): void {
    if (ts.isCallExpression(node)) {
      const [name] = node.arguments;
      if (name !== undefined && ts.isStringLiteralLike(name) && /^(it|test|describe)\b/.test(node.expression.getText(source))) names.add(name.text);
    }
    ts.forEachChild(node, visit);
  })(source);
  return names;
}

const claims = tables().filter(([head]) => head!.at(-1) === 'test').flatMap(([, ...rows]) => rows);

describe('docs/locking.md', () => {
  it('has tables with tests', () => {
    expect(claims.length).toBeGreaterThan(40);
  });

  it.each(claims.map((cells) => [cells[0]!, cells.at(-1)!] as const))('names tests that exist: %s', (_what, cell) => {
    const named = cell.split(/; (?=\[)/).map((part) => /^\[([\w-]+\.test\.ts)\]\(\.\.\/(\S+)\): (.+)$/.exec(part));
    expect(named).not.toContain(null);
    for (const [, file, path, name] of named as RegExpExecArray[]) {
      expect(path!.endsWith(`/${file!}`)).toBe(true);
      expect(existsSync(join(ROOT, path!)), path).toBe(true);
      expect([...namesIn(join(ROOT, path!))]).toContain(name);
    }
  });

  it('has the order that is checked', () => {
    const order = tables().find(([head]) => head!.join() === 'outer,inner,written in');
    expect(order?.slice(1)).toEqual(DOCUMENTED_ORDER.map(({ outer, inner, why }) => [outer, inner, why]));
  });

  it('has every rule that a LockRuleError names', () => {
    const union = /export type LockRuleName = (.+);/.exec(readFileSync(join(ROOT, 'packages/mm/src/locks/lock-error.ts'), 'utf8'))?.[1] ?? '';
    const rules = [...union.matchAll(/'([^']+)'/g)].map((match) => match[1]!);
    expect(rules.length).toBeGreaterThan(5);
    const said = claims.map((cells) => cells[1]!).join(' ');
    expect(rules.filter((rule) => !said.includes(`\`${rule}\``))).toEqual([]);
  });
});
