import { geometryOf, VmFlags, type AliasHandles, type HandleFamily, type Level, type WritableArch } from '@pgtable/core';
import { checkPageTables, FrameType, FrameWord, setCurrentThread, type Kernel, type Mm } from '@pgtable/mm';
import type { Half } from '../../../packages/arch-testkit/test/configurations.js';
import { boot, quiet } from '../../../packages/mm/test/vmalloc-machine.js';
import type { Opened, Setup, Trial } from '../architectures.js';
import { Machine } from '../machine.js';
import { Random } from '../../random.js';
import { writeTables, type Asking } from '../space.js';
import { KernelMemory } from './kernel-memory.js';
import { NOTHING, WORD_AT, type Page } from './page.js';
import { Processes } from './processes.js';

/** Addresses that are asked of each root. */
const ASKED = 1500;
/** Those whose contents are read through the MMU, and those that are written to or executed one by one, where that can be asked. */
const CONTENTS = 150;
const SINGLE = 40;
/** Differences that are shown of each configuration. */
const SHOWN = 10;
const MEBIBYTE = 2 ** 20;
const LITTLE_ENDIAN_HOST = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

type Machines = Kernel<AliasHandles>;

/** What came of a trial. */
export interface Compared {
  asked: number;
  agree: number;
  differ: number;
}

/** An address space as a machine is to have it: users' pages, the kernel's, or both, by page numbers. */
interface Loaded {
  readonly name: string;
  readonly roots: Readonly<Record<Half, number>>;
  readonly pages: ReadonlyMap<number, Page>;
}

/** Counts what was said of one trial, and keeps some of what differs. */
class Tally implements Compared {
  asked = 0;
  agree = 0;
  differ = 0;
  found = 0;
  readonly shown: string[] = [];

  add(agrees: boolean, text: () => string): void {
    this.asked++;
    if (agrees) {
      this.agree++;
      return;
    }
    this.differ++;
    if (this.shown.length < SHOWN) this.shown.push(`        ${text()}`);
  }
}

/**
 * Address spaces that packages/mm made, loaded into a machine: its MMU must find what the model says of each page, with the rights of its VMA, and read what was written there.
 *
 * Processes and the kernel do what they do at random, with all checks on. Each process that is left is loaded by its root, with all of the memory and the kernel's tables.
 *
 * @param say prints a line
 */
export async function compareMm(trial: Trial, seed: number, say: (line: string) => void): Promise<Compared> {
  const began = performance.now();
  // Each configuration has a sequence of its own.
  const random = new Random(Array.from(trial.name).reduce((mixed, letter) => Math.imul(mixed, 31) + letter.charCodeAt(0), seed));
  const { configuration, machine: { ramBase } } = trial;
  // Above what the board has, and the code for arm64. Some huge pages have room.
  const kernel = boot(configuration, { bytes: 64 * MEBIBYTE, base: ramBase + 64 * MEBIBYTE, mms: 8, vmas: 1024, mapCount: 256, journal: 512, mappings: 2, words: 4096 });
  try {
    const processes = new Processes(kernel, random);
    const areas = new KernelMemory(kernel, random);
    areas.run();
    processes.run();
    checkPageTables(kernel as Kernel);
    const tally = new Tally();
    const spaces = loads(trial, kernel, processes.spaces(), areas.pages());
    for (const space of spaces) await compareSpace(trial, kernel, space, random, tally);
    const done = Object.entries({ ...processes.counts, ...areas.counts }).map(([name, count]) => `${name} ${count}`).join(', ');
    say(
      `    ${trial.name.padEnd(28)} ${String(tally.asked).padStart(7)} ${String(tally.agree).padStart(7)} ${String(tally.differ).padStart(6)}  ` +
        `mm: ${tally.found} found; ${spaces.length} roots; ${kernel.tables.tables} tables; ${((performance.now() - began) / 1000).toFixed(1)} s`,
    );
    say(`        mm did: ${done}`);
    for (const line of tally.shown) say(line);
    processes.close();
    areas.close();
    quiet(kernel);
    return tally;
  } finally {
    setCurrentThread(undefined);
  }
}

