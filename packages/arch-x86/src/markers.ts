import { geometryOf, type AnyArch, type KernelView, type Marker, type Root } from '@pgtable/core';
import { START_KERNEL_MAP } from './vmcoreinfo.js';

/*
 * The regions of the kernel's address space. Facts: arch/x86/mm/dump_pagetables.c, arch/x86/include/asm/
 * {pgtable_64_types,page_64_types,pgtable_32_areas,fixmap,kasan}.h and Documentation/arch/x86/x86_64/mm.rst (Linux 6.12).
 */

const GIB = 1n << 30n;

/** A region that begins that many root entries (p4d entries) before the end of the address space. */
const below = (shift: number, entries: bigint): bigint => (1n << 64n) - (entries << BigInt(shift));

/** @see CPU_ENTRY_AREA_BASE, ESPFIX_BASE_ADDR, EFI_VA_END, FIXADDR_TOP */
const CPU_ENTRY_AREA = below(39, 4n);
const ESPFIX = below(39, 2n);
const EFI_END = (1n << 64n) - 68n * GIB;
const FIXADDR_TOP = 0xffffffffff7ff000n;
const ESPFIX_LINES = 16;

/** Where the regions begin that KASLR moves, without it. @see __PAGE_OFFSET_BASE_L4 and its siblings */
const UNMOVED = {
  4: { pageOffset: 0xffff888000000000n, vmalloc: 0xffffc90000000000n, vmemmap: 0xffffea0000000000n },
  5: { pageOffset: 0xff11000000000000n, vmalloc: 0xffa0000000000000n, vmemmap: 0xffd4000000000000n },
} as const;

/** KASAN's shadow begins at CONFIG_KASAN_SHADOW_OFFSET plus an eighth of the lowest kernel address. */
const KASAN_START = { 4: 0xffffec0000000000n, 5: 0xffdf000000000000n } as const;
const KASAN_END = 0xfffffc0000000000n;

/**
 * The regions that the kernel's listing announces.
 *
 * With symbols: the kernel's own list, read from its variable `address_markers`; if it has none (its ptdump is not
 * compiled in), what its variables and the symbols of its options say. Without symbols: what VMCOREINFO and the constants
 * of the layout say, for a kernel built as distributions do.
 */
export async function markers(kernel: KernelView): Promise<readonly Marker[]> {
  const own = kernel.hasSymbols ? await ownMarkers(kernel) : undefined;
  return own ?? (kernel.arch.geometry.addressDigits === 16 ? markers64(kernel) : markers32(kernel));
}

/** Most markers that a kernel has, with room to spare. */
const MAX_MARKERS = 32;

/** The kernel's `address_markers`: { unsigned long start_address; const char *name; unsigned long max_lines; }, to a null name. */
async function ownMarkers(kernel: KernelView): Promise<readonly Marker[] | undefined> {
  const table = kernel.symbol('address_markers');
  if (table === undefined) return undefined;
  const wide = kernel.arch.geometry.addressDigits === 16;
  const word = wide ? 8 : 4;
  const found: Marker[] = [];
  for (let i = 0; i < MAX_MARKERS; i++) {
    const bytes = await kernel.read(table + BigInt(i * 3 * word), 3 * word);
    if (bytes === undefined) return undefined;
    const [start, name, lines] = [0, 1, 2].map((at) => wordAt(bytes, at * word, wide)) as [bigint, bigint, bigint];
    if (name === 0n) return isSound(found) ? found : undefined;
    const text = await readName(kernel, name);
    if (text === undefined) return undefined;
    found.push(lines === 0n ? { start, name: text } : { start, name: text, maxLines: Number(lines) });
  }
  return undefined;
}

/** Whether this is a list of markers, and not what happened to be at a wrong address. */
function isSound(found: readonly Marker[]): boolean {
  return found[0]?.start === 0n && found.every(({ start }, at) => at === 0 || start >= found[at - 1]!.start);
}

async function readName(kernel: KernelView, address: bigint): Promise<string | undefined> {
  let name = '';
  for (let at = address; name.length < 64; at++) {
    const byte = (await kernel.read(at, 1))?.[0];
    if (byte === 0) return name;
    if (byte === undefined || byte < 32 || byte > 126) return undefined;
    name += String.fromCharCode(byte);
  }
  return undefined;
}

