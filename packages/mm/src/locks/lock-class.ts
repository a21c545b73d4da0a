/**
 * A kind of lock, of which there may be many: all locks of PTE tables are one class. Rules and messages are about classes. Two objects of one name are the same
 * class, in all threads.
 *
 * Locking: none.
 */
export class LockClass {
  readonly name: string;
  /** The class that this one is taken inside of; see {@link nested}. */
  readonly outer: LockClass | undefined;
  /** What is done, for schedules and errors. */
  readonly taking: string;
  readonly releasing: string;
  private inner: LockClass | undefined;

  constructor(name: string, outer?: LockClass) {
    this.name = name;
    this.outer = outer;
    this.taking = `take ${name}`;
    this.releasing = `release ${name}`;
  }

  /**
   * The class of a second lock of this kind, which is taken while the first is held: the two locks of PTE tables between which entries are
   * moved. The kernel's name for it is `SINGLE_DEPTH_NESTING`. Who uses it has a rule for which of two locks comes first, or they deadlock unseen.
   */
  get nested(): LockClass {
    return (this.inner ??= new LockClass(`${this.name}/1`, this));
  }
}

/**
 * The classes of this model, outermost first.
 *
 * @see {@link DOCUMENTED_ORDER}
 */
export const lockClasses = {
  /** `mm->mmap_lock`: the VMAs of an address space. Sleeps. */
  mmapLock: new LockClass('mmap_lock'),
  /** The lock of one VMA. Sleeps. */
  vmaLock: new LockClass('vma_lock'),
  /** The lock of a folio. Sleeps. */
  folioLock: new LockClass('folio_lock'),
  /** `mapping->i_mmap_rwsem`: the VMAs that map a file. Sleeps. */
  iMmapRwsem: new LockClass('i_mmap_rwsem'),
  /** `anon_vma->rwsem`: the VMAs that may map an anonymous page. Sleeps. */
  anonVma: new LockClass('anon_vma'),
  /** `mm->page_table_lock`: tables above PMD tables. Spins. */
  pageTableLock: new LockClass('page_table_lock'),
  /** The split lock of a PMD table. Spins. */
  pmdPtl: new LockClass('pmd ptl'),
  /** The split lock of a PTE table. Spins. */
  ptePtl: new LockClass('pte ptl'),
  /** `lruvec->lru_lock`. Spins. */
  lruLock: new LockClass('lru_lock'),
  /** `zone->lock`: the frame allocator. Spins. */
  zoneLock: new LockClass('zone lock'),
} as const;
