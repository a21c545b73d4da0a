import type { ArchPlugin, Attributes, MachineFacts, NonPresent, RootCandidate, RootSearch, Vmcoreinfo } from '@pgtable/core';
import type { PhysicalMemory } from '@pgtable/memory';
import { openMemoryFiles } from '@pgtable/memory/node';
import { findVmcoreinfo, machineFacts, openRoot, translateBatch, vmcoreinfoNotes, BATCH_STATUSES, type OpenedRoot, type Translation } from '@pgtable/walk';
import { ARCHITECTURES } from '../../apps/pgtable/src/architectures.js';
import type { Facts, Registers } from './fixture.js';

const PLUGINS: Readonly<Record<Facts['arch'], string>> = { x86_64: 'x86', i386: 'x86', aarch64: 'arm64', riscv64: 'riscv', s390x: 's390' };

/** One dump file, opened as a user would open it. */
export class Dump {
  readonly memory: PhysicalMemory;
  readonly plugin: ArchPlugin;
  readonly facts: MachineFacts;
  private readonly roots = new Map<RootCandidate, OpenedRoot>();

  private constructor(memory: PhysicalMemory, plugin: ArchPlugin, facts: MachineFacts) {
    this.memory = memory;
    this.plugin = plugin;
    this.facts = facts;
  }

  static async open(path: string, arch: Facts['arch']): Promise<Dump> {
    const memory = await openMemoryFiles([path]);
    const plugin = ARCHITECTURES.find(({ name }) => name === PLUGINS[arch]);
    if (plugin === undefined) throw new Error(`no architecture for ${arch}`);
    const scanned = vmcoreinfoNotes(memory.notes).length > 0 ? [] : await findVmcoreinfo(memory);
    return new Dump(memory, plugin, machineFacts(memory, { scanned }));
  }

  get vmcoreinfo(): Vmcoreinfo | undefined {
    return this.facts.vmcoreinfo[0];
  }

  /** What the plugin finds when the user gives these registers. */
  findRoots(registers: ReadonlyMap<string, bigint> = new Map(), changed: Partial<MachineFacts> = {}): Promise<RootSearch> {
    return this.plugin.findRoots({ ...this.facts, registers, ...changed });
  }

  openRoot(candidate: RootCandidate): OpenedRoot {
    let open = this.roots.get(candidate);
    if (open === undefined) {
      open = openRoot(candidate, this.memory);
      this.roots.set(candidate, open);
    }
    return open;
  }

  /** The address space that registers select: they are given as flags are, and the roots that are marked so are used. */
  async spaceOf(registers: Registers, which: Registers = registers): Promise<AddressSpace> {
    const flags = this.flags({ ...registers, ...which });
    const { candidates, missing } = await this.findRoots(flags);
    const given = candidates.filter(({ source }) => source === 'given');
    if (given.length === 0) throw new Error(`no root from ${[...flags.keys()].join(', ')}: ${missing.join('; ')}`);
    return new AddressSpace(given.map((candidate) => this.openRoot(candidate)));
  }

  /** The registers of a fixture under the names of the plugin's flags. s390's primary space is CR1. */
  flags(registers: Registers): Map<string, bigint> {
    const flags = new Map<string, bigint>();
    for (const [name, value] of Object.entries(registers)) {
      const flag = name.toLowerCase().replace(/_el1$/, '');
      if (value !== undefined && this.plugin.registers.some((known) => known.name === flag)) flags.set(flag, BigInt(value));
    }
    const { cr1 } = registers;
    if (this.plugin.name === 's390' && cr1 !== undefined) flags.set('asce', BigInt(cr1));
    return flags;
  }

  async close(): Promise<void> {
    await this.memory.close();
  }
}

/** What we say of one address. */
export interface Answer {
  readonly status: (typeof BATCH_STATUSES)[number];
  /** The physical address, where mapped. */
  readonly pa: bigint | undefined;
}

/** All roots that translate together: one, or arm64's two. */
export class AddressSpace {
  readonly roots: readonly OpenedRoot[];

  constructor(roots: readonly OpenedRoot[]) {
    this.roots = roots;
  }

  /** Translates addresses in batches, one for each root. */
  async translate(addresses: readonly bigint[]): Promise<Answer[]> {
    const answers = new Array<Answer>(addresses.length).fill({ status: 'non-canonical', pa: undefined });
    const byRoot = new Map<OpenedRoot, number[]>();
    addresses.forEach((address, at) => {
      const root = this.rootOf(address);
      if (root === undefined) return;
      const list = byRoot.get(root);
      if (list === undefined) byRoot.set(root, [at]);
      else list.push(at);
    });
    for (const [root, list] of byRoot) {
      const pages = Float64Array.from(list, (at) => Number(pageOf(untagged(root, addresses[at]!))));
      const { status, pagePa } = await translateBatch(root.translator, root.loader, pages);
      list.forEach((at, i) => {
        const name = BATCH_STATUSES[status[i]!]!;
        answers[at] = { status: name, pa: name === 'mapped' ? BigInt(pagePa[i]!) + (addresses[at]! & 0xfffn) : undefined };
      });
    }
    return answers;
  }

  /** Every step of one translation whose tables {@link translate} has loaded. */
  explain(address: bigint): Translation | undefined {
    const root = this.rootOf(address);
    return root?.translator.explain(untagged(root, address));
  }

  /** The leaf's attributes, where an address is mapped. */
  leaf(address: bigint): Attributes | undefined {
    const translation = this.explain(address);
    return translation?.status === 'mapped' ? translation.steps.at(-1)?.attributes : undefined;
  }

  /** What the kernel keeps in the entry where the walk stops, and the address's offset in what that entry maps. */
  kept(address: bigint): { entry: NonPresent; pa: bigint | undefined } | undefined {
    const root = this.rootOf(address);
    const step = this.explain(address)?.steps.at(-1);
    if (root === undefined || step?.nonPresent === undefined) return undefined;
    const entry = step.nonPresent;
    if (entry.kind !== 'protected') return { entry, pa: undefined };
    const { levels } = root.space.arch.geometry;
    const shift = levels.find(({ level }) => level === step.level)?.shift ?? 12;
    return { entry, pa: entry.pa + (address & ((1n << BigInt(shift)) - 1n)) };
  }

  private rootOf(address: bigint): OpenedRoot | undefined {
    return this.roots.find((root) => {
      const page = Number(pageOf(untagged(root, address)));
      return root.space.root.windows.some(({ start, end }) => page >= start && page < end);
    });
  }
}

function untagged(root: OpenedRoot, address: bigint): bigint {
  return root.space.arch.untagAddress?.(address) ?? address;
}

function pageOf(address: bigint): bigint {
  return address & ~0xfffn;
}
