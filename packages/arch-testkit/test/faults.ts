import { FlushPromise, geometryOf, NO_TLB, type EntryValues, type Feature, type Level, type MmContext, type PteVal } from '@pgtable/core';
import type { ReferenceParts } from './reference.js';

/** A mistake of one line, and the law that must find it. */
export interface Fault {
  readonly law: string;
  readonly name: string;
  readonly fault: (parts: ReferenceParts) => void;
}

const bits = (value: bigint): PteVal => value as PteVal;

/** Replaces a method by one that knows the method it replaces. */
function wrap<T extends object, K extends keyof T>(on: T, name: K, by: (was: T[K]) => T[K]): void {
  const was = on[name];
  on[name] = by((typeof was === 'function' ? was.bind(on) : was) as T[K]);
}

/** Changes the shape of one level of an instance. */
function reshape(parts: ReferenceParts, level: Level, by: { readonly shift?: number; readonly entries?: number }): void {
  const geometry = structuredClone(parts.arch.geometry);
  Object.assign(geometryOf(geometry, level), by);
  parts.arch = { ...parts.arch, geometry };
}

export const FAULTS: readonly Fault[] = [
  { law: 'mark young', name: 'mkold does nothing', fault: ({ values: { pte } }) => { pte.mkold = (value) => value; } },
  { law: 'mark young', name: 'mkyoung makes dirty', fault: ({ values: { pte } }) => { pte.mkyoung = (value) => bits(value | 0x60n); } },
  { law: 'mark dirty', name: 'mkclean changes the frame', fault: ({ values: { pte } }) => { pte.mkclean = (value) => bits(value & ~0x1040n); } },
  { law: 'mark write', name: 'wrprotect loses dirty', fault: ({ values: { pte } }) => { pte.wrprotect = (value) => bits(value & ~0x44n); } },
  { law: 'mark special', name: 'special is never', fault: ({ values: { pte } }) => { pte.special = () => false; } },
  { law: 'mark devmap', name: 'mkdevmap toggles', fault: ({ values: { pte } }) => { pte.mkdevmap = (value) => bits(value ^ 0x100n); } },
  { law: 'mark softDirty', name: 'clearing makes old', fault: ({ values: { pte } }) => { pte.clearSoftDirty = (value) => bits(value & ~0x220n); } },
  { law: 'mark uffdWp', name: 'clearing makes writable', fault: ({ values: { pte } }) => { pte.clearUffdWp = (value) => bits((value & ~0x400n) | 4n); } },
  { law: 'marks commute', name: 'mkyoung copies dirty to a spare bit', fault: ({ values: { pte } }) => { pte.mkyoung = (value) => bits(value | 32n | ((value & 64n) << 50n)); } },
  { law: 'same', name: 'the high word alone counts', fault: ({ values: { pte } }) => { pte.same = (a, b) => a >> 32n === b >> 32n; } },
  { law: 'frame and protection', name: 'an address bit is lost', fault: ({ values: { pte } }) => { wrap(pte, 'pfn', (was) => (value) => was(bits(value & ~(1n << 40n)))); } },
  { law: 'frame and protection', name: 'prot forgets NX', fault: ({ values: { pte } }) => { wrap(pte, 'prot', (was) => (value) => was(bits(value & ~16n))); } },
  { law: 'advancePfn', name: 'a pmd advances by a pte', fault: ({ values: { pmd } }) => { pmd.advancePfn = (value, count) => pmd.ofPfn(pmd.pfn(value) + count, pmd.prot(value)); } },
  { law: 'modify', name: 'modify loses dirty', fault: ({ values: { pte } }) => { wrap(pte, 'modify', (was) => (value, prot) => was(bits(value & ~64n), prot)); } },
  { law: 'protections', name: 'private pages are writable', fault: ({ arch }) => { wrap(arch, 'vmProt', (was) => (flags) => was(flags | 8)); } },
  { law: 'protections', name: 'locked memory is executable', fault: ({ arch }) => { wrap(arch, 'vmProt', (was) => (flags) => was((flags & 0x2000) === 0 ? flags : flags | 4)); } },
  { law: 'protections', name: 'everything is executable', fault: ({ arch }) => { wrap(arch, 'vmProt', (was) => (flags) => was(flags === 0 ? 0 : flags | 4)); } },
  { law: 'marks give no access', name: 'mkspecial gives execution', fault: ({ values: { pte } }) => { pte.mkspecial = (value) => bits((value | 128n) & ~16n); } },
  { law: 'protnone', name: 'PROT_NONE can be read', fault: ({ arch }) => { wrap(arch, 'vmProt', (was) => (flags) => was(flags === 0 ? 1 : flags)); } },
  { law: 'mkinvalid', name: 'mkinvalid makes absent', fault: ({ values: { pmd } }) => { pmd.mkinvalid = (value) => (value & ~1n) as typeof value; } },
  { law: 'huge is no table', name: 'bad is never', fault: ({ values: { pmd } }) => { pmd.bad = () => false; } },
  { law: 'groups', name: 'mkgroup makes no group', fault: ({ values: { pte } }) => { pte.mkgroup = (value) => pte.mkhuge(value); } },
  { law: 'table entries', name: 'the lowest address bit of a table is lost', fault: ({ values: { pmd } }) => { pmd.table = (value) => Number(value & 0xffff_ffff_e000n); } },
  { law: 'table entries', name: 'tables of users forbid users', fault: ({ values: { pmd } }) => { wrap(pmd, 'ofTable', (was) => (address) => was(address, false)); } },
  { law: 'swap', name: 'exclusive stands in the offset', fault: ({ values: { pte } }) => { pte.swpMkexclusive = (value) => bits(value | 0x1080n); } },
  { law: 'same', name: 'whether it is writable does not count', fault: ({ values: { pte } }) => { pte.same = (a, b) => pte.mkwrite(a) === pte.mkwrite(b); } },
  { law: 'protections', name: 'pages of users are global', fault: ({ arch }) => { wrap(arch, 'describe', (was) => (...entry) => ({ ...was(...entry), global: true })); } },
  { law: 'protections', name: 'pages of the kernel are old', fault: ({ arch }) => { wrap(arch, 'kernelProt', (was) => (flags) => bits(was(flags) & ~32n) as never); } },
  { law: 'marks give no access', name: 'all is accessed', fault: ({ arch }) => { wrap(arch, 'describe', (was) => (...entry) => ({ ...was(...entry), accessed: true })); } },
  { law: 'marks give no access', name: 'all is dirty', fault: ({ arch }) => { wrap(arch, 'describe', (was) => (...entry) => ({ ...was(...entry), dirty: true })); } },
  { law: 'protnone', name: 'modify keeps whether it is valid', fault: ({ values: { pte } }) => { wrap(pte, 'modify', (was) => (value, prot) => bits((was(value, prot) & ~1n) | (value & 1n))); } },
  { law: 'protnone', name: 'modify forgets PROT_NONE', fault: ({ values: { pte } }) => { wrap(pte, 'modify', (was) => (value, prot) => bits(was(value, prot) & ~(1n << 58n))); } },
  { law: 'one bit', name: 'the highest address bits are not of the frame', fault: ({ values: { pte } }) => { wrap(pte, 'pfn', (was) => (value) => was(value) % 2 ** 32); } },
  { law: 'one bit', name: 'low bits of a table entry are of its address', fault: ({ values: { pmd } }) => { pmd.table = (value) => Number(value & 0xffff_ffff_fff0n); } },
  { law: 'one bit', name: 'the high word of an empty entry does not count', fault: ({ values: { pte } }) => { wrap(pte, 'none', (was) => (value) => was(value) || (value & ~(0xffffn << 32n)) === pte.empty); } },
  { law: 'one bit', name: 'valid takes a second bit', fault: ({ values: { pmd } }) => { wrap(pmd, 'valid', (was) => (value) => was(value) && (value & (1n << 59n)) === 0n); } },
  { law: 'not present', name: 'the offset of a swap entry is decoded one bit off', fault: ({ arch }) => { wrap(arch, 'decodeNonPresent', (was) => (level, value) => { const found = was(level, value); return found.kind === 'swap' ? { ...found, offset: found.offset >> 1n } : found; }); } },
  { law: 'not present', name: 'PROT_NONE is decoded as swap', fault: ({ arch }) => { wrap(arch, 'decodeNonPresent', (was) => (level, value) => was(level, value & ~(1n << 58n))); } },
  { law: 'not present', name: 'a huge page that is being split is decoded as of its neighbour', fault: ({ arch }) => { wrap(arch, 'decodeNonPresent', (was) => (level, value) => { const found = was(level, value); return found.kind === 'protected' && level === 'pmd' ? { ...found, pa: found.pa + 4096n } : found; }); } },
  { law: 'kinds', name: 'a young pte is no leaf', fault: ({ values: { pte } }) => { wrap(pte, 'leaf', (was) => (value) => was(value) && !pte.young(value)); } },
  { law: 'protnone', name: 'PROT_NONE is swap', fault: ({ values: { pte } }) => { pte.present = (value) => pte.valid(value); } },
  { law: 'empty', name: 'zero is empty', fault: ({ values: { pte } }) => { pte.none = (value) => value === 0n; } },
  { law: 'handle stepping', name: 'the address of an entry is that of its table', fault: ({ ops: { pte } }) => { wrap(pte, 'entryAddress', (was) => (entry) => was(entry) & ~0xfff); } },
  { law: 'handle stepping', name: 'distance has no sign', fault: ({ ops: { pte } }) => { wrap(pte, 'distance', (was) => (a, b) => Math.abs(was(a, b))); } },
  { law: 'new tables', name: 'new tables are not filled', fault: ({ arch, tables }) => { wrap(arch, 'newTable', (was) => (level, address, user) => { const made = was(level, address, user); tables.elements.fill(0n); return made; }); } },
  { law: 'new tables', name: 'any address will do', fault: ({ arch }) => { wrap(arch, 'newTable', (was) => (level, address, user) => was(level, address - (address % 4096), user)); } },
  { law: 'populate and unlink', name: 'unlink leaves zero', fault: ({ ops: { pmd }, tables }) => { wrap(pmd, 'unlink', (was) => (mm, address, entry) => { const made = was(mm, address, entry); tables.elements[pmd.distance(0 as never, entry)] = 0n; return made; }); } },
  { law: 'populate and unlink', name: 'populate writes over what stands there', fault: ({ ops: { pmd } }) => { wrap(pmd, 'populate', (was) => (mm, address, entry, table) => { pmd.clear(mm, address, entry, 1).ignore('a fault'); was(mm, address, entry, table); }); } },
  { law: 'empty again', name: 'clear leaves zero', fault: ({ ops: { pte }, tables }) => { wrap(pte, 'clear', (was) => (mm, address, entry, count) => { const made = was(mm, address, entry, count); tables.elements[pte.distance(0 as never, entry)] = 0n; return made; }); } },
  { law: 'changes in place', name: 'setAccessFlags takes away', fault: ({ ops: { pte } }) => { wrap(pte, 'setAccessFlags', (was) => (mm, address, entry, value) => { pte.establish(mm, address, entry, value).ignore('a fault'); return was(mm, address, entry, value); }); } },
  { law: 'changes in place', name: 'establish returns the new value', fault: ({ ops: { pte } }) => { wrap(pte, 'establish', (was) => (mm, address, entry, value) => was(mm, address, entry, value).map(() => value)); } },
  { law: 'changes in place', name: 'modifyProtStart leaves the entry', fault: ({ ops: { pte } }) => { pte.modifyProtStart = (_mm, _address, entry) => pte.get(entry); } },
  { law: 'five levels', name: 'a folded level is looked for in a table below', fault: ({ ops: { pgd } }) => { wrap(pgd, 'offset', (was) => (entry, address) => { const below = pgd.child(entry); return below === undefined ? was(entry, address) : (below.table as never); }); } },
  { law: 'five levels', name: 'a folded level takes a table for none', fault: ({ values: { pud } }) => { wrap(pud, 'none', (was) => (value) => was(value) || (value & 3n) === 3n); } },
  { law: 'five levels', name: 'a folded level has zero for empty', fault: ({ ops: { pud }, tables }) => { wrap(pud, 'getAndClear', (was) => (mm, address, entry) => { const made = was(mm, address, entry); tables.elements[pud.distance(0 as never, entry)] = 0n; return made; }); } },
  { law: 'one state', name: 'getOnce is get', fault: ({ ops: { pte } }) => { pte.getOnce = (entry) => pte.get(entry); } },
  {
    law: 'one state', name: 'getOnce loads one word after the other',
    fault: ({ ops: { pte }, tables }) => { pte.getOnce = (entry) => { const at = pte.distance(0 as never, entry) * 2; return bits(BigInt(Atomics.load(tables.words, at) >>> 0) | (BigInt(Atomics.load(tables.words, at + 1) >>> 0) << 32n)); }; },
  },
  { law: 'one state', name: 'getLockless adds the neighbour\'s marks', fault: ({ ops: { pte } }) => { wrap(pte, 'getLockless', (was) => (entry) => { const value = was(entry); return bits(value | (was(entry) & 0x60n)); }); } },
  { law: 'modify', name: 'modify makes clean what is old', fault: ({ values: { pte } }) => { wrap(pte, 'modify', (was) => (value, prot) => bits(was(value, prot) | ((value & 32n) === 0n ? 1n << 50n : 0n))); } },
  { law: 'one bit', name: 'ofPfn loses the highest address bit, and pfn does not', fault: ({ values: { pte } }) => { wrap(pte, 'ofPfn', (was) => (pfn, prot) => bits(was(pfn, prot) & ~(1n << 47n))); } },
  { law: 'one bit', name: 'ofTable loses the highest address bit', fault: ({ values: { pmd } }) => { wrap(pmd, 'ofTable', (was) => (address, user) => (was(address, user) & ~(1n << 47n)) as never); } },
  { law: 'populate and unlink', name: 'clear of a table entry flushes no table entries', fault: ({ ops: { pmd } }) => { wrap(pmd, 'clear', (was) => (mm, address, entry, count) => { was(mm, address, entry, count).ignore('a fault'); return new FlushPromise(mm, undefined, { start: address, end: address + 65536n, level: 'pmd', tables: false }); }); } },
  ...(['getAndClearFull', 'wrprotect', 'establish', 'hugeWrprotect'] as const).map((name): Fault => ({ law: 'promises', name: `${name} of a pmd owes nothing`, fault: ({ ops: { pmd } }) => { forget(pmd, name); } })),
  { law: 'wrprotect many', name: 'with a TLB the last is left out', fault: ({ ops: { pte } }) => { wrap(pte, 'wrprotect', (was) => (mm, address, entry, count) => was(mm, address, entry, mm.tlb === NO_TLB ? count : Math.max(1, count - 1))); } },
  { law: 'wrprotect many', name: 'swap entries are changed', fault: ({ ops: { pte }, values }) => { wrap(pte, 'wrprotect', (was) => (mm, address, entry, count) => { for (let at = 0; count > 1 && at < count; at++) { const value = pte.get(pte.advance(entry, at)); if (values.pte.swap(value)) pte.set(mm, address, pte.advance(entry, at), bits(value & ~4n), 1); } return was(mm, address, entry, count); }); } },
  { law: 'batch', name: 'soft-dirty never counts', fault: ({ ops: { pte } }) => { wrap(pte, 'batch', (was) => (entry, value, max, ignore) => was(entry, value, max, { ...ignore, softDirty: true })); } },
  { law: 'whole blocks', name: 'setAccessFlags makes the neighbour writable too', fault: ({ ops: { pte }, values }) => { wrap(pte, 'setAccessFlags', (was) => (mm, address, entry, value) => { const next = pte.advance(entry, 1); if ((address & 0xf000n) !== 0xf000n && values.pte.present(pte.get(next))) was(mm, address, next, values.pte.mkwrite(pte.get(next))).ignore('a fault'); return was(mm, address, entry, value); }); } },
  { law: 'whole blocks', name: 'a batch goes on over another frame', fault: ({ ops: { pte } }) => { wrap(pte, 'batch', (was) => (entry, value, max, ignore) => Math.min(max, was(entry, value, max, ignore) + 1)); } },
  { law: 'take many', name: 'what the hardware noted as dirty in the others is lost', fault: ({ ops: { pte } }) => { wrap(pte, 'getAndClearFull', (was) => (mm, address, entry, count) => { const first = pte.get(entry); return was(mm, address, entry, count).map((value) => bits((value & ~64n) | (first & 64n))); }); } },
  { law: 'getters agree', name: 'getOnce is always dirty', fault: ({ ops: { pte }, values }) => { wrap(pte, 'getOnce', (was) => (entry) => values.pte.mkdirty(was(entry))); } },
  { law: 'clear many', name: 'the last of many stays', fault: ({ ops: { pte } }) => { wrap(pte, 'clear', (was) => (mm, address, entry, count) => was(mm, address, entry, Math.max(1, count - 1))); } },
  { law: 'set many', name: 'the frame stands still', fault: ({ ops: { pte } }) => { wrap(pte, 'set', (was) => (mm, address, entry, value, count) => { for (let at = 0; at < count; at++) was(mm, address, pte.advance(entry, at), value, 1); }); } },
  { law: 'set many', name: 'the frame does not carry to the high word', fault: ({ ops: { pte }, values }) => { wrap(pte, 'set', (was) => (mm, address, entry, value, count) => { for (let at = 0; at < count; at++) { const next = values.pte.present(value) ? values.pte.advancePfn(value, at) : value; was(mm, address, pte.advance(entry, at), bits((value & ~0xffff_ffffn) | (next & 0xffff_ffffn)), 1); } }); } },
  { law: 'wrprotect many', name: 'watched, one is left out', fault: ({ ops: { pte } }) => { wrap(pte, 'wrprotect', (was) => (mm, address, entry, count) => was(mm, address, entry, mm.observer === undefined ? count : Math.max(1, count - 1))); } },
  { law: 'old many', name: 'the first alone is asked', fault: ({ ops: { pte } }) => { wrap(pte, 'testAndClearYoung', (was) => (mm, address, entry, count) => { const young = pte.get(entry); return was(mm, address, entry, count).map((any) => any && (young & 32n) !== 0n); }); } },
  { law: 'take many', name: 'dirty of the others is lost', fault: ({ ops: { pte } }) => { wrap(pte, 'getAndClearFull', (was) => (mm, address, entry, count) => { const first = pte.get(entry); return was(mm, address, entry, count).map(() => first); }); } },
  { law: 'batch', name: 'dirty always counts', fault: ({ ops: { pte } }) => { wrap(pte, 'batch', (was) => (entry, value, max) => was(entry, value, max, {})); } },
  { law: 'batch', name: 'one too many', fault: ({ ops: { pte } }) => { wrap(pte, 'batch', (was) => (entry, value, max, ignore) => Math.min(max, was(entry, value, max, ignore) + 1)); } },
  { law: 'scan', name: 'a scan leaves out its last entry', fault: ({ ops: { pte } }) => { wrap(pte, 'scan', (was) => (table, first, end, filter, out) => { was(table, first, Math.max(first + 1, end - 1), filter, out); return end; }); } },
  { law: 'whole blocks', name: 'any three pages are a group', fault: ({ ops: { pte } }) => { wrap(pte, 'set', (was) => (mm, address, entry, value, count) => { was(mm, address, entry, count > 2 ? bits(value | (1n << 60n)) : value, count); }); } },
  { law: 'marks of the hardware', name: 'getLockless is never young', fault: ({ ops: { pte }, values }) => { wrap(pte, 'getLockless', (was) => (entry) => values.pte.mkold(was(entry))); } },
  { law: 'promises', name: 'getAndClear owes nothing', fault: ({ ops: { pte } }) => { wrap(pte, 'getAndClear', (was) => (mm, address, entry) => new FlushPromise(mm, was(mm, address, entry).ignore('a fault'), undefined)); } },
  ...(['clear', 'getAndClear', 'getAndClearFull', 'wrprotect', 'establish'] as const).map((name): Fault => (
    { law: `flush after ${name}`, name: 'nothing is owed', fault: ({ ops: { pte } }) => { forget(pte, name); } }
  )),
  { law: 'flush after modifyProt', name: 'nothing is owed', fault: ({ ops: { pte } }) => { forget(pte, 'modifyProtCommit'); } },
  { law: 'flush after getAndClearFull', name: 'one page alone is owed', fault: ({ ops: { pte } }) => { wrap(pte, 'getAndClearFull', (was) => (mm, address, entry, count) => new FlushPromise(mm, was(mm, address, entry, count).ignore('a fault'), { start: address, end: address + 4096n, level: 'pte', tables: false })); } },
  { law: 'flush after testAndClearYoung', name: 'it write-protects too', fault: ({ ops: { pte } }) => { wrap(pte, 'testAndClearYoung', (was) => (mm, address, entry, count) => { pte.wrprotect(mm, address, entry, 1).ignore('a fault'); return was(mm, address, entry, count); }); } },
  { law: 'flush after setAccessFlags', name: 'it write-protects and owes nothing', fault: ({ ops: { pte } }) => { wrap(pte, 'setAccessFlags', (was) => (mm, address, entry, value) => { const made = was(mm, address, entry, value).ignore('a fault'); pte.wrprotect(mm, address, entry, 1).ignore('a fault'); return new FlushPromise(mm, made, undefined); }); } },
  { law: 'huge pages', name: 'the last entry of a group stays writable', fault: ({ ops: { pte } }) => { wrap(pte, 'hugeWrprotect', (was) => (mm, address, entry, count) => was(mm, address, entry, Math.max(1, count - 1))); } },
  { law: 'huge pages', name: 'a page of one leaf is changed twice', fault: ({ ops: { pmd } }) => { wrap(pmd, 'hugeSetAccessFlags', (was) => (mm, address, entry, value, count) => was(mm, address, entry, value, count).map(() => true)); } },
  { law: 'huge pages', name: 'hugeGet is always young', fault: ({ ops: { pmd }, values }) => { wrap(pmd, 'hugeGet', (was) => (entry, count) => values.pmd.mkyoung(was(entry, count))); } },
  { law: 'address space', name: 'unlink owes nothing', fault: ({ ops: { pmd } }) => { forget(pmd, 'unlink'); } },
  { law: 'address space', name: 'a frame is lost on the way', fault: ({ ops: { pte } }) => { wrap(pte, 'modifyProtCommit', (was) => (mm, address, entry, old, value) => was(mm, address, entry, old, bits(value & ~0x1000n))); } },
  { law: 'address space', name: 'the entry of a table forbids users', fault: ({ values: { pgd } }) => { wrap(pgd, 'ofTable', (was) => (address) => was(address, false)); } },
  { law: 'address space', name: 'an accessor drops a promise of its own', fault: ({ ops: { pte } }) => { wrap(pte, 'wrprotect', (was) => (mm, address, entry, count) => { was(mm, address, entry, 1); return was(mm, address, entry, count); }); } },
  { law: 'shape', name: 'a table of half the entries', fault: (parts) => { reshape(parts, 'pmd', { entries: 8 }); } },
  { law: 'shape', name: 'a folded level has the shift of the level below', fault: (parts) => { reshape(parts, 'pud', { shift: 16 }); } },
  { law: 'shape', name: 'the lowest level maps nothing', fault: ({ values: { pte } }) => { without(pte, 'leaf'); } },
  { law: 'shape', name: 'the top level has no tables', fault: ({ values: { pgd } }) => { without(pgd, 'table'); } },
  { law: 'shape', name: 'a huge page is of a level without leaves', fault: (parts) => { parts.arch = { ...parts.arch, hugePages: [{ bytes: 2 ** 20, level: 'pgd', count: 1 }] }; } },
  { law: 'shape', name: 'huge pages descend', fault: (parts) => { parts.arch = { ...parts.arch, hugePages: [...parts.arch.hugePages].reverse() }; } },
  { law: 'shape', name: 'pgdOffset is always the first', fault: ({ arch }) => { wrap(arch, 'pgdOffset', (was) => (root) => was(root, 0n)); } },
  { law: 'tags', name: 'addresses of the upper half are made lower', fault: ({ arch }) => { arch.untagAddress = (address) => address & ((1n << 56n) - 1n); } },
  { law: 'tags', name: 'a bit of an index is a tag', fault: ({ arch }) => { arch.untagAddress = (address) => (address >> 55n === 0n || address >> 55n === 511n ? address : address & ~(1n << 12n)); } },
  { law: 'tags', name: 'half of a tag stays', fault: ({ arch }) => { arch.untagAddress = (address) => (address >> 55n === 0n || address >> 55n === 511n ? address : address ^ (1n << 60n)); } },
  { law: 'what stands above', name: 'the nearest table alone counts', fault: ({ arch }) => { wrap(arch, 'inherit', (was) => (_inherited, level, lo, hi) => was(0, level, lo, hi)); } },
  { law: 'what stands above', name: 'a table of users gives back what stands above', fault: ({ arch }) => { wrap(arch, 'inherit', (was) => (inherited, level, lo, hi) => was(inherited, level, lo, hi) & ((lo & 8) === 0 ? -1 : ~2)); } },
];

/** Makes an accessor owe nothing. */
function forget(on: object, name: string): void {
  const ops = on as Record<string, (mm: MmContext, ...rest: readonly unknown[]) => FlushPromise<unknown>>;
  wrap(ops, name, (was) => (mm, ...rest) => new FlushPromise(mm, was(mm, ...rest).ignore('a fault'), undefined));
}

/** Takes a feature from the values of a level. */
function without(on: EntryValues, feature: Feature): void {
  (on as { features: EntryValues['features'] }).features = new Set([...on.features].filter((other) => other !== feature));
}
