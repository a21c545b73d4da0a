import { parentPort, workerData } from 'node:worker_threads';
import { entryVal, LOW_WORD, NO_TLB, TableMemory, type PteVal, type SharedTables } from '@pgtable/core';
import { bits, d128Arch } from '../src/index.js';

/** What a thread is told. */
export interface Orders {
  /** Writes the values in turn, or plays the hardware: sets AF of the entry, where it is valid, by an atomic access to its low half. */
  readonly role: 'writer' | 'hardware';
  readonly image: SharedTables;
  /** Physical address of the table whose first entry is used. */
  readonly table: number;
  readonly values: readonly bigint[];
  /** Element 0: how many threads have begun; 1: they shall stop. */
  readonly signals: Int32Array;
}

/** What a thread reports: writes, or notes made; and values that it took out and nobody wrote. */
export interface Done {
  readonly count: number;
  readonly wrong: number;
}

// What the test beside this file posts.
const { role, image, table, values, signals } = workerData as Orders;
const tables = TableMemory.attach(image);
const arch = d128Arch({ half: 'ttbr0', vaBits: 48 }, tables);
const root = arch.rootTable({ table, top: 'pte', first: 0, end: 256, windows: [], inherited: 0 });
if (root?.level !== 'pte') throw new Error('the table is not in the shared memory');
const entry = root.table;
const at = tables.find('pte', table) * 2 + LOW_WORD;
const written: readonly PteVal[] = values.map((value) => entryVal('pte', value));

let count = 0;
let wrong = 0;

function write(): void {
  const old = arch.ops.pte.establish({ user: true, tlb: NO_TLB }, 0n, entry, written[count++ % written.length]!).ignore('no hardware runs on these tables');
  if (!values.includes(old)) wrong++;
}

function note(): void {
  const low = Atomics.load(tables.elements, at);
  if ((low & (bits.VALID | bits.AF)) !== bits.VALID) return;
  if (Atomics.compareExchange(tables.elements, at, low, low | bits.AF) === low) count++;
}

Atomics.add(signals, 0, 1);
while (Atomics.load(signals, 1) === 0) {
  if (role === 'writer') write();
  else note();
}
const done: Done = { count, wrong };
parentPort?.postMessage(done);
