/** Case `texts`: notes, VMCOREINFO, System.map, the PGTABLE note, and what users type. */
import fc from 'fast-check';
import { Vmcoreinfo, type DumpNote } from '@pgtable/core';
import { bytesSource, openMemory, parsePlacement, type PhysicalMemory } from '@pgtable/memory';
import { Symbols } from '@pgtable/walk';
import { parseAddress, parseRange } from '../../apps/pgtable/src/commands/common.js';
import { parseFilter } from '../../apps/pgtable/src/filter.js';
import { readRecorded } from '../../apps/pgtable/src/recorded.js';
import { elfImage } from '../../packages/memory/test/synthetic.js';
import { attempt, expect, fuzzCase } from './harness.js';
import { machines, type Machine } from './machines.js';
import { analyse } from './pipeline.js';

const MACHINES = new Map(machines().filter(({ memory }) => memory.length <= 2 ** 18).map((machine) => [machine.name, machine]));

const anyDigits = fc.oneof(
  fc.bigInt(0n, (1n << 64n) - 1n).map((value) => value.toString(16)),
  fc.bigInt(-(1n << 70n), 1n << 70n).map(String),
  fc.constantFrom('', '0', '-1', '0x', '0xffffffffffffffff', 'ffffffffffffffffffffffff', '-9223372036854775808', '1e400', 'NaN', 'Infinity', '0.5', '\u0000', ' 12', '12 ', '9'.repeat(400), 'f'.repeat(400), '__proto__', 'y'),
  fc.string({ maxLength: 12 }),
);
const anyLine = fc.oneof(
  fc.tuple(fc.constantFrom('SYMBOL(swapper_pg_dir)', 'SYMBOL(init_top_pgt)', 'NUMBER(VA_BITS)', 'NUMBER(phys_base)', 'KERNELOFFSET', 'SIZE(page)', 'PAGESIZE', 'OSRELEASE', 'NUMBER(TCR_EL1_T1SZ)', 'NUMBER(kimage_voffset)', 'NUMBER(sme_mask)', 'NUMBER(MAX_PHYSMEM_BITS)', 'SYMBOL(mem_section)', 'LENGTH(lowcore_ptr)', 'KERNELOFFPHYS', 'IDENTITYBASE', 'NUMBER(SECTION_SIZE_BITS)', 'NUMBER(PAGE_OFFSET)', 'CONFIG_X86_PAE'), anyDigits).map(([key, value]) => `${key}=${value}`),
  fc.string({ maxLength: 30 }),
);
/** Edits of a text by lines: the value of one replaced, one left out, one put in. */
const anyEdit = fc.record({ line: fc.noBias(fc.nat(40)), how: fc.constantFrom('value' as const, 'value' as const, 'drop' as const, 'insert' as const), value: anyDigits, text: anyLine });

function edited(text: string, edits: readonly { line: number; how: 'value' | 'drop' | 'insert'; value: string; text: string }[]): string {
  const lines = text.split('\n');
  for (const { line, how, value, text: inserted } of edits) {
    const at = line % Math.max(1, lines.length);
    if (how === 'drop') lines.splice(at, 1);
    else if (how === 'insert') lines.splice(at, 0, inserted);
    else lines[at] = `${(lines[at] ?? '').split('=')[0] ?? ''}=${value}`;
  }
  return lines.join('\n');
}

const SYMBOL_NAMES = ['_text', '_stext', '_end', 'swapper_pg_dir', 'kernel_map', 'address_markers', 'vm_layout', 'vmalloc_base', 'vmemmap_base', 'page_offset_base', 'kernel_ptdump_info', 'relocate_lowcore', 'kasan_early_shadow_pte', 'high_memory', 'pgtable_l5_enabled', '__proto__', 'constructor'];
const anySymbols = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.tuple(fc.oneof(fc.bigInt(0n, (1n << 64n) - 1n), fc.bigInt(0x10_0000n, 0x12_0000n), fc.bigInt(0xffffffff80100000n, 0xffffffff80120000n)), fc.constantFrom('T', 'd', 'B', '?'), fc.constantFrom(...SYMBOL_NAMES)).map(([address, type, name]) => `${address.toString(16)} ${type} ${name}`) },
    { weight: 1, arbitrary: fc.string({ maxLength: 40 }) },
    { weight: 1, arbitrary: anyDigits.map((digits) => `${digits} T _text`) },
  ),
  { maxLength: 12 },
);

