import { releaseAtLeast, type KernelView, type Marker } from '@pgtable/core';

/*
 * The regions of the kernel's half. A kernel that has ptdump (CONFIG_PTDUMP_CORE, which CONFIG_DEBUG_WX selects) keeps its list
 * of regions in memory, and that list is the best there is: KASAN, the fixmap's size and the layout of the release are all in
 * it. It is found by symbol, or by the numbers that VMCOREINFO gives. Without it the regions are computed.
 *
 * @see arch/arm64/mm/ptdump.c struct ptdump_info and struct addr_marker, 6.12
 */

/** Bytes of struct addr_marker: a start and a pointer to its name. */
const RECORD = 16;
const MOST_RECORDS = 32;
/** Name and terminator are shorter than this. */
const NAME_BYTES = 32;
/** The list is looked for in this much memory before swapper_pg_dir, which is right behind the kernel's read-only data. */
const SEARCH_BYTES = 32n << 20n;
const SEARCH_STEP = 1n << 16n;

/** The regions of a kernel, ascending. */
export async function arm64Markers(kernel: KernelView): Promise<readonly Marker[]> {
  const list = (await listBySymbol(kernel)) ?? (await listByNumbers(kernel)) ?? computed(kernel);
  const start = BigInt(kernel.root.windows[0]?.start ?? 0);
  // With 52-bit addresses built in and a processor that has fewer, the first region begins before the half does.
  return list.map((marker) => (marker.start < start ? { ...marker, start } : marker)).sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
}

/** `kernel_ptdump_info.markers`, its second member. */
async function listBySymbol(kernel: KernelView): Promise<Marker[] | undefined> {
  const info = kernel.symbol('kernel_ptdump_info');
  const bytes = info === undefined ? undefined : await kernel.read(info + 8n, 8);
  return bytes === undefined ? undefined : readList(kernel, view(kernel, bytes)(0));
}

/** The list by two of its records that follow each other: the module area's start and end. */
async function listByNumbers(kernel: KernelView): Promise<Marker[] | undefined> {
  const { vmcoreinfo } = kernel;
  const end = vmcoreinfo?.symbol('swapper_pg_dir');
  const text = vmcoreinfo?.symbol('_stext');
  const modulesStart = vmcoreinfo?.number('MODULES_VADDR');
  const modulesEnd = vmcoreinfo?.number('MODULES_END');
  if (end === undefined || text === undefined || modulesStart === undefined || modulesEnd === undefined) return undefined;
  const lowest = end - text < SEARCH_BYTES ? text : end - SEARCH_BYTES;
  // Blocks overlap by the two records, so that a pair over an edge is found.
  for (let at = end - SEARCH_STEP; at + SEARCH_STEP > lowest; at -= SEARCH_STEP) {
    const bytes = await kernel.read(at, Number(SEARCH_STEP) + 2 * RECORD);
    if (bytes === undefined) continue;
    const u64 = view(kernel, bytes);
    for (let offset = Number(SEARCH_STEP) - 8; offset >= 0; offset -= 8) {
      if (u64(offset) !== modulesStart || u64(offset + RECORD) !== modulesEnd) continue;
      const list = await readAround(kernel, at + BigInt(offset));
      if (list !== undefined) return list;
    }
  }
  return undefined;
}

/** The whole list around one of its records. */
async function readAround(kernel: KernelView, record: bigint): Promise<Marker[] | undefined> {
  let first = record;
  for (let back = 0; back < 8; back++) {
    const before = await readRecord(kernel, first - BigInt(RECORD));
    if (before === undefined) break;
    first -= BigInt(RECORD);
  }
  const list = await readList(kernel, first);
  return list?.[0]?.name.startsWith('Linear') === true ? list : undefined;
}

/** Records up to the one without a name. */
async function readList(kernel: KernelView, address: bigint): Promise<Marker[] | undefined> {
  const list: Marker[] = [];
  for (let i = 0; i < MOST_RECORDS; i++) {
    const record = await readRecord(kernel, address + BigInt(i * RECORD));
    if (record === undefined) break;
    list.push(record);
  }
  return list.length > 1 ? list : undefined;
}