async function markers64(kernel: KernelView): Promise<readonly Marker[]> {
  const { arch, hasSymbols, vmcoreinfo } = kernel;
  const levels = geometryOf(arch.geometry, 'p4d').folded ? 4 : 5;
  const { shift } = geometryOf(arch.geometry, 'pgd');
  // Without symbols: as distributions build it. The symbols are static functions and variables of the option's own files.
  const has = (symbol: string, usual: boolean): boolean => (hasSymbols ? kernel.symbol(symbol) !== undefined : usual);

  // A kernel whose regions do not move has no such variables. One that has them moved the regions, perhaps.
  const fixed = (name: string): boolean => hasSymbols && kernel.symbol(name) === undefined;
  const unmoved = UNMOVED[levels];
  const vmalloc = fixed('vmalloc_base') ? unmoved.vmalloc : ((await variable(kernel, 'vmalloc_base')) ?? vmcoreinfo?.number('VMALLOC_START'));
  const vmemmap = fixed('vmemmap_base') ? unmoved.vmemmap : ((await variable(kernel, 'vmemmap_base')) ?? vmcoreinfo?.symbol('vmemmap'));
  const pageOffset =
    fixed('page_offset_base') || vmalloc === unmoved.vmalloc ? unmoved.pageOffset : ((await variable(kernel, 'page_offset_base')) ?? (await pageOffsetByPointer(kernel)));
  // CONFIG_RANDOMIZE_BASE decides the size of the image's mapping; VMCOREINFO has it.
  const imageSize = vmcoreinfo?.number('KERNEL_IMAGE_SIZE') ?? (has('kaslr_get_random_long', true) ? GIB : GIB / 2n);
  // CONFIG_DEBUG_KMAP_LOCAL_FORCE_MAP is what compiles local mappings into a 64-bit kernel.
  const modulesEnd = has('__kmap_local_pfn_prot', false) ? 0xfffffffffe000000n : 0xffffffffff000000n;

  const found: (Marker | undefined)[] = [
    { start: 0n, name: 'User Space' },
    { start: 1n << 63n, name: 'Kernel Space' },
    has('ldt_dup_context', true) ? { start: below(shift, 240n), name: 'LDT remap' } : undefined,
    pageOffset === undefined ? undefined : { start: pageOffset, name: 'Low Kernel Mapping' },
    vmalloc === undefined ? undefined : { start: vmalloc, name: 'vmalloc() Area' },
    vmemmap === undefined ? undefined : { start: vmemmap, name: 'Vmemmap' },
    ...(has('kasan_init', false) ? [{ start: KASAN_START[levels], name: 'KASAN shadow' }, { start: KASAN_END, name: 'KASAN shadow end' }] : []),
    { start: CPU_ENTRY_AREA, name: 'CPU entry Area' },
    has('init_espfix_ap', true) ? { start: ESPFIX, name: 'ESPfix Area', maxLines: ESPFIX_LINES } : undefined,
    has('efi_mm', true) ? { start: EFI_END, name: 'EFI Runtime Services' } : undefined,
    { start: START_KERNEL_MAP, name: 'High Kernel Mapping' },
    { start: START_KERNEL_MAP + imageSize, name: 'Modules' },
    { start: modulesEnd, name: 'End Modules' },
    // Its place follows from the kernel's options alone, and local mappings add a number for each processor.
    hasSymbols && !has('__kmap_local_pfn_prot', false) ? { start: fixmapStart(kernel), name: 'Fixmap Area' } : undefined,
  ];
  return found.filter((marker) => marker !== undefined);
}

/**
 * Where the fixmap begins: one page for each of its permanent entries, which depend on the kernel's options.
 *
 * @see enum fixed_addresses in arch/x86/include/asm/fixmap.h (Linux 6.12)
 */
