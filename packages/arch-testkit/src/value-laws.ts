import fc from 'fast-check';
import { Access, EntryKind, entryVal, VmFlags, type Feature, type HandleFamily, type Level, type Prot } from '@pgtable/core';
import { forAll, law, must, NotApplicable, type Law, type LawOptions, type Subject } from './law.js';
import { Machine, type AnyVal, type AnyValues } from './machine.js';

/*
 * Laws of entry values alone. They are those of Documentation/mm/arch_pgtable_helpers.rst and mm/debug_vm_pgtable.c (Linux
 * 6.12), and what the comments of EntryValues promise.
 */

/** One mark of a leaf: how it is made, taken away and asked for. */
interface Mark {
  readonly name: 'young' | 'dirty' | 'write' | 'special' | 'devmap' | 'softDirty' | 'uffdWp';
  /** Without it the constructors do nothing; undefined: every leaf has the mark. */
  readonly feature: Feature | undefined;
  readonly covers: readonly string[];
  readonly set: (values: AnyValues, value: AnyVal) => AnyVal;
  readonly clear: ((values: AnyValues, value: AnyVal) => AnyVal) | undefined;
  readonly is: (values: AnyValues, value: AnyVal) => boolean;
  /**
   * Another mark that setting this one may change, and to what: a page that is written to is soft-dirty too (x86's and s390's
   * pte_mkdirty), device memory has no struct page of the usual kind (pte_mkdevmap of x86 and arm64 makes it special), and
   * userfaultfd's write protection protects (pte_mkuffd_wp of x86 and arm64). Linux 6.12, arch/*\/include/asm/pgtable.h.
   */
  readonly may?: { readonly mark: Mark['name']; readonly becomes: boolean };
}

const MARKS: readonly Mark[] = [
  { name: 'young', feature: undefined, covers: ['young', 'mkyoung', 'mkold'], set: (on, v) => on.mkyoung(v), clear: (on, v) => on.mkold(v), is: (on, v) => on.young(v) },
  {
    name: 'dirty', feature: undefined, covers: ['dirty', 'mkdirty', 'mkclean'], set: (on, v) => on.mkdirty(v), clear: (on, v) => on.mkclean(v), is: (on, v) => on.dirty(v),
    may: { mark: 'softDirty', becomes: true },
  },
  { name: 'write', feature: undefined, covers: ['write', 'mkwrite', 'wrprotect'], set: (on, v) => on.mkwrite(v), clear: (on, v) => on.wrprotect(v), is: (on, v) => on.write(v) },
  { name: 'special', feature: 'special', covers: ['special', 'mkspecial'], set: (on, v) => on.mkspecial(v), clear: undefined, is: (on, v) => on.special(v) },
  {
    name: 'devmap', feature: 'devmap', covers: ['devmap', 'mkdevmap'], set: (on, v) => on.mkdevmap(v), clear: undefined, is: (on, v) => on.devmap(v),
    may: { mark: 'special', becomes: true },
  },
  {
    name: 'softDirty', feature: 'softDirty', covers: ['softDirty', 'mksoftDirty', 'clearSoftDirty'], set: (on, v) => on.mksoftDirty(v), clear: (on, v) => on.clearSoftDirty(v),
    is: (on, v) => on.softDirty(v),
  },
  {
    name: 'uffdWp', feature: 'uffdWp', covers: ['uffdWp', 'mkuffdWp', 'clearUffdWp'], set: (on, v) => on.mkuffdWp(v), clear: (on, v) => on.clearUffdWp(v), is: (on, v) => on.uffdWp(v),
    may: { mark: 'write', becomes: false },
  },
];

function hasMark(values: AnyValues, mark: Mark): boolean {
  return mark.feature === undefined || values.features.has(mark.feature);
}

/** A random leaf, as it was made. */
interface LeafCase {
  readonly pfn: number;
  readonly prot: Prot;
  readonly value: AnyVal;
}

/** Random leaves of a level: any frame, any protection, any marks set or cleared. */
function leaves<H extends HandleFamily>(machine: Machine<H>, level: Level, prots: readonly Prot[] = [...machine.userProts(), ...machine.kernelProts()]): fc.Arbitrary<LeafCase> {
  const values = machine.values(level);
  return fc.record({ pfn: machine.frames(level), prot: fc.constantFrom(...prots), set: fc.nat(127), clear: fc.nat(127) }).map(({ pfn, prot, set, clear }) => {
    let value = machine.leaf(level, pfn, prot);
    MARKS.forEach((mark, at) => {
      if (!hasMark(values, mark)) return;
      if ((clear & (1 << at)) !== 0 && mark.clear !== undefined) value = mark.clear(values, value);
      else if ((set & (1 << at)) !== 0) value = mark.set(values, value);
    });
    return { pfn, prot, value };
  });
}

function eachLeafLevel<H extends HandleFamily>(subject: Subject<H>, body: (machine: Machine<H>, level: Level, values: AnyValues) => void): void {
  const machine = new Machine(subject);
  for (const level of machine.leafLevels()) body(machine, level, machine.values(level));
}

function eachHugeLevel<H extends HandleFamily>(subject: Subject<H>, body: (machine: Machine<H>, level: Level, values: AnyValues) => void): void {
  const machine = new Machine(subject);
  const levels = machine.leafLevels().filter((level) => level !== 'pte');
  if (levels.length === 0) throw new NotApplicable('no level above the pte maps memory');
  for (const level of levels) body(machine, level, machine.values(level));
}

