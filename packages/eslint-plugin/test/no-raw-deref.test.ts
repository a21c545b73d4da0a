import { noRawDeref } from '../src/rules/no-raw-deref.js';
import { ALIAS, STRONG, typedTester } from './rule-tester.js';

const REACH = `import { TableMemory, type Arch, type EntryPtr } from '@pgtable/core';
declare const tables: TableMemory;
declare const arch: Arch<Handles>;
declare const ptep: Handles['pte'];
declare const other: Handles['pte'];
declare const index: number;
declare const held: EntryPtr<'pte'>;
declare function take(n: number): void;
`;

for (const [mode, family] of [['alias', ALIAS], ['strong', STRONG]] as const) {
  const code = (text: string): string => family + REACH + text;
  const FIXED = (text: string): string => code(text);
  typedTester().run(`no-raw-deref, ${mode}`, noRawDeref, {
    valid: [
      code(`const entry = arch.ops.pte.get(ptep);`),
      code(`if (ptep === other) arch.ops.pte.advance(ptep, 1);`),
      code(`const value = tables.elements[held];`),
      code(`const value = tables.elements[index];`),
      code(`const list = [ptep]; list.push(other); const seen = new Set([ptep]); seen.has(other);`),
      code(`function same<T>(x: T): T { return x; } same(ptep);`),
      code(`const box: { ptep: Handles['pte'] } = { ptep };`),
    ],
    invalid: [
      {
        code: code(`const value = tables.elements[ptep];`),
        errors: [{ messageId: 'deref', line: 10 }],
        output: FIXED(`const value: bigint = ptepGet(arch, ptep);`).replace("type EntryPtr }", "type EntryPtr, ptepGet }"),
      },
      { code: code(`const words = tables.words[ptep * 2];`), errors: [{ messageId: 'deref' }] },
      { code: code(`take(ptep);`), errors: [{ messageId: 'launder', data: { level: 'pte', expected: 'a number', accessor: 'ptepGet', distance: 'hwPteDistance' } }] },
      { code: code(`console.log(ptep);`), errors: [{ messageId: 'launder' }] },
      { code: code(`const s = \`\${ptep}\`;`), errors: [{ messageId: 'convert' }] },
      { code: code(`const n = +ptep;`), errors: [{ messageId: 'convert' }] },
      { code: code(`const n = Number(ptep);`), errors: [{ messageId: 'convert' }] },
      { code: code(`if (ptep < other) take(1);`), errors: [{ messageId: 'order' }] },
      { code: code(`const n: unknown = ptep;`), errors: [{ messageId: 'launder' }] },
      { code: code(`const { toString } = ptep;`), errors: [{ messageId: 'spread' }] },
      { code: code(`const s = ptep.toString();`), errors: [{ messageId: 'property' }] },
    ],
  });
}

// What a fix may use: variables, and none that is the name of a type; a class that implements MmContext is one.
const SETTER = `import { entryVal, type AliasHandles, type MmContext, type TableMemory, type WritableArch } from '@pgtable/core';
type Machine = WritableArch<AliasHandles>;
class Process implements MmContext { readonly user = true; readonly tlb = { flush() {} }; name = 'init'; }
`;
typedTester().run('no-raw-deref, what is in reach', noRawDeref, {
  valid: [],
  invalid: [
    {
      code: `${SETTER}function f(machine: Machine, tables: TableMemory, process: Process, address: bigint, ptep: AliasHandles['pte'], bits: bigint) { tables.elements[ptep] = bits; }`,
      errors: [{ messageId: 'deref' }],
      output: `${SETTER.replace('type WritableArch }', 'type WritableArch, setPte }')}function f(machine: Machine, tables: TableMemory, process: Process, address: bigint, ptep: AliasHandles['pte'], bits: bigint) { setPte(machine, process, address, ptep, entryVal('pte', bits)); }`,
    },
    {
      code: `import type { AliasHandles, TableMemory, WritableArch } from '@pgtable/core';\ntype Machine = WritableArch<AliasHandles>;\nfunction f(tables: TableMemory, ptep: AliasHandles['pte']): bigint { return tables.elements[ptep]!; }`,
      errors: [{ messageId: 'deref' }],
    },
  ],
});
