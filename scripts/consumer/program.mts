// A program of somebody who installed the packages: every entry point, strict types, one translation, one dump.
import { Access, EntryKind, isPgtableError, LEVELS, PgtableError, ptepGet, TableMemory, type Arch, type ArchPlugin, type PteVal } from '@pgtable/core';
import { TableLevelOps, tableOps } from '@pgtable/core/arch';
import { PgtableError as SameError } from '@pgtable/core/errors';
import { arm64 } from '@pgtable/arch-arm64';
import { riscv } from '@pgtable/arch-riscv';
import { s390 } from '@pgtable/arch-s390';
import { x86, x86Arch, x86Root, type X86Handles } from '@pgtable/arch-x86';
import { bytesSource, elfCore, openMemory, type PhysicalMemory } from '@pgtable/memory';
import { openMemoryFiles } from '@pgtable/memory/node';
import { bootKernel, fork, mmap, readUser, VmaFlags, writeUser, type Mm, type Platform } from '@pgtable/mm';
import { TableLoader, Translator } from '@pgtable/walk';
import { ExitCode, run } from 'pgtable';

function check(holds: boolean, what: string): void {
  if (!holds) throw new Error(`consumer: ${what}`);
}

// A page table by hand: 0xffff888000003000 is at physical 0x7000, one 4 KiB page.
const tables = new TableMemory({ entryBytes: 8 });
const arch: Arch<X86Handles> = x86Arch({ mode: '4-level' }, tables);
const address = 0xffff888000003000n;
const indexOf = (shift: bigint): number => Number((address >> shift) & 511n);
const entries: readonly (readonly [level: 'pgd' | 'pud' | 'pmd' | 'pte', at: number, shift: bigint, value: bigint])[] = [
  ['pgd', 0x1000, 39n, 0x2067n],
  ['pud', 0x2000, 30n, 0x3067n],
  ['pmd', 0x3000, 21n, 0x4067n],
  ['pte', 0x4000, 12n, 0x8000000000007163n],
];
for (const [level, at, shift, value] of entries) {
  const first = tables.allocate(level, at, 512);
  tables.elements[first + indexOf(shift)] = value;
}
const root = x86Root('4-level', 0x1000);
const translation = new Translator({ arch, root }).explain(address + 0x123n);
check(translation.status === 'mapped' && translation.pa === 0x7123n, `0x${address.toString(16)} is at ${String(translation.pa)}`);
check(translation.steps.length === 4 && translation.steps[3]?.kind === EntryKind.Leaf, 'four steps');
check(((translation.steps[3]?.attributes?.access ?? 0) & Access.KernelExecute) === 0, 'NX is read');

// Handles of an architecture that has opted in are opaque, also through the published types.
const pgdp = arch.pgdOffset(root, address);
check(pgdp !== undefined, 'a handle of the root entry');
declare const ptep: X86Handles['pte'];
export function typesHold(): PteVal {
  // @ts-expect-error a handle is no number
  const index: number = ptep;
  // @ts-expect-error a handle of one level is none of another
  const pmdp: X86Handles['pmd'] = ptep;
  return ptepGet(arch, [index, pmdp].length > 0 ? ptep : ptep);
}

// A dump, in memory and by a file that is not there.
const bytes = Uint8Array.from({ length: 4096 }, (_, i) => i & 0xff);
const dump = elfCore({ machine: { elfMachine: 62, bits: 64, littleEndian: true }, segments: [{ address: 0x10000, bytes }] });
const memory: PhysicalMemory = await openMemory(bytesSource(dump));
check((await memory.read(0x10001, 2))?.join() === '1,2', 'two bytes of the dump');
check(memory.stateOf(0x20000) === 'none', 'no memory there');
const loader = new TableLoader({ arch, root }, memory);
await loader.load([{ start: 0, end: 4096 }]);
const failure: unknown = await openMemoryFiles(['there-is-no-such-file']).catch((error: unknown) => error);
check(isPgtableError(failure) && failure instanceof PgtableError && failure.code === 'ENOENT' && SameError === PgtableError, 'an error of ours');

// A kernel, a process and its child.
const platform: Platform<X86Handles> = { entryBytes: 8, make: (_half, inMemory) => x86Arch({ mode: '4-level' }, inMemory), root: (_half, table) => x86Root('4-level', table) };
const kernel = bootKernel(platform, { bytes: 1 << 20, checks: { lockdep: true, flushes: true } });
kernel.join('the program');
const parent: Mm<X86Handles> = kernel.newMm();
const at = mmap(parent, { bytes: 0x4000, prot: VmaFlags.Read | VmaFlags.Write });
writeUser(parent, at, 1);
const child = fork(parent);
writeUser(child, at, 2);
check(readUser(parent, at) === 1 && readUser(child, at) === 2, 'two processes');
parent.mmput();
child.mmput();
kernel.assertQuiet();

const plugins: readonly ArchPlugin[] = [x86, arm64, riscv, s390];
check(plugins.every(({ registers }) => registers.length > 0) && LEVELS.length === 5, 'four architectures');
check(typeof TableLevelOps === 'function' && typeof tableOps === 'function' && typeof run === 'function' && ExitCode.Unreadable === 3, 'the other entry points');
console.log('consumer: all holds');