function markLaw(mark: Mark): Law {
  return law(
    `mark ${mark.name}`, `${mark.covers.join(', ')} agree, and leave the frame and every other mark as they are`, mark.covers,
    (subject, options) => {
      eachLeafLevel(subject, (machine, level, values) => {
        forAll(options, leaves(machine, level), ({ pfn, value }) => {
          const steps: readonly (readonly [string, AnyVal, boolean])[] = [
            ['set', mark.set(values, value), true],
            ...(mark.clear === undefined ? [] : [['cleared', mark.clear(values, value), false], ['set and cleared', mark.clear(values, mark.set(values, value)), false]] as const),
            ...(mark.clear === undefined ? [] : [['cleared and set', mark.set(values, mark.clear(values, value)), true]] as const),
          ];
          for (const [what, result, is] of steps) {
            const seen = { value, result };
            if (!hasMark(values, mark)) {
              must(result === value, level, `the level has no ${mark.name}, and the value changes when it is ${what}`, seen);
              must(!mark.is(values, result), level, `the level has no ${mark.name}, and an entry claims it`, seen);
              continue;
            }
            must(mark.is(values, result) === is, level, `${mark.name} is ${what}, and the predicate says otherwise`, seen);
            must(values.pfn(result) === pfn, level, `${mark.name} is ${what}, and the frame is another`, { ...seen, frame: pfn, now: values.pfn(result) });
            must(values.present(result) && values.leaf(result), level, `${mark.name} is ${what}, and the entry is no present leaf any more`, seen);
            must(values.protnone(result) === values.protnone(value), level, `${mark.name} is ${what}, and protnone is another`, seen);
            for (const other of MARKS) {
              if (other === mark) continue;
              const before = other.is(values, value);
              const after = other.is(values, result);
              const allowed = what !== 'cleared' && mark.may?.mark === other.name && after === mark.may.becomes;
              must(before === after || allowed, level, `${mark.name} is ${what}, and ${other.name} changes`, seen);
            }
          }
          const once = mark.set(values, value);
          must(mark.set(values, once) === once, level, `${mark.name} set twice is not ${mark.name} set once`, { value, once, twice: mark.set(values, once) });
        });
      });
    },
  );
}

/** Whether two steps may be taken in either order: not where one may change the other's mark. */
function independent(a: Mark, b: Mark): boolean {
  return a !== b && a.may?.mark !== b.name && b.may?.mark !== a.name;
}

const marksCommute = law(
  'marks commute', 'two marks that are set or cleared one after the other give the same value in either order', MARKS.flatMap(({ covers }) => covers),
  (subject, options) => {
    eachLeafLevel(subject, (machine, level, values) => {
      const steps = MARKS.filter((mark) => hasMark(values, mark)).flatMap((mark) => [{ mark, name: `set ${mark.name}`, change: mark.set }, ...(mark.clear === undefined ? [] : [{ mark, name: `clear ${mark.name}`, change: mark.clear }])]);
      forAll(options, fc.tuple(leaves(machine, level), fc.constantFrom(...steps), fc.constantFrom(...steps)), ([{ value }, a, b]) => {
        if (!independent(a.mark, b.mark)) return;
        const first = b.change(values, a.change(values, value));
        const second = a.change(values, b.change(values, value));
        must(first === second, level, `${a.name} and ${b.name} do not commute`, { value, first, second });
      });
    });
  },
);

const same = law('same', 'an entry is the same as itself, and as no entry of another frame or with another mark', ['same'], (subject, options) => {
  eachLeafLevel(subject, (machine, level, values) => {
    forAll(options, fc.tuple(leaves(machine, level), fc.constantFrom(...MARKS)), ([{ value }, mark]) => {
      if (!hasMark(values, mark)) return;
      const marked = mark.set(values, value);
      const cleared = mark.clear === undefined ? value : mark.clear(values, value);
      if (mark.is(values, marked) !== mark.is(values, cleared)) must(!values.same(marked, cleared), level, `an entry is the same with ${mark.name} and without`, { value, marked, cleared });
    });
    forAll(options, fc.tuple(leaves(machine, level), machine.frames(level)), ([{ pfn, prot, value }, other]) => {
      must(values.same(value, value), level, 'an entry is not the same as itself', { value });
      if (other !== pfn) must(!values.same(machine.leaf(level, pfn, prot), machine.leaf(level, other, prot)), level, 'entries of two frames are the same', { value, frame: pfn, other });
    });
    must(!values.same(values.empty, machine.leaf(level, 0, machine.arch.kernelProt(VmFlags.Read))), level, 'an empty entry is the same as a leaf', { empty: values.empty });
  });
});

