import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ESLint, Linter } from 'eslint';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import churn, { BASELINE, stateOf } from '../src/churn.js';

const FIX = { range: [0, 1] as [number, number], text: '' };

function message(rule: string, [line, column, endLine, endColumn]: readonly [number, number, number, number], fix = false): Linter.LintMessage {
  return { ruleId: rule, severity: 2, message: rule, line, column, endLine, endColumn, ...(fix ? { fix: FIX } : {}) };
}

function result(filePath: string, messages: Linter.LintMessage[]): ESLint.LintResult {
  return { filePath, messages, suppressedMessages: [], errorCount: messages.length, fatalErrorCount: 0, warningCount: 0, fixableErrorCount: 0, fixableWarningCount: 0, usedDeprecatedRules: [] };
}

const RESULTS = [
  result('/project/src/mm/fault.ts', [
    message('pgtable/no-raw-deref', [1, 1, 1, 20], true),
    message('pgtable/no-handle-arithmetic', [1, 8, 1, 16], true),
    message('pgtable/no-raw-deref', [2, 1, 2, 9]),
    message('pgtable/no-stack-handle', [3, 1, 3, 9]),
    message('no-console', [4, 1, 4, 9], true),
    message('pgtable/require-reason', [5, 0, 5, 9]),
  ]),
  result('/project/src/clean.ts', []),
  result('/project/lib/walk.ts', [message('pgtable/no-raw-deref', [1, 1, 1, 5], true), message('pgtable/no-raw-deref', [1, 5, 1, 9], true)]),
];

describe('churn', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pgtable-churn-'));
  });
  afterEach(() => {
    Reflect.deleteProperty(process.env, BASELINE);
    rmSync(folder, { recursive: true, force: true });
  });

  it('counts sites by kind, and those that overlap once', () => {
    expect(stateOf(RESULTS, '/project').files).toEqual({
      'src/mm/fault.ts': { rote: 1, thought: 1, copy: 1 },
      'lib/walk.ts': { rote: 2, thought: 0, copy: 0 },
    });
  });

  it('prints kinds, directories and files', () => {
    expect(churn(RESULTS, { cwd: '/project' })).toBe(
      [
        '                             files  sites left',
        'rote (eslint --fix does it)      2           3',
        'needs thought                    1           1',
        'stack copy                       1           1',
        'total                            2           5',
        '',
        'directory  rote  thought  copy',
        'lib           2        0     0',
        'src/mm        1        1     1',
        '',
        'file             rote  thought  copy',
        'src/mm/fault.ts     1        1     1',
        'lib/walk.ts         2        0     0',
        '',
      ].join('\n'),
    );
    expect(churn([result('/project/a.ts', [])], { cwd: '/project' })).toContain('Nothing is left.');
  });

  it('writes a baseline, and says later what has been fixed', () => {
    const path = join(folder, 'baseline.json');
    process.env[BASELINE] = path;
    expect(churn(RESULTS, { cwd: '/project' })).toContain(`The baseline was written to ${path}`);
    const written = readFileSync(path, 'utf8');
    const later = churn(RESULTS.slice(0, 1), { cwd: '/project' }).split('\n');
    expect(later[0]).toBe('                             files  sites left  fixed  done');
    expect(later[1]).toBe('rote (eslint --fix does it)      1           1      2  66 %');
    expect(later[4]).toBe('total                            1           3      2  40 %');
    expect(readFileSync(path, 'utf8')).toBe(written);
  });

  it.each(['{', '[]', '{"version":2,"files":{}}', '{"version":1,"files":{"a.ts":{"rote":1}}}'])('refuses a baseline that is none: %s', (text) => {
    const path = join(folder, 'baseline.json');
    writeFileSync(path, text);
    process.env[BASELINE] = path;
    expect(() => churn(RESULTS, { cwd: '/project' })).toThrow(/is no baseline of this formatter/);
    expect(existsSync(path)).toBe(true);
  });
});
