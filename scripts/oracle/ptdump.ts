import { join } from 'node:path';
import type { RootCandidate } from '@pgtable/core';
import { checkInsecure, kernelView, ptdump, Symbols, type InsecureFinding, type OpenedRoot } from '@pgtable/walk';
import { pgtable } from './command.js';
import type { Dump } from './dump.js';
import type { Facts, Fixture } from './fixture.js';
import { Part } from './report.js';
import { checkKernelRoot, rankOfScan } from './roots.js';
import { hex16 } from './text.js';
import { textOf, unpacked } from './zstd.js';

/** All comparisons for one dump of `ptdump`. */
export async function comparePtdump(fixture: Fixture, dump: Dump, file: string): Promise<{ parts: Part[]; information: string[] }> {
  const { facts, path } = fixture;
  const map = await textOf(join(path, 'System.map'));
  const symbols = map === undefined ? undefined : new Symbols(map, 'System.map');
  const { candidates, missing } = await dump.findRoots();
  const kernelCandidate = candidates.find(({ role }) => role === 'kernel');
  const parts: Part[] = [];
  if (kernelCandidate === undefined) {
    const part = new Part('kernel');
    part.differs(`no kernel root without flags: ${missing.join('; ')}`);
    return { parts: [part], information: [] };
  }
  const kernel = dump.openRoot(kernelCandidate);
  const listings: readonly (readonly [name: string, root: OpenedRoot | undefined])[] = [
    ['kernel_page_tables', kernel],
    ['current_kernel', open(dump, currentKernel(candidates))],
    ['current_user', open(dump, currentUser(candidates))],
  ];
  for (const [name, root] of listings) {
    const text = await textOf(join(path, `${name}.txt`));
    if (text === undefined) continue;
    if (symbols !== undefined) parts.push(await withSymbols(dump, kernel, root, name, text, symbols));
    parts.push(await withoutSymbols(dump, kernel, root, name, text));
  }
  parts.push(check(dump, kernel, facts, symbols, map ?? ''));
  const command = await compareCommand(fixture, file);
  if (command !== undefined) parts.push(command);
  const registers = await dump.spaceOf(facts.registers, facts.kernelModeRegisters);
  const { part, truth } = await checkKernelRoot(dump, facts, registers);
  parts.push(part);
  const rank = await rankOfScan(dump, truth);
  return { parts: [...parts, ...rank.parts], information: rank.information };
}

/** The same by the command line: `pgtable ptdump` prints the kernel's text, and `pgtable check` its verdict. */
async function compareCommand({ facts, path }: Fixture, file: string): Promise<Part | undefined> {
  const map = await unpacked(join(path, 'System.map'));
  const text = await textOf(join(path, 'kernel_page_tables.txt'));
  if (map === undefined || text === undefined) return undefined;
  const part = new Part('command');
  const listed = await pgtable(['ptdump', file, '--symbols', map]);
  if (listed.out === text && listed.code === 0) part.same();
  else part.differs(`pgtable ptdump --symbols System.map: exit code ${listed.code}, ${linesOf(listed.out).length} lines that are ${listed.out === text ? '' : 'not '}the kernel's; ${listed.err}`);
  const checked = await pgtable(['check', file, '--symbols', map]);
  part.equal('exit code of pgtable check', String(checked.code), (facts.wxPagesInDump ?? 0) > 0 ? '1' : '0');
  const verdict = verdictOf(facts);
  if (verdict !== undefined) part.equal('last line of pgtable check', linesOf(checked.out).at(-1), verdict);
  return part;
}

function open(dump: Dump, candidate: RootCandidate | undefined): OpenedRoot | undefined {
  return candidate === undefined ? undefined : dump.openRoot(candidate);
}

/** x86's current_user: with page-table isolation the user half of the process's tables, else its only tables. */
function currentUser(candidates: readonly RootCandidate[]): RootCandidate | undefined {
  const current = candidates.filter(({ source }) => source === 'cpu-note');
  return current.find(({ role }) => role === 'user') ?? current.find(({ role }) => role === 'current');
}

/** x86's current_kernel: the tables of the process that are not the user half, if there is one. */
function currentKernel(candidates: readonly RootCandidate[]): RootCandidate | undefined {
  const current = candidates.filter(({ source }) => source === 'cpu-note');
  const user = current.find(({ role }) => role === 'user');
  return current.find(({ role, table }) => role === 'current' && table !== user?.table);
}

