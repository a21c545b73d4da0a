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

const alias = (text: string): string => `${ALIAS}import { hwPteAdvance, hwPteNext, hwPteDistance } from '@pgtable/core';\n${REACH}${text}`;
const suggestion = (text: string, accessor: string) => [{ messageId: 'useStep' as const, data: { accessor }, output: alias(text) }];

typedTester().run('no-handle-arithmetic, what a fix leaves alone', noHandleArithmetic, {
  valid: [],
  invalid: [
    // In a comparison, an index, an argument and a cast the outcome may be a handle.
    { code: alias(`if (ptep + 1 === end) take(end);`), errors: [{ messageId: 'step' }], output: alias(`if (hwPteNext(arch, ptep) === end) take(end);`) },
    { code: alias(`ptep = (ptep + 1) as Handles['pte'];`), errors: [{ messageId: 'step' }], output: alias(`ptep = (hwPteNext(arch, ptep)) as Handles['pte'];`) },
    { code: alias(`const index = (ptep + 1) as number & { readonly index: true };`), errors: [{ messageId: 'step', suggestions: suggestion(`const index = (hwPteNext(arch, ptep)) as number & { readonly index: true };`, 'hwPteNext') }] },
    // Where something else takes its type from a const it is a suggestion.
    { code: alias(`const next = ptep + 1; if (next < count) console.log(next);`), errors: [{ messageId: 'step' }], output: alias(`const next = hwPteNext(arch, ptep); if (next < count) console.log(next);`) },
    { code: alias(`const next = ptep + 1; let at = next; at = 3;`), errors: [{ messageId: 'step', suggestions: suggestion(`const next = hwPteNext(arch, ptep); let at = next; at = 3;`, 'hwPteNext') }] },
    { code: alias(`const next = ptep + 1; const list = [next]; list.push(7);`), errors: [{ messageId: 'step', suggestions: suggestion(`const next = hwPteNext(arch, ptep); const list = [next]; list.push(7);`, 'hwPteNext') }] },
    // What stands between parentheses stays one argument.
    { code: alias(`ptep = (ptep + (count, 1)) as Handles['pte'];`), errors: [{ messageId: 'step' }], output: alias(`ptep = (hwPteAdvance(arch, ptep, (count, 1))) as Handles['pte'];`) },
    { code: alias(`const before = ptep - (count - 1); take(end);`), errors: [{ messageId: 'step' }], output: alias(`const before = hwPteAdvance(arch, ptep, -(count - 1)); take(end);`) },
    // Comments inside of what stays are kept; a pointer to a value held aside is no count.
    { code: alias(`const entries = end - box.ptep /* there */;`), errors: [{ messageId: 'distance' }], output: alias(`const entries = hwPteDistance(arch, box.ptep, end) /* there */;`) },
    { code: alias(`ptep /* past it */ ++;`), errors: [{ messageId: 'step' }] },
    { code: alias(`const n = ptep - held;`), errors: [{ messageId: 'step' }] },
    // Each part is there once, or does nothing twice.
    { code: alias(`declare function find(): typeof box; find().ptep++;`), errors: [{ messageId: 'step' }] },
    // A line may begin with a parenthesis after `++`, and not after a call.
    { code: alias(`ptep++\n(count > 1 ? [] : [])[0]`), errors: [{ messageId: 'step' }], output: alias(`ptep = hwPteNext(arch, ptep);\n(count > 1 ? [] : [])[0]`) },
    { code: alias(`ptep--\ntake(ptep)`), errors: [{ messageId: 'step' }], output: alias(`ptep = hwPteAdvance(arch, ptep, -1)\ntake(ptep)`) },
    { code: alias(`ptep++;\n[1].at(0);`), errors: [{ messageId: 'step' }], output: alias(`ptep = hwPteNext(arch, ptep);\n[1].at(0);`) },
    // Two words stay two.
    { code: alias(`const f = (): Handles['pte'] => { return(ptep)+1; };`), errors: [{ messageId: 'step' }], output: alias(`const f = (): Handles['pte'] => { return hwPteNext(arch, ptep); };`) },
    // An accessor takes them in another order: where that may not be the same it is a suggestion.
    { code: alias(`const stack = [ptep]; const n = stack.pop()! - stack.pop()!;`), errors: [{ messageId: 'distance', suggestions: suggestion(`const stack = [ptep]; const n = hwPteDistance(arch, stack.pop()!, stack.pop()!);`, 'hwPteDistance') }] },
    { code: alias(`let n = 0; const stack = [ptep]; take((n++ + stack.pop()!) as Handles['pte']);`), errors: [{ messageId: 'step', suggestions: suggestion(`let n = 0; const stack = [ptep]; take((hwPteAdvance(arch, stack.pop()!, n++)) as Handles['pte']);`, 'hwPteAdvance') }] },
    { code: alias(`const stack = [ptep]; const n = end - stack.pop()!; take((1 + stack.pop()!) as Handles['pte']);`), errors: [{ messageId: 'distance' }, { messageId: 'step' }], output: alias(`const stack = [ptep]; const n = hwPteDistance(arch, stack.pop()!, end); take((hwPteNext(arch, stack.pop()!)) as Handles['pte']);`) },
    // Casts and choices are seen through, but what was meant is not known.
    { code: alias(`const a = (ptep as number) + 1; const b = (count > 3 ? ptep : count) * 2;`), errors: [{ messageId: 'step' }, { messageId: 'arithmetic' }] },
    // A number that a handle is added to.
    { code: alias(`let n = 0; n += ptep; n -= end;`), errors: [{ messageId: 'arithmetic' }, { messageId: 'arithmetic' }] },
    // No architecture in reach has these handles, or gives back such handles.
    { code: alias(`function f(arch: WritableArch<import('@pgtable/core').StrongHandles>) { ptep++; void arch; }`), errors: [{ messageId: 'step' }], output: null },
    { code: alias(`function f(arch: WritableArch) { ptep++; void arch; }`), errors: [{ messageId: 'step' }], output: null },
    // The entry is one of another machine than the one in reach.
    { code: alias(`function f(arch: WritableArch<Handles>, guest: { arch: WritableArch<Handles>; ptep: Handles['pte'] }) { guest.ptep++; void arch; }`), errors: [{ messageId: 'step' }], output: null },
    { code: alias(`function f(hwPteNext: number) { ptep++; void hwPteNext; }`), errors: [{ messageId: 'step' }] },
  ],
});

