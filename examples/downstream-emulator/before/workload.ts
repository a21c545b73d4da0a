import { VmFlags } from '@pgtable/core';
import { audit, isEmpty } from './audit.js';
import { userLoad, userStore, type Instruction } from './cpu.js';
import { checksum, countPages, countTables, dumpTables, pagemap, residency } from './dump.js';
import { Kernel } from './kernel.js';
import { mergePages } from './ksm.js';
import { Call, DATA, dataPage, Scheduler } from './process.js';
import { clearRefs, compact, idleBitmap, mincore, softOffline, status } from './proc.js';
import { copyFromUser, copyToUser, exit, fork, madviseCold, madviseDontneed, mmap, mprotect, mremap, msync, munmap, populate } from './syscalls.js';

const READ_WRITE = VmFlags.Read | VmFlags.Write;

/** A part of the workload: runs on a machine of its own and says what came of it. */
export interface Workload {
  readonly name: string;
  run(): string[];
}

/** All parts, in the order of the report. */
export const WORKLOADS: readonly Workload[] = [
  { name: 'more memory than RAM', run: pressure },
  { name: 'fork and copy on write', run: forking },
  { name: 'equal pages', run: merging },
  { name: 'files', run: files },
  { name: 'moving and protecting', run: moving },
  { name: 'from outside', run: outside },
  { name: 'many at once', run: many },
];

/** Writes `pages` pages, then reads them all and prints the sum. */
function fillAndSum(pages: number): Instruction[] {
  return [
    { op: 'li', rd: 4, imm: Number(DATA) },
    { op: 'li', rd: 5, imm: pages },
    { op: 'li', rd: 6, imm: 7 },
    // The loop that writes: 7, 7 * 3 + 1, ...
    { op: 'sd', rd: 6, rs: 4, imm: 16 },
    { op: 'li', rd: 7, imm: 3 },
    { op: 'mul', rd: 6, rs: 7 },
    { op: 'addi', rd: 6, rs: 6, imm: 1 },
    { op: 'addi', rd: 4, rs: 4, imm: 4096 },
    { op: 'addi', rd: 5, rs: 5, imm: -1 },
    { op: 'bne', rd: 5, rs: 0, imm: -7 },
    // The loop that reads, backwards.
    { op: 'li', rd: 5, imm: pages },
    { op: 'li', rd: 2, imm: 0 },
    { op: 'addi', rd: 4, rs: 4, imm: -4096 },
    { op: 'ld', rd: 6, rs: 4, imm: 16 },
    { op: 'add', rd: 2, rs: 6 },
    { op: 'addi', rd: 5, rs: 5, imm: -1 },
    { op: 'bne', rd: 5, rs: 0, imm: -5 },
    { op: 'li', rd: 1, imm: Call.Print },
    { op: 'ecall' },
    { op: 'halt' },
  ];
}

/** Writes a page, forks; both add to the page, and print what it has become. */
const FORKING: readonly Instruction[] = [
  { op: 'li', rd: 4, imm: Number(DATA) },
  { op: 'li', rd: 6, imm: 100 },
  { op: 'sd', rd: 6, rs: 4, imm: 0 },
  { op: 'li', rd: 1, imm: Call.Fork },
  { op: 'ecall' },
  { op: 'bne', rd: 1, rs: 0, imm: 4 },
  // The child.
  { op: 'li', rd: 7, imm: 11 },
  { op: 'li', rd: 8, imm: 0 },
  { op: 'addi', rd: 7, rs: 7, imm: 1 },
  { op: 'bne', rd: 7, rs: 8, imm: 1 },
  // The parent arrives here, with 0 in register 7.
  { op: 'addi', rd: 7, rs: 7, imm: 1 },
  { op: 'ld', rd: 2, rs: 4, imm: 0 },
  { op: 'add', rd: 2, rs: 7 },
  { op: 'sd', rd: 2, rs: 4, imm: 0 },
  { op: 'ld', rd: 2, rs: 4, imm: 0 },
  { op: 'li', rd: 1, imm: Call.Print },
  { op: 'ecall' },
  { op: 'li', rd: 1, imm: Call.Exit },
  { op: 'ecall' },
];

