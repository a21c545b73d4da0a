import { PgtableError } from '@pgtable/core';

/**
 * A kernel's symbol table in the format of `System.map` and `/proc/kallsyms`: `ADDRESS TYPE NAME`, hexadecimal.
 */
export class Symbols {
  private readonly byName = new Map<string, bigint>();
  /** Sorted by address, for {@link nearest}. */
  private sorted: { address: bigint; name: string }[] | undefined;

  /** @throws PgtableError `EBADMSG` if the text holds no symbol */
  constructor(text: string, source: string) {
    for (const line of text.split('\n')) {
      const match = /^([0-9a-f]+) [A-Za-z?] (\S+)/.exec(line);
      // The first of several symbols with one name is as good as any: the kernel's own are unique.
      if (match !== null && !this.byName.has(match[2]!)) this.byName.set(match[2]!, BigInt('0x' + match[1]!));
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
   * The symbol that an address lies in or after: how far, and how many bytes there are to the next symbol (0 if there is
   * none). Of symbols at one address the first counts, as in kallsyms.
   */
  nearest(address: bigint): { name: string; offset: bigint; size: bigint } | undefined {
    // Sorting is stable: symbols at one address keep the table's order.
    this.sorted ??= [...this.byName].map(([name, at]) => ({ name, address: at })).sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
    const { sorted } = this;
    const after = firstAbove(sorted, address);
    const last = sorted[after - 1];
    if (last === undefined) return undefined;
    const found = sorted[firstAbove(sorted, last.address - 1n)]!;
    const next = sorted[after];
    return { name: found.name, offset: address - found.address, size: next === undefined ? 0n : next.address - found.address };
  }
}

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
