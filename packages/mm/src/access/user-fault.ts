import { PgtableError, type HandleFamily } from '@pgtable/core';
import { handleMmFault } from '../faults/handle-mm-fault.js';
import type { FaultResult } from '../faults/vm-fault.js';
import type { Mm } from '../kernel/mm.js';

/** How often one access may fault. Each time the world has changed: who faults more often than that does not come forward. */
export const MAX_FAULTS = 1000;

/** What a process gets whose access ends badly. */
export type UserFaultSignal = 'SIGSEGV' | 'SIGBUS' | 'SIGKILL';

/** An access to a user's memory that could not be done. `code` is `ENOMEM` for SIGKILL, the end of who uses too much memory, else `EFAULT`. */
export class UserFaultError extends PgtableError {
  readonly signal: UserFaultSignal;

  constructor(signal: UserFaultSignal, message: string, address: bigint, hint: string) {
    super(signal === 'SIGKILL' ? 'ENOMEM' : 'EFAULT', message, { address, hint });
    this.signal = signal;
  }
}

/**
 * `do_user_addr_fault()`: finds the VMA of an address and handles a fault in it. First with the VMA's lock alone; where that does not do, with the mmap lock.
 *
 * Locking: nothing may be held, and no read section.
 *
 * @param address any in the page
 * @param offset bytes from there to what was accessed: for the error
 * @throws UserFaultError if there is no VMA, or it does not allow the access, or has nothing there, or no memory is left
 * @see arch/x86/mm/fault.c, Linux 6.12
 */
export function faultIn<H extends HandleFamily>(mm: Mm<H>, address: number, write: boolean, offset = 0): void {
  const quick = mm.lockVmaUnderRcu(address);
  if (quick !== undefined) {
    let result: FaultResult;
    try {
      result = handleMmFault(quick, address, { write, vmaLock: true });
    } finally {
      quick.lock.endRead();
    }
    if (result.kind !== 'retry') {
      checkResult(mm, address, write, result, offset);
      return;
    }
  }
  mm.lock.readLock();
  let result: FaultResult;
  try {
    const vma = mm.vmaLookup(address);
    result = vma === undefined ? { kind: 'sigsegv' } : handleMmFault(vma, address, { write });
  } finally {
    mm.lock.readUnlock();
  }
  checkResult(mm, address, write, result, offset);
}

function checkResult<H extends HandleFamily>(mm: Mm<H>, address: number, write: boolean, result: FaultResult, offset: number): void {
  if (result.kind !== 'done' && result.kind !== 'retry') throwSignal(mm, address, write, result, offset);
}

/** The end of an access whose fault cannot be handled. @param offset bytes from the address to what was accessed @throws UserFaultError */
export function throwSignal<H extends HandleFamily>(mm: Mm<H>, page: number, write: boolean, { kind }: FaultResult, offset = 0): never {
  const address = BigInt(Math.floor(page)) + BigInt(offset);
  const what = `address space ${mm.id} cannot ${write ? 'write to' : 'read'} 0x${address.toString(16)}`;
  if (kind === 'oom') throw new UserFaultError('SIGKILL', `${what}: no memory is left`, address, 'unmap something, or make the kernel with more `bytes`');
  if (kind === 'sigbus') throw new UserFaultError('SIGBUS', `${what}: there is nothing behind the VMA`, address, 'stay below the end of the file');
  throw new UserFaultError('SIGSEGV', `${what}: no VMA allows it`, address, 'map the address, with these rights');
}
