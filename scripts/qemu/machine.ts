import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, ftruncateSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Wanted } from '../debian.js';
import { Gdb } from './gdb.js';

/** How to start a machine that never boots. */
export interface MachineKind extends Wanted {
  /** Arguments beside memory and debugger. */
  readonly args: readonly string[];
  /** Physical address of the first byte of memory, and how many bytes there are. */
  readonly ramBase: number;
  readonly ramBytes: number;
  readonly littleEndian: boolean;
}

/** Memory and socket go where nothing is written to a disk, if there is such a place. */
const SCRATCH = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** QEMU is there after a fraction of a second; a busy machine needs longer. */
const START_SECONDS = 60;

/** Takes the error of a connection that was refused for no connection yet. */
function unlessRefused(error: unknown): undefined {
  if (!(error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED')) throw error;
}

/** A stopped virtual machine: nothing is executed unless a debugger asks for it. Its memory is a file that this process writes to. */
export class Machine {
  readonly gdb: Gdb;
  private readonly process: ChildProcess;
  private readonly folder: string;
  private readonly ram: number;
  private readonly kind: MachineKind;

  private constructor(kind: MachineKind, process: ChildProcess, gdb: Gdb, folder: string, ram: number) {
    this.kind = kind;
    this.process = process;
    this.gdb = gdb;
    this.folder = folder;
    this.ram = ram;
  }

  static async start(kind: MachineKind): Promise<Machine> {
    const folder = mkdtempSync(join(SCRATCH, 'pgtable-qemu-'));
    const file = join(folder, 'ram');
    const ram = openSync(file, 'w+');
    ftruncateSync(ram, kind.ramBytes);
    const process = spawn(
      kind.command,
      [
        ...kind.args, '-S', '-display', 'none', '-nodefaults', '-accel', 'tcg', '-m', `${kind.ramBytes / 2 ** 20}M`,
        '-object', `memory-backend-file,id=ram,size=${kind.ramBytes},mem-path=${file},share=on`,
        '-gdb', `unix:${join(folder, 'gdb')},server=on,wait=off`,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let told = '';
    process.stderr.on('data', (data: Buffer) => { told += data.toString(); });
    let ended: string | undefined;
    process.on('error', (error) => { ended = error.message; });
    process.on('exit', (code) => { ended ??= `exit code ${code ?? 'none'}: ${told.trim()}`; });
    try {
      const path = join(folder, 'gdb');
      for (let waited = 0; ; waited += 20) {
        if (ended !== undefined) throw new Error(`${kind.command} did not start: ${ended}`);
        if (waited > START_SECONDS * 1000) throw new Error(`${kind.command} did not open its debugger's stub in ${START_SECONDS} seconds`);
        // The socket is there a moment before QEMU listens to it.
        const gdb = existsSync(path) ? await Gdb.open(path, kind.littleEndian).catch(unlessRefused) : undefined;
        if (gdb !== undefined) return new Machine(kind, process, gdb, folder, ram);
        await sleep(20);
      }
    } catch (error) {
      process.kill('SIGKILL');
      closeSync(ram);
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Writes to physical memory. */
  write(address: number, bytes: Uint8Array): void {
    const offset = address - this.kind.ramBase;
    if (offset < 0 || offset + bytes.length > this.kind.ramBytes) throw new Error(`0x${address.toString(16)} is outside of the machine's memory`);
    writeSync(this.ram, bytes, 0, bytes.length, offset);
  }

  /** Reads physical memory. */
  read(address: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    if (readSync(this.ram, bytes, 0, length, address - this.kind.ramBase) !== length) throw new Error(`0x${address.toString(16)} is outside of the machine's memory`);
    return bytes;
  }

  /**
   * Asks the processor's MMU where addresses are.
   *
   * @returns the physical addresses, in the same order; undefined where nothing is mapped
   */
  async gva2gpa(addresses: readonly bigint[]): Promise<(bigint | undefined)[]> {
    const answers = await Promise.all(addresses.map((address) => this.gdb.monitor(`gva2gpa 0x${address.toString(16)}`)));
    return answers.map((answer, at) => {
      if (answer.startsWith('Unmapped')) return undefined;
      const found = /^gpa: (0x[0-9a-f]+|0)\s*$/.exec(answer)?.[1];
      if (found === undefined) throw new Error(`QEMU's answer about 0x${addresses[at]!.toString(16)} cannot be read: ${answer}`);
      return BigInt(found);
    });
  }

  /** Ends the machine and takes its files away. */
  async stop(): Promise<void> {
    this.gdb.close();
    const gone = this.process.exitCode !== null || new Promise((resolve) => this.process.once('exit', resolve));
    this.process.kill('SIGKILL');
    await gone;
    closeSync(this.ram);
    rmSync(this.folder, { recursive: true, force: true });
  }
}
