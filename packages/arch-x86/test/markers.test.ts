import { describe, expect, it } from 'vitest';
import { TableMemory, type KernelView, type Marker } from '@pgtable/core';
import { x86, x86Arch, x86Root, type PagingMode } from '../src/index.js';
import { vmcoreinfo } from './fake.js';

interface Given {
  readonly mode?: PagingMode;
  readonly symbols?: Readonly<Record<string, bigint>>;
  /** Memory by address. */
  readonly bytes?: ReadonlyMap<bigint, Uint8Array>;
  readonly info?: Readonly<Record<string, string>>;
  readonly tables?: TableMemory;
}

function view({ mode = '4-level', symbols, bytes = new Map(), info, tables }: Given): KernelView {
  return {
    arch: x86Arch({ mode }, tables ?? new TableMemory({ entryBytes: mode === '2-level' ? 4 : 8 })),
    root: x86Root(mode, 0x1000),
    vmcoreinfo: info === undefined ? undefined : vmcoreinfo(info),
    hasSymbols: symbols !== undefined,
    symbol: (name) => symbols?.[name],
    read: (address, length) => {
      for (const [start, block] of bytes) {
        if (address >= start && address + BigInt(length) <= start + BigInt(block.length)) {
          const at = Number(address - start);
          return Promise.resolve(block.slice(at, at + length));
        }
      }
      return Promise.resolve(undefined);
    },
  };
}

const markers = (given: Given): Promise<readonly Marker[]> => x86.markers(view(given));
const names = (found: readonly Marker[]): string[] => found.map(({ name }) => name);
const words64 = (...values: readonly bigint[]): Uint8Array => new Uint8Array(BigUint64Array.from(values).buffer);
const text = (...names: readonly string[]): Uint8Array => new TextEncoder().encode(names.join('\0') + '\0');

const OPTIONS = { init_espfix_ap: 1n, efi_mm: 1n, ldt_dup_context: 1n, map_vsyscall: 1n, kaslr_get_random_long: 1n };

describe('with symbols', () => {
  it('are the kernel\'s own list', async () => {
    const bytes = new Map([
      [0xffffffff81835ce0n, words64(0n, 0xffffffff81700000n, 0n, 0xffffff0000000000n, 0xffffffff8170000bn, 16n, (1n << 64n) - 1n, 0n, 0n)],
      [0xffffffff81700000n, text('User Space', 'ESPfix Area')],
    ]);
    expect(await markers({ symbols: { address_markers: 0xffffffff81835ce0n }, bytes })).toEqual([
      { start: 0n, name: 'User Space' },
      { start: 0xffffff0000000000n, name: 'ESPfix Area', maxLines: 16 },
    ]);
  });

  it('are the kernel\'s own list with 32 bits', async () => {
    const bytes = new Map([
      [0xc1000000n, new Uint8Array(Uint32Array.of(0, 0xc1100000, 0, 0xc0000000, 0xc110000b, 0, 0xffffffff, 0, 0).buffer)],
      [0xc1100000n, text('User Space', 'Kernel Mapping')],
    ]);
    expect(await markers({ mode: 'PAE', symbols: { address_markers: 0xc1000000n }, bytes })).toEqual([
      { start: 0n, name: 'User Space' },
      { start: 0xc0000000n, name: 'Kernel Mapping' },
    ]);
  });

  it('are made from the kernel\'s variables where it has no list, or what is there is none', async () => {
    const variables = { page_offset_base: 0x1000n, vmalloc_base: 0x1008n, vmemmap_base: 0x1010n };
    const bytes = new Map([
      [0x1000n, words64(0xffff944e80000000n, 0xffffb148c0000000n, 0xffffdfd1c0000000n)],
      [0x2000n, words64(1n, 2n, 3n, 4n, 5n, 6n)],
    ]);
    const found = await markers({ symbols: { ...OPTIONS, ...variables, address_markers: 0x2000n }, bytes });
    expect(found).toEqual([
      { start: 0n, name: 'User Space' },
      { start: 0x8000000000000000n, name: 'Kernel Space' },
      { start: 0xffff880000000000n, name: 'LDT remap' },
      { start: 0xffff944e80000000n, name: 'Low Kernel Mapping' },
      { start: 0xffffb148c0000000n, name: 'vmalloc() Area' },
      { start: 0xffffdfd1c0000000n, name: 'Vmemmap' },
      { start: 0xfffffe0000000000n, name: 'CPU entry Area' },
      { start: 0xffffff0000000000n, name: 'ESPfix Area', maxLines: 16 },
      { start: 0xffffffef00000000n, name: 'EFI Runtime Services' },
      { start: 0xffffffff80000000n, name: 'High Kernel Mapping' },
      { start: 0xffffffffc0000000n, name: 'Modules' },
      { start: 0xffffffffff000000n, name: 'End Modules' },
      { start: 0xffffffffff57c000n, name: 'Fixmap Area' },
    ]);
  });

  it('follow the options of the kernel', async () => {
    expect(names(await markers({ symbols: { nothing: 1n } }))).toEqual([
      'User Space', 'Kernel Space', 'Low Kernel Mapping', 'vmalloc() Area', 'Vmemmap', 'CPU entry Area', 'High Kernel Mapping', 'Modules', 'End Modules', 'Fixmap Area',
    ]);
    const five = await markers({ mode: '5-level', symbols: { ...OPTIONS, kasan_init: 1n, ghes_probe: 1n, xen_start_kernel: 1n, init_ohci1394_dma_on_all_controllers: 1n } });
    const at = (name: string): bigint | undefined => five.find((marker) => marker.name === name)?.start;
    expect(at('LDT remap')).toBe(0xff10000000000000n);
    expect(at('Low Kernel Mapping')).toBe(0xff11000000000000n);
    expect(at('vmalloc() Area')).toBe(0xffa0000000000000n);
    expect(at('Vmemmap')).toBe(0xffd4000000000000n);
    expect(at('KASAN shadow')).toBe(0xffdf000000000000n);
    expect(at('KASAN shadow end')).toBe(0xfffffc0000000000n);
    expect(at('CPU entry Area')).toBe(0xfffffe0000000000n);
    expect(at('Fixmap Area')).toBe(0xffffffffff57c000n - 0x4000n);
    const local = await markers({ symbols: { ...OPTIONS, __kmap_local_pfn_prot: 1n } });
    expect(local.at(-1)).toEqual({ start: 0xfffffffffe000000n, name: 'End Modules' });
  });

  it('do not take moved regions for unmoved ones when the variables cannot be read', async () => {
    const found = await markers({ symbols: { ...OPTIONS, page_offset_base: 0x1000n, vmalloc_base: 0x1008n, vmemmap_base: 0x1010n }, info: { 'NUMBER(VMALLOC_START)': '0xffffb148c0000000' } });
    expect(names(found)).not.toContain('Low Kernel Mapping');
    expect(names(found)).not.toContain('Vmemmap');
    expect(found.find(({ name }) => name === 'vmalloc() Area')?.start).toBe(0xffffb148c0000000n);
  });
});

