import { beforeAll, describe, expect, it } from 'vitest';
import { chooseFamily, compile } from '../check-strong.js';
import { readSites } from './sites.js';

describe('compiling with handles of both families', () => {
  let strong: string[] = [];
  beforeAll(() => {
    strong = compile('before', 'strong');
  }, 120_000);

  it('takes the old version with handles that are aliases', () => {
    expect(compile('before', 'alias')).toEqual([]);
  }, 120_000);

  it('refuses the old version with strong handles, and at no place that the manifest does not have', () => {
    const known = new Set(readSites().before.map(({ file, line }) => `${file}:${line}`));
    const places = strong.map((error) => `before/${error.slice(0, error.indexOf(': '))}`);
    expect(new Set(places).size).toBeGreaterThan(100);
    expect(places.filter((place) => !known.has(place))).toEqual([]);
  });

  it('finds every site, the five bugs among them, but for what is no error of types: a comparison with zero, order, a handle in a text', () => {
    const places = new Set(strong.map((error) => `before/${error.slice(0, error.indexOf(': '))}`));
    const missed = readSites().before.filter(({ file, line }) => !places.has(`${file}:${line}`));
    expect(new Set(missed.map(({ kind }) => kind))).toEqual(new Set(['text', 'number', 'zero', 'halves', 'order']));
  });

  it('takes the new version with strong handles', () => {
    expect(compile('after', 'strong')).toEqual([]);
  }, 120_000);

  it('takes the new version with aliases too', () => {
    expect(compile('after', 'alias')).toEqual([]);
  }, 120_000);

  it('does not guess where the choice is', () => {
    expect(() => chooseFamily('export type Family = AliasHandles;', 'strong')).toThrow('family.ts has not one line');
  });
});
