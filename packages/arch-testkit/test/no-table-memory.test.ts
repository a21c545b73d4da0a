import { TableMemory, type HandleFamily, type WritableArch } from '@pgtable/core';
import { describe, expect, it } from 'vitest';
import { cellArch } from '../../walk/test/map-arch.js';
import { FIVE, rootWith, THREE, TWO, writableToy } from '../../walk/test/map-toy.js';
import { formatReport, runLaws, type Outcome, type Report, type Subject } from '../src/index.js';

/*
 * An architecture whose entries are in a Map, and whose handles are objects, obeys the laws that its twin over table memory obeys: none of
 * them asks for indices.
 */

const SHAPES = [['two levels', TWO], ['three levels', THREE], ['five levels', FIVE]] as const;
const CASES = SHAPES.flatMap(([name, bits]) => [true, false].map((user) => ({ name: `${name}, ${user ? 'user' : 'kernel'}`, bits, user })));

function subject<H extends HandleFamily>(name: string, user: boolean, arch: () => WritableArch<H>): Subject<H> {
  return {
    name,
    make: () => {
      const made = arch();
      return { arch: made, root: rootWith(made.geometry, 0x10_0000), user };
    },
  };
}

const named = ({ results }: Report, wanted: Outcome): string[] => results.filter(({ outcome }) => outcome === wanted).map(({ law }) => law.name);

describe.each(CASES)('$name', ({ name, bits, user }) => {
  it('obeys the laws in a Map as in table memory', () => {
    const inMap = runLaws(subject(`${name}, in a Map`, user, () => cellArch(bits)), { runs: 20 });
    expect(inMap.ok, formatReport(inMap)).toBe(true);
    const twin = runLaws(subject(`${name}, in table memory`, user, () => writableToy(new TableMemory(), bits)), { runs: 20 });
    expect(twin.ok, formatReport(twin)).toBe(true);
    // The hardware and the other thread of the kit write to table memory behind the architecture's back, which nothing can do to a Map.
    expect(named(inMap, 'not applicable').sort()).toEqual([...named(twin, 'not applicable'), 'marks of the hardware', 'one state'].sort());
  });
});
