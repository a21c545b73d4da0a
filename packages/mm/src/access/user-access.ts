import { PgtableError, type HandleFamily } from '@pgtable/core';
import type { Mm } from '../kernel/mm.js';
import { schedulePoint } from '../schedule-point.js';
import { translate } from './translate.js';
import { faultIn, MAX_FAULTS } from './user-fault.js';

/** Bytes of what {@link readUser} and {@link writeUser} are about. */
const WORD = 4;

/**
 * An address of a process's memory. A number has room for addresses below 2^53; those above (s390's with five levels) are given as bigints: `BigInt(start) + 4n`, for `start + 4` would be `start`, or something else in
 * the neighbourhood. Of pages numbers are exact everywhere.
 */
export type UserAddress = number | bigint;

/** The same in two numbers that are exact: the first address of its page, and bytes from there. */
interface Place {
  readonly page: number;
  readonly offset: number;
}

/**
 * A load of a process: a 32-bit word at an address. Faults are handled as they come.
 *
 * Locking: nothing may be held: a fault takes what it needs.
 *
 * @param address a multiple of 4
 * @returns the word, signed
 * @throws UserFaultError if the access is not allowed or cannot be done; PgtableError `EINVAL` for an address that is none, `EFAULT` for a number from 2^53 on, which may have been rounded, `ELOOP` if it faults again
 *   and again
 */
export function readUser<H extends HandleFamily>(mm: Mm<H>, address: UserAddress): number {
  return access(mm, placeOf(mm, address), false, (ram, at) => Atomics.load(ram, at));
}

/**
 * A store of a process: a 32-bit word to an address. Locking, throws: as {@link readUser}.
 *
 * @param value its low 32 bits are stored
 */
export function writeUser<H extends HandleFamily>(mm: Mm<H>, address: UserAddress, value: number): void {
  access(mm, placeOf(mm, address), true, (ram, at) => Atomics.store(ram, at, value));
}

/** An atomic addition of a process to a 32-bit word, in one access. Locking, throws: as {@link readUser}. @returns what the word was */
export function addUser<H extends HandleFamily>(mm: Mm<H>, address: UserAddress, value: number): number {
  return access(mm, placeOf(mm, address), true, (ram, at) => Atomics.add(ram, at, value));
}

/**
 * `copy_from_user()`: reads words, page by page; each page in one access.
 *
 * Locking, throws: as {@link readUser}. What was read before a fault that cannot be handled is in `to`.
 *
 * @param address a multiple of 4
 */
export function copyFromUser<H extends HandleFamily>(mm: Mm<H>, to: Int32Array, address: UserAddress): void {
  eachPage(mm, placeOf(mm, address), to.length, (part, done, count) => {
    access(mm, part, false, (ram, at) => { to.set(ram.subarray(at, at + count), done); });
  });
}

/** `copy_to_user()`: writes words, page by page. Locking, throws: as {@link copyFromUser}. */
export function copyToUser<H extends HandleFamily>(mm: Mm<H>, address: UserAddress, from: Int32Array): void {
  eachPage(mm, placeOf(mm, address), from.length, (part, done, count) => {
    access(mm, part, true, (ram, at) => { ram.set(from.subarray(done, done + count), at); });
  });
}

/** An access inside of one page: again and again, until it does not fault. */
function access<H extends HandleFamily, T>(mm: Mm<H>, { page, offset }: Place, write: boolean, act: (ram: Int32Array, at: number) => T): T {
  const { accesses, frames } = mm.kernel;
  for (let faults = 0; faults <= MAX_FAULTS; faults++) {
    accesses.readLock();
    try {
      const pfn = translate(mm, page, write);
      if (pfn !== undefined) {
        const at = (pfn * frames.pageBytes + offset - frames.base) / WORD;
        if (at < 0 || at >= frames.ram.length) {
          const address = exact(page, offset);
          throw new PgtableError('EFAULT', `address 0x${address.toString(16)} is mapped to frame 0x${pfn.toString(16)}, which is no memory`, { address });
        }
        schedulePoint(write ? 'write to user memory' : 'read user memory', frames.ram, at, write ? 1 : 0);
        return act(frames.ram, at);
      }
    } finally {
      accesses.readUnlock();
    }
    faultIn(mm, page, write, offset);
  }
  const address = exact(page, offset);
  throw new PgtableError('ELOOP', `address space ${mm.id}: an access to 0x${address.toString(16)} has faulted ${MAX_FAULTS} times`, {
    address, hint: 'faults say that they are done, and the entry does not allow the access; or another thread takes the page away each time',
  });
}

function eachPage<H extends HandleFamily>({ pageBytes }: Mm<H>, first: Place, words: number, visit: (part: Place, done: number, count: number) => void): void {
  let { page, offset } = first;
  for (let done = 0; done < words;) {
    const count = Math.min(words - done, (pageBytes - offset) / WORD);
    visit({ page, offset }, done, count);
    done += count;
    page += pageBytes;
    offset = 0;
  }
}

function placeOf<H extends HandleFamily>({ pageBytes }: Mm<H>, address: UserAddress): Place {
  if (typeof address === 'bigint' ? address < 0n || address % BigInt(WORD) !== 0n : !Number.isInteger(address) || address < 0 || address % WORD !== 0) {
    throw new PgtableError('EINVAL', `${address} is no address of a word`, { hint: 'give a multiple of 4' });
  }
  if (typeof address === 'bigint') {
    const offset = address % BigInt(pageBytes);
    return { page: Number(address - offset), offset: Number(offset) };
  }
  if (!Number.isSafeInteger(address)) {
    throw new PgtableError('EFAULT', `the address 0x${BigInt(address).toString(16)} came as a number, in which addresses from 2^53 on are rounded: it may be another that was meant`, {
      address: BigInt(address), hint: 'give a bigint: BigInt(page) + 4n',
    });
  }
  const offset = address % pageBytes;
  return { page: address - offset, offset };
}

function exact(page: number, offset: number): bigint {
  return BigInt(page) + BigInt(offset);
}