const frames = law('frame and protection', 'a frame goes in and comes out whole, and an entry is its frame and its protection', ['ofPfn', 'pfn', 'prot', 'mkhuge'], (subject, options) => {
  eachLeafLevel(subject, (machine, level, values) => {
    forAll(options, leaves(machine, level), ({ pfn, prot, value }) => {
      const plain = machine.leaf(level, pfn, prot);
      must(values.pfn(plain) === pfn, level, 'the frame that went in does not come out', { value: plain, frame: pfn, out: values.pfn(plain) });
      must(values.pfn(value) === pfn, level, 'marks change the frame', { value, frame: pfn, out: values.pfn(value) });
      must(values.leaf(plain) && values.present(plain), level, 'an entry of a frame is no present leaf', { value: plain });
      const again = values.ofPfn(values.pfn(value), values.prot(value));
      must(again === value, level, 'ofPfn(pfn(v), prot(v)) is not v', { value, again });
      must(values.mkhuge(value) === value, level, 'mkhuge changes a leaf', { value, result: values.mkhuge(value) });
      must(value >= 0n && value < 1n << BigInt(machine.arch.geometry.entryBytes * 8), level, 'the value is wider than an entry', { value });
    });
  });
});

const advance = law('advancePfn', 'frames advance by pages of the level, linearly, and nothing else changes', ['advancePfn'], (subject, options) => {
  eachLeafLevel(subject, (machine, level, values) => {
    const pages = machine.pages(level);
    const room = Math.max(0, Math.min(600, Math.floor((2 ** machine.frameBits(level) - 1) / pages / 4)));
    forAll(options, fc.tuple(leaves(machine, level), fc.nat(room), fc.nat(room)), ([{ pfn, value }, a, b]) => {
      const most = 2 ** machine.frameBits(level) - pages * (a + b + 1);
      if (pfn > most) return;
      const far = values.advancePfn(value, a + b);
      must(values.pfn(far) === pfn + (a + b) * pages, level, 'the frame does not advance by so many pages', { value, result: far, count: a + b, frame: values.pfn(far) });
      must(values.advancePfn(values.advancePfn(value, a), b) === far, level, 'advancing twice is not advancing by the sum', { value, a, b, far });
      must(values.advancePfn(far, -(a + b)) === value, level, 'advancing back does not give the entry', { value, far });
      must(values.prot(far) === values.prot(value), level, 'advancing changes the protection', { value, far });
      must(values.advancePfn(value, 0) === value, level, 'advancing by nothing changes the entry', { value });
    });
  });
});

const modify = law(
  'modify', 'modify gives other permissions; the frame, young, dirty and the marks of software stay', ['modify'],
  (subject, options) => {
    eachLeafLevel(subject, (machine, level, values) => {
      const prots = machine.prots();
      forAll(options, fc.tuple(leaves(machine, level, prots), fc.constantFrom(...prots)), ([{ pfn, value }, prot]) => {
        const result = values.modify(value, prot);
        const seen = { value, prot, result };
        must(values.pfn(result) === pfn, level, 'modify changes the frame', seen);
        must(values.present(result) && values.leaf(result), level, 'modify makes a leaf something else', seen);
        for (const mark of MARKS) {
          if (mark.name === 'write') continue;
          const kept = mark.is(values, value);
          must(mark.is(values, result) === kept || (mark.name === 'dirty' && !machine.user && !kept), level, `modify changes ${mark.name}`, seen);
        }
        const fresh = machine.access(level, machine.usable(level, pfn, prot));
        const access = machine.access(level, values.mkyoung(values.mkdirty(result)));
        must(access === fresh, level, 'modify gives other access than the protection', { ...seen, access, expected: fresh });
        must(values.write(result) === values.write(machine.leaf(level, pfn, prot)), level, 'modify makes an entry writable that the protection does not, or the reverse', seen);
      });
      // Nobody makes a page of the kernel young or dirty when it is used.
      if (!machine.user) {
        forAll(options, fc.tuple(machine.frames(level), fc.constantFrom(...prots), fc.constantFrom(...prots)), ([pfn, before, prot]) => {
          const value = machine.leaf(level, pfn, before);
          const result = values.modify(value, prot);
          const access = machine.access(level, result);
          const expected = machine.access(level, machine.leaf(level, pfn, prot));
          must(access === expected, level, 'modify gives a page of the kernel other access than the protection, before anybody has marked it', { value, prot, result, access, expected });
        });
      }
      modifyCommutes(machine, level, options);
    });
  },
);

/**
 * What the hardware is told by young and dirty follows from them after modify as before: where they are software's alone (s390), an old page faults, and a clean one too.
 * Of a mark that is set the hardware may be told later, by a fault (LoongArch's pte_modify leaves a dirty page that becomes writable so).
 */
function modifyCommutes<H extends HandleFamily>(machine: Machine<H>, level: Level, options: LawOptions): void {
  const values = machine.values(level);
  const prots = machine.prots();
  // Dirty that comes with a protection of the kernel is of the protection.
  const marks = MARKS.filter((mark) => hasMark(values, mark) && mark.name !== 'write' && mark.name !== 'uffdWp' && (mark.name !== 'dirty' || machine.user));
  const steps = marks.flatMap((mark) => [{ name: mark.name, change: mark.set, set: true }, ...(mark.clear === undefined ? [] : [{ name: `no ${mark.name}`, change: mark.clear, set: false }])]);
  forAll(options, fc.tuple(leaves(machine, level, prots), fc.constantFrom(...prots), fc.constantFrom(...steps)), ([{ value }, prot, { name, change, set }]) => {
    const first = values.modify(change(values, value), prot);
    const last = change(values, values.modify(value, prot));
    const less = (!values.valid(first) || values.valid(last)) && (machine.access(level, first) & ~machine.access(level, last)) === 0;
    must(first === last || (set && less), level, `modify of an entry that was made ${name} is not what it becomes if it is made so afterwards`, { value, prot, first, last });
  });
}

