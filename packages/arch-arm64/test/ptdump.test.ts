import { EntryKind, Insecure, TableMemory, Vmcoreinfo, type KernelView, type Level, type PtdumpStyle } from '@pgtable/core';
import { describe, expect, it } from 'vitest';
import { arm64, arm64Arch, arm64Root, type Arm64Config } from '../src/index.js';
import { INFO } from './help.js';

const CONFIG: Arm64Config = { half: 'ttbr1', granule: 4096, vaBits: 48, release: '6.12.0' };
const styleOf = (config: Partial<Arm64Config> = {}): PtdumpStyle => arm64Arch({ ...CONFIG, ...config }, new TableMemory()).ptdump;

function line(start: bigint, end: bigint, level: Level, value: bigint, config: Partial<Arm64Config> = {}, kind: EntryKind = EntryKind.Leaf): string {
  const style = styleOf(config);
  const out = new Int32Array(2);
  style.attributes(value === 0n ? EntryKind.None : kind, level, Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n)), out);
  return style.line(Number(start), Number(end), 0, level, out[0]!, out[1]!, 0);
}

// The lines are the kernel's own (fixtures ptdump/arm64-*); the entries are made by pgtable-prot.h.
describe('lines', () => {
  it.each([
    [0xffff800080010000n, 0xffff800080270000n, 'pte', 0x0050_0000_4021_0783n, '0xffff800080010000-0xffff800080270000        2432K PTE       ro x  SHD AF    CON     UXN    MEM/NORMAL'],
    [0xffff000000000000n, 0xffff000000200000n, 'pmd', 0x0068_0000_4000_0705n, '0xffff000000000000-0xffff000000200000           2M PMD       RW NX SHD AF        BLK UXN    MEM/NORMAL-TAGGED'],
    [0xffff000002000000n, 0xffff000004000000n, 'pmd', 0x0078_0000_4200_0705n, '0xffff000002000000-0xffff000004000000          32M PMD       RW NX SHD AF    CON BLK UXN    MEM/NORMAL-TAGGED'],
    [0xffff800081000000n, 0xffff800081f60000n, 'pte', 0x0068_0000_0801_0713n, '0xffff800081000000-0xffff800081f60000       15744K PTE       RW NX SHD AF            UXN    DEVICE/nGnRE'],
    [0xffff8000805d5000n, 0xffff8000805f5000n, 'pte', 0x0068_0000_0801_070bn, '0xffff8000805d5000-0xffff8000805f5000         128K PTE       RW NX SHD AF            UXN    MEM/NORMAL-NC'],
    [0xffff008000000000n, 0xffff800000000000n, 'pgd', 0n, '0xffff008000000000-0xffff800000000000      130560G PGD'],
    [0xffffffffff800000n, 1n << 64n, 'pmd', 0n, '0xffffffffff800000-0x0000000000000000           8M PMD'],
    [0xffff808000000000n, 0xfffffd8000000000n, 'pgd', 0n, '0xffff808000000000-0xfffffd8000000000         125T PGD'],
  ] as const)('%#', (start, end, level, value, want) => {
    expect(line(start, end, level, value)).toBe(want);
  });

  it('of an entry that lost VALID, with KPTI\'s nG, user, guarded', () => {
    expect(line(0n, 4096n, 'pte', 0x0068_0000_4000_0f82n | (1n << 50n), {}, EntryKind.NonPresent)).toBe(
      '0x0000000000000000-0x0000000000001000           4K PTE F     ro NX SHD AF NG         UXN GP MEM/NORMAL',
    );
    expect(line(0n, 4096n, 'pte', 0x0008_0000_4000_0443n)).toBe('0x0000000000000000-0x0000000000001000           4K PTE   USR RW x      AF                   MEM/NORMAL');
  });

  it('leave SHD blank with LPA2, and a memory type that Linux does not use', () => {
    expect(line(0n, 4096n, 'pte', 0x0068_0000_4000_0403n, { vaBits: 52 })).toBe('0x0000000000000000-0x0000000000001000           4K PTE       RW NX     AF            UXN    MEM/NORMAL');
    expect(line(0n, 4096n, 'pte', 0x0068_0000_4000_071fn)).toMatch(/ UXN {3}$/);
  });

  it('of two levels print blocks of the top table as PMD and holes as PGD', () => {
    const two = { granule: 65536, vaBits: 42 } as const;
    expect(line(0n, 1n << 29n, 'pgd', 0x0068_0000_4000_0701n, two)).toContain(' 512M PMD ');
    expect(line(0n, 1n << 29n, 'pgd', 0n, two)).toContain(' 512M PGD');
    expect(line(0n, 1n << 30n, 'pgd', 0x0068_0000_4000_0701n, { vaBits: 39 })).toContain(' 1G PGD ');
  });

  it('cover the root\'s half', () => {
    expect(styleOf().ranges(arm64Root(CONFIG, 0))).toMatchObject([{ start: 2 ** 64 - 2 ** 48, end: 2 ** 64 }]);
  });
});

