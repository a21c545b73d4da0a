import { describe, expect, it } from 'vitest';
import { TableMemory, Vmcoreinfo } from '@pgtable/core';
import { riscv } from '../src/index.js';
import { facts, Pages, pte } from './support.js';

const RAM = 0x8000_0000;
const page = (index: number): number => RAM + index * 4096;

/** A kernel with its root on page 10 (Sv39), and a process with a copy of its upper half on page 20. */
function machine(): Pages {
  const memory = new Pages(RAM, 64);
  for (const root of [10, 20]) memory.set(page(root), 510, pte('V', BigInt(page(11))));
  memory.set(page(20), 0, pte('V', BigInt(page(21))));
  memory.set(page(11), 0, pte('V', BigInt(page(12))));
  for (let i = 0; i < 64; i++) memory.set(page(12), i, pte('VRWGAD', BigInt(page(i))));
  return memory;
}

const text = (swapper: number, more = ''): string =>
  `OSRELEASE=6.12.1\nPAGESIZE=4096\nSYMBOL(swapper_pg_dir)=${(0xffff_ffff_8000_0000n + BigInt(swapper - RAM)).toString(16)}\n` +
  `NUMBER(VA_BITS)=39\nNUMBER(phys_ram_base)=2147483648\nNUMBER(va_kernel_pa_offset)=0xffffffff00000000\n${more}`;
const vmcoreinfo = (swapper: number, source = 'a VMCOREINFO text in memory at 0x80001000', more = ''): Vmcoreinfo => new Vmcoreinfo(text(swapper, more), source);