const protnone = law('protnone', 'PROT_NONE is present and nobody may use it; nothing else claims to be it', ['protnone', 'present', 'valid', 'vmProt', 'describe'], (subject, options) => {
  if (!new Machine(subject).user) throw new NotApplicable('the kernel has no PROT_NONE');
  eachLeafLevel(subject, (machine, level, values) => {
    if (values.features.has('protnone')) {
      forAll(options, machine.frames(level), (pfn) => {
        const value = machine.leaf(level, pfn, machine.arch.vmProt(0));
        must(values.present(value) && values.leaf(value), level, 'a PROT_NONE entry is no present leaf', { value });
        must(values.protnone(value), level, 'a PROT_NONE entry does not claim to be it', { value });
        if (subject.protnoneValid === true) {
          const access = machine.access(level, machine.usable(level, pfn, machine.arch.vmProt(0)));
          must(values.valid(value), level, 'a PROT_NONE entry is not valid, and the subject says protnoneValid', { value });
          must((access & USER) === 0, level, 'the rights of a PROT_NONE entry allow users something', { value, access });
        } else must(!values.valid(value), level, 'the hardware can use a PROT_NONE entry: if by its rights nobody may, say protnoneValid in the subject', { value });
        must(values.pfn(value) === pfn, level, 'PROT_NONE changes the frame', { value, frame: pfn, out: values.pfn(value) });
        must(!values.swap(value) && !values.none(value), level, 'a PROT_NONE entry is swap or empty too', { value });
        const back = values.modify(value, machine.arch.vmProt(VmFlags.Read));
        must(!values.protnone(back) && values.pfn(back) === pfn, level, 'an entry does not come back from PROT_NONE', { value, back });
      });
      forAll(options, fc.tuple(leaves(machine, level, machine.userProts()), fc.constantFrom(...machine.userProts())), ([{ pfn, value }, prot]) => {
        const nobody = values.modify(value, machine.arch.vmProt(0));
        const seen = { value, nobody };
        must(values.present(nobody) && values.leaf(nobody) && values.protnone(nobody), level, 'modify does not make an entry PROT_NONE', seen);
        must(values.valid(nobody) === (subject.protnoneValid === true), level, 'whether the hardware can use what modify made PROT_NONE is not as of one that vmProt made', seen);
        must((machine.access(level, nobody) & USER) === 0, level, 'users can use an entry that modify made PROT_NONE', seen);
        must(values.pfn(nobody) === pfn, level, 'modify to PROT_NONE changes the frame', { ...seen, frame: pfn, now: values.pfn(nobody) });
        const back = values.modify(nobody, prot);
        const access = machine.access(level, values.mkyoung(values.mkdirty(back)));
        const expected = machine.access(level, machine.usable(level, pfn, prot));
        must(!values.protnone(back) && access === expected, level, 'modify from PROT_NONE gives other access than the protection', { ...seen, back, access, expected });
      });
    }
    forAll(options, leaves(machine, level), ({ value }) => {
      must(!values.protnone(value), level, 'an entry that can be used claims to be PROT_NONE', { value });
    });
  });
});

const mkinvalid = law('mkinvalid', 'a huge entry that is made invalid stays present, of the same frame and with its marks, and no hardware uses it', ['mkinvalid', 'valid', 'present'], (subject, options) => {
  eachHugeLevel(subject, (machine, level, values) => {
    forAll(options, leaves(machine, level, machine.prots()), ({ pfn, value }) => {
      const result = values.mkinvalid(value);
      const seen = { value, result };
      must(values.present(result), level, 'mkinvalid makes an entry absent', seen);
      must(!values.valid(result), level, 'the hardware can still use an entry after mkinvalid', seen);
      must(values.pfn(result) === pfn, level, 'mkinvalid changes the frame', { ...seen, frame: pfn, now: values.pfn(result) });
      must(machine.look(level, result).kind === EntryKind.NonPresent, level, 'a scan does not call an invalid entry non-present', seen);
      for (const mark of MARKS) must(mark.is(values, result) === mark.is(values, value), level, `mkinvalid changes ${mark.name}`, seen);
    });
  });
});

const huge = law('huge is no table', 'a leaf above the pte level is a leaf, and bad as a pointer to a table', ['mkhuge', 'leaf', 'bad'], (subject, options) => {
  eachHugeLevel(subject, (machine, level, values) => {
    forAll(options, leaves(machine, level, machine.prots()), ({ value }) => {
      must(values.leaf(value), level, 'mkhuge makes no leaf', { value });
      must(values.bad(value), level, 'a leaf passes for a pointer to a table', { value });
    });
  });
});

