import { readFileSync, writeFileSync } from 'node:fs';
import { accessorTable } from './accessors/table.js';

/*
 * npm run accessors
 *
 * Writes docs/accessors.md: every accessor, what each architecture has of its own at each level, and the laws that test it.
 */
const FILE = new URL('../docs/accessors.md', import.meta.url);
const text = accessorTable();
let before = '';
try {
  before = readFileSync(FILE, 'utf8');
} catch {
  // There was none.
}
if (text === before) {
  console.log('docs/accessors.md is up to date');
} else {
  writeFileSync(FILE, text);
  console.log('docs/accessors.md was written anew');
}
