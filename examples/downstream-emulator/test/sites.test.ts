import { describe, expect, it } from 'vitest';
import { readSites, sources, type SiteKind } from './sites.js';

const { before, after } = readSites();

/** What a line of each kind has in it. */
const LOOKS: Readonly<Record<SiteKind, RegExp>> = {
  get: /\.elements\[[^\]]+\]/,
  set: /\.elements\[[^\]]+\] = /,
  once: /Atomics\.load\(tables\.elements, /,
  next: /\+\+|\b(?:ptep|first|end) [+-] /,
  recast: / [+-] .* as Ptep/,
  zero: /0n/,
  halves: /\(low \| high\) !== 0/,
  word: /\.words\[/,
  view: /view\.[gs]etInt32\(ptep /,
  times: /(?:first \+ index\)|ptep) \* /,
  atomic: /Atomics\.compareExchange\(/,
  order: /ptep < /,
  text: /\$\{end\}/,
  number: /Number\(first\)/,
  destructure: /\[ptep\]: /,
  other: /entries\.elements\[ptep\]/,
  beside: /\.elements\[[^\]]+\] = |Atomics\.load\(/,
  cast: / as (?:Ptep|Pmdp|Pgdp)/,
  stack: /: Ptep = |fault\.orig|began = |readPte\(entries, held\)/,
  bug: /readPte\(kernel\.stack\.values, |readPte\(this\.snapshots, |writePte\(kernel\.stack\.values, |wasWritten\(mm, tables, /,
  use: /pointer|slot|saved|orig|began/,
  useindex: /tags\[slot\]/,
};

const RAW = /\b(?:tables|entries)\.(?:elements|words)\[|Atomics\.|view\.[gs]etInt32|= tables\.elements;/;

describe('the manifest of sites', () => {
  it('has at least 80 raw dereferences that a getter or setter would do for, 10 values held aside and 5 bugs', () => {
    const raw = before.filter(({ class: type, rule }) => type === 'rote' && rule === 'no-raw-deref');
    expect(raw.length).toBeGreaterThanOrEqual(80);
    expect(before.filter(({ class: type }) => type === 'stack').length).toBeGreaterThanOrEqual(10);
    expect(after.length).toBeGreaterThanOrEqual(10);
    expect(before.flatMap(({ bug }) => bug ?? []).sort()).toEqual([1, 2, 3, 4, 5]);
  });

  it('names lines that are what it says', () => {
    const files = sources('before');
    const wrong = before.filter(({ file, line, kind }) => !LOOKS[kind].test(files.get(file)?.[line - 1] ?? ''));
    expect(wrong).toEqual([]);
  });

  it('names every raw access of the old version, and the new one has none', () => {
    const known = new Set(before.map(({ file, line }) => `${file}:${line}`));
    const found: string[] = [];
    for (const [file, lines] of sources('before')) lines.forEach((text, at) => { if (RAW.test(text)) found.push(`${file}:${at + 1}`); });
    expect(found.length).toBeGreaterThan(80);
    expect(found.filter((place) => !known.has(place))).toEqual([]);
    for (const [file, lines] of sources('after')) expect({ file, raw: lines.filter((text) => RAW.test(text)) }).toEqual({ file, raw: [] });
  });

  it('names places of the new version where a value is held aside', () => {
    const files = sources('after');
    const wrong = after.filter(({ file, line }) => !/EntryPtr<'pte'>|stack\.push/.test(files.get(file)?.[line - 1] ?? ''));
    expect(wrong).toEqual([]);
  });

  it('is about the same files in both versions', () => {
    const names = (folder: 'before' | 'after'): string[] => [...sources(folder).keys()].map((file) => file.slice(folder.length));
    expect(names('after')).toEqual(names('before'));
  });
});
