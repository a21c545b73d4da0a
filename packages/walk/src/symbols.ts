import { hexAddress, PgtableError, type Vmcoreinfo } from '@pgtable/core';

/**
 * A kernel's symbol table in the format of `System.map` and `/proc/kallsyms`: `ADDRESS TYPE NAME`, hexadecimal.
 */
export class Symbols {
  /** Where they are from, for people. */
  private readonly source: string;
  private readonly byName = new Map<string, bigint>();
  /** Names of weak symbols. */
  private readonly weak = new Set<string>();
  /** Sorted by address, for {@link nearest}. */
  private sorted: { address: bigint; name: string }[] | undefined;

  /** @throws PgtableError `EBADMSG` if the text holds no symbol */
  constructor(text: string, source: string) {
    this.source = source;
    for (const line of text.split('\n')) {
      const match = /^([0-9a-f]+) ([A-Za-z?]) (\S+)/.exec(line);
      // The first of several symbols with one name is as good as any: the kernel's own are unique.
      if (match === null || this.byName.has(match[3]!)) continue;
      this.byName.set(match[3]!, BigInt('0x' + match[1]!));
      if (match[2] === 'w' || match[2] === 'W') this.weak.add(match[3]!);
    }
    if (this.byName.size === 0) {
      throw new PgtableError('EBADMSG', `${source} holds no symbols`, { hint: 'give a System.map: lines of ADDRESS TYPE NAME' });
    }
    if ([...this.byName.values()].every((address) => address === 0n)) {
      throw new PgtableError('EBADMSG', `all addresses in ${source} are zero`, { hint: 'kernel.kptr_restrict hid them: copy /proc/kallsyms as root, or give a System.map' });
    }
  }

  /** The address as the table has it: where the kernel was linked, or where it ran if it is a kallsyms. */
  get(name: string): bigint | undefined {
    return this.byName.get(name);
  }

  /**
   * What to add to an address of the table to have where it was while the kernel ran: a System.map has where the kernel
   * was linked, a kallsyms where it ran.
   *
   * @param offset by how much that kernel was moved
   * @throws PgtableError `EINVAL` if VMCOREINFO has symbols of the table at neither address
   */
  movedBy(vmcoreinfo: Vmcoreinfo | undefined, offset: bigint): bigint {
    const common = COMPARED.filter((symbol) => this.byName.has(symbol) && vmcoreinfo?.symbol(symbol) !== undefined);
    const differs = (by: bigint): string | undefined => common.find((symbol) => this.byName.get(symbol)! + by !== vmcoreinfo?.symbol(symbol));
    const name = differs(offset);
    if (vmcoreinfo === undefined || name === undefined) return offset;
    if (differs(0n) === undefined) return 0n;
    const address = this.byName.get(name)!;
    const ran = vmcoreinfo.symbol(name)!;
    const moved = offset === 0n ? '' : `, which the kernel moved to ${hexAddress(BigInt.asUintN(64, address + offset))},`;
    throw new PgtableError('EINVAL', `${this.source} is not of this kernel: it has ${name} at ${hexAddress(address)}${moved} and ${vmcoreinfo.source} says ${hexAddress(ran)}`, {
      hint: `give the System.map of ${vmcoreinfo.release ?? 'the kernel that was dumped'}, of the very same build, or its kallsyms`,
    });
  }

  /**
   * The symbol that an address lies in or after: how far, and how many bytes there are to the next symbol (0 if there is
   * none). Of symbols at one address the one counts that kallsyms would name.
   *
   * @see scripts/kallsyms.c compare_symbols (Linux 6.12)
   */
  nearest(address: bigint): { name: string; offset: bigint; size: bigint } | undefined {
    this.sorted ??= [...this.byName].map(([name, at]) => ({ name, address: at })).sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : this.rank(a.name) - this.rank(b.name)));
    const { sorted } = this;
    const after = firstAbove(sorted, address);
    const last = sorted[after - 1];
    if (last === undefined) return undefined;
    const found = sorted[firstAbove(sorted, last.address - 1n)]!;
    const next = sorted[after];
    return { name: found.name, offset: address - found.address, size: next === undefined ? 0n : next.address - found.address };
  }

  /** Of symbols at one address: weak ones last, before them what a linker script made, before them by leading underscores. */
  private rank(name: string): number {
    const underscores = /^_*/.exec(name)![0].length;
    const byLinker = /^__(?:(?:start|stop|end)_|.*_(?:start|end)$)/.test(name);
    return (this.weak.has(name) ? 10000 : 0) + (byLinker ? 1000 : 0) + Math.min(underscores, 999);
  }
}

/** Symbols that VMCOREINFO and a System.map both have. Every build has the first at the same address, and the others elsewhere. */
const COMPARED = ['_stext', 'init_uts_ns', 'kallsyms_names', 'swapper_pg_dir', 'init_top_pgt'];

/** Position of the first symbol above an address. */
function firstAbove(sorted: readonly { readonly address: bigint }[], address: bigint): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]!.address <= address) low = middle + 1;
    else high = middle;
  }
  return low;
}