/** Our listing. The regions are named by what the kernel's own tables show, whichever root is listed. */
async function listing(dump: Dump, kernel: OpenedRoot, root: OpenedRoot, symbols: Symbols | undefined): Promise<string[]> {
  await kernel.loader.load();
  await root.loader.load();
  const markers = await dump.plugin.markers(kernelView(dump.plugin, kernel.space, kernel.space, dump.memory, dump.vmcoreinfo, symbols));
  const lines: string[] = [];
  ptdump(root.space, (text) => lines.push(text), { markers });
  return lines;
}

async function withSymbols(dump: Dump, kernel: OpenedRoot, root: OpenedRoot | undefined, name: string, text: string, symbols: Symbols): Promise<Part> {
  const part = new Part(name);
  if (root === undefined) {
    part.differs('no root was found for it');
    return part;
  }
  const ours = await listing(dump, kernel, root, symbols);
  const oracle = linesOf(text);
  compareInOrder(part, ours, oracle);
  // Counted as lines; but the text as a whole is what has to be equal.
  if (part.differences.length === 0 && `${ours.join('\n')}\n` !== text) part.differs('every line is equal, and the text is not');
  return part;
}

/** Without a symbol table, markers may be missing or differ; every other line must be the kernel's, but for where a marker cuts it. */
async function withoutSymbols(dump: Dump, kernel: OpenedRoot, root: OpenedRoot | undefined, name: string, text: string): Promise<Part> {
  const part = new Part(`${name} without symbols`);
  if (root === undefined) {
    part.differs('no root was found for it');
    return part;
  }
  const ours = await listing(dump, kernel, root, undefined);
  const oracle = linesOf(text);
  compareButMarkers(part, entriesOf(ours), entriesOf(oracle));
  const named = placed(ours);
  const known = placed(oracle);
  part.note(`${known.filter((marker) => named.includes(marker)).length} of ${known.length} markers right`);
  return part;
}

/** Markers, each with the line that follows, so that one in a wrong place does not count. */
function placed(lines: readonly string[]): string[] {
  return lines.flatMap((line, at) => (isMarker(line) ? [`${line} ${lines.slice(at + 1).find(isEntry) ?? ''}`] : []));
}

function isMarker(line: string): boolean {
  return line.startsWith('---[');
}

/** Lines of entries: no markers, and not the count of lines that x86 leaves out of a region. */
function isEntry(line: string): boolean {
  return !isMarker(line) && !line.startsWith('...');
}

/** A line of a listing, apart. */
interface EntryLine {
  readonly text: string;
  /** Whether a marker stands before it. */
  readonly marked: boolean;
  readonly start: bigint;
  readonly end: bigint;
  /** riscv prints the physical address. */
  readonly pa: bigint | undefined;
  readonly attributes: string;
}

function entriesOf(lines: readonly string[]): EntryLine[] {
  const entries: EntryLine[] = [];
  let marked = false;
  for (const text of lines) {
    if (isMarker(text)) marked = true;
    if (!isEntry(text)) continue;
    const match = /^0x([0-9a-f]+)-0x([0-9a-f]+) +(?:0x([0-9a-f]+) +)?\d+([A-Z].*)$/.exec(text);
    const [start, end, pa] = [match?.[1], match?.[2], match?.[3]].map((digits) => (digits === undefined ? undefined : BigInt(`0x${digits}`)));
    // The unit of the size is no attribute.
    entries.push({ text, marked, start: start ?? 0n, end: end === 0n ? 1n << 64n : (end ?? 0n), pa, attributes: match?.[4]?.slice(1) ?? text });
    marked = false;
  }
  return entries;
}

/** Compares entry lines. What one text has as one line may be several in the other if markers stand between them. */
function compareButMarkers(part: Part, ours: readonly EntryLine[], oracle: readonly EntryLine[]): void {
  let cuts = 0;
  let mine = 0;
  let theirs = 0;
  while (mine < ours.length || theirs < oracle.length) {
    const left = ours[mine];
    const right = oracle[theirs];
    const leftTo = left === undefined ? 0 : joined(ours, mine, right);
    const rightTo = right === undefined ? 0 : joined(oracle, theirs, left);
    if (left !== undefined && right !== undefined && leftTo > 0 && rightTo > 0) {
      part.same(rightTo - theirs);
      cuts += leftTo - mine - 1 + (rightTo - theirs - 1);
      mine = leftTo;
      theirs = rightTo;
    } else {
      part.differs(`kernel "${right?.text ?? ''}", ours "${left?.text ?? ''}"`);
      mine++;
      theirs++;
    }
  }
  if (cuts > 0) part.note(`${cuts} lines cut by markers that only one text has`);
}