const anyNote = fc.record({
  name: fc.constantFrom('CORE', 'QEMU', 'LINUX', 'VMCOREINFO', 'PGTABLE', 'VMCOREINFO_XEN', '', 'a'.repeat(300)),
  type: fc.oneof(fc.constantFrom(0, 1, 0x304, 0x305), fc.noBias(fc.nat(0x7fff_ffff))),
  desc: fc.uint8Array({ maxLength: 600 }),
});
const anyRecorded = fc.array(
  fc.oneof(
    fc.tuple(fc.constantFrom('cr3', 'ttbr0', 'asce', 'satp', 'tcr', 'prefix', '__proto__', 'X'), anyDigits).map(([name, value]) => `register.${name}=0x${value}`),
    fc.tuple(anyDigits, fc.uint8Array({ maxLength: 70 })).map(([address, bytes]) => `memory.${address}=${Buffer.from(bytes).toString('hex')}`),
    fc.string({ maxLength: 30 }),
  ),
  { maxLength: 5 },
);

const anyRun = fc.record({
  machine: fc.constantFrom(...MACHINES.keys()),
  edits: fc.array(anyEdit, { maxLength: 5 }),
  symbols: fc.option(anySymbols, { nil: undefined }),
  notes: fc.array(anyNote, { maxLength: 4 }),
  recorded: anyRecorded,
  /** A note of the machine whose payload is cut or changed. */
  spoil: fc.record({ note: fc.noBias(fc.nat(3)), cut: fc.option(fc.nat(500), { nil: undefined }), bytes: fc.array(fc.tuple(fc.noBias(fc.nat(500)), fc.nat(255)), { maxLength: 6 }) }),
  typed: fc.oneof(fc.string({ maxLength: 30 }), fc.tuple(anyDigits, fc.constantFrom('-', '+', '@', ':'), anyDigits).map((parts) => parts.join(''))),
});

function notesOf(machine: Machine, drawn: { readonly notes: readonly DumpNote[]; readonly spoil: { note: number; cut: number | undefined; bytes: readonly (readonly [number, number])[] } }, vmcoreinfo: string, recorded: string): DumpNote[] {
  const encode = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0) & 0xff);
  const own = machine.notes.map((note, at): DumpNote => {
    if (note.name === 'VMCOREINFO') return { ...note, desc: encode(vmcoreinfo) };
    if (at !== drawn.spoil.note) return note;
    const desc = note.desc.slice(0, drawn.spoil.cut);
    for (const [place, value] of drawn.spoil.bytes) if (place < desc.length) desc[place] = value;
    return { ...note, desc };
  });
  return [...own, ...drawn.notes, { name: 'PGTABLE', type: 1, desc: encode(recorded) }];
}

export const texts = fuzzCase('texts', 'notes, VMCOREINFO, System.map, PGTABLE notes, arguments', 0.15, anyRun, async (drawn, context) => {
  const machine = MACHINES.get(drawn.machine);
  if (machine === undefined) return;
  const original = machine.notes.find(({ name }) => name === 'VMCOREINFO');
  const vmcoreinfo = edited(Buffer.from(original?.desc ?? []).toString('latin1'), drawn.edits);
  const info = new Vmcoreinfo(vmcoreinfo, 'a fuzzed note');
  for (const key of ['OSRELEASE', 'KERNELOFFSET', '__proto__', 'constructor']) {
    info.get(key);
    info.hex(key);
  }
  const notes = notesOf(machine, drawn, vmcoreinfo, drawn.recorded.join('\n'));
  const recorded = await attempt(context, () => readRecorded(notes));
  const image = elfImage([{ address: machine.base, bytes: machine.memory }], { bits: machine.bits, littleEndian: machine.littleEndian }, { elfMachine: machine.elfMachine, notes });
  const memory: PhysicalMemory = await openMemory(bytesSource(image, 'fuzzed notes'));
  expect(memory.notes.length >= machine.notes.length, () => `${memory.notes.length} notes of ${notes.length}`);
  const registers = new Map([...(recorded?.registers ?? [])].filter(([name]) => machine.plugin.registers.some((register) => register.name === name)));
  const symbols = drawn.symbols?.join('\n');
  await analyse(memory, machine.plugin, { registers, ...(symbols === undefined ? {} : { symbols }) }, context);
  const table = symbols === undefined ? undefined : await attempt(context, () => new Symbols(symbols, 'fuzzed symbols'));
  for (const address of [0n, 1n << 63n, (1n << 64n) - 1n]) table?.nearest(address);
  const { typed } = drawn;
  await attempt(context, () => parseAddress(typed, 'ADDRESS'));
  await attempt(context, () => parseRange(typed));
  await attempt(context, () => parseFilter([typed]));
  await attempt(context, () => parsePlacement(typed));
});
