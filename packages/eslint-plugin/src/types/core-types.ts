/** The types of `@pgtable/core` that the rules ask for by name. */
const CORE_TYPES = [
  'Arch', 'WritableArch', 'LevelOps', 'WritableOps', 'BasicLevelOps', 'TableLevelOps', 'MmContext', 'FlushPromise', 'FlushLedger', 'MmuGather', 'Tlb', 'TableMemory', 'UnlinkedTable', 'EntryBuffer', 'EntryValues',
] as const;

export type CoreType = (typeof CORE_TYPES)[number];

/** The names of the unique symbols by which its handles and values are told from other types: a live entry's handle, a pointer that may be either, and a value. */
const BRANDS = ['hw', 'ptr', 'value'] as const;

export type Brand = (typeof BRANDS)[number];

/** What declares a type that a rule may look for: those, and what says nothing of its handles itself. Whatever else has to do with handles is made of these. */
export const SOUGHT: ReadonlySet<string> = new Set([...CORE_TYPES, ...BRANDS, 'HandleFamily']);
