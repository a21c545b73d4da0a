import { Access, EntryKind, entryVal, geometryOf, LEVELS, VmFlags, type HandleFamily, type Level } from '@pgtable/core';
import fc from 'fast-check';
import { forAll, law, must, NotApplicable, type Law } from './law.js';
import { Machine, type AnyVal } from './machine.js';

/* Laws of what an architecture says of its tables before any entry is written. Where it is wrong, other laws try tables that no hardware has, or try nothing. */

const shape = law('shape', 'levels fit on one another, those that exist map memory or lead on, and the windows are where their addresses stand in the root', ['pgdOffset', 'rootTable'], (subject) => {
  const machine = new Machine(subject);
  const { arch, root, levels } = machine;
  const { geometry } = arch;
  const top = geometryOf(geometry, root.top);
  must(!top.folded, root.top, 'the root is of a folded level');
  must(levels[0] === 'pte' && machine.bytes('pte') === BigInt(geometry.pageBytes), 'pte', 'an entry of the lowest level maps another number of bytes than a page has', { bytes: machine.bytes('pte'), pageBytes: geometry.pageBytes });
  levels.forEach((level, at) => {
    const below = levels[at - 1];
    const { features } = machine.values(level);
    if (below === undefined) must(features.has('leaf'), level, 'the lowest level has not the feature leaf, so no law tries its entries');
    else {
      const { entries } = geometryOf(geometry, below);
      must(machine.bytes(below) * BigInt(entries) === machine.bytes(level), level, 'an entry maps another number of bytes than the table below it', { bytes: machine.bytes(level), entries, 'each of': machine.bytes(below) });
      must(features.has('table'), level, 'the level has not the feature table, so no law tries its tables');
    }
  });
  for (const level of LEVELS.slice(0, LEVELS.indexOf(root.top))) {
    const { folded, shift, entries } = geometryOf(geometry, level);
    if (!folded) continue;
    const above = levels.find((other) => LEVELS.indexOf(other) > LEVELS.indexOf(level));
    must(above !== undefined && shift === geometryOf(geometry, above).shift && entries === 1, level, 'a folded level has not the shift of the next above that exists, or more entries than one', { shift, entries });
  }
  arch.hugePages.forEach(({ bytes, level, count }, at) => {
    must(machine.values(level).features.has('leaf'), level, 'a huge page is of a level without the feature leaf', { bytes });
    must(BigInt(bytes) === machine.bytes(level) * BigInt(count), level, 'a huge page is not as large as its entries', { bytes, count });
    must(bytes > (arch.hugePages[at - 1]?.bytes ?? geometry.pageBytes), level, 'huge pages are not ascending, or not larger than the smallest', { bytes });
  });
  must(root.first >= 0 && root.first < root.end && root.end <= top.entries, root.top, 'the root has entries that its table has not', { first: root.first, end: root.end, entries: top.entries });
  checkWindows(machine);
});

function checkWindows<H extends HandleFamily>(machine: Machine<H>): void {
  const { arch, root } = machine;
  const { shift, entries } = geometryOf(arch.geometry, root.top);
  const table = arch.rootTable(root);
  must(table !== undefined, root.top, 'the root table that newTable made is not found by rootTable');
  let last = 0n;
  for (const window of root.windows) {
    const start = BigInt(window.start);
    const end = BigInt(window.end);
    const seen = { start, end, index: window.index };
    must(start >= last && end > start, root.top, 'windows are not ascending, or one is empty', seen);
    last = end;
    const size = 1n << BigInt(shift);
    must(start % size === 0n, root.top, 'a window does not begin with an entry of the root', seen);
    const count = Number((end - start + size - 1n) / size);
    must(window.index >= root.first && window.index + count <= root.end, root.top, 'a window has entries that the root has not', { ...seen, entries: count, first: root.first, 'end of the root': root.end });
    const place = Number((start >> BigInt(shift)) % BigInt(entries));
    must(Math.log2(entries) % 1 !== 0 || place === window.index, root.top, 'a window begins with another entry of the root than its addresses say', { ...seen, expected: place });
    for (const index of [0, count - 1]) {
      const entry = arch.pgdOffset(root, start + BigInt(index) * size);
      must(entry !== undefined, root.top, 'pgdOffset finds no entry for an address in a window', { ...seen, address: start + BigInt(index) * size });
      if (root.top === 'pgd') must(arch.ops.pgd.distance(table.table, entry) === window.index + index, root.top, 'pgdOffset finds another entry than the window says', { ...seen, address: start + BigInt(index) * size });
    }
  }
}

