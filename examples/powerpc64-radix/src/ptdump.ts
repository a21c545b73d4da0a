import { EntryKind, Insecure, type KernelView, type Marker, type PtdumpStyle } from '@pgtable/core';
import { ATT_LO, ATT_NON_IDEMPOTENT_LO, C_LO, EXEC_LO, INVALID_HI, L_HI, PRIVILEGED_LO, R_LO, READ_LO, SPECIAL_LO, V_HI, WRITE_LO } from './bits.js';

/** One column of the flags: what stands there if `(word & mask) === value`, and what if not; undefined is no column at all. */
interface Column {
  readonly lo: number;
  readonly hi: number;
  readonly valueLo: number;
  readonly valueHi: number;
  readonly set: string;
  readonly clear: string | undefined;
}

const low = (lo: number, set: string, clear?: string): Column => ({ lo, hi: 0, valueLo: lo, valueHi: 0, set, clear });
const high = (hi: number, valueHi: number, set: string, clear: string): Column => ({ lo: 0, hi, valueLo: 0, valueHi, set, clear });

/** The columns in the kernel's order. Those of the hash MMU's own bits are empty under radix; one of them takes place nevertheless. */
const COLUMNS: readonly Column[] = [
  { lo: PRIVILEGED_LO, hi: 0, valueLo: 0, valueHi: 0, set: 'user', clear: '    ' },
  low(READ_LO, 'r', ' '),
  low(WRITE_LO, 'w', ' '),
  low(EXEC_LO, ' X ', '   '),
  high(L_HI, L_HI, 'pte', '   '),
  high(V_HI, V_HI, 'valid', '     '),
  high(V_HI | INVALID_HI, 0, '       ', 'present'),
  { lo: 0, hi: 0, valueLo: 1, valueHi: 0, set: 'hpte', clear: '    ' },
  low(C_LO, 'dirty', '     '),
  low(R_LO, 'accessed', '        '),
  low(ATT_NON_IDEMPOTENT_LO, 'non-idempotent', '              '),
  low(ATT_LO, 'tolerant', '        '),
  low(SPECIAL_LO, 'special'),
];

const SHOWN_LO = COLUMNS.reduce((bits, { lo }) => bits | lo, 0);
const SHOWN_HI = COLUMNS.reduce((bits, { hi }) => bits | hi, 0);

/** The kernel's listing, /sys/kernel/debug/kernel_page_tables. */
export const powerpc64Ptdump: PtdumpStyle = {
  source: 'arch/powerpc/mm/ptdump/ptdump.c and book3s64.c (Linux 6.12); never compared with a listing of a running kernel',
  ranges: (root) => root.windows,
  maskLo: new Int32Array(5).fill(SHOWN_LO),
  maskHi: new Int32Array(5).fill(SHOWN_HI),
  attributes(kind, _level, lo, hi, out) {
    out[0] = kind === EntryKind.None ? 0 : lo & SHOWN_LO;
    out[1] = kind === EntryKind.None ? 0 : hi & SHOWN_HI;
  },
  effective: () => 0,
  heading: undefined,
  markerAdvance: 'all',
  prints: (lo, hi) => (lo | hi) !== 0,
  line(start, end, pa, _level, lo, hi) {
    const columns = COLUMNS.map(({ lo: maskLo, hi: maskHi, valueLo, valueHi, set, clear }) => ((lo & maskLo) === valueLo && (hi & maskHi) === valueHi ? set : clear));
    const flags = columns.filter((column) => column !== undefined).map((column) => `  ${column}`);
    return `${hex(BigInt(start))}-${hex(BigInt(end) - 1n)}  ${hex(BigInt(pa))} ${size(end - start)}${flags.join('')}`;
  },
  insecure: (_end, _level, lo) => ((lo & (WRITE_LO | EXEC_LO)) === (WRITE_LO | EXEC_LO) ? Insecure.WritableExecutable : 0),
  finding: (_insecure, address, symbol) => `powerpc/mm: Found insecure W+X mapping at address ${hex(address)}/${symbol}`,
  verdict: ({ writableExecutable }) =>
    writableExecutable === 0 ? 'Checked W+X mappings: passed, no W+X pages found' : `Checked W+X mappings: FAILED, ${writableExecutable} W+X pages found`,
};

function hex(address: bigint): string {
  return `0x${address.toString(16).padStart(16, '0')}`;
}

/** As large a unit as leaves a whole number, in nine places. */
function size(bytes: number): string {
  let unit = 0;
  let count = bytes / 1024;
  for (; unit < 5 && count % 1024 === 0; unit++) count /= 1024;
  return `${count}`.padStart(9) + 'KMGTPE'.charAt(unit);
}

/** {@link ArchPlugin.markers}: the regions of a radix kernel, each of 512 TiB behind the linear mapping. A user's tables have none. */
export function powerpc64Markers(kernel: KernelView): readonly Marker[] {
  if (kernel.root.windows.some(({ half }) => half === 'user')) return [{ start: 0n, name: 'User' }];
  const io = 0xc00a_0000_0000_0000n;
  return [
    { start: 0xc000_0000_0000_0000n, name: 'Start of kernel VM' },
    { start: 0xc008_0000_0000_0000n, name: 'vmalloc() Area' },
    { start: io, name: 'vmalloc() End' },
    { start: io, name: 'isa I/O start' },
    { start: io + 0x1_0000n, name: 'isa I/O end' },
    { start: io + 0x1_0000n, name: 'phb I/O start' },
    { start: io + 0x8000_0000n, name: 'phb I/O end' },
    { start: io + 0x8000_0000n, name: 'I/O remap start' },
    { start: 0xc00b_ffff_fe00_0000n, name: 'I/O remap end' },
    { start: 0xc00c_0000_0000_0000n, name: 'vmemmap start' },
  ];
}
