import { PgtableError, type SwapOptions } from '@pgtable/core';
import { PA_BITS } from './bits.js';
import { loongarchGeometry, pageShift, type LoongarchLayout } from './geometry.js';

/**
 * Physical addresses of the kernel's tables that map nothing: invalid_pte_table, invalid_pmd_table and invalid_pud_table, as far as there are
 * such levels.
 */
export interface InvalidTables {
  readonly pte: number;
  readonly pmd?: number;
  readonly pud?: number;
}

/** What is known of a processor and its kernel. Only the layout is needed. */
export interface LoongarchConfig {
  readonly layout: LoongarchLayout;
  /**
   * The kernel's tables that map nothing. Nothing in a directory entry says whether it is valid: what is empty points to one of these, whose
   * entries point to the next, down to page-table entries without V. They are variables of the kernel, so their addresses
   * are facts of one boot; dumps tell them by their contents.
   *
   * Left out: an empty directory entry is zero, as small kernels and firmware have it. To the hardware that is a pointer to a table at
   * physical address 0, so they must keep the page there empty.
   */
  readonly invalidTables?: InvalidTables;
  /**
   * The processor walks tables itself (CPUCFG word 2, PTW). If false, a translation that was not valid may stay in its TLB, so that
   * making one valid is followed by a flush (`updateMmuCache`). Default false, which is right on every processor.
   */
  readonly ptw?: boolean;
  /** The kernel's release (`uname -r`), for the numbers of its special swap types. Default: a recent one. */
  readonly release?: string;
  /** Kernel options that number the special swap types. Default: migration alone. */
  readonly swap?: SwapOptions;
}

/** A {@link LoongarchConfig} with nothing left open. */
export interface FullConfig {
  readonly layout: LoongarchLayout;
  readonly invalidTables: InvalidTables | undefined;
  readonly ptw: boolean;
  readonly release: string | undefined;
  readonly swap: Required<SwapOptions>;
}

/**
 * Fills in what a configuration leaves out.
 *
 * @throws PgtableError `EINVAL` if there is no such layout, or the tables that map nothing are not one for each level
 */
export function fullConfig(config: LoongarchConfig): FullConfig {
  const { levels } = loongarchGeometry(config.layout);
  const { invalidTables } = config;
  if (invalidTables !== undefined) {
    for (const name of ['pte', 'pmd', 'pud'] as const) {
      const address = invalidTables[name];
      const { folded } = levels.find(({ level }) => level === name)!;
      if (folded !== (address === undefined)) {
        throw new PgtableError('EINVAL', `${config.layout} was given ${folded ? 'an' : 'no'} invalid_${name}_table`, {
          hint: 'one for each level below the pgd that exists',
        });
      }
      if (address !== undefined && (!Number.isSafeInteger(address) || address <= 0 || address >= 2 ** PA_BITS || address % 2 ** pageShift(config.layout) !== 0)) {
        throw new PgtableError('EINVAL', `0x${address.toString(16)} cannot be the physical address of invalid_${name}_table`, {
          hint: 'tables are as large as a page, aligned to it, and not at 0',
        });
      }
    }
  }
  return {
    layout: config.layout,
    invalidTables,
    ptw: config.ptw ?? false,
    release: config.release,
    swap: {
      memoryFailure: config.swap?.memoryFailure ?? false,
      migration: config.swap?.migration ?? true,
      devicePrivate: config.swap?.devicePrivate ?? false,
      earlyMarkers: config.swap?.earlyMarkers ?? false,
    },
  };
}

/** The table that an empty entry of each level points to, by physical address; undefined for the pte and where empty entries are zero. */
export function invalidTableBelow({ layout, invalidTables }: FullConfig, level: 'pte' | 'pmd' | 'pud' | 'p4d' | 'pgd'): number | undefined {
  if (invalidTables === undefined || level === 'pte') return undefined;
  const { levels } = loongarchGeometry(layout);
  const folded = (name: string): boolean => levels.find((one) => one.level === name)!.folded;
  // A folded level is the root seen under another name.
  if (level === 'pmd' && !folded('pmd')) return invalidTables.pte;
  if (level === 'pud' && !folded('pud')) return invalidTables.pmd;
  return invalidTables.pud ?? invalidTables.pmd ?? invalidTables.pte;
}
