import { EntryKind, entryVal, type EntryVal } from '@pgtable/core';
import { describe, expect, it } from 'vitest';
import {
  folioWalkEnd, folioWalkStart, mapRange, PageWalkLock, stop, Translator, WalkAction, walkKernelPageTableRange, walkPageMapping, walkPageRange, walkPageRangeVma, walkPageVma, type AddressSpace, type MmWalkOps,
  type PageWalk, type WalkMapping, type WalkVma,
} from '../src/index.js';
import { cellArch, type CellHandles } from './map-arch.js';
import { make, memory, PAGE, thrownBy } from './map-space.js';
import { classifyEntry, EMPTY, FIVE, PROT, THREE, VALID, type WritableToyHandles } from './map-toy.js';
import { hugePageOf, LittleMm } from './page-walk-mm.js';

/*
 * What a walk calls, in which order, and what its callbacks can do: over the little mm, with 16 entries to a page table, 8 to a pmd table and 16 to the pgd.
 */

type H = WritableToyHandles;
const LEAF = 16 * PAGE;
const Read = PageWalkLock.Read;

/** Four pages at 2 * PAGE, a huge page at 2 * LEAF, and another four pages at 4 * LEAF. All locks are held. */
function fresh(): { mm: LittleMm<H>; space: AddressSpace<H> } {
  const { space } = memory(THREE);
  mapRange(space, BigInt(2 * PAGE), 0x40_0000, 4 * PAGE, PROT.readWrite);
  mapRange(space, BigInt(2 * LEAF), 0x80_0000, LEAF, PROT.readWrite, { largestPage: Infinity });
  mapRange(space, BigInt(4 * LEAF), 0xc0_0000, 4 * PAGE, PROT.readWrite);
  const mm = new LittleMm(space);
  for (const lock of ['mmap read', 'mmap write', 'init write']) mm.held.add(lock);
  return { mm, space };
}

/** Operations that write down what they are called with, in units of pages. */
function recording(log: string[], more: Partial<MmWalkOps<H, string, string[]>> = {}): MmWalkOps<H, string, string[]> {
  const entry = (name: string) => (_entry: unknown, address: number, next: number): void => { log.push(`${name} ${address / PAGE}-${next / PAGE}`); };
  return {
    walkLock: Read,
    pgdEntry: entry('pgd'), p4dEntry: entry('p4d'), pudEntry: entry('pud'), pmdEntry: entry('pmd'),
    pteRange: (_ptep, address, count) => { log.push(`ptes ${address / PAGE}+${count}`); },
    pteHole: (address, next, depth) => { log.push(`hole ${address / PAGE}-${next / PAGE} at ${depth}`); },
    preVma: (start, end) => { log.push(`pre ${start / PAGE}-${end / PAGE}`); },
    postVma: (walk) => { log.push(`post ${(walk.vma?.start ?? NaN) / PAGE}`); },
    ...more,
  };
}

