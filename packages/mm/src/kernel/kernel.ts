import {
  FlushLedger, PgtableError, TableMemory, type HandleFamily, type MmContext, type Root, type Tlb, type VaWindow, type WritableArch,
} from '@pgtable/core';
import type { VaRange } from '@pgtable/walk';
import { FrameTables } from '../frames/frame-tables.js';
import { Frames, type SharedFrames } from '../frames/frames.js';
import { FrameType, FrameWord } from '../frames/memmap.js';
import { LockOrder, type SharedLockOrder } from '../locks/lock-order.js';
import { Rcu, type SharedRcu } from '../locks/rcu.js';
import { rwIsLocked } from '../locks/rw-lock.js';
import { spinIsLocked } from '../locks/spin-lock.js';
import { currentThread, setCurrentThread, Thread, Threads, type SharedThreads } from '../locks/thread.js';
import { MAX_TABLE_OWNERS } from '../pagetable/constructor.js';
import { PAGE_TABLE_COUNTER_WORDS, PageTables } from '../pagetable/page-tables.js';
import { schedulePoint } from '../schedule-point.js';
import { Mapping, MAPPING_WORDS, MappingWord } from './mapping.js';
import { Mm, MM_KINDS, MM_WORDS, MmWord } from './mm.js';
import { RcuKind } from './rcu-kinds.js';
import { SharedWords, type SharedWordsImage } from './shared-words.js';
import { noTableHooks, type TableHooks } from './table-hooks.js';
import { RECORD_WORDS, VmaJournal } from './vma-journal.js';
import { VmaSlots } from './vma-slots.js';
import { Vma } from './vma.js';

/** A machine: an architecture in one configuration, for both halves of the addresses. It cannot be posted, so each thread makes its own. */
export interface Platform<H extends HandleFamily = HandleFamily> {
  readonly entryBytes: 4 | 8 | 16;
  /** The architecture, over tables that are found in `tables`. */
  make(half: VaWindow['half'], tables: TableMemory): WritableArch<H>;
  /** The root of a half. @param table physical address of the root table */
  root(half: VaWindow['half'], table: number): Root;
}

/**
 * What is checked beside what always is. All off by default.
 *
 * A kernel itself checks locks and flushes. The others watch entries: {@link KernelParts.watch} puts them there, as `bootKernel` does.
 */
export interface KernelChecks {
  /** Each thread's locks: {@link Lockdep}. Of a kernel that `bootKernel` made also whether entries are changed without the lock of their table. */
  readonly lockdep?: boolean;
  /** No frame is mapped as an anonymous page and as a file's: `page_table_check`. */
  readonly pageTableCheck?: boolean;
  /** A page table is writable inside of accessors alone. */
  readonly writeProtect?: boolean;
  /** No frame is freed while translations to it may be cached. */
  readonly staleTranslations?: boolean;
  /** Entries are changed as the architecture demands: what it forbids in one step is made invalid and flushed in between. Of each thread by itself; nothing where the architecture demands nothing. */
  readonly breakBeforeMake?: boolean;
  /** No flush promise is dropped: {@link Kernel.ledger}. */
  readonly flushes?: boolean;
}

/** An address space that is being opened in this thread: {@link Kernel.mm} does not know it yet. */
export type OpeningMm<H extends HandleFamily = HandleFamily> = Pick<Mm<H>, 'id' | 'kind' | 'arch' | 'root'>;

/**
 * Has checks watch the entries and flushes of an address space. Is called once for each address space in each thread.
 *
 * @returns the context that all accessors are given: the one that came, with observers
 */
export type MmWatcher = (kernel: Kernel, context: MmContext, mm: OpeningMm) => MmContext;

/** What is of one thread: it cannot be posted. */
export interface KernelParts<H extends HandleFamily = HandleFamily> {
  /** What address spaces do with their page tables. Without it page tables below the roots are out of reach. */
  readonly tables?: TableHooks<H>;
  /** Puts checks of its own into the context of each address space. */
  readonly watch?: MmWatcher;
}

