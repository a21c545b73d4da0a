import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { beforeAll, describe, expect, it } from 'vitest';

/*
 * What the types of handles forbid. Each use is compiled three times with the compiler options of this repository: with the
 * strong family, with the alias, and in code that is generic over the family, as core and walk are.
 *
 * The table says what happens, and not only what one would wish: JavaScript converts any object to a string or a number,
 * and TypeScript has no type that forbids it. What compiles under `strong` here is what the lint is for.
 *
 * In generic code a handle cannot be looked into, but anything is taken for one: TypeScript lets a value be written to
 * `H['pte']` if it fits the constraint of that (TypeScript's rule for indexed access types), and the constraint is
 * `unknown`. A caller with concrete handles is checked.
 */

type Outcome = 'error' | 'compiles';

interface Use {
  readonly name: string;
  readonly code: string;
  readonly strong: Outcome;
  readonly alias: Outcome;
  readonly generic: Outcome;
}

const FORBIDDEN: readonly Use[] = [
  { name: 'index of a typed array', code: 'words[ptep];', strong: 'error', alias: 'compiles', generic: 'error' },
  { name: 'index of an array', code: 'list[ptep];', strong: 'error', alias: 'compiles', generic: 'error' },
  { name: 'index that is written to', code: 'words[ptep] = 1;', strong: 'error', alias: 'compiles', generic: 'error' },
  { name: 'addition', code: 'ptep + 1;', strong: 'error', alias: 'compiles', generic: 'error' },
  { name: 'subtraction of a number', code: 'ptep - 1;', strong: 'error', alias: 'compiles', generic: 'error' },
  { name: 'difference of two handles', code: 'ptep - other;', strong: 'error', alias: 'compiles', generic: 'error' },
  { name: 'compound assignment', code: 'ptep += 1;', strong: 'error', alias: 'error', generic: 'error' },
  { name: 'shift', code: 'ptep << 3;', strong: 'error', alias: 'compiles', generic: 'error' },
  { name: 'mask', code: 'ptep & 511;', strong: 'error', alias: 'compiles', generic: 'error' },
  { name: 'order against a number', code: 'ptep < 512;', strong: 'error', alias: 'compiles', generic: 'error' },
  { name: 'equality with a number', code: 'ptep === 0;', strong: 'error', alias: 'compiles', generic: 'compiles' },
  { name: 'BigInt()', code: 'BigInt(ptep);', strong: 'error', alias: 'compiles', generic: 'error' },
  { name: 'property', code: 'ptep.value;', strong: 'error', alias: 'error', generic: 'error' },
  { name: 'method of number', code: 'ptep.toFixed();', strong: 'error', alias: 'compiles', generic: 'error' },
  { name: 'assignment to a number', code: 'const index: number = ptep; use(index);', strong: 'error', alias: 'compiles', generic: 'error' },
  { name: 'argument for a number', code: 'Math.floor(ptep);', strong: 'error', alias: 'compiles', generic: 'error' },
  { name: 'cast to a number', code: 'use(ptep as number);', strong: 'error', alias: 'compiles', generic: 'compiles' },
  { name: 'cast from a number', code: 'use(3 as typeof ptep);', strong: 'error', alias: 'compiles', generic: 'compiles' },
  { name: 'handle of another level', code: 'ptepGet(arch, pmdp);', strong: 'error', alias: 'error', generic: 'compiles' },
  { name: 'assignment of another level', code: 'ptep = pmdp;', strong: 'error', alias: 'error', generic: 'compiles' },
  { name: 'a stack pointer passed as a live handle', code: 'ptepGet(arch, stack);', strong: 'error', alias: 'compiles', generic: 'compiles' },
  { name: 'a live handle passed as a stack pointer', code: 'stack = ptep;', strong: 'error', alias: 'compiles', generic: 'error' },
  { name: 'number passed as a handle', code: 'ptepGet(arch, 3);', strong: 'error', alias: 'error', generic: 'compiles' },
  { name: 'value passed as a handle', code: 'ptepGet(arch, ptepGet(arch, ptep));', strong: 'error', alias: 'error', generic: 'compiles' },
  { name: 'missing table passed as a handle', code: 'ptepGet(arch, pteOffset(arch, pmdp, 0n));', strong: 'error', alias: 'error', generic: 'compiles' },
  { name: 'writing through an index', code: 'words[ptep] = 1; setPteAt(writable, mm, 0n, ptep, pte);', strong: 'error', alias: 'compiles', generic: 'error' },
  { name: 'writing to a number', code: 'setPteAt(writable, mm, 0n, 3, pte);', strong: 'error', alias: 'error', generic: 'compiles' },
  { name: 'writing to a stack pointer', code: 'setPteAt(writable, mm, 0n, stack, pte);', strong: 'error', alias: 'compiles', generic: 'compiles' },
  { name: 'writing to a value in a buffer', code: "void pteClear(writable, mm, 0n, new EntryBuffer('pte', 1).at(0)).flush();", strong: 'error', alias: 'compiles', generic: 'compiles' },
  { name: 'writing to an entry of another level', code: 'setPteAt(writable, mm, 0n, pmdp, pte);', strong: 'error', alias: 'error', generic: 'compiles' },
  { name: 'writing a value of another level', code: 'setPmdAt(writable, mm, 0n, pmdp, pte);', strong: 'error', alias: 'error', generic: 'error' },
  { name: 'writing a handle as a value', code: 'setPteAt(writable, mm, 0n, ptep, other);', strong: 'error', alias: 'error', generic: 'error' },
  { name: 'writing a bare bigint', code: 'setPteAt(writable, mm, 0n, ptep, 3n);', strong: 'error', alias: 'error', generic: 'error' },
  { name: 'a result without a decision about the flush', code: 'const old: PteVal = ptepGetAndClear(writable, mm, 0n, ptep); use(old);', strong: 'error', alias: 'error', generic: 'error' },
  { name: 'ignoring a flush without a reason', code: 'use(ptepGetAndClear(writable, mm, 0n, ptep).ignore());', strong: 'error', alias: 'error', generic: 'error' },
  { name: 'writing through an architecture that is only read', code: 'setPteAt(arch, mm, 0n, ptep, pte);', strong: 'error', alias: 'error', generic: 'error' },
  { name: 'populating with a handle', code: 'pmdPopulate(writable, mm, 0n, pmdp, ptep);', strong: 'error', alias: 'error', generic: 'error' },
  { name: 'HugeTLB with the handle of another level', code: "setHugePteAt(writable, mm, 0n, 'pmd', ptep, pmd, 1);", strong: 'error', alias: 'error', generic: 'compiles' },
  { name: 'HugeTLB with the value of another level', code: "setHugePteAt(writable, mm, 0n, 'pmd', pmdp, pte, 1);", strong: 'error', alias: 'error', generic: 'error' },
  { name: 'a live handle read from a buffer', code: "use(new EntryBuffer('pte', 1).get(ptep));", strong: 'error', alias: 'compiles', generic: 'error' },
  { name: "another architecture's handle", code: 'ptepGet(arch, foreign);', strong: 'error', alias: 'error', generic: 'compiles' },
  // An increment yields a plain number, which is no handle even under the alias; under the alias a copy can be incremented.
  { name: 'increment', code: 'let copy = ptep; copy++; use(copy);', strong: 'error', alias: 'compiles', generic: 'error' },
];

