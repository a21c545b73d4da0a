import { pteOffsetMapResult } from '../src/rules/pte-offset-map-result.js';
import { ALIAS, STRONG, typedTester } from './rule-tester.js';

const REACH = `import { hwPteNext, ptepGet, type Arch, type PteVal } from '@pgtable/core';
declare const arch: Arch<Handles>;
declare const pmdp: Handles['pmd'];
declare const flag: boolean;
declare function pteOffsetMap(pmdp: Handles['pmd']): Handles['pte'] | undefined;
declare function pteOffsetMapLock(pmdp: Handles['pmd']): { ok: true; ptep: Handles['pte']; unmap(): void } | { ok: false };
declare function pteUnmap(ptep: Handles['pte']): void;
declare function borrow(pmdp: Handles['pmd']): Handles['pte'] | undefined;
declare function giveBack(ptep: Handles['pte']): void;
`;
/** Of two numbers, each compared with many constants by itself: more ways than are gone through if all are remembered. */
const COMPARISONS = ['op', 'mode'].flatMap((name) => Array.from({ length: 20 }, (_, at) => `if (${name} === ${at}) steps += ${at};`));
/** The line of the first statement of a function that is tested. */
const FIRST = 12;

for (const [mode, family] of [['alias', ALIAS], ['strong', STRONG]] as const) {
  const code = (...lines: readonly string[]): string => `${family}${REACH}function test(): unknown {\n${lines.join('\n')}\n}`;
  const LOOK = 'if (ptep === undefined) return;';

  typedTester().run(`pte-offset-map-result, ${mode}`, pteOffsetMapResult, {
    valid: [
      code('const ptep = pteOffsetMap(pmdp);', LOOK, 'const pte = ptepGet(arch, ptep);', 'pteUnmap(ptep);', 'return pte;'),
      code('const ptep = pteOffsetMap(pmdp);', LOOK, 'try {', 'return ptepGet(arch, ptep);', '} finally {', 'pteUnmap(ptep);', '}'),
      code('const mapped = pteOffsetMapLock(pmdp);', 'if (!mapped.ok) return;', 'ptepGet(arch, mapped.ptep);', 'mapped.unmap();'),
      code('return pteOffsetMap(pmdp);'),
      code('const ptep = borrow(pmdp)!;', 'return ptepGet(arch, ptep);'),
      code('let ptep = pteOffsetMap(pmdp);', LOOK, 'const start = ptep;', 'do {', 'ptep = hwPteNext(arch, ptep);', '} while (flag);', 'pteUnmap(start);'),
    ],
    invalid: [
      { code: code('const ptep = pteOffsetMap(pmdp)!;', 'pteUnmap(ptep);'), errors: [{ messageId: 'unchecked', line: FIRST, data: { name: 'pteOffsetMap', line: String(FIRST) } }] },
      { code: code('const ptep = pteOffsetMap(pmdp);', 'ptepGet(arch, ptep!);', 'if (ptep) pteUnmap(ptep);'), errors: [{ messageId: 'unchecked', line: FIRST + 1 }] },
      { code: code('pteOffsetMap(pmdp);'), errors: [{ messageId: 'dropped', line: FIRST }] },
      {
        code: code('const ptep = pteOffsetMap(pmdp);', LOOK, 'if (flag)', 'return ptepGet(arch, ptep);', 'pteUnmap(ptep);'),
        errors: [{ messageId: 'notUnmapped', line: FIRST, data: { name: 'pteOffsetMap', line: String(FIRST + 3) } }],
      },
      {
        code: code('for (;;) {', 'const ptep = pteOffsetMap(pmdp);', 'if (ptep === undefined) continue;', 'if (flag) continue;', 'pteUnmap(ptep);', 'break;', '}'),
        errors: [{ messageId: 'notUnmapped', line: FIRST + 1, data: { name: 'pteOffsetMap', line: String(FIRST + 1) } }],
      },
      { code: code('const ptep = pteOffsetMap(pmdp);', LOOK, 'pteUnmap(ptep);', 'return ptepGet(arch, ptep);'), errors: [{ messageId: 'usedAfterUnmap', line: FIRST + 3 }] },
      { code: code('const ptep = pteOffsetMap(pmdp);', LOOK, 'if (flag) pteUnmap(ptep);', 'pteUnmap(ptep);'), errors: [{ messageId: 'unmappedTwice', line: FIRST + 3 }] },
      { code: code('const mapped = pteOffsetMapLock(pmdp);', 'if (!mapped.ok) return;', 'mapped.unmap();', 'mapped.unmap();'), errors: [{ messageId: 'unmappedTwice', line: FIRST + 3 }] },
      { code: code('let op = Number(flag), mode = op, steps = 0;', ...COMPARISONS, 'const ptep = pteOffsetMap(pmdp)!;', 'pteUnmap(ptep);', 'return steps;'), errors: [{ messageId: 'unchecked', line: FIRST + 1 + COMPARISONS.length }] },
    ],
  });

  typedTester({ accessors: { map: ['borrow'], unmap: ['giveBack'] } }).run(`pte-offset-map-result with names of its own, ${mode}`, pteOffsetMapResult, {
    valid: [code('const ptep = borrow(pmdp);', LOOK, 'giveBack(ptep);')],
    invalid: [
      { code: code('const ptep = borrow(pmdp);', LOOK, 'ptepGet(arch, ptep);'), errors: [{ messageId: 'notUnmapped', data: { name: 'borrow', line: String(FIRST + 3) } }] },
      { code: code('const ptep = borrow(pmdp);', LOOK, 'giveBack(ptep);', 'giveBack(ptep);'), errors: [{ messageId: 'unmappedTwice' }] },
    ],
  });
}