describe('without symbols', () => {
  it('are the constants of the layout', async () => {
    expect(names(await markers({}))).toEqual([
      'User Space', 'Kernel Space', 'LDT remap', 'CPU entry Area', 'ESPfix Area', 'EFI Runtime Services', 'High Kernel Mapping', 'Modules', 'End Modules',
    ]);
  });

  it('are more with VMCOREINFO', async () => {
    const info = { 'NUMBER(VMALLOC_START)': '0xffffc90000000000', 'SYMBOL(vmemmap)': 'ffffea0000000000', 'NUMBER(KERNEL_IMAGE_SIZE)': '536870912' };
    const found = await markers({ info });
    expect(found.find(({ name }) => name === 'Low Kernel Mapping')?.start).toBe(0xffff888000000000n);
    expect(found.find(({ name }) => name === 'Vmemmap')?.start).toBe(0xffffea0000000000n);
    expect(found.find(({ name }) => name === 'Modules')?.start).toBe(0xffffffffa0000000n);
  });

  it.each([
    [1, 0xffff8d4c89f4b680n, 0xffff8d4c80000000n],
    [2, 0xffff8d4c89f4b680n, 0xffff8d4c80000000n],
    [3, 0xffff8d4c89f4b680n, 0xffff8d4c80000000n],
  ])('find the direct mapping by the one pointer into it, through pages of level %i', async (pages, pointer, base) => {
    const index = (shift: bigint): number => Number((pointer >> shift) & 511n);
    const tables = new TableMemory();
    const root = tables.allocate('pgd', 0x1000, 512);
    const pud = tables.allocate('pud', 0x2000, 512);
    const pmd = tables.allocate('pmd', 0x3000, 512);
    const pte = tables.allocate('pte', 0x4000, 512);
    tables.elements[root + index(39n)] = 0x2067n;
    tables.elements[pud + index(30n)] = pages === 3 ? 0x1e3n : 0x3067n;
    tables.elements[pmd + index(21n)] = pages === 2 ? 0x9e001e3n : 0x4067n;
    tables.elements[pte + index(12n)] = 0x9f4b163n;
    const found = await markers({ tables, info: { 'SYMBOL(mem_section)': pointer.toString(16), 'NUMBER(VMALLOC_START)': '0xffffd0a980000000' }, bytes: new Map([[pointer, Uint8Array.of(0)]]) });
    expect(found.find(({ name }) => name === 'Low Kernel Mapping')?.start).toBe(base);
  });

  it('are few with 32 bits', async () => {
    expect(await markers({ mode: '2-level' })).toEqual([{ start: 0n, name: 'User Space' }, { start: 0xc0000000n, name: 'Kernel Mapping' }]);
    expect((await markers({ mode: 'PAE', info: { 'NUMBER(VMALLOC_START)': '0xf8000000' } })).at(-1)).toEqual({ start: 0xf8000000n, name: 'vmalloc() Area' });
  });
});

it('knows how far KASLR moved the image', () => {
  expect(x86.kernelOffset(vmcoreinfo({ KERNELOFFSET: '1fa00000' }))).toBe(0x1fa00000n);
  expect(x86.kernelOffset(undefined)).toBe(0n);
  expect(x86.registers.map(({ name }) => name)).toEqual(['cr3', 'cr4', 'cr0', 'efer']);
});