/**
 * Past the lines from `at` on that together are one line of the other text.
 *
 * Returns: 0 if they are not the same.
 */
function joined(lines: readonly EntryLine[], at: number, other: EntryLine | undefined): number {
  const first = lines[at]!;
  if (first.start !== other?.start || first.attributes !== other.attributes || first.pa !== other.pa) return 0;
  if (first.end >= other.end) return at + 1;
  let next = at + 1;
  for (let last = first; last.end < other.end; next++) {
    const line = lines[next];
    const expected = first.pa === undefined ? undefined : first.pa + last.end - first.start;
    if (line?.marked !== true || line.start !== last.end || line.attributes !== first.attributes || line.pa !== expected) return 0;
    last = line;
  }
  return next;
}

function linesOf(text: string): string[] {
  return text.replace(/\n$/, '').split('\n');
}

function compareInOrder(part: Part, ours: readonly string[], oracle: readonly string[]): void {
  for (let at = 0; at < Math.max(ours.length, oracle.length); at++) {
    if (ours[at] === oracle[at]) part.same();
    else part.differs(`line ${at + 1}: kernel "${oracle[at] ?? ''}", ours "${ours[at] ?? ''}"`);
  }
}

/** What the kernel logged about W+X, without level and time. */
function logged(facts: Facts): string[] {
  return (facts.wx ?? []).map((line) => line.replace(/^<\d>\[ *\d+\.\d+\] /, ''));
}

/** The last is of the tables as they are in the dump, and of the kernel's own. */
function verdictOf(facts: Facts): string | undefined {
  return logged(facts).filter((line) => line.includes('Checked W+X mappings')).at(-1);
}

/** The kernel's W+X check: the verdict it logged last, its first finding, and the pages that the fixture counted in the dump. */
function check(dump: Dump, kernel: OpenedRoot, facts: Facts, symbols: Symbols | undefined, map: string): Part {
  const part = new Part('check');
  const { counts, findings } = checkInsecure(kernel.space);
  const style = kernel.space.arch.ptdump;
  const verdict = verdictOf(facts);
  if (verdict !== undefined) part.equal('verdict', style.verdict(counts), verdict);
  if (facts.wxPagesInDump !== undefined) part.equal('pages', String(counts.writableExecutable), String(facts.wxPagesInDump));
  // The kernel warns once.
  const warned = logged(facts).find((line) => line.includes('Found insecure'));
  const [first] = findings;
  if (warned !== undefined) {
    const possible = first === undefined ? [] : sentences(dump, kernel, first, symbols, map);
    part.equal('first finding', possible.find((text) => text === warned) ?? possible[0], warned);
  }
  part.note(`${counts.writableExecutable} W+X, ${counts.userExecutable} not UXN`);
  return part;
}

/** The kernel's sentence about a finding, with each symbol at its address: which one %pS chooses is kallsyms' business. */
function sentences(dump: Dump, kernel: OpenedRoot, { start, insecure }: InsecureFinding, symbols: Symbols | undefined, map: string): string[] {
  const style = kernel.space.arch.ptdump;
  const address = BigInt(start);
  const linked = address - dump.plugin.kernelOffset(dump.vmcoreinfo);
  const nearest = symbols?.nearest(linked);
  if (nearest === undefined) return [style.finding(insecure, address, hex16(address))];
  const at = linked - nearest.offset;
  const table = [...map.matchAll(/^([0-9a-f]+) \S (\S+)$/gm)].map((match) => ({ address: BigInt(`0x${match[1]!}`), name: match[2]! }));
  const next = table.find((symbol) => symbol.address > at)?.address ?? at;
  return table
    .filter((symbol) => symbol.address === at)
    .map(({ name }) => style.finding(insecure, address, `${name}+0x${nearest.offset.toString(16)}/0x${(next - at).toString(16)}`));
}