/** Sizes: shared memory does not grow. */
export interface KernelOptions<H extends HandleFamily = HandleFamily> extends KernelParts<H> {
  /** Bytes of physical memory. Default 4096 frames. */
  readonly bytes?: number;
  /** Physical address of the first frame. Default 0x40000000. */
  readonly base?: number;
  /** Address spaces at a time, init_mm counted. Default 64. */
  readonly mms?: number;
  /** VMAs at a time, of all address spaces, those counted that wait for their grace periods. Default 4096. */
  readonly vmas?: number;
  /** `sysctl_max_map_count`: VMAs of one address space. Default 1024. */
  readonly mapCount?: number;
  /** Changes of VMAs in the journal of an address space before it is written anew. At least `mapCount` + 8. Default 2048. */
  readonly journal?: number;
  /** Files at a time. Default 64. */
  readonly mappings?: number;
  /** Words that {@link Kernel.words} gives out; each page of a file takes one. Default 65536. */
  readonly words?: number;
  /** Ranges of the kernel's addresses whose owners walk them without locks: vmalloc, modules. */
  readonly vmalloc?: readonly VaRange[];
  readonly checks?: KernelChecks;
}

/** Where everything is in the shared words, and how much of it. */
interface Layout {
  readonly mms: number;
  readonly mmAt: number;
  readonly journals: number;
  readonly journalRecords: number;
  readonly mapCount: number;
  readonly vmas: number;
  readonly slots: number;
  readonly mappings: number;
  readonly mappingAt: number;
  readonly accounts: number;
  readonly zeroPfn: number;
  /** Frames that are free when nothing is mapped. */
  readonly quietFrames: number;
}

/** A {@link Kernel} in a form that can be posted to a worker. */
export interface SharedKernel {
  readonly frames: SharedFrames;
  readonly words: SharedWordsImage;
  readonly rcu: SharedRcu;
  readonly accesses: SharedRcu;
  readonly threads: SharedThreads;
  readonly order: SharedLockOrder | undefined;
  readonly layout: Layout;
  readonly vmalloc: readonly VaRange[];
  readonly checks: KernelChecks;
}

const INIT_MM = 1;

/**
 * A machine and its kernel: memory, page tables, address spaces, files, locks, for all threads.
 *
 * What threads share is in shared memory: one thread makes a kernel, and posts {@link share} to the others, which {@link attach}. Each says who it is by {@link join}.
 *
 * Locking: none, where nothing else is said.
 */
export class Kernel<H extends HandleFamily = HandleFamily> {
  readonly platform: Platform<H>;
  readonly frames: Frames;
  /** The same memory as page tables. */
  readonly tables: TableMemory;
  readonly pageTables: PageTables<H>;
  /** Read sections of the kernel's code. */
  readonly rcu: Rcu;
  /** Memory accesses of processors, as read sections: from the walk of the tables until the access is done. A flush of the TLB waits for those that have begun. */
  readonly accesses: Rcu;
  readonly threads: Threads;
  /** What the locks of the threads are held to; undefined: nothing is. */
  readonly order: LockOrder | undefined;
  /** Small ranges of shared words, for locks and counters. */
  readonly words: SharedWords;
  /** The VMAs of all address spaces. */
  readonly slots: VmaSlots;
  /** The shared zero page. */
  readonly zeroPfn: number;
  readonly checks: KernelChecks;
  /** Of this thread: flush promises that were not kept. Of a kernel that checks them. */
  readonly ledger: FlushLedger | undefined;
  readonly vmalloc: readonly VaRange[];
  /** VMAs that an address space can have. */
  readonly mapCountLimit: number;
  /** Records in the journal of an address space. */
  readonly journalRecords: number;
  private readonly image: SharedKernel;
  private readonly archs: Readonly<Record<VaWindow['half'], WritableArch<H>>>;
  private readonly hooks: TableHooks<H>;
  private readonly watch: MmWatcher | undefined;
  private readonly mms = new Map<number, Mm<H>>();
  private readonly vmas = new Map<number, Vma<H>>();
  private readonly files = new Map<number, { readonly generation: number; readonly mapping: Mapping<H> }>();

