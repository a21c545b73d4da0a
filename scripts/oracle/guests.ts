import { join } from 'node:path';
import type { Attributes } from '@pgtable/core';
import { RunKind, walkRuns } from '@pgtable/walk';
import type { AddressSpace, Answer, Dump } from './dump.js';
import type { Facts, Fixture, Registers } from './fixture.js';
import { infoMem, infoTlb, qemuAnswers, readInfoMem, readInfoTlb, type Asking } from './qemu.js';
import { Part } from './report.js';
import { checkKernelRoot, rankOfScan } from './roots.js';
import { hex, readKcore, readProcesses, readQuestions, rows, type Process, type Question } from './text.js';
import { textOf } from './zstd.js';

/** All comparisons for one dump of `guests`. */
export async function compareGuest(fixture: Fixture, dump: Dump): Promise<{ parts: Part[]; information: string[] }> {
  const { facts, path } = fixture;
  const read = (name: string): Promise<string | undefined> => textOf(join(path, name));
  const parts: Part[] = [];
  const current = await dump.spaceOf(facts.registers);
  const kernel = await dump.spaceOf(facts.registers, facts.kernelModeRegisters);
  const processes = new Map<number, AddressSpace>();
  for (const [pid, registers] of Object.entries(facts.perProcessRegisters ?? {})) processes.set(Number(pid), await dump.spaceOf(facts.registers, registers));
  if (facts.currentPid !== undefined) processes.set(facts.currentPid, current);

  const questions: readonly (readonly [file: string, space: AddressSpace, asking: Asking])[] = [
    ['gva2gpa', current, 'kernel'],
    ['gva2gpa-kernel', kernel, 'kernel'],
    ['gva2gpa-userpriv', current, 'user'],
    ['gva2gpa-tagged', current, 'kernel'],
  ];
  for (const [name, space, asking] of questions) {
    const text = await read(`${name}.tsv`);
    if (text === undefined) continue;
    const part = new Part(name);
    await compareAnswers(part, dump, space, facts.registers, asking, readQuestions(text));
    parts.push(part);
  }
  const procs = await read('gva2gpa-procs.tsv');
  if (procs !== undefined) parts.push(await compareProcesses(dump, facts, processes, readQuestions(procs)));

  const tlb = await read('info-tlb.txt');
  if (tlb !== undefined) parts.push(await compareTlb(current, tlb, facts));
  const mem = await read('info-mem.txt');
  if (mem !== undefined && dump.plugin.name === 'riscv') parts.push(await compareMem(current, mem));
  const loads = await read('paging-loads.tsv');
  if (loads !== undefined) parts.push(await compareLoads(current, loads, facts));

  const console = await read('console.txt');
  if (console !== undefined) {
    parts.push(await comparePagemaps(facts, processes, readProcesses(console)));
    const kcore = await compareKcore(facts, kernel, console);
    if (kcore.asked > 0) parts.push(kcore);
  }
  const { part, truth } = await checkKernelRoot(dump, facts, kernel);
  parts.push(part);
  const rank = await rankOfScan(dump, truth);
  return { parts: [...parts, ...rank.parts], information: rank.information };
}

async function compareAnswers(part: Part, dump: Dump, space: AddressSpace, registers: Registers, asking: Asking, questions: readonly Question[], label = ''): Promise<void> {
  const answers = await space.translate(questions.map(({ va }) => va));
  const answersFor = qemuAnswers(dump, registers, asking);
  questions.forEach(({ va, pa }, at) => {
    const answer = answers[at]!;
    const leaf = answer.status === 'mapped' ? space.leaf(va) : undefined;
    const ours = leaf !== undefined && answersFor(leaf) ? answer.pa : undefined;
    if (ours === pa && answer.status !== 'absent') part.same();
    else part.differs(`${label}${hex(va)}: QEMU ${hex(pa)}, ours ${hex(ours)}${describe(space, va, answer, leaf)}`, causeOf(pa, answer, leaf));
  });
}

/** What our walk saw, for people. */
function describe(space: AddressSpace, va: bigint, answer: Answer, leaf: Attributes | undefined): string {
  const translation = space.explain(va);
  const step = translation?.steps.at(-1);
  const entry = step === undefined ? '' : ` at ${step.level} entry ${hex(step.entry)} in ${hex(step.entryAddress)}`;
  const flags = leaf === undefined ? '' : ` [${leaf.flags.join(' ')}]`;
  return ` (${translation?.reason ?? answer.status}${entry}${flags})`;
}

