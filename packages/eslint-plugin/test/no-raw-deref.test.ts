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

const WRITE = `import { TableMemory, entryVal, setPte, ptepGet, type MmContext, type PteVal, type WritableArch } from '@pgtable/core';
declare const tables: TableMemory;
declare const arch: WritableArch<Handles>;
declare const mm: MmContext;
declare const address: bigint;
declare const ptep: Handles['pte'];
declare const pte: PteVal;
declare const bits: bigint;
`;
const write = (text: string): string => ALIAS + WRITE + text;

typedTester().run('no-raw-deref, fixes of writes', noRawDeref, {
  valid: [],
  invalid: [
    { code: write(`tables.elements[ptep] = pte;`), errors: [{ messageId: 'deref' }], output: write(`setPte(arch, mm, address, ptep, pte);`) },
    { code: write(`tables.elements[ptep] = bits | 1n;`), errors: [{ messageId: 'deref' }], output: write(`setPte(arch, mm, address, ptep, entryVal('pte', bits | 1n));`) },
    {
      code: write(`tables.elements[ptep]! |= bits;`),
      errors: [{ messageId: 'deref' }],
      output: write(`setPte(arch, mm, address, ptep, entryVal('pte', ptepGet(arch, ptep) | (bits)));`),
    },
    // A comment in what stays is kept, and one in what would go keeps the fix away.
    { code: write(`tables.elements[ptep] = (bits, bits | 1n);`), errors: [{ messageId: 'deref' }], output: write(`setPte(arch, mm, address, ptep, entryVal('pte', (bits, bits | 1n)));`) },
    { code: write(`tables.elements[ptep] = /* clean */ pte;`), errors: [{ messageId: 'deref' }] },
    { code: write(`tables.elements[ptep] = bits /* clean */ | 1n;`), errors: [{ messageId: 'deref' }], output: write(`setPte(arch, mm, address, ptep, entryVal('pte', bits /* clean */ | 1n));`) },
    // Whose value is used, what has no address of its own, and what would be looked up twice.
    { code: write(`const b = (tables.elements[ptep] = pte);`), errors: [{ messageId: 'deref' }] },
    { code: write(`tables.elements[ptep + 1] = pte;`), errors: [{ messageId: 'deref' }] },
    { code: write(`const find = () => ptep; tables.elements[find()]! |= bits;`), errors: [{ messageId: 'deref' }] },
    { code: write(`tables.elements[ptep]!++;`), errors: [{ messageId: 'deref' }] },
    // Another array may hold anything by entry.
    { code: write(`const generations = new BigUint64Array(8); generations[ptep] = bits;`), errors: [{ messageId: 'deref' }] },
    { code: write(`const { elements } = tables; elements[ptep] = pte;`), errors: [{ messageId: 'deref' }], output: write(`const { elements } = tables; setPte(arch, mm, address, ptep, pte);`) },
    { code: write(`const elements = tables.elements; elements[ptep] = pte;`), errors: [{ messageId: 'deref' }], output: write(`const elements = tables.elements; setPte(arch, mm, address, ptep, pte);`) },
    { code: write(`let elements = tables.elements; elements[ptep] = pte;`), errors: [{ messageId: 'deref' }] },
    // The name of the accessor means something else here.
    { code: write(`function f(setPte: number) { tables.elements[ptep] = pte; void setPte; }`), errors: [{ messageId: 'deref' }] },
    // One entry after the other, and one address.
    { code: write(`import { hwPteNext } from '@pgtable/core'; tables.elements[hwPteNext(arch, ptep)] = pte;`), errors: [{ messageId: 'deref' }] },
    { code: write(`declare const list: Handles['pte'][]; for (const at of list) tables.elements[at] = pte;`), errors: [{ messageId: 'deref' }] },
    { code: write(`declare const list: Handles['pte'][]; list.forEach((at) => { tables.elements[at] = pte; });`), errors: [{ messageId: 'deref' }] },
    { code: write(`let at = ptep; while (arch.ops.pte.get(at) === pte) { at = arch.ops.pte.advance(at, 1); tables.elements[at] = pte; }`), errors: [{ messageId: 'deref' }] },
    { code: write(`function f(address: bigint, ptep: Handles['pte']) { address += 4096n; tables.elements[ptep] = pte; }`), errors: [{ messageId: 'deref' }] },
    // Both go on.
    {
      code: write(`function f(address: bigint, ptep: Handles['pte']) { address += 4096n; ptep = arch.ops.pte.advance(ptep, 1); tables.elements[ptep] = pte; }`),
      errors: [{ messageId: 'deref' }],
      output: write(`function f(address: bigint, ptep: Handles['pte']) { address += 4096n; ptep = arch.ops.pte.advance(ptep, 1); setPte(arch, mm, address, ptep, pte); }`),
    },
    // Found by the address.
    {
      code: write(`import { pteOffset } from '@pgtable/core'; declare const pmdp: Handles['pmd']; tables.elements[pteOffset(arch, pmdp, address)!] = pte;`),
      errors: [{ messageId: 'deref' }],
      output: write(`import { pteOffset } from '@pgtable/core'; declare const pmdp: Handles['pmd']; setPte(arch, mm, address, pteOffset(arch, pmdp, address)!, pte);`),
    },
    // Found by the address, which goes on after it.
    {
      code: write(`import { pteOffset } from '@pgtable/core'; declare const pmdp: Handles['pmd']; for (let address = 0n; address < 8n * 4096n; address += 4096n) { const found = pteOffset(arch, pmdp, address)!; tables.elements[found] = pte; }`),
      errors: [{ messageId: 'deref' }],
      output: write(`import { pteOffset } from '@pgtable/core'; declare const pmdp: Handles['pmd']; for (let address = 0n; address < 8n * 4096n; address += 4096n) { const found = pteOffset(arch, pmdp, address)!; setPte(arch, mm, address, found, pte); }`),
    },
    // ... and before it is used.
    { code: write(`import { pteOffset } from '@pgtable/core'; declare const pmdp: Handles['pmd']; function f(address: bigint) { const found = pteOffset(arch, pmdp, address); address += 4096n; if (found !== undefined) tables.elements[found] = pte; }`), errors: [{ messageId: 'deref' }] },
    // The two are stepped together.
    {
      code: write(`let address = 0n; for (let at = ptep; address < 4096n; at = arch.ops.pte.advance(at, 1), address += 4096n) tables.elements[at] = pte;`),
      errors: [{ messageId: 'deref' }],
      output: write(`let address = 0n; for (let at = ptep; address < 4096n; at = arch.ops.pte.advance(at, 1), address += 4096n) setPte(arch, mm, address, at, pte);`),
    },
    // As many pages on as entries, and not.
    {
      code: write(`import { hwPteAdvance } from '@pgtable/core'; declare const start: bigint; for (let index = 0; index < 8; index++) { const address = start + BigInt(index) * 4096n; tables.elements[hwPteAdvance(arch, ptep, index)] = pte; }`),
      errors: [{ messageId: 'deref' }],
      output: write(`import { hwPteAdvance } from '@pgtable/core'; declare const start: bigint; for (let index = 0; index < 8; index++) { const address = start + BigInt(index) * 4096n; setPte(arch, mm, address, hwPteAdvance(arch, ptep, index), pte); }`),
    },
    { code: write(`import { hwPteAdvance } from '@pgtable/core'; for (let index = 0; index < 8; index++) tables.elements[hwPteAdvance(arch, ptep, index)] = pte;`), errors: [{ messageId: 'deref' }] },
    // The tables of another machine.
    { code: write(`declare const from: { arch: WritableArch<Handles>; tables: TableMemory }; from.tables.elements[ptep] = pte;`), errors: [{ messageId: 'deref' }] },
    // Nothing is in reach that is of this family, or it may not be there.
    { code: write(`function f(arch: WritableArch<import('@pgtable/core').StrongHandles>) { tables.elements[ptep] = pte; void arch; }`), errors: [{ messageId: 'deref' }] },
    { code: write(`function f(arch?: WritableArch<Handles>) { tables.elements[ptep] = pte; void arch; }`), errors: [{ messageId: 'deref' }] },
  ],
});

