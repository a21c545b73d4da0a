import {
  NO_TLB, TableMemory, VmFlags, type EntryVal, type MmContext, type SharedTables, type StrongHandles, type UnlinkedTable, type WritableArch, type WritableOps,
} from '@pgtable/core';
import { arm64Arch } from '@pgtable/arch-arm64';
import { riscvArch } from '@pgtable/arch-riscv';
import { s390Arch } from '@pgtable/arch-s390';
import { x86Arch } from '@pgtable/arch-x86';

/** What the threads of a scene are given; it can be posted. */
export interface Stage {
  readonly scene: string;
  readonly tables: SharedTables;
}

/** A scene as one thread sees it. */
export interface Scene {
  /** One step of the writer. */
  write(step: number): void;
  /** One read; undefined if the value is one that the entry may have, else what was read. */
  read(step: number): bigint | undefined;
}

interface Script {
  readonly name: string;
  readonly about: string;
  /** The share of all reads. */
  readonly share: number;
  /** A scene that must go wrong: it shows that the others can. */
  readonly mustTear: boolean;
  readonly arch: (memory: TableMemory) => WritableArch<StrongHandles>;
  readonly scene: (part: Part) => Scene;
}

interface Part {
  readonly arch: WritableArch<StrongHandles>;
  readonly ops: WritableOps<StrongHandles, 'pte'>;
  readonly table: StrongHandles['pte'];
  readonly memory: TableMemory;
}

const TABLE_ADDRESS = 2 ** 20;
const mm: MmContext = { user: true, tlb: NO_TLB };
const WHY = 'the threads look at the memory alone';

/** Entries that the threads fight for. Few, so that they meet. */
const ENTRIES = 4;

/** Values of which no two halves go together: the frame has bits in both words, and all differ. */
function flipped({ arch }: Part, count: number): EntryVal<'pte'>[] {
  const { pte } = arch.values;
  return Array.from({ length: count }, (_, at) => {
    const low = 0x1_0101 * (at + 1);
    const high = ((at * 5 + 1) & 0xf) + 1;
    return pte.ofPfn(high * 2 ** 20 + (low % 2 ** 20), arch.vmProt(at % 2 === 0 ? VmFlags.Read : VmFlags.Read | VmFlags.Write | VmFlags.Exec));
  });
}

/** Whole entries are flipped between two values, and read with the getter for readers without a lock. */
function flip(part: Part): Scene {
  const [a, b] = flipped(part, 2) as [EntryVal<'pte'>, EntryVal<'pte'>];
  const { ops, table, arch } = part;
  const { empty } = arch.values.pte;
  return {
    write(step) {
      ops.set(mm, 0n, ops.advance(table, step % ENTRIES), step % (2 * ENTRIES) < ENTRIES ? a : b, 1);
    },
    read(step) {
      const value = ops.getOnce(ops.advance(table, step % ENTRIES));
      return value === a || value === b || value === empty ? undefined : value;
    },
  };
}

/**
 * The same with many values, so that the low word does not come back while an entry is read in pieces (PAE). In the kernel it cannot: who reads has interrupts off, and what is
 * present becomes something else only after a flush that waits for them. A thread can be interrupted between two pieces, and of 64 values one had come back by then.
 *
 * @see ptep_get_lockless in include/linux/pgtable.h of Linux 6.12
 */
function manyValues(part: Part): Scene {
  const list = flipped(part, 2 ** 16);
  const { ops, table, arch } = part;
  const allowed = new Set<bigint>([arch.values.pte.empty, ...list]);
  return {
    write(step) {
      ops.set(mm, 0n, table, list[step % list.length]!, 1);
    },
    read() {
      const value = ops.getOnce(table);
      return allowed.has(value) ? undefined : value;
    },
  };
}

