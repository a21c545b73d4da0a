/** One deliberate fault: one line of a source, and what it becomes. */
export interface Mutant {
  readonly name: string;
  /** Path in the repository. */
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** How the names of the subjects begin that the fault can show on; all if left out. */
  readonly subjects?: string;
}

const values = (name: string, find: string, replace: string): Mutant => ({ name, file: 'packages/core/src/flag-values.ts', find, replace });
const basic = (name: string, find: string, replace: string): Mutant => ({ name, file: 'packages/core/src/basic-ops.ts', find, replace });
const table = (name: string, find: string, replace: string): Mutant => ({ name, file: 'packages/core/src/table-ops.ts', find, replace });

const x86 = (name: string, file: string, find: string, replace: string): Mutant => ({ name: `x86: ${name}`, file: `packages/arch-x86/src/${file}`, find, replace, subjects: 'x86' });
const arm64 = (name: string, find: string, replace: string): Mutant => ({ name: `arm64: ${name}`, file: 'packages/arch-arm64/src/ops.ts', find, replace, subjects: 'arm64' });
const s390 = (name: string, find: string, replace: string): Mutant => ({ name: `s390: ${name}`, file: 'packages/arch-s390/src/values.ts', find, replace, subjects: 's390' });

/** What all architectures share comes first. */
export const MUTANTS: readonly Mutant[] = [
  values('advancing a page forgets the size of the entry', 'count * 2 ** this.format.orderShift', 'count'),
  values('old entries stay young', 'return this.make(value & ~this.format.young);', 'return this.make(value);'),
  values('clean entries stay dirty', 'return this.make(value & ~this.format.dirty);', 'return this.make(value);'),
  values('wrprotect leaves the entry writable', 'return this.make(value & ~this.format.write);', 'return this.make(value);'),
  values('modify forgets young and dirty', '((this.prot(value) & keeps) | (prot & ~keeps))', '((prot & keeps) | (prot & ~keeps))'),
  values('modify keeps the old permissions', '((this.prot(value) & keeps) | (prot & ~keeps))', '(this.prot(value) | prot)'),
  values('a valid entry passes for PROT_NONE', 'return !this.valid(value) && this.has(value, this.format.protnone);', 'return this.has(value, this.format.protnone | this.format.young);'),
  values('a table passes for a leaf', "return this.features.has('leaf') && this.present(value) && !this.isTable(value);", "return this.features.has('leaf') && this.present(value);"),
  values('an empty entry passes for a swap entry', 'return !this.none(value) && !this.present(value);', 'return !this.present(value);'),
  values('the swap offset loses its lowest bit', '((offset & offsetMask) << BigInt(swap.offsetShift))', '((offset & offsetMask & ~1n) << BigInt(swap.offsetShift))'),
  values('mkhuge makes no leaf', 'return this.make((value & ~this.format.leafClears) | this.format.leafSets);', 'return this.make(value);'),
  values('mkinvalid leaves the entry valid', 'return this.make((value & ~this.format.invalidClears) | this.format.invalidSets);', 'return this.make(value);'),

  basic('young is lost when entries are gathered', 'if (values.young(other)) result = values.mkyoung(result);', ''),
  basic('dirty is lost when entries are gathered', 'if (values.dirty(other)) result = values.mkdirty(result);', ''),
  basic('get-and-clear owes no flush', 'return this.promise(mm, old, address, 1, stale, stale && !this.values.leaf(old));', 'return this.promise(mm, old, address, 1, false);'),
  basic('wrprotect owes no flush', 'stale ||= values.valid(old) && values.write(old);', ''),
  basic('clearing young owes no flush', 'return this.promise(mm, young, address, count, young);', 'return this.promise(mm, young, address, count, false);'),
  basic('modify-prot commit owes no flush', 'return this.promise(mm, undefined, address, 1, this.values.valid(old) && old !== value);', 'return this.promise(mm, undefined, address, 1, false);'),
  basic('a promise covers one entry of a batch', 'end: address + BigInt(count) * this.bytes', 'end: address + this.bytes'),
  basic('an unlinked table is not flushed from the walk caches', 'level: table.level, tables: true }', 'level: table.level, tables: false }'),
  basic('establish says what it wrote', 'return this.promise(mm, old, address, 1, stale && old !== value, stale && !this.values.leaf(old));', 'return this.promise(mm, value, address, 1, stale && old !== value, stale && !this.values.leaf(old));'),
  basic('modify-prot start leaves the entry in place', 'modifyProtStart(mm: MmContext, address: bigint, entry: H[L]): EntryVal<L> {\n    return this.replace(mm, address, entry, this.values.empty);', 'modifyProtStart(mm: MmContext, address: bigint, entry: H[L]): EntryVal<L> {\n    return this.replace(mm, address, entry, this.load(entry));'),
  basic('a batch goes on over the next frame', 'expected = this.values.advancePfn(expected, 1);', ''),
  basic('a batch ends at a young entry', 'return values.wrprotect(values.mkold(result));', 'return values.wrprotect(result);'),
  basic('set-access-flags does not make writable', 'return values.write(other) && !values.write(result) ? values.mkwrite(result) : result;', 'return result;'),
  basic('populate takes a table of any level', 'if (table.level !== child) {', 'if (child === undefined) {'),

  table('the carry between the words of an entry is lost', '(lo >>> 0 < stepLo >>> 0 ? 1 : 0)', '0'),
  table('a batch of sets writes one frame throughout', 'lo = (lo + stepLo) | 0;\n      // The carry', '// The carry'),
  table('zero is taken for the empty entry by clear', 'const stale = this.anyValid(index, count);\n    this.fillRun(index, count, this.values.empty, 0n);\n    return this.promise(mm, undefined', 'const stale = this.anyValid(index, count);\n    this.fillRun(index, count, 0n, 0n);\n    return this.promise(mm, undefined'),
  table('a new table is filled with zero', 'fillTable(tables, index, entries, values[level].empty);', 'fillTable(tables, index, entries, 0n);'),
  table('clear owes a flush for its first entry alone', 'const end = (index + count) * stride;', 'const end = (index + 1) * stride;'),
  table('a handle steps two entries', 'return handleAt<H, L>(this.level, indexOf<H, L>(entry) + count);', 'return handleAt<H, L>(this.level, indexOf<H, L>(entry) + count * 2);'),
  table('the distance has the wrong sign', 'return indexOf<H, L>(b) - indexOf<H, L>(a);', 'return indexOf<H, L>(a) - indexOf<H, L>(b);'),
  table('the getter for readers without a lock is the plain one', 'return entryVal(this.level, Atomics.load(this.tables.elements, index));', 'return this.get(entry);'),
  table('the entry of a folded level is looked for in a table', 'if (this.sameEntryBelow) return handleAt<H, Below[L]>(below, index);', ''),
  basic('clearing the entry of a table flushes no table entries', 'tables ||= !this.values.leaf(old);', ''),
  { name: 'a flush is promised and not done', file: 'packages/core/src/flush.ts', find: 'if (range !== undefined) this.mm.tlb.flush(range);\n    return this.keep();', replace: 'return this.keep();' },
  { name: 'a gathered flush is forgotten', file: 'packages/core/src/flush.ts', find: 'if (range !== undefined) batch.add(this.mm, range);', replace: '' },
  { name: 'a dropped promise is not noticed', file: 'packages/core/src/flush.ts', find: 'this.open.set(promise, {', replace: 'if (this.open.size < 0) this.open.set(promise, {' },
  { name: 'a live table is written to as if it were not', file: 'packages/core/src/unlinked-table.ts', find: 'this.entry(0);\n    this.linked = true;', replace: 'this.entry(0);' },

  x86('the frame of PROT_NONE is not inverted', 'values.ts', 'return this.make((this.inverted(prot) ? frame ^ this.format.pfnMask : frame) | prot);', 'return this.make(frame | prot);'),
  x86('dirty is lost when an entry becomes read-only', 'values.ts', 'return this.make(this.saveDirty(super.wrprotect(value)));', 'return this.make(super.wrprotect(value) & ~this.format.dirty);'),
  arm64('the contiguous bit on a block that is not aligned', 'const aligned = mm.user && this.values.valid(plain) && first === this.values.pfn(plain) % blockEntries;', 'const aligned = mm.user && this.values.valid(plain);'),
  arm64('the contiguous bit on a short block', 'const within = count - before - ((count - before) % blockEntries);', 'const within = count - before;'),
  arm64('young and dirty of the block are not gathered', 'return this.hide(this.withNotesOfGroup(value, this.blockOf(entry), this.blockEntries));', 'return this.hide(value);'),
  arm64('young and dirty are lost when a block is folded or unfolded', 'if (present) first = this.withNotesOf(first, old);', 'if (present && done < 0) first = this.withNotesOf(first, old);'),
  arm64('a block is unfolded without a flush', 'if (stale) mm.tlb.flush({ start: address,', 'if (stale && count < 0) mm.tlb.flush({ start: address,'),
  arm64('the contiguous bit is seen', 'return this.inBlock(value) ? this.value(value & ~CONT) : value;', 'return value;'),
  arm64('a part of a block is cleared while it is folded', 'if (mm.user && this.inBlock(value)) this.convert(mm, address, entry, this.hide(value));', 'if (!mm.user && this.inBlock(value)) this.convert(mm, address, entry, this.hide(value));'),
  arm64('the getter for readers without a lock does not gather', 'if (whole !== undefined) return this.hide(whole);', 'if (whole !== undefined) return this.hide(own);'),
  arm64('the getter for readers without a lock takes a block that is torn', 'if (this.withoutNotes(value) !== expected) return undefined;', ''),
  x86('an entry of PAE is read in two halves', 'ops.ts', 'if (this.loadWord(at + LOW_WORD) === lo) return', 'return'),
  x86('the high address bits of a 4 MiB page are lost', 'values.ts', 'return (address & both(ADDRESS_4M_LO)) | (((address >> BigInt(PSE36_BIT)) << BigInt(PSE36_SHIFT)) & both(PSE36_LO));', 'return address & both(ADDRESS_4M_LO);'),
  s390('an old entry stays valid to the hardware', 'return this.make((value & ~this.format.young) | this.bits.invalid);', 'return this.make(value & ~this.format.young);'),
  s390('a clean entry can be written to by the hardware', 'return this.make((value & ~this.format.dirty) | this.bits.protect);', 'return this.make(value & ~this.format.dirty);'),
  { name: 's390: a batch that becomes read-only makes old entries valid', file: 'packages/arch-s390/src/ops.ts', find: '& (valid ? ~PAGE_INVALID : -1);', replace: '& ~PAGE_INVALID;', subjects: 's390' },
  { name: 's390: establish flushes nothing', file: 'packages/arch-s390/src/ops.ts', find: 'if (this.unseen(mm)) return super.establish(mm, address, entry, value);', replace: 'if (mm.tlb === NO_TLB || !this.unseen(mm)) return super.establish(mm, address, entry, value);', subjects: 's390' },
  s390('an entry that becomes read-only keeps the hardware permission', 'return this.make((value & ~this.format.write) | this.bits.protect);', 'return this.make(value & ~this.format.write);'),
  s390('a young entry is not given to the hardware', 'if (this.has(value, young) && this.has(value, read)) result &= ~invalid;', ''),
];