const tables = law('table entries', 'an entry for a table is valid, no leaf, not bad, and gives the address back', ['ofTable', 'table', 'bad', 'present', 'valid'], (subject, options) => {
  const machine = new Machine(subject);
  for (const level of machine.tableLevels()) {
    const values = machine.values(level);
    const below = machine.below(level);
    if (below === undefined) continue;
    const bytes = Math.max(4096, machine.arch.geometry.entryBytes * machine.entries(below));
    const most = Math.floor((2 ** Math.min(machine.frameBits('pte'), 36) * machine.arch.geometry.pageBytes - 1) / bytes);
    forAll(options, fc.record({ at: fc.maxSafeNat(), user: fc.boolean() }), ({ at, user }) => {
      const address = (at % (most + 1)) * bytes;
      const value = values.ofTable(address, user);
      must(values.table(value) === address, level, 'the address of a table does not come back', { value, address, back: values.table(value) });
      must(values.present(value) && values.valid(value), level, 'an entry for a table is not valid', { value });
      must(!values.leaf(value) && !values.none(value) && !values.swap(value), level, 'an entry for a table is something else too', { value });
      must(!values.bad(value), level, 'an entry for a table is bad', { value });
      const { kind, lo, hi, pa } = machine.look(level, value);
      must(kind === EntryKind.Table && pa === address, level, 'a scan does not see the table', { value, kind, pa, address });
      // What stands above must not take away what the owner of these addresses may do.
      const inherited = machine.arch.inherit(machine.root.inherited, level, lo, hi);
      if (user !== machine.user) return;
      const leaf = machine.look('pte', machine.usable('pte', 0, user ? machine.arch.vmProt(15) : machine.arch.kernelProt(7)));
      const direct = machine.arch.describe('pte', leaf.lo, leaf.hi, machine.root.inherited).access;
      const through = machine.arch.describe('pte', leaf.lo, leaf.hi, inherited).access;
      must(through === direct, level, 'an entry for a table takes access away', { value, direct, through });
    });
  }
});

const swap = law(
  'swap', 'swap entries keep their type, offset and marks, and are nothing else',
  ['ofSwap', 'swap', 'swapType', 'swapOffset', 'swpSoftDirty', 'swpMksoftDirty', 'swpClearSoftDirty', 'swpExclusive', 'swpMkexclusive', 'swpClearExclusive', 'swpUffdWp', 'swpMkuffdWp', 'swpClearUffdWp'],
  (subject, options) => {
    const machine = new Machine(subject);
    const levels = machine.levels.filter((level) => machine.values(level).features.has('swap'));
    if (levels.length === 0) throw new NotApplicable('no level has swap entries');
    for (const level of levels) swapLevel(machine, level, options);
  },
);

interface SwapMark {
  readonly feature: Feature;
  readonly set: (values: AnyValues, value: AnyVal) => AnyVal;
  readonly clear: (values: AnyValues, value: AnyVal) => AnyVal;
  readonly is: (values: AnyValues, value: AnyVal) => boolean;
}

const SWAP_MARKS: readonly SwapMark[] = [
  { feature: 'swpSoftDirty', set: (on, v) => on.swpMksoftDirty(v), clear: (on, v) => on.swpClearSoftDirty(v), is: (on, v) => on.swpSoftDirty(v) },
  { feature: 'swpExclusive', set: (on, v) => on.swpMkexclusive(v), clear: (on, v) => on.swpClearExclusive(v), is: (on, v) => on.swpExclusive(v) },
  { feature: 'swpUffdWp', set: (on, v) => on.swpMkuffdWp(v), clear: (on, v) => on.swpClearUffdWp(v), is: (on, v) => on.swpUffdWp(v) },
];

function swapLevel<H extends HandleFamily>(machine: Machine<H>, level: Level, options: LawOptions): void {
  const values = machine.values(level);
  let bits = 62n;
  while (bits > 1n && values.swapOffset(values.ofSwap(0, 1n << (bits - 1n))) !== 1n << (bits - 1n)) bits--;
  must(bits >= 10n, level, 'swap offsets have fewer than 10 bits', { bits });
  // Offset 0 is the swap area's header: no page is ever there, and type 0 with it may be the empty entry.
  const cases = fc.record({ type: fc.nat(31), offset: fc.bigInt(1n, (1n << bits) - 1n), set: fc.nat(7), clear: fc.nat(7) });
  forAll(options, cases, ({ type, offset, set, clear }) => {
    let value = values.ofSwap(type, offset);
    let marks = 0;
    for (const mark of SWAP_MARKS) must(!mark.is(values, value), level, `a new swap entry has ${mark.feature}`, { value });
    SWAP_MARKS.forEach((mark, at) => {
      const had = values.features.has(mark.feature);
      const before = value;
      if ((set & (1 << at)) !== 0) {
        value = mark.set(values, value);
        if (had) marks |= 1 << at;
      }
      if ((clear & (1 << at)) !== 0) {
        value = mark.clear(values, value);
        marks &= ~(1 << at);
      }
      must(had || value === before, level, `the level has no ${mark.feature}, and the value changes`, { value, before });
    });
    must(values.swap(value) && !values.present(value) && !values.none(value) && !values.valid(value) && !values.leaf(value), level, 'a swap entry is something else too', { value, type, offset });
    must(values.swapType(value) === type, level, 'the swap type is another', { value, type, now: values.swapType(value) });
    must(values.swapOffset(value) === offset, level, 'the swap offset is another', { value, offset, now: values.swapOffset(value) });
    SWAP_MARKS.forEach((mark, at) => {
      must(mark.is(values, value) === ((marks & (1 << at)) !== 0), level, `${mark.feature} is not as it was set`, { value, type, offset });
    });
    must(machine.look(level, value).kind === EntryKind.NonPresent, level, 'a scan does not call a swap entry non-present', { value });
  });
}

