import { arm64 } from '@pgtable/arch-arm64';
import { riscv } from '@pgtable/arch-riscv';
import { s390 } from '@pgtable/arch-s390';
import { x86 } from '@pgtable/arch-x86';
import type { ArchPlugin } from '@pgtable/core';

/** The architectures that the command knows without `--plugin`. To add one, add its plug-in here: nothing else changes. */
export const ARCHITECTURES: readonly ArchPlugin[] = [x86, arm64, riscv, s390];
