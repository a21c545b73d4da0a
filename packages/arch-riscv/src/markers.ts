import { geometryOf, type KernelView, type Marker } from '@pgtable/core';
import { addressOf, KERNEL_LINK_ADDR, kernelOffset } from './layout.js';

/*
 * The regions of the kernel's address space, from arch/riscv/include/asm/pgtable.h and arch/riscv/mm/ptdump.c (Linux
 * 6.12), downwards from PAGE_OFFSET:
 *
 *     vmalloc         an eighth of the address space
 *     vmemmap         a struct page for each page of half the address space
 *     PCI I/O         16 MiB
 *     fixmap          64-bit: 6 MiB since 6.5 (2 MiB and room for the device tree, 4 MiB); 32-bit: 8 MiB
 *
 * and upwards the linear mapping, KASAN's shadow, the modules and the kernel.
 */

/** PAGE_OFFSET by bits of virtual addresses. */
const PAGE_OFFSETS: Readonly<Record<number, bigint>> = {
  32: 0xc0000000n,
  39: 0xffffffd600000000n,
  48: 0xffffaf8000000000n,
  57: 0xff60000000000000n,
};

const MIB = 1n << 20n;
const GIB2 = 1n << 31n;
const PAGE = 4096n;
const PCI_IO_SIZE = 16n * MIB;
/** KASAN_SHADOW_SCALE_SHIFT. */
const KASAN_SCALE = 3n;

/**
 * The regions that the kernel names in its listing.
 *
 * Addresses come from VMCOREINFO where it has them, else from symbols, else from the constants of 6.12. The modules'
 * start is `_end` rounded up less 2 GiB; without VMCOREINFO and symbols the lowest address it can have stands for it.
 */
export async function riscvMarkers(kernel: KernelView): Promise<readonly Marker[]> {
  const { vmcoreinfo } = kernel;
  const number = (name: string): bigint | undefined => (vmcoreinfo === undefined ? undefined : addressOf(vmcoreinfo, name));
  const { shift, entries } = geometryOf(kernel.arch.geometry, 'pgd');
  const bits = BigInt(shift + Math.log2(entries));
  const wide = kernel.arch.geometry.addressDigits === 16;

  const pageOffset = number('PAGE_OFFSET') ?? (await pageOffsetInMemory(kernel, wide)) ?? PAGE_OFFSETS[Number(bits)]!;
  const vmallocEnd = number('VMALLOC_END') ?? pageOffset;
  const vmallocStart = number('VMALLOC_START') ?? pageOffset - (1n << (bits - 3n));
  const vmemmapStart = number('VMEMMAP_START') ?? vmallocStart - (1n << (bits - 13n + structPageShift(kernel, wide)));
  const vmemmapEnd = number('VMEMMAP_END') ?? vmallocStart;
  const pciStart = vmemmapStart - PCI_IO_SIZE;
  const markers: Marker[] = [
    { start: pciStart - (wide ? 6n : 8n) * MIB, name: 'Fixmap start' },
    { start: pciStart, name: 'Fixmap end' },
    { start: pciStart, name: 'PCI I/O start' },
    { start: vmemmapStart, name: 'PCI I/O end' },
  ];
  // VMCOREINFO has this symbol where CONFIG_SPARSEMEM_VMEMMAP is set; 32-bit kernels cannot have it.
  if (vmcoreinfo === undefined ? wide : vmcoreinfo.symbol('vmemmap') !== undefined) {
    markers.push({ start: vmemmapStart, name: 'vmemmap start' }, { start: vmemmapEnd, name: 'vmemmap end' });
  }
  markers.push({ start: vmallocStart, name: 'vmalloc() area' }, { start: vmallocEnd, name: 'vmalloc() end' }, { start: pageOffset, name: 'Linear mapping' });
  if (!wide) return markers;

  const link = number('KERNEL_LINK_ADDR') ?? KERNEL_LINK_ADDR;
  const shadow = number('KASAN_SHADOW_START');
  if (shadow !== undefined || kernel.symbol('kasan_early_shadow_pte') !== undefined) {
    const end = number('KASAN_SHADOW_END') ?? link - GIB2;
    const start = shadow ?? alignDown(end - (1n << (bits - 1n - KASAN_SCALE)), 1n << BigInt(shift));
    markers.push({ start, name: 'Kasan shadow start' }, { start: end, name: 'Kasan shadow end' });
  }
  const imageEnd = kernel.symbol('_end');
  const modules = number('MODULES_VADDR') ?? (imageEnd === undefined ? link - GIB2 : alignDown(imageEnd + PAGE - 1n, PAGE) - GIB2);
  markers.push(
    { start: modules, name: 'Modules/BPF mapping' },
    { start: kernel.symbol('_start') ?? number('MODULES_END') ?? link + kernelOffset(vmcoreinfo), name: 'Kernel mapping' },
  );
  return markers;
}

/** kernel_map.page_offset, the first member; undefined where the symbol or the memory is not there, or it is no address of the upper half. */
async function pageOffsetInMemory(kernel: KernelView, wide: boolean): Promise<bigint | undefined> {
  const map = wide ? kernel.symbol('kernel_map') : undefined;
  const bytes = map === undefined ? undefined : await kernel.read(map, 8);
  if (bytes === undefined) return undefined;
  const value = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  return kernel.root.windows.some(({ half, start }) => half === 'kernel' && value >= BigInt(start)) && value % PAGE === 0n ? value : undefined;
}

/** STRUCT_PAGE_MAX_SHIFT: the size of struct page, rounded up to a power of two. */
function structPageShift({ vmcoreinfo }: KernelView, wide: boolean): bigint {
  // Between one word and a page: anything else is damage.
  const size = Number(/^\d{1,4}$/.exec(vmcoreinfo?.get('SIZE(page)') ?? '')?.[0] ?? 0);
  return size < 4 || size > 4096 ? (wide ? 6n : 5n) : BigInt(Math.ceil(Math.log2(size)));
}

function alignDown(address: bigint, to: bigint): bigint {
  return address - (address % to);
}
