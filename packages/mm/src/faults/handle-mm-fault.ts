import { PgtableError, type HandleFamily } from '@pgtable/core';
import type { Vma } from '../kernel/vma.js';
import { mmAllocPmd } from '../tables/table-alloc.js';
import { handlePteFault } from './handle-pte-fault.js';
import { handleHugePmdFault } from './huge-pmd.js';
import { OOM, SIGSEGV, vmaPermits, type FaultFlags, type FaultResult, type VmFault } from './vm-fault.js';

/**
 * `handle_mm_fault()`: makes what an access to an address of a VMA needs: page tables, a page, the rights, the marks. The access is then repeated.
 *
 * Locking: the VMA's lock to read (`flags.vmaLock`), or the mmap lock to read; the caller has it, and keeps it. Nothing else may be held: locks of page tables are taken, and a flush waits for accesses of
 * other threads.
 *
 * @param address any in the VMA
 * @returns see {@link FaultResult}
 * @throws PgtableError `EINVAL` if the lock is not held, or the VMA does not have the address; `EBADMSG` if a page table is damaged
 * @see mm/memory.c, Linux 6.12
 */
export function handleMmFault<H extends HandleFamily>(vma: Vma<H>, address: number, flags: FaultFlags = {}): FaultResult {
  const { mm } = vma;
  if (flags.vmaLock === true) vma.lock.assertLocked('handle a fault');
  else mm.lock.assertLocked('handle a fault');
  if (!vma.contains(address)) {
    throw new PgtableError('EINVAL', `VMA ${vma.id} of address space ${mm.id} does not have the address 0x${BigInt(Math.floor(address)).toString(16)} of a fault`, {
      address: BigInt(Math.floor(address)), hint: 'look the VMA up by the address, with the lock held',
    });
  }
  if (!vmaPermits(vma, flags)) return SIGSEGV;
  const page = Math.floor(address / mm.pageBytes) * mm.pageBytes;
  try {
    const vmf: VmFault<H> = { mm, vma, address: page, write: flags.write === true, pmdp: mmAllocPmd(mm, page) };
    return handleHugePmdFault(vmf) ?? handlePteFault(vmf);
  } catch (error) {
    if (error instanceof PgtableError && error.code === 'ENOMEM') return OOM;
    throw error;
  }
}
