import { PgtableError, VmFlags } from '@pgtable/core';
import { assemble, Cpu, type Instruction } from './cpu.js';
import type { Kernel } from './kernel.js';
import { PAGE, type Mm } from './mm.js';
import { PAGE_BYTES } from './ram.js';
import { copyFromUser, copyToUser, exit, fork, mmap, mprotect } from './syscalls.js';

/** Where a program's code and data are. */
export const CODE = 0x10000n;
export const DATA = 0x4000_0000n;

/** What `ecall` does, by the number in register 1; arguments are in 2 and 3. */
export const Call = { Exit: 1, Fork: 2, Print: 3, Write: 4 } as const;

/** A program that runs. */
export class Process {
  readonly mm: Mm;
  readonly cpu: Cpu;
  /** How it ended; undefined while it runs. */
  ended: string | undefined;

  constructor(mm: Mm, cpu: Cpu) {
    this.mm = mm;
    this.cpu = cpu;
  }
}

/** Runs programs in turn. */
export class Scheduler {
  readonly processes: Process[] = [];
  /** What programs printed, in order. */
  readonly console: string[] = [];
  private readonly kernel: Kernel;
  private readonly quantum: number;

  constructor(kernel: Kernel, quantum: number) {
    this.kernel = kernel;
    this.quantum = quantum;
  }

  /** Starts a program with `pages` of memory of its own. */
  start(program: readonly Instruction[], pages: number): Process {
    const mm = this.kernel.newMm();
    const code = assemble(program);
    const codePages = Math.ceil(code.length / PAGE_BYTES);
    mmap(mm, CODE, codePages, VmFlags.Read | VmFlags.Write);
    copyToUser(mm, CODE, code);
    mprotect(mm, CODE, codePages, VmFlags.Read | VmFlags.Exec);
    mmap(mm, DATA, pages, VmFlags.Read | VmFlags.Write);
    const process = new Process(mm, new Cpu(CODE));
    this.processes.push(process);
    return process;
  }

  /** Runs until every program has ended. @throws PgtableError `ELOOP` after `limit` turns */
  run(limit = 100_000): void {
    for (let turn = 0; turn < limit; turn++) {
      const ready = this.processes.filter(({ ended }) => ended === undefined);
      if (ready.length === 0) return;
      for (const process of ready) this.turn(process);
    }
    throw new PgtableError('ELOOP', `programs still run after ${limit} turns`);
  }

  /** Takes what ended programs have left. */
  reap(): void {
    for (const { mm } of this.processes.splice(0)) exit(mm);
  }

  private turn(process: Process): void {
    const stop = process.cpu.run(process.mm, this.quantum);
    if (stop === 'call') this.call(process);
    else if (stop === 'killed') this.end(process, `killed at pc 0x${process.cpu.pc.toString(16)}`);
    else if (stop === 'halted') this.end(process, 'halted');
  }

  private call(process: Process): void {
    const { mm, cpu } = process;
    const [, number, first, second] = cpu.registers;
    switch (Number(number)) {
      case Call.Exit:
        this.end(process, `exit ${first}`);
        break;
      case Call.Fork:
        this.forkProcess(process);
        break;
      case Call.Print:
        this.console.push(`${mm.pid}: ${first}`);
        break;
      case Call.Write:
        this.console.push(`${mm.pid}: ${Buffer.from(copyFromUser(mm, first!, Number(second))).toString('latin1')}`);
        break;
      default:
        this.end(process, `killed by call ${number}`);
    }
  }

  private forkProcess(parent: Process): void {
    const cpu = new Cpu(parent.cpu.pc);
    cpu.registers.splice(0, cpu.registers.length, ...parent.cpu.registers);
    const child = new Process(fork(parent.mm), cpu);
    parent.cpu.registers[1] = BigInt(child.mm.pid);
    cpu.registers[1] = 0n;
    this.processes.push(child);
  }

  private end(process: Process, how: string): void {
    process.ended = how;
    this.console.push(`${process.mm.pid}: ${how} after ${process.cpu.retired}`);
  }
}

/** The address of a page of a program's data. */
export function dataPage(index: number): bigint {
  return DATA + BigInt(index) * PAGE;
}