const kinds = law(
  'kinds', 'an entry is exactly one of empty, swap, leaf and table, and a scan says the same', ['none', 'present', 'leaf', 'valid', 'swap', 'scan'],
  (subject, options) => {
    const machine = new Machine(subject);
    for (const level of machine.levels) {
      const values = machine.values(level);
      const sources: fc.Arbitrary<AnyVal>[] = [fc.constant(values.empty)];
      if (values.features.has('leaf')) {
        sources.push(leaves(machine, level, [...machine.userProts(), ...machine.kernelProts(), machine.arch.vmProt(0)]).map(({ value }) => value));
        if (level !== 'pte') sources.push(leaves(machine, level, machine.prots()).map(({ value }) => values.mkinvalid(value)));
      }
      if (values.features.has('table') && level !== 'pte') sources.push(fc.nat(1000).map((at) => values.ofTable(at * 65536, machine.user)));
      if (values.features.has('swap')) sources.push(fc.tuple(fc.nat(31), fc.bigInt(1n, 500n)).map(([type, offset]) => values.ofSwap(type, offset)));
      forAll(options, fc.oneof(...sources), (value) => {
        const none = values.none(value);
        const is = { none, swap: values.swap(value), leaf: values.leaf(value), table: values.present(value) && !values.leaf(value) };
        const count = Object.values(is).filter(Boolean).length;
        const names = Object.entries(is).filter(([, yes]) => yes).map(([name]) => name).join(' and ');
        must(count === 1, level, `an entry is ${count === 0 ? 'of no kind' : names}`, { value });
        must(values.present(value) || !values.valid(value), level, 'the hardware can use an entry that is not present', { value });
        const { kind, pa } = machine.look(level, value);
        const expected = none ? EntryKind.None : !values.valid(value) ? EntryKind.NonPresent : is.leaf ? EntryKind.Leaf : EntryKind.Table;
        must(kind === expected, level, `a scan and the values disagree about an entry that is ${names}`, { value, kind, expected });
        if (kind === EntryKind.Leaf) {
          const at = values.pfn(value) * machine.arch.geometry.pageBytes;
          must(pa === at, level, 'a scan sees another address in a leaf', { value, pa, expected: at });
        }
      });
    }
  },
);

const oneBit = law(
  'one bit', 'if one bit of an entry is another, a scan and the values still agree: whether it is empty, whether the hardware may use it, and where it leads; the constructors can make it', ['none', 'valid', 'pfn', 'table', 'ofPfn', 'ofTable', 'scan'],
  (subject) => {
    const machine = new Machine(subject);
    const { pageBytes, entryBytes } = machine.arch.geometry;
    if (entryBytes > 8) throw new NotApplicable('an entry of 128 bits may hold the lock of its accessors in one of them');
    // What the hardware notes by itself may stand in an empty entry too (x86: an erratum of Knights Landing).
    const page = machine.leaf('pte', 0, machine.arch.kernelProt(VmFlags.Read | VmFlags.Write));
    const on = machine.values('pte');
    const marks = on.mkyoung(on.mkdirty(page)) ^ on.mkold(on.mkclean(page));
    for (const level of machine.levels) {
      const values = machine.values(level);
      const bases: AnyVal[] = [values.empty];
      // Two bits of the frame: with one of them gone it is still none of the first two, which s390 may move (prefixing).
      const frame = 10 * machine.pages(level);
      if (values.features.has('leaf')) bases.push(...machine.prots().map((prot) => machine.usable(level, frame < 2 ** machine.frameBits(level) ? frame : 0, prot)));
      if (values.features.has('table') && level !== 'pte') bases.push(values.ofTable(10 * 65536, machine.user));
      for (const base of bases) {
        for (let bit = 0; bit < entryBytes * 8; bit++) {
          const value = entryVal(level, base ^ (1n << BigInt(bit)));
          const { kind, pa } = machine.look(level, value);
          const seen = { base, bit, value, kind };
          const mark = ((marks >> BigInt(bit)) & 1n) !== 0n;
          must(!values.none(value) || kind === EntryKind.None || mark, level, 'none() calls an entry empty, and a scan does not', seen);
          must(values.valid(value) === (kind !== EntryKind.None && kind !== EntryKind.NonPresent), level, 'a scan and valid() disagree about what the hardware may use', seen);
          if (kind === EntryKind.Leaf && values.leaf(value) && base !== values.empty && pa < 2 ** 52) must(values.pfn(value) * pageBytes === pa, level, 'a scan sees another address in a leaf than pfn()', { ...seen, pa, pfn: values.pfn(value) });
          if (kind === EntryKind.Table && !values.leaf(value) && base !== values.empty && pa < 2 ** 52) must(values.table(value) === pa, level, 'a scan sees another address in a table entry than table()', { ...seen, pa, table: values.table(value) });
          // What can be read of an entry can be written to one: no bit of an address is lost on the way in.
          if (kind === EntryKind.Leaf && values.leaf(value)) {
            const pfn = values.pfn(value);
            const again = values.ofPfn(pfn, values.prot(value));
            must(values.pfn(again) === pfn, level, 'a frame that an entry can hold is not what ofPfn puts there', { ...seen, pfn, again, back: values.pfn(again) });
          }
          if (kind === EntryKind.Table && !values.leaf(value)) {
            const address = values.table(value);
            const back = values.table(values.ofTable(address, machine.user));
            must(back === address, level, 'an address that an entry for a table can hold is not what ofTable puts there', { ...seen, address, back });
          }
        }
      }
    }
  },
);