/** What users may do, and whether anyone may write: what the kernel may execute depends on whether users may use it, the other way round on some machines. */
const HANDED_DOWN = Access.UserRead | Access.UserWrite | Access.UserExecute | Access.KernelWrite;

const inherited = law('what stands above', 'what one table entry forbids, no entry below it gives back', ['inherit', 'describe'], (subject) => {
  const machine = new Machine(subject);
  const { arch, root, user } = machine;
  if (arch.geometry.entryBytes > 8) throw new NotApplicable('an entry of 128 bits may hold the lock of its accessors in one of them');
  const levels = [...machine.tableLevels()].reverse();
  const page = machine.look('pte', machine.usable('pte', 0, user ? arch.vmProt(15) : arch.kernelProt(VmFlags.Read | VmFlags.Write | VmFlags.Exec)));
  const access = (from: number): number => arch.describe('pte', page.lo, page.hi, from).access & HANDED_DOWN;
  levels.forEach((level, at) => {
    for (const { value, lo, hi } of tableEntries(machine, level)) {
      const above = arch.inherit(root.inherited, level, lo, hi);
      must((access(above) & ~access(root.inherited)) === 0, level, 'an entry for a table gives access that there is not without it', { value });
      for (const lower of levels.slice(at + 1)) {
        for (const below of tableEntries(machine, lower)) {
          const both = access(arch.inherit(above, lower, below.lo, below.hi));
          const most = access(above) & access(arch.inherit(root.inherited, lower, below.lo, below.hi));
          must((both & ~most) === 0, lower, `an entry for a table gives back what the ${level} above it forbids, or forbids nothing itself`, { above: value, value: below.value, access: both, most });
        }
      }
    }
  });
});

/** An entry for a table, and those that differ from it in one bit and are entries for a table too. */
function tableEntries<H extends HandleFamily>(machine: Machine<H>, level: Level): { readonly value: AnyVal; readonly lo: number; readonly hi: number }[] {
  const base = machine.values(level).ofTable(10 * 65536, machine.user);
  const bits = machine.arch.geometry.entryBytes * 8;
  return [base, ...Array.from({ length: bits }, (_, bit) => entryVal(level, base ^ (1n << BigInt(bit))))].flatMap((value) => {
    const { kind, lo, hi } = machine.look(level, value);
    return kind === EntryKind.Table ? [{ value, lo, hi }] : [];
  });
}

const tags = law('tags', 'what is left of an address without its tag is the address that is translated', ['untagAddress'], (subject, options) => {
  const machine = new Machine(subject);
  const { arch, root } = machine;
  if (arch.untagAddress === undefined) throw new NotApplicable('every bit of an address counts: there is no untagAddress');
  const untag = arch.untagAddress.bind(arch);
  for (const { start, end } of root.windows) {
    const [first, last] = [BigInt(start), BigInt(end) - 1n];
    for (const address of [first, first + (last - first) / 2n, last]) must(untag(address) === address, root.top, 'an address in a window is not left as it is', { address, untagged: untag(address) });
  }
  const inEntry = machine.bytes(root.top) - 1n;
  forAll(options, fc.bigInt(0n, 2n ** 64n - 1n), (address) => {
    const untagged = untag(address);
    const seen = { address, untagged };
    must(untagged >= 0n && untagged < 2n ** 64n, root.top, 'an untagged address is no address', seen);
    must(((untagged ^ address) & inEntry) === 0n, root.top, 'a bit that tables are indexed by, or the place in a page, is taken for a tag', seen);
    must(untag(untagged) === untagged, root.top, 'an untagged address has a tag', seen);
  });
});

export const SHAPE_LAWS: readonly Law[] = [shape, inherited, tags];
