import { PgtableError, type HandleFamily } from '@pgtable/core';
import type { Mm } from '../kernel/mm.js';
import { VmaFlags } from '../kernel/vma-flags.js';
import type { Vma } from '../kernel/vma.js';
import { vmPageProt } from '../huge/huge-pmd.js';
import { TableGather } from '../tables/gather.js';
import { changeProtectionRange } from './change-protection.js';
import { endOfRange, isolateVma, notMapped, withWriteLock } from './ranges.js';

const RIGHTS = VmaFlags.Read | VmaFlags.Write | VmaFlags.Exec;

/** By how many bits the `May` flags stand above the rights. */
const MAY_SHIFT = 4;

/**
 * `mprotect(2)`: other rights for a range of addresses. VMAs that are covered in part are split; neighbours that are alike afterwards become one.
 *
 * Locking: none may be held that the mmap lock comes before; takes it to write.
 *
 * @param start page aligned
 * @param bytes rounded up to whole pages; 0 changes nothing
 * @param prot Read, Write and Exec of {@link VmaFlags}; 0: PROT_NONE
 * @throws PgtableError `ENOMEM` if not all of it is mapped, or there would be too many VMAs; `EINVAL` for a range that cannot be, or rights that the mapping may not have (EACCES). What comes before the address
 *   where it failed is changed then
 * @see mm/mprotect.c, Linux 6.12
 */
export function mprotect<H extends HandleFamily>(mm: Mm<H>, start: number, bytes: number, prot: number): void {
  const end = endOfRange(mm, start, bytes, 'mprotect', 0);
  if (end === start) return;
  if ((prot & ~RIGHTS) !== 0) throw new PgtableError('EINVAL', `0x${prot.toString(16)} are no rights of pages`, { hint: 'give VmaFlags.Read, Write and Exec, or 0' });
  withWriteLock(mm, () => {
    const gather = new TableGather(mm);
    try {
      let done = start;
      while (done < end) {
        // Looked for each time: the one before may have been merged with this one.
        const vma = mm.vmaLookup(done);
        if (vma === undefined) break;
        const from = done;
        done = Math.min(end, vma.end);
        mprotectFixup(gather, vma, from, done, prot);
      }
      if (done < end) throw notMapped(mm, 'mprotect', start, end);
    } finally {
      gather.finish();
    }
  });
}

/**
 * `mprotect_fixup()`: of a part of one VMA.
 *
 * Locking: the mmap lock to write.
 *
 * @throws PgtableError as {@link mprotect}
 */
export function mprotectFixup<H extends HandleFamily>(gather: TableGather<H>, vma: Vma<H>, start: number, end: number, prot: number): void {
  const mm = gather.of;
  const flags = (vma.flags & ~RIGHTS) | prot;
  if ((prot & ~(flags >> MAY_SHIFT)) !== 0) {
    throw new PgtableError('EINVAL', `the mapping at 0x${BigInt(start).toString(16)} may not be given the rights 0x${prot.toString(16)}`, { address: BigInt(start), hint: 'its May flags say what it may have: EACCES of mprotect(2)' });
  }
  if (flags === vma.flags) return;
  const part = isolateVma(vma, start, end);
  mm.setVmaFlags(part, flags);
  changeProtectionRange(gather, part, vmPageProt(part));
  mm.mergeVmas(part);
}
