import type { Half, Machine, OpenedRoot } from '../machine.js';

/** A root and the addresses that are looked up in it. */
export interface Part {
  readonly opened: OpenedRoot;
  readonly windows: readonly { readonly start: number; readonly end: number }[];
}

/** Which root an address is looked up in. */
export class Lookup {
  readonly parts: readonly Part[];
  private readonly lacks: readonly Half[];
  private readonly machine: Machine;
  private readonly half: Half | undefined;

  constructor(machine: Machine, half: Half | undefined) {
    this.machine = machine;
    this.half = half;
    const parts: Part[] = [];
    const lacks: Half[] = [];
    // User addresses first: where both halves overlap (s390), the processor's own space is the one that is meant.
    for (const wanted of half === undefined ? (['user', 'kernel'] as const) : [half]) {
      const opened = wanted === 'user' ? machine.userRoot() : machine.kernelRoot();
      if (opened === undefined) {
        lacks.push(wanted);
        continue;
      }
      const windows = opened.space.root.windows.filter((window) => window.half === wanted);
      parts.push({ opened, windows });
    }
    this.parts = parts;
    this.lacks = lacks;
  }

  /** Index of the part for a page (an address without its low 12 bits) as its windows have it, or -1. */
  partOf(page: number): number {
    for (let at = 0; at < this.parts.length; at++) {
      for (const { start, end } of this.parts[at]!.windows) if (page >= start && page < end) return at;
    }
    return -1;
  }

  /** The page without the tag that hardware ignores, for pages that no part has as they are. */
  untagged(page: number): number {
    for (const { opened, windows } of this.parts) {
      const { arch } = opened.space;
      if (arch.untagAddress === undefined) continue;
      const plain = Number(arch.untagAddress(BigInt(page)));
      if (windows.some(({ start, end }) => plain >= start && plain < end)) return plain;
    }
    return page;
  }

  /** The answer for an address that no known root translates: not canonical, or the root that would is not in the dump. */
  statusWithout(address: bigint): 'absent' | 'non-canonical' {
    const half: Half = address >> 63n === 0n ? 'user' : 'kernel';
    return this.lacks.includes(half) && !this.isOutOfRoom(address, half) ? 'absent' : 'non-canonical';
  }

  /**
   * Whether a known root has room for addresses of this half and none for this one. Where a root has both halves (x86, riscv), those of
   * processes have the same room, so another one would not translate the address either.
   */
  private isOutOfRoom(address: bigint, half: Half): boolean {
    const rooms = this.parts.map(({ opened }) => opened.space.root.windows).filter((windows) => windows.some((window) => window.half === half));
    return rooms.length > 0 && !rooms.flat().some(({ start, end }) => address >= start && address < end);
  }

  reasonWithout(address: bigint): string {
    if (this.statusWithout(address) === 'non-canonical') return this.half === undefined ? 'not an address that this machine translates' : `--${this.half} looks up ${this.half} addresses alone`;
    if (this.machine.rootChoice !== undefined) return `--root ${this.machine.rootChoice} translates no such address; leave it out, or give the root that does`;
    return `the root table for ${address >> 63n === 0n ? 'user' : 'kernel'} addresses is not known: ${this.machine.missingHint()}`;
  }
}
