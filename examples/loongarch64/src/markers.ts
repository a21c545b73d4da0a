import type { KernelView, Marker } from '@pgtable/core';
import { VALEN } from './geometry.js';

const MIB = 1n << 20n;

/**
 * {@link ArchPlugin.markers}: the regions from vm_map_base on, as far as they do not depend on the kernel's configuration (VMALLOC_END
 * does, and vmemmap and kfence after it).
 *
 * @see PCI_IOSIZE in arch/loongarch/include/asm/addrspace.h, MODULES_VADDR in asm/pgtable.h (Linux 6.12)
 */
export function loongarchMarkers({ arch }: KernelView): Promise<readonly Marker[]> {
  const start = (1n << 64n) - (1n << BigInt(VALEN - 1));
  const guard = 2n * BigInt(arch.geometry.pageBytes);
  const modules = start + 32n * MIB + guard;
  return Promise.resolve([
    { start, name: 'PCI I/O' },
    { start: modules, name: 'Modules' },
    { start: modules + 2048n * MIB, name: 'vmalloc() area, vmemmap, kfence' },
  ]);
}
