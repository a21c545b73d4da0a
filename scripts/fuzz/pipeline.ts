/** Everything that the command line does with a dump, without its text. */
import type { ArchPlugin, MachineFacts, Marker, OpenSpace, RootCandidate, TableMemory, Vmcoreinfo } from '@pgtable/core';
import type { PhysicalMemory } from '@pgtable/memory';
import {
  checkInsecure, describeMissing, findVmcoreinfo, kernelView, machineFacts, mergedRuns, openRoot, ptdump, RunKind, Symbols, tablePages, translateBatch, Translator, walkRuns, wholeSpace, type TableLoader,
} from '@pgtable/walk';
import { attempt, type CaseContext } from './harness.js';

/** Damaged tables may be shared by millions of entries; the walks here stop early. */
const MAX_ENTRY_VISITS = 300_000;
const MAX_TABLE_BYTES = 64 * 2 ** 20;
/** Roots of one search that are walked. */
const MAX_ROOTS = 3;
/** Runs of one walk that are decoded. */
const MAX_DECODED = 60;

export interface PipelineOptions {
  readonly registers: ReadonlyMap<string, bigint>;
  /** Text of a System.map. */
  readonly symbols?: string;
  /** Instead of the notes and the memory of the dump. */
  readonly vmcoreinfo?: readonly Vmcoreinfo[];
}

/** Tables that one walk may look into, by the size of the largest. */
export function tableVisits({ arch }: OpenSpace): number {
  return Math.ceil(MAX_ENTRY_VISITS / Math.max(...arch.geometry.levels.map(({ entries }) => entries)));
}

/** Opens a dump with an architecture: roots, tables, translations, runs, listing, check. */
export async function analyse(memory: PhysicalMemory, plugin: ArchPlugin, options: PipelineOptions, context: CaseContext): Promise<void> {
  const scanned = (await attempt(context, () => findVmcoreinfo(memory))) ?? [];
  const said = machineFacts(memory, { registers: options.registers, scanned });
  const facts: MachineFacts = { ...said, vmcoreinfo: options.vmcoreinfo ?? said.vmcoreinfo };
  await attempt(context, () => plugin.kernelOffset(facts.vmcoreinfo[0]));
  const symbols = options.symbols === undefined ? undefined : await attempt(context, () => new Symbols(options.symbols ?? '', 'fuzzed symbols'));
  const search = await attempt(context, () => plugin.findRoots(facts));
  if (search === undefined) return;
  context.count('searches');
  for (const candidate of search.candidates.slice(0, MAX_ROOTS)) await walkCandidate(candidate, facts, plugin, symbols, memory, context);
}

async function walkCandidate(
  candidate: RootCandidate, facts: MachineFacts, plugin: ArchPlugin, symbols: Symbols | undefined, memory: PhysicalMemory, context: CaseContext,
): Promise<void> {
  const opened = await attempt(context, () => openRoot(candidate, memory, { maxBytes: MAX_TABLE_BYTES }));
  if (opened === undefined) return;
  context.count('roots');
  const { space, tables, loader } = opened;
  // A forged note may name any regions, in any order: the listing must live with them.
  const markers = await attempt(context, () => plugin.markers(kernelView(plugin, space, space, memory, facts.vmcoreinfo[0], symbols)));
  await useSpace(space, tables, loader, context, markers);
}

/** Loads and walks a space in every way there is. */
export async function useSpace(space: OpenSpace, tables: TableMemory, loader: TableLoader, context: CaseContext, markers: readonly Marker[] = []): Promise<void> {
  const { arch, root } = space;
  const maxTableVisits = tableVisits(space);
  const translator = new Translator(space, loader);
  const edges = root.windows.flatMap(({ start, end }) => [start, start + arch.geometry.pageBytes, end - arch.geometry.pageBytes, start + Math.floor((end - start) / 8192) * 4096]);
  await attempt(context, () => translateBatch(translator, loader, Float64Array.from([...edges, 2 ** 63])));
  await attempt(context, () => loader.load());
  describeMissing(loader);
  await attempt(context, () => tablePages([{ arch, tables }]));
  for (const edge of edges) translator.explain(BigInt(edge) + 5n);
  let decoded = 0;
  await attempt(context, () => {
    walkRuns(
      space,
      (run) => {
        if (decoded >= MAX_DECODED || run.kind === RunKind.None) return undefined;
        decoded++;
        if (run.kind === RunKind.Leaf) arch.describe(run.level, run.lo, run.hi, run.inherited);
        if (run.kind === RunKind.NonPresent) arch.decodeNonPresent(run.level, (BigInt(run.hi >>> 0) << 32n) | BigInt(run.lo >>> 0));
        translator.explain(BigInt(run.va));
        return undefined;
      },
      { maxTableVisits },
    );
  });
  await attempt(context, () => {
    let lines = 0;
    ptdump(space, () => lines++, { maxTableVisits, markers });
    context.count('lines', lines);
  });
  await attempt(context, () => arch.ptdump.verdict(checkInsecure(space, { maxTableVisits }).counts));
  await attempt(context, () => {
    mergedRuns(space, () => undefined, arch.ptdump, { ranges: wholeSpace(root), maxTableVisits });
  });
  for (const edge of edges) arch.pgdOffset(root, BigInt(edge));
}
