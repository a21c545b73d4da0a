import fc from 'fast-check';
import { FlushLedger, geometryOf, LEVELS, TableMemory, VmFlags, type EntryVal, type EntryValues, type FlushRange, type Level, type MmContext, type Prot, type WritableArch } from '@pgtable/core';
import { x86Arch, x86Geometry, type PagingMode, type X86Config } from '../src/index.js';

export const MODES: readonly PagingMode[] = ['5-level', '4-level', 'PAE', '2-level'];

/** Configurations that differ in what they write. */
export const CONFIGS: readonly (X86Config & { readonly title: string })[] = [
  { title: '5-level', mode: '5-level' },
  { title: '4-level', mode: '4-level' },
  { title: '4-level, encrypted', mode: '4-level', encryptionMask: 1n << 51n },
  { title: '4-level without NX', mode: '4-level', nx: false },
  { title: 'PAE', mode: 'PAE' },
  { title: '2-level', mode: '2-level' },
  { title: '2-level without PSE', mode: '2-level', pse: false },
];

export function archOf(config: X86Config, shared = false): WritableArch {
  return x86Arch(config, new TableMemory({ entryBytes: config.mode === '2-level' ? 4 : 8, entries: 1 << 11, shared }));
}

/** The levels of a configuration that exist and can map memory. */
export function leafLevels(arch: WritableArch): Level[] {
  return LEVELS.filter((level) => !geometryOf(arch.geometry, level).folded && arch.values[level].features.has('leaf'));
}

/** Every configuration with each of its leaf levels. */
export const LEAVES: readonly { readonly title: string; readonly config: X86Config; readonly level: Level }[] = CONFIGS.flatMap((config) =>
  leafLevels(archOf(config)).map((level) => ({ title: `${config.title}, ${level}`, config, level })),
);

/** A frame number that an entry of a level can hold. */
export function frames(config: X86Config, level: Level): fc.Arbitrary<number> {
  const { shift } = geometryOf(x86Geometry(config.mode), level);
  const bits = config.mode === '2-level' ? (level === 'pte' ? 20 : 28) : Math.min(config.physicalBits ?? 52, 47) - 12;
  return fc.integer({ min: 0, max: 2 ** (bits - (shift - 12)) - 1 }).map((frame) => frame * 2 ** (shift - 12));
}

/** Protections of users and of the kernel. */
export function prots(arch: WritableArch): fc.Arbitrary<Prot> {
  return fc.oneof(
    fc.integer({ min: 0, max: 15 }).map((flags) => arch.vmProt(flags)),
    fc.integer({ min: 0, max: 7 }).map((flags) => arch.kernelProt(flags | VmFlags.Read)),
  );
}

/** Present leaves with marks of all kinds. */
export function leafValues(config: X86Config, level: Level): fc.Arbitrary<EntryVal<Level>> {
  const arch = archOf(config);
  const values: EntryValues = arch.values[level];
  const marks = ['mkyoung', 'mkold', 'mkdirty', 'mkclean', 'mkwrite', 'wrprotect', 'mkspecial', 'mkdevmap', 'mksoftDirty', 'clearSoftDirty', 'mkuffdWp', 'mkinvalid'] as const;
  return fc.tuple(frames(config, level), prots(arch), fc.array(fc.constantFrom(...marks), { maxLength: 5 })).map(([pfn, prot, made]) => {
    let value = values.mkhuge(values.ofPfn(pfn, prot));
    for (const mark of made) value = values[mark](value);
    return value;
  });
}

/** A TLB that remembers what it was asked to forget. */
export class RecordingTlb {
  readonly flushed: FlushRange[] = [];
  flush(range: FlushRange): void {
    this.flushed.push(range);
  }
}

export function context(user = true): MmContext & { readonly tlb: RecordingTlb; readonly ledger: FlushLedger } {
  return { user, tlb: new RecordingTlb(), ledger: new FlushLedger() };
}
