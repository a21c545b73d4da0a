import { geometryOf, type EntryValues, type Level, type TableHandles } from '@pgtable/core';
import { checkPageTables, FrameFlag, FrameType, FrameWord, isAnonExclusive, MmCounter, VmaFlags, vmallocInfo, type Kernel, type Mapping, type Mm, type Vma } from '../../../packages/mm/src/index.js';
import { LiveEntries } from '../../../packages/mm/src/pagetable/live-entries.js';

/** Findings that are listed. */
const SHOWN = 20;

/** What all page tables together say of each frame, and of each address space. */
interface Account {
  /** Mapcounts, by frame from the first one. */
  readonly mapped: Int32Array;
  /** References, by the first frame of a block. */
  readonly references: Int32Array;
  /** `page_table_check`: entries that map each frame. */
  readonly uses: Int32Array;
  readonly tables: Set<number>;
  readonly wrong: string[];
}

/**
 * Counts everything anew, from the page tables of all address spaces, the caches of all files and the vmalloc areas, and compares it with what is said of it: mapcounts, references, counters, deposits, tables,
 * frames. And each entry with its VMA.
 *
 * Locking: nobody does anything, no reference is held but those of entries and caches, and nothing waits for a flush. Makes the deferred calls first.
 *
 * @param mms,files the highest numbers that there can be
 * @returns what is wrong, in words
 */
export function audit(kernel: Kernel<TableHandles>, mms: number, files: number): string[] {
  kernel.rcu.barrier();
  checkPageTables(kernel);
  const { frames, pageTables } = kernel;
  const make = (): Int32Array => new Int32Array(frames.count);
  const account: Account = { mapped: make(), references: make(), uses: make(), tables: new Set(), wrong: [] };
  const spaces = existing(mms, (id) => kernel.mm(id));
  const mappings = existing(files, (id) => kernel.mapping(id));
  let vmas = 0;
  for (const mm of spaces) {
    vmas += mm.counter(MmCounter.MapCount);
    auditSpace(mm, account);
  }
  for (const mapping of mappings) auditFile(mapping, spaces, account);
  const { wrong } = account;
  const expect = (what: string, found: number, expected: number): void => { if (found !== expected) wrong.push(`${what}: ${found}, counted anew ${expected}`); };
  expect('page tables', pageTables.nrPageTables(), account.tables.size);
  expect('VMAs', kernel.slots.live, vmas);
  auditFrames(kernel, account);
  return wrong.length > SHOWN ? [...wrong.slice(0, SHOWN), `and ${wrong.length - SHOWN} more`] : wrong;
}

function existing<T>(highest: number, get: (id: number) => T): T[] {
  const found: T[] = [];
  for (let id = 1; id <= highest; id++) {
    try {
      found.push(get(id));
    } catch {
      // There is none of that number.
    }
  }
  return found;
}

/** One address space: its tables, its entries, its counters. */
function auditSpace(mm: Mm<TableHandles>, account: Account): void {
  const { kernel, arch, root } = mm;
  const live = new LiveEntries(arch, root);
  const { pageBytes } = mm;
  const counts = { anon: 0, file: 0, tableBytes: 0, deposits: 0, asideExpected: 0 };
  mm.lock.readLock();
  const vmas = mm.vmas();
  mm.lock.readUnlock();
  const findVma = finder(vmas);
  live.visit(root.top, root.table, 0n, ({ level, address, value }) => {
    if (mm.kind !== 'user') return;
    const values: EntryValues = arch.values[level];
    if (values.none(value) || live.tableIn(level, value) !== undefined) return;
    const start = Number(address);
    const pages = live.frames(level);
    const where = `address space ${mm.id}, ${level} entry 0x${value.toString(16)} of 0x${start.toString(16)}`;
    if (!values.present(value) || !values.leaf(value)) {
      account.wrong.push(`${where} is neither a page nor a table`);
      return;
    }
    const vma = findVma(start);
    if (vma === undefined || start + pages * pageBytes > vma.end) {
      account.wrong.push(`${where} is in no VMA`);
      return;
    }
    if (values.write(value) && (vma.flags & VmaFlags.Write) === 0) account.wrong.push(`${where} is writable, and its VMA is not`);
    const pfn = values.pfn(value);
    if (pfn === kernel.zeroPfn) return;
    if (level === 'pmd' && vma.anonymous) counts.asideExpected++;
    const anon = auditLeaf(mm, vma, { start, pfn, pages, write: values.write(value), where, uses: !values.protnone(value) }, account);
    if (anon) counts.anon += pages;
    else counts.file += pages;
  }, (level, address) => {
    seeTable(mm, level, address, account);
    if (address !== root.table) counts.tableBytes += bytesOf(mm, level);
    const aside = level === 'pte' ? 0 : depositsOf(mm, address, account);
    counts.deposits += aside;
    counts.tableBytes += aside * bytesOf(mm, 'pte');
  });
  if (mm.kind !== 'user') return;
  const expect = (what: string, found: number, expected: number): void => { if (found !== expected) account.wrong.push(`address space ${mm.id}, ${what}: ${found}, counted anew ${expected}`); };
  expect('AnonPages', mm.counter(MmCounter.AnonPages), counts.anon);
  expect('FilePages', mm.counter(MmCounter.FilePages), counts.file);
  expect('TableBytes', mm.counter(MmCounter.TableBytes), counts.tableBytes);
  expect('MapCount', mm.counter(MmCounter.MapCount), vmas.length);
  expect('tables put aside', counts.deposits, counts.asideExpected);
}

