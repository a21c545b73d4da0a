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

const fiveLevels = law(
  'five levels', 'by the offsets of the kernel\'s five levels an address leads where it leads by the levels that exist: a folded level is the same entry under another name, and says the same',
  ['pgdOffset', 'offset', 'offsetLockless', 'none', 'present', 'leaf', 'bad', 'set', 'getAndClear'],
  (subject, options) => {
    const machine = new Machine(subject);
    forAll(options, fc.maxSafeNat(), (at) => { offsets(machine, machine.address('pte', at)); });
    forAll(options, fc.record({ at: fc.maxSafeNat(), frame: fc.nat(5) }), ({ at, frame }) => { foldedNames(new Machine(subject), at, frame); });
  },
);

/** Goes down to a page by all five levels. */
function offsets<H extends HandleFamily>(machine: Machine<H>, address: bigint): void {
  const { arch, root } = machine;
  machine.slot('pte', address);
  let entry: H[Level] | undefined = arch.pgdOffset(root, address);
  for (const level of [...LEVELS].reverse()) {
    must(entry !== undefined, level, 'the offsets of the levels above find no entry', { address });
    const ops = machine.ops(level);
    if (machine.levels.includes(level)) must(ops.distance(entry, machine.slot(level, address).entry) === 0, level, 'the offsets of the levels above find another entry', { address });
    if (level === 'pte') return;
    const values = machine.values(level);
    const value = ops.get(entry);
    const says = { none: values.none(value), present: values.present(value), leaf: values.leaf(value), bad: values.bad(value) };
    must(says.present && !says.none && !says.leaf && !says.bad, level, 'an entry on the way to a page does not say that it is present and leads on', { address, value, ...says });
    const down: H[Level] | undefined = ops.offset(entry, address);
    const lockless: H[Level] | undefined = ops.offsetLockless(entry, ops.getLockless(entry), address);
    const below = LEVELS[LEVELS.indexOf(level) - 1] ?? 'pte';
    must(down !== undefined && lockless !== undefined && machine.ops(below).distance(down, lockless) === 0, level, 'offsetLockless by the value that is there is not offset', { address, value });
    entry = down;
  }
}

/** Tries entries of levels that exist under the names of the folded levels below them. */
function foldedNames<H extends HandleFamily>(machine: Machine<H>, at: number, frame: number): void {
  const { arch, root, mm } = machine;
  const below = LEVELS.slice(0, LEVELS.indexOf(root.top));
  for (const level of below.filter((one) => geometryOf(arch.geometry, one).folded)) {
    const above = LEVELS.slice(LEVELS.indexOf(level)).find((one) => machine.levels.includes(one)) ?? root.top;
    const slot = machine.slot(above, machine.address(above, at));
    let entry: H[Level] | undefined = slot.entry;
    for (let name = LEVELS.indexOf(above); name > LEVELS.indexOf(level) && entry !== undefined; name--) entry = machine.ops(LEVELS[name] ?? above).offset(entry, slot.address);
    must(entry !== undefined, level, `an entry of the ${above}, which is empty, has not the name of the folded level`, { address: slot.address });
    const [own, other] = [machine.values(level), machine.values(above)];
    const ops = machine.ops(level);
    const sayTheSame = (value: AnyVal): void => {
      for (const name of ['none', 'present', 'leaf', 'valid', 'swap', 'bad'] as const) must(own[name](value) === other[name](value), level, `${name} of a folded level says something else than of the ${above}`, { value });
      must(!other.leaf(value) || own.pfn(value) === other.pfn(value), level, `a leaf is of another frame under the name of a folded level than under that of the ${above}`, { value });
    };
    const values = [
      ...(other.features.has('leaf') ? machine.prots().map((prot) => machine.usable(above, frame * machine.pages(above), prot)) : []),
      ...(other.features.has('table') && above !== 'pte' ? [other.ofTable((frame + 16) * 65536, machine.user)] : []),
    ];
    sayTheSame(other.empty);
    for (const value of values) {
      sayTheSame(value);
      ops.set(mm, slot.address, entry, value, 1);
      must(machine.ops(above).get(slot.entry) === value, level, `what was written under the name of a folded level is not what the ${above} reads`, { value, got: machine.ops(above).get(slot.entry) });
      const old = ops.getAndClear(mm, slot.address, entry).ignore('nothing runs here');
      const left = machine.ops(above).get(slot.entry);
      must(old === value && left === other.empty, level, `what is taken out under the name of a folded level is not what was there, or leaves something else than the ${above}'s empty entry`, { value, old, left });
    }
  }
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

export const SHAPE_LAWS: readonly Law[] = [shape, fiveLevels, inherited, tags];