/** What the getters must not be: an entry read as two words. */
function tornReader(part: Part): Scene {
  const inner = flip(part);
  const [a, b] = flipped(part, 2) as [EntryVal<'pte'>, EntryVal<'pte'>];
  const { words } = part.memory;
  const base = part.memory.find('pte', TABLE_ADDRESS);
  const { empty } = part.arch.values.pte;
  return {
    write: (step) => { inner.write(step); },
    read(step) {
      const at = (base + (step % ENTRIES)) * 2;
      const first = words[at]!;
      // A processor that loads both at once would not be caught in between; one that is interrupted is.
      let wait = first;
      for (let spin = 0; spin < 32; spin++) wait = Math.imul(wait, 31);
      // 1 unless the wait ends in 0, which it does for empty entries alone; as a sum, so that the load cannot begin before it is known.
      const second = words[at + ((wait | -wait) >>> 31)]!;
      const value = (BigInt(second >>> 0) << 32n) | BigInt(first >>> 0);
      return value === a || value === b || value === empty ? undefined : value;
    },
  };
}

/** Blocks of 16 are folded and unfolded, in every way that there is, and read as wholes. */
function contiguous(part: Part): Scene {
  const { ops, table, arch } = part;
  const { pte } = arch.values;
  const block = 16;
  const value = pte.ofPfn(0x12_3450, arch.vmProt(VmFlags.Read | VmFlags.Write | VmFlags.Shared));
  const allowed = Array.from({ length: block }, (_, at) => {
    const one = pte.advancePfn(value, at);
    const all = new Set<bigint>([pte.empty]);
    for (const young of [pte.mkyoung(one), pte.mkold(one)]) {
      for (const dirty of [young, pte.mkdirty(young), pte.mkclean(young)]) {
        for (const write of [dirty, pte.mkwrite(dirty), pte.wrprotect(dirty), pte.mkdirty(pte.wrprotect(dirty))]) all.add(write);
      }
    }
    return all;
  });
  const at = (index: number) => ops.advance(table, index);
  const page = 4096n;
  // Each step leaves the block in a state from which the next one is legal.
  const steps: readonly (() => void)[] = [
    () => { ops.set(mm, 0n, table, value, block); },
    () => { ops.testAndClearYoung(mm, 0n, at(3), 1).ignore(WHY); },
    () => { ops.wrprotect(mm, 5n * page, at(5), 2).ignore(WHY); },
    () => { ops.getAndClear(mm, 7n * page, at(7)).ignore(WHY); },
    () => { ops.set(mm, 7n * page, at(7), pte.advancePfn(value, 7), 1); },
    () => { ops.getAndClearFull(mm, 0n, table, block).ignore(WHY); },
    () => {
      for (let index = 0; index < block; index++) ops.set(mm, BigInt(index) * page, at(index), pte.advancePfn(value, index), 1);
    },
    () => { ops.setAccessFlags(mm, 9n * page, at(9), pte.mkdirty(pte.mkyoung(pte.advancePfn(value, 9)))).ignore(WHY); },
    () => { ops.clear(mm, 12n * page, at(12), 4).ignore(WHY); },
    () => { ops.clear(mm, 0n, table, 12).ignore(WHY); },
  ];
  return {
    write(step) {
      steps[step % steps.length]!();
    },
    read(step) {
      const index = step % block;
      const read = ops.getLockless(at(index));
      return allowed[index]!.has(read) ? undefined : read;
    },
  };
}

/** A NAPOT group is set, changed and cleared as HugeTLB does it, and read as a whole and by its entries. */
function napot(part: Part): Scene {
  const { ops, table, arch } = part;
  const { pte } = arch.values;
  const { count } = arch.hugePages.find(({ level }) => level === 'pte')!;
  // Frames of which no two halves go together, aligned to the group.
  const [a, b] = [0x1_0100 + 2 ** 21, 0x2_0200 + 7 * 2 ** 21].map((pfn) => pte.mkgroup(pte.ofPfn(pfn, arch.vmProt(VmFlags.Read | VmFlags.Write | VmFlags.Shared)), count)) as [EntryVal<'pte'>, EntryVal<'pte'>];
  const allowed = new Set<bigint>([pte.empty]);
  for (const value of [a, b]) {
    for (const write of [pte.mkwrite(value), pte.wrprotect(value)]) {
      for (const young of [pte.mkyoung(write), pte.mkold(write)]) for (const dirty of [pte.mkdirty(young), pte.mkclean(young)]) allowed.add(dirty);
    }
  }
  const steps: readonly (() => void)[] = [
    () => { ops.hugeSet(mm, 0n, table, a, count); },
    () => { ops.hugeSetAccessFlags(mm, 0n, table, pte.mkdirty(pte.mkyoung(a)), count).ignore(WHY); },
    () => { ops.hugeWrprotect(mm, 0n, table, count).ignore(WHY); },
    () => { ops.hugeGetAndClear(mm, 0n, table, count).ignore(WHY); },
    () => { ops.hugeSet(mm, 0n, table, b, count); },
    // Over what is there: the other page is taken away first.
    () => { ops.hugeSet(mm, 0n, table, a, count); },
    () => { ops.hugeSet(mm, 0n, table, b, count); },
    () => { ops.hugeGetAndClear(mm, 0n, table, count).ignore(WHY); },
  ];
  return {
    write(step) {
      steps[step % steps.length]!();
    },
    read(step) {
      const value = step % 2 === 0 ? ops.hugeGet(table, count) : ops.getOnce(ops.advance(table, (step >> 1) % count));
      return allowed.has(value) ? undefined : value;
    },
  };
}