interface Leaf {
  readonly start: number;
  readonly pfn: number;
  readonly pages: number;
  readonly write: boolean;
  readonly where: string;
  /** Whether it is one that `page_table_check` counts. */
  readonly uses: boolean;
}

/** One entry that maps a page. @returns whether that is anonymous */
function auditLeaf(mm: Mm<TableHandles>, vma: Vma<TableHandles>, { start, pfn, pages, write, where, uses }: Leaf, { mapped, references, uses: used, wrong }: Account): boolean {
  const { frames } = mm.kernel;
  const at = pfn - frames.firstPfn;
  if (at < 0 || at + pages > frames.count) {
    wrong.push(`${where} maps frame ${pfn}, which is no memory`);
    return false;
  }
  const head = frames.head(pfn);
  mapped[at]!++;
  references[head - frames.firstPfn]!++;
  if (uses) for (let page = 0; page < pages; page++) used[at + page]!++;
  const type = frames.read(head, FrameWord.Type);
  if (type !== FrameType.Anon && type !== FrameType.File) wrong.push(`${where} maps ${frames.describe(pfn)}`);
  if (type === FrameType.Anon && write && !isAnonExclusive(mm, pfn)) wrong.push(`${where} is writable, and the page is not exclusive`);
  if (type === FrameType.File) {
    const { mapping } = vma;
    const index = vma.indexOf(start);
    if (mapping?.page(index) !== pfn) wrong.push(`${where} maps frame ${pfn}, and page ${index} of file ${mapping?.id ?? 'none'} is another`);
  }
  return type === FrameType.Anon;
}

function seeTable(mm: Mm<TableHandles>, level: Level, address: number, { tables, wrong }: Account): void {
  if (tables.has(address)) wrong.push(`the ${level} table at 0x${address.toString(16)} is reached twice, or put aside and reached`);
  tables.add(address);
  const { frames, pageTables } = mm.kernel;
  const pfn = address / frames.pageBytes;
  const info = pageTables.info(address);
  if (info.level !== level || info.owner !== mm.id) wrong.push(`the table at 0x${address.toString(16)} is the ${level} table of address space ${mm.id}, and a ${info.level} table of ${info.owner} by its descriptor`);
  if (frames.read(pfn, FrameWord.TableLock) !== 0) wrong.push(`the lock of the ${level} table at 0x${address.toString(16)} of address space ${mm.id} is held`);
}

/** Tables that are put aside in a table: how many. */
function depositsOf(mm: Mm<TableHandles>, address: number, account: Account): number {
  const { frames } = mm.kernel;
  const first = frames.read(address / frames.pageBytes, FrameWord.Deposit);
  if (first === 0) return 0;
  let count = 0;
  let at = first;
  do {
    const pfn = at - 1 + frames.firstPfn;
    seeTable(mm, 'pte', pfn * frames.pageBytes, account);
    count++;
    at = frames.read(pfn, FrameWord.Next);
  } while (at !== first && at !== 0 && count < frames.count);
  if (at === 0) account.wrong.push(`the ring of tables that are put aside at 0x${address.toString(16)} of address space ${mm.id} is open`);
  return count;
}

