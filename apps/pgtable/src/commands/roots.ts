import { hexAddress, type RootCandidate } from '@pgtable/core';
import { endAddress } from '../describe.js';
import { ExitCode } from '../exit-codes.js';
import { Output } from '../io.js';
import { Machine } from '../machine.js';
import type { CommandContext } from './common.js';

const SOURCES: Readonly<Record<RootCandidate['source'], string>> = {
  given: 'given',
  'cpu-note': 'CPU note',
  'vmcoreinfo-note': 'VMCOREINFO note',
  'vmcoreinfo-scan': 'VMCOREINFO in memory',
  'structural-scan': 'structural scan',
};

/** `pgtable roots`: every root table that was found, with what speaks for it. */
export async function roots({ io, machine: options }: CommandContext, format: 'text' | 'json'): Promise<ExitCode> {
  const machine = await Machine.open({ ...options, scanAlways: true });
  try {
    const { candidates, missing } = machine.search;
    const out = new Output(io.stdout);
    candidates.forEach((candidate, at) => {
      const { root } = machine.openRoot(candidate).space;
      if (format === 'json') {
        out.line(
          JSON.stringify({
            number: at + 1,
            role: candidate.role,
            source: candidate.source,
            table: hexAddress(candidate.table),
            architecture: machine.plugin.name,
            variant: candidate.variant,
            windows: root.windows.map(({ start, end, half }) => ({ start: hexAddress(start), end: endAddress(end), half })),
            registers: Object.fromEntries(Object.entries(candidate.registers).map(([name, value]) => [name, '0x' + value.toString(16)])),
            ...(candidate.score === undefined ? {} : { score: candidate.score }),
            evidence: candidate.evidence,
          }),
        );
        return;
      }
      const score = candidate.score === undefined ? '' : `, score ${candidate.score}`;
      out.line(`${at + 1}. ${candidate.role} root table at ${hexAddress(candidate.table)}: ${machine.plugin.name} ${candidate.variant} (${SOURCES[candidate.source]}${score})`);
      for (const sentence of candidate.evidence) out.line(`     ${sentence}`);
    });
    if (format === 'text') {
      if (machine.facts.vmcoreinfo.length > 1) {
        out.line(`There are ${machine.facts.vmcoreinfo.length} VMCOREINFOs: a crash kernel was loaded, or memory holds copies of another boot.`);
        for (const { source, release } of machine.facts.vmcoreinfo) out.line(`     ${source}: ${release ?? 'no OSRELEASE'}`);
      }
      if (candidates.length === 0) out.line('No root table was found.');
      for (const sentence of missing) out.line(sentence);
    }
    await out.flush();
    return candidates.length > 0 ? ExitCode.Done : ExitCode.Finding;
  } finally {
    await machine.close();
  }
}
