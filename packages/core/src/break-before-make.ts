import { PgtableError } from './errors.js';
import type { FlushRange, MmContext, Tlb } from './flush.js';
import { LEVELS, type Level } from './levels.js';
import type { EntryVal } from './values.js';
import type { WritableArch } from './writable.js';

/** Is told of every change of a live entry before it is made; throws to refuse it. For tests and checkers. */
export interface EntryObserver {
  changing<L extends Level>(level: L, address: bigint, old: EntryVal<L>, value: EntryVal<L>): void;
}

/** A valid entry that was taken out and whose translation may still be cached. */
interface Broken {
  readonly level: Level;
  readonly address: bigint;
  readonly value: bigint;
}

/**
 * Holds an address space to its architecture's rule for changes of live entries ({@link WritableArch.liveChange}): what may not be
 * changed in one step must be made invalid, flushed, and only then written anew.
 *
 * It sees stores and flushes:
 *
 *     const checker = new BreakBeforeMake(arch, tlb);
 *     const mm: MmContext = { user: true, tlb: checker, observer: checker };
 */
export class BreakBeforeMake implements EntryObserver, Tlb {
  private readonly arch: WritableArch;
  private readonly tlb: Tlb;
  /** By level and address. */
  private readonly broken = new Map<string, Broken>();

  constructor(arch: Pick<WritableArch, 'values' | 'liveChange' | 'name' | 'geometry'>, tlb: Tlb) {
    this.arch = arch as WritableArch;
    this.tlb = tlb;
  }

  changing<L extends Level>(level: L, address: bigint, old: EntryVal<L>, value: EntryVal<L>): void {
    const values = this.arch.values[level];
    const key = `${level} ${address}`;
    if (values.valid(old)) {
      if (values.valid(value)) this.check(level, address, old, value, 'is live');
      else this.broken.set(key, { level, address, value: old });
      return;
    }
    const before = this.broken.get(key);
    if (before === undefined || !values.valid(value)) return;
    this.check(level, address, before.value as EntryVal<L>, value, 'was made invalid, but may still be cached');
  }

  flush(range: FlushRange): void {
    for (const [key, { level, address }] of this.broken) {
      // A flush without `tables` need not reach what is cached of entries that point to tables.
      const reaches = range.tables || LEVELS.indexOf(level) <= LEVELS.indexOf(range.level);
      if (reaches && address >= range.start && address < range.end) this.broken.delete(key);
    }
    this.tlb.flush(range);
  }

  private check<L extends Level>(level: L, address: bigint, old: EntryVal<L>, value: EntryVal<L>, state: string): void {
    const why = this.arch.liveChange?.(level, old, value);
    if (why === undefined) return;
    throw new PgtableError('EINVAL', `break-before-make: the ${level} entry 0x${old.toString(16)} ${state}, and becomes 0x${value.toString(16)}: ${why}`, {
      address,
      hint: 'clear the entry, flush, then set it',
    });
  }
}

/** A context whose every change is checked. */
export function checkedContext(arch: WritableArch, mm: MmContext): MmContext {
  const checker = new BreakBeforeMake(arch, mm.tlb);
  return { ...mm, tlb: checker, observer: checker };
}