/** What no type forbids: only the lint sees these. */
const BEYOND_TYPES: readonly Use[] = [
  { name: 'Number()', code: 'Number(ptep);', strong: 'compiles', alias: 'compiles', generic: 'compiles' },
  { name: 'String()', code: 'String(ptep);', strong: 'compiles', alias: 'compiles', generic: 'compiles' },
  { name: 'unary plus', code: 'use(+ptep);', strong: 'compiles', alias: 'compiles', generic: 'compiles' },
  { name: 'unary minus', code: 'use(-ptep);', strong: 'compiles', alias: 'compiles', generic: 'compiles' },
  { name: 'template', code: 'use(`${ptep}`);', strong: 'compiles', alias: 'compiles', generic: 'compiles' },
  { name: 'concatenation', code: "use(ptep + '');", strong: 'compiles', alias: 'compiles', generic: 'compiles' },
  { name: 'order of two handles', code: 'use(ptep < other);', strong: 'compiles', alias: 'compiles', generic: 'compiles' },
  { name: 'cast through unknown', code: 'use(ptep as unknown as number);', strong: 'compiles', alias: 'compiles', generic: 'compiles' },
];

/** What handles are for: none of this may become an error. */
const ALLOWED: readonly string[] = [
  'const value: bigint = ptepGet(arch, ptep); use(value);',
  'const once: PteVal = ptepGetOnce(arch, ptep); use(once);',
  'const next: typeof ptep = hwPteNext(arch, ptep); use(next);',
  'const found: typeof ptep | undefined = pteOffset(arch, pmdp, 0n); use(found);',
  'const same: boolean = ptep === other; use(same);',
  'const set = new Map([[ptep, 1]]); use(set.get(other));',
  'setPtes(writable, mm, 0n, ptep, pte, 4);',
  'const old: PteVal = ptepGetAndClear(writable, mm, 0n, ptep).flush(); use(old);',
  'const young: boolean = ptepTestAndClearYoung(writable, mm, 0n, ptep).ignore("a test"); use(young);',
  'const away: number = hwPteDistance(writable, ptep, other); use(away);',
  "const table = writable.newTable('pte', 0, true); pmdPopulate(writable, mm, 0n, pmdp, table);",
  "setPteAt(writable, mm, 0n, writable.newTable('pte', 0, true).entry(3), pte);",
  "setHugePteAt(writable, mm, 0n, 'pmd', pmdp, pmd, 1);",
  'use(pteMkyoung(writable, pte)); use(ptePfn(writable, pte));',
  'const child = arch.ops.pmd.child(pmdp); if (child?.level === "pte") use(ptepGet(arch, child.table));',
];

