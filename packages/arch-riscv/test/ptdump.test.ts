import { describe, expect, it } from 'vitest';
import { EntryKind, Insecure, TableMemory, Vmcoreinfo, type KernelView, type Level } from '@pgtable/core';
import { riscv, riscvArch, riscvRoot, type RiscvMode } from '../src/index.js';
import { pte } from './support.js';

function lineOf(mode: RiscvMode, start: bigint, end: bigint, pa: number, level: Level, value: bigint): string {
  const { ptdump } = riscvArch({ mode }, new TableMemory({ entryBytes: mode === 'Sv32' ? 4 : 8 }));
  const out = new Int32Array(2);
  ptdump.attributes(EntryKind.Leaf, level, Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n)), out);
  return ptdump.line(Number(start), Number(end), pa, level, out[0]!, out[1]!, 0);
}

describe('ptdump', () => {
  // The first two and the IO line are the kernel's own (fixtures/ptdump/riscv64-sv57); the rest follows the format strings of ptdump.c.
  it.each<[RiscvMode, bigint, bigint, number, Level, bigint, string]>([
    ['Sv57', 0xff1bfffffec00000n, 0xff1bffffff000000n, 0x83e00000, 'pmd', pte('VRWGAD'), '0xff1bfffffec00000-0xff1bffffff000000    0x0000000083e00000         4M PMD .   ..     ..   D A G . . W R V'],
    ['Sv57', 0xffffffff80000000n, 0xffffffff80200000n, 0x80200000, 'pmd', pte('VRXGAD'), '0xffffffff80000000-0xffffffff80200000    0x0000000080200000         2M PMD .   ..     ..   D A G . X . R V'],
    ['Sv57', 0xff1bffffff000000n, 0xff1bffffff010000n, 0x3000000, 'pte', pte('VRWGAD', 0n, 2n << 61n), '0xff1bffffff000000-0xff1bffffff010000    0x0000000003000000        64K PTE . MT(IO)   ..   D A G . . W R V'],
    ['Sv39', 0xffffffd600001000n, 0xffffffd600004000n, 0x80001000, 'pte', pte('VRU', 0n, (1n << 63n) | (1n << 61n) | (3n << 8n)), '0xffffffd600001000-0xffffffd600004000    0x0000000080000000        12K PTE N MT(NC) RSW(3) . . . U . . R V'],
    ['Sv39', 0xffffffc000000000n, 0xffffffc080000000n, 0x80000000, 'pgd', pte('VRWGAD', 0n, 3n << 61n), '0xffffffc000000000-0xffffffc080000000    0x0000000080000000         2G PGD . MT(??)   ..   D A G . . W R V'],
    ['Sv57', 0xfffffffffffff000n, 2n ** 64n, 0x80000000, 'pte', pte('RWGAD'), '0xfffffffffffff000-0x0000000000000000    0x0000000080000000         4K PTE .   ..     ..   D A G . . W R .'],
    ['Sv32', 0xc0000000n, 0xc0400000n, 0x3_8000_0000, 'pgd', pte('VRWGAD'), '0xc0000000-0xc0400000    0x80000000         4M PGD   ..   D A G . . W R V'],
  ])('%s prints the line of %i', (mode, start, end, pa, level, value, expected) => {
    expect(lineOf(mode, start, end, pa, level, value)).toBe(expected);
  });

  const { ptdump: style } = riscvArch({ mode: 'Sv57' }, new TableMemory());

  it('lists the kernel half, without holes, and keeps the frames of entries that are not present', () => {
    expect(style.ranges(riscvRoot('Sv57', 0))).toEqual([{ start: 2 ** 64 - 2 ** 56, end: 2 ** 64 }]);
    expect(style.prints(0, 0)).toBe(false);
    expect(style.prints(2, 0)).toBe(true);
    const kfence = pte('RWGAD', 0x8765_4000n);
    expect(style.address?.('pte', Number(BigInt.asIntN(32, kfence)), Number(kfence >> 32n))).toBe(0x8765_4000);
    const napot = pte('RG', 0x8765_8000n, 1n << 63n);
    expect(style.address?.('pte', Number(BigInt.asIntN(32, napot)), Number(BigInt.asIntN(32, napot >> 32n)))).toBe(0x8765_0000);
    const out = new Int32Array([7, 7]);
    style.attributes(EntryKind.None, 'pmd', 0, 0, out);
    expect([...out]).toEqual([0, 0]);
  });

  it('finds W+X and says so in the kernel\'s words', () => {
    expect(style.insecure(0, 'pte', 0xcf, 0, 0)).toBe(Insecure.WritableExecutable);
    expect(style.insecure(0, 'pte', 0xc7, 0, 0)).toBe(0);
    expect(style.insecure(0, 'pte', 0xcb, 0, 0)).toBe(0);
    expect(style.verdict({ writableExecutable: 0, userExecutable: 0 })).toBe('Checked W+X mappings: passed, no W+X pages found');
    expect(style.verdict({ writableExecutable: 3, userExecutable: 0 })).toBe('Checked W+X mappings: failed, 3 W+X pages found');
    expect(style.finding(1, 0xffffffff80000000n, '_start+0x0/0x8')).toBe('riscv/mm: Found insecure W+X mapping at address ffffffff80000000/_start+0x0/0x8');
  });
});

