import { EntryKind, hexAddress, Insecure, ptdumpSize, type InsecureCounts, type Level, type PtdumpStyle, type Root } from '@pgtable/core';
import { Forbids, inherit } from './attributes.js';
import { A, D, G, LINUX_FLAGS_HI, LINUX_FLAGS_LO, NX_HI, P, PAT_4K, PCD, PS, PWT, RW, US } from './bits.js';
import type { FullConfig } from './config.js';
import { is64Bit } from './geometry.js';

/** Bits of `effective`. */
const Effective = { Write: 1, User: 2, NoExecute: 4 } as const;

/** Columns of an entry that is not present. */
const BLANK = ' '.repeat(30);

/**
 * The listing of arch/x86/mm/dump_pagetables.c (Linux 6.12), the files page_tables/kernel, current_kernel and
 * current_user in debugfs.
 *
 * Two habits of the kernel show in it. The PAT bit of large pages is bit 12, which Linux counts as an address bit, so it
 * prints nothing for them. And a PDPTE of PAE has no R/W bit, so on PAE nothing ever is effectively writable; there the
 * W+X check here goes by the last level's R/W, where the kernel's finds nothing.
 */
export function x86Ptdump(config: FullConfig): PtdumpStyle {
  const digits = is64Bit(config.mode) ? 16 : 8;
  const wide = config.mode !== '2-level';
  const flagsLo = (LINUX_FLAGS_LO | config.encryptionLo) | 0;
  const flagsHi = wide ? (LINUX_FLAGS_HI | config.encryptionHi) | 0 : 0;

  return {
    source: 'arch/x86/mm/dump_pagetables.c, Linux 6.12',
    maskLo: new Int32Array(5).fill(flagsLo),
    maskHi: new Int32Array(5).fill(flagsHi),
    heading: undefined,
    markerAdvance: 'line',

    ranges(root: Root) {
      if (!is64Bit(config.mode)) return [{ start: 0, end: 2 ** 32 }];
      const half = root.windows[0]!.end;
      // The kernel's half without its first 16 root entries, the hole for a hypervisor. @see GUARD_HOLE_END_ADDR
      return [{ start: 0, end: half }, { start: 2 ** 64 - half + 16 * (half / 256), end: 2 ** 64 }];
    },

    attributes(kind, level, lo, hi, out) {
      // Above the last level the walk takes an entry with nothing but A and D for empty. @see p4d_none() and its siblings
      const empty = kind === EntryKind.None || (level !== 'pte' && hi === 0 && (lo & ~(A | D)) === 0);
      out[0] = empty ? 0 : lo & flagsLo;
      out[1] = empty ? 0 : hi & flagsHi;
    },

    effective(level, lo, hi, inherited) {
      if (lo === 0 && hi === 0) return 0;
      const forbidden = inherit(config, inherited, level, lo, hi);
      const noExecute = (forbidden & Forbids.Execute) === 0 ? 0 : Effective.NoExecute;
      if (config.mode === 'PAE') return noExecute;
      return ((forbidden & Forbids.Write) === 0 ? Effective.Write : 0) | ((forbidden & Forbids.User) === 0 ? Effective.User : 0) | noExecute;
    },

    prints() {
      return true;
    },

    line(start, end, _pa, level, lo, hi) {
      const size = ptdumpSize(end - start, 'BKMGTPE', 1);
      return `${hexAddress(start, digits)}-${hexAddress(end, digits)}   ${size} ${protection(level, lo, hi)}${levelName(config, level, lo)}`;
    },

    insecure(_end, _level, lo, _hi, effective) {
      // Without a no-execute bit the kernel does not check at all.
      if (!config.nx || (effective & Effective.NoExecute) !== 0) return 0;
      // Only PAE takes the last level's word for it, and there an entry that is not present can still have the bit.
      const writable = config.mode === 'PAE' ? (lo & (P | RW)) === (P | RW) : (effective & Effective.Write) !== 0;
      return writable ? Insecure.WritableExecutable : 0;
    },

    finding(_insecure, _address, symbol) {
      return `x86/mm: Found insecure W+X mapping at address ${symbol}`;
    },

    verdict(counts: InsecureCounts) {
      return counts.writableExecutable === 0
        ? 'x86/mm: Checked W+X mappings: passed, no W+X pages found.'
        : `x86/mm: Checked W+X mappings: FAILED, ${counts.writableExecutable} W+X pages found.`;
    },
  };
}

function protection(level: Level, lo: number, hi: number): string {
  if ((lo & P) === 0) return BLANK;
  const last = level === 'pte';
  return (
    ((lo & US) === 0 ? '    ' : 'USR ') +
    ((lo & RW) === 0 ? 'ro ' : 'RW ') +
    ((lo & PWT) === 0 ? '    ' : 'PWT ') +
    ((lo & PCD) === 0 ? '    ' : 'PCD ') +
    (!last && (lo & PS) !== 0 ? 'PSE ' : '    ') +
    (last && (lo & PAT_4K) !== 0 ? 'PAT ' : '    ') +
    ((lo & G) === 0 ? '    ' : 'GLB ') +
    ((hi & NX_HI) === 0 ? 'x  ' : 'NX ')
  );
}

/** The kernel's name of the level: with two levels it looks at the top entries as pmds, unless they are empty. */
function levelName(config: FullConfig, level: Level, lo: number): string {
  return config.mode === '2-level' && level === 'pgd' && lo !== 0 ? 'pmd' : level;
}
