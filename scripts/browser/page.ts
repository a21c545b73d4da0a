/* What the page runs: the dump is fetched as a Blob, and stays one. */
import { isPgtableError, TableMemory } from '@pgtable/core';
import { blobSource } from '@pgtable/memory';
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
};

function codeOf(error: unknown): string {
  return isPgtableError(error) ? error.code : '';
}

function sharedTables(): string {
  try {
    const tables = new TableMemory({ shared: true, entries: 512 });
    return `${tables.bytes.length} bytes`;
  } catch (error) {
    return codeOf(error) || String(error);
  }
}

Object.assign(globalThis, api);