  private constructor(platform: Platform<H>, image: SharedKernel, parts: KernelParts<H>) {
    const { layout, checks } = image;
    this.platform = platform;
    this.image = image;
    this.checks = checks;
    this.frames = Frames.attach(image.frames);
    this.tables = new FrameTables(this.frames, platform.entryBytes);
    this.words = SharedWords.attach(image.words);
    this.pageTables = new PageTables<H>(this.frames, this.tables, this.words.words, layout.accounts);
    this.rcu = Rcu.attach(image.rcu);
    this.accesses = Rcu.attach(image.accesses);
    this.threads = Threads.attach(image.threads);
    this.order = image.order === undefined ? undefined : LockOrder.attach(image.order);
    this.slots = new VmaSlots(this.words.words, layout.slots, layout.vmas);
    this.zeroPfn = layout.zeroPfn;
    this.vmalloc = image.vmalloc;
    this.mapCountLimit = layout.mapCount;
    this.journalRecords = layout.journalRecords;
    this.ledger = checks.flushes === true ? new FlushLedger() : undefined;
    this.archs = { user: platform.make('user', this.tables), kernel: platform.make('kernel', this.tables) };
    this.hooks = parts.tables ?? noTableHooks();
    this.watch = parts.watch;
    this.rcu.handle(RcuKind.FreeVma, (id) => { this.slots.free(id); });
    this.rcu.handle(RcuKind.FreeTable, (address) => { this.pageTables.free(address); });
    this.rcu.handle(RcuKind.PutFrame, (pfn) => { this.frames.put(pfn); });
  }

  /**
   * Boots: memory, the zero page, and init_mm with an empty root table.
   *
   * @throws PgtableError `EINVAL` for sizes that cannot be; `ENOMEM` if they are too small for that; `ENOTSUP` without SharedArrayBuffer
   */
  static create<H extends HandleFamily>(platform: Platform<H>, options: KernelOptions<H> = {}): Kernel<H> {
    if (!('SharedArrayBuffer' in globalThis)) {
      throw new PgtableError('ENOTSUP', 'a kernel cannot be made here: there is no SharedArrayBuffer', { hint: 'serve the page cross-origin isolated (COOP: same-origin, COEP: require-corp)' });
    }
    const { mms = 64, vmas = 4096, mapCount = 1024, journal = 2048, mappings = 64, words: small = 65_536, vmalloc = [], checks = {} } = options;
    checkSizes({ mms, vmas, mapCount, journal, mappings });
    const { pageBytes } = platform.make('user', new TableMemory({ entryBytes: platform.entryBytes })).geometry;
    const threads = new Threads();
    const boot = threads.join('boot');
    const before = setCurrentThread(boot);
    try {
      const { bytes = 4096 * pageBytes, base = 0x4000_0000 } = options;
      const frames = Frames.create({ bytes, base, pageBytes });
      const fixed = mms * (MM_WORDS + journal * RECORD_WORDS) + (vmas + 1) * 16 + mappings * MAPPING_WORDS + PAGE_TABLE_COUNTER_WORDS;
      const words = new SharedWords(small + fixed + 16);
      // The first frame of all: so no table begins there, and no handle is 0.
      const zeroPfn = frames.allocPages(0);
      frames.markReserved(zeroPfn);
      const layout: Layout = {
        mms, mapCount, journalRecords: journal, vmas, mappings, zeroPfn, quietFrames: 0,
        mmAt: words.reserve(mms * MM_WORDS),
        journals: words.reserve(mms * journal * RECORD_WORDS),
        slots: VmaSlots.reserve(words, vmas),
        mappingAt: words.reserve(mappings * MAPPING_WORDS),
        accounts: words.reserve(PAGE_TABLE_COUNTER_WORDS),
      };
      const image: SharedKernel = {
        frames: frames.share(), words: words.share(), threads: threads.share(), layout, vmalloc, checks,
        // Every VMA and every frame may wait for a grace period at the same time.
        rcu: new Rcu({ calls: vmas + frames.count }).share(),
        accesses: new Rcu({ calls: 1 }).share(),
        order: checks.lockdep === true ? new LockOrder().share() : undefined,
      };
      new Kernel(platform, image, options).makeMm(INIT_MM, 'init');
      return new Kernel(platform, { ...image, layout: { ...layout, quietFrames: frames.free } }, options);
    } finally {
      setCurrentThread(before);
      threads.leave(boot);
    }
  }

  /**
   * The same kernel in another JavaScript thread.
   *
   * @param platform the same machine
   */
  static attach<H extends HandleFamily>(image: SharedKernel, platform: Platform<H>, parts: KernelParts<H> = {}): Kernel<H> {
    return new Kernel(platform, image, parts);
  }

