import { noDroppedFlush } from '../src/rules/no-dropped-flush.js';
import { ALIAS, STRONG, typedTester } from './rule-tester.js';

const REACH = `import { FlushPromise, pteClear, ptepGetAndClear, type MmContext, type MmuGather, type PteVal, type WritableArch } from '@pgtable/core';
declare const arch: WritableArch<Handles>;
declare const mm: MmContext;
declare const address: bigint;
declare const ptep: Handles['pte'];
declare const batch: MmuGather;
declare const flag: boolean;
declare const entries: readonly Handles['pte'][];
declare function maybe(): FlushPromise<void> | undefined;
declare function later(): Promise<FlushPromise<void>>;
declare class Watched<T> extends FlushPromise<T> { readonly label: string; }
declare function watched(): Watched<void>;
`;

const CLEAR = 'pteClear(arch, mm, address, ptep)';
const FLUSH = [{ messageId: 'flushNow' as const }];

for (const [mode, family] of [['alias', ALIAS], ['strong', STRONG]] as const) {
  const code = (text: string): string => family + REACH + text;
  const flushed = (output: string) => [{ ...FLUSH[0]!, output: code(output) }];

  typedTester().run(`no-dropped-flush, ${mode}`, noDroppedFlush, {
    valid: [
      `${CLEAR}.flush();`,
      `${CLEAR}.gather(batch);`,
      `${CLEAR}.ignore('the address space never ran');`,
      `const why: string = String(address); ${CLEAR}.ignore(why);`,
      `${CLEAR}.map(() => 1).flush();`,
      `maybe()?.flush();`,
      `const p = maybe(); if (p !== undefined) p.flush();`,
      `const p = maybe(); p && p.flush();`,
      `const p = ${CLEAR}; if (p.owed) p.gather(batch); else p.flush();`,
      `const p = ${CLEAR}; const q = p; const later = () => q.flush(); later();`,
      `function f() { return ${CLEAR}; } f().flush();`,
      `function* f() { yield ${CLEAR}; } for (const p of f()) p.flush();`,
      `const all = entries.map((one) => pteClear(arch, mm, address, one)); for (const p of all) p.flush();`,
      `entries.forEach((one) => pteClear(arch, mm, address, one).flush());`,
      `const list: FlushPromise<void>[] = []; list.push(${CLEAR}); list.pop()?.flush();`,
      `class Keeper { private pending: FlushPromise<void> | undefined; hold() { this.pending = ${CLEAR}; } done() { this.pending?.flush(); } }`,
      `const box: { p?: FlushPromise<void> } = {}; box.p = ${CLEAR}; box.p.flush();`,
      `export const p = ${CLEAR};`,
      `const p = ${CLEAR}; export { p };`,
      `void ${CLEAR}.flush();`,
      `const value = flag ? ptepGetAndClear(arch, mm, address, ptep).flush() : undefined;`,
      `void (flag ? ${CLEAR} : maybe())?.flush();`,
      `later();`,
      `(await later()).flush();`,
      `let p: FlushPromise<void> | undefined; p ??= ${CLEAR}; p.flush();`,
      `const run = <T>(f: () => T): T => f(); run(() => ${CLEAR}).flush();`,
      `namespace Other { export class FlushPromise { owed = true; } } new Other.FlushPromise();`,
      `const { owed, ...rest } = ${CLEAR}; Object.keys(rest);`,
    ].map(code),
    invalid: [
      { code: code(`${CLEAR};`), errors: [{ messageId: 'dropped', suggestions: flushed(`${CLEAR}.flush();`) }] },
      { code: code(`void ${CLEAR};`), errors: [{ messageId: 'dropped', suggestions: flushed(`void ${CLEAR}.flush();`) }] },
      { code: code(`maybe();`), errors: [{ messageId: 'dropped', suggestions: flushed(`maybe()?.flush();`) }] },
      { code: code(`watched();`), errors: [{ messageId: 'dropped', suggestions: flushed(`watched().flush();`) }] },
      { code: code(`await later();`), errors: [{ messageId: 'dropped', suggestions: flushed(`(await later()).flush();`) }] },
      { code: code(`const undone = ${CLEAR};`), errors: [{ messageId: 'unused', suggestions: flushed(`const undone = ${CLEAR}.flush();`) }] },
      { code: code(`const p = ${CLEAR}; if (p.owed) mm.tlb;`), errors: [{ messageId: 'unused' }] },
      { code: code(`if (${CLEAR}.owed) mm.tlb;`), errors: [{ messageId: 'dropped' }] },
      { code: code(`const { owed } = ${CLEAR}; void owed;`), errors: [{ messageId: 'dropped' }] },
      { code: code(`const p = ${CLEAR}; void p;`), errors: [{ messageId: 'unused' }] },
      { code: code(`const p = ${CLEAR}; const q = p;`), errors: [{ messageId: 'unused' }] },
      { code: code(`let p; p = ${CLEAR};`), errors: [{ messageId: 'unused' }] },
      { code: code(`flag && ${CLEAR};`), errors: [{ messageId: 'dropped', suggestions: flushed(`flag && ${CLEAR}.flush();`) }] },
      { code: code(`declare function attempt(): FlushPromise<void> | false; attempt();`), errors: [{ messageId: 'dropped' }] },
      { code: code(`flag ? ${CLEAR} : maybe();`), errors: [{ messageId: 'dropped' }] },
      { code: code(`maybe() || ${CLEAR};`), errors: [{ messageId: 'dropped' }] },
      { code: code(`${CLEAR}, mm.tlb;`), errors: [{ messageId: 'dropped', suggestions: flushed(`${CLEAR}.flush(), mm.tlb;`) }] },
      { code: code(`entries.forEach((one) => pteClear(arch, mm, address, one));`), errors: [{ messageId: 'dropped', suggestions: flushed(`entries.forEach((one) => pteClear(arch, mm, address, one).flush());`) }] },
      { code: code(`entries.forEach((one) => { return pteClear(arch, mm, address, one); });`), errors: [{ messageId: 'dropped', suggestions: flushed(`entries.forEach((one) => { return pteClear(arch, mm, address, one).flush(); });`) }] },
      { code: code(`const one = (entry: Handles['pte']) => pteClear(arch, mm, address, entry); entries.forEach(one);`), errors: [{ messageId: 'dropped' }] },
      { code: code(`entries.map((one) => pteClear(arch, mm, address, one));`), errors: [{ messageId: 'dropped' }] },
      { code: code(`${CLEAR}.map(() => 1);`), errors: [{ messageId: 'dropped', suggestions: flushed(`${CLEAR}.map(() => 1).flush();`) }] },
      { code: code(`${CLEAR}.ignore('');`), errors: [{ messageId: 'emptyReason' }] },
      { code: code(`const why = '  '; ${CLEAR}.ignore(why);`), errors: [{ messageId: 'emptyReason' }] },
      { code: code(`const unused = [${CLEAR}];`), errors: [{ messageId: 'unused' }] },
      { code: code(`const box: { p?: FlushPromise<void> } = {}; box.p = ${CLEAR};`), errors: [{ messageId: 'unused' }] },
      { code: code(`function f(p: FlushPromise<PteVal>): void { void p; }`), errors: [{ messageId: 'dropped', suggestions: flushed(`function f(p: FlushPromise<PteVal>): void { void p.flush(); }`) }] },
      { code: code(`new FlushPromise(mm, 1, undefined);`), errors: [{ messageId: 'dropped', suggestions: flushed(`new FlushPromise(mm, 1, undefined).flush();`) }] },
      { code: code(`if (maybe()) mm.tlb;`), errors: [{ messageId: 'dropped' }] },
    ],
  });
}

typedTester({ architecture: ['**/*.ts'] }).run('no-dropped-flush, in an architecture', noDroppedFlush, {
  valid: [`${ALIAS}${REACH}${CLEAR}.flush();`],
  invalid: [{ code: `${ALIAS}${REACH}${CLEAR};`, errors: [{ messageId: 'dropped', suggestions: [{ messageId: 'flushNow', output: `${ALIAS}${REACH}${CLEAR}.flush();` }] }] }],
});
