import type { KernelView, Marker, Vmcoreinfo } from '@pgtable/core';
import { u64 } from './lowcore.js';

/** Bytes of a lowcore, and of its second place ("lowcore relocation", from Linux 6.11 on). @see LOWCORE_ALT_ADDRESS */
const LOWCORE_BYTES = 0x2000n;
const LOWCORE_ALTERNATIVE = 0x70000n;
const PAGE = 0x1000n;
const SEGMENT = 0x100000n;
/** MODULES_LEN: 2 GiB. */
const MODULES_BYTES = 1n << 31n;
/** KFENCE_POOL_SIZE with CONFIG_KFENCE_NUM_OBJECTS=255, its default: the number is not in a dump. */
const KFENCE_BYTES = (255n + 1n) * 2n * PAGE;
/** CONFIG_KASAN_SHADOW_OFFSET, which has one value, and its size: an eighth of 2 ** 53. */
const KASAN_START = 0x1c000000000000n;
const KASAN_BYTES = 1n << 50n;

/** A region that the kernel announces at both ends; an end that nothing says is undefined. */
interface Area {
  readonly name: string;
  readonly start: bigint;
  readonly end: bigint | undefined;
}

/**
 * {@link ArchPlugin.markers}: the areas that the kernel announces, by its own variables if there is a symbol table of it, else by
 * VMCOREINFO and what follows from it.
 *
 * The first marker stands for the heading. Areas nest, so at one address ends come before starts, the smallest area
 * ends first, and the largest starts first.
 *
 * @see pt_dump_init(), ptdump_cmp() in arch/s390/mm/dump_pagetables.c (Linux 6.12)
 */
export async function s390Markers(kernel: KernelView): Promise<readonly Marker[]> {
  const areas = kernel.symbol('_stext') !== undefined ? await areasBySymbols(kernel) : await areasByVmcoreinfo(kernel);
  const ends = areas.flatMap((area) => [
    { isStart: true, at: area.start, area },
    ...(area.end === undefined ? [] : [{ isStart: false, at: area.end, area }]),
  ]);
  ends.sort((a, b) => {
    if (a.at !== b.at) return a.at < b.at ? -1 : 1;
    if (a.isStart !== b.isStart) return a.isStart ? 1 : -1;
    const bySize = compare(sizeOf(b.area), sizeOf(a.area));
    return a.isStart ? bySize : -bySize;
  });
  return [{ start: 0n, name: 'Kernel Virtual Address Space' }, ...ends.map(({ isStart, at, area }) => ({ start: at, name: `${area.name} ${isStart ? 'Start' : 'End'}` }))];
}