const READ = `import { TableMemory, ptepGet, ptepGetOnce, hwPteAdvance, type Arch, type EntryPtr } from '@pgtable/core';
declare const tables: TableMemory;
declare const arch: Arch<Handles>;
declare const ptep: Handles['pte'];
declare const generations: BigUint64Array;
declare const count: number;
declare function identity<T>(of: T): T;
`;
const read = (text: string): string => ALIAS + READ + text;
const suggested = (text: string, accessor = 'ptepGet') => [{ messageId: 'useAccessor' as const, data: { accessor }, output: read(text) }];

typedTester().run('no-raw-deref, fixes of reads', noRawDeref, {
  valid: [],
  invalid: [
    { code: read(`let value = tables.elements[ptep]!;`), errors: [{ messageId: 'deref' }], output: read(`let value: bigint = ptepGet(arch, ptep);`) },
    // It could be set to undefined later on.
    { code: read(`let value = tables.elements[ptep];`), errors: [{ messageId: 'deref' }], output: read(`let value: bigint | undefined = ptepGet(arch, ptep);`) },
    { code: read(`const value = Atomics.load(tables.elements, ptep);`), errors: [{ messageId: 'deref' }], output: read(`const value: bigint = ptepGetOnce(arch, ptep);`) },
    { code: read(`if ((tables.elements[ptep]! & 1n) !== 0n) identity(1);`), errors: [{ messageId: 'deref' }], output: read(`if ((ptepGet(arch, ptep) & 1n) !== 0n) identity(1);`) },
    { code: read(`const value = tables.elements[ptep - (count + 1)];`), errors: [{ messageId: 'deref' }], output: read(`const value: bigint = ptepGet(arch, hwPteAdvance(arch, ptep, -(count + 1)));`) },
    // What the value's type decides elsewhere, a comment, and an array of something else.
    { code: read(`const value = identity(tables.elements[ptep]!);`), errors: [{ messageId: 'deref', suggestions: suggested(`const value = identity(ptepGet(arch, ptep));`) }] },
    { code: read(`const list = [tables.elements[ptep]!];`), errors: [{ messageId: 'deref', suggestions: suggested(`const list = [ptepGet(arch, ptep)];`) }] },
    { code: read(`const value = tables.elements[/* the hole */ ptep]!;`), errors: [{ messageId: 'deref', suggestions: suggested(`const value: bigint = ptepGet(arch, ptep);`) }] },
    { code: read(`const value = generations[ptep]!;`), errors: [{ messageId: 'deref', suggestions: suggested(`const value: bigint = ptepGet(arch, ptep);`) }] },
    // The tables of another machine than the one in reach, and of that one.
    { code: read(`declare const from: { arch: Arch<Handles>; tables: TableMemory }; const value = from.tables.elements[ptep]!;`), errors: [{ messageId: 'deref' }] },
    { code: read(`declare const from: { arch: Arch<Handles>; tables: TableMemory }; const { elements } = from.tables; const value = elements[ptep]!;`), errors: [{ messageId: 'deref' }] },
    { code: read(`declare const from: Arch<Handles>; function f(arch: Arch<Handles>) { return 1n + from.tables!.elements[ptep]!; }`), errors: [{ messageId: 'deref' }] },
    { code: read(`class Guest { constructor(readonly arch: Arch<Handles>, readonly tables: TableMemory) {} } class Host { constructor(readonly arch: Arch<Handles>, readonly guest: Guest) {} read() { return 1n + this.guest.tables.elements[ptep]!; } }`), errors: [{ messageId: 'deref' }] },
    {
      code: read(`function f(space: { arch: Arch<Handles>; tables: TableMemory }) { const { arch, tables } = space; return 1n + tables.elements[ptep]!; }`),
      errors: [{ messageId: 'deref' }],
      output: read(`function f(space: { arch: Arch<Handles>; tables: TableMemory }) { const { arch, tables } = space; return 1n + ptepGet(arch, ptep); }`),
    },
    { code: read(`const value = arch.tables!.elements[ptep]!;`), errors: [{ messageId: 'deref' }], output: read(`const value: bigint = ptepGet(arch, ptep);`) },
    // What is called on the way to the memory is called no more, and what may be missing is asked no more.
    { code: read(`declare function open(): TableMemory; const value = open().elements[ptep]!;`), errors: [{ messageId: 'deref', suggestions: suggested(`declare function open(): TableMemory; const value: bigint = ptepGet(arch, ptep);`) }] },
    { code: read(`declare const maybe: TableMemory | undefined; const value = maybe?.elements[ptep];`), errors: [{ messageId: 'deref', suggestions: suggested(`declare const maybe: TableMemory | undefined; const value: bigint = ptepGet(arch, ptep);`) }] },
    { code: read(`declare const maybe: TableMemory | undefined; const value = maybe!.elements[ptep]!;`), errors: [{ messageId: 'deref' }], output: read(`declare const maybe: TableMemory | undefined; const value: bigint = ptepGet(arch, ptep);`) },
    // The compiler compares no values of two levels.
    { code: read(`declare const pmd: import('@pgtable/core').PmdVal; const is = tables.elements[ptep] === pmd;`), errors: [{ messageId: 'deref', suggestions: [{ messageId: 'useAccessor', data: { accessor: 'ptepGet' }, output: read(`declare const pmd: import('@pgtable/core').PmdVal; const is = ptepGet(arch, ptep) === pmd;`) }] }] },
    { code: read(`declare const pte: import('@pgtable/core').PteVal; const is = pte !== tables.elements[ptep];`), errors: [{ messageId: 'deref' }], output: read(`declare const pte: import('@pgtable/core').PteVal; const is = pte !== ptepGet(arch, ptep);`) },
    // Two words stay two, and what is taken apart at once keeps its type.
    { code: read(`const f = (): bigint => { return(tables).elements[ptep]!; };`), errors: [{ messageId: 'deref' }], output: read(`const f = (): bigint => { return ptepGet(arch, ptep); };`) },
    {
      code: read(`let { low } = { low: tables.elements[ptep]! }; low = 3n;`), errors: [{ messageId: 'deref', suggestions: [{ messageId: 'useAccessor', data: { accessor: 'ptepGet' }, output: read(`let { low } = { low: ptepGet(arch, ptep) }; low = 3n;`) }] }],
    },
    // The count is calculated before the handle is found.
    { code: read(`let n = 0; const list = [ptep]; const value = tables.elements[n++ + list.pop()!]!;`), errors: [{ messageId: 'deref' }] },
    // A pointer that is added is no count.
    { code: read(`declare const held: EntryPtr<'pte'>; const value = tables.elements[ptep + held];`), errors: [{ messageId: 'deref' }] },
    // Not whole entries.
    { code: read(`const value = tables.words[ptep]!;`), errors: [{ messageId: 'deref' }] },
    { code: read(`const { [ptep]: value } = tables.elements;`), errors: [{ messageId: 'deref' }] },
    { code: read(`const value = tables.elements[count > 3 ? ptep : count];`), errors: [{ messageId: 'deref' }] },
  ],
});

