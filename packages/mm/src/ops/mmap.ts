import { PgtableError, type HandleFamily } from '@pgtable/core';
import type { Mapping } from '../kernel/mapping.js';
import type { Mm } from '../kernel/mm.js';
import { VmaFlags } from '../kernel/vma-flags.js';
import { doMunmap } from './munmap.js';
import { endOfRange, pageAligned, withWriteLock } from './ranges.js';
import { getUnmappedArea, taskWindow, type MmapLayout } from './unmapped-area.js';

/** What is to be mapped. */
export interface MmapRequest<H extends HandleFamily = HandleFamily> {
  /** Page aligned. A wish, unless it is `fixed`. */
  readonly address?: number;
  /** Rounded up to whole pages. */
  readonly bytes: number;
  /** `PROT_READ` and its siblings: Read, Write and Exec of {@link VmaFlags}. 0: PROT_NONE. */
  readonly prot: number;
  /** `MAP_PRIVATE`, which is the default: what is written is this address space's alone. `MAP_SHARED`: everybody sees it. */
  readonly sharing?: 'private' | 'shared';
  /** `MAP_FIXED`: at `address`, whatever is there goes. `noReplace`: there, or not at all. */
  readonly fixed?: boolean | 'noReplace';
  /** What is mapped; left out: anonymous memory. */
  readonly mapping?: Mapping<H>;
  /** The first page of the file. Default 0. */
  readonly pgoff?: number;
  /** More {@link VmaFlags}: Locked, DontCopy and the like. Rights are `prot`'s, and what is shared is `sharing`'s. */
  readonly flags?: number;
  /** Where to look for addresses. Default `topDown`. */
  readonly layout?: MmapLayout;
}

const RIGHTS = VmaFlags.Read | VmaFlags.Write | VmaFlags.Exec;
const MAY_RIGHTS = VmaFlags.MayRead | VmaFlags.MayWrite | VmaFlags.MayExec;

/**
 * `mmap(2)`: a new range of addresses, made one with its neighbours where they go on alike. Maps no page: faults do.
 *
 * Locking: none may be held that the mmap lock comes before; takes it to write.
 *
 * @returns the first address
 * @throws PgtableError `EINVAL` for what cannot be asked for, or a `noReplace` where something is; `ENOMEM` if there is no room, or there are too many VMAs
 * @see `do_mmap()`, mm/mmap.c, Linux 6.12
 */
export function mmap<H extends HandleFamily>(mm: Mm<H>, request: MmapRequest<H>): number {
  const { bytes, prot, mapping, fixed = false, sharing = 'private', flags = 0 } = request;
  if ((prot & ~RIGHTS) !== 0) throw new PgtableError('EINVAL', `0x${prot.toString(16)} are no rights of pages`, { hint: 'give VmaFlags.Read, Write and Exec, or 0' });
  const said = flags & (RIGHTS | MAY_RIGHTS | VmaFlags.Shared | VmaFlags.MayShare);
  if (said !== 0) throw new PgtableError('EINVAL', `0x${said.toString(16)} cannot be asked for in \`flags\``, { hint: 'rights are `prot`, and shared memory is `sharing`' });
  if (sharing === 'shared' && mapping === undefined) {
    throw new PgtableError('EINVAL', 'anonymous memory cannot be shared without a file', { hint: 'give kernel.newMapping(pages) as `mapping`, as the kernel does with shmem behind the scenes' });
  }
  if (fixed !== false && request.address === undefined) throw new PgtableError('EINVAL', 'a fixed mapping has an address', { hint: 'give `address`' });
  return withWriteLock(mm, () => {
    const start = placeOf(mm, request);
    const end = start + pageAligned(mm, bytes);
    if (fixed === true) doMunmap(mm, start, end);
    const shared = sharing === 'shared' ? VmaFlags.Shared | VmaFlags.MayShare : 0;
    const pgoff = request.pgoff;
    const vma = mm.insertVma({ start, end, flags: prot | MAY_RIGHTS | shared | flags, mapping, ...(mapping === undefined || pgoff === undefined ? {} : { pgoff }) });
    mm.mergeVmas(vma);
    return start;
  });
}

function placeOf<H extends HandleFamily>(mm: Mm<H>, { address, bytes, fixed = false, layout }: MmapRequest<H>): number {
  const end = endOfRange(mm, fixed === false ? 0 : address ?? 0, bytes, 'mmap');
  if (fixed === false) return getUnmappedArea(mm, end, address === undefined ? undefined : Math.floor(address / mm.pageBytes) * mm.pageBytes, layout);
  // Looked at by the caller.
  const start = address!;
  const window = taskWindow(mm);
  if (start < window.start || end > window.end) {
    throw new PgtableError('ENOMEM', `a fixed mapping cannot be at 0x${BigInt(start).toString(16)}: processes have [0x${BigInt(window.start).toString(16)}, 0x${BigInt(window.end).toString(16)})`, {
      address: BigInt(start), hint: 'give another address, or none',
    });
  }
  if (fixed === 'noReplace' && mm.vmas(start, end).length > 0) {
    throw new PgtableError('EINVAL', `something is mapped in [0x${BigInt(start).toString(16)}, 0x${BigInt(end).toString(16)}) already`, { address: BigInt(start), hint: 'EEXIST of mmap(2): unmap it, or take another address' });
  }
  return start;
}