describe('markers', () => {
  const view = (mode: RiscvMode, more: Partial<KernelView> = {}): KernelView => ({
    arch: riscvArch({ mode }, new TableMemory({ entryBytes: mode === 'Sv32' ? 4 : 8 })),
    root: riscvRoot(mode, 0),
    vmcoreinfo: undefined,
    hasSymbols: false,
    symbol: () => undefined,
    read: () => Promise.resolve(undefined),
    ...more,
  });
  const list = async (kernel: KernelView): Promise<string[]> => (await riscv.markers(kernel)).map(({ start, name }) => `${start.toString(16)} ${name}`);
  const symbolsOf = (symbols: Record<string, bigint>) => ({ hasSymbols: true, symbol: (name: string): bigint | undefined => symbols[name] });

  it('are the constants of 6.12 where nothing else is known', async () => {
    expect(await list(view('Sv39'))).toEqual([
      'ffffffc4fea00000 Fixmap start', 'ffffffc4ff000000 Fixmap end', 'ffffffc4ff000000 PCI I/O start', 'ffffffc500000000 PCI I/O end',
      'ffffffc500000000 vmemmap start', 'ffffffc600000000 vmemmap end', 'ffffffc600000000 vmalloc() area', 'ffffffd600000000 vmalloc() end',
      'ffffffd600000000 Linear mapping', 'ffffffff00000000 Modules/BPF mapping', 'ffffffff80000000 Kernel mapping',
    ]);
    expect((await list(view('Sv48'))).slice(0, 5)).toEqual([
      'ffff8d7ffea00000 Fixmap start', 'ffff8d7fff000000 Fixmap end', 'ffff8d7fff000000 PCI I/O start', 'ffff8d8000000000 PCI I/O end', 'ffff8d8000000000 vmemmap start',
    ]);
    expect(await list(view('Sv32'))).toEqual([
      '9d800000 Fixmap start', '9e000000 Fixmap end', '9e000000 PCI I/O start', '9f000000 PCI I/O end', 'a0000000 vmalloc() area', 'c0000000 vmalloc() end', 'c0000000 Linear mapping',
    ]);
  });

  it('take VMCOREINFO and symbols, moved by KASLR', async () => {
    const vmcoreinfo = new Vmcoreinfo(
      'SIZE(page)=64\nSYMBOL(vmemmap)=ff1bfffffe000000\nNUMBER(VMALLOC_START)=0xff20000000000000\nNUMBER(PAGE_OFFSET)=0xff60000000000000\nNUMBER(VMALLOC_END)=0xff60000000000000\n' +
        'NUMBER(VA_BITS)=57\nNUMBER(VMEMMAP_START)=0xff1c000000000000\nNUMBER(VMEMMAP_END)=0xff20000000000000\nNUMBER(MODULES_VADDR)=0xffffffff0a26b000\nNUMBER(MODULES_END)=0xffffffff88400000\n' +
        'NUMBER(KERNEL_LINK_ADDR)=0xffffffff80000000\n',
      '',
    );
    const markers = await list(view('Sv57', { vmcoreinfo }));
    expect(markers.slice(-3)).toEqual(['ff60000000000000 Linear mapping', 'ffffffff0a26b000 Modules/BPF mapping', 'ffffffff88400000 Kernel mapping']);
    expect(markers[0]).toBe('ff1bfffffea00000 Fixmap start');
    const withSymbols = await list(view('Sv57', symbolsOf({ _start: 0xffffffff88400000n, _end: 0xffffffff8a26a123n })));
    expect(withSymbols.slice(-2)).toEqual(['ffffffff0a26b000 Modules/BPF mapping', 'ffffffff88400000 Kernel mapping']);
    const flat = new Vmcoreinfo('NUMBER(VA_BITS)=57\nNUMBER(PAGE_OFFSET)=0xff60000000000000\n', '');
    expect((await list(view('Sv57', { vmcoreinfo: flat }))).some((line) => line.includes('vmemmap'))).toBe(false);
  });

  it('take no size of struct page that is none', async () => {
    // Where VMEMMAP_START is not said, it follows from the size.
    const info = (size: string): Vmcoreinfo => new Vmcoreinfo(`SIZE(page)=${size}\nSYMBOL(vmemmap)=ffffffc500000000\n`, '');
    const usual = await list(view('Sv39', { vmcoreinfo: info('64') }));
    for (const size of ['0', ':', '', '9'.repeat(400), '3']) expect(await list(view('Sv39', { vmcoreinfo: info(size) })), size).toEqual(usual);
  });

  it('have KASAN\'s shadow where the kernel has, ascending', async () => {
    const markers = await riscv.markers(view('Sv39', symbolsOf({ kasan_early_shadow_pte: 1n })));
    expect(markers.map(({ name }) => name).slice(-4)).toEqual(['Kasan shadow start', 'Kasan shadow end', 'Modules/BPF mapping', 'Kernel mapping']);
    expect(markers.find(({ name }) => name === 'Kasan shadow start')?.start).toBe(0xfffffff700000000n & ~0x3fffffffn);
    for (let i = 1; i < markers.length; i++) expect(markers[i]!.start).toBeGreaterThanOrEqual(markers[i - 1]!.start);
  });

  it('read kernel_map where there is no VMCOREINFO', async () => {
    const read = (): Promise<Uint8Array> => Promise.resolve(new Uint8Array(new BigUint64Array([0xffffffd800000000n]).buffer));
    expect(await list(view('Sv39', { ...symbolsOf({ kernel_map: 0xffffffff80a00000n }), read }))).toContain('ffffffd800000000 Linear mapping');
    const wild = (): Promise<Uint8Array> => Promise.resolve(new Uint8Array(8));
    expect(await list(view('Sv39', { ...symbolsOf({ kernel_map: 0xffffffff80a00000n }), read: wild }))).toContain('ffffffd600000000 Linear mapping');
  });
});
