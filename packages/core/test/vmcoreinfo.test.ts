import { describe, expect, it } from 'vitest';
import { releaseAtLeast, Vmcoreinfo } from '../src/index.js';

const text = [
  'OSRELEASE=6.12.48+deb13-amd64',
  'BUILD-ID=2f0e3b',
  'PAGESIZE=4096',
  'SYMBOL(init_uts_ns)=ffffffffb9c1a2a0',
  'SYMBOL(swapper_pg_dir)=0xffffffffb9a0e000',
  'SYMBOL(broken)=zzz',
  'NUMBER(phys_base)=-1234567168',
  'NUMBER(VA_BITS)=48',
  'NUMBER(TCR_EL1_T1SZ)=0x10',
  'NUMBER(kimage_voffset)=0xffff7fff40000000',
  'NUMBER(PHYS_OFFSET)=ff',
  'NUMBER(odd)=12x',
  'KERNELOFFSET=37a00000',
  'EMPTY=',
  'TWICE=1=2',
  '=nokey',
  'no equals sign',
  'CRASHTIME=1700000000\0\0\0',
].join('\n');

describe('Vmcoreinfo', () => {
  const info = new Vmcoreinfo(text, 'a test');

  it('keeps what it was made from', () => {
    expect(info.source).toBe('a test');
    expect(info.text).toBe(text);
  });
  it('finds values by key', () => {
    expect(info.get('OSRELEASE')).toBe('6.12.48+deb13-amd64');
    expect(info.release).toBe('6.12.48+deb13-amd64');
    expect(info.get('EMPTY')).toBe('');
    expect(info.get('TWICE')).toBe('1=2');
    expect(info.get('')).toBeUndefined();
    expect(info.get('no equals sign')).toBeUndefined();
    expect(info.get('CRASHTIME')).toBe('1700000000');
  });
  it('reads symbols as hexadecimal', () => {
    expect(info.symbol('init_uts_ns')).toBe(0xffffffffb9c1a2a0n);
    expect(info.symbol('swapper_pg_dir')).toBe(0xffffffffb9a0e000n);
    expect(info.symbol('broken')).toBeUndefined();
    expect(info.symbol('missing')).toBeUndefined();
  });
  it('reads numbers as the kernel prints them: signed decimal, 0x, and bare hexadecimal', () => {
    expect(info.number('phys_base')).toBe(-1234567168n);
    expect(info.number('VA_BITS')).toBe(48n);
    expect(info.number('TCR_EL1_T1SZ')).toBe(16n);
    expect(info.number('kimage_voffset')).toBe(0xffff7fff40000000n);
    expect(info.number('PHYS_OFFSET')).toBe(255n);
    expect(info.number('odd')).toBeUndefined();
    expect(info.number('missing')).toBeUndefined();
  });
  it('reads keys of their own as hexadecimal', () => {
    expect(info.hex('KERNELOFFSET')).toBe(0x37a00000n);
    expect(info.hex('EMPTY')).toBeUndefined();
    expect(info.hex('missing')).toBeUndefined();
  });
  it('has no release where there is none', () => {
    expect(new Vmcoreinfo('', 'nothing').release).toBeUndefined();
  });
});

describe('releaseAtLeast', () => {
  it.each([
    ['6.12.48-amd64', 6, 12, true],
    ['6.12', 6, 13, false],
    ['6.9.1', 6, 12, false],
    ['5.999', 6, 0, false],
    ['7.0-rc1', 6, 12, true],
    ['10.2.0', 9, 50, true],
    [undefined, 6, 0, undefined],
    ['six', 6, 0, undefined],
    ['6', 6, 0, undefined],
  ] as const)('%s against %i.%i', (release, major, minor, expected) => {
    expect(releaseAtLeast(release, major, minor)).toBe(expected);
  });
});
