/** Case `registers`: any value for any register flag. */
import fc from 'fast-check';
import { bytesSource, openMemory } from '@pgtable/memory';
import { ARCHITECTURES } from '../../apps/pgtable/src/index.js';
import { fuzzCase } from './harness.js';
import { machines } from './machines.js';
import { LIES } from './mutations.js';
import { analyse } from './pipeline.js';

const MACHINES = new Map(machines().map((machine) => [machine.name, machine]));

const any64 = fc.bigInt(0n, (1n << 64n) - 1n);
const anyValue = fc.oneof(
  fc.constant('right' as const),
  any64,
  fc.constantFrom(...LIES),
  // The right value with bits flipped.
  fc.record({ flip: fc.array(fc.nat(63), { minLength: 1, maxLength: 3 }) }),
);
const anyRun = fc.record({
  machine: fc.constantFrom(...MACHINES.keys()),
  /** For the register at that position, where there is one. */
  values: fc.array(fc.option(anyValue, { nil: undefined }), { minLength: 4, maxLength: 4 }),
  /** The container says what it is of; raw memory does not. */
  raw: fc.noBias(fc.boolean()),
  plugin: fc.option(fc.noBias(fc.nat(ARCHITECTURES.length - 1)), { nil: undefined, freq: 8 }),
});

export const registers = fuzzCase('registers', 'any value for every register flag', 0.1, anyRun, async (drawn, context) => {
  const machine = MACHINES.get(drawn.machine);
  if (machine === undefined) return;
  const plugin = drawn.plugin === undefined ? machine.plugin : (ARCHITECTURES[drawn.plugin] ?? machine.plugin);
  const memory = await openMemory([{ source: bytesSource(machine.memory, 'memory'), address: machine.base }]);
  const given = new Map<string, bigint>();
  plugin.registers.forEach(({ name }, at) => {
    const value = drawn.values[at];
    const right = machine.registers.get(name) ?? BigInt(machine.base);
    if (value === 'right') given.set(name, right);
    else if (typeof value === 'bigint') given.set(name, value);
    else if (value !== undefined) given.set(name, value.flip.reduce((bits, bit) => bits ^ (1n << BigInt(bit)), right));
  });
  const facts = drawn.raw ? memory : { ...memory, notes: machine.notes, machine: { elfMachine: machine.elfMachine, bits: machine.bits, littleEndian: machine.littleEndian } };
  const whole = {
    format: memory.format,
    facts: memory.facts,
    ranges: memory.ranges,
    notes: facts.notes,
    machine: facts.machine,
    stateOf: memory.stateOf.bind(memory),
    read: memory.read.bind(memory),
    readBlocks: memory.readBlocks.bind(memory),
    chunks: memory.chunks.bind(memory),
    close: memory.close.bind(memory),
  };
  await analyse(whole, plugin, { registers: given }, context);
});