const here = dirname(fileURLToPath(import.meta.url));
const workspace = join(here, '../../..');

const IMPORTS = `
import {
  EntryBuffer, hwPteDistance, hwPteNext, pmdPopulate, pteClear, pteMkyoung, pteOffset, ptePfn, ptepGet, ptepGetAndClear, ptepGetOnce, ptepTestAndClearYoung, setHugePteAt, setPmdAt,
  setPteAt, setPtes, type AliasHandles, type Arch, type EntryPtr, type HandleFamily, type HwHandle, type MmContext, type PmdVal, type PteVal, type StrongHandles, type WritableArch,
} from '../src/index.js';
declare function use(value: unknown): void;
declare const words: Int32Array;
declare const list: readonly string[];
use([EntryBuffer, hwPteDistance, hwPteNext, pmdPopulate, pteClear, pteMkyoung, pteOffset, ptePfn, ptepGet, ptepGetAndClear, ptepGetOnce, ptepTestAndClearYoung, setHugePteAt, setPmdAt]);
use([setPteAt, setPtes, words, list]);
export type { AliasHandles, HandleFamily, PmdVal, PteVal, StrongHandles };
`;

function sourceOf(family: 'strong' | 'alias' | 'generic', code: string): string {
  const handles = { strong: 'StrongHandles', alias: 'AliasHandles', generic: 'H' }[family];
  const foreign = family === 'alias' ? "HwHandle<'pte'>" : "{ readonly elsewhere: 'pte' }";
  return `${IMPORTS}
export function probe<H extends HandleFamily>(
  arch: Arch<${handles}>, ptep: ${handles}['pte'], other: ${handles}['pte'], pmdp: ${handles}['pmd'], stack: EntryPtr<'pte'>, foreign: ${foreign}, held: HwHandle<'pte'> | H['pte'],
  writable: WritableArch<${handles}>, mm: MmContext, pte: PteVal, pmd: PmdVal,
): void {
  use([arch, ptep, other, pmdp, stack, foreign, held, writable, mm, pte, pmd]);
  ${code}
}
`;
}

/** Compiles the sources in one program and returns the messages of each. */
function compile(sources: ReadonlyMap<string, string>): Map<string, string[]> {
  const config = ts.parseJsonConfigFileContent(
    ts.readConfigFile(join(workspace, 'tsconfig.base.json'), (path) => ts.sys.readFile(path)).config,
    ts.sys,
    workspace,
    {},
    undefined,
  );
  const disk = ts.createCompilerHost(config.options);
  const host: ts.CompilerHost = {
    ...disk,
    fileExists: (path) => sources.has(path) || disk.fileExists(path),
    readFile: (path) => sources.get(path) ?? disk.readFile(path),
    getSourceFile: (path, options, ...rest) => {
      const text = sources.get(path);
      return text === undefined ? disk.getSourceFile(path, options, ...rest) : ts.createSourceFile(path, text, options);
    },
  };
  const program = ts.createProgram([...sources.keys()], config.options, host);
  const messages = new Map<string, string[]>();
  for (const path of sources.keys()) {
    const file = program.getSourceFile(path);
    messages.set(path, [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n')));
  }
  return messages;
}

const FAMILIES = ['strong', 'alias', 'generic'] as const;
const pathOf = (family: string, set: string, at: number) => join(here, `virtual-${family}-${set}-${at}.ts`);

describe('handle types', () => {
  let messages = new Map<string, string[]>();
  beforeAll(() => {
    const sources = new Map<string, string>();
    for (const family of FAMILIES) {
      FORBIDDEN.forEach(({ code }, at) => sources.set(pathOf(family, 'forbidden', at), sourceOf(family, code)));
      BEYOND_TYPES.forEach(({ code }, at) => sources.set(pathOf(family, 'beyond', at), sourceOf(family, code)));
      ALLOWED.forEach((code, at) => sources.set(pathOf(family, 'allowed', at), sourceOf(family, code)));
    }
    messages = compile(sources);
  });
  const outcome = (family: string, set: string, at: number): Outcome => ((messages.get(pathOf(family, set, at)) ?? []).length > 0 ? 'error' : 'compiles');

  it.each(FORBIDDEN.map((use, at) => [use.name, use, at] as const))('strong forbids: %s', (_name, use, at) => {
    expect(use.strong).toBe('error');
    expect(Object.fromEntries(FAMILIES.map((family) => [family, outcome(family, 'forbidden', at)]))).toEqual({ strong: use.strong, alias: use.alias, generic: use.generic });
  });

  it.each(BEYOND_TYPES.map((use, at) => [use.name, use, at] as const))('no type forbids: %s', (_name, use, at) => {
    expect(Object.fromEntries(FAMILIES.map((family) => [family, outcome(family, 'beyond', at)]))).toEqual({ strong: use.strong, alias: use.alias, generic: use.generic });
  });

  it.each(ALLOWED.map((code, at) => [code, at] as const))('all allow: %s', (_code, at) => {
    for (const family of FAMILIES) expect(messages.get(pathOf(family, 'allowed', at))).toEqual([]);
  });
});
