import { describe, expect, it } from 'vitest';
import { mentions, Reach, speaksOf } from '../src/types/reach.js';
import { programOf } from './program.js';

/* Which files have to do with something: what leads to it, and what does not. */

const CORE = 'export interface Handle { readonly brand: never }';

/** Which of the files reach /core.ts, each asked in turn, from the first and from the last on. */
function reaching(files: Readonly<Record<string, string>>): string[] {
  const names = Object.keys(files);
  const [first, second] = [names, [...names].reverse()].map((order) => {
    const program = programOf({ ...files, '/core.ts': CORE });
    const reach = new Reach(program, ({ fileName }) => fileName === '/core.ts');
    return order.filter((name) => reach.from(program.getSourceFile(name)!)).sort();
  });
  expect(second).toEqual(first);
  return first!;
}

describe('a file is reached', () => {
  it.each([
    ['import', "import { type Handle } from './core';\nexport const a: Handle[] = [];"],
    ['import type', "import type { Handle } from './core';\nexport type A = Handle;"],
    ['export', "export * from './core';"],
    ['import()', "export const a = (): unknown => import('./core');"],
    ['the type import()', "export let a: import('./core').Handle;"],
    ['typeof import()', "export let a: { deep: [typeof import('./core')] };"],
    ['import = require()', "import core = require('./core');\nexport type A = core.Handle;"],
  ])('by %s', (_, text) => {
    expect(reaching({ '/a.ts': text, '/b.ts': 'export const b = 1;' })).toEqual(['/a.ts']);
  });

  it('from file to file, round in circles too', () => {
    expect(reaching({
      '/a.ts': "import './b';\nexport {};",
      '/b.ts': "import './c';\nexport {};",
      '/c.ts': "import './a';\nimport './d';\nexport {};",
      '/d.ts': "export type { Handle } from './core';",
      '/e.ts': "import './f';\nexport {};",
      '/f.ts': "import './e';\nexport {};",
    })).toEqual(['/a.ts', '/b.ts', '/c.ts', '/d.ts']);
  });

  it('by what its own folder, and a file of its own kind, finds under a name', () => {
    expect(reaching({
      '/a/one.ts': "import './next';\nexport {};",
      '/a/two.ts': "import './next';\nexport {};",
      '/a/next.ts': "export * from '../core';",
      '/b/one.ts': "import './next';\nexport {};",
      '/b/two.ts': "import '../a/next';\nexport {};",
      '/b/next.ts': 'export const next = 1;',
    })).toEqual(['/a/next.ts', '/a/one.ts', '/a/two.ts', '/b/two.ts']);
  });

  it('by what another file adds to a module', () => {
    expect(reaching({
      '/a.ts': "import { type Request } from './b';\nexport const a = (request: Request) => request;",
      '/b.ts': 'export interface Request { readonly id: number }',
      '/c.ts': "import type { Handle } from './core';\ndeclare module './b' { interface Request { readonly ptep: Handle } }\nexport {};",
      '/d.ts': 'export const d = 1;',
    })).toEqual(['/a.ts', '/b.ts', '/c.ts']);
  });

  it.each([
    ['declare global', "import type { Handle } from './core';\ndeclare global { const entry: Handle }\nexport {};"],
    ['a file that is no module', "declare const entry: import('./core').Handle;"],
  ])('from everywhere by %s', (_, text) => {
    expect(reaching({ '/a.ts': 'export const a = 1;', '/b.d.ts': text })).toEqual(['/a.ts', '/b.d.ts']);
  });

  it('from everywhere by a module that is declared in a file that is no module', () => {
    const text = "declare module 'entries' { import { Handle } from 'handles';\nexport const entry: Handle; }";
    expect(reaching({ '/a.ts': 'export const a = 1;', '/b.d.ts': text, '/node_modules/handles/index.d.ts': "export * from '../../core';" })).toHaveLength(3);
  });

  it('by nothing else', () => {
    expect(reaching({ '/a.ts': "import './gone';\nimport { b } from './b';\nexport const a = b;", '/b.ts': 'export const b = 1;', '/c.d.ts': 'declare const c: number;' })).toEqual([]);
  });
});

it('a file speaks of a package whose types are not found', () => {
  const program = programOf({ '/a.ts': "import { x } from '@pgtable/core/arch';", '/b.ts': "import { x } from '@pgtable/core-like';" });
  expect(['/a.ts', '/b.ts'].map((name) => speaksOf(program.getSourceFile(name)!, '@pgtable/core'))).toEqual([true, false]);
});

it('a file mentions names and properties, however they are written', () => {
  const program = programOf({ '/a.ts': "export const a = { 'one': 1, two: 2 };\na['three'];\nconst text = 'four'; // five" });
  const file = program.getSourceFile('/a.ts')!;
  expect(['one', 'two', 'three', 'text', 'four', 'five'].filter((name) => mentions(file, [name]))).toEqual(['one', 'two', 'three', 'text']);
});