/** What to load: each process, with the kernel where the machine has both halves; where it has one, the kernel's is a machine's own. */
function loads({ halves }: Trial, { initMm }: Machines, users: readonly { readonly mm: Mm<AliasHandles>; readonly pages: Map<number, Page> }[], own: Map<number, Page>): Loaded[] {
  const roots = (user: number): Loaded['roots'] => ({ user, kernel: initMm.root.table });
  if (!halves.includes('user')) return [{ name: 'the kernel', roots: roots(initMm.root.table), pages: own }];
  return users.map(({ mm, pages }) => ({
    name: `process ${mm.id}`, roots: roots(mm.root.table), pages: halves.includes('kernel') ? new Map([...pages, ...own]) : pages,
  }));
}

/** One address space in a machine of its own. */
async function compareSpace(trial: Trial, kernel: Machines, { name, roots, pages }: Loaded, random: Random, tally: Tally): Promise<void> {
  const { configuration } = trial;
  const { pageBytes } = kernel.frames;
  const open = (half: Half): Opened => ({ tables: kernel.tables, arch: configuration.make(half, kernel.tables), root: configuration.root(half, roots[half]) });
  const setup = trial.setUp(open);
  const addresses = addressesOf(pages, setup, pageBytes, random);
  const pageAt = (address: bigint): Page => pages.get(Number(address / BigInt(pageBytes))) ?? { ...NOTHING, half: 'user' };
  const at = (pa: number | undefined, address: bigint): bigint | undefined => (pa === undefined ? undefined : BigInt(pa) + (address % BigInt(pageBytes)));

  const machine = await Machine.start(trial.machine);
  try {
    load(kernel, setup, trial, roots, machine);
    await setup.start(machine);
    const askAs = async (asking: Asking): Promise<void> => {
      for (const [index, found] of (await machine.gva2gpa(addresses)).entries()) {
        const address = addresses[index]!;
        const { pa, flags, half } = pageAt(address);
        const expected = setup.rules.readable(flags, half, asking) ? at(pa, address) : undefined;
        if (expected !== undefined) tally.found++;
        tally.add(found === expected, () => `${name}: 0x${address.toString(16)} is at ${hex(expected)} for the ${asking}, QEMU has ${hex(found)}`);
      }
    };
    await askAs('kernel');
    await compareContents(machine, setup, name, pages, pageBytes, random, tally);
    for (const { address, permissions } of (await setup.leaves?.(machine)) ?? []) {
      const page = pageAt(address);
      const expected = page.pa === undefined ? undefined : permissionsOf(page);
      const agrees = expected !== undefined && Array.from(permissions).every((letter, index) => letter === '?' || letter === expected[index]);
      tally.add(agrees, () => `${name}: 0x${address.toString(16)} is mapped with ${expected ?? 'nothing'}, QEMU lists ${permissions}`);
    }
    if (setup.becomeUser !== undefined) {
      await setup.becomeUser(machine);
      await askAs('user');
    }
    const writes = await setup.writes?.(machine, addresses);
    for (const asking of writes === undefined ? [] : ['kernel', 'user'] as const) {
      for (const [index, address] of addresses.entries()) {
        const { pa, written, half } = pageAt(address);
        // The kernel may write what users may.
        const expected = written && (asking === 'kernel' || half === 'user') ? at(pa, address) : undefined;
        tally.add(writes![asking][index] === expected, () => `${name}: a write of the ${asking} to 0x${address.toString(16)} goes to ${hex(expected)}, QEMU has ${hex(writes![asking][index])}`);
      }
    }
    // Instructions are aligned.
    for (const address of addresses.slice(0, SINGLE).map((one) => one & ~3n)) {
      const page = pageAt(address);
      const stored = await setup.stores?.(machine, address);
      const executed = await setup.executes?.(machine, address);
      if (stored !== undefined) tally.add(stored === page.written, () => `${name}: 0x${address.toString(16)} may ${page.written ? '' : 'not '}be written, QEMU's ${stored ? 'can' : 'cannot'}`);
      // The kernel executes no users' pages; where each has a root of its own that does not say so.
      const executable = page.pa !== undefined && (page.half === 'kernel' || setup.stores !== undefined) && permissionsOf(page).endsWith('x');
      if (executed !== undefined) tally.add(executed === executable, () => `${name}: 0x${address.toString(16)} may ${executable ? '' : 'not '}be executed, QEMU's ${executed ? 'can' : 'cannot'}`);
    }
  } finally {
    await machine.stop();
  }
}