/** One file: its pages, and who maps it. */
function auditFile(mapping: Mapping<TableHandles>, spaces: readonly Mm<TableHandles>[], { references, wrong }: Account): void {
  const { frames } = mapping.kernel;
  for (let index = 0; index < mapping.pages; index++) {
    const pfn = mapping.page(index);
    if (pfn === undefined) continue;
    references[frames.head(pfn) - frames.firstPfn]!++;
    const [type, owner, own] = [frames.read(frames.head(pfn), FrameWord.Type), frames.read(pfn, FrameWord.Owner), frames.read(pfn, FrameWord.Index)];
    if (type !== FrameType.File || owner !== mapping.id || own !== index) wrong.push(`page ${index} of file ${mapping.id} is ${frames.describe(pfn)}, by its descriptor page ${own} of ${owner}`);
  }
  let vmas = 0;
  for (const mm of spaces) {
    mm.lock.readLock();
    vmas += mm.vmas().filter((vma) => vma.mapping === mapping).length;
    mm.lock.readUnlock();
  }
  if (vmas !== mapping.mapped) wrong.push(`file ${mapping.id} is mapped by ${mapping.mapped} VMAs, counted anew ${vmas}`);
}

/** Each frame that is not free. */
function auditFrames(kernel: Kernel<TableHandles>, { mapped, references, uses, wrong }: Account): void {
  const { frames, checks } = kernel;
  const areas = vmallocInfo(kernel).reduce((sum, { pages }) => sum + pages, 0);
  let allocated = 0;
  let used = 0;
  for (let pfn = frames.firstPfn; pfn < frames.firstPfn + frames.count; ) {
    const type = frames.read(pfn, FrameWord.Type);
    const size = 2 ** frames.read(pfn, FrameWord.Order);
    if (type !== FrameType.Free) used += size;
    if (type === FrameType.Allocated) allocated += size;
    if (type === FrameType.Anon || type === FrameType.File) {
      const count = frames.read(pfn, FrameWord.Refcount);
      const expected = references[pfn - frames.firstPfn]!;
      if (count !== expected) wrong.push(`${frames.describe(pfn)} has ${count} references, counted anew ${expected}${expected === 0 ? ': it leaked' : ''}`);
      if ((frames.read(pfn, FrameWord.Flags) & FrameFlag.Locked) !== 0) wrong.push(`the folio lock of ${frames.describe(pfn)} is held`);
      for (let page = pfn; page < pfn + size; page++) auditPage(kernel, page, type, mapped[page - frames.firstPfn]!, uses[page - frames.firstPfn]!, checks.pageTableCheck === true, wrong);
    }
    pfn += size;
  }
  if (allocated !== areas) wrong.push(`${allocated} frames are given out and are no page of a process, and vmalloc areas have ${areas}`);
  if (used + frames.free !== frames.count) wrong.push(`${used} frames are in use and ${frames.free} free, of ${frames.count}`);
}

function auditPage({ frames }: Kernel<TableHandles>, pfn: number, type: number, mapped: number, uses: number, checked: boolean, wrong: string[]): void {
  const count = frames.read(pfn, FrameWord.Mapcount);
  if (count !== mapped) wrong.push(`${frames.describe(pfn)} has the mapcount ${count}, counted anew ${mapped}`);
  if (type === FrameType.Anon && mapped > 1 && (frames.read(pfn, FrameWord.Flags) & FrameFlag.AnonExclusive) !== 0) wrong.push(`${frames.describe(pfn)} is exclusive, and mapped ${mapped} times`);
  const stale = frames.read(pfn, FrameWord.Stale);
  if (stale !== 0) wrong.push(`${frames.describe(pfn)} may be in ${stale} translations that were not flushed`);
  if (!checked) return;
  const [anon, file] = [frames.read(pfn, FrameWord.AnonMaps), frames.read(pfn, FrameWord.FileMaps)];
  const expected = type === FrameType.Anon ? [uses, 0] : [0, uses];
  if (anon !== expected[0] || file !== expected[1]) wrong.push(`page_table_check has ${anon} and ${file} entries of ${frames.describe(pfn)}, counted anew ${expected.join(' and ')}`);
}

function bytesOf({ arch: { geometry } }: Mm<TableHandles>, level: Level): number {
  return geometryOf(geometry, level).entries * geometry.entryBytes;
}

/** Finds the VMA of an address, of those that there are, which are in order. */
function finder(vmas: readonly Vma<TableHandles>[]): (address: number) => Vma<TableHandles> | undefined {
  const starts = vmas.map(({ start }) => start);
  return (address) => {
    let low = 0;
    let high = starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (starts[middle]! <= address) low = middle + 1;
      else high = middle;
    }
    const vma = vmas[low - 1];
    return vma !== undefined && address < vma.end ? vma : undefined;
  };
}