/** Why an answer differs, as far as the walk itself says. */
function causeOf(pa: bigint | undefined, answer: Answer, leaf: Attributes | undefined): string | undefined {
  if (answer.status === 'absent') return 'a table that the answer needs is not in the dump';
  if (leaf !== undefined && pa === answer.pa) return 'the same frame, but our access bits forbid the read that QEMU made';
  if (leaf !== undefined && pa === undefined && leaf.accessed === false) return 'mapped here, and the accessed bit is clear: QEMU may have raised a fault';
  if (leaf !== undefined && pa === undefined) return 'mapped and readable here, unmapped for QEMU';
  if (leaf !== undefined) return 'another frame';
  return 'unmapped here, mapped for QEMU';
}

/** Each process asked about while it ran: with the privilege of user code. */
async function compareProcesses(dump: Dump, facts: Facts, processes: ReadonlyMap<number, AddressSpace>, questions: readonly Question[]): Promise<Part> {
  const part = new Part('gva2gpa-procs');
  const pids = [...new Set(questions.map(({ pid }) => pid))];
  for (const pid of pids) {
    if (pid === undefined) continue;
    const space = processes.get(pid);
    const asked = questions.filter((question) => question.pid === pid);
    if (space === undefined) part.differs(`process ${pid}: regs.json has no root for it`);
    else await compareAnswers(part, dump, space, facts.perProcessRegisters?.[String(pid)] ?? facts.registers, 'user', asked, `process ${pid} `);
  }
  part.note(`${pids.length} processes`);
  return part;
}

/** Two lists of lines, as multisets in order: what is in one alone is a difference. */
function compareLines(part: Part, ours: readonly string[], oracle: readonly string[]): void {
  const mine = new Set(ours);
  const theirs = new Set(oracle);
  for (const line of oracle) {
    if (mine.has(line)) part.same();
    else part.differs(`only QEMU: ${line}`, 'a line that only QEMU has');
  }
  for (const line of ours) if (!theirs.has(line)) part.differs(`only ours: ${line}`, 'a line that only we have');
  if (part.differences.length > 0) return;
  const wrong = oracle.findIndex((line, at) => ours[at] !== line);
  if (wrong >= 0 || ours.length !== oracle.length) part.differs(`${ours.length} lines of ours, ${oracle.length} of QEMU, in another order from line ${wrong + 1} on`);
}

async function compareTlb(space: AddressSpace, text: string, facts: Facts): Promise<Part> {
  const part = new Part('info-tlb');
  const root = space.roots[0]!;
  await root.loader.load();
  const { lines, corrected } = readInfoTlb(text, facts.arch === 'i386');
  compareLines(part, infoTlb(root.space), lines);
  if (corrected > 0) part.note(`NX taken out of QEMU's address in ${corrected}`);
  return part;
}

async function compareMem(space: AddressSpace, text: string): Promise<Part> {
  const part = new Part('info-mem');
  const root = space.roots[0]!;
  await root.loader.load();
  const ours = infoMem(root);
  const wrong = new Set(ours.filter(({ error }) => error !== undefined).map((line) => line.text));
  const oracle = readInfoMem(text);
  compareLines(
    part,
    ours.map((line) => line.text).filter((line) => !wrong.has(line)),
    oracle.filter((line) => !wrong.has(line)),
  );
  const count = (error: string): number => ours.filter((line) => line.error === error).length;
  const present = new Set(oracle);
  part.note(`excepted: ${count('Svnapot')} Svnapot, ${count('Svpbmt')} Svpbmt lines that QEMU gets wrong, ${[...wrong].filter((line) => present.has(line)).length} of them exactly as computed`);
  return part;
}

/**
 * The program headers of a dump with paging=true: what QEMU's own listing of mappings says, run by run. The first and last
 * byte of each are compared. QEMU 7.2 sets the bits above bit 47 (LA57: 56) in every address, whichever half it is of.
 */
async function compareLoads(space: AddressSpace, text: string, facts: Facts): Promise<Part> {
  const part = new Part('paging-loads');
  const bits = facts.arch === 'i386' ? 32n : (BigInt(facts.registers.cr4 ?? 0) & 0x1000n) !== 0n ? 57n : 48n;
  const ends: { va: bigint; pa: bigint }[] = [];
  for (const row of rows(text)) {
    const [va, pa, size] = row.slice(0, 3).map((column) => BigInt(`0x${column}`)) as [bigint, bigint, bigint];
    const canonical = BigInt.asUintN(64, facts.arch === 'i386' ? BigInt.asUintN(32, va) : BigInt.asIntN(Number(bits), va));
    ends.push({ va: canonical, pa }, { va: canonical + size - 1n, pa: pa + size - 1n });
  }
  const answers = await space.translate(ends.map(({ va }) => va));
  ends.forEach(({ va, pa }, at) => {
    const ours = answers[at]!.pa;
    if (ours === pa) part.same();
    else part.differs(`${hex(va)}: QEMU ${hex(pa)}, ours ${hex(ours)}`);
  });
  return part;
}

