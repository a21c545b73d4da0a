import { checkedContext, NO_TLB, pfnPte, pteMkwriteNovma, ptepGet, ptepSetWrprotect, setPtes, TableMemory, VmFlags, type TableHandles } from '@pgtable/core';
import { same } from '../machine.js';
import { program } from '../program.js';

const FIRST = 0x1000;
const COUNT = 16;

export default program({
  about: 'a block of 16 pages that hardware may map as one, of which one page is made read-only',
  on: 'arm64 4K',
  run: (configuration) => {
    const tables = new TableMemory({ entryBytes: configuration.entryBytes });
    const arch = configuration.make<TableHandles>('user', tables);
    const mm = checkedContext(arch, { user: true, tlb: NO_TLB });
    const table = arch.newTable('pte', 0x10_0000, true);
    const first = table.entry(0, COUNT);
    const prot = arch.vmProt(VmFlags.Read | VmFlags.Write);
    setPtes(arch, mm, 0n, first, pteMkwriteNovma(arch, pfnPte(arch, FIRST, prot)), COUNT);
    const third = arch.ops.pte.advance(first, 3);
    ptepSetWrprotect(arch, mm, BigInt(3 * arch.geometry.pageBytes), third).flush();
    for (let page = 0; page < COUNT; page++) same(`whether page ${page} may be written`, arch.values.pte.write(ptepGet(arch, arch.ops.pte.advance(first, page))), page !== 3);
  },
});