const nonPresent = law('not present', 'decodeNonPresent finds in an entry what the constructors put there', ['decodeNonPresent', 'ofSwap', 'mkinvalid'], (subject, options) => {
  const machine = new Machine(subject);
  const { arch } = machine;
  for (const level of machine.levels) {
    const values = machine.values(level);
    // Entries of the kernel are never swapped.
    if (machine.user && values.features.has('swap')) {
      // The types above are those that hold no swap.
      forAll(options, fc.record({ type: fc.nat(15), offset: fc.bigInt(1n, 1000n) }), ({ type, offset }) => {
        const value = values.ofSwap(type, offset);
        const found = arch.decodeNonPresent(level, value);
        must(found.kind === 'swap', level, `a swap entry is decoded as ${found.kind}`, { value, type, offset });
        must(found.type === type && found.offset === offset, level, 'a swap entry is decoded as of another type or offset', { value, type, offset, 'type now': found.type, 'offset now': found.offset });
      });
    }
    if (!values.features.has('leaf')) continue;
    forAll(options, leaves(machine, level, machine.prots()), ({ pfn, value }) => {
      const made: readonly (readonly [string, AnyVal])[] = [
        ...(values.features.has('protnone') && machine.user && subject.protnoneValid !== true ? [['PROT_NONE', machine.leaf(level, pfn, arch.vmProt(0))] as const] : []),
        ...(level === 'pte' ? [] : [['an entry that mkinvalid made', values.mkinvalid(value)] as const]),
      ];
      for (const [what, entry] of made) {
        const found = arch.decodeNonPresent(level, entry);
        must(found.kind === 'protected', level, `${what} is decoded as ${found.kind}`, { value: entry });
        const pa = BigInt(pfn) * BigInt(arch.geometry.pageBytes);
        must(found.pa === pa, level, `${what} is decoded as of another page`, { value: entry, pa: found.pa, expected: pa });
      }
    });
  }
});

const USER = Access.UserRead | Access.UserWrite | Access.UserExecute;

const protections = law(
  'protections', 'what vmProt and kernelProt ask for is what describe says the hardware allows, and write() knows', ['vmProt', 'kernelProt', 'write', 'describe'],
  (subject, options) => {
    eachLeafLevel(subject, (machine, level, values) => {
      for (let flags = 0; flags < 16; flags++) {
        // VM_LOCKED and VM_IO, among the flags of a VMA.
        for (const other of [0x2000, 0x4000]) {
          must(machine.arch.vmProt(flags | other) === machine.arch.vmProt(flags), level, 'vmProt looks at flags of a VMA that are none of its business', { flags, other });
          must(machine.arch.kernelProt((flags & 7) | other) === machine.arch.kernelProt(flags & 7), level, 'kernelProt looks at flags that are none of its business', { flags, other });
        }
      }
      forAll(options, machine.frames(level), (pfn) => {
        for (let flags = 1; flags < 16; flags++) {
          if (!machine.user || (flags & 7) === 0) continue;
          const value = machine.usable(level, pfn, machine.arch.vmProt(flags));
          const access = machine.access(level, value);
          const writable = (flags & VmFlags.Write) !== 0 && (flags & VmFlags.Shared) !== 0;
          const seen = { value, flags, access };
          const { lo, hi } = machine.look(level, value);
          must(!machine.arch.describe(level, lo, hi, machine.root.inherited).global, level, 'a page of a user is global: other address spaces find it in the TLB', seen);
          if ((flags & VmFlags.Read) !== 0) must((access & Access.UserRead) !== 0, level, 'a readable page cannot be read', seen);
          must(((access & Access.UserWrite) !== 0) === writable, level, writable ? 'a shared writable page cannot be written to' : 'a read-only or private page can be written to', seen);
          must(values.write(machine.leaf(level, pfn, machine.arch.vmProt(flags))) === writable, level, 'write() disagrees with the protection', seen);
          if ((flags & VmFlags.Exec) !== 0) must((access & Access.UserExecute) !== 0, level, 'an executable page cannot be executed', seen);
          else if (subject.executeAlways !== true) must((access & Access.UserExecute) === 0, level, 'a page that is not executable can be executed', seen);
          must((machine.access(level, values.wrprotect(value)) & (Access.UserWrite | Access.KernelWrite)) === 0, level, 'a write-protected page can be written to', seen);
        }
        for (const flags of [1, 3, 5, 7]) {
          const value = machine.usable(level, pfn, machine.arch.kernelProt(flags));
          const access = machine.access(level, value);
          const seen = { value, flags, access };
          must(values.young(machine.leaf(level, pfn, machine.arch.kernelProt(flags))), level, 'a page of the kernel is not young, and nobody would make it so', seen);
          if (machine.user && subject.oneSpace !== true) continue;
          must((access & Access.KernelRead) !== 0, level, 'the kernel cannot read its page', seen);
          must(((access & Access.KernelWrite) !== 0) === ((flags & VmFlags.Write) !== 0), level, 'whether the kernel can write to its page is not as asked', seen);
          must(values.write(value) === ((flags & VmFlags.Write) !== 0), level, 'write() disagrees with the protection', seen);
          if ((flags & VmFlags.Exec) !== 0) must((access & Access.KernelExecute) !== 0, level, 'the kernel cannot execute its page', seen);
          else if (subject.executeAlways !== true) must((access & Access.KernelExecute) === 0, level, 'the kernel can execute a page that is not executable', seen);
          if (subject.oneSpace !== true) must((access & USER) === 0, level, 'users can use a page of the kernel', seen);
          must((machine.access(level, values.wrprotect(value)) & (Access.UserWrite | Access.KernelWrite)) === 0, level, 'a write-protected page can be written to', seen);
        }
      });
    });
  },
);

