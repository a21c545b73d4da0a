import { Vmcoreinfo } from '@pgtable/core';
import { describe, expect, it } from 'vitest';
import { Symbols } from '../src/index.js';

const text = [
  '0000000000000000 A fixed_percpu_data',
  'ffffffff81000000 T _text',
  'ffffffff81000000 T startup_64',
  'ffffffff81000100 t helper',
  'ffffffff81000200 t helper',
  'ffffffff82000000 D init_mm',
  'ffffffffc0000000 t in_module\t[some_module]',
  'not a line',
  '',
].join('\n');

describe('Symbols', () => {
  const symbols = new Symbols(text, 'System.map');
  it('finds addresses by name; the first of several', () => {
    expect(symbols.get('_text')).toBe(0xffffffff81000000n);
    expect(symbols.get('helper')).toBe(0xffffffff81000100n);
    expect(symbols.get('in_module')).toBe(0xffffffffc0000000n);
    expect(symbols.get('missing')).toBeUndefined();
    expect(symbols.get('not')).toBeUndefined();
  });
  it('finds the symbol that an address lies in or after', () => {
    expect(symbols.nearest(0xffffffff82000000n)).toMatchObject({ name: 'init_mm', offset: 0n });
    expect(symbols.nearest(0xffffffff82000123n)).toMatchObject({ name: 'init_mm', offset: 0x123n });
    expect(symbols.nearest(0xffffffff81ffffffn)).toEqual({ name: 'helper', offset: 0xfffeffn, size: 0xffff00n });
    expect(symbols.nearest(2n ** 64n - 1n)?.name).toBe('in_module');
    expect(symbols.nearest(5n)).toMatchObject({ name: 'fixed_percpu_data', offset: 5n });
    expect(new Symbols('1000 T a\n', 'x').nearest(0xfffn)).toBeUndefined();
    // Of two at one address the one of kallsyms, and the size up to the next address.
    expect(new Symbols('1000 T _stext\n1000 T __head_start\n1000 W start\n1000 T startup_64\n', 'x').nearest(0x1000n)?.name).toBe('startup_64');
    expect(new Symbols('1000 T a\n1000 T b\n1040 T c\n', 'x').nearest(0x1010n)).toEqual({ name: 'a', offset: 0x10n, size: 0x40n });
    expect(new Symbols('1000 T a\n', 'x').nearest(0x1010n)).toEqual({ name: 'a', offset: 0x10n, size: 0n });
  });
  it('tells where a kernel was linked from where it ran, and one kernel from another', () => {
    const info = (stext: string) => new Vmcoreinfo(`OSRELEASE=6.12.0\nSYMBOL(_stext)=${stext}\n`, 'the VMCOREINFO note');
    const linked = new Symbols('ffffffff81000000 T _text\nffffffff81000000 T _stext\n', 'System.map');
    expect(linked.movedBy(info('ffffffffa0a00000'), 0x1fa00000n)).toBe(0x1fa00000n);
    // A kallsyms has the addresses where the kernel ran.
    expect(linked.movedBy(info('ffffffff81000000'), 0x1fa00000n)).toBe(0n);
    expect(linked.movedBy(info('ffffffff81000000'), 0n)).toBe(0n);
    // Builds begin at one address, and have the rest elsewhere.
    const uts = new Vmcoreinfo('SYMBOL(_stext)=ffffffff81000000\nSYMBOL(init_uts_ns)=ffffffff82000040\n', 'the VMCOREINFO note');
    const other = new Symbols('ffffffff81000000 T _stext\nffffffff82000000 D init_uts_ns\n', 'System.map');
    expect(() => other.movedBy(uts, 0n)).toThrow('it has init_uts_ns at 0xffffffff82000000 and the VMCOREINFO note says 0xffffffff82000040');
    // Nothing to compare with.
    expect(linked.movedBy(undefined, 5n)).toBe(5n);
    expect(new Symbols('1000 T a\n', 'x').movedBy(info('ffffffff81000000'), 5n)).toBe(5n);
    expect(() => linked.movedBy(info('ffffffffa0b00000'), 0x1fa00000n)).toThrow(
      'System.map is not of this kernel: it has _stext at 0xffffffff81000000, which the kernel moved to 0xffffffffa0a00000, and the VMCOREINFO note says 0xffffffffa0b00000',
    );
  });
  it.each([
    ['no symbols', 'hello\nworld\n', 'holds no symbols'],
    ['addresses that are hidden', '0000000000000000 T _text\n0000000000000000 T _end\n', 'are zero'],
  ])('refuses %s', (_name, wrong, message) => {
    let thrown: unknown;
    try {
      new Symbols(wrong, 'a file');
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code: 'EBADMSG' });
    expect((thrown as Error).message).toContain(message);
    expect((thrown as Error).message).toContain('a file');
  });
});