function sizeOf({ start, end }: Area): bigint {
  // An area without an end is as large as can be.
  return end === undefined ? 1n << 64n : end - start;
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** All areas of a kernel whose symbols are known. An area is left out if the dump does not hold the variables that say where it is. */
async function areasBySymbols(kernel: KernelView): Promise<Area[]> {
  const areas: Area[] = [];
  const add = (name: string, start: bigint | undefined, end: bigint | undefined) => {
    if (start !== undefined && end !== undefined) areas.push({ name, start, end });
  };
  /** A variable of 64 bits. */
  const variable = async (name: string, index = 0): Promise<bigint | undefined> => {
    const address = kernel.symbol(name);
    const bytes = address === undefined ? undefined : await kernel.read(address + BigInt(index * 8), 8);
    return bytes === undefined ? undefined : u64(bytes, 0);
  };

  const info = kernel.vmcoreinfo;
  const modules = { start: await variable('MODULES_VADDR'), end: await variable('MODULES_END') };
  const vmalloc = { start: await variable('VMALLOC_START'), end: await variable('VMALLOC_END') };
  const vmemmap = await variable('vmemmap');
  const absoluteLowcore = await variable('__abs_lowcore');
  const memcpyReal = await variable('__memcpy_real_area');
  // struct vm_layout (from Linux 6.10 on): kaslr_offset, kaslr_offset_phys, identity_base, identity_size.
  const layout = kernel.symbol('vm_layout') !== undefined;
  const identity = layout ? await variable('vm_layout', 2) : 0n;
  const identityBytes = layout ? await variable('vm_layout', 3) : await variable('ident_map_size');
  const lowcore = (await relocatedLowcore(kernel)) ? LOWCORE_ALTERNATIVE : 0n;

  add('Kernel Image', kernel.symbol('_stext'), kernel.symbol('_end'));
  add('Lowcore', lowcore, lowcore + LOWCORE_BYTES);
  add('Identity Mapping', identity, plus(identity, identityBytes));
  add('Amode31 Area', await variable('__samode31'), await variable('__eamode31'));
  add('Modules Area', modules.start, modules.end);
  add('Lowcore Area', absoluteLowcore, plus(absoluteLowcore, absoluteLowcoreBytes(info) ?? upTo(absoluteLowcore, memcpyReal)));
  add('Real Memory Copy Area', memcpyReal, plus(memcpyReal, PAGE));
  add('vmemmap Area', vmemmap, plus(vmemmap, await variable('vmemmap_size')));
  add('vmalloc Area', vmalloc.start, vmalloc.end);
  const kfence = await variable('__kfence_pool');
  add('KFence Pool', kfence, plus(kfence, KFENCE_BYTES));
  if (kernel.symbol('kmsan_enabled') !== undefined && vmalloc.start !== undefined && vmalloc.end !== undefined) {
    const size = vmalloc.end - vmalloc.start;
    const origins = vmalloc.end + size;
    const moduleShadow = origins + size;
    const moduleOrigins = moduleShadow + MODULES_BYTES;
    add('Kmsan vmalloc Shadow', vmalloc.end, origins);
    add('Kmsan vmalloc Origins', origins, moduleShadow);
    add('Kmsan Modules Shadow', moduleShadow, moduleOrigins);
    add('Kmsan Modules Origins', moduleOrigins, moduleOrigins + MODULES_BYTES);
  }
  if (kernel.symbol('kasan_early_shadow_page') !== undefined) add('Kasan Shadow', KASAN_START, KASAN_START + KASAN_BYTES);
  return areas;
}

/** What VMCOREINFO says without symbols. From Linux 6.10 on more follows from the order in which the kernel lays itself out. */
async function areasByVmcoreinfo(kernel: KernelView): Promise<Area[]> {
  const info = kernel.vmcoreinfo;
  const areas: Area[] = [{ name: 'Lowcore', start: 0n, end: LOWCORE_BYTES }];
  if (info === undefined) return areas;
  const add = (name: string, start: bigint | undefined, end: bigint | undefined) => {
    if (start !== undefined && (end === undefined || end > start)) areas.push({ name, start, end });
  };
  const offset = info.hex('KERNELOFFSET');
  const uncoupled = info.hex('KERNELOFFPHYS') !== undefined;
  const identity = info.hex('IDENTITYBASE') ?? 0n;
  const vmalloc = info.number('VMALLOC_START');

  // high_memory is the end of the identity mapping, unless memory was added or left offline.
  const highMemory = info.symbol('high_memory');
  const bytes = highMemory === undefined ? undefined : await kernel.read(highMemory, 8);
  const identityEnd = bytes === undefined ? undefined : u64(bytes, 0);

  add('Kernel Image', info.symbol('_stext'), undefined);
  add('Identity Mapping', identity, identityEnd);
  add('Amode31 Area', info.hex('SAMODE31'), info.hex('EAMODE31'));
  add('vmemmap Area', info.symbol('vmemmap'), plus(info.symbol('vmemmap'), vmemmapBytes(info, identity, identityEnd)));
  // setup_kernel_memory_layout(): from the image down come modules, vmalloc, the page for real memory, the lowcores.
  const modulesEnd = uncoupled && offset !== undefined ? (offset / SEGMENT) * SEGMENT : undefined;
  const modules = modulesEnd === undefined ? undefined : modulesEnd - MODULES_BYTES;
  add('Modules Area', modules, modulesEnd);
  add('vmalloc Area', vmalloc, modules);
  if (uncoupled && vmalloc !== undefined) {
    const memcpyReal = ((vmalloc - PAGE) / PAGE) * PAGE;
    add('Real Memory Copy Area', memcpyReal, memcpyReal + PAGE);
    const size = absoluteLowcoreBytes(info);
    const absolute = size === undefined ? undefined : ((memcpyReal - size) / LOWCORE_BYTES) * LOWCORE_BYTES;
    add('Lowcore Area', absolute, plus(absolute, size));
  }
  return areas;
}

/** `struct page`s of whole sections. @see setup_kernel_memory_layout() */
function vmemmapBytes(info: Vmcoreinfo, identity: bigint, identityEnd: bigint | undefined): bigint | undefined {
  const pageStruct = info.get('SIZE(page)');
  const sectionBits = info.number('SECTION_SIZE_BITS');
  if (identityEnd === undefined || pageStruct === undefined || !/^\d+$/.test(pageStruct) || sectionBits === undefined || sectionBits < 12n || sectionBits > 53n) return undefined;
  const section = 1n << sectionBits;
  return ((identityEnd - identity + section - 1n) / section) * (section / PAGE) * BigInt(pageStruct);
}

/** ABS_LOWCORE_MAP_SIZE: one lowcore for each processor that the kernel was built for. */
function absoluteLowcoreBytes(info: Vmcoreinfo | undefined): bigint | undefined {
  const processors = info?.get('LENGTH(lowcore_ptr)');
  return processors !== undefined && /^\d{1,6}$/.test(processors) ? BigInt(processors) * LOWCORE_BYTES : undefined;
}

/** The bytes from one area up to the next, rounded down to whole lowcores. */
function upTo(start: bigint | undefined, next: bigint | undefined): bigint | undefined {
  return start === undefined || next === undefined ? undefined : ((next - start) / LOWCORE_BYTES) * LOWCORE_BYTES;
}

function plus(start: bigint | undefined, size: bigint | undefined): bigint | undefined {
  return start === undefined || size === undefined ? undefined : start + size;
}

async function relocatedLowcore(kernel: KernelView): Promise<boolean> {
  const address = kernel.symbol('relocate_lowcore');
  const bytes = address === undefined ? undefined : await kernel.read(address, 4);
  return bytes?.some((byte) => byte !== 0) ?? false;
}
