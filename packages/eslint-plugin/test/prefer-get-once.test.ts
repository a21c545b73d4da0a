import { preferGetOnce } from '../src/rules/prefer-get-once.js';
import { ALIAS, STRONG, typedTester } from './rule-tester.js';

const REACH = `import { ptepGet, ptepGetLockless, ptepGetOnce, pteMkdirty, setPte, type MmContext, type PteVal, type WritableArch } from '@pgtable/core';
declare const arch: WritableArch<Handles>;
declare const mm: MmContext;
declare const ptep: Handles['pte'];
declare const address: bigint;
declare const ptl: object;
declare function use(pte: PteVal): void;
declare function spinLock(lock: object): void;
declare function spinUnlock(lock: object): void;
declare function rcuReadLock(): void;
declare function rcuReadUnlock(): void;
declare function pteOffsetMap(mm: MmContext, address: bigint): Handles['pte'] | undefined;
declare function pteOffsetMapLock(mm: MmContext, address: bigint): Handles['pte'] | undefined;
declare function walkKernelPageTableRangeLockless(start: bigint, end: bigint, ops: { pteEntry(ptep: Handles['pte']): void }): void;
declare const PageWalkLock: { readonly NoLock: 'no'; readonly Read: 'read' };
`;

for (const [mode, family] of [['alias', ALIAS], ['strong', STRONG]] as const) {
  const code = (text: string): string => family + REACH + text;
  const plain = (before: string): object => ({
    messageId: 'plain',
    suggestions: [
      { messageId: 'useOnce', output: code(before.replace('GET', 'ptepGetOnce')) },
      { messageId: 'useLockless', output: code(before.replace('GET', 'ptepGetLockless')) },
    ],
  });
  const wrong = (text: string) => ({ code: code(text.replace('GET', 'ptepGet')), errors: [plain(text) as { messageId: 'plain' }] });
  typedTester().run(`prefer-get-once, ${mode}`, preferGetOnce, {
    valid: [
      code(`function f() { use(ptepGet(arch, ptep)); }`),
      code(`/** @lockless */ function f() { use(ptepGetOnce(arch, ptep)); use(ptepGetLockless(arch, ptep)); }`),
      code(`/** @lockless */ function f() { spinLock(ptl); use(ptepGet(arch, ptep)); spinUnlock(ptl); }`),
      code(`function f() { rcuReadLock(); use(ptepGetOnce(arch, ptep)); rcuReadUnlock(); use(ptepGet(arch, ptep)); }`),
      code(`function f() { const p = pteOffsetMapLock(mm, address); if (p !== undefined) use(ptepGet(arch, p)); }`),
      code(`const ops = { walkLock: PageWalkLock.Read, pteEntry(p: Handles['pte']) { use(ptepGet(arch, p)); } };`),
      code(`function f() { const old = ptepGetOnce(arch, ptep); spinLock(ptl); setPte(arch, mm, address, ptep, pteMkdirty(arch, old)); }`),
      code(`function f() { const old = ptepGet(arch, ptep); setPte(arch, mm, address, ptep, pteMkdirty(arch, old)); }`),
    ],
    invalid: [
      // A suggestion imports the accessor by its own name, loses no comment, and is none where core has no such accessor.
      {
        code: `import { ptepGet as read, type Arch } from '@pgtable/core';\n${family}/** @lockless */ function f(arch: Arch<Handles>, ptep: Handles['pte']) { return read(arch, /* live */ ptep); }`,
        errors: [{
          messageId: 'plain',
          suggestions: [
            { messageId: 'useOnce', data: { name: 'ptepGetOnce' }, output: `import { ptepGet as read, type Arch, ptepGetOnce } from '@pgtable/core';\n${family}/** @lockless */ function f(arch: Arch<Handles>, ptep: Handles['pte']) { return ptepGetOnce(arch, /* live */ ptep); }` },
            { messageId: 'useLockless', data: { name: 'ptepGetLockless' }, output: `import { ptepGet as read, type Arch, ptepGetLockless } from '@pgtable/core';\n${family}/** @lockless */ function f(arch: Arch<Handles>, ptep: Handles['pte']) { return ptepGetLockless(arch, /* live */ ptep); }` },
          ],
        }],
      },
      {
        code: code(`/** @lockless */ function f(pudp: Handles['pud']) { return arch.ops.pud.get(pudp); }`),
        errors: [{ messageId: 'plain', suggestions: [
          { messageId: 'useOnce', output: code(`/** @lockless */ function f(pudp: Handles['pud']) { return arch.ops.pud.getOnce(pudp); }`) },
          { messageId: 'useLockless', output: code(`/** @lockless */ function f(pudp: Handles['pud']) { return arch.ops.pud.getLockless(pudp); }`) },
        ] }],
      },
      { code: code(`/** @lockless */ function f(ptepGetOnce: boolean, ptepGetLockless: boolean) { return ptepGet(arch, ptep); }`), errors: [{ messageId: 'plain', suggestions: [] }] },
      wrong(`/** Looks. @lockless */ function f() { use(GET(arch, ptep)); }`),
      wrong(`/** @lockless */ export const f = () => { use(GET(arch, ptep)); };`),
      wrong(`/** @lockless */ function f() { spinLock(ptl); spinUnlock(ptl); use(GET(arch, ptep)); }`),
      wrong(`function f() { rcuReadLock(); use(GET(arch, ptep)); rcuReadUnlock(); }`),
      wrong(`function f() { rcuReadLock(); if (address > 0n) { use(GET(arch, ptep)); } rcuReadUnlock(); }`),
      wrong(`function f() { const p = pteOffsetMap(mm, address); if (p !== undefined) use(GET(arch, p)); }`),
      wrong(`walkKernelPageTableRangeLockless(0n, 1n, { pteEntry(p) { use(GET(arch, p)); } });`),
      wrong(`const ops = { pteEntry(p: Handles['pte']) { use(GET(arch, p)); } }; walkKernelPageTableRangeLockless(0n, 1n, ops);`),
      wrong(`const ops = { walkLock: PageWalkLock.NoLock, pteEntry(p: Handles['pte']) { use(GET(arch, p)); } };`),
      { code: code(`function f() { const old = ptepGetOnce(arch, ptep); setPte(arch, mm, address, ptep, pteMkdirty(arch, old)); }`), errors: [{ messageId: 'unlocked' }] },
      { code: code(`function f() { setPte(arch, mm, address, ptep, pteMkdirty(arch, ptepGetLockless(arch, ptep))); }`), errors: [{ messageId: 'unlocked' }] },
    ],
  });
  const own = `declare function get(ptep: Handles['pte']): bigint;\ndeclare function getSafely(ptep: Handles['pte']): bigint;\n`;
  typedTester({ accessors: { get: ['get'], getOnce: ['getSafely'] } }).run(`prefer-get-once with names of one's own, ${mode}`, preferGetOnce, {
    valid: [`${family}${own}/** @lockless */ function f(ptep: Handles['pte']) { return getSafely(ptep); }`],
    invalid: [{ code: `${family}${own}/** @lockless */ function f(ptep: Handles['pte']) { return get(ptep); }`, errors: [{ messageId: 'plain', suggestions: [] }] }],
  });
}

const CELLS = `import type { Arch } from '@pgtable/core';
interface Cell<L> { readonly of: L }
interface Cells { pte: Cell<'pte'>; pmd: Cell<'pmd'>; pud: Cell<'pud'>; p4d: Cell<'p4d'>; pgd: Cell<'pgd'> }
declare const arch: Arch<Cells>;
`;
typedTester({ handleTypes: [{ name: 'Cell' }] }).run(`prefer-get-once, handles of somebody else's`, preferGetOnce, {
  valid: [`${CELLS}/** @lockless */ function f(cell: Cell<'pte'>) { return arch.ops.pte.getOnce(cell); }`],
  invalid: [{
    code: `${CELLS}/** @lockless */ function f(cell: Cell<'p4d'>) { return arch.ops.p4d.get(cell); }`,
    errors: [{ messageId: 'plain', suggestions: [
      { messageId: 'useOnce', output: `${CELLS}/** @lockless */ function f(cell: Cell<'p4d'>) { return arch.ops.p4d.getOnce(cell); }` },
      { messageId: 'useLockless', output: `${CELLS}/** @lockless */ function f(cell: Cell<'p4d'>) { return arch.ops.p4d.getLockless(cell); }` },
    ] }],
  }],
});