  /** For {@link Kernel.attach}. */
  share(): SharedKernel {
    return this.image;
  }

  /**
   * A new thread of the model, which this JavaScript thread plays from here on.
   *
   * @param name for messages
   * @throws PgtableError `ENOMEM` if there are {@link MAX_THREADS} already
   */
  join(name: string): Thread {
    const thread = this.threads.join(name, this.order);
    setCurrentThread(thread);
    return thread;
  }

  /** The current thread ends. @throws LockRuleError if it still has locks, and is checked */
  leave(): void {
    this.threads.leave(currentThread());
  }

  /** `init_mm`: the kernel's own half of the addresses. */
  get initMm(): Mm<H> {
    return this.mm(INIT_MM);
  }

  /**
   * `mm_alloc()`: a new address space with an empty root table and one user.
   *
   * Locking: none; takes the zone lock.
   *
   * @param kind of a process, or a special one, as efi_mm is
   * @throws PgtableError `ENOMEM` if there are too many, or no frames for the root
   */
  newMm(kind: 'user' | 'special' = 'user'): Mm<H> {
    const { words } = this.words;
    for (let id = INIT_MM + 1; id <= this.image.layout.mms; id++) {
      const at = this.mmAt(id) + MmWord.Generation;
      schedulePoint('take the number of an address space', words, at);
      const generation = Atomics.load(words, at);
      // Odd, so that nobody else takes it.
      if ((generation & 1) !== 0 || Atomics.compareExchange(words, at, generation, (generation + 1) | 0) !== generation) continue;
      try {
        this.makeMm(id, kind);
      } catch (error) {
        Atomics.add(words, at, 1);
        throw error;
      }
      return this.mm(id);
    }
    throw new PgtableError('ENOMEM', `there are ${this.image.layout.mms} address spaces already`, { hint: 'make the kernel with more `mms`, or have mmput() called for those that ended' });
  }

  /**
   * An address space by its number, in any thread.
   *
   * @throws PgtableError `EINVAL` if there is none of that number
   */
  mm(id: number): Mm<H> {
    const known = this.mms.get(id);
    if (known?.alive === true) return known;
    const at = this.mmAt(id);
    if (!(id >= 1 && id <= this.image.layout.mms) || (Atomics.load(this.words.words, at + MmWord.Generation) & 1) === 0) {
      throw new PgtableError('EINVAL', `there is no address space ${id}`, { hint: 'numbers come from Mm.id; hold a reference (mmget, mmgrab) as long as you use one' });
    }
    const mm = new Mm(this, id, at, this.journalAt(id), this.hooks);
    this.mms.set(id, mm);
    return mm;
  }

  /**
   * A new file, whose pages are all 0.
   *
   * @param pages how many
   * @throws PgtableError `ENOMEM` if there are too many files, or they have too many pages; `EINVAL` for a number that cannot be
   */
  newMapping(pages: number): Mapping<H> {
    const { words } = this.words;
    const { mappings } = this.image.layout;
    for (let id = 1; id <= mappings; id++) {
      const at = this.mappingAt(id);
      schedulePoint('take the number of a mapping', words, at + MappingWord.Generation);
      const generation = Atomics.load(words, at + MappingWord.Generation);
      if ((generation & 1) !== 0 || Atomics.compareExchange(words, at + MappingWord.Generation, generation, (generation + 1) | 0) !== generation) continue;
      try {
        words[at + MappingWord.Cache] = this.words.alloc(pages);
      } catch (error) {
        Atomics.add(words, at + MappingWord.Generation, 1);
        throw error;
      }
      words[at + MappingWord.Pages] = pages;
      return this.mapping(id);
    }
    throw new PgtableError('ENOMEM', `there are ${mappings} files already`, { hint: 'make the kernel with more `mappings`, or free() those that are not used' });
  }

  /** A file by its number, in any thread. @throws PgtableError `EINVAL` if there is none of that number */
  mapping(id: number): Mapping<H> {
    const at = this.mappingAt(id);
    const generation = id >= 1 && id <= this.image.layout.mappings ? Atomics.load(this.words.words, at + MappingWord.Generation) : 0;
    if ((generation & 1) === 0) throw new PgtableError('EINVAL', `there is no mapping ${id}`, { hint: 'numbers come from Mapping.id, until free()' });
    const known = this.files.get(id);
    if (known?.generation === generation) return known.mapping;
    const mapping = new Mapping(this, id, at);
    this.files.set(id, { generation, mapping });
    return mapping;
  }