function pressure(): string[] {
  const kernel = new Kernel({ frames: 24, slots: 64 });
  const scheduler = new Scheduler(kernel, 50);
  const { mm } = scheduler.start(fillAndSum(40), 40);
  scheduler.run();
  const lines = [...scheduler.console, status(mm), residency(mm, DATA, 40), `contents ${checksum(mm)}`, summary(kernel)];
  scheduler.reap();
  lines.push(`free ${kernel.frames.free} of ${kernel.ram.frames}, swap ${kernel.swap.used}`);
  return lines;
}

function forking(): string[] {
  const kernel = new Kernel({ frames: 64, slots: 16 });
  const scheduler = new Scheduler(kernel, 10);
  scheduler.start(FORKING, 4);
  scheduler.run();
  const lines = [...scheduler.console];
  for (const { mm } of scheduler.processes) lines.push(status(mm), ...dumpTables(mm), `contents ${checksum(mm)}`);
  lines.push(summary(kernel));
  scheduler.reap();
  lines.push(`free ${kernel.frames.free} of ${kernel.ram.frames}`);
  return lines;
}

function merging(): string[] {
  const kernel = new Kernel({ frames: 64, slots: 16 });
  const first = kernel.newMm();
  const second = kernel.newMm();
  for (const mm of [first, second]) {
    mmap(mm, DATA, 8, READ_WRITE);
    for (let page = 0; page < 8; page++) userStore(mm, dataPage(page), BigInt(page % 3));
  }
  const before = kernel.frames.free;
  const merged = mergePages([first, second]);
  const lines = [`merged ${merged}, freed ${kernel.frames.free - before}`, `contents ${checksum(first)} ${checksum(second)}`];
  userStore(second, dataPage(5) + 8n, 5n);
  lines.push(`after a write ${checksum(first)} ${checksum(second)}`, ...dumpTables(second), summary(kernel));
  return lines;
}

function files(): string[] {
  const kernel = new Kernel({ frames: 64, slots: 16 });
  const file = kernel.newFile('data.bin', 6);
  file.disk.fill(0x20);
  const mm = kernel.newMm();
  mmap(mm, DATA, 4, READ_WRITE, file, 2);
  const lines = [`reads ${userLoad(mm, DATA)?.toString(16)}`];
  userStore(mm, dataPage(1), 0x6f6c6c6568n);
  userStore(mm, dataPage(3) + 8n, 0x646c726f77n);
  lines.push(residency(mm, DATA, 4), `written ${msync(mm, DATA, 4)}`, residency(mm, DATA, 4));
  const child = fork(mm);
  userStore(child, dataPage(0) + 16n, 0x7473726966n);
  lines.push(`shared ${userLoad(mm, dataPage(0) + 16n)?.toString(16)}`, `written ${msync(child, DATA, 4)}`);
  const reader = kernel.newMm();
  mmap(reader, DATA, 6, VmFlags.Read, file);
  userLoad(reader, dataPage(2));
  lines.push(`around ${residency(reader, DATA, 6)}, write: ${userStore(reader, dataPage(2), 1n)}`);
  munmap(mm, dataPage(2), 2);
  lines.push(`disk ${text(file.disk, 3 * 4096, 5)} ${text(file.disk, 5 * 4096 + 8, 5)} ${text(file.disk, 2 * 4096 + 16, 5)}`, ...dumpTables(mm), summary(kernel));
  for (const user of [reader, child, mm]) exit(user);
  file.dropCache();
  lines.push(`free ${kernel.frames.free} of ${kernel.ram.frames}`);
  return lines;
}