describe('walkPageRange', () => {
  it('calls VMAs in order, what is between them holes, and every name of an entry', () => {
    const { mm } = fresh();
    mm.add(PAGE, 3 * PAGE);
    mm.add(3 * PAGE, 40 * PAGE);
    const log: string[] = [];
    expect(walkPageRange(mm, 0, 50 * PAGE, recording(log), log)).toEqual({ kind: 'completed' });
    const names = (range: string) => ['pgd', 'p4d', 'pud'].map((name) => `${name} ${range}`);
    expect(log).toEqual([
      'hole 0-1 at -1',
      'pre 1-3', ...names('1-3'), 'pmd 1-3', 'ptes 1+2', 'post 1',
      'pre 3-40', ...names('3-40'), 'pmd 3-16', 'ptes 3+13', 'hole 16-32 at 3', 'pmd 32-40', 'ptes 32+8', 'post 3',
      'hole 40-50 at -1',
    ]);
    // The huge page was split for who wants its entries.
    expect(mm.log.filter((one) => one.startsWith('split'))).toEqual([`split pmd ${2 * LEAF}`]);
    expect(mm.tableLocks).toBe(0);
  });

  it('says which VMA is walked, and that none is between them', () => {
    const { mm } = fresh();
    mm.add(PAGE, 2 * PAGE);
    mm.add(4 * PAGE, 5 * PAGE);
    const seen: unknown[] = [];
    walkPageRange(mm, 0, 8 * PAGE, { walkLock: Read, pteRange: (_ptep, _address, _count, { vma }) => { seen.push(vma); }, pteHole: (_address, _next, _depth, { vma }) => { seen.push(vma); } });
    expect(seen).toEqual([undefined, mm.vmas[0], undefined, mm.vmas[1], undefined]);
  });

  it('leaves huge pages whole for who does not want their entries, or says so', () => {
    const whole: string[] = [];
    for (const more of [{}, { pteEntry: () => undefined, pmdEntry: (_pmdp: unknown, _address: number, _next: number, walk: PageWalk<H, string[]>) => { walk.action = WalkAction.Continue; } }]) {
      const { mm } = fresh();
      mm.add(2 * LEAF, 3 * LEAF);
      expect(walkPageVma(mm.vmas[0]!, { walkLock: Read, pteHole: () => undefined, ...more } satisfies MmWalkOps<H, string, string[]>, whole)).toEqual({ kind: 'completed' });
      expect(mm.log).toEqual([]);
    }
  });

  it('asks testWalk about each VMA, and calls what has no struct page a hole', () => {
    const { mm } = fresh();
    mm.add(0, 16 * PAGE);
    mm.add(32 * PAGE, 48 * PAGE, { pfnmap: true });
    mm.add(64 * PAGE, 80 * PAGE);
    const log: string[] = [];
    const entries = (more: Partial<MmWalkOps<H>>): string[] => {
      log.length = 0;
      walkPageRange(mm, 0, 80 * PAGE, { walkLock: Read, pteRange: (_ptep, address) => { log.push(`${address / PAGE}`); }, pteHole: (address, next, depth) => { log.push(`${address / PAGE}-${next / PAGE}:${depth}`); }, ...more });
      return [...log];
    };
    expect(entries({})).toEqual(['0', '16-32:-1', '32-48:-1', '48-64:-1', '64']);
    expect(entries({ testWalk: (start) => start !== 0 })).toEqual(['16-32:-1', '32', '48-64:-1', '64']);
  });

  it('gives the callbacks what they share', () => {
    const { mm } = fresh();
    mm.add(0, 16 * PAGE);
    const data = { present: 0 };
    const ops: MmWalkOps<H, never, { present: number }> = { walkLock: Read, pteEntry: (ptep, _address, _next, walk) => { walk.data.present += Number(walk.read('pte', ptep) & VALID); } };
    walkPageRange(mm, 0, 16 * PAGE, ops, data);
    expect(data).toEqual({ present: 4 });
  });
});

describe('a callback that stops', () => {
  const { mm } = fresh();
  mm.add(PAGE, 16 * PAGE);
  mm.add(32 * PAGE, 48 * PAGE, { hugetlb: hugePageOf(mm, 'pmd') });
  const here = (name: string) => (_entry: unknown, address: number) => stop(`${name} ${address / PAGE}`);
  const CASES: readonly (readonly [string, number, Partial<MmWalkOps<H, string>>])[] = [
    ['pgd', 1, { pgdEntry: here('pgd') }], ['p4d', 1, { p4dEntry: here('p4d') }], ['pud', 1, { pudEntry: here('pud') }], ['pmd', 1, { pmdEntry: here('pmd') }],
    ['pte', 1, { pteEntry: here('pte') }], ['range', 1, { pteRange: here('range') }],
    ['hole', 0, { pteHole: (address) => stop(`hole ${address / PAGE}`) }],
    ['hugetlb', 32, { hugetlbEntry: (_at, _count, address) => stop(`hugetlb ${address / PAGE}`) }],
    ['test', 1, { testWalk: (start) => stop(`test ${start / PAGE}`) }], ['pre', 1, { preVma: (start) => stop(`pre ${start / PAGE}`) }],
  ];
  it.each(CASES)('in %s ends the walk with its value', (name, page, callbacks) => {
    const after: string[] = [];
    const log = { postVma: () => { after.push('post'); } };
    const result = walkPageRange(mm, 0, 64 * PAGE, { walkLock: Read, ...log, ...callbacks });
    expect(result).toEqual({ kind: 'stopped', value: `${name} ${page}`, address: page * PAGE });
    // What was begun is finished, and nothing else is begun.
    expect(after).toEqual(name === 'hole' || name === 'test' || name === 'pre' ? [] : name === 'hugetlb' ? ['post', 'post'] : ['post']);
    expect(mm.tableLocks).toBe(0);
  });

  it('in the middle of a page table ends it there, whatever the value is', () => {
    for (const value of [undefined, 0, false, null]) {
      const seen: number[] = [];
      const result = walkPageVma(mm.vmas[0]!, { walkLock: Read, pteEntry: (_ptep, address) => { seen.push(address / PAGE); return address === 3 * PAGE ? stop(value) : undefined; } });
      expect([result, seen]).toEqual([{ kind: 'stopped', value, address: 3 * PAGE }, [1, 2, 3]]);
    }
  });

  it('as the kernel\'s do, with a number, is an error that says how', () => {
    // As plain JavaScript would write it.
    const ops = { walkLock: Read, pteEntry: (() => 1) as unknown as () => undefined };
    expect(thrownBy(() => walkPageVma(mm.vmas[0]!, ops)).hint).toContain('stop(value)');
    expect(mm.tableLocks).toBe(0);
  });
});