/** s390: the absolute address of a real one. The kernel tells real addresses; QEMU and a dump have absolute ones. */
function absolute(facts: Facts, real: bigint): bigint {
  const prefix = BigInt(facts.registers.prefix ?? 0);
  if (real < 0x2000n) return real + prefix;
  return real >= prefix && real < prefix + 0x2000n ? real - prefix : real;
}

/**
 * The ends and the middle of what /proc/kcore says of the kernel's mappings. It says where memory is, not whether each page
 * may be used: of a page that the kernel has taken away (KFENCE's guards) the entry must still hold the frame.
 */
async function compareKcore(facts: Facts, space: AddressSpace, console: string): Promise<Part> {
  const part = new Part('kcore');
  const ends = readKcore(console).flatMap(({ va, pa, length }) => [0n, length / 2n, length - 1n].map((offset) => ({ va: va + offset, pa: absolute(facts, pa + offset) })));
  const answers = await space.translate(ends.map(({ va }) => va));
  let kept = 0;
  ends.forEach(({ va, pa }, at) => {
    const answer = answers[at]!;
    const ours = answer.pa ?? (answer.status === 'unmapped' ? space.kept(va)?.pa : undefined);
    if (ours !== pa) part.differs(`${hex(va)}: /proc/kcore ${hex(pa)}, ours ${hex(ours)}${describe(space, va, answer, undefined)}`);
    else part.same();
    if (ours !== answer.pa) kept++;
  });
  if (kept > 0) part.note(`${kept} not present to the hardware, frame kept`);
  return part;
}

/**
 * Every page that the guest kernel called present, in every process whose root is known; and the other way round, every
 * page of the user half that we find mapped.
 *
 * Where the hardware may not use the entry but the kernel keeps the frame in it (PROT_NONE; s390's old pages), the frame
 * must be the same; those are counted apart.
 */
async function comparePagemaps(facts: Facts, processes: ReadonlyMap<number, AddressSpace>, listed: readonly Process[]): Promise<Part> {
  const part = new Part('pagemap');
  const pageSize = BigInt(facts.pageSize);
  let kept = 0;
  let unknown = 0;
  for (const { pid, name, pagemap } of listed) {
    const space = processes.get(pid);
    if (space === undefined) {
      unknown++;
      continue;
    }
    const pages = pagemap.flatMap(({ va, pages: count, pfn }) => Array.from({ length: count }, (_, at) => ({ va: va + BigInt(at) * pageSize, pa: absolute(facts, (pfn + BigInt(at)) * pageSize) })));
    const answers = await space.translate(pages.map(({ va }) => va));
    pages.forEach(({ va, pa }, at) => {
      const answer = answers[at]!;
      if (answer.pa === pa) {
        part.same();
        return;
      }
      const entry = answer.status === 'unmapped' ? space.kept(va) : undefined;
      if (entry?.pa === pa) {
        part.same();
        kept++;
      } else {
        const ours = entry === undefined ? hex(answer.pa) : `${entry.entry.kind} ${hex(entry.pa)}`;
        part.differs(`process ${pid} (${name}) ${hex(va)}: pagemap ${hex(pa)}, ours ${ours}${describe(space, va, answer, undefined)}`);
      }
    });
    const present = new Set(pages.map(({ va }) => va));
    for (const va of await mappedPages(space, facts.pageSize)) {
      if (!present.has(va)) part.differs(`process ${pid} (${name}) ${hex(va)}: mapped here, not in the pagemap`, 'a page that only we have');
    }
  }
  part.note(`${kept} not present to the hardware, frame kept`);
  if (unknown > 0) part.note(`${unknown} processes without a root in regs.json left out`);
  return part;
}

/** The pages of the user half that are mapped. */
async function mappedPages(space: AddressSpace, pageSize: number): Promise<bigint[]> {
  const pages: bigint[] = [];
  for (const { space: one, loader } of space.roots) {
    const ranges = one.root.windows.filter(({ half }) => half === 'user');
    await loader.load(ranges);
    walkRuns(
      one,
      (run) => {
        if (run.kind === RunKind.Leaf) for (let va = run.va; va < run.end; va += pageSize) pages.push(BigInt(va));
        return undefined;
      },
      { ranges },
    );
  }
  return pages;
}