const marksAndAccess = law(
  'marks give no access', 'access does not change with the marks of software; describe knows young and dirty',
  ['mkyoung', 'mkdirty', 'mkspecial', 'mkdevmap', 'mksoftDirty', 'clearSoftDirty', 'mkuffdWp', 'clearUffdWp', 'describe'],
  (subject, options) => {
    eachLeafLevel(subject, (machine, level, values) => {
      forAll(options, fc.record({ pfn: machine.frames(level), prot: fc.constantFrom(...machine.prots()) }), ({ pfn, prot }) => {
        const value = machine.usable(level, pfn, prot);
        const access = machine.access(level, value);
        for (const mark of MARKS) {
          if (mark.name === 'write') continue;
          const now = machine.access(level, mark.set(values, value));
          const fewer = mark.name === 'uffdWp' && (now & ~access) === 0;
          must(now === access || fewer, level, `setting ${mark.name} changes access`, { value, before: access, now });
          if (mark.clear === undefined || mark.name === 'young' || mark.name === 'dirty') continue;
          must(machine.access(level, mark.clear(values, value)) === access, level, `clearing ${mark.name} changes access`, { value });
        }
        const { lo, hi } = machine.look(level, value);
        const { accessed, dirty } = machine.arch.describe(level, lo, hi, machine.root.inherited);
        must(accessed !== false, level, 'a young entry is described as old', { value });
        must(dirty !== false, level, 'a dirty entry is described as clean', { value });
        for (const [what, without] of [['accessed', values.mkold(value)], ['dirty', values.mkclean(value)]] as const) {
          const look = machine.look(level, without);
          if (look.kind !== EntryKind.Leaf) continue;
          const said = machine.arch.describe(level, look.lo, look.hi, machine.root.inherited)[what];
          must(said !== true, level, what === 'accessed' ? 'an old entry is described as young' : 'a clean entry is described as dirty', { value: without });
        }
      });
    });
  },
);

const groups = law('groups', 'mkgroup makes what describe calls a group of so many entries, with the same frame', ['mkgroup', 'hugeSet', 'scan'], (subject, options) => {
  const machine = new Machine(subject);
  eachLeafLevel(subject, (fresh, level, values) => {
    forAll(options, leaves(fresh, level, fresh.prots()), ({ value }) => {
      must(values.mkgroup(value, 1) === values.mkhuge(value), level, 'a group of one is not a leaf', { value });
    });
  });
  const pages = machine.arch.hugePages.filter(({ count }) => count > 1);
  if (pages.length === 0) throw new NotApplicable('no page is mapped by a group of entries');
  for (const { level, count, bytes } of pages) {
    const values = machine.values(level);
    must(bytes === Number(machine.bytes(level)) * count, level, 'a huge page is not as large as its entries', { bytes, count });
    const step = machine.pages(level) * count;
    forAll(options, fc.record({ pfn: machine.frames(level, step), prot: fc.constantFrom(...machine.prots()) }), ({ pfn, prot }) => {
      const frame = pfn - (pfn % step);
      const value = values.mkgroup(machine.usable(level, frame, prot), count);
      must(values.present(value) && values.leaf(value), level, 'an entry of a group is no leaf', { value });
      must(values.pfn(value) === frame, level, 'an entry of a group has another frame', { value, frame, now: values.pfn(value) });
      const table = machine.newTable(level);
      const first = table.entry(0);
      machine.ops(level).hugeSet(machine.mm, 0n, first, value, count);
      for (const index of [0, 1, count - 1]) {
        const { lo, hi, kind, pa } = machine.lookAt(level, first, index);
        must(kind === EntryKind.Leaf, level, 'a scan sees no leaf in an entry of a group', { value, kind, index });
        const { group } = machine.arch.describe(level, lo, hi, machine.root.inherited);
        must(group === count, level, 'describe sees a group of another size', { value, group, count, index });
        const expected = frame * machine.arch.geometry.pageBytes + index * Number(machine.bytes(level));
        must(pa === expected, level, 'a scan sees another address in an entry of a group', { value, index, pa, expected });
      }
    });
  }
});

const empty = law('empty', 'the empty entry of every level is empty and nothing else', ['none', 'present', 'swap', 'leaf', 'valid'], (subject) => {
  const machine = new Machine(subject);
  for (const level of machine.levels) {
    const values = machine.values(level);
    const value = values.empty;
    must(values.level === level, level, `its values say that they are of level ${values.level}`);
    must(values.none(value), level, 'the empty entry is not empty', { value });
    must(!values.present(value) && !values.swap(value) && !values.leaf(value) && !values.valid(value) && !values.protnone(value), level, 'the empty entry is something else too', { value });
    must(machine.look(level, value).kind === EntryKind.None, level, 'a scan does not call the empty entry empty', { value });
  }
});

export const VALUE_LAWS: readonly Law[] = [
  empty, same, frames, ...MARKS.map(markLaw), marksCommute, advance, modify, protections, marksAndAccess, protnone, mkinvalid, huge, groups, tables, swap, nonPresent, kinds, oneBit,
];