  /** For {@link Mm} and {@link Mapping}: this thread's object for a VMA. */
  vma(mm: Mm<H>, id: number, generation: number): Vma<H> {
    const known = this.vmas.get(id);
    if (known?.generation === generation && known.mm === mm) return known;
    const vma = new Vma(mm, id, generation);
    this.vmas.set(id, vma);
    return vma;
  }

  /**
   * For {@link Mm}: `vm_area_alloc()`.
   *
   * Locking: may wait for grace periods, so no spin lock and no read section.
   *
   * @returns the number of a slot
   * @throws PgtableError `ENOMEM`
   */
  allocVma(): number {
    let id = this.slots.alloc();
    if (id === 0 && this.rcu.pending > 0) {
      this.rcu.barrier();
      id = this.slots.alloc();
    }
    if (id === 0) throw new PgtableError('ENOMEM', `there are ${this.slots.count} VMAs, and there is no room for another`, { hint: 'make the kernel with more `vmas`' });
    return id;
  }

  /** The architecture of an address space. */
  archOf(kind: Mm['kind']): WritableArch<H> {
    return this.archs[halfOf(kind)];
  }

  /** The root of an address space: processes and init_mm have one half of the addresses, special ones what their root translates. */
  rootOf(kind: Mm['kind'], table: number): Root {
    const half = halfOf(kind);
    const root = this.platform.root(half, table);
    return kind === 'special' ? root : { ...root, windows: root.windows.filter((window) => window.half === half) };
  }

  /** For {@link Mm}: its context. */
  contextOf(mm: OpeningMm<H>): MmContext {
    const context: MmContext = { user: mm.kind === 'user', tlb: this.newTlb(), ...(this.ledger === undefined ? {} : { ledger: this.ledger }) };
    return this.watch === undefined ? context : this.watch(this, context, mm);
  }

  /**
   * Says that nothing is left but what there was after boot: the end of a test. Makes the deferred calls first.
   *
   * Locking: nothing may be held.
   *
   * @throws PgtableError `EBADMSG` with all that is left; LockRuleError if this thread has locks, and is checked
   */
  assertQuiet(): void {
    currentThread().lockdep?.assertNoneHeld('the end');
    this.rcu.barrier();
    const left = [...this.framesLeft(), ...this.tablesLeft(), ...this.locksLeft()];
    if (this.slots.live !== 0) left.push(`${this.slots.live} VMAs`);
    const mms = this.numbers(this.image.layout.mms, (id) => this.mmAt(id) + MmWord.Generation).filter((id) => id !== INIT_MM);
    if (mms.length > 0) left.push(`address spaces ${mms.join(', ')}`);
    const mappings = this.numbers(this.image.layout.mappings, (id) => this.mappingAt(id) + MappingWord.Generation);
    if (mappings.length > 0) left.push(`mappings ${mappings.join(', ')}`);
    if (this.words.used !== 0) left.push(`${this.words.used} shared words`);
    const dropped = this.ledger?.dropped().length ?? 0;
    if (dropped > 0) left.push(`${dropped} flush promises`);
    if (left.length > 0) throw new PgtableError('EBADMSG', `the kernel is not quiet: ${left.join('; ')}`, { hint: 'what was allocated is to be freed, what was locked released, what was promised kept' });
  }

  private framesLeft(): string[] {
    const { frames } = this;
    const { quietFrames } = this.image.layout;
    if (frames.free === quietFrames) return [];
    const counts = new Map<number, number>();
    for (let pfn = frames.firstPfn; pfn < frames.firstPfn + frames.count; pfn++) {
      const type = frames.read(pfn, FrameWord.Type);
      if (type !== FrameType.Free && type !== FrameType.Reserved) counts.set(type, (counts.get(type) ?? 0) + 1);
    }
    const names = Object.entries(FrameType);
    const list = [...counts].map(([type, count]) => `${count} ${names.find(([, value]) => value === type)?.[0] ?? type}`);
    return [`${quietFrames - frames.free} frames (in use, the root of init_mm counted: ${list.join(', ')})`];
  }