const CELL = `interface Cell<L extends string> { readonly of: L }
type Slot = number & { readonly slot: true };
declare const cell: Cell<'pte'>;
declare const slot: Slot;
declare const words: number[];
`;

typedTester({ handleTypes: [{ name: 'Cell' }, { name: 'Slot', level: 'pmd' }] }).run('no-raw-deref, handles of somebody else', noRawDeref, {
  valid: [`${CELL}const seen = new Map([[cell, slot]]); seen.get(cell);`, `${CELL}if (cell !== seen) words.push(1); declare const seen: Cell<'pte'>;`],
  invalid: [
    { code: `${CELL}const level = cell.of;`, errors: [{ messageId: 'property', data: { level: 'pte', accessor: 'ptepGet', distance: 'hwPteDistance' } }] },
    { code: `${CELL}const word = words[slot];`, errors: [{ messageId: 'deref', data: { level: 'pmd', accessor: 'pmdpGet', distance: 'hwPmdDistance' } }] },
    { code: `${CELL}words.push(slot); console.log(cell);`, errors: [{ messageId: 'launder' }, { messageId: 'launder' }] },
    { code: `${CELL}const { of } = cell;`, errors: [{ messageId: 'spread' }] },
    { code: `${CELL}const last = slot as unknown; const raw = words[slot as unknown as number];`, errors: [{ messageId: 'deref' }] },
  ],
});

// Without the settings they are nobody's handles.
typedTester().run('no-raw-deref, types that are no handles', noRawDeref, {
  valid: [`${CELL}const level = cell.of; const word = words[slot]; words.push(slot); console.log(cell);`],
  invalid: [],
});
