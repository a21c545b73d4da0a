import { noZeroEntry } from '../src/rules/no-zero-entry.js';
import { ALIAS, STRONG, typedTester } from './rule-tester.js';

const REACH = `import { entryVal, pmdNone, TableMemory, type MmContext, type PmdVal, type PteVal, type WritableArch } from '@pgtable/core';
declare const tables: TableMemory;
declare const arch: WritableArch<Handles>;
declare const ptep: Handles['pte'];
declare const pte: PteVal;
declare const pmd: PmdVal;
declare const maybe: PteVal | undefined;
declare const count: number;
declare const address: bigint;
`;

for (const [mode, family] of [['alias', ALIAS], ['strong', STRONG]] as const) {
  const code = (text: string): string => family + REACH + text;
  const fixed = (text: string): string => code(text).replace('type WritableArch }', 'type WritableArch, pteNone }');
  typedTester().run(`no-zero-entry, ${mode}`, noZeroEntry, {
    valid: [
      code(`if (pte === arch.values.pte.empty) console.log(count);`),
      code(`if (count === 0 || address === 0n || !count) console.log(count);`),
      code(`if ((pte & 1n) === 0n) console.log(count);`),
      code(`if (maybe === undefined) console.log(count);`),
      code(`const low = maybe ?? arch.values.pte.empty;`),
      code(`const one = entryVal('pte', 1n);`),
      code(`const list = new BigUint64Array(4); list[0] = 0n; list.fill(0n);`),
    ],
    invalid: [
      // Fixes: the two words apart, comments kept, no boolean where the value counts, no predicate where it would not compile.
      { code: code(`function f() { return!pmd; }`), errors: [{ messageId: 'truth' }], output: code(`function f() { return pmdNone(arch, pmd); }`) },
      { code: code(`function f() { return(pmd)===0n; }`), errors: [{ messageId: 'compare' }], output: code(`function f() { return pmdNone(arch, pmd); }`) },
      { code: code(`const one = pmd || arch.values.pmd.empty;`), errors: [{ messageId: 'truth' }] },
      { code: code(`if (count > 1 || (pmd && !pmd)) console.log(count);`), errors: [{ messageId: 'truth' }, { messageId: 'truth' }], output: code(`if (count > 1 || (!pmdNone(arch, pmd) && pmdNone(arch, pmd))) console.log(count);`) },
      { code: code(`if (pmd /* empty? */ === 0n) console.log(count);`), errors: [{ messageId: 'compare' }] },
      { code: code(`if ((count, pmd) === 0n) console.log(count);`), errors: [{ messageId: 'compare' }] },
      { code: code(`function f(one: PteVal | PmdVal) { return one === 0n; }`), errors: [{ messageId: 'compare' }] },
      { code: code(`function f(pmdNone: boolean) { return pmdNone && pmd === 0n; }`), errors: [{ messageId: 'compare' }] },
      { code: code(`function f<V extends PmdVal>(one: V) { return one === 0n; }`), errors: [{ messageId: 'compare' }], output: code(`function f<V extends PmdVal>(one: V) { return pmdNone(arch, one); }`) },
      { code: code(`const empty = /* none */ 0n as /* yet */ PteVal;`), errors: [{ messageId: 'write' }] },
      { code: code(`if (pte === 0n) console.log(count);`), errors: [{ messageId: 'compare' }], output: fixed(`if (pteNone(arch, pte)) console.log(count);`) },
      { code: code(`if (0n !== pte) console.log(count);`), errors: [{ messageId: 'compare' }], output: fixed(`if (!pteNone(arch, pte)) console.log(count);`) },
      { code: code(`const ZERO = 0n; if (pmd === ZERO) console.log(count);`), errors: [{ messageId: 'compare' }], output: code(`const ZERO = 0n; if (pmdNone(arch, pmd)) console.log(count);`) },
      { code: code(`if (!pmd) console.log(count);`), errors: [{ messageId: 'truth' }], output: code(`if (pmdNone(arch, pmd)) console.log(count);`) },
      { code: code(`if (pmd) console.log(count);`), errors: [{ messageId: 'truth' }], output: code(`if (!pmdNone(arch, pmd)) console.log(count);`) },
      { code: code(`if (count > 1 && pmd) console.log(count);`), errors: [{ messageId: 'truth' }], output: code(`if (count > 1 && !pmdNone(arch, pmd)) console.log(count);`) },
      { code: code(`if (!maybe) console.log(count);`), errors: [{ messageId: 'truth' }] },
      { code: code(`if (Number(pte) === 0) console.log(count);`), errors: [{ messageId: 'compare' }] },
      { code: code(`if (tables.elements[ptep] === 0n) console.log(count);`), errors: [{ messageId: 'compare' }] },
      { code: code(`const raw = tables.elements[count]!; if (raw === 0n) console.log(count);`), errors: [{ messageId: 'compare' }] },
      { code: code(`if (arch.ops.pte.raw(ptep) === 0n) console.log(count);`), errors: [{ messageId: 'compare' }] },
      { code: code(`switch (pte) { case 0n: break; }`), errors: [{ messageId: 'compare' }] },
      { code: code(`const empty = entryVal('pte', 0n);`), errors: [{ messageId: 'write' }], output: code(`const empty = arch.values.pte.empty;`) },
      { code: code(`const empty = 0n as PteVal;`), errors: [{ messageId: 'write' }], output: code(`const empty = arch.values.pte.empty;`) },
      // The architecture in reach is not the one whose entry it is.
      { code: code(`declare const from: { arch: WritableArch<Handles> }; const seen = from.arch.ops.pte.get(ptep); if (seen === 0n) console.log(count);`), errors: [{ messageId: 'compare' }] },
      { code: code(`declare const from: { arch: WritableArch<Handles> }; function f(mm: MmContext) { from.arch.ops.pte.set(mm, 0n, ptep, 0n as PteVal, 1); }`), errors: [{ messageId: 'write' }] },
      // It is that of one of two that the entry may be of.
      { code: code(`declare const from: { arch: WritableArch<Handles> }; let seen = arch.ops.pte.get(ptep); if (count > 1) seen = from.arch.ops.pte.get(ptep); if (seen === 0n) console.log(count);`), errors: [{ messageId: 'compare' }] },
      { code: code(`declare const from: { arch: WritableArch<Handles> }; const seen = (count > 1 ? from.arch : arch).ops.pte.get(ptep); if (seen === 0n) console.log(count);`), errors: [{ messageId: 'compare' }] },
      { code: code(`declare const from: { arch: WritableArch<Handles> }; const seen = count > 1 ? from.arch.ops.pte.get(ptep) : arch.ops.pte.get(ptep); if (seen === 0n) console.log(count);`), errors: [{ messageId: 'compare' }] },
      { code: code(`const seen = arch.ops.pte.get(ptep); if (seen === 0n) console.log(count);`), errors: [{ messageId: 'compare' }], output: fixed(`const seen = arch.ops.pte.get(ptep); if (pteNone(arch, seen)) console.log(count);`) },
      { code: code(`tables.elements[ptep] = 0n;`), errors: [{ messageId: 'write' }] },
      { code: code(`Atomics.store(tables.elements, ptep, 0n);`), errors: [{ messageId: 'write' }] },
      { code: code(`tables.elements.fill(0n, 0, 512);`), errors: [{ messageId: 'write' }] },
    ],
  });
  typedTester({ accessors: { get: ['readPte'], set: ['writePte'] } }).run(`no-zero-entry with names of one's own, ${mode}`, noZeroEntry, {
    valid: [
      code(`declare function writePte(mm: MmContext, address: bigint, ptep: Handles['pte'], bits: bigint): void; function f(mm: MmContext) { writePte(mm, 0n, ptep, 1n); }`),
      code(`declare function readOther(ptep: Handles['pte']): bigint; if (readOther(ptep) === 0n) console.log(count);`),
    ],
    invalid: [
      { code: code(`declare function readPte(ptep: Handles['pte']): bigint; if (readPte(ptep) === 0n) console.log(count);`), errors: [{ messageId: 'compare' }] },
      { code: code(`declare function writePte(mm: MmContext, address: bigint, ptep: Handles['pte'], bits: bigint): void; function f(mm: MmContext) { writePte(mm, 0n, ptep, 0n); }`), errors: [{ messageId: 'write', line: 11 }] },
    ],
  });
}
