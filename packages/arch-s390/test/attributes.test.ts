import { Access } from '@pgtable/core';
import { describe, expect, it } from 'vitest';
import { Inherited, s390Arch, type S390Config } from '../src/index.js';
import { tablesOf } from './tables.js';

const KERNEL_R = Access.KernelRead;
const KERNEL_RX = KERNEL_R | Access.KernelExecute;
const KERNEL_RW = KERNEL_R | Access.KernelWrite;
const KERNEL_RWX = KERNEL_RW | Access.KernelExecute;

function arch(config: Partial<S390Config> = {}) {
  return s390Arch({ top: 'pud', release: '6.12.0', ...config }, tablesOf([]));
}

describe('describe', () => {
  it.each([
    // PAGE_KERNEL, PAGE_KERNEL_RO, PAGE_KERNEL_EXEC of Linux 6.12, and read-only and executable.
    { name: 'PAGE_KERNEL', lo: 0x13d, access: KERNEL_RW, flags: ['PRESENT', 'YOUNG', 'DIRTY', 'READ', 'WRITE', 'NOEXEC'], accessed: true, dirty: true },
    { name: 'PAGE_KERNEL_RO', lo: 0x315, access: KERNEL_R, flags: ['PRESENT', 'YOUNG', 'READ', 'NOEXEC', 'PROTECT'], accessed: true, dirty: false },
    { name: 'PAGE_KERNEL_EXEC', lo: 0x3d, access: KERNEL_RWX, flags: ['PRESENT', 'YOUNG', 'DIRTY', 'READ', 'WRITE'], accessed: true, dirty: true },
    { name: 'rox', lo: 0x215, access: KERNEL_RX, flags: ['PRESENT', 'YOUNG', 'READ', 'PROTECT'], accessed: true, dirty: false },
    { name: 'bare', lo: 0, access: KERNEL_RWX, flags: [], accessed: undefined, dirty: undefined },
  ])('reads the page-table entry $name', ({ lo, access, flags, accessed, dirty }) => {
    expect(arch().describe('pte', lo, 0, 0)).toEqual({ access, flags, accessed, dirty, global: false, memoryType: '', group: 1 });
  });

  it.each([
    { name: 'SEGMENT_KERNEL', level: 'pmd' as const, lo: 0x3503, release: '6.12.0', access: KERNEL_RW, flags: ['READ', 'WRITE', 'YOUNG', 'DIRTY', 'NOEXEC', 'LARGE'], dirty: true },
    { name: 'SEGMENT_KERNEL_RO', level: 'pmd' as const, lo: 0x1701, release: '6.12.0', access: KERNEL_R, flags: ['READ', 'YOUNG', 'NOEXEC', 'PROTECT', 'LARGE'], dirty: false },
    { name: 'REGION3_KERNEL_EXEC', level: 'pud' as const, lo: 0x3407, release: '6.12.0', access: KERNEL_RWX, flags: ['READ', 'WRITE', 'YOUNG', 'DIRTY', 'LARGE'], dirty: true },
    { name: 'SEGMENT_KERNEL of 6.14', level: 'pmd' as const, lo: 0xf501, release: '6.14.0', access: KERNEL_RW, flags: ['PRESENT', 'YOUNG', 'DIRTY', 'READ', 'WRITE', 'NOEXEC', 'LARGE'], dirty: true },
  ])('reads $name', ({ level, lo, release, access, flags, dirty }) => {
    expect(arch({ release }).describe(level, lo, 0, 0)).toMatchObject({ access, flags, accessed: true, dirty });
  });

  it('takes access control for what it is', () => {
    expect(arch().describe('pmd', 0x1f400, 0, 0)).toMatchObject({ accessed: undefined, dirty: undefined, flags: ['LARGE', 'ACCESS_VALID'] });
  });

  it('reads table entries', () => {
    expect(arch().describe('pud', 0x1c007, 0, 0)).toMatchObject({ access: KERNEL_RWX, flags: ['TL=3'], accessed: undefined });
    expect(arch().describe('p4d', 0x1c249, 0, 0)).toMatchObject({ access: KERNEL_RX, flags: ['TL=1', 'TF=1', 'PROTECT'] });
    expect(arch().describe('pmd', 0x30a10, 0, 0)).toMatchObject({ access: KERNEL_RX, flags: ['COMMON', 'PROTECT'], global: true });
    // An entry's bit 0x100 means something in leaves alone.
    expect(arch().describe('pud', 0x1c107, 0, 0).access).toBe(KERNEL_RWX);
  });

  it('gives a process what both it and the kernel may do', () => {
    expect(arch({ privateSpace: true }).describe('pte', 0x315, 0, 0).access).toBe(Access.KernelRead | Access.UserRead);
  });

  it('knows what is switched off', () => {
    expect(arch({ iep: false }).describe('pte', 0x13d, 0, 0).access).toBe(KERNEL_RWX);
    // Without EDAT the large bit means nothing and protection in a region table neither.
    expect(arch({ edat: false }).describe('pud', 0x1c607, 0, 0)).toMatchObject({ access: KERNEL_RWX, flags: ['TL=3', 'PROTECT'] });
    expect(arch({ edat: false }).describe('pmd', 0x1c600, 0, 0).access).toBe(KERNEL_RX);
  });
});

describe('inherit', () => {
  it('adds up protection', () => {
    const s390 = arch();
    expect(s390.inherit(0, 'pmd', 0x200, 0)).toBe(Inherited.Protect);
    expect(s390.inherit(0, 'pgd', 0x20f, 0)).toBe(Inherited.Protect);
    expect(s390.inherit(0, 'pud', 0x107, 0)).toBe(0);
    expect(s390.inherit(Inherited.Protect, 'pud', 0x7, 0)).toBe(Inherited.Protect);
    expect(arch().describe('pte', 0x13d, 0, Inherited.Protect).access).toBe(KERNEL_R);
  });

  it('ignores region tables without EDAT', () => {
    const s390 = arch({ edat: false });
    expect([s390.inherit(0, 'pgd', 0x20f, 0), s390.inherit(0, 'pud', 0x207, 0), s390.inherit(0, 'pmd', 0x200, 0)]).toEqual([0, 0, Inherited.Protect]);
  });
});
