import Table from 'cli-table3';
import { hexAddress } from '@pgtable/core';
import { amount, endAddress } from '../describe.js';
import { ExitCode } from '../exit-codes.js';
import { Output } from '../io.js';
import { Machine } from '../machine.js';
import type { CommandContext } from './common.js';

/** VMCOREINFO keys that say something to a person who looks at an address space. */
const TELLING = ['OSRELEASE', 'BUILD-ID', 'PAGESIZE', 'KERNELOFFSET', 'CRASHTIME'];

/** `pgtable info`: what kind of dump it is and what is in it. */
export async function info({ io, machine: options }: CommandContext, format: 'text' | 'json'): Promise<ExitCode> {
  const machine = await Machine.open(options);
  try {
    const { memory, plugin, facts, search } = machine;
    const present = memory.ranges.filter(({ state }) => state === 'present');
    const absent = memory.ranges.filter(({ state }) => state === 'absent');
    const total = (ranges: typeof present): number => ranges.reduce((sum, { start, end }) => sum + end - start, 0);
    const out = new Output(io.stdout);
    if (format === 'json') {
      out.line(
        JSON.stringify({
          file: machine.title,
          format: memory.format,
          architecture: plugin.name,
          facts: Object.fromEntries(memory.facts),
          ranges: memory.ranges.map(({ start, end, state }) => ({ start: hexAddress(start), end: endAddress(end), state })),
          notes: memory.notes.map(({ name, type, desc }) => ({ name, type, bytes: desc.length })),
          vmcoreinfo: facts.vmcoreinfo.map(({ source, text }) => ({ source, text })),
          roots: search.candidates.length,
          missing: search.missing,
        }),
      );
      await out.flush();
      return ExitCode.Done;
    }
    const table = new Table({ style: { head: [], border: [], compact: true }, chars: BARE });
    table.push(['file', machine.title], ['format', memory.format], ['architecture', plugin.title]);
    for (const [label, value] of memory.facts) table.push([label, value]);
    table.push(['memory', `${amount(total(present))} in ${present.length} range${present.length === 1 ? '' : 's'}${absent.length > 0 ? `, ${amount(total(absent))} more not in the dump` : ''}`]);
    for (const { start, end, state } of memory.ranges.slice(0, 16)) table.push(['', `${hexAddress(start)}-${hexAddress(end)} ${amount(end - start)} ${state}`]);
    if (memory.ranges.length > 16) table.push(['', `... and ${memory.ranges.length - 16} more (--format json lists all)`]);
    for (const { name, type, desc } of memory.notes) table.push(['note', `${name} type 0x${type.toString(16)}, ${desc.length} bytes`]);
    if (facts.vmcoreinfo.length === 0) table.push(['VMCOREINFO', 'none found']);
    for (const vmcoreinfo of facts.vmcoreinfo) {
      table.push(['VMCOREINFO', vmcoreinfo.source]);
      for (const key of TELLING) {
        const value = vmcoreinfo.get(key);
        if (value !== undefined) table.push(['', `${key}=${value}`]);
      }
    }
    table.push(['roots', `${search.candidates.length} found (pgtable roots shows them)`]);
    for (const missing of search.missing) table.push(['', missing]);
    for (const line of table.toString().split('\n')) out.line(line.trim() === '' ? '' : line.slice(1).trimEnd());
    await out.flush();
    return ExitCode.Done;
  } finally {
    await machine.close();
  }
}

/** A table without lines: the columns are enough. */
export const BARE = {
  top: '', 'top-mid': '', 'top-left': '', 'top-right': '', bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '',
  left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: ' ',
} as const;