describe('actions', () => {
  it('leave out what is below at each level', () => {
    for (const name of ['pgdEntry', 'p4dEntry', 'pudEntry', 'pmdEntry'] as const) {
      const { mm } = fresh();
      const vma = mm.add(0, 16 * PAGE);
      const log: string[] = [];
      const skip = (_entry: unknown, _address: number, _next: number, walk: PageWalk<H, string[]>) => { walk.action = WalkAction.Continue; };
      walkPageVma(vma, recording(log, { [name]: skip }), log);
      const order = ['pgd', 'p4d', 'pud', 'pmd'];
      expect(log.slice(1, -1)).toEqual(order.slice(0, order.indexOf(name.slice(0, 3))).map((one) => `${one} 0-16`));
    }
  });

  it('have the same entry called again, and only that one', () => {
    for (const name of ['pgdEntry', 'p4dEntry', 'pudEntry', 'pmdEntry', 'pteRange'] as const) {
      const { mm } = fresh();
      const vma = mm.add(0, 16 * PAGE);
      const log: string[] = [];
      let left = 2;
      const again = (_entry: unknown, _address: number, _next: number, walk: PageWalk<H, string[]>) => {
        log.push('again');
        expect(walk.action).toBe(WalkAction.Subtree);
        if (left-- > 0) walk.action = WalkAction.Again;
      };
      walkPageVma(vma, recording(log, { [name]: again }), log);
      const order = ['pgd 0-16', 'p4d 0-16', 'pud 0-16', 'pmd 0-16', 'ptes 0+16'].flatMap((one) => (one.startsWith(name === 'pteRange' ? 'ptes' : name.slice(0, 3)) ? ['again', 'again', 'again'] : [one]));
      expect(log.slice(1, -1)).toEqual(order);
    }
    const { mm } = fresh();
    const seen: number[] = [];
    walkPageVma(mm.add(0, 3 * PAGE), {
      walkLock: Read,
      pteEntry: (_ptep, address, _next, walk) => {
        seen.push(address / PAGE);
        if (seen.length === 2) walk.action = WalkAction.Again;
      },
    });
    expect(seen).toEqual([0, 1, 1, 2]);
  });

  it('call a hole what a callback emptied before it asked again', () => {
    const { mm, space } = fresh();
    const vma = mm.add(2 * LEAF, 3 * LEAF);
    const log: string[] = [];
    walkPageVma(vma, recording(log, {
      pmdEntry: (pmdp, address, _next, walk) => {
        log.push('pmd');
        space.arch.ops.pmd.clear(space.mm, BigInt(address), pmdp, 1).ignore('no hardware runs on it');
        walk.action = WalkAction.Again;
      },
    }), log);
    expect(log.slice(-3)).toEqual(['pmd', 'hole 32-48 at 3', 'post 32']);
  });
});

describe('an entry that its callback empties', () => {
  it('is a hole after the callback, though nobody asked again', () => {
    const { mm, space } = fresh();
    const vma = mm.add(2 * LEAF, 3 * LEAF);
    const log: string[] = [];
    walkPageVma(vma, recording(log, {
      pmdEntry: (pmdp, address) => {
        log.push('pmd');
        space.arch.ops.pmd.clear(space.mm, BigInt(address), pmdp, 1).ignore('no hardware runs on it');
      },
    }), log);
    expect(log.slice(-3)).toEqual(['pmd', 'hole 32-48 at 3', 'post 32']);
  });
});

