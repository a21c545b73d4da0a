import {
  Access, checkedContext, FlushLedger, geometryOf, levelNumber, VmFlags, type FlushRange, type Level, type Prot, type Root, type StrongHandles, type WritableArch,
} from '@pgtable/core';
import { collapseRange, mapRange, newRoot, protectRange, ptdump, RunKind, splitLeaf, Translator, unmapRange, walkRuns, type AddressSpace } from '@pgtable/walk';
import { describe, expect, it } from 'vitest';
import { ALL, ARCHITECTURE_NAMES, HALVES, memoryOf } from '../../../packages/arch-testkit/test/configurations.js';
import { ARCHITECTURES } from '../src/architectures.js';

/*
 * The address spaces of every architecture, built and changed by the same code: nothing here knows an entry's bits.
 */

const ROOT = 0x10_0000;
const RO = VmFlags.Read;
const RW = VmFlags.Read | VmFlags.Write;

interface Machine {
  readonly name: string;
  readonly user: boolean;
  make(): { readonly arch: WritableArch; readonly root: Root };
}

/** Its handles are nobody's business here. Those that have no large page have nothing to split. */
const MACHINES: readonly Machine[] = ALL.flatMap((configuration) => HALVES.map((half): Machine => ({
  name: `${configuration.name} ${half}`, user: half === 'user',
  make: () => ({ arch: configuration.make<StrongHandles>(half, memoryOf(configuration)), root: configuration.root(half, ROOT) }),
}))).filter((machine) => machine.make().arch.hugePages.length > 0);

it('is every architecture of the command', () => {
  expect(ARCHITECTURE_NAMES.toSorted()).toEqual(ARCHITECTURES.map(({ name }) => name).sort());
});

function open(machine: Machine) {
  const { arch, root } = machine.make();
  const ranges: FlushRange[] = [];
  const ledger = new FlushLedger();
  const mm = checkedContext(arch, { user: machine.user, ledger, tlb: { flush: (range) => ranges.push(range) } });
  let next = 0x20_0000;
  let allocated = 0;
  const space: AddressSpace = {
    arch, root, mm,
    alloc(level) {
      const bytes = geometryOf(arch.geometry, level).entries * arch.geometry.entryBytes;
      const size = Math.max(4096, bytes);
      next = Math.ceil(next / size) * size + size;
      allocated++;
      return next - size;
    },
  };
  newRoot(space);
  const window = root.windows.find(({ half }) => half === (machine.user ? 'user' : 'kernel')) ?? root.windows[0]!;
  const { pageBytes } = arch.geometry;
  const huge = arch.hugePages;
  const largest = huge.at(-1)!.bytes;
  const middle = Math.ceil(window.start / largest) * largest + largest;
  // Pages up to where the largest page can begin, that page, and pages after it.
  const start = middle - 3 * pageBytes;
  const bytes = 3 * pageBytes + largest + 5 * pageBytes;
  return { space, ranges, ledger, huge, largest, middle, start, bytes, pa: largest - 3 * pageBytes, pageBytes, allocated: () => allocated };
}

/** Leaves in order: where each run begins and ends, and where it points. Pieces that follow each other are one. */
function mapped(space: AddressSpace): [number, number, number][] {
  const all: [number, number, number][] = [];
  walkRuns(space, ({ kind, va, end, pa }) => {
    if (kind !== RunKind.Leaf) return undefined;
    const last = all.at(-1);
    if (last?.[1] === va && last[2] + (va - last[0]) === pa) last[1] = end;
    else all.push([va, end, pa]);
    return undefined;
  });
  return all;
}

function levelAt(space: AddressSpace, va: number): Level | undefined {
  return new Translator(space).explain(BigInt(va)).steps.at(-1)?.level;
}

