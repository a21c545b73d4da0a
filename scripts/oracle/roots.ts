import type { RootCandidate } from '@pgtable/core';
import type { AddressSpace, Dump } from './dump.js';
import type { Facts } from './fixture.js';
import { Part } from './report.js';
import { hex } from './text.js';

/** Bytes of the largest top table of which a part can be used: 1024 entries. */
const TABLE = 8192n;

/** Names of the kernel's own top table. */
const SYMBOLS = ['init_top_pgt', 'swapper_pg_dir'];

/**
 * Whether the kernel's root is found without any flag. The truth: the address that the guest's own symbol table has for its
 * top table, translated with the registers of a stop in the kernel. An arm64 kernel for 52-bit addresses in pages of 64K that runs
 * on a processor with 48 puts the address of an entry inside of that table into TTBR1: then the register is right as well.
 */
export async function checkKernelRoot(dump: Dump, facts: Facts, kernel: AddressSpace): Promise<{ part: Part; truth: bigint | undefined }> {
  const part = new Part('kernel-root');
  const symbols = { ...facts.kernelSymbols, ...facts.symbols };
  const noted = dump.vmcoreinfo?.symbol('swapper_pg_dir');
  const listed = SYMBOLS.map((name) => symbols[name]).find((address) => address !== undefined);
  const symbol = listed === undefined ? noted : BigInt(listed);
  const truth = symbol === undefined ? undefined : (await kernel.translate([symbol]))[0]?.pa;
  const { candidates, missing } = await dump.findRoots();
  const found = candidates.find(({ role }) => role === 'kernel');
  if (truth === undefined) {
    part.differs(`where the kernel's top table is cannot be told from the registers (symbol at ${hex(symbol)})`);
  } else if (found !== undefined) {
    const inside = kernel.roots.map(({ candidate }) => BigInt(candidate.table)).find((table) => table > truth && table < truth + TABLE);
    part.equal('the kernel root without flags', hex(found.table), hex(BigInt(found.table) === inside ? inside : truth));
    part.note(found.source);
  } else if (namesFlag(dump, missing)) {
    part.same();
    part.note(`not found, and the message names what to give: ${missing.join('; ')}`);
  } else {
    part.differs(`no kernel root, and no message names a register: ${missing.join('; ') || 'no message'}`);
  }
  // The process's root: in the notes, or the message says which register is missing.
  if (candidates.some(({ role }) => role === 'current')) part.same();
  else if (namesFlag(dump, missing)) part.same();
  else part.differs(`no root of the process that ran, and no message names a register: ${missing.join('; ') || 'no message'}`);
  return { part, truth };
}

function namesFlag(dump: Dump, missing: readonly string[]): boolean {
  return missing.some((text) => dump.plugin.registers.some(({ name }) => new RegExp(`--${name}\\b`).test(text)));
}

/**
 * What is found when notes and VMCOREINFO are withheld: the message names a register, and the kernel's root is the first that a
 * structural scan of memory gives (x86, arm64, riscv).
 */
export async function rankOfScan(dump: Dump, truth: bigint | undefined): Promise<{ parts: Part[]; information: string[] }> {
  if (truth === undefined) return { parts: [], information: [] };
  const { candidates, missing } = await dump.findRoots(new Map(), { notes: [], vmcoreinfo: [] });
  const scanned = candidates.filter(({ role, source }) => role === 'kernel' && source === 'structural-scan');
  const part = new Part('scan');
  // Nothing says what the registers were, so the message must ask for one.
  if (namesFlag(dump, missing)) part.same();
  else part.differs(`without notes no message names a register: ${missing.join('; ') || 'no message'}`);
  if (scanned.length === 0 && dump.plugin.name === 's390') return { parts: [part], information: ['no structural scan for s390'] };
  const rank = scanned.findIndex(({ table }) => BigInt(table) === truth) + 1;
  part.note(rank === 0 ? `not among ${scanned.length}` : `rank ${rank} of ${scanned.length}`);
  if (rank === 1) part.same();
  else part.differs(`the kernel's root ${hex(truth)} has rank ${rank} among ${scanned.map(describe).join(', ') || 'nothing'}`);
  return { parts: [part], information: [] };
}

function describe({ table, variant, score }: RootCandidate): string {
  return `${hex(table)} (${variant}, score ${score ?? '-'})`;
}
