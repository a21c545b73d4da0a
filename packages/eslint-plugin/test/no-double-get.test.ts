import { noDoubleGet } from '../src/rules/no-double-get.js';
import { ALIAS, STRONG, typedTester } from './rule-tester.js';

const REACH = `import { NO_TLB, pteNext, ptepGet, ptepGetOnce, ptePresent, pteSame, pteYoung, setPte, type MmContext, type PteVal, type WritableArch } from '@pgtable/core';
declare const arch: WritableArch<Handles>;
declare const mm: MmContext;
declare let ptep: Handles['pte'];
declare const other: Handles['pte'];
declare const fault: { ptep: Handles['pte'] };
declare const address: bigint;
declare function use(pte: PteVal): void;
declare function spinLock(lock: object): void;
declare function handle(ptep: Handles['pte']): void;
declare const lock: object;
`.replace('pteNext, ', '');

for (const [mode, family] of [['alias', ALIAS], ['strong', STRONG]] as const) {
  const code = (text: string): string => `${family}${REACH}function f() {\n${text}\n}`;
  typedTester().run(`no-double-get, ${mode}`, noDoubleGet, {
    valid: [
      code(`const pte = ptepGet(arch, ptep); if (ptePresent(arch, pte) && pteYoung(arch, pte)) use(pte);`),
      code(`use(ptepGet(arch, ptep)); use(ptepGet(arch, other));`),
      code(`use(ptepGet(arch, ptep)); setPte(arch, mm, address, ptep, arch.values.pte.empty); use(ptepGet(arch, ptep));`),
      code(`use(ptepGet(arch, ptep)); spinLock(lock); use(ptepGet(arch, ptep));`),
      code(`use(ptepGet(arch, ptep)); handle(ptep); use(ptepGet(arch, ptep));`),
      code(`use(ptepGet(arch, ptep)); ptep = other; use(ptepGet(arch, ptep));`),
      code(`for (;;) { const pte = ptepGetOnce(arch, ptep); if (ptePresent(arch, pte)) break; }`),
      code(`const pte = ptepGetOnce(arch, ptep); for (let i = 0; i < 3; i++) use(ptepGetOnce(arch, ptep)); use(pte);`),
      code(`if (address === 0n) use(ptepGet(arch, ptep)); else use(ptepGet(arch, ptep));`),
      code(`if (address === 0n) { use(ptepGet(arch, ptep)); return; } use(ptepGet(arch, ptep));`),
      code(`const pte = ptepGetOnce(arch, ptep); use(pte); if (pte !== ptepGetOnce(arch, ptep)) return;`),
      code(`const pte = ptepGetOnce(arch, ptep); if (!pteSame(arch, pte, ptepGet(arch, ptep))) return;`),
      code(`use(ptepGet(arch, ptep)); const again = () => { use(ptepGet(arch, ptep)); }; again();`),
    ],
    invalid: [
      // A suggestion loses no comment, uses no value of another way, and no name that means something else there.
      { code: code(`const pte = ptepGet(arch, ptep);\nuse(ptepGet(arch, /* again */ ptep));`), errors: [{ messageId: 'twice', suggestions: [] }] },
      { code: code(`const pte = ptepGet(arch, ptep);\nuse(ptepGetOnce(arch, ptep)); use(pte);`), errors: [{ messageId: 'twice', suggestions: [] }] },
      { code: code(`const pte = ptepGet(arch, ptep);\n{ const pte = ptepGet(arch, ptep); use(pte); } use(pte);`), errors: [{ messageId: 'twice', suggestions: [] }] },
      { code: code(`let pte = ptepGet(arch, ptep);\nuse(ptepGet(arch, ptep)); pte = arch.values.pte.empty;`), errors: [{ messageId: 'twice', suggestions: [] }] },
      {
        code: code(`const pte = ptepGet(arch, ptep);\nuse(ptepGet(arch, ptep)!);`),
        errors: [{ messageId: 'twice', suggestions: [{ messageId: 'useValue', output: code(`const pte = ptepGet(arch, ptep);\nuse(pte!);`) }] }],
      },
      {
        code: code(`const pte = ptepGet(arch, ptep);\nuse(ptepGet(arch, ptep));`),
        errors: [{ messageId: 'twice', line: 15, suggestions: [{ messageId: 'useValue', data: { name: 'pte', line: '14' }, output: code(`const pte = ptepGet(arch, ptep);\nuse(pte);`) }] }],
      },
      { code: code(`if (ptePresent(arch, ptepGet(arch, ptep)) && pteYoung(arch, ptepGet(arch, ptep))) use(arch.values.pte.empty);`), errors: [{ messageId: 'twice' }] },
      { code: code(`if (ptePresent(arch, ptepGet(arch, ptep))) use(ptepGet(arch, ptep));`), errors: [{ messageId: 'twice' }] },
      { code: code(`use(ptepGet(arch, fault.ptep)); use(ptepGet(arch, fault.ptep));`), errors: [{ messageId: 'twice' }] },
      { code: code(`use(arch.ops.pte.get(ptep)); use(arch.ops.pte.get(ptep));`), errors: [{ messageId: 'twice' }] },
      { code: code(`use(ptepGet(arch, ptep)); use(ptepGetOnce(arch, ptep));`), errors: [{ messageId: 'twice' }] },
      { code: code(`for (let i = 0; i < 4; i++) { use(ptepGet(arch, ptep)); use(ptepGet(arch, ptep)); }`), errors: [{ messageId: 'twice' }] },
      { code: code(`if (address === 0n) use(ptepGet(arch, ptep)); else use(ptepGet(arch, ptep)); use(ptepGet(arch, other)); use(ptepGet(arch, other));`), errors: [{ messageId: 'twice' }] },
    ],
  });
  const own = `import type { Arch } from '@pgtable/core';\ndeclare const arch: Arch<Handles>;\ndeclare function readPte(ptep: Handles['pte']): bigint;\ndeclare function writePte(ptep: Handles['pte'], bits: bigint): void;\n`;
  typedTester({ accessors: { get: ['readPte'], set: ['writePte'] } }).run(`no-double-get with names of one's own, ${mode}`, noDoubleGet, {
    valid: [`${family}${own}function f(ptep: Handles['pte']) { const bits = readPte(ptep); writePte(ptep, bits); return readPte(ptep); }`],
    invalid: [{ code: `${family}${own}function f(ptep: Handles['pte']) { return readPte(ptep) + readPte(ptep); }`, errors: [{ messageId: 'twice' }] }],
  });
}

const CELLS = `import type { Arch } from '@pgtable/core';
interface Cell<L> { readonly of: L }
interface Cells { pte: Cell<'pte'>; pmd: Cell<'pmd'>; pud: Cell<'pud'>; p4d: Cell<'p4d'>; pgd: Cell<'pgd'> }
declare const arch: Arch<Cells>;
`;
typedTester({ handleTypes: [{ name: 'Cell' }] }).run(`no-double-get, handles of somebody else's`, noDoubleGet, {
  valid: [`${CELLS}function f(one: Cell<'pte'>, other: Cell<'pte'>) { return [arch.ops.pte.get(one), arch.ops.pte.get(other)]; }`],
  invalid: [{ code: `${CELLS}function f(cell: Cell<'pte'>) { return [arch.ops.pte.get(cell), arch.ops.pte.get(cell)]; }`, errors: [{ messageId: 'twice', data: { level: 'pte', line: '5' } }] }],
});
