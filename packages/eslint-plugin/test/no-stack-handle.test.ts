import { noStackHandle } from '../src/rules/no-stack-handle.js';
import { ALIAS, STRONG, typedTester } from './rule-tester.js';

const REACH = `import { EntryBuffer, ptepGet, type Arch, type EntryPtr, type HandleFamily } from '@pgtable/core';
declare const arch: Arch<Handles>;
declare const ptep: Handles['pte'];
declare const pmdp: Handles['pmd'];
declare const choose: boolean;
type HwPtep = Handles['pte'];
interface Fault { ptep: HwPtep; orig: EntryPtr<'pte'> }
declare const fault: Fault;
declare function live(ptep: HwPtep): void;
declare function aside(pte: EntryPtr<'pte'>): void;
function identity<T>(x: T): T { return x; }
const buffer = new EntryBuffer('pte', 8);
`;

const code = (text: string): string => ALIAS + REACH + text;

typedTester().run('no-stack-handle, alias', noStackHandle, {
  valid: [
    code(`live(ptep); live(fault.ptep); aside(fault.orig); aside(buffer.at(0));`),
    code(`buffer.get(buffer.at(0)); ptepGet(arch, ptep);`),
    code(`identity(ptep); identity(buffer.at(0));`),
    code(`const list: HwPtep[] = [ptep]; list.push(ptep); const held = [buffer.at(0)]; held.push(buffer.at(1));`),
    code(`fault.ptep = ptep; fault.orig = buffer.at(1);`),
    code(`const next = arch.ops.pte.advance(ptep, 1); live(next);`),
    code(`const child = arch.ops.pmd.offset(pmdp, 0n); if (child !== undefined) live(child);`),
    code(`if (ptep === fault.ptep) live(ptep);`),
    code(`let a = ptep; let b = fault.ptep; [a, b] = [b, a]; live(a);`),
    code(`const pairs: [HwPtep, EntryPtr<'pte'>][] = [[ptep, buffer.at(0)]]; for (const [entry, copy] of pairs) { live(entry); aside(copy); }`),
    code(`const saved = new Map<HwPtep, EntryPtr<'pte'>>(); saved.set(ptep, buffer.at(0)); aside(saved.get(ptep)!);`),
    code(`class Box<T> { constructor(readonly content: T) {} } live(new Box(ptep).content); aside(new Box(buffer.at(0)).content);`),
    code(`async function later() { return { ptep, copy: buffer.at(0) }; } async function run() { const { ptep: entry, copy } = await later(); live(entry); aside(copy); }`),
    code(`[ptep].forEach(live); [buffer.at(0)].forEach(aside);`),
  ],
  invalid: [
    { code: code(`live(buffer.at(0));`), errors: [{ messageId: 'asideAsLive' }] },
    { code: code(`const pointer = buffer.at(0); live(pointer);`), errors: [{ messageId: 'asideAsLive' }] },
    { code: code(`live(fault.orig);`), errors: [{ messageId: 'asideAsLive' }] },
    { code: code(`const { orig } = fault; ptepGet(arch, orig);`), errors: [{ messageId: 'asideAsLive' }] },
    { code: code(`live(identity(buffer.at(0)));`), errors: [{ messageId: 'asideAsLive' }] },
    { code: code(`fault.ptep = buffer.at(2);`), errors: [{ messageId: 'asideAsLive' }] },
    { code: code(`const p: HwPtep = buffer.at(2);`), errors: [{ messageId: 'asideAsLive' }] },
    { code: code(`const f: Fault = { ptep: buffer.at(0), orig: buffer.at(1) };`), errors: [{ messageId: 'asideAsLive' }] },
    { code: code(`function first(): HwPtep { return buffer.at(0); }`), errors: [{ messageId: 'asideAsLive' }] },
    { code: code(`const first = (): HwPtep => buffer.at(0);`), errors: [{ messageId: 'asideAsLive' }] },
    { code: code(`live(choose ? ptep : buffer.at(0));`), errors: [{ messageId: 'asideAsLive' }] },
    { code: code(`const either = choose ? ptep : buffer.at(0); live(either);`), errors: [{ messageId: 'maybeAsideAsLive' }] },
    { code: code(`let p = buffer.at(0); p = ptep; live(p);`), errors: [{ messageId: 'liveAsAside' }, { messageId: 'maybeAsideAsLive' }] },
    { code: code(`const list: HwPtep[] = []; list.push(buffer.at(0));`), errors: [{ messageId: 'asideAsLive' }] },
    { code: code(`aside(ptep);`), errors: [{ messageId: 'liveAsAside' }] },
    { code: code(`buffer.set(ptep, ptepGet(arch, ptep));`), errors: [{ messageId: 'liveAsAside' }] },
    { code: code(`if (ptep === buffer.at(0)) live(ptep);`), errors: [{ messageId: 'compared' }] },
    { code: code(`arch.ops.pte.get(buffer.at(0));`), errors: [{ messageId: 'asideAsLive' }] },
    { code: code(`class Walk { ptep: HwPtep = buffer.at(0); }`), errors: [{ messageId: 'asideAsLive' }] },
    { code: code(`const stash = () => buffer.at(0); live(stash());`), errors: [{ messageId: 'asideAsLive' }] },
    { code: code(`const [, second] = [ptep, buffer.at(0)]; live(second);`), errors: [{ messageId: 'asideAsLive' }] },
    { code: code(`let p = ptep; [p] = [buffer.at(0)];`), errors: [{ messageId: 'asideAsLive' }] },
    { code: code(`const list = [0, 1].map((at) => buffer.at(at)); live(list[0]!);`), errors: [{ messageId: 'asideAsLive' }] },
    { code: code(`const copies = [buffer.at(0)]; copies.forEach(live);`), errors: [{ messageId: 'asideAsLive' }] },
    { code: code(`const saved = new Map<HwPtep, EntryPtr<'pte'>>(); saved.set(buffer.at(0), ptep);`), errors: [{ messageId: 'asideAsLive' }, { messageId: 'liveAsAside' }] },
    { code: code(`const dirty = new Set<HwPtep>(); dirty.has(buffer.at(0));`), errors: [{ messageId: 'asideAsLive' }] },
    { code: code(`class Box<T> { constructor(readonly content: T) {} } new Box<HwPtep>(buffer.at(0)); live(new Box(buffer.at(1)).content);`), errors: [{ messageId: 'asideAsLive' }, { messageId: 'asideAsLive' }] },
    { code: code(`const all: Record<string, HwPtep> = { first: buffer.at(0) };`), errors: [{ messageId: 'asideAsLive' }] },
    { code: code(`const some: Partial<Fault> = { ptep: buffer.at(0) };`), errors: [{ messageId: 'asideAsLive' }] },
    { code: code(`const at: { readonly in: Fault } = { in: { ptep: buffer.at(0), orig: buffer.at(1) } };`), errors: [{ messageId: 'asideAsLive' }] },
    { code: code(`declare function all(...pteps: HwPtep[]): void; all(...[buffer.at(0)]);`), errors: [{ messageId: 'asideAsLive' }] },
    { code: code(`async function later() { return buffer.at(0); } async function run() { live(await later()); }`), errors: [{ messageId: 'asideAsLive' }] },
    { code: code(`function* all() { yield buffer.at(0); } for (const one of all()) live(one);`), errors: [{ messageId: 'asideAsLive' }] },
    { code: code(`switch (buffer.at(0)) { case ptep: break; default: }`), errors: [{ messageId: 'compared' }] },
    { code: code(`const pair = [buffer.at(0), buffer.at(1)]; for (const one of pair) live(one);`), errors: [{ messageId: 'asideAsLive' }] },
  ],
});

typedTester().run('no-stack-handle, strong', noStackHandle, {
  valid: [STRONG + REACH + `live(ptep); buffer.get(buffer.at(0));`],
  // What does not compile is said again, where somebody turned the compiler off.
  invalid: [{ code: STRONG + REACH + `// @ts-expect-error: another type\nlive(buffer.at(0));`, errors: [{ messageId: 'asideAsLive' }] }],
});
