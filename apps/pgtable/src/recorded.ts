import { PgtableError, type DumpNote } from '@pgtable/core';

/*
 * The note that `extract` adds: what was known about the machine when the tables were cut out, so that the small file
 * answers as the whole one did. Text, one fact a line:
 *
 *   register.ttbr0=0x4a48c101     a register that was given by flag
 *   memory.ffffffff82a0b0c8=0000000000888ff   bytes of a kernel variable that names a region, in memory order
 */
export const RECORDED_NOTE = { name: 'PGTABLE', type: 1 } as const;

export interface Recorded {
  readonly registers: ReadonlyMap<string, bigint>;
  /** By virtual address. */
  readonly memory: ReadonlyMap<bigint, Uint8Array>;
}

export function readRecorded(notes: readonly DumpNote[]): Recorded {
  const registers = new Map<string, bigint>();
  const memory = new Map<bigint, Uint8Array>();
  for (const note of notes) {
    if (note.name !== RECORDED_NOTE.name || note.type !== RECORDED_NOTE.type) continue;
    for (const line of new TextDecoder('latin1').decode(note.desc).split('\n')) {
      const register = /^register\.([a-z0-9_]+)=(0x[0-9a-f]{1,16})$/.exec(line);
      const bytes = /^memory\.([0-9a-f]{1,16})=((?:[0-9a-f]{2}){1,64})$/.exec(line);
      if (register !== null) registers.set(register[1]!, BigInt(register[2]!));
      else if (bytes !== null) memory.set(BigInt('0x' + bytes[1]!), Uint8Array.from(Buffer.from(bytes[2]!, 'hex')));
      else if (line.replaceAll('\0', '') !== '') {
        throw new PgtableError('EBADMSG', `the PGTABLE note of this dump has a line that is none of ours: ${JSON.stringify(line.slice(0, 60))}`, {
          hint: 'it was damaged, or written by a newer pgtable',
        });
      }
    }
  }
  return { registers, memory };
}

export function writeRecorded(recorded: Recorded): DumpNote {
  const lines = [
    ...[...recorded.registers].map(([name, value]) => `register.${name}=0x${value.toString(16)}`),
    ...[...recorded.memory].map(([address, bytes]) => `memory.${address.toString(16)}=${Buffer.from(bytes).toString('hex')}`),
  ];
  return { ...RECORDED_NOTE, desc: new TextEncoder().encode(lines.map((line) => line + '\n').join('')) };
}
