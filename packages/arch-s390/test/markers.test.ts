import { TableMemory, Vmcoreinfo, type KernelView } from '@pgtable/core';
import { describe, expect, it } from 'vitest';
import { decodeAsce, s390, s390Arch, s390Root } from '../src/index.js';

/** A kernel whose variables have these values; a variable's address is its place in the list. */
function kernel(symbols: Readonly<Record<string, bigint>>, variables: Readonly<Record<string, readonly bigint[]>>, info?: string): KernelView {
  const names = Object.keys(variables);
  const address = (name: string) => (name in variables ? 0x1000n + BigInt(names.indexOf(name)) * 0x100n : undefined);
  return {
    arch: s390Arch({ top: 'pud' }, new TableMemory()),
    root: s390Root(decodeAsce(0x40007n)),
    vmcoreinfo: info === undefined ? undefined : new Vmcoreinfo(info, 'a text'),
    hasSymbols: names.length > 0,
    symbol: (name) => symbols[name] ?? address(name),
    read(at, length) {
      const name = names.find((name) => at >= address(name)! && at < address(name)! + 0x100n);
      const value = name === undefined ? undefined : variables[name]?.[Number(at - address(name)!) / 8];
      if (value === undefined) return Promise.resolve(undefined);
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setBigUint64(0, value);
      return Promise.resolve(bytes.subarray(8 - length));
    },
  };
}

const list = async (view: KernelView) => (await s390.markers(view)).map(({ start, name }) => `${start.toString(16)} ${name}`);

/** The layout of a kernel built for two processors, with 64 MiB and no KASLR. */
const VARIABLES = {
  vm_layout: [0x3ffe0000000n, 0x100000n, 0n, 0x4000000n],
  MODULES_VADDR: [0x3ff60000000n],
  MODULES_END: [0x3ffe0000000n],
  VMALLOC_START: [0x37fe0000000n],
  VMALLOC_END: [0x3ff60000000n],
  vmemmap: [0x37200000000n],
  vmemmap_size: [0x400000n],
  __abs_lowcore: [0x37fdfffa000n],
  __memcpy_real_area: [0x37fdffff000n],
  __samode31: [0x1fd000n],
  __eamode31: [0x200000n],
};
const IMAGE = { _stext: 0x3ffe0100000n, _end: 0x3ffe0556000n };
const INFO = [
  'OSRELEASE=6.12.0',
  'SYMBOL(_stext)=3ffe0100000',
  'NUMBER(VMALLOC_START)=0x37fe0000000',
  'SYMBOL(vmemmap)=37200000000',
  'SIZE(page)=64',
  'NUMBER(SECTION_SIZE_BITS)=28',
  'LENGTH(lowcore_ptr)=2',
  'SAMODE31=1fd000',
  'EAMODE31=200000',
  'IDENTITYBASE=0',
  'KERNELOFFSET=3ffe0000000',
  'KERNELOFFPHYS=100000',
  '',
].join('\n');

const EXPECTED = [
  '0 Kernel Virtual Address Space',
  '0 Identity Mapping Start',
  '0 Lowcore Start',
  '2000 Lowcore End',
  '1fd000 Amode31 Area Start',
  '200000 Amode31 Area End',
  '4000000 Identity Mapping End',
  '37200000000 vmemmap Area Start',
  '37200400000 vmemmap Area End',
  '37fdfffa000 Lowcore Area Start',
  '37fdfffe000 Lowcore Area End',
  '37fdffff000 Real Memory Copy Area Start',
  '37fe0000000 Real Memory Copy Area End',
  '37fe0000000 vmalloc Area Start',
  '3ff60000000 vmalloc Area End',
  '3ff60000000 Modules Area Start',
  '3ffe0000000 Modules Area End',
  '3ffe0100000 Kernel Image Start',
  '3ffe0556000 Kernel Image End',
];

describe('markers', () => {
  it('with symbols are the kernel\'s, nested as it nests them', async () => {
    expect(await list(kernel(IMAGE, VARIABLES, INFO))).toEqual(EXPECTED);
  });

  it('without VMCOREINFO make the lowcores fit below what follows', async () => {
    expect(await list(kernel(IMAGE, VARIABLES))).toEqual(EXPECTED);
  });

  it('without symbols are what VMCOREINFO and the layout say', async () => {
    const highMemory = INFO + 'SYMBOL(high_memory)=1000\n';
    expect(await list(kernel({}, { high_memory: [0x4000000n] }, highMemory))).toEqual(EXPECTED.filter((line) => !line.endsWith('Kernel Image End')));
  });

  it('before 6.10 are what VMCOREINFO says by name', async () => {
    const old = 'OSRELEASE=5.15.0\nSYMBOL(_stext)=100000\nNUMBER(VMALLOC_START)=0x37fe0000000\nSAMODE31=1fd000\nEAMODE31=200000\nKERNELOFFSET=0\n';
    expect(await list(kernel({}, {}, old))).toEqual([
      '0 Kernel Virtual Address Space',
      '0 Identity Mapping Start',
      '0 Lowcore Start',
      '2000 Lowcore End',
      '100000 Kernel Image Start',
      '1fd000 Amode31 Area Start',
      '200000 Amode31 Area End',
      '37fe0000000 vmalloc Area Start',
    ]);
  });

  it('with nothing name the lowcore', async () => {
    expect(await list(kernel({}, {}))).toEqual(['0 Kernel Virtual Address Space', '0 Lowcore Start', '2000 Lowcore End']);
  });

  it('know what a kernel may be built with', async () => {
    const symbols = { ...IMAGE, kasan_early_shadow_page: 1n, kmsan_enabled: 1n };
    const lines = await list(kernel(symbols, { ...VARIABLES, relocate_lowcore: [1n], __kfence_pool: [0x1000000n] }, INFO));
    expect(lines).toEqual(expect.arrayContaining([
      '70000 Lowcore Start',
      '72000 Lowcore End',
      '1000000 KFence Pool Start',
      '1200000 KFence Pool End',
      '3ff60000000 Kmsan vmalloc Shadow Start',
      '1c000000000000 Kasan Shadow Start',
      '20000000000000 Kasan Shadow End',
    ]));
  });
});

it('the kernel offset is that of KASLR', () => {
  expect(s390.kernelOffset(new Vmcoreinfo(INFO, 'a text'))).toBe(0x3ffe0000000n);
  expect(s390.kernelOffset(undefined)).toBe(0n);
});
