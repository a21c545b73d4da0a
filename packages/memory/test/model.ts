/** What a dump must answer, worked out one byte at a time. */
import { expect } from 'vitest';
import type { PgtableError } from '@pgtable/core/errors';
import { BLOCK_ABSENT, BLOCK_NONE, BLOCK_PRESENT, type PhysicalMemory } from '../src/index.js';
import type { Block } from './synthetic.js';

export interface Model {
  readonly present: readonly Block[];
  /** Memory that is not in the dump. */
  readonly absent?: readonly { start: number; end: number }[];
}

/** State of each byte of a run, and its value; the first block that has a byte counts. */
export function bytesOf(model: Model, address: number, length: number): { states: Uint8Array; values: Uint8Array } {
  const states = new Uint8Array(length).fill(BLOCK_NONE);
  const values = new Uint8Array(length);
  const clip = (at: number): number => Math.max(0, Math.min(length, at - address));
  for (const { start, end } of model.absent ?? []) states.fill(BLOCK_ABSENT, clip(start), clip(end));
  for (const { address: start, bytes } of [...model.present].reverse()) {
    const [from, to] = [clip(start), clip(start + bytes.length)];
    if (from >= to) continue;
    states.fill(BLOCK_PRESENT, from, to);
    values.set(bytes.subarray(address + from - start, address + to - start), from);
  }
  return { states, values };
}

function stateAt(model: Model, address: number): number {
  return bytesOf(model, address, 1).states[0] ?? BLOCK_NONE;
}

/** Reads blocks and compares each with the model. */
export async function expectBlocks(memory: PhysicalMemory, model: Model, addresses: readonly number[], length: number): Promise<void> {
  const target = new Uint8Array(addresses.length * length).fill(0xaa);
  const states = new Uint8Array(addresses.length).fill(9);
  await memory.readBlocks(addresses, length, target, states);
  addresses.forEach((address, i) => {
    const { states: each, values } = bytesOf(model, address, length);
    const state = each.includes(BLOCK_ABSENT) ? BLOCK_ABSENT : each.includes(BLOCK_NONE) ? BLOCK_NONE : BLOCK_PRESENT;
    const label = `block of ${length} at 0x${address.toString(16)}`;
    expect(states[i], label).toBe(state);
    const expected = state === BLOCK_PRESENT ? values : new Uint8Array(length);
    expect(Buffer.compare(target.subarray(i * length, (i + 1) * length), expected), label).toBe(0);
  });
}

/** Checks a dump against the model in every way it can be asked: blocks, states, ranges, chunks. */
export async function expectMemory(memory: PhysicalMemory, model: Model): Promise<void> {
  const edges = [
    ...model.present.flatMap(({ address, bytes }) => [address, address + bytes.length]),
    ...(model.absent ?? []).flatMap(({ start, end }) => [start, end]),
  ];
  const near = edges.flatMap((edge) => [edge - 4096, edge - 5, edge - 1, edge, edge + 1, edge + 4096]).filter((address) => address >= 0);
  for (const length of [1, 8, 4096, 5000]) await expectBlocks(memory, model, near, length);
  await expectBlocks(memory, model, [...near].reverse(), 16);

  const names = ['none', 'present', 'absent'];
  for (const address of near) expect(memory.stateOf(address), `0x${address.toString(16)}`).toBe(names[stateAt(model, address)]);
  for (const [i, range] of memory.ranges.entries()) {
    expect(range.end).toBeGreaterThan(range.start);
    const before = memory.ranges[i - 1];
    if (before !== undefined) expect(before.end < range.start || (before.end === range.start && before.state !== range.state)).toBe(true);
    for (const at of [range.start, range.end - 1]) expect(stateAt(model, at)).toBe(range.state === 'present' ? BLOCK_PRESENT : BLOCK_ABSENT);
  }
  const covered = memory.ranges.filter(({ state }) => state === 'present').reduce((sum, { start, end }) => sum + end - start, 0);

  let last = -1;
  let scanned = 0;
  for await (const { address, bytes } of memory.chunks({ chunkSize: 8192 })) {
    expect(address).toBeGreaterThanOrEqual(last);
    expect(Math.floor(address / 8192)).toBe(Math.floor((address + bytes.length - 1) / 8192));
    expect(Buffer.compare(bytes, bytesOf(model, address, bytes.length).values), `chunk at 0x${address.toString(16)}`).toBe(0);
    last = address + bytes.length;
    scanned += bytes.length;
  }
  expect(scanned).toBe(covered);
}

/** Expects a PgtableError with this code, and hands it out for a look at its words. */
export async function expectFailure(work: Promise<unknown>, code: PgtableError['code']): Promise<PgtableError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name: 'PgtableError', code });
  const failure = error as PgtableError;
  expect(failure.message.length).toBeGreaterThan(10);
  return failure;
}