/** What is asked for: pages and their borders, where nothing is or was, and anything. */
function addressesOf(pages: ReadonlyMap<number, Page>, { parts }: Setup, pageBytes: number, random: Random): bigint[] {
  const numbers = [...pages].filter(([, { unsure }]) => unsure !== true).map(([page]) => page);
  const windows = parts.flatMap(({ root, half }) => root.windows.filter((window) => window.half === half));
  const addresses: bigint[] = [];
  while (addresses.length < ASKED) {
    if (random.below(10) === 0) {
      const { start, end } = random.pick(windows);
      const address = BigInt(start) + random.belowBig(BigInt(end) - BigInt(start));
      if (pages.get(Number(address / BigInt(pageBytes)))?.unsure !== true) addresses.push(address);
      continue;
    }
    const first = BigInt(random.pick(numbers)) * BigInt(pageBytes);
    const offset = random.below(4) === 0 ? (random.below(2) === 0 ? 0n : BigInt(pageBytes) - 1n) : random.belowBig(BigInt(pageBytes));
    addresses.push(first + offset);
  }
  return addresses;
}

/** Reads words through the machine's MMU. */
async function compareContents(machine: Machine, { rules }: Setup, name: string, pages: ReadonlyMap<number, Page>, pageBytes: number, random: Random, tally: Tally): Promise<void> {
  const known = [...pages].filter(([, { word, flags, half, unsure }]) => word !== undefined && unsure !== true && rules.readable(flags, half, 'kernel'));
  for (let count = 0; known.length > 0 && count < CONTENTS; count++) {
    const [page, { word }] = random.pick(known);
    const address = BigInt(page) * BigInt(pageBytes) + BigInt(WORD_AT);
    const answer = await machine.gdb.monitor(`x /1wx 0x${address.toString(16)}`);
    const found = /:\s*0x([0-9a-f]{8})\s*$/.exec(answer)?.[1];
    tally.add(found !== undefined && parseInt(found, 16) === word, () => `${name}: 0x${word!.toString(16)} is at 0x${address.toString(16)}, QEMU reads ${found ?? answer.trim()}`);
  }
}

/** All memory that is in use, in the machine's byte order, and the tables; where the machine has one root for both halves, that of the process has the kernel's entries too. */
function load({ frames, tables }: Machines, setup: Setup, { configuration, machine: { littleEndian } }: Trial, roots: Loaded['roots'], machine: Machine): void {
  const { pageBytes } = frames;
  for (let frame = 0; frame < frames.count; frame++) {
    if (frames.read(frames.firstPfn + frame, FrameWord.Type) === FrameType.Free) continue;
    const words = frames.ram.slice(frame * pageBytes / 4, (frame + 1) * pageBytes / 4);
    if (words.every((word) => word === 0)) continue;
    const bytes = new Uint8Array(words.buffer);
    if (littleEndian !== LITTLE_ENDIAN_HOST) for (let at = 0; at < bytes.length; at += 4) bytes.subarray(at, at + 4).reverse();
    machine.write(frames.base + frame * pageBytes, bytes);
  }
  const { arch, root } = setup.parts[0]!;
  writeTables(tables, arch, (address, bytes) => { machine.write(address, bytes); });
  if (!configuration.oneRoot) return;
  const { entryBytes } = arch.geometry;
  const used = (half: Half): boolean[] => {
    const table = arch.rootTable(configuration.root(half, roots[half]));
    return table === undefined ? [] : usedEntries(arch, table.level, table.table);
  };
  const user = used('user');
  const first = tables.find(root.top, roots.kernel) * entryBytes;
  for (const [index, there] of used('kernel').entries()) {
    if (!there) continue;
    if (user[index] === true) throw new Error(`the process and the kernel have both entry ${index} of the root`);
    machine.write(roots.user + index * entryBytes, tables.bytes.slice(first + index * entryBytes, first + (index + 1) * entryBytes));
  }
}

function usedEntries<L extends Level>({ geometry, ops, values }: WritableArch, level: L, table: HandleFamily[L]): boolean[] {
  const of: WritableArch['ops'][L] = ops[level];
  return Array.from({ length: geometryOf(geometry, level).entries }, (_, index) => !values[level].none(of.get(of.advance(table, index))));
}

/** As QEMU's listings have them: `u` users, `w` writing, `x` executing, each `-` if not. */
function permissionsOf({ flags, write, half }: Page): string {
  return `${half === 'user' ? 'u' : '-'}${write ? 'w' : '-'}${(flags & VmFlags.Exec) === 0 ? '-' : 'x'}`;
}

function hex(address: bigint | undefined): string {
  return address === undefined ? 'nothing' : `0x${address.toString(16)}`;
}
