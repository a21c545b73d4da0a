/** What a page must be to the hardware, and what must be in it. */
export interface Page {
  /** Physical address of the page; undefined: not mapped. */
  readonly pa: number | undefined;
  /** Who may do what: of `VmFlags`. */
  readonly flags: number;
  /** The entry lets it be written: what was not written yet may have to fault first. */
  readonly write: boolean;
  /** A write goes through, without a fault in which software notes it. */
  readonly written: boolean;
  readonly half: 'user' | 'kernel';
  /** The word at {@link WORD_AT}; undefined: not known. */
  readonly word: number | undefined;
  /** Whether the hardware finds it depends on what it notes itself: it is not asked for. */
  readonly unsure?: boolean;
}

/** Where in each page the word is that is compared. At its begin: of addresses near 2 ** 64, which s390 has, a number can be that of a page and not that of another word. */
export const WORD_AT = 0;

/** An address that nothing is mapped at. */
export const NOTHING = { pa: undefined, flags: 0, write: false, written: false, word: undefined } as const;