function moving(): string[] {
  const kernel = new Kernel({ frames: 128, slots: 32 });
  const mm = kernel.newMm();
  // Over the border of two tables.
  const start = 0x401f_8000n;
  mmap(mm, start, 24, READ_WRITE);
  for (let page = 0; page < 24; page += 2) userStore(mm, start + BigInt(page) * 4096n, BigInt(page) + 1n);
  kernel.swapper.reclaim(mm, 3);
  const lines = [residency(mm, start, 24), `contents ${checksum(mm)}`];
  mprotect(mm, start + 4n * 4096n, 8, VmFlags.Read);
  lines.push(`write to read-only: ${userStore(mm, start + 5n * 4096n, 1n)}`, `write beside it: ${userStore(mm, start + 3n * 4096n, 1n)}`);
  mprotect(mm, start + 4n * 4096n, 8, 0);
  lines.push(`read of what nobody may use: ${String(userLoad(mm, start + 6n * 4096n))}`, ...dumpTables(mm));
  mprotect(mm, start + 4n * 4096n, 8, READ_WRITE);
  lines.push(`write again: ${userStore(mm, start + 6n * 4096n, 99n)}`);
  const tables = countTables(mm);
  mremap(mm, start, 24, 0x80_0000_0000n >> 2n);
  const moved = countTables(mm);
  lines.push(`tables ${tables.pmd}+${tables.pte} with ${tables.entries}, then ${moved.pmd}+${moved.pte} with ${moved.entries}`, `contents ${checksum(mm)}`);
  lines.push(residency(mm, 0x80_0000_0000n >> 2n, 24), `old place empty: ${isEmpty(mm, start, 24)}`, summary(kernel));
  exit(mm);
  lines.push(`free ${kernel.frames.free} of ${kernel.ram.frames}, swap ${kernel.swap.used}`);
  return lines;
}

function outside(): string[] {
  const kernel = new Kernel({ frames: 64, slots: 32 });
  const mm = kernel.newMm();
  mmap(mm, DATA, 12, READ_WRITE);
  copyToUser(mm, dataPage(1) + 4090n, Buffer.from('over the edge'));
  for (let page = 4; page < 12; page++) userStore(mm, dataPage(page), BigInt(page) * 0x1111n);
  userLoad(mm, dataPage(0));
  const lines = [
    Buffer.from(copyFromUser(mm, dataPage(1) + 4090n, 13)).toString('latin1'),
    residency(mm, DATA, 12),
    `young ${clearRefs(mm)}`,
    residency(mm, DATA, 12),
    ...pagemap(mm, DATA, 12),
  ];
  userLoad(mm, dataPage(6));
  lines.push(`young ${clearRefs(mm)}`, `swapped ${kernel.swapper.reclaim(mm, 4)}`, mincore(mm, DATA, 12), residency(mm, DATA, 12));
  munmap(mm, dataPage(8), 2);
  lines.push(`moved ${compact(mm)}`, ...pagemap(mm, DATA, 12), `back ${kernel.swapper.unuse(mm)}`, residency(mm, DATA, 12));
  lines.push(`cold ${madviseCold(mm, DATA, 6)}`, `made ${populate(mm, DATA, 4)}`, residency(mm, DATA, 12));
  madviseDontneed(mm, dataPage(4), 1);
  lines.push(`zeros again: ${userLoad(mm, dataPage(4))}`);
  lines.push(`idle ${idleBitmap(mm, DATA, 12).toString(2)}`);
  lines.push(`failing: ${softOffline(mm, dataPage(10))} ${softOffline(mm, dataPage(3))} ${softOffline(mm, dataPage(8))}`);
  lines.push(`laundered ${kernel.swapper.launder(mm)}`, residency(mm, DATA, 12), JSON.stringify(countPages(mm)), `contents ${checksum(mm)}`, summary(kernel));
  return lines;
}

function many(): string[] {
  const kernel = new Kernel({ frames: 96, slots: 256 });
  const scheduler = new Scheduler(kernel, 7);
  for (let pages = 10; pages <= 40; pages += 6) scheduler.start(fillAndSum(pages), pages);
  scheduler.start(FORKING, 2);
  scheduler.run();
  const lines = [...scheduler.console];
  for (const { mm } of scheduler.processes) lines.push(`${status(mm)} contents ${checksum(mm)} tlb ${mm.tlb.hits}/${mm.tlb.hits + mm.tlb.misses}`);
  lines.push(summary(kernel));
  scheduler.reap();
  lines.push(`free ${kernel.frames.free} of ${kernel.ram.frames}, swap ${kernel.swap.used}`);
  return lines;
}

/** What was counted, and whether the counts fit the tables. */
function summary(kernel: Kernel): string {
  const counts = Object.entries(kernel.counters).filter(([, count]) => count !== 0).map(([name, count]) => `${name} ${count}`);
  const { mapped, swapped, leakedFrames, leakedSlots } = audit(kernel);
  return `${counts.join(' ')}; mapped ${mapped} swapped ${swapped} leaked ${leakedFrames}+${leakedSlots}`;
}

function text(bytes: Uint8Array, at: number, length: number): string {
  return Buffer.from(bytes.subarray(at, at + length)).toString('latin1');
}
