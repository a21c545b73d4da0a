import type { ArchPlugin, HandleFamily, KernelView, Vmcoreinfo } from '@pgtable/core';
import type { PhysicalMemory } from '@pgtable/memory';
import { TableLoader } from './load.js';
import type { Space } from './space.js';
import type { Symbols } from './symbols.js';
import { translateBatch, Translator } from './translate.js';

const PAGE = 4096n;

/** Reads memory by virtual address, through the tables of a space. */
export class VirtualReader<H extends HandleFamily = HandleFamily> {
  private readonly memory: PhysicalMemory;
  private readonly loader: TableLoader<H>;
  private readonly translator: Translator<H>;

  constructor(space: Space<H>, memory: PhysicalMemory, loader = new TableLoader(space, memory)) {
    this.memory = memory;
    this.loader = loader;
    this.translator = new Translator(space, loader);
  }

  /** Bytes at a virtual address; undefined if any of them is unmapped or not in the dump. */
  async read(address: bigint, length: number): Promise<Uint8Array | undefined> {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const at = address + BigInt(done);
      const low = Number(at % PAGE);
      const piece = Math.min(length - done, Number(PAGE) - low);
      const { status, pagePa } = await translateBatch(this.translator, this.loader, Float64Array.of(Number(at - BigInt(low))));
      if (status[0] !== 0) return undefined;
      const read = await this.memory.read(pagePa[0]! + low, piece);
      if (read === undefined) return undefined;
      bytes.set(read, done);
      done += piece;
    }
    return bytes;
  }
}

/**
 * What an architecture may ask about a kernel to name its regions.
 *
 * @param space the space whose regions are asked for
 * @param kernel the kernel's own space, through which its variables are read: a process's or a KPTI trampoline's tables
 * may not map them
 */
export function kernelView(
  plugin: ArchPlugin, space: Space, kernel: Space, memory: PhysicalMemory, vmcoreinfo: Vmcoreinfo | undefined, symbols: Symbols | undefined,
): KernelView {
  const reader = new VirtualReader(kernel, memory);
  const kernelOffset = plugin.kernelOffset(vmcoreinfo);
  const offset = symbols?.movedBy(vmcoreinfo, kernelOffset) ?? kernelOffset;
  return {
    arch: space.arch,
    root: space.root,
    vmcoreinfo,
    hasSymbols: symbols !== undefined,
    symbol(name) {
      const address = symbols?.get(name);
      return address === undefined ? undefined : address + offset;
    },
    read: (address, length) => reader.read(address, length),
  };
}