  private tablesLeft(): string[] {
    const tables = this.pageTables.nrPageTables() - 1;
    const locks = this.pageTables.locksInitialised();
    return [...(tables === 0 ? [] : [`${tables} page tables`]), ...(locks === 0 ? [] : [`${locks} split locks`])];
  }

  private locksLeft(): string[] {
    const { words } = this.words;
    const { layout } = this.image;
    const mms = this.numbers(layout.mms, (id) => this.mmAt(id) + MmWord.Generation);
    const mappings = this.numbers(layout.mappings, (id) => this.mappingAt(id) + MappingWord.Generation);
    return [
      ...mms.filter((id) => rwIsLocked(words, this.mmAt(id) + MmWord.Lock)).map((id) => `mmap_lock of ${id} is held`),
      ...mms.filter((id) => spinIsLocked(words, this.mmAt(id) + MmWord.PageTableLock)).map((id) => `page_table_lock of ${id} is held`),
      ...mappings.filter((id) => rwIsLocked(words, this.mappingAt(id) + MappingWord.Lock)).map((id) => `i_mmap_rwsem of ${id} is held`),
    ];
  }

  /** Numbers whose generation is odd. */
  private numbers(count: number, at: (id: number) => number): number[] {
    return Array.from({ length: count }, (_, index) => index + 1).filter((id) => (Atomics.load(this.words.words, at(id)) & 1) !== 0);
  }

  /** Writes the words of an address space whose number is taken. */
  private makeMm(id: number, kind: Mm['kind']): void {
    const { words } = this.words;
    const at = this.mmAt(id);
    const { top } = this.platform.root(halfOf(kind), this.frames.base);
    const table = this.pageTables.alloc(this.archOf(kind), { id, kind }, top);
    table.link();
    words.fill(0, at + MmWord.Kind, at + MmWord.Journal);
    words[at + MmWord.Kind] = MM_KINDS.indexOf(kind);
    words[at + MmWord.Root] = table.address | 0;
    words[at + MmWord.Root + 1] = Math.floor(table.address / 2 ** 32);
    new VmaJournal(words, at + MmWord.Journal, this.journalAt(id), this.journalRecords).reset();
    Atomics.store(words, at + MmWord.Users, 1);
    Atomics.store(words, at + MmWord.Count, 1);
    // Of init_mm nobody took the number yet.
    if (id === INIT_MM) Atomics.store(words, at + MmWord.Generation, 1);
  }

  private newTlb(): Tlb {
    const { accesses } = this;
    return {
      flush() {
        // Processors answer a flush whatever they do, so who waits for them may have spin locks. To the checks of locks this wait is not one that sleeps: the thread waits as one that is not checked.
        const thread = currentThread();
        setCurrentThread(new Thread(thread.id, thread.name, undefined));
        try {
          accesses.synchronizeRcu();
        } finally {
          setCurrentThread(thread);
        }
      },
    };
  }

  private mmAt(id: number): number {
    return this.image.layout.mmAt + (id - 1) * MM_WORDS;
  }

  private journalAt(id: number): number {
    return this.image.layout.journals + (id - 1) * this.journalRecords * RECORD_WORDS;
  }

  private mappingAt(id: number): number {
    return this.image.layout.mappingAt + (id - 1) * MAPPING_WORDS;
  }
}

function halfOf(kind: Mm['kind']): VaWindow['half'] {
  return kind === 'init' ? 'kernel' : 'user';
}

function checkSizes({ mms, vmas, mapCount, journal, mappings }: Required<Pick<KernelOptions, 'mms' | 'vmas' | 'mapCount' | 'journal' | 'mappings'>>): void {
  for (const [name, value] of Object.entries({ mms, vmas, mapCount, journal, mappings })) {
    if (!Number.isSafeInteger(value) || value < 1) throw new PgtableError('EINVAL', `a kernel cannot have ${value} \`${name}\``, { hint: 'give a whole number from 1 on' });
  }
  if (mms >= MAX_TABLE_OWNERS) throw new PgtableError('EINVAL', `a kernel cannot have ${mms} address spaces`, { hint: `page tables are accounted for fewer than ${MAX_TABLE_OWNERS}` });
  if (journal < mapCount + 8) throw new PgtableError('EINVAL', `a journal of ${journal} records is too short for ${mapCount} VMAs`, { hint: 'give at least `mapCount` + 8' });
}