describe('findings', () => {
  const insecure = (value: bigint): number => styleOf().insecure(0, 'pte', Number(BigInt.asIntN(32, value)), Number(value >> 32n), 0);
  const UXN = 1n << 54n;
  const PXN = 1n << 53n;

  it('are W+X and not UXN, and none for a hole', () => {
    expect(insecure(0n)).toBe(0);
    expect(insecure(UXN | PXN | 0x703n)).toBe(0);
    expect(insecure(UXN | 0x783n)).toBe(0);
    expect(insecure(UXN | 0x703n)).toBe(Insecure.WritableExecutable);
    expect(insecure(PXN | 0x703n)).toBe(Insecure.UserExecutable);
    expect(insecure(0x703n)).toBe(Insecure.UserExecutable | Insecure.WritableExecutable);
  });

  it('are in the kernel\'s words', () => {
    const style = styleOf();
    expect(style.finding(Insecure.WritableExecutable, 0xffff800080010000n, '_stext+0x0/0x1000')).toBe('arm64/mm: Found insecure W+X mapping at address ffff800080010000/_stext+0x0/0x1000');
    expect(style.finding(Insecure.UserExecutable, 0x1000n, '0x1000')).toBe('arm64/mm: Found non-UXN mapping at address 0000000000001000/0x1000');
    expect(style.verdict({ writableExecutable: 0, userExecutable: 0 })).toBe('Checked W+X mappings: passed, no W+X pages found');
    expect(style.verdict({ writableExecutable: 608, userExecutable: 0 })).toBe('Checked W+X mappings: FAILED, 608 W+X pages found, 0 non-UXN pages found');
  });
});

