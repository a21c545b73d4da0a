import { noHandleCast } from '../src/rules/no-handle-cast.js';
import { ALIAS, STRONG, typedTester } from './rule-tester.js';

const REACH = `import { EntryBuffer, type Arch, type EntryPtr, type HwHandle } from '@pgtable/core';
declare const arch: Arch<Handles>;
declare const ptep: Handles['pte'];
declare const maybe: Handles['pte'] | undefined;
declare const held: EntryPtr<'pte'>;
declare const anything: any;
declare const numbers: number[];
declare function take(ptep: Handles['pte']): void;
declare function cast<T>(x: unknown): T;
declare function identity<T>(x: T): T;
`;

for (const [mode, family] of [['alias', ALIAS], ['strong', STRONG]] as const) {
  const code = (text: string): string => family + REACH + text;
  typedTester().run(`no-handle-cast, ${mode}`, noHandleCast, {
    valid: [
      code(`const same = ptep as Handles['pte'];`),
      code(`const there = maybe as Handles['pte'];`),
      code(`const list = [ptep] as const;`),
      code(`const list: Handles['pte'][] = []; identity(ptep); identity<Handles['pte']>(ptep);`),
      code(`const buffer = new EntryBuffer('pte', 4); const pointer = buffer.at(0);`),
      code(`const box = { ptep } satisfies { ptep: Handles['pte'] };`),
      code(`const map = new Map<string, Handles['pte']>(); take(map.get('a')!);`),
      code(`const n = 5 as unknown as string;`),
      code(`function is(x: Handles['pte'] | undefined): x is Handles['pte'] { return x !== undefined; }`),
      code(`const list = [] as Handles['pte'][]; const found = undefined as Handles['pte'] | undefined; const map = new Map() as Map<string, Handles['pte']>;`),
      code(`const room: Handles['pte'][] = new Array(512);`),
      code(`const index = held as number; declare const copies: EntryPtr<'pte'>[]; const indices = copies as number[];`),
      code(`const known = arch as import('@pgtable/core').AnyArch as Arch<Handles>;`),
      code(`function tuple<T>(x: T): [T, number] { return [x, 0]; } tuple(ptep);`),
      code(`declare function readAs<T>(ptep: Handles['pte']): T; const n = readAs<number>(ptep);`),
      code(`declare function empty<T>(): T[]; const list = empty<Handles['pte']>();`),
    ],
    invalid: [
      { code: code(`const n = ptep as unknown as number;`), errors: [{ messageId: 'from' }] },
      { code: code(`const n = <number><unknown>ptep;`), errors: [{ messageId: 'from' }] },
      { code: code(`const n = ptep as any;`), errors: [{ messageId: 'from' }] },
      { code: code(`const n = ptep as unknown;`), errors: [{ messageId: 'from' }] },
      { code: code(`take(5 as unknown as Handles['pte']);`), errors: [{ messageId: 'to' }] },
      { code: code(`const pmdp = ptep as unknown as Handles['pmd'];`), errors: [{ messageId: 'to' }] },
      { code: code(`const live = held as unknown as Handles['pte'];`), errors: [{ messageId: 'to' }] },
      { code: code(`const pointer = 5 as EntryPtr<'pte'>;`), errors: [{ messageId: 'forged' }] },
      { code: code(`take(anything);`), errors: [{ messageId: 'any' }] },
      { code: code(`const p: Handles['pte'] = anything;`), errors: [{ messageId: 'any' }] },
      { code: code(`take(cast<Handles['pte']>(5));`), errors: [{ messageId: 'generic' }] },
      { code: code(`const n = cast<number>(ptep);`), errors: [{ messageId: 'generic' }] },
      { code: code(`const list = numbers as unknown as Handles['pte'][];`), errors: [{ messageId: 'to' }] },
      { code: code(`const n = ptep satisfies any;`), errors: [{ messageId: 'satisfies' }] },
      { code: code(`const n = 5 as unknown as Handles['pte'] as unknown as number;`), errors: [{ messageId: 'to' }] },
      { code: code(`const n = (ptep satisfies any) as unknown as number;`), errors: [{ messageId: 'from' }] },
      { code: code(`take(anything satisfies Handles['pte']);`), errors: [{ messageId: 'any' }] },
      { code: code(`const same = ptep as unknown as Handles['pte'];`), errors: [{ messageId: 'to' }] },
      { code: code(`const p: Handles['pte'] = ptep as any;`), errors: [{ messageId: 'from' }] },
      { code: code(`declare const pair: [Handles['pte'], number]; const n = pair as unknown as [number, number];`), errors: [{ messageId: 'from' }] },
      { code: code(`const call = take as unknown as (index: number) => void;`), errors: [{ messageId: 'from' }] },
      { code: code(`const fault = { ptep: 5 } as unknown as { ptep: Handles['pte'] };`), errors: [{ messageId: 'to' }] },
      { code: code(`declare const fault: { ptep: Handles['pte'] }; const n = (fault as any).ptep;`), errors: [{ messageId: 'from' }] },
      { code: code(`const launder = <T,>(x: unknown) => x as T; launder<Handles['pte']>(5);`), errors: [{ messageId: 'generic' }] },
      { code: code(`take(identity<any>(ptep));`), errors: [{ messageId: 'generic' }] },
      { code: code(`declare function load<T>(name: string): Promise<T>; load<Handles['pte']>('a');`), errors: [{ messageId: 'generic' }] },
      { code: code(`function f(start: Handles['pte'] = anything): void { take(start); }`), errors: [{ messageId: 'any' }] },
      { code: code(`let p: Handles['pte'] | undefined; p ??= anything;`), errors: [{ messageId: 'any' }] },
      { code: code(`function* all(): Generator<Handles['pte']> { yield anything; }`), errors: [{ messageId: 'any' }] },
      { code: code(`const list: Handles['pte'][] = anything;`), errors: [{ messageId: 'any' }] },
      { code: code(`function is(x: unknown): x is Handles['pte'] { return true; }`), errors: [{ messageId: 'predicate' }] },
    ],
  });
}