describe('findRoots', () => {
  it('takes the given satp first, and says what is there', async () => {
    const { candidates, missing } = await riscv.findRoots(facts(machine(), { registers: new Map([['satp', 0x8000100000080014n]]), vmcoreinfo: [vmcoreinfo(page(10))] }));
    expect(candidates.map(({ role, source, table }) => [role, source, table])).toEqual([['current', 'given', page(20)], ['kernel', 'vmcoreinfo-scan', page(10)]]);
    expect(candidates[0]?.evidence[0]).toMatch(/satp 0x8000100000080014 was given: Sv39, address space 1/);
    expect(missing).toEqual([]);
    await expect(riscv.findRoots(facts(machine(), { registers: new Map([['satp', 5n]]) }))).rejects.toMatchObject({ code: 'EINVAL' });
  });

  it('computes swapper_pg_dir from VMCOREINFO and opens it', async () => {
    const { candidates, missing } = await riscv.findRoots(facts(machine(), { vmcoreinfo: [vmcoreinfo(page(10))] }));
    expect(candidates).toHaveLength(1);
    const [root] = candidates;
    expect(root).toMatchObject({ role: 'kernel', source: 'vmcoreinfo-scan', table: page(10), variant: 'Sv39', entryBytes: 8 });
    expect(root?.registers).toEqual({ satp: 0x800000000008000an, swapper_pg_dir: 0xffffffff8000a000n, VA_BITS: 39n, va_kernel_pa_offset: 0xffffffff00000000n });
    expect(root?.evidence.join(' ')).toMatch(/1 entries in the kernel half, and all of them are sound/);
    expect(missing.join(' ')).toMatch(/--satp/);
    const { arch, root: opened } = root!.open(new TableMemory());
    expect(arch.variant).toBe('Sv39');
    expect(opened).toMatchObject({ table: page(10), top: 'pgd', first: 0, end: 512 });
  });

  it('tells notes from texts in memory, and ranks two kernels', async () => {
    const note = vmcoreinfo(page(10), 'the VMCOREINFO note of the dump', 'CRASHTIME=1700000000\n');
    const other = vmcoreinfo(page(30));
    const { candidates } = await riscv.findRoots(
      facts(machine(), { notes: [{ name: 'VMCOREINFO', type: 0, desc: new TextEncoder().encode(note.text) }], vmcoreinfo: [other, note] }),
    );
    expect(candidates.map(({ source, table }) => [source, table])).toEqual([['vmcoreinfo-note', page(10)], ['vmcoreinfo-scan', page(30)]]);
    expect(candidates[0]?.evidence.join(' ')).toMatch(/the one that crashed/);
    expect(candidates[1]?.evidence.join(' ')).toMatch(/not a root table/);
  });

  it('manages without va_kernel_pa_offset, as kernels before 6.4', async () => {
    const old = new Vmcoreinfo(
      `OSRELEASE=6.1.0\nSYMBOL(swapper_pg_dir)=ffffffff8000a000\nNUMBER(VA_BITS)=39\nNUMBER(phys_ram_base)=2147483648\nNUMBER(KERNEL_LINK_ADDR)=0xffffffff80000000\n`,
      'a text',
    );
    const { candidates } = await riscv.findRoots(facts(machine(), { vmcoreinfo: [old] }));
    expect(candidates[0]).toMatchObject({ table: page(10), registers: { phys_ram_base: 0x80000000n } });
  });

  it('computes in 32 bits for Sv32', async () => {
    const memory = new Pages(RAM, 16);
    memory.set(page(1), 0x300, pte('V', BigInt(page(2))), 4);
    const info = new Vmcoreinfo(`OSRELEASE=6.12.0\nSYMBOL(swapper_pg_dir)=c0001000\nNUMBER(VA_BITS)=32\nNUMBER(phys_ram_base)=-2147483648\nNUMBER(va_kernel_pa_offset)=0x40000000\n`, 'a text');
    const { candidates } = await riscv.findRoots(facts(memory, { bits: 32, vmcoreinfo: [info] }));
    expect(candidates[0]).toMatchObject({ table: page(1), variant: 'Sv32', entryBytes: 4, registers: { satp: 0x80080001n } });
  });

  it('says what a VMCOREINFO lacks', async () => {
    const empty = new Pages(RAM, 4);
    const missingOf = async (info: string): Promise<string> => (await riscv.findRoots(facts(empty, { vmcoreinfo: [new Vmcoreinfo(info, 'a text')] }))).missing.join(' ');
    expect(await missingOf('NUMBER(phys_ram_base)=1\n')).toMatch(/a text has no SYMBOL\(swapper_pg_dir\): give --satp/);
    expect(await missingOf('NUMBER(phys_ram_base)=1\nSYMBOL(swapper_pg_dir)=1000\n')).toMatch(/no NUMBER\(VA_BITS\)/);
    expect(await missingOf(text(0x9000_0000))).toMatch(/which is not in this dump/);
  });

  it('falls back to the shape of tables', async () => {
    const { candidates, missing } = await riscv.findRoots(facts(machine()));
    expect(candidates[0]).toMatchObject({ role: 'kernel', source: 'structural-scan', table: page(10), variant: 'Sv39' });
    expect(candidates[0]?.evidence.join(' ')).toMatch(/read as Sv39; give --satp if that is wrong/);
    expect(missing.join(' ')).toMatch(/no VMCOREINFO/);
    expect((await riscv.findRoots(facts(new Pages(RAM, 4)))).missing.join(' ')).toMatch(/no page of this dump looks like/);
  });

  it('prefers a scan to a VMCOREINFO that memory contradicts', async () => {
    const { candidates } = await riscv.findRoots(facts(machine(), { vmcoreinfo: [vmcoreinfo(page(30))] }));
    expect(candidates.map(({ source, table }) => [source, table])).toEqual([['structural-scan', page(10)], ['vmcoreinfo-scan', page(30)]]);
  });

  it('tells the modes apart by what is below a root', async () => {
    // The same three levels under two more: an Sv57 kernel, whose p4d and pud tables would do as smaller roots.
    const memory = machine();
    memory.set(page(30), 400, pte('V', BigInt(page(31))));
    memory.set(page(31), 500, pte('V', BigInt(page(10))));
    const { candidates } = await riscv.findRoots(facts(memory));
    expect(candidates[0]).toMatchObject({ table: page(30), variant: 'Sv57' });
  });

  it('leaves other machines and other kernels alone', async () => {
    const arm = new Vmcoreinfo('SYMBOL(swapper_pg_dir)=ffff800081000000\nNUMBER(VA_BITS)=48\nNUMBER(kimage_voffset)=0xffff800040000000\n', 'a text');
    expect(await riscv.findRoots(facts(machine(), { elfMachine: 183 }))).toEqual({ candidates: [], missing: [] });
    const { candidates } = await riscv.findRoots(facts(new Pages(RAM, 4), { vmcoreinfo: [arm] }));
    expect(candidates).toEqual([]);
  });
});

describe('kernelOffset', () => {
  it('is how far the kernel is from its link address', () => {
    expect(riscv.kernelOffset(undefined)).toBe(0n);
    expect(riscv.kernelOffset(new Vmcoreinfo('NUMBER(VA_BITS)=39\nNUMBER(MODULES_END)=0xffffffff80000000\n', ''))).toBe(0n);
    expect(riscv.kernelOffset(new Vmcoreinfo('NUMBER(MODULES_END)=0xffffffff92400000\nNUMBER(KERNEL_LINK_ADDR)=0xffffffff80000000\n', ''))).toBe(0x12400000n);
    expect(riscv.kernelOffset(new Vmcoreinfo('SYMBOL(_stext)=ffffffff92402000\n', ''))).toBe(0x12400000n);
    expect(riscv.kernelOffset(new Vmcoreinfo('KERNELOFFSET=1a000000\n', ''))).toBe(0x1a000000n);
    expect(riscv.kernelOffset(new Vmcoreinfo('NUMBER(VA_BITS)=32\nSYMBOL(_stext)=c0002000\n', ''))).toBe(0n);
  });
});
