/**
 * The layout of an entry at one level, as plain numbers: what a scan needs to classify entries and find addresses
 * without a call per entry.
 *
 * All formats are made by {@link entryFormat}, so that they have one shape and V8 keeps the scan loop monomorphic however
 * many architectures are loaded.
 *
 * Four ask it: `TableLevelOps.scan`, `childIndex` and `anyValid`, and `scanForRoots`. `TableLevelOps.set` asks too whether a value is a leaf, to write
 * many of them quickly, but not with {@link NEVER_VALID}.
 *
 * An entry is classified in this order, on its low word:
 *
 *     (lo & validMask) != validValue            empty exactly if lo, hi are the empty entry; else non-present
 *     (lo & tableMask) == tableValue            table, or bad if a bit of reservedTable is set
 *     (lo & leafMask)  == leafValue             leaf, or bad if a bit of reservedLeaf is set, or
 *                                               (lo & forbiddenLo) == forbiddenLoValue, or the same of hi
 *     else                                      bad
 *
 * A physical address is
 *
 *     ((hi & paHi) * 2 ** 32 + (lo & paLo)) * 2 ** paShift + ((lo & highLo) >>> highShift) * 2 ** highBit
 */
export interface EntryFormat {
  readonly validMask: number;
  readonly validValue: number;
  readonly tableMask: number;
  readonly tableValue: number;
  readonly leafMask: number;
  readonly leafValue: number;
  readonly reservedTableLo: number;
  readonly reservedTableHi: number;
  readonly reservedLeafLo: number;
  readonly reservedLeafHi: number;
  /** A combination that no leaf may have: riscv's W without R, its reserved memory type. */
  readonly forbiddenLo: number;
  readonly forbiddenLoValue: number;
  readonly forbiddenHi: number;
  readonly forbiddenHiValue: number;
  /** The empty entry. */
  readonly emptyLo: number;
  readonly emptyHi: number;
  /** Address bits of a leaf and of a table entry. */
  readonly leafPaLo: number;
  readonly leafPaHi: number;
  readonly tablePaLo: number;
  readonly tablePaHi: number;
  /** Left shift of the address bits: 2 for riscv, whose PPN stands at bit 10. */
  readonly paShift: number;
  /** 2 ** paShift, which is not free to compute for every run of a scan. Made by {@link entryFormat}, whatever is given. */
  readonly paScale: number;
  /** High address bits that stand in the low word (arm64 LPA and LPA2, x86 PSE-36). 0 for none. */
  readonly highLo: number;
  readonly highShift: number;
  readonly highBit: number;
  /** As `highLo`, of table entries (with PSE-36 only leaves have them). */
  readonly tableHighLo: number;
  /** Bytes that an entry maps. */
  readonly bytes: number;
  /** riscv Svnapot: the bit of the high word that makes the low address bits a group size. 0 for none. */
  readonly napotHi: number;
}

/** What may be left out, and what it then is. */
export type EntryFormatOptions = Partial<EntryFormat> & Pick<EntryFormat, 'validMask' | 'validValue' | 'bytes'>;

/**
 * Makes a format. Every mask may be given as an unsigned or signed 32-bit number.
 *
 * Defaults: no entry is a table (`tableMask` 0, `tableValue` 1), every valid entry that is no table is a leaf, nothing is
 * reserved or forbidden (masks 0, values 1), the empty entry is zero, no address bits.
 */
export function entryFormat(options: EntryFormatOptions): EntryFormat {
  const highLo = options.highLo ?? 0;
  return {
    validMask: options.validMask | 0,
    validValue: options.validValue | 0,
    tableMask: (options.tableMask ?? 0) | 0,
    tableValue: (options.tableValue ?? 1) | 0,
    leafMask: (options.leafMask ?? 0) | 0,
    leafValue: (options.leafValue ?? 0) | 0,
    reservedTableLo: (options.reservedTableLo ?? 0) | 0,
    reservedTableHi: (options.reservedTableHi ?? 0) | 0,
    reservedLeafLo: (options.reservedLeafLo ?? 0) | 0,
    reservedLeafHi: (options.reservedLeafHi ?? 0) | 0,
    forbiddenLo: (options.forbiddenLo ?? 0) | 0,
    forbiddenLoValue: (options.forbiddenLoValue ?? 1) | 0,
    forbiddenHi: (options.forbiddenHi ?? 0) | 0,
    forbiddenHiValue: (options.forbiddenHiValue ?? 1) | 0,
    emptyLo: (options.emptyLo ?? 0) | 0,
    emptyHi: (options.emptyHi ?? 0) | 0,
    leafPaLo: (options.leafPaLo ?? 0) | 0,
    leafPaHi: (options.leafPaHi ?? 0) | 0,
    tablePaLo: (options.tablePaLo ?? 0) | 0,
    tablePaHi: (options.tablePaHi ?? 0) | 0,
    paShift: options.paShift ?? 0,
    paScale: 2 ** (options.paShift ?? 0),
    highLo: highLo | 0,
    highShift: options.highShift ?? 0,
    highBit: options.highBit ?? 0,
    tableHighLo: (options.tableHighLo ?? highLo) | 0,
    bytes: options.bytes,
    napotHi: (options.napotHi ?? 0) | 0,
  };
}

/**
 * No entry is ever valid: for a level that has no tables or leaves of its own, and for all levels where no format can tell what an entry is, because bits of the
 * high word say so (powerpc's V and L). The architecture then extends `TableLevelOps` and overrides `scan`, `childIndex` and `anyValid`; nothing else
 * asks the format but `scanForRoots`, which cannot be used.
 */
export const NEVER_VALID: EntryFormat = entryFormat({ validMask: 0, validValue: 1, bytes: 0 });

/** Whether a valid entry that is no table is bad rather than a leaf. {@link EntryFormat.napotHi} is not considered. */
export function badLeaf(format: EntryFormat, lo: number, hi: number): boolean {
  return (
    (lo & format.leafMask) !== format.leafValue ||
    ((lo & format.reservedLeafLo) | (hi & format.reservedLeafHi)) !== 0 ||
    (lo & format.forbiddenLo) === format.forbiddenLoValue ||
    (hi & format.forbiddenHi) === format.forbiddenHiValue
  );
}

/** The physical address that a leaf's words hold, before {@link EntryFormat.napotHi} is considered. */
export function leafAddress(format: EntryFormat, lo: number, hi: number): number {
  return addressBits(format, lo & format.leafPaLo, hi & format.leafPaHi) + highBits(format, lo & format.highLo);
}

/** The physical address of the table that a table entry's words point to. */
export function tableAddress(format: EntryFormat, lo: number, hi: number): number {
  return addressBits(format, lo & format.tablePaLo, hi & format.tablePaHi) + highBits(format, lo & format.tableHighLo);
}

function addressBits(format: EntryFormat, lo: number, hi: number): number {
  return ((hi >>> 0) * 2 ** 32 + (lo >>> 0)) * format.paScale;
}

function highBits(format: EntryFormat, lo: number): number {
  // Most formats have none, and the power is not free.
  return lo === 0 ? 0 : (lo >>> format.highShift) * 2 ** format.highBit;
}