function fixmapStart(kernel: KernelView): bigint {
  const has = (symbol: string): boolean => kernel.symbol(symbol) !== undefined;
  // The vsyscall page is entry 511, and everything else comes after it.
  let pages = has('map_vsyscall') ? 512n : 0n;
  // FIX_DBGP_BASE, FIX_EARLYCON_MEM_BASE, FIX_APIC_BASE, and MAX_IO_APICS entries.
  pages += 3n + 128n;
  if (has('init_ohci1394_dma_on_all_controllers')) pages += 1n;
  // CONFIG_PARAVIRT_XXL, which Xen PV selects.
  if (has('xen_start_kernel')) pages += 1n;
  if (has('ghes_probe')) pages += 2n;
  return FIXADDR_TOP - (pages << 12n);
}

/**
 * PAGE_OFFSET by the one pointer into the direct mapping that VMCOREINFO holds: its virtual less its physical address.
 * KASLR moves the mapping by whole gigabytes, so the result can be checked.
 */
async function pageOffsetByPointer(kernel: KernelView): Promise<bigint | undefined> {
  const pointer = kernel.vmcoreinfo?.symbol('mem_section');
  if (pointer === undefined || pointer >= START_KERNEL_MAP) return undefined;
  // Reading brings the tables on the way; then they can be looked at.
  if ((await kernel.read(pointer, 1)) === undefined) return undefined;
  const physical = walk(kernel.arch, kernel.root, pointer);
  if (physical === undefined) return undefined;
  const base = pointer - physical;
  return base % GIB === 0n ? base : undefined;
}

/** The physical address of an address whose tables are loaded. */
function walk(arch: AnyArch, root: Root, address: bigint): bigint | undefined {
  const pgdp = arch.pgdOffset(root, address);
  const p4dp = pgdp === undefined ? undefined : arch.ops.pgd.offset(pgdp, address);
  const pudp = p4dp === undefined ? undefined : arch.ops.p4d.offset(p4dp, address);
  if (pudp === undefined) return undefined;
  const leaf = (value: bigint, shift: number): bigint => {
    const low = (1n << BigInt(shift)) - 1n;
    return (value & 0x000ffffffffff000n & ~low) | (address & low);
  };
  const pud = arch.ops.pud.get(pudp);
  if ((pud & 0x81n) === 0x81n) return leaf(pud, 30);
  const pmdp = arch.ops.pud.offset(pudp, address);
  if (pmdp === undefined) return undefined;
  const pmd = arch.ops.pmd.get(pmdp);
  if ((pmd & 0x81n) === 0x81n) return leaf(pmd, 21);
  const ptep = arch.ops.pmd.offset(pmdp, address);
  if (ptep === undefined) return undefined;
  const pte = arch.ops.pte.get(ptep);
  return (pte & 1n) === 0n ? undefined : leaf(pte, 12);
}

/** The space between the direct mapping and vmalloc of 32-bit kernels. @see VMALLOC_OFFSET */
const VMALLOC_OFFSET_32 = 8n << 20n;

/** What else a 32-bit kernel announces depends on its number of processors, which only its own list knows. */
async function markers32(kernel: KernelView): Promise<readonly Marker[]> {
  const found: Marker[] = [
    { start: 0n, name: 'User Space' },
    { start: BigInt(kernel.root.windows[1]?.start ?? 0), name: 'Kernel Mapping' },
  ];
  const highMemory = await variable(kernel, 'high_memory');
  const vmalloc = highMemory === undefined ? kernel.vmcoreinfo?.number('VMALLOC_START') : highMemory + VMALLOC_OFFSET_32;
  if (vmalloc !== undefined) found.push({ start: BigInt.asUintN(32, vmalloc), name: 'vmalloc() Area' });
  return found;
}

/** The value of one of the kernel's variables of pointer size. */
async function variable(kernel: KernelView, name: string): Promise<bigint | undefined> {
  const address = kernel.symbol(name);
  if (address === undefined) return undefined;
  const wide = kernel.arch.geometry.addressDigits === 16;
  const bytes = await kernel.read(address, wide ? 8 : 4);
  return bytes === undefined ? undefined : wordAt(bytes, 0, wide);
}

function wordAt(bytes: Uint8Array, at: number, wide: boolean): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return wide ? view.getBigUint64(at, true) : BigInt(view.getUint32(at, true));
}
