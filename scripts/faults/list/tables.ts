import type { Fault } from '../fault.js';

const PAGE_TABLES = 'packages/mm/src/pagetable/page-tables.ts';
const GATHER = 'packages/mm/src/tables/gather.ts';
const DEPOSITS = 'packages/mm/src/zap/deposits.ts';
const COLLAPSE = 'packages/mm/src/khugepaged/collapse-huge-page.ts';

/** Faults in how page tables come, are counted, are put aside and go. */
export const TABLES: readonly Fault[] = [
  {
    name: 'the constructor is skipped for PMD tables', program: 'zero page', says: /no constructor has run/,
    patches: [{ file: PAGE_TABLES, find: '    this.finish(pfn, owner);\n    return table;', replace: "    if (level !== 'pmd') this.finish(pfn, owner);\n    return table;" }],
  },
  {
    name: 'split locks are initialised for init_mm', program: 'constructors', says: /split locks of init_mm/,
    patches: [{ file: 'packages/mm/src/pagetable/constructor.ts', find: "return owner.kind !== 'init' && (level", replace: 'return owner.id >= 0 && (level' }],
  },
  {
    name: 'hooks are not told of PTE tables', program: 'constructors', says: /pte tables that hooks heard of/,
    patches: [{ file: PAGE_TABLES, find: 'for (const hook of this.hooks) hook.constructed?.(table);', replace: "for (const hook of this.hooks) if (level !== 'pte') hook.constructed?.(table);" }],
  },
  {
    name: 'a destructor does not count down NR_PAGETABLE', program: 'zero page', says: /the kernel is not quiet: .*page tables/,
    patches: [{ file: PAGE_TABLES, find: 'this.account(table, -1);', replace: '' }],
  },
  {
    name: 'the bytes of page tables are not counted down', program: 'zero page', says: /ends, and is not empty: TableBytes/,
    patches: [{ file: GATHER, find: 'this.of.addCounter(MmCounter.TableBytes, -tableBytes(this.of, table.level));', replace: '' }],
  },
  {
    name: 'a table that nobody needs is not freed', program: 'two threads', says: /is not empty|not quiet/,
    patches: [{ file: GATHER, find: 'this.tables.push(table.address);', replace: '' }],
  },
  {
    name: 'a table is freed without a grace period', interleaving: 'accesses: fault against retract', says: /the frame is free|the frame is no page table|split lock is held|does not have/,
    patches: [{ file: GATHER, find: 'mm.kernel.rcu.callRcu(RcuKind.FreeTable, table.address);', replace: 'mm.kernel.pageTables.free(table.address);' }],
  },
  {
    name: 'pte_offset_map() has no RCU read section', interleaving: 'accesses: fault against retract', says: /the frame is free|the frame is no page table|split lock is held|does not have/,
    patches: [
      { file: 'packages/mm/src/tables/pte-offset-map.ts', find: 'const { arch, kernel: { rcu } } = mm;', replace: 'const { arch } = mm;\n  const rcu = { readLock: () => undefined, readUnlock: () => undefined };' },
      { file: 'packages/mm/src/tables/pte-offset-map.ts', find: '    this.mm.kernel.rcu.readUnlock();\n', replace: '' },
    ],
  },
  {
    name: 'munmap frees tables that its neighbours use', program: 'neighbours', says: /the page below: 0|is not empty/,
    patches: [{ file: 'packages/mm/src/tables/free-pgtables.ts', find: 'if (va >= freed.floor && va + bytes <= freed.ceiling)', replace: 'if (freed.floor <= freed.ceiling)' }],
  },
  {
    name: 'the deposit is forgotten when a huge page is mapped', program: 'collapse', says: /none is put aside/,
    patches: [{ file: COLLAPSE, find: '    pageTables.deposit(pmdTableOf(mm, pmdp), table.address);\n', replace: '' }],
  },
  {
    name: 'the deposit is left when a huge page goes', program: 'huge pages', says: /is not empty: TableBytes|tables are put aside in it/,
    patches: [{ file: 'packages/mm/src/zap/zap-huge-pmd.ts', find: 'if (vma.anonymous) zapDepositedTable(mm, pmdp);\n    else', replace: 'if (!vma.anonymous)' }],
  },
  {
    name: 'a deposit is freed twice', program: 'huge pages', says: /was freed already|is free/,
    patches: [{ file: DEPOSITS, find: 'pteFreeDefer(mm, withdrawDeposit(mm, pmdp));', replace: 'const table = withdrawDeposit(mm, pmdp);\n  pteFreeDefer(mm, table);\n  mm.addCounter(MmCounter.TableBytes, tableBytes(mm, table.level));\n  pteFreeDefer(mm, table);' }],
  },
  {
    name: 'a huge page moves without its deposit', program: 'huge moves', says: /none is put aside|put aside in it/,
    patches: [{ file: 'packages/mm/src/ops/move-page-tables.ts', find: 'if (anonymous) pageTables.deposit(pmdTableOf(mm, newPmdp), pageTables.withdraw(pmdTableOf(mm, pmdp)));', replace: 'if (anonymous) pageTables.withdraw(pmdTableOf(mm, pmdp));' }],
  },
  {
    name: 'the table that a collapse puts aside is filled with zeros', program: 'collapse', on: ['s390'], says: /not empty/,
    patches: [{
      file: COLLAPSE, find: '    for (const { pfn, count } of runs) removeRmap(gather, pfn, count);\n',
      replace: '    for (const { pfn, count } of runs) removeRmap(gather, pfn, count);\n    const { ram, base } = mm.kernel.frames;\n    ram.fill(0, (table.address - base) / 4, (table.address - base) / 4 + table.entries * 2);\n',
    }],
  },
  {
    name: 'a new table is filled with zeros', program: 'zero page', on: ['s390'], says: /has faulted 1000 times|has no pmd entry/,
    patches: [{ file: 'packages/core/src/table-ops.ts', find: '  fillTable(tables, index, entries, values[level].empty);', replace: '  fillTable(tables, index, entries, 0n);' }],
  },
  {
    name: 'a table is written to past its accessors', program: 'zero page', says: /a stray write to the pte table/,
    patches: [{ file: 'packages/mm/src/faults/anonymous.ts', find: '      setPtes(arch, context, BigInt(folio.address), ptep, pte, count);\n', replace: '      setPtes(arch, context, BigInt(folio.address), ptep, pte, count);\n      frames.ram[(arch.ops.pte.entryAddress(ptep) - frames.base) / 4 + 2] ^= 0x1000;\n' }],
  },
];
