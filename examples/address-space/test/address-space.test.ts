import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { addressSpace } from '../src/address-space.js';
import { MACHINES } from '../src/machines.js';

const FOLDER = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string): string => readFileSync(`${FOLDER}${path}`, 'utf8');
const MAIN = ['--conditions=@pgtable/source', '--import', 'tsx', 'src/main.ts'];

/** What the program prints. */
function outputOf(name: string): string {
  const lines: string[] = [];
  addressSpace(MACHINES.get(name)!, (line) => { lines.push(line); });
  return `${lines.join('\n')}\n`;
}

describe('the life of an address space', () => {
  it('is lived on one machine of each architecture', () => {
    expect([...MACHINES.keys()]).toEqual(['x86', 'arm64', 'riscv', 's390']);
  });

  it.each([...MACHINES.keys()])('of %s is what test/*.txt has', (name) => {
    expect(outputOf(name)).toBe(read(`test/${name}.txt`));
  });

  it('is in the README, on arm64', () => {
    const shown = /^```console\n\$ npm start arm64\n([\s\S]*?)^```/m.exec(read('README.md'))?.[1];
    expect(shown).toBe(read('test/arm64.txt'));
  });
});

describe('the program', () => {
  it('prints it', () => {
    expect(execFileSync(process.execPath, [...MAIN, 'riscv'], { cwd: FOLDER, encoding: 'utf8' })).toBe(read('test/riscv.txt'));
  });

  it('says which machines there are', () => {
    const { status, stderr } = spawnSync(process.execPath, [...MAIN, 'vax'], { cwd: FOLDER, encoding: 'utf8' });
    expect([status, stderr]).toEqual([2, 'there is no machine vax: give one of x86, arm64, riscv, s390\n']);
  });
});
