import { describe, expect, it } from 'vitest';
import { entryVal, geometryOf, levelNumber, LEVELS } from '../src/index.js';
import { makeGeometry } from './made-up.js';

describe('levels', () => {
  it('are numbered from the lowest', () => {
    expect(LEVELS.map(levelNumber)).toEqual([0, 1, 2, 3, 4]);
    expect(LEVELS).toEqual(['pte', 'pmd', 'pud', 'p4d', 'pgd']);
  });
  it('find their geometry', () => {
    const geometry = makeGeometry({ pte: 9, pmd: 9, pgd: 10 });
    expect(geometryOf(geometry, 'pte')).toMatchObject({ level: 'pte', shift: 12, entries: 512, folded: false });
    expect(geometryOf(geometry, 'pgd')).toMatchObject({ level: 'pgd', shift: 30, entries: 1024, folded: false });
    expect(geometryOf(geometry, 'pud').folded).toBe(true);
  });
  it('leave the bits of a value as they are', () => {
    expect(entryVal('pte', 0xffff_ffff_ffff_ffffn)).toBe(2n ** 64n - 1n);
  });
});
