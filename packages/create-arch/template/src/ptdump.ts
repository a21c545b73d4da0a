import { EntryKind, hexAddress, Insecure, ptdumpSize, type KernelView, type Marker, type PtdumpStyle } from '@pgtable/core';
import { Forbids, inherit } from './attributes.js';
import { A_LO, D_LO, G_LO, NC_LO, NX_HI, P_LO, U_LO, W_LO } from './bits.js';

/** The bits that the listing shows, or needs for what it shows. A line ends where one of them changes. */
const SHOWN_LO = P_LO | W_LO | U_LO | A_LO | D_LO | G_LO | NC_LO;
const SHOWN_HI = NX_HI;

/**
 * The kernel's listing, /sys/kernel/debug/kernel_page_tables.
 *
 * REPLACE: each member by what your arch/ARCH/mm/ptdump.c does; compare with a listing of a running kernel, byte for byte. Where your kernel
 * has no ptdump, keep a listing like this one.
 */
export const trioPtdump: PtdumpStyle = {
  source: 'made up',
  ranges: (root) => root.windows.filter(({ half }) => half === 'kernel'),
  maskLo: new Int32Array(5).fill(SHOWN_LO),
  maskHi: new Int32Array(5).fill(SHOWN_HI),
  attributes(kind, _level, lo, hi, out) {
    const shown = kind === EntryKind.Leaf;
    out[0] = shown ? lo & SHOWN_LO : 0;
    out[1] = shown ? hi & SHOWN_HI : 0;
  },
  // Permissions over all levels: what the last column and the check for W+X look at.
  effective: (_level, lo, hi, inherited) => inherit(inherited, lo, hi),
  heading: undefined,
  markerAdvance: 'all',
  prints: (lo) => (lo & P_LO) !== 0,
  line(start, end, pa, level, lo, _hi, effective) {
    const allows = (what: number, letter: string): string => ((effective & what) === 0 ? letter : '-');
    const allowed = `r${allows(Forbids.Write, 'w')}${allows(Forbids.Execute, 'x')}${allows(Forbids.User, 'u')}`;
    const flags = FLAGS.map(([mask, name]) => ((lo & mask) !== 0 ? name : '.'.padEnd(name.length)));
    return [`${hexAddress(start)}-${hexAddress(end)}`, hexAddress(pa), ptdumpSize(end - start, 'KMGT', 1024), level.toUpperCase(), allowed, ...flags].join(' ').trimEnd();
  },
  insecure: (_end, _level, lo, _hi, effective) => ((lo & P_LO) !== 0 && (effective & (Forbids.Write | Forbids.Execute)) === 0 ? Insecure.WritableExecutable : 0),
  finding: (_insecure, address, symbol) => `trio/mm: Found insecure W+X mapping at address ${hexAddress(address).slice(2)}/${symbol}`,
  verdict: ({ writableExecutable }) =>
    writableExecutable === 0 ? 'Checked W+X mappings: passed, no W+X pages found' : `Checked W+X mappings: failed, ${writableExecutable} W+X pages found`,
};

const FLAGS: readonly (readonly [mask: number, name: string])[] = [[A_LO, 'A'], [D_LO, 'D'], [G_LO, 'G'], [NC_LO, 'NC']];

/**
 * {@link ArchPlugin.markers}: the regions that the listing names, ascending. The first is at the start of the listing.
 *
 * REPLACE: the address markers of your ptdump.c. Take addresses from VMCOREINFO or symbols where they are, else from the kernel's constants.
 */
export function trioMarkers(kernel: KernelView): readonly Marker[] {
  const start = BigInt(kernel.root.windows.find(({ half }) => half === 'kernel')?.start ?? 0);
  const image = kernel.vmcoreinfo?.symbol('_stext') ?? kernel.symbol('_stext');
  return [{ start, name: 'Linear mapping' }, ...(image !== undefined && image > start ? [{ start: image, name: 'Kernel image' }] : [])];
}