describe('a page table that cannot be mapped', () => {
  it('has its pmd entry looked at again, as the kernel does', () => {
    const { mm } = fresh();
    const vma = mm.add(0, 16 * PAGE);
    mm.failures = 2;
    const log: string[] = [];
    walkPageVma(vma, recording(log), log);
    expect(log.slice(-5, -1)).toEqual(['pmd 0-16', 'pmd 0-16', 'pmd 0-16', 'ptes 0+16']);
  });

  it('is a hole if it was taken out meanwhile', () => {
    const { mm, space } = fresh();
    const vma = mm.add(0, 16 * PAGE);
    mm.failures = 1;
    mm.onFailure = () => {
      const pmdp = space.arch.ops.pud.offset(space.arch.ops.p4d.offset(space.arch.ops.pgd.offset(space.arch.pgdOffset(space.root, 0n)!, 0n)!, 0n)!, 0n)!;
      space.arch.ops.pmd.unlink(space.mm, 0n, pmdp).ignore('no hardware runs on it');
    };
    const holes: string[] = [];
    walkPageVma(vma, { walkLock: Read, pteEntry: () => undefined, pteHole: (address, next, depth) => { holes.push(`${address / PAGE}-${next / PAGE} at ${depth}`); } });
    expect(holes).toEqual(['0-16 at 3']);
  });

  it('for ever ends the walk', () => {
    const { mm } = fresh();
    mm.failures = Infinity;
    expect(thrownBy(() => walkPageVma(mm.add(0, 16 * PAGE), { walkLock: Read, pteEntry: () => undefined })).code).toBe('ELOOP');
  });
});

describe('an entry that another thread changes while it is looked at', () => {
  it('is looked at again until it is still, and is what it is then', () => {
    const { mm, space } = fresh();
    const vma = mm.add(2 * LEAF, 3 * LEAF);
    const { pmd } = space.arch.ops;
    const once = pmd.getOnce.bind(pmd);
    let reads = 0;
    pmd.getOnce = (entry) => {
      // A huge page when it was read first and when it was scanned, and gone before it was read again.
      if (++reads === 2) pmd.clear(space.mm, BigInt(vma.start), entry, 1).ignore('no hardware runs on it');
      return once(entry);
    };
    const log: string[] = [];
    walkPageVma(vma, recording(log), log);
    expect([log.slice(-3), reads]).toEqual([['pud 32-48', 'hole 32-48 at 3', 'post 32'], 3]);
  });

  it('is looked at again where its table has gone, also without VMAs', () => {
    const { space } = fresh();
    const mm = new LittleMm(space, 'init');
    mm.held.add('mmap read');
    const { pmd } = space.arch.ops;
    const child = pmd.child.bind(pmd);
    pmd.child = (entry) => {
      pmd.clear(space.mm, 0n, entry, 1).ignore('no hardware runs on it');
      return child(entry);
    };
    const log: string[] = [];
    walkKernelPageTableRange(mm, 0, 16 * PAGE, recording(log), log);
    expect(log.slice(-2)).toEqual(['pmd 0-16', 'hole 0-16 at 3']);
  });
});