/** A file whose first import has a comment above it. */
const commented = (before: string, step: string): string => `// of a driver\n${before}import 'driver';\nimport type { AliasHandles, Arch } from '@pgtable/core';\nexport function next(arch: Arch<AliasHandles>, ptep: AliasHandles['pte']): AliasHandles['pte'] { return ${step}; }`;
const IMPORT = "import { hwPteNext } from '@pgtable/core';\n";

typedTester().run('no-handle-arithmetic, where only types are imported', noHandleArithmetic, {
  valid: [],
  invalid: [
    // What a comment says of the line below stays with that line.
    ...['// @ts-expect-error: no types\n', '/* @ts-ignore */\n'].map((comment) => ({
      code: commented(comment, 'ptep + 1'), errors: [{ messageId: 'step' as const }], output: commented(`${IMPORT}${comment}`, 'hwPteNext(arch, ptep)'),
    })),
    { code: commented('// the driver\n', 'ptep + 1'), errors: [{ messageId: 'step' }], output: commented(`// the driver\n${IMPORT}`, 'hwPteNext(arch, ptep)') },
  ],
});

/** A class with an architecture, of which a line is fixed or not. */
const inClass = (members: string, base = ''): string => `${ALIAS}import { hwPteNext, type Arch } from '@pgtable/core';\n${base}class Walk ${base === '' ? '' : 'extends Base '}{ ${members} }`;

typedTester().run('no-handle-arithmetic, with the architecture of a class', noHandleArithmetic, {
  valid: [],
  invalid: [
    {
      code: inClass(`constructor(private readonly arch: Arch<Handles>, private ptep: Handles['pte']) {} step() { this.ptep++; }`),
      errors: [{ messageId: 'step' }],
      output: inClass(`constructor(private readonly arch: Arch<Handles>, private ptep: Handles['pte']) {} step() { this.ptep = hwPteNext(this.arch, this.ptep); }`),
    },
    {
      code: inClass(`ptep!: Handles['pte']; step() { this.ptep++; }`, 'class Base { constructor(protected readonly arch: Arch<Handles>) {} }\n'),
      errors: [{ messageId: 'step' }],
      output: inClass(`ptep!: Handles['pte']; step() { this.ptep = hwPteNext(this.arch, this.ptep); }`, 'class Base { constructor(protected readonly arch: Arch<Handles>) {} }\n'),
    },
    // What is private to a base class, and what a field is not there before.
    { code: inClass(`ptep!: Handles['pte']; step() { this.ptep++; }`, 'class Base { constructor(private readonly arch: Arch<Handles>) {} }\n'), errors: [{ messageId: 'step' }] },
    { code: inClass(`ptep!: Handles['pte']; step() { this.ptep++; }`, 'class Base { readonly #arch!: Arch<Handles>; }\n'), errors: [{ messageId: 'step' }] },
    { code: inClass(`ptep!: Handles['pte']; next: Handles['pte'] = (this.ptep + 1) as Handles['pte']; arch!: Arch<Handles>;`), errors: [{ messageId: 'step' }] },
    { code: inClass(`ptep!: Handles['pte']; next: Handles['pte'] = (this.ptep + 1) as Handles['pte']; constructor(readonly arch: Arch<Handles>) {}`), errors: [{ messageId: 'step' }] },
    {
      code: inClass(`ptep!: Handles['pte']; next = () => { this.ptep++; }; constructor(readonly arch: Arch<Handles>) {}`),
      errors: [{ messageId: 'step' }],
      output: inClass(`ptep!: Handles['pte']; next = () => { this.ptep = hwPteNext(this.arch, this.ptep); }; constructor(readonly arch: Arch<Handles>) {}`),
    },
  ],
});

const CELL = `interface Cell<L extends string> { readonly of: L }
type Slot = number & { readonly slot: true };
declare const cell: Cell<'pte'>;
declare let slot: Slot;
`;

typedTester({ handleTypes: [{ name: 'Cell' }, { name: 'Slot', level: 'pmd' }] }).run('no-handle-arithmetic, handles of somebody else', noHandleArithmetic, {
  valid: [`${CELL}const same = slot === slot; const n = cell.of.length + 1;`],
  invalid: [
    { code: `${CELL}const next = slot + 1;`, errors: [{ messageId: 'step', data: { operator: '+', level: 'pmd', step: 'hwPmdNext or hwPmdAdvance', distance: 'hwPmdDistance' } }] },
    { code: `${CELL}slot++;`, errors: [{ messageId: 'step' }] },
    { code: `${CELL}const next = cell + 1;`, errors: [{ messageId: 'step' }] },
  ],
});

typedTester().run('no-handle-arithmetic, types that are no handles', noHandleArithmetic, { valid: [`${CELL}const next = slot + 1; slot++;`], invalid: [] });
