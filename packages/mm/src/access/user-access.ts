import { PgtableError, type HandleFamily } from '@pgtable/core';
import type { Mm } from '../kernel/mm.js';
import { schedulePoint } from '../schedule-point.js';
import { translate } from './translate.js';
import { faultIn, MAX_FAULTS } from './user-fault.js';

/** Bytes of what {@link readUser} and {@link writeUser} are about. */
const WORD = 4;

/**
 * A load of a process: a 32-bit word at an address. Faults are handled as they come.
 *
 * Locking: nothing may be held: a fault takes what it needs.
 *
 * @param address a multiple of 4
 * @returns the word, signed
 * @throws UserFaultError if the access is not allowed or cannot be done; PgtableError `EINVAL` for an address that is none, `ELOOP` if it faults again and again
 */
export function readUser<H extends HandleFamily>(mm: Mm<H>, address: number): number {
  return access(mm, checked(address), false, (ram, at) => Atomics.load(ram, at));
}

/**
 * A store of a process: a 32-bit word to an address. Locking, throws: as {@link readUser}.
 *
 * @param value its low 32 bits are stored
 */
export function writeUser<H extends HandleFamily>(mm: Mm<H>, address: number, value: number): void {
  access(mm, checked(address), true, (ram, at) => Atomics.store(ram, at, value));
}

/** An atomic addition of a process to a 32-bit word, in one access. Locking, throws: as {@link readUser}. @returns what the word was */
export function addUser<H extends HandleFamily>(mm: Mm<H>, address: number, value: number): number {
  return access(mm, checked(address), true, (ram, at) => Atomics.add(ram, at, value));
}

/**
 * `copy_from_user()`: reads words, page by page; each page in one access.
 *
 * Locking, throws: as {@link readUser}. What was read before a fault that cannot be handled is in `to`.
 *
 * @param address a multiple of 4
 */
export function copyFromUser<H extends HandleFamily>(mm: Mm<H>, to: Int32Array, address: number): void {
  eachPage(mm, checked(address), to.length, (start, done, count) => {
    access(mm, start, false, (ram, at) => { to.set(ram.subarray(at, at + count), done); });
  });
}

/** `copy_to_user()`: writes words, page by page. Locking, throws: as {@link copyFromUser}. */
export function copyToUser<H extends HandleFamily>(mm: Mm<H>, address: number, from: Int32Array): void {
  eachPage(mm, checked(address), from.length, (start, done, count) => {
    access(mm, start, true, (ram, at) => { ram.set(from.subarray(done, done + count), at); });
  });
}

/** An access inside of one page: again and again, until it does not fault. */
function access<H extends HandleFamily, T>(mm: Mm<H>, address: number, write: boolean, act: (ram: Int32Array, at: number) => T): T {
  const { accesses, frames } = mm.kernel;
  for (let faults = 0; faults <= MAX_FAULTS; faults++) {
    accesses.readLock();
    try {
      const pfn = translate(mm, address, write);
      if (pfn !== undefined) {
        const at = (pfn * frames.pageBytes + (address % frames.pageBytes) - frames.base) / WORD;
        if (at < 0 || at >= frames.ram.length) throw new PgtableError('EFAULT', `address 0x${BigInt(address).toString(16)} is mapped to frame 0x${pfn.toString(16)}, which is no memory`, { address: BigInt(address) });
        schedulePoint(write ? 'write to user memory' : 'read user memory', frames.ram, at, write ? 1 : 0);
        return act(frames.ram, at);
      }
    } finally {
      accesses.readUnlock();
    }
    faultIn(mm, address, write);
  }
  throw new PgtableError('ELOOP', `address space ${mm.id}: an access to 0x${BigInt(address).toString(16)} has faulted ${MAX_FAULTS} times`, {
    address: BigInt(address), hint: 'faults say that they are done, and the entry does not allow the access; or another thread takes the page away each time',
  });
}

function eachPage<H extends HandleFamily>({ pageBytes }: Mm<H>, address: number, words: number, page: (start: number, done: number, count: number) => void): void {
  for (let done = 0; done < words;) {
    const start = address + done * WORD;
    const count = Math.min(words - done, (pageBytes - (start % pageBytes)) / WORD);
    page(start, done, count);
    done += count;
  }
}

function checked(address: number): number {
  if (Number.isInteger(address) && address >= 0 && address % WORD === 0) return address;
  throw new PgtableError('EINVAL', `${address} is no address of a word`, { hint: 'give a multiple of 4' });
}
