import { describe, expect, it } from 'vitest';
import { recognise, Vmcoreinfo, type ArchPlugin } from '../src/index.js';

const plugin = (name: string, elfMachine: number, key: string): ArchPlugin => ({
  name, title: name, elfMachines: [elfMachine], utsMachines: [name], vmcoreinfoKeys: [key], registers: [],
  findRoots: () => Promise.resolve({ candidates: [], missing: [] }), markers: () => Promise.resolve([]), kernelOffset: () => 0n,
});
const ONE = plugin('one', 1, 'NUMBER(first)');
const TWO = plugin('two', 2, 'SECOND');
const said = (clues: { elfMachine?: number; utsMachine?: string; text?: readonly string[] }): string | undefined =>
  recognise([ONE, TWO], {
    elfMachine: clues.elfMachine, utsMachine: clues.utsMachine, vmcoreinfo: (clues.text ?? []).map((text) => new Vmcoreinfo(text, 'a test')),
  })?.name;

describe('recognise', () => {
  it('believes ELF before kdump, and kdump before the kernel', () => {
    expect(said({ elfMachine: 1, utsMachine: 'two', text: ['SECOND=1'] })).toBe('one');
    expect(said({ utsMachine: 'one', text: ['SECOND=1'] })).toBe('one');
    expect(said({ utsMachine: 'Unknown', text: ['SECOND=1'] })).toBe('two');
    expect(said({ text: ['OSRELEASE=6.12.0', 'NUMBER(first)=0'] })).toBe('one');
  });
  it('takes kdump\'s word in any spelling', () => {
    expect(said({ utsMachine: 'TWO' })).toBe('two');
  });
  it('knows no architecture by what is another\'s, by nothing, or by what contradicts itself', () => {
    expect(said({ elfMachine: 3, utsMachine: 'one', text: ['SECOND=1'] })).toBeUndefined();
    expect(said({})).toBeUndefined();
    expect(said({ utsMachine: '' })).toBeUndefined();
    expect(said({ text: ['SECOND=1', 'NUMBER(first)=0'] })).toBeUndefined();
  });
});
