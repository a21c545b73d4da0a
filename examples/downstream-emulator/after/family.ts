import type { AliasHandles, StrongHandles, WritableArch } from '@pgtable/core';

/** The families that handles can be of. */
interface Families {
  alias: AliasHandles;
  strong: StrongHandles;
}

/** What the emulator's handles are: this line is the whole choice. */
export type Family = Families['strong'];

/** Live entries of the tables. */
export type Ptep = Family['pte'];
export type Pmdp = Family['pmd'];
export type Pgdp = Family['pgd'];

/** The architecture that the machine is of: RISC-V, Sv39. */
export type Riscv = WritableArch<Family>;
