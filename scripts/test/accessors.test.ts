import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { accessorTable, uncovered } from '../accessors/table.js';

describe('docs/accessors.md', () => {
  it('is what `npm run accessors` writes', () => {
    expect(readFileSync(new URL('../../docs/accessors.md', import.meta.url), 'utf8')).toBe(accessorTable());
  });

  it('leaves no accessor without a law', () => {
    expect(uncovered()).toEqual([]);
  });
});
