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

  /** The symbol that an address lies in or after, and how far. */
  nearest(address: bigint): { name: string; offset: bigint } | undefined {
    this.sorted ??= [...this.byName].map(([name, at]) => ({ name, address: at })).sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
    let low = 0;
    let high = this.sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.sorted[middle]!.address <= address) low = middle + 1;
      else high = middle;
    }
    const found = this.sorted[low - 1];
    return found === undefined ? undefined : { name: found.name, offset: address - found.address };
  }
}