describe.each(MACHINES.map((machine) => [machine.name, machine] as const))('%s', (_name, machine) => {
  // A shared page is writable as it is; a private one would first be copied.
  const prot = ({ arch }: AddressSpace, flags: number): Prot => (machine.user ? arch.vmProt(flags | VmFlags.Shared) : arch.kernelProt(flags));
  const writable = ({ arch, ...space }: AddressSpace, va: number): boolean => {
    const { level, entry } = new Translator({ arch, ...space }).explain(BigInt(va)).steps.at(-1)!;
    return arch.values[level].write(entry as never);
  };

  it.each(['pages of every size', 'the smallest pages'])('maps with %s, and finds what it mapped', (sizes) => {
    const { space, start, pa, largest, middle, pageBytes, ranges, huge, bytes: all } = open(machine);
    const every = sizes === 'pages of every size';
    const bytes = every ? all : 3 * pageBytes + 40 * pageBytes;
    mapRange(space, BigInt(start), pa, bytes, prot(space, RW), every ? { largestPage: Infinity } : {});
    expect(mapped(space)).toEqual([[start, start + bytes, pa]]);
    const translator = new Translator(space);
    translator.lookup(middle);
    expect([translator.status, translator.pageBytes]).toEqual(['mapped', every ? largest / huge.at(-1)!.count : translator.pageBytes]);
    expect(translator.pageBytes % pageBytes).toBe(0);
    if (!every) expect(translator.pageBytes).toBeLessThan(largest);
    const { attributes, kind } = new Translator(space).explain(BigInt(middle)).steps.at(-1)!;
    expect([kind, (attributes!.access & (machine.user ? Access.UserRead : Access.KernelRead)) !== 0]).toEqual([RunKind.Leaf, true]);
    const lines: string[] = [];
    ptdump(space, (line) => lines.push(line), { ranges: space.root.windows });
    expect(lines.length).toBeGreaterThan(0);
    // Nothing was mapped before. But riscv may remember that, and PAE its four top entries.
    if (!/riscv|PAE/.test(machine.name)) expect(ranges).toEqual([]);
  });

  it('maps every size of page by itself, and unmaps it with its tables', () => {
    for (const page of open(machine).huge) {
      const { space, middle, ledger, allocated, largest } = open(machine);
      mapRange(space, BigInt(middle), largest, page.bytes, prot(space, RO), { largestPage: page.bytes });
      expect(mapped(space)).toEqual([[middle, middle + page.bytes, largest]]);
      expect(levelAt(space, middle)).toBe(page.level);
      const window = space.root.windows.find(({ start, end }) => middle >= start && middle < end)!;
      const tables = unmapRange(space, BigInt(window.start), window.end - window.start, { tables: true }).flush();
      expect(tables).toHaveLength(allocated());
      for (const table of tables) space.arch.freeTable(table);
      expect(mapped(space)).toEqual([]);
      expect(space.arch.tables?.tables).toBe(1);
      ledger.close();
    }
  });

  it('protects, splits and collapses, by the rules of its own', () => {
    const { space, start, bytes, pa, middle, ledger, ranges, huge } = open(machine);
    mapRange(space, BigInt(start), pa, bytes, prot(space, RO), { largestPage: Infinity, groups: false });
    const level = levelAt(space, middle)!;
    expect(level).toBe(huge.findLast(({ count }) => count === 1)!.level);
    const where = mapped(space);
    expect(writable(space, middle)).toBe(false);
    expect(protectRange(space, BigInt(start), bytes, prot(space, RW)).flush()).toBeGreaterThan(8);
    expect([writable(space, start), writable(space, middle), writable(space, start + bytes - space.arch.geometry.pageBytes)]).toEqual([true, true, true]);
    expect(mapped(space)).toEqual(where);
    expect(ranges.length).toBeGreaterThan(0);
    // All the way down to the smallest pages, and up again.
    const split: Level[] = [];
    for (let at = levelAt(space, middle)!; at !== 'pte'; at = levelAt(space, middle)!) {
      split.push(at);
      splitLeaf(space, BigInt(middle), prot(space, RW));
      expect(mapped(space)).toEqual(where);
      expect(levelNumber(levelAt(space, middle)!)).toBeLessThan(levelNumber(at));
    }
    expect(split[0]).toBe(level);
    for (const at of split.reverse()) {
      space.arch.freeTable(collapseRange(space, BigInt(middle), at, prot(space, RO)));
      expect(levelAt(space, middle)).toBe(at);
      expect(mapped(space)).toEqual(where);
    }
    unmapRange(space, BigInt(start), bytes).flush();
    expect(mapped(space)).toEqual([]);
    ledger.close();
    expect(split.length).toBeGreaterThan(0);
  });

  it('changes groups whole, and parts those that it joins itself', () => {
    for (const page of open(machine).huge) {
      if (page.count === 1) continue;
      const { space, middle, ledger, largest } = open(machine);
      mapRange(space, BigInt(middle), largest, page.bytes, prot(space, RO), { largestPage: page.bytes });
      const half = page.bytes / 2;
      const unmapHalf = () => unmapRange(space, BigInt(middle), half).flush();
      expect(protectRange(space, BigInt(middle), page.bytes, prot(space, RW)).flush()).toBe(page.count);
      expect([writable(space, middle), writable(space, middle + half)]).toEqual([true, true]);
      if (machine.name.startsWith('arm64') && machine.user && page.level === 'pte') {
        unmapHalf();
        expect(mapped(space)).toEqual([[middle + half, middle + page.bytes, largest + half]]);
      } else {
        expect(unmapHalf).toThrow('so the range cannot begin or end there');
        expect(mapped(space)).toEqual([[middle, middle + page.bytes, largest]]);
        unmapRange(space, BigInt(middle), page.bytes).flush();
        expect(mapped(space)).toEqual([]);
      }
      ledger.close();
    }
  });
});
