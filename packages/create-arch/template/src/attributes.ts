import { Access, type Attributes, type Level } from '@pgtable/core';
import { A_LO, D_LO, G_LO, H_LO, NC_LO, NONE_LO, NX_HI, P_LO, SPECIAL_LO, U_LO, W_LO } from './bits.js';

/** What an entry forbids for all that is below it: the bits of the number that {@link inherit} hands down. */
export const Forbids = { Write: 1, User: 2, Execute: 4 } as const;

/**
 * {@link Arch.inherit}: what this entry forbids, and those above.
 *
 * REPLACE: what your table entries hand down, as a number of your own. Many machines hand down nothing: return 0.
 */
export function inherit(inherited: number, lo: number, hi: number): number {
  return inherited | ((lo & W_LO) === 0 ? Forbids.Write : 0) | ((lo & U_LO) === 0 ? Forbids.User : 0) | ((hi & NX_HI) !== 0 ? Forbids.Execute : 0);
}

/**
 * {@link Arch.describe}.
 *
 * What is present can be read. The kernel reads and writes users' pages, and executes none of them.
 *
 * REPLACE: the permissions of your manual. `accessed` and `dirty` are undefined where an entry does not say.
 */
export function describe(level: Level, lo: number, hi: number, inherited: number): Attributes {
  const table = level !== 'pte' && (lo & (P_LO | H_LO)) === P_LO;
  return {
    access: accessOf(inherit(inherited, lo, hi), table),
    accessed: table ? undefined : (lo & A_LO) !== 0,
    dirty: table ? undefined : (lo & D_LO) !== 0,
    global: (lo & G_LO) !== 0,
    memoryType: table ? '' : (lo & NC_LO) !== 0 ? 'NC' : 'WB',
    group: 1,
    flags: flagNames(lo, hi),
  };
}

/** @param table tables hold users' and the kernel's pages, so the kernel may execute what is below */
function accessOf(forbids: number, table: boolean): number {
  const user = (forbids & Forbids.User) === 0;
  const write = (forbids & Forbids.Write) === 0;
  const execute = (forbids & Forbids.Execute) === 0;
  const kernel = Access.KernelRead | (write ? Access.KernelWrite : 0) | (execute && (table || !user) ? Access.KernelExecute : 0);
  return user ? kernel | Access.UserRead | (write ? Access.UserWrite : 0) | (execute ? Access.UserExecute : 0) : kernel;
}

const FLAGS: readonly (readonly [mask: number, name: string])[] = [
  [P_LO, 'P'], [H_LO, 'H'], [W_LO, 'W'], [U_LO, 'U'], [A_LO, 'A'], [D_LO, 'D'], [G_LO, 'G'], [NC_LO, 'NC'], [SPECIAL_LO, 'SPECIAL'], [NONE_LO, 'NONE'],
];

/** The names of the bits that are set, from bit 0 up. */
export function flagNames(lo: number, hi: number): string[] {
  const names = FLAGS.filter(([mask]) => (lo & mask) !== 0).map(([, name]) => name);
  if ((hi & NX_HI) !== 0) names.push('NX');
  return names;
}
