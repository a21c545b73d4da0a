/**
 * What an access may do, as bits of one number. Kernel: the privileged mode that owns the tables (ring 0, EL1,
 * S-mode, supervisor state). User: the unprivileged one.
 */
export const Access = {
  KernelRead: 1,
  KernelWrite: 2,
  KernelExecute: 4,
  UserRead: 8,
  UserWrite: 16,
  UserExecute: 32,
} as const;

/** How a person reads one entry: what it says, decoded. Made for a run or a step of a translation, never per entry. */
export interface Attributes {
  /** {@link Access} bits, over all levels: what the entries above forbid is already taken away. */
  readonly access: number;
  /** The accessed (young, referenced) state; undefined where the entry does not say. */
  readonly accessed: boolean | undefined;
  /** The dirty (changed) state; undefined where the entry does not say. */
  readonly dirty: boolean | undefined;
  /** Valid in all address spaces (x86 G, arm64 not nG, riscv G). */
  readonly global: boolean;
  /** How the memory is cached, in the architecture's words: `WB`, `UC-`, `MEM/NORMAL`, `NC`. Empty where nothing says. */
  readonly memoryType: string;
  /**
   * Entries in the contiguous group that this entry belongs to: arm64's contiguous bit, riscv's Svnapot. 1 for none.
   * The group is aligned to its size, and the hardware may keep it as one translation.
   */
  readonly group: number;
  /** The names of the bits that are set, the architecture's own, in the manual's order from bit 0 up. */
  readonly flags: readonly string[];
}

/** What the kernel keeps in an entry that the hardware does not use. */
export type NonPresent =
  | { readonly kind: 'swap'; readonly type: number; readonly offset: bigint; readonly flags: readonly string[] }
  /** The page is on its way elsewhere; `pa` is where it was. */
  | { readonly kind: 'migration'; readonly pa: bigint; readonly writable: boolean; readonly flags: readonly string[] }
  /** Memory is there, and the kernel counts it as present; the hardware may not use it: PROT_NONE, NUMA hinting, s390's "old" pages. */
  | { readonly kind: 'protected'; readonly pa: bigint; readonly flags: readonly string[] }
  /** A swap type that holds no swap: hardware poison, device memory, a userfaultfd or guard marker. */
  | { readonly kind: 'special'; readonly name: string; readonly type: number; readonly offset: bigint; readonly flags: readonly string[] }
  /** Not empty, and no encoding of this kernel release fits. */
  | { readonly kind: 'unknown'; readonly flags: readonly string[] };
