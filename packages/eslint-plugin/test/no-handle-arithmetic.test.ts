import { noHandleArithmetic } from '../src/rules/no-handle-arithmetic.js';
import { ALIAS, STRONG, typedTester } from './rule-tester.js';

const REACH = `import { TableMemory, type EntryPtr, type WritableArch } from '@pgtable/core';
declare const arch: WritableArch<Handles>;
declare let ptep: Handles['pte'];
declare const end: Handles['pte'];
declare const held: EntryPtr<'pte'>;
declare const count: number;
declare const box: { ptep: Handles['pte'] };
declare function take(ptep: Handles['pte']): void;
`;

for (const [mode, family] of [['alias', ALIAS], ['strong', STRONG]] as const) {
  const code = (text: string): string => family + REACH + text;
  const fixed = (text: string, name: string): string => code(text).replace('type WritableArch }', `type WritableArch, ${name} }`);
  typedTester().run(`no-handle-arithmetic, ${mode}`, noHandleArithmetic, {
    valid: [
      code(`take(arch.ops.pte.advance(ptep, 1));`),
      code(`const next = held + 1;`),
      code(`let i = 0; i++; i += count; const j = i - count;`),
      code(`const text = 'entry ' + ptep;`),
    ],
    invalid: [
      { code: code(`const next = ptep + 1;`), errors: [{ messageId: 'step' }], output: fixed(`const next = hwPteNext(arch, ptep);`, 'hwPteNext') },
      { code: code(`const next = ptep + count;`), errors: [{ messageId: 'step' }], output: fixed(`const next = hwPteAdvance(arch, ptep, count);`, 'hwPteAdvance') },
      { code: code(`const next = count + ptep;`), errors: [{ messageId: 'step' }], output: fixed(`const next = hwPteAdvance(arch, ptep, count);`, 'hwPteAdvance') },
      { code: code(`const before = ptep - count;`), errors: [{ messageId: 'step' }], output: fixed(`const before = hwPteAdvance(arch, ptep, -count);`, 'hwPteAdvance') },
      { code: code(`const entries = end - ptep;`), errors: [{ messageId: 'distance' }], output: fixed(`const entries = hwPteDistance(arch, ptep, end);`, 'hwPteDistance') },
      { code: code(`ptep++;`), errors: [{ messageId: 'step' }], output: fixed(`ptep = hwPteNext(arch, ptep);`, 'hwPteNext') },
      { code: code(`for (let i = 0; i < count; i++, ptep--) take(ptep);`), errors: [{ messageId: 'step' }], output: fixed(`for (let i = 0; i < count; i++, ptep = hwPteAdvance(arch, ptep, -1)) take(ptep);`, 'hwPteAdvance') },
      { code: code(`box.ptep += 2;`), errors: [{ messageId: 'step' }], output: fixed(`box.ptep = hwPteAdvance(arch, box.ptep, 2);`, 'hwPteAdvance') },
      // What the value was before is lost in an assignment.
      { code: code(`take(ptep++);`), errors: [{ messageId: 'step' }] },
      { code: code(`const low = ptep * 2;`), errors: [{ messageId: 'arithmetic' }] },
      { code: code(`const low = (ptep + 1) * 2;`), errors: [{ messageId: 'step' }] },
      { code: code(`const inverse = ~ptep;`), errors: [{ messageId: 'arithmetic' }] },
      // A comment in what goes is kept, so there is no fix.
      { code: code(`const next = ptep /* the next */ + 1;`), errors: [{ messageId: 'step' }] },
      // A variable that may be assigned a number later on.
      {
        code: code(`let next = ptep + 1;`),
        errors: [{ messageId: 'step', suggestions: [{ messageId: 'useStep', data: { accessor: 'hwPteNext' }, output: fixed(`let next = hwPteNext(arch, ptep);`, 'hwPteNext') }] }],
      },
    ],
  });
}

typedTester().run('no-handle-arithmetic, of any family', noHandleArithmetic, {
  valid: [],
  invalid: [
    {
      code: `import { type Arch, type HandleFamily } from '@pgtable/core';\nfunction next<H extends HandleFamily>(arch: Arch<H>, pmdp: H['pmd']) { return (pmdp as never as number) + (pmdp + 1); }`,
      errors: [{ messageId: 'step', column: 79 }, { messageId: 'step', column: 108 }],
    },
    {
      code: `import { hwPmdNext, type Arch, type HandleFamily } from '@pgtable/core';\nfunction next<H extends HandleFamily>(arch: Arch<H>, pmdp: H['pmd']): H['pmd'] { return pmdp + 1; }`,
      errors: [{ messageId: 'step' }],
      output: `import { hwPmdNext, type Arch, type HandleFamily } from '@pgtable/core';\nfunction next<H extends HandleFamily>(arch: Arch<H>, pmdp: H['pmd']): H['pmd'] { return hwPmdNext(arch, pmdp); }`,
    },
  ],
});