describe('HugeTLB memory', () => {
  it('is walked page by page, by the first entry of each', () => {
    const { mm } = fresh();
    mm.add(2 * LEAF + 4 * PAGE, 5 * LEAF, { hugetlb: hugePageOf(mm, 'pmd') });
    mm.add(16 * LEAF, 17 * LEAF, { hugetlb: hugePageOf(mm, 'pmd') });
    const log: string[] = [];
    const ops: MmWalkOps<H> = {
      walkLock: Read,
      pmdEntry: () => { log.push('never'); },
      pteHole: (address, next, depth) => { log.push(`hole ${address / PAGE}-${next / PAGE} at ${depth}`); },
      hugetlbEntry: (at, count, address, next, walk) => {
        if (at.level !== 'pmd') throw new Error('its level is pmd');
        log.push(`${at.level}*${count} ${address / PAGE}-${next / PAGE} ${classifyEntry('pmd', walk.read('pmd', at.entry)) === EntryKind.Leaf ? 'leaf' : 'other'}`);
      },
    };
    walkPageRange(mm, 36 * PAGE, 17 * LEAF, ops);
    expect(log).toEqual(['pmd*1 36-48 leaf', 'pmd*1 48-64 other', 'pmd*1 64-80 other', 'hole 80-256 at -1', 'hole 256-272 at -1']);
    expect(mm.log).toEqual([`lock hugetlb ${2 * LEAF + 4 * PAGE}`, `unlock hugetlb ${2 * LEAF + 4 * PAGE}`, `lock hugetlb ${16 * LEAF}`, `unlock hugetlb ${16 * LEAF}`]);
  });

  it('is read without the lock of a page table, also after one was held', () => {
    const { mm, space } = fresh();
    mm.add(0, 16 * PAGE);
    mm.add(4 * LEAF, 4 * LEAF + 4 * PAGE, { hugetlb: hugePageOf(mm, 'pte', 4) });
    const how: string[] = [];
    const { pte } = space.arch.ops;
    const lockless = pte.getLockless.bind(pte);
    pte.getLockless = (entry) => {
      how.push('lockless');
      return lockless(entry);
    };
    walkPageRange(mm, 0, 5 * LEAF, {
      walkLock: Read,
      pteRange: (ptep, _address, _count, walk) => { how.push(`table ${walk.read('pte', ptep)}`); },
      hugetlbEntry: (at, _count, _address, _next, walk) => { if (at.level === 'pte') walk.read('pte', at.entry); },
    });
    expect(how).toEqual([`table ${EMPTY}`, 'lockless']);
  });

  it('is walked in groups of entries too', () => {
    const { mm } = fresh();
    const vma = mm.add(0, 8 * PAGE, { hugetlb: hugePageOf(mm, 'pte', 4) });
    const seen: (readonly [string, number, number])[] = [];
    walkPageVma(vma, { walkLock: Read, hugetlbEntry: ({ level }, count, address) => { seen.push([level, count, address / PAGE]); } });
    expect(seen).toEqual([['pte', 4, 0], ['pte', 4, 4]]);
  });
});

describe('installPte', () => {
  it('fills what is empty, makes the tables for it, and leaves what is there to pteEntry', () => {
    const { mm, space } = fresh();
    mm.add(0, 20 * PAGE);
    mm.add(32 * LEAF, 32 * LEAF + 2 * PAGE);
    const there: number[] = [];
    const made: bigint[] = [];
    const { pmd } = space.arch.ops;
    const populate = pmd.populate.bind(pmd);
    pmd.populate = (context, address, pmdp, table) => {
      made.push(address);
      populate(context, address, pmdp, table);
    };
    const ops: MmWalkOps<H> = {
      walkLock: Read,
      installPte: (address) => (address === 7 * PAGE ? undefined : entryVal('pte', PROT.readOnly | BigInt(0x100_0000 + address))),
      pteEntry: (_ptep, address) => { there.push(address / PAGE); },
    };
    expect(walkPageRange(mm, 0, 20 * PAGE, ops)).toEqual({ kind: 'completed' });
    expect(there).toEqual([2, 3, 4, 5]);
    // By the address where the table begins.
    expect(made).toEqual([BigInt(LEAF)]);
    const at = (page: number) => new Translator(space).explain(BigInt(page * PAGE)).pa;
    expect([at(0), at(2), at(7), at(19), at(20)]).toEqual([0x100_0000n, 0x40_0000n, undefined, BigInt(0x100_0000 + 19 * PAGE), undefined]);
    expect(mm.tableLocks).toBe(0);
    // Where nothing of the pgd's entry was there.
    const far = mm.vmas[1]!;
    walkPageVma(far, { walkLock: Read, installPte: (address) => (address === far.start ? entryVal('pte', PROT.readOnly | 0x5000n) : stop('enough')) });
    expect(at(far.start / PAGE)).toBe(0x5000n);
  });

  it('leaves huge pages whole, unless somebody looks at their entries', () => {
    const { mm, space } = fresh();
    const vma = mm.add(0, 5 * LEAF);
    const installPte = (): undefined => undefined;
    walkPageVma(vma, { walkLock: Read, installPte });
    expect([mm.log.filter((one) => one.startsWith('split')), new Translator(space).explain(BigInt(2 * LEAF)).pageBytes]).toEqual([[], LEAF]);
    let seen = 0;
    walkPageVma(vma, { walkLock: Read, installPte, pteEntry: () => { seen++; } });
    expect([mm.log.filter((one) => one.startsWith('split')), seen]).toEqual([[`split pmd ${2 * LEAF}`], 8 + LEAF / PAGE]);
  });

  it('is refused in HugeTLB memory, without VMAs, beside pteRange, and where nothing can be installed', () => {
    const { mm, space } = fresh();
    const installPte = (): EntryVal<'pte'> => entryVal('pte', VALID);
    const ops: MmWalkOps<H> = { walkLock: Read, installPte };
    const huge = mm.add(0, LEAF, { hugetlb: hugePageOf(mm, 'pmd') });
    const refused = (work: () => unknown) => { expect(thrownBy(work).code).toBe('EINVAL'); };
    refused(() => walkPageVma(huge, ops));
    refused(() => walkPageRange(mm, LEAF, 2 * LEAF, { ...ops, pteRange: () => undefined }));
    const readOnly: WalkVma<H> = { mm: { ...space, kind: 'user' }, start: 0, end: LEAF };
    refused(() => walkPageVma(readOnly, ops));
    expect(new Translator(space).explain(0n).pa).toBeUndefined();
  });
});

