import fc from 'fast-check';
import { afterEach, expect, it } from 'vitest';
import { Kernel, setCurrentThread, setScheduler } from '../src/index.js';
import { BEFORE_ALL, JOURNAL_HEADER_WORDS, RECORD_WORDS, RecordKind, VmaJournal, type JournalPosition, type VmaChange } from '../src/kernel/vma-journal.js';
import { MACHINE } from './kernel-machines.js';

afterEach(() => {
  setScheduler(undefined);
  setCurrentThread(undefined);
});

const CAPACITY = 9;

/** A set of VMAs by their pages, as changes make it. */
class Known {
  readonly pages = new Map<number, string>();

  apply({ kind, id, generation, page }: VmaChange): void {
    if (kind === RecordKind.Remove) this.pages.delete(page);
    else this.pages.set(page, `${id} ${generation}`);
  }

  get text(): string {
    return [...this.pages].sort(([a], [b]) => a - b).map(([page, vma]) => `${page}: ${vma}`).join(', ');
  }
}

it('a reader without the lock gets all VMAs as they were at one moment, or is told that it does not; whatever a writer does between two of its steps', () => {
  const write = fc.record({ page: fc.nat(3), far: fc.boolean(), generation: fc.nat(9) });
  // What the writer does at each step of the reader: nothing, mostly.
  const scripts = fc.array(fc.array(write, { maxLength: 3 }), { minLength: 1, maxLength: 40 });
  let given = 0;
  let refused = 0;
  fc.assert(fc.property(scripts, (script) => {
    const words = new Int32Array(JOURNAL_HEADER_WORDS + CAPACITY * RECORD_WORDS);
    const writer = new VmaJournal(words, 0, JOURNAL_HEADER_WORDS, CAPACITY);
    const reader = new VmaJournal(words, 0, JOURNAL_HEADER_WORDS, CAPACITY);
    writer.reset();
    const truth = new Known();
    /** What was published, in order, the present state included. */
    const moments = [''];
    let position: JournalPosition = BEFORE_ALL;
    let mine = new Known();
    let at = 0;
    const writes = (): void => {
      setScheduler(undefined);
      for (const { page: low, far, generation } of script[at++ % script.length]!) {
        const page = far ? 2 ** 51 + low : low;
        const before = truth.pages.get(page)?.split(' ').map(Number);
        const all = [...truth.pages].map(([key, vma]) => ({ kind: RecordKind.Insert, id: Number(vma.split(' ')[0]), generation: Number(vma.split(' ')[1]), page: key }));
        const change: VmaChange = before === undefined ? { kind: RecordKind.Insert, id: low + 1, generation, page } : { kind: RecordKind.Remove, id: before[0]!, generation: before[1]!, page };
        writer.append([change], () => all);
        truth.apply(change);
        moments.push(truth.text);
      }
      setScheduler({ point: writes, blocked: writes });
    };
    for (let look = 0; look < 12; look++) {
      const first = moments.length - 1;
      setScheduler({ point: writes, blocked: writes });
      const part = reader.since(position, false);
      setScheduler(undefined);
      if (part === undefined) {
        refused++;
        continue;
      }
      given++;
      if ('changes' in part) {
        if (part.fresh) mine = new Known();
        for (const change of part.changes) mine.apply(change);
        position = part.position;
      }
      expect(moments.slice(first)).toContain(mine.text);
    }
  }), { numRuns: 400 });
  expect(given).toBeGreaterThan(0);
  expect(refused).toBeGreaterThan(0);
});

it('more VMAs than records are refused, and what was there stays', () => {
  const words = new Int32Array(JOURNAL_HEADER_WORDS + CAPACITY * RECORD_WORDS);
  const journal = new VmaJournal(words, 0, JOURNAL_HEADER_WORDS, CAPACITY);
  journal.reset();
  const inserts = Array.from({ length: CAPACITY }, (_, page) => ({ kind: RecordKind.Insert, id: page + 1, generation: 0, page }));
  journal.append(inserts, () => []);
  expect(() => { journal.append([{ kind: RecordKind.Insert, id: 99, generation: 0, page: 99 }], () => inserts); }).toThrow(expect.objectContaining({ code: 'ENOMEM' }));
  expect(journal.since(BEFORE_ALL, true)).toMatchObject({ changes: inserts });
});

it('who takes the mmap lock sees what others have changed, however it is taken', () => {
  const kernel = Kernel.create(MACHINE, { mms: 3, vmas: 32, mapCount: 16, journal: 24 });
  kernel.join('test');
  const mm = kernel.newMm();
  const far = Kernel.attach(kernel.share(), MACHINE).mm(mm.id);
  const { lock } = far;
  const ways: readonly [() => unknown, () => void][] = [
    [() => { lock.readLock(); }, () => { lock.readUnlock(); }],
    [() => lock.readTrylock(), () => { lock.readUnlock(); }],
    [() => { lock.writeLock(); }, () => { lock.writeUnlock(); }],
    [() => { lock.writeLockNested(); }, () => { lock.writeUnlock(); }],
    [() => lock.writeTrylock(), () => { lock.writeUnlock(); }],
  ];
  ways.forEach(([take, release], number) => {
    mm.lock.writeLock();
    mm.insertVma({ start: 2 * number * mm.pageBytes, end: (2 * number + 1) * mm.pageBytes, flags: number });
    mm.lock.writeUnlock();
    take();
    expect(far.vmas().map(({ flags }) => flags)).toEqual(Array.from({ length: number + 1 }, (_, flags) => flags));
    release();
  });
  mm.lock.readLock();
  expect([lock.writeTrylock(), mm.lock.readTrylock()]).toEqual([false, true]);
  mm.lock.readUnlock();
  mm.lock.readUnlock();
});

it('a thread that stopped while it wrote VMAs is noticed by the next that takes the lock', () => {
  const kernel = Kernel.create(MACHINE, { mms: 3, vmas: 64, mapCount: 4, journal: 12 });
  kernel.join('test');
  const mm = kernel.newMm();
  setScheduler({
    point(what) {
      if (what === 'write a new generation of VMA changes') throw new Error('stopped');
    },
    blocked: () => undefined,
  });
  expect(() => {
    for (;;) {
      mm.lock.writeLock();
      mm.removeVma(mm.insertVma({ start: 0, end: mm.pageBytes, flags: 0 }));
      mm.lock.writeUnlock();
    }
  }).toThrow('stopped');
  setScheduler(undefined);
  mm.lock.writeUnlock();
  expect(() => { mm.lock.readLock(); }).toThrow(expect.objectContaining({ code: 'EBADMSG' }));
});
