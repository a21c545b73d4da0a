import { geometryOf, VmFlags, type MmContext, type TableHandles } from '@pgtable/core';
import { describe, expect, it } from 'vitest';
import { ALL, Flushes, INIT, machine, USER, type Machine } from './pagetable-machine.js';

/* Checks that are off leave one question to a batch, and none to an entry: in shared memory, where entries are written one by one, on every architecture. */

const PFN = 0x4_0000;

/** How often each operation on so many entries asks. */
function asked(m: Machine, half: 'user' | 'kernel', count: number): Record<string, number> {
  const arch = m[half];
  const { ops, values } = arch;
  const table = m.pageTables.alloc(arch, half === 'user' ? USER : INIT, 'pte');
  const first: TableHandles['pte'] = table.entry(0);
  let times = 0;
  const mm = new Proxy<MmContext>({ user: half === 'user', tlb: new Flushes() }, {
    get: (target, name) => {
      if (name === 'observer') times++;
      return Reflect.get(target, name) as unknown;
    },
  });
  const found: Record<string, number> = {};
  const note = (name: string, work: () => void): void => {
    times = 0;
    work();
    found[name] = times;
  };
  const flags = VmFlags.Read | VmFlags.Write;
  const page = values.pte.mkyoung(values.pte.mkwrite(values.pte.ofPfn(PFN, half === 'user' ? arch.vmProt(flags) : arch.kernelProt(flags))));
  note('set', () => { ops.pte.set(mm, 0n, first, page, count); });
  note('testAndClearYoung', () => { ops.pte.testAndClearYoung(mm, 0n, first, count).flush(); });
  note('wrprotect', () => { ops.pte.wrprotect(mm, 0n, first, count).flush(); });
  note('getAndClearFull', () => { ops.pte.getAndClearFull(mm, 0n, first, count).flush(); });
  ops.pte.set(mm, 0n, first, page, count);
  note('clear', () => { ops.pte.clear(mm, 0n, first, count).flush(); });
  m.pageTables.free(table.address);
  return found;
}

describe.each(['user', 'kernel'] as const)('a batch in the tables of %s', (half) => {
  it.each(ALL.map(({ name }) => name))('asks as often for two blocks of entries as for a whole table: %s', (name) => {
    const m = machine(name, false);
    const { entries } = geometryOf(m[half].geometry, 'pte');
    const whole = asked(m, half, entries);
    expect(whole).toEqual(asked(m, half, entries / 2));
    for (const [what, times] of Object.entries(whole)) expect(times, what).toBeGreaterThanOrEqual(1);
    for (const [what, times] of Object.entries(whole)) expect(times, what).toBeLessThanOrEqual(8);
  });
});