describe('walkPageMapping', () => {
  it('walks what each VMA maps of the range of the file, and goes on after one that is skipped', () => {
    const { mm } = fresh();
    const other = fresh().mm;
    const vmas = [mm.add(0, 16 * PAGE, { pgoff: 100 }), mm.add(4 * LEAF, 5 * LEAF, { pgoff: 90 }), other.add(0, 8 * PAGE, { pgoff: 103 }), other.add(4 * LEAF, 4 * LEAF + PAGE, { pgoff: 200 })];
    const mapping: WalkMapping<H> = { assertLocked: () => undefined, vmas: () => vmas };
    const seen: unknown[] = [];
    const ops: MmWalkOps<H> = { walkLock: Read, pteRange: (_ptep, address, count, walk) => { seen.push([walk.mm === mm, address / PAGE, count]); } };
    expect(walkPageMapping(mapping, 102, 4, ops)).toEqual({ kind: 'completed' });
    expect(seen).toEqual([[true, 2, 4], [true, 76, 4], [false, 0, 3]]);
    seen.length = 0;
    walkPageMapping(mapping, 102, 4, { ...ops, testWalk: (start) => start !== 0 });
    expect(seen).toEqual([[true, 76, 4]]);
    expect(thrownBy(() => walkPageMapping(mapping, 1, 0, ops)).code).toBe('EINVAL');
  });
});