describe('markers', () => {
  const hex = (marker: { start: bigint; name: string }): string => `${marker.start.toString(16)} ${marker.name}`;

  function kernel(info: string, parts: Partial<KernelView> = {}, config: Arm64Config = CONFIG): KernelView {
    return {
      arch: arm64Arch(config, new TableMemory()),
      root: arm64Root(config, 0),
      vmcoreinfo: new Vmcoreinfo(info, 'a note'),
      hasSymbols: false,
      symbol: () => undefined,
      read: () => Promise.resolve(undefined),
      ...parts,
    };
  }

  const COMPUTED = [
    'ffff000000000000 Linear Mapping start', 'ffff800000000000 Linear Mapping end', 'ffff800000000000 Modules start', 'ffff800080000000 Modules end',
    'ffff800080000000 vmalloc() area', 'fffffdffbf800000 vmalloc() end', 'fffffdffc0000000 vmemmap start', 'ffffffffc0000000 vmemmap end',
    'ffffffffc0800000 PCI I/O start', 'ffffffffc1800000 PCI I/O end',
  ];

  it('are computed for a kernel of 52 bits that runs with 48', async () => {
    expect((await arm64.markers(kernel(INFO))).map(hex)).toEqual(COMPUTED);
  });

  it('are computed for a kernel of 16K pages that runs with 52', async () => {
    const info = INFO.replace('PAGESIZE=4096', 'PAGESIZE=16384')
      .replace(/MODULES_VADDR\)=.*/, 'MODULES_VADDR)=0xffffc00000000000')
      .replace(/VMEMMAP_START\)=.*/, 'VMEMMAP_START)=0xfffff03fc0000000');
    const names = (await arm64.markers(kernel(info, {}, { half: 'ttbr1', granule: 16384, vaBits: 52 }))).map(hex);
    expect(names).toContain('fff0000000000000 Linear Mapping start');
    expect(names).toContain('ffffc00000000000 Linear Mapping end');
    expect(names).toContain('fffff03fc0000000 vmemmap start');
  });

  it('have PCI I/O before the vmemmap until 6.8', async () => {
    const info = INFO.replace('6.12.107', '6.1.0').replace('NUMBER(VA_BITS)=52', 'NUMBER(VA_BITS)=48').replace('fffffdffbf800000', 'fffffbfff0000000').replace(/VMEMMAP_(START|END)\)=.*/g, (_, which: string) => `VMEMMAP_${which})=0x${which === 'START' ? 'fffffc0000000000' : 'fffffe0000000000'}`);
    expect((await arm64.markers(kernel(info))).map(hex).slice(-4)).toEqual(['fffffbfffe800000 PCI I/O start', 'fffffbffff800000 PCI I/O end', 'fffffc0000000000 vmemmap start', 'fffffe0000000000 vmemmap end']);
  });

  it('are the linear mapping alone where nothing else is known', async () => {
    expect((await arm64.markers(kernel(''))).map(hex)).toEqual(['ffff000000000000 Linear Mapping start']);
  });

  it('survive a VMCOREINFO whose numbers are damaged', async () => {
    for (const [key, value] of [['SIZE(page)', ':'], ['SIZE(page)', ''], ['SIZE(page)', '-1'], ['NUMBER(VA_BITS)', '0xffffffffffffffff'], ['NUMBER(VA_BITS)', '-1'], ['NUMBER(VA_BITS)', '99999999999999999999']] as const) {
      const info = INFO.split('\n').map((line) => (line.startsWith(`${key}=`) ? `${key}=${value}` : line)).join('\n');
      expect((await arm64.markers(kernel(info)))[0]?.name, `${key}=${value}`).toBe('Linear Mapping start');
    }
  });

  /** A kernel's list in memory from `address` on, with its names behind it. */
  function listed(address: bigint, records: readonly (readonly [bigint, string])[]): KernelView['read'] {
    const bytes = new Uint8Array(4096);
    const view = new DataView(bytes.buffer);
    let name = 1024;
    records.forEach(([start, text], i) => {
      view.setBigUint64(256 + i * 16, start, true);
      view.setBigUint64(256 + i * 16 + 8, address + BigInt(name), true);
      for (const letter of text) bytes[name++] = letter.charCodeAt(0);
      name++;
    });
    view.setBigUint64(256 + records.length * 16, (1n << 64n) - 1n, true);
    // struct ptdump_info: mm, markers, base_addr.
    view.setBigUint64(8, address + 256n, true);
    return (at, length) => Promise.resolve(at >= address && at + BigInt(length) <= address + 4096n ? bytes.slice(Number(at - address), Number(at - address) + length) : undefined);
  }

  const LIST = [
    [0xfff0000000000000n, 'Linear Mapping start'], [0xffff600000000000n, 'Linear Mapping end'], [0xffff600000000000n, 'Kasan shadow start'], [0xffff800000000000n, 'Kasan shadow end'],
    [0xffff800000000000n, 'Modules start'], [0xffff800080000000n, 'Modules end'], [0xffffffffff42b000n, 'Fixmap start'], [0xffffffffff800000n, 'Fixmap end'],
  ] as const;
  const WANT = ['ffff000000000000 Linear Mapping start', ...LIST.slice(1).map(([start, name]) => hex({ start, name }))];

  it('are read from the kernel\'s own list by its symbol', async () => {
    const address = 0xffffb55173000000n;
    const found = await arm64.markers(kernel(INFO, { hasSymbols: true, symbol: (name) => (name === 'kernel_ptdump_info' ? address : undefined), read: listed(address, LIST) }));
    expect(found.map(hex)).toEqual(WANT);
  });

  it('are found by two of its records without symbols', async () => {
    const page = 0xffffb55173f00000n;
    const read = listed(page, LIST);
    // Reading a block that the page is a part of gives zeros around it.
    const block: KernelView['read'] = async (at, length) => {
      const inside = await read(at, length);
      if (inside !== undefined) return inside;
      const bytes = new Uint8Array(length);
      const own = (await read(page, 4096))!;
      for (let i = 0; i < 4096; i++) {
        const to = Number(page - at) + i;
        if (to >= 0 && to < length) bytes[to] = own[i]!;
      }
      return bytes;
    };
    expect((await arm64.markers(kernel(INFO, { read: block }))).map(hex)).toEqual(WANT);
  });
});
