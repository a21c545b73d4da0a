import { explicitWalkLock } from '../src/rules/explicit-walk-lock.js';
import { ALIAS, STRONG, typedTester } from './rule-tester.js';

const WALK = `type PageWalkLock = 'rdlock' | 'wrlock' | 'wrlockVerify';
interface MmWalkOps { pteEntry?(ptep: Handles['pte']): number; walkLock?: PageWalkLock | undefined }
declare function walkPageRange(start: bigint, end: bigint, ops: object): number;
`;

for (const [mode, family] of [['alias', ALIAS], ['strong', STRONG]] as const) {
  const code = (text: string): string => family + WALK + text;
  typedTester().run(`explicit-walk-lock, ${mode}`, explicitWalkLock, {
    valid: [
      code(`const ops: MmWalkOps = { walkLock: 'rdlock' };`),
      code(`const base: MmWalkOps = { walkLock: 'rdlock' }; const ops: MmWalkOps = { ...base, pteEntry: () => 0 };`),
      code(`walkPageRange(0n, 1n, { pteEntry: () => 0, walkLock: 'wrlock' });`),
      code(`const other = { pteEntry: () => 0 };`),
      code(`function f(lock: PageWalkLock) { switch (lock) { case 'rdlock': return 1; case 'wrlock': case 'wrlockVerify': return 2; } }`),
      code(`function f(lock: PageWalkLock) { switch (lock) { case 'rdlock': case 'wrlock': case 'wrlockVerify': return 2; default: throw lock satisfies never; } }`),
      code(`function f(text: string) { switch (text) { case 'rdlock': return 1; default: return 2; } }`),
    ],
    invalid: [
      { code: code(`const ops: MmWalkOps = { pteEntry: () => 0 };`), errors: [{ messageId: 'missing', line: 5, column: 24 }] },
      { code: code(`const ops: MmWalkOps = { walkLock: undefined };`), errors: [{ messageId: 'nothing' }] },
      { code: code(`const ops = { pteEntry: () => 0 }; walkPageRange(0n, 1n, ops);`), errors: [{ messageId: 'missing', column: 13 }] },
      { code: code(`function f(lock: PageWalkLock) { switch (lock) { case 'rdlock': return 1; default: return 2; } }`), errors: [{ messageId: 'byDefault' }] },
      { code: code(`function f(ops: MmWalkOps) { switch (ops.walkLock) { case 'rdlock': return 1; default: return 2; } }`), errors: [{ messageId: 'byDefault' }] },
    ],
  });

  // An architecture walks too.
  typedTester({ architecture: ['**'] }).run(`explicit-walk-lock in an architecture, ${mode}`, explicitWalkLock, {
    valid: [],
    invalid: [{ code: code(`const ops: MmWalkOps = {};`), errors: [{ messageId: 'missing' }] }],
  });
}
