import { hexAddress, Insecure } from '@pgtable/core';
import { checkInsecure, type Symbols } from '@pgtable/walk';
import { endAddress } from '../describe.js';
import { ExitCode } from '../exit-codes.js';
import { Output } from '../io.js';
import { Machine } from '../machine.js';
import { intersect, loadTables, windowsOf, type CommandContext } from './common.js';

/** `pgtable check`: the kernel's check for writable and executable mappings, with its words and its counts. */
export async function check({ io, machine: options }: CommandContext, format: 'text' | 'json'): Promise<ExitCode> {
  const machine = await Machine.open(options);
  try {
    const opened = machine.listedRoot();
    const { arch, root } = opened.space;
    const whole = arch.ptdump.ranges(root);
    // Pages of a process may be writable and executable. They are looked at if somebody named its root; if it was taken for want of the kernel's, they are not.
    const isSubstitute = machine.rootChoice === undefined && opened.candidate.role !== 'kernel' && opened.candidate.source !== 'given';
    const kernels = isSubstitute ? intersect(whole, windowsOf(opened, 'kernel')) : [];
    const ranges = kernels.length > 0 ? kernels : whole;
    await loadTables(io, opened, ranges);
    // Who chose the root of a process may think that its pages are looked at too.
    if ((machine.rootChoice !== undefined || isSubstitute) && root.windows.some((window) => intersect([window], ranges).length === 0)) {
      io.stderr.write(`pgtable: as the kernel's, this check is of ${ranges.map(({ start, end }) => `${hexAddress(start)}-${endAddress(end)}`).join(' and ')} alone: pgtable ptdump --user --filter w x --format table lists the pages of a process\n`);
    }
    const { counts, findings, unchecked } = checkInsecure(opened.space, { ranges });
    const out = new Output(io.stdout);
    const { vmcoreinfo } = await machine.kernelOf(opened);
    const offset = machine.symbols?.movedBy(vmcoreinfo, machine.plugin.kernelOffset(vmcoreinfo)) ?? 0n;
    for (const { start, end, insecure } of findings) {
      const address = BigInt(start);
      const found = nearestSymbol(machine, address - offset);
      const symbol = found === undefined ? hexAddress(address) : `${found.name}+0x${found.offset.toString(16)}/0x${found.size.toString(16)}`;
      const pages = (end - start) / arch.geometry.pageBytes;
      if (format === 'json') {
        out.line(
          JSON.stringify({
            start: hexAddress(start),
            end: endAddress(end),
            pages,
            writableExecutable: (insecure & Insecure.WritableExecutable) !== 0,
            userExecutable: (insecure & Insecure.UserExecutable) !== 0,
            ...(found === undefined ? {} : { symbol }),
          }),
        );
      } else {
        for (const bit of [Insecure.WritableExecutable, Insecure.UserExecutable]) {
          if ((insecure & bit) !== 0) out.line(arch.ptdump.finding(bit, address, symbol));
        }
        // Not the kernel's words, so on a line of its own.
        out.line(`  ${hexAddress(start)}-${endAddress(end)}, ${pages} page${pages === 1 ? '' : 's'}`);
      }
    }
    const found = counts.writableExecutable + counts.userExecutable > 0;
    // The kernel always has all of its tables, so it has no words for this. What was not looked at has not passed.
    const verdict = found || unchecked.length === 0 ? arch.ptdump.verdict(counts) : 'Checked W+X mappings: no W+X pages found in what is in the dump, which is not all';
    if (format === 'json') {
      out.line(JSON.stringify({ ...counts, unchecked: unchecked.map(({ start, end }) => ({ start: hexAddress(start), end: endAddress(end) })), verdict }));
    } else {
      for (const { start, end } of unchecked) out.line(`Not checked: ${hexAddress(start)}-${endAddress(end)}, the page tables are not in the dump`);
      out.line(verdict);
    }
    await out.flush();
    if (found) return ExitCode.Finding;
    return unchecked.length > 0 ? ExitCode.Unreadable : ExitCode.Done;
  } finally {
    await machine.close();
  }
}

/** More than any symbol: an address so far behind one is in no kernel image. */
const LARGEST_SYMBOL = 2n ** 31n;

/** The symbol that an address lies in; undefined where symbols are too far from it to say anything. */
function nearestSymbol({ symbols }: Machine, address: bigint): ReturnType<Symbols['nearest']> {
  const found = symbols?.nearest(address);
  return found === undefined || found.offset >= LARGEST_SYMBOL || found.size >= LARGEST_SYMBOL ? undefined : found;
}