describe('folioWalkStart', () => {
  it('finds the entry, and holds the lock of its table until the end', () => {
    const { mm } = fresh();
    const vma = mm.add(0, 5 * LEAF);
    const small = folioWalkStart(vma, 3 * PAGE)!;
    expect([small.at.level, small.pfn, small.page, mm.log]).toEqual(['pte', 0x401, 0x401, ['lock ptl']]);
    folioWalkEnd(small);
    expect([mm.log, mm.tableLocks]).toEqual([['lock ptl', 'unlock ptl'], 0]);
    expect(thrownBy(() => { folioWalkEnd(small); }).message).toContain('ended twice');
    mm.log.length = 0;
    const huge = folioWalkStart(vma, 2 * LEAF + 5 * PAGE)!;
    expect([huge.at.level, huge.pfn, huge.page]).toEqual(['pmd', 0x800, 0x805]);
    huge[Symbol.dispose]();
    expect([mm.log, mm.tableLocks]).toEqual([['lock pmd', 'unlock pmd'], 0]);
    {
      using walk = folioWalkStart(vma, 3 * PAGE);
      expect([walk?.page, mm.tableLocks]).toEqual([0x401, 1]);
    }
    expect(mm.tableLocks).toBe(0);
  });

  it('finds nothing where nothing is mapped, and keeps no lock', () => {
    const { mm } = fresh();
    const vma = mm.add(0, 5 * LEAF);
    for (const address of [0, LEAF, 3 * LEAF]) expect(folioWalkStart(vma, address)).toBeUndefined();
    mm.failures = 1;
    expect(folioWalkStart(vma, 2 * PAGE)).toBeUndefined();
    expect(mm.tableLocks).toBe(0);
  });

  it('looks again under the lock, and gives back that of a table that it no longer needs', () => {
    const { mm } = fresh();
    const vma = mm.add(2 * LEAF, 3 * LEAF);
    const pmdLock = mm.locks.pmdLock.bind(mm.locks);
    // Somebody splits the huge page before the lock is had.
    mm.locks.pmdLock = (pmdp) => {
      mm.splitHuge(vma, { level: 'pmd', entry: pmdp }, vma.start);
      return pmdLock(pmdp);
    };
    const walk = folioWalkStart(vma, 2 * LEAF + PAGE)!;
    expect([walk.at.level, walk.page, mm.tableLocks]).toEqual(['pte', 0x801, 1]);
    folioWalkEnd(walk);
    expect(mm.log.slice(1)).toEqual(['lock pmd', 'unlock pmd', 'lock ptl', 'unlock ptl']);
  });

  it('holds the lock of HugeTLB too, and gives back both where the page is none of the kernel\'s business', () => {
    const { mm } = fresh();
    const vma = mm.add(2 * LEAF, 3 * LEAF, { hugetlb: hugePageOf(mm, 'pmd') });
    folioWalkEnd(folioWalkStart(vma, 2 * LEAF)!);
    const name = `hugetlb ${2 * LEAF}`;
    const both = [`lock ${name}`, 'lock pmd', 'unlock pmd', `unlock ${name}`];
    expect(mm.log).toEqual(both);
    mm.log.length = 0;
    mm.normalPage = () => undefined;
    expect(folioWalkStart(vma, 2 * LEAF)).toBeUndefined();
    expect(mm.log).toEqual(both);
    mm.normalPage = () => { throw new Error('a fault of the address space'); };
    expect(() => folioWalkStart(vma, 2 * LEAF)).toThrow('a fault of the address space');
    expect(mm.tableLocks).toBe(0);
  });

  it('finds zero pages and pages that migrate only when asked', () => {
    const { space, mm } = fresh();
    const of = (what: 'page' | 'zeropage' | undefined): WalkVma<H> => ({ mm: { ...space, kind: 'user', normalPage: () => what }, start: 0, end: 5 * LEAF });
    expect([folioWalkStart(of(undefined), 2 * PAGE), folioWalkStart(of('zeropage'), 2 * PAGE)]).toEqual([undefined, undefined]);
    expect(folioWalkStart(of('zeropage'), 2 * PAGE, { zeropage: true })).toMatchObject({ pfn: 0x400, page: undefined });
    const migrating = { ...space.arch, decodeNonPresent: () => ({ kind: 'migration', pa: 0x7000n, writable: false, flags: [] } as const) };
    const vma: WalkVma<H> = { mm: { ...space, arch: migrating, kind: 'user' }, start: 0, end: 5 * LEAF };
    walkPageVma(mm.add(0, PAGE), { walkLock: Read, installPte: () => space.arch.values.pte.ofSwap(3, 7n) });
    expect(folioWalkStart(vma, 0)).toBeUndefined();
    expect(folioWalkStart(vma, 0, { migration: true })).toMatchObject({ pfn: 7, page: undefined });
  });
});

describe('handles that are objects', () => {
  it('are walked, locked and found as indices are', () => {
    const { space } = make(cellArch(FIVE));
    mapRange(space, BigInt(2 * PAGE), 0x40_0000, 4 * PAGE, PROT.readWrite);
    const mm = new LittleMm<CellHandles>(space);
    mm.held.add('mmap read');
    const vma = mm.add(PAGE, 32 * PAGE);
    const seen: string[] = [];
    walkPageRangeVma(vma, PAGE, 32 * PAGE, {
      walkLock: Read,
      pteRange: ({ index }, address, count) => { seen.push(`${index} ${address / PAGE}+${count}`); },
      pteHole: (address, next, depth) => { seen.push(`hole ${address / PAGE}-${next / PAGE} at ${depth}`); },
    });
    expect(seen).toEqual(['1 1+7', 'hole 8-32 at 3']);
    const walk = folioWalkStart(vma, 4 * PAGE)!;
    expect([walk.at.level, walk.at.level === 'pte' && walk.at.entry.index, walk.page]).toEqual(['pte', 4, 0x402]);
    folioWalkEnd(walk);
    expect(mm.tableLocks).toBe(0);
  });
});
