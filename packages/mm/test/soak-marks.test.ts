import { afterEach, expect, it } from 'vitest';
import { cleanRecordRange, clearYoung, FrameWord, hugePmdBytes, madvise, munmap, pagemapRead, setCurrentThread, writeUser } from '../src/index.js';
import { boot, HUGE, map, quiet, reading, WRITE } from './ops-machine.js';

/* What the soak has found: marks of a huge page that are taken from its middle on. Where an entry is invalid while it is changed (s390), all of it must be flushed. */

afterEach(() => {
  setCurrentThread(undefined);
});

it.each(HUGE.map((machine) => [machine.name, machine] as const))('%s: marks of a part of a huge page leave no translation of the others owed', (_, machine) => {
  const kernel = boot(machine, 4096);
  const mm = kernel.newMm();
  const bytes = hugePmdBytes(mm);
  const start = map(mm, bytes / mm.pageBytes, WRITE);
  madvise(mm, start, bytes, 'hugepage');
  writeUser(mm, BigInt(start), 1);
  const [run] = reading(mm, () => pagemapRead(mm, start, start + bytes));
  expect(run?.huge).toBe(true);
  const stale = (): number => kernel.frames.read(run!.pfn, FrameWord.Stale);
  reading(mm, () => cleanRecordRange(mm, start + 3 * mm.pageBytes, start + bytes));
  expect(stale()).toBe(0);
  reading(mm, () => clearYoung(mm, start + 3 * mm.pageBytes, start + bytes));
  expect(stale()).toBe(0);
  munmap(mm, start, bytes);
  mm.mmput();
  quiet(kernel);
});
