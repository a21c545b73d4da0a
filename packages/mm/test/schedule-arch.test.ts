import { geometryOf, NO_TLB, TableMemory, VmFlags, type StrongHandles } from '@pgtable/core';
import { describe, expect, it } from 'vitest';
import { formatReport, runLaws, type Subject } from '../../arch-testkit/src/index.js';
import { ALL, ARCHITECTURE_NAMES, CONFIGURATIONS, memoryOf } from '../../arch-testkit/test/configurations.js';
import { AccessType, schedulePoint, setScheduler, withSchedulePoints } from '../src/index.js';
import { scheduleBlocked } from '../src/schedule-point.js';

describe.each(ARCHITECTURE_NAMES)('%s with scheduling points', (name) => {
  const [configuration] = CONFIGURATIONS[name];

  it.each([false, true])('obeys the laws (scheduler: %s)', (scheduled) => {
    let points = 0;
    const subject: Subject<StrongHandles> = {
      name, executeAlways: configuration!.executeAlways, oneSpace: configuration!.oneSpace,
      make: () => ({ arch: withSchedulePoints(configuration!.make<StrongHandles>('user', memoryOf(configuration!))), root: configuration!.root('user', 0x4000_0000), user: true }),
    };
    if (scheduled) setScheduler({ point() { points++; }, blocked() { throw new Error('nobody waits'); } });
    try {
      const report = runLaws(subject, { runs: 3, knownFailures: Object.keys(configuration!.known) });
      expect(report.ok, formatReport(report)).toBe(true);
    } finally {
      setScheduler(undefined);
    }
    expect(points > 1000).toBe(scheduled);
  });
});

describe('the points of an architecture', () => {
  const PMD = 0x10_0000;
  const PTE = 0x20_0000;
  const mm = { user: true, tlb: NO_TLB };

  /** What is told of `action`: what, where, how much. */
  function pointsOf(action: () => void): string[] {
    const points: string[] = [];
    setScheduler({ point(what, place, index, access, _, count) { points.push(`${what} | ${place === undefined ? index.toString(16) : 'words'} ${access} ${count}`); }, blocked() { throw new Error('nobody waits'); } });
    try {
      action();
    } finally {
      setScheduler(undefined);
    }
    return points;
  }

  function make(name: string) {
    const configuration = ALL.find((one) => one.name === name)!;
    const arch = withSchedulePoints(configuration.make<StrongHandles>('user', new TableMemory({ entryBytes: 8 })));
    const pmd = arch.newTable('pmd', PMD, true);
    const pte = arch.newTable('pte', PTE, true);
    const pmdp = pmd.entry(3);
    pmd.link();
    return { arch, pmdp, pte, value: arch.values.pte.ofPfn(0x40, arch.vmProt(VmFlags.Read | VmFlags.Write)) };
  }

  it('say which entries, and whether they may be written; what is not live has none', () => {
    const { arch, pmdp, pte, value } = make('x86 4-level');
    const entries = geometryOf(arch.geometry, 'pte').entries;
    expect(pointsOf(() => { pte.set(0, value, 16); })).toEqual([]);
    expect(pointsOf(() => { arch.ops.pmd.populate(mm, 0n, pmdp, pte); })).toEqual(['populate pmd at 0x100018 | 100018 1 8']);
    let ptep = arch.ops.pte.advance(arch.ops.pmd.offset(pmdp, 0n)!, 2);
    expect(pointsOf(() => { ptep = arch.ops.pte.advance(arch.ops.pmd.offset(pmdp, 0n)!, 2); })).toEqual(['offset pmd at 0x100018 | 100018 0 8']);
    expect(pointsOf(() => { arch.ops.pte.get(ptep); })).toEqual(['get pte at 0x200010 | 200010 0 8']);
    expect(pointsOf(() => { arch.ops.pte.clear(mm, 0n, ptep, 4).flush(); })).toEqual(['clear pte at 0x200010 (4) | 200010 1 32']);
    // Whoever was in the table when it was taken out still reads it.
    let out = pte;
    expect(pointsOf(() => { out = arch.ops.pmd.unlink(mm, 0n, pmdp).flush() as typeof pte; })).toEqual(['unlink pmd at 0x100018 | 100018 1 8']);
    expect(pointsOf(() => { out.get(5); })).toEqual(['get pte at 0x200028 | 200028 0 8']);
    expect(pointsOf(() => { arch.freeTable(out); })).toEqual([`free a pte table | 200000 1 ${entries * 8}`]);
    expect(pointsOf(() => { arch.newTable('pte', PTE, true); })).toEqual([`make a pte table | 200000 1 ${entries * 8}`]);
  });

  it('are about whole blocks where the hardware may map several entries as one', () => {
    const { arch, pmdp, pte } = make('arm64 4K 48-bit');
    arch.ops.pmd.populate(mm, 0n, pmdp, pte);
    const ptep = arch.ops.pte.advance(arch.ops.pmd.offset(pmdp, 0n)!, 17);
    expect(pointsOf(() => { arch.ops.pte.get(ptep); })).toEqual(['get pte at 0x200088 | 200080 0 128']);
  });

  it('tell of the entries again at each point inside of an accessor: what it writes after a flush is no part of the step before', () => {
    const { arch, pmdp, pte } = make('s390 pud');
    arch.ops.pmd.populate(mm, 0n, pmdp, pte);
    const seen: string[] = [];
    const values: bigint[] = [];
    const look = (what: string): void => {
      seen.push(what);
      values.push(arch.tables!.elements[arch.tables!.find('pmd', PMD) + 3]!);
    };
    const words = new Int32Array(new SharedArrayBuffer(4));
    const waiting = {
      user: true,
      tlb: { flush: () => {
        schedulePoint('flush', words, 0, AccessType.Read);
        scheduleBlocked('flush', words, 0, 0);
      } },
    };
    setScheduler({
      point: (what) => { look(what); },
      touch: (place, index, access, count) => { look(`touch ${place === undefined ? index.toString(16) : 'words'} ${access} ${count}`); },
      blocked: (what) => { look(`blocked: ${what}`); },
    });
    try {
      arch.ops.pmd.unlink(waiting, 0n, pmdp).flush();
      schedulePoint('afterwards', words, 0);
    } finally {
      setScheduler(undefined);
    }
    expect(seen).toEqual(['unlink pmd at 0x100018', 'flush', 'touch 100018 1 8', 'blocked: flush', 'touch 100018 1 8', 'afterwards']);
    // s390 writes the entry twice.
    expect(new Set(values).size).toBe(3);
  });

  it('need no read where a level is another name of the one above', () => {
    const configuration = ALL.find((one) => one.name === 'x86 4-level')!;
    const arch = withSchedulePoints(configuration.make<StrongHandles>('user', new TableMemory({ entryBytes: 8 })));
    const pgd = arch.newTable('pgd', PMD, true);
    const pgdp = pgd.entry(1);
    pgd.link();
    expect(pointsOf(() => { arch.ops.pgd.offset(pgdp, 0n); })).toEqual([]);
  });
});
