import { ATT_LO, L_HI, NLB_HI, NLB_LO, NLS_LO, RPN_HI, RPN_LO, V_HI } from './bits.js';

function mask(lo: number, hi = 0): bigint {
  return (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
}

const V = mask(0, V_HI);
const L = mask(0, L_HI);

/**
 * {@link WritableArch.liveChange}: "Modifying a Translation Table Entry". Rights, R, C and software's bits may change in one step; where a valid
 * entry points, or what kind of memory that is, only by way of an invalid one.
 */
export function liveChange(old: bigint, value: bigint): string | undefined {
  if ((old & V) === 0n || (value & V) === 0n) return undefined;
  if (((old ^ value) & L) !== 0n) return 'a leaf and a pointer to a table replace each other only by way of an invalid entry';
  const leaf = (old & L) !== 0n;
  const where = leaf ? mask(RPN_LO, RPN_HI) : mask(NLB_LO | NLS_LO, NLB_HI);
  if (((old ^ value) & where) !== 0n) return 'the real address of a valid entry changes only by way of an invalid entry';
  if (leaf && ((old ^ value) & mask(ATT_LO)) !== 0n) return 'Att of a valid entry changes only by way of an invalid entry';
  return undefined;
}