const x86 = (memory: TableMemory) => x86Arch<StrongHandles>({ mode: '4-level' }, memory);
const riscv = (memory: TableMemory) => riscvArch<StrongHandles>({ mode: 'Sv48' }, memory);
const arm64 = (memory: TableMemory) => arm64Arch<StrongHandles>({ half: 'ttbr0', granule: 4096, vaBits: 48 }, memory);

export const SCRIPTS: readonly Script[] = [
  { name: 'x86 4-level, get-once', about: 'whole entries flip', share: 0.25, mustTear: false, arch: x86, scene: flip },
  { name: 'arm64, get-once', about: 'whole entries flip', share: 0.25, mustTear: false, arch: (memory) => arm64Arch<StrongHandles>({ half: 'ttbr1', granule: 4096, vaBits: 48 }, memory), scene: flip },
  { name: 'riscv Sv48, get-once', about: 'whole entries flip', share: 0.25, mustTear: false, arch: riscv, scene: flip },
  { name: 's390, get-once', about: 'whole entries flip', share: 0.19, mustTear: false, arch: (memory) => s390Arch<StrongHandles>({ top: 'pud' }, memory), scene: flip },
  { name: 'x86 PAE, get-once', about: 'low, high, low again', share: 0.04, mustTear: false, arch: (memory) => x86Arch<StrongHandles>({ mode: 'PAE' }, memory), scene: manyValues },
  { name: 'arm64 contpte, lockless', about: 'blocks are folded and unfolded', share: 0.04, mustTear: false, arch: arm64, scene: contiguous },
  { name: 'riscv NAPOT, as HugeTLB', about: 'groups are set, changed and cleared', share: 0.02, mustTear: false, arch: riscv, scene: napot },
  { name: 'x86 4-level, two words', about: 'a plain getter of two 32-bit loads', share: 0.04, mustTear: true, arch: x86, scene: tornReader },
];

function scriptOf(name: string): Script {
  const script = SCRIPTS.find((one) => one.name === name);
  if (script === undefined) throw new Error(`there is no scene called ${name}`);
  return script;
}

/** Sets a scene up, in the main thread. */
export function prepare(name: string): Stage {
  const memory = new TableMemory({ entries: 8192, shared: true });
  const table: UnlinkedTable<StrongHandles, 'pte'> = scriptOf(name).arch(memory).newTable('pte', TABLE_ADDRESS, mm.user);
  if (table.entries < 16) throw new Error(`${name}: the table is too small`);
  return { scene: name, tables: memory.share() };
}

/** Enters a scene, in any thread. */
export function enter(stage: Stage): Scene {
  const script = scriptOf(stage.scene);
  const memory = TableMemory.attach(stage.tables);
  const arch = script.arch(memory);
  const found = arch.rootTable({ table: TABLE_ADDRESS, top: 'pte', first: 0, end: 16, windows: [], inherited: 0 });
  if (found?.level !== 'pte') throw new Error(`${stage.scene}: the table is not in the memory that was posted`);
  return script.scene({ arch, ops: arch.ops.pte, table: found.table, memory });
}