async function readRecord(kernel: KernelView, address: bigint): Promise<Marker | undefined> {
  const bytes = await kernel.read(address, RECORD);
  if (bytes === undefined) return undefined;
  const u64 = view(kernel, bytes);
  if (u64(8) >> 55n !== 0x1ffn) return undefined;
  // A name may stand at the very end of what is mapped.
  const text = (await kernel.read(u64(8), NAME_BYTES)) ?? (await kernel.read(u64(8), 16));
  const end = text?.indexOf(0) ?? -1;
  if (text === undefined || end < 3) return undefined;
  const name = String.fromCharCode(...text.subarray(0, end));
  return /^[ -~]+$/.test(name) ? { start: u64(0), name } : undefined;
}

function view(kernel: KernelView, bytes: Uint8Array): (offset: number) => bigint {
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return (offset) => data.getBigUint64(offset, kernel.arch.littleEndian);
}

const MiB = 1n << 20n;
const GiB = 1n << 30n;
const END = 1n << 64n;

/**
 * The regions from VMCOREINFO and the layout of the release (arch/arm64/include/asm/memory.h, pgtable.h). KASAN's shadow, which
 * takes the end of the linear mapping, cannot be seen; neither can the fixmap's start, which depends on the
 * configuration, so the fixmap is left out.
 */
function computed(kernel: KernelView): Marker[] {
  const { vmcoreinfo, root } = kernel;
  const release = vmcoreinfo?.release;
  const linear = BigInt(root.windows[0]?.start ?? 0);
  const markers: Marker[] = [{ start: linear, name: 'Linear Mapping start' }];
  const add = (start: bigint | undefined, name: string): void => {
    if (start !== undefined) markers.push({ start, name });
  };
  const built = builtSize(kernel);
  if (built !== undefined && (releaseAtLeast(release, 5, 4) ?? true)) add(END - (1n << (smallestSize(kernel, built) - 1n)), 'Linear Mapping end');
  const modulesStart = vmcoreinfo?.number('MODULES_VADDR');
  add(modulesStart, 'Modules start');
  add(vmcoreinfo?.number('MODULES_END'), 'Modules end');
  add(vmcoreinfo?.number('VMALLOC_START'), 'vmalloc() area');
  add(vmcoreinfo?.number('VMALLOC_END'), 'vmalloc() end');
  const vmemmapStart = vmcoreinfo?.number('VMEMMAP_START');
  const vmemmapEnd = vmcoreinfo?.number('VMEMMAP_END');
  if (vmemmapStart !== undefined && vmemmapEnd !== undefined) {
    add(usedVmemmap(kernel, vmemmapStart, vmemmapEnd, linear), 'vmemmap start');
    add(vmemmapEnd, 'vmemmap end');
    if (releaseAtLeast(release, 6, 9) ?? true) {
      // PCI_IO_START: 8 MiB behind the vmemmap, 16 MiB long, since 6.9.
      add(vmemmapEnd + 8n * MiB, 'PCI I/O start');
      add(vmemmapEnd + 24n * MiB, 'PCI I/O end');
    } else if (releaseAtLeast(release, 5, 11) === true) {
      // PCI_IO_END: 8 MiB before the vmemmap.
      add(vmemmapStart - 24n * MiB, 'PCI I/O start');
      add(vmemmapStart - 8n * MiB, 'PCI I/O end');
    }
  }
  return markers;
}

/** VA_BITS: the address size that the kernel was built for; undefined if no kernel can have it. */
function builtSize(kernel: KernelView): bigint | undefined {
  const built = kernel.vmcoreinfo?.number('VA_BITS');
  return built !== undefined && built >= 16n && built <= 52n ? built : undefined;
}

/** VA_BITS_MIN: since 5.4 the linear mapping ends where the half of the smallest address size does that the kernel runs with. */
function smallestSize(kernel: KernelView, built: bigint): bigint {
  if (built <= 48n) return built;
  // LPA2 came to Linux in 6.9, and 16K kernels for 52 bits fall back to 47.
  return kernel.arch.geometry.pageBytes === 16384 ? 47n : 48n;
}

/** virt_to_page() of the linear mapping's start: later than VMEMMAP_START where the processor has fewer address bits than the kernel. */
function usedVmemmap(kernel: KernelView, start: bigint, end: bigint, linear: bigint): bigint {
  const built = builtSize(kernel);
  const pageSize = BigInt(kernel.arch.geometry.pageBytes);
  const structPage = BigInt(/^\d{1,6}$/.exec(kernel.vmcoreinfo?.get('SIZE(page)') ?? '')?.[0] ?? 64);
  if (built === undefined || end !== END - GiB) return start;
  return start + ((linear - (END - (1n << built))) / pageSize) * structPage;
}
