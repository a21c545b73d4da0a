import type { EntryVal, EntryValues, Level } from '@pgtable/core';

/** What a leaf says beside its frame and its permissions. */
export interface Marks {
  readonly write: boolean;
  readonly young: boolean;
  readonly dirty: boolean;
  readonly softDirty: boolean;
  readonly uffdWp: boolean;
  readonly special: boolean;
  readonly devmap: boolean;
}

/** The marks of a leaf. */
export function marksOf<L extends Level>(values: EntryValues<L>, value: EntryVal<L>): Marks {
  return {
    write: values.write(value), young: values.young(value), dirty: values.dirty(value), softDirty: values.softDirty(value), uffdWp: values.uffdWp(value),
    special: values.special(value), devmap: values.devmap(value),
  };
}

/** A leaf with these marks of its own; what it says of the frame and of permissions stays, whether it is writable excepted. */
export function withMarks<L extends Level>(values: EntryValues<L>, value: EntryVal<L>, marks: Marks): EntryVal<L> {
  // Writable comes before dirty: on some architectures the bits of a dirty page depend on it, and a mark of dirty is one of soft-dirty too.
  let made = values.mkclean(value);
  made = marks.write ? values.mkwrite(made) : values.wrprotect(made);
  if (marks.dirty) made = values.mkdirty(made);
  made = marks.young ? values.mkyoung(made) : values.mkold(made);
  made = marks.softDirty ? values.mksoftDirty(made) : values.clearSoftDirty(made);
  if (marks.uffdWp) made = values.mkuffdWp(made);
  if (marks.special) made = values.mkspecial(made);
  if (marks.devmap) made = values.mkdevmap(made);
  return made;
}
