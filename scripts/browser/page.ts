/* What the page runs: the dump is fetched as a Blob, and stays one. */
import { riscvArch, riscvRoot } from '@pgtable/arch-riscv';
import { isPgtableError, TableMemory } from '@pgtable/core';
import { blobSource } from '@pgtable/memory';
import { bootKernel, fork, mmap, readUser, VmaFlags, writeUser } from '@pgtable/mm';
import { examine, type Order, type Report } from './examine.js';

export interface PageOrder extends Order {
  readonly url: string;
  /** Raw memory: where in the file it is, and where it belongs. None for a dump that knows this itself. */
  readonly parts?: readonly { readonly offset: number; readonly length: number; readonly address: number }[];
}

/** An error in words, since errors cannot leave the page. */
export interface Failure {
  readonly code: string;
  readonly message: string;
}

/** What the page has; a browser has less than Node. */
export interface Surroundings {
  readonly isolated: boolean;
  /** Of `process`, `Buffer`, `require`, `SharedArrayBuffer`: those that are there. */
  readonly globals: readonly string[];
  /** What comes of a table memory with `shared`. */
  readonly sharedTables: string;
}

export interface PageApi {
  examineDump(order: PageOrder): Promise<Report | Failure>;
  surroundings(): Surroundings;
  /** A process writes, forks, and the child writes. Returns: what both read then. Needs SharedArrayBuffer. */
  processes(): string;
}

const api: PageApi = {
  async examineDump(order) {
    try {
      const response = await fetch(order.url);
      if (!response.ok) throw new Error(`${order.url}: ${response.status}`);
      const blob = await response.blob();
      const { parts } = order;
      return await examine(parts === undefined ? blobSource(blob) : parts.map(({ offset, length, address }) => ({ source: blobSource(blob.slice(offset, offset + length), 'part'), address })), order);
    } catch (error) {
      return { code: codeOf(error), message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
  },
  surroundings: () => ({
    isolated: Reflect.get(globalThis, 'crossOriginIsolated') === true,
    globals: ['process', 'Buffer', 'require', 'SharedArrayBuffer'].filter((name) => name in globalThis),
    sharedTables: sharedTables(),
  }),
  processes() {
    const kernel = bootKernel(
      { entryBytes: 8, make: (_half, tables) => riscvArch({ mode: 'Sv39' }, tables), root: (_half, table) => riscvRoot('Sv39', table) },
      { bytes: 2 ** 20, checks: { lockdep: true, flushes: true, pageTableCheck: true, staleTranslations: true, writeProtect: true } },
    );
    kernel.join('the page');
    const parent = kernel.newMm();
    const at = mmap(parent, { bytes: 0x10000, prot: VmaFlags.Read | VmaFlags.Write });
    writeUser(parent, at, 1);
    const child = fork(parent);
    writeUser(child, at, 2);
    const words = `${readUser(parent, at)} and ${readUser(child, at)}`;
    parent.mmput();
    child.mmput();
    kernel.assertQuiet();
    kernel.leave();
    return words;
  },
};

function codeOf(error: unknown): string {
  return isPgtableError(error) ? error.code : '';
}

function sharedTables(): string {
  try {
    const tables = new TableMemory({ shared: true, entries: 512 });
    tables.allocate('pte', 0, 512);
    return tables.words.buffer instanceof SharedArrayBuffer ? `${tables.entries * tables.entryBytes} bytes` : 'not shared';
  } catch (error) {
    return codeOf(error) || String(error);
  }
}

Object.assign(globalThis, api);
