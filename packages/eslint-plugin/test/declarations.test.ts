import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { Declarations } from '../src/types/declarations.js';
import { Named } from '../src/types/named.js';
import { Reach } from '../src/types/reach.js';
import { Types } from '../src/types/types.js';
import { programOf } from './program.js';

/* Which files name something that is made of a declaration: what leads there, and what does not though its file does. */

const CORE = 'export interface Handle { readonly brand: never }\nexport interface Size { readonly bytes: bigint }\nexport function read(at: Handle): bigint { return 0n; }\nexport function round(n: bigint): bigint { return n; }';

/** Whether /a.ts leads to the interface Handle of /core.ts, asked first and asked last. */
function leads(files: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(files);
  const [first, last] = [['/a.ts', ...names], [...names].reverse()].map((order) => {
    const program = programOf({ ...files, '/core.ts': CORE });
    const inCore = ({ fileName }: ts.SourceFile): boolean => fileName === '/core.ts';
    const declarations = new Declarations(program, new Reach(program, inCore), { mayBeIn: inCore, is: (one) => ts.isInterfaceDeclaration(one) && one.name.text === 'Handle' });
    return new Map(order.map((name) => [name, declarations.from(program.getSourceFile(name)!)])).get('/a.ts')!;
  });
  expect(last).toBe(first);
  return first!;
}

const USES_B = "import { b } from './b';\nexport const a = b;";

describe('a file leads to a declaration', () => {
  it.each([
    ['an import', "import type { Handle } from './core';"],
    ['an import by another name', "import { type Handle as H } from './core';"],
    ['a function that takes it', "import { read } from './core';"],
    ['all of the module', "import * as core from './core';"],
    ['import()', "export const a = (): unknown => import('./core');"],
    ['import.defer()', "export const a = (): unknown => import.defer('./core');"],
    ['the type import()', "export let a: import('./core').Handle;"],
    ['import = require()', "import core = require('./core');"],
    ['what is not found', "import { round } from './core';\nimport { gone } from './gone';"],
  ])('by %s', (_, text) => {
    expect(leads({ '/a.ts': text })).toBe(true);
  });

  it.each([
    ['the type of a variable', "import type { Handle } from './core';\nexport const b: Handle[] = [];"],
    ['the type of a parameter', "import type { Handle } from './core';\nexport function b(at: Handle): void {}"],
    ['a property', "import type { Handle } from './core';\nexport interface b { readonly at: Handle }"],
    ['what an interface extends', "import type { Handle } from './core';\nexport interface b extends Handle {}"],
    ['a field that a constructor gives', "import { read } from './core';\nexport class b { at; constructor() { this.at = read; } }"],
    ['a body whose type is not written', "import { read } from './core';\nexport function b() { return read; }"],
    ['an initialiser whose type is not written', "import { read } from './core';\nexport const b = { read };"],
    ['a method of an object', "import type { Handle } from './core';\nexport const b = { at(handle: Handle): void {} };"],
    ['a constraint', "import type { Handle } from './core';\nexport type b<H extends Handle> = H[];"],
    ['a predicate', "import type { Handle } from './core';\nexport function b(one: unknown): one is Handle { return true; }"],
    ['typeof', "import { read } from './core';\nexport type b = typeof read;"],
    ['a property of all of a module', "import * as core from './core';\nexport type b = core.Handle;"],
    ['the type import()', "export type b = import('./core').Handle;"],
    ['a namespace', "import type { Handle } from './core';\nexport namespace b { export type At = Handle }"],
    ['another declaration', "import type { Handle } from './core';\ntype At = Handle;\nconst made = (): At[] => [];\nexport const b = made();"],
    ['one of two that go in a circle', "import type { Handle } from './core';\nexport interface b { readonly next: Other }\ninterface Other { readonly at: Handle; readonly back: b }"],
    ['what a function is given later', "import { read } from './core';\nexport function b(): void {}\nb.read = read;"],
    ['what a constant function is given later', "import { read } from './core';\nexport const b = (): void => {};\nb.read = read;"],
    ['what a function is given in a block', "import { read } from './core';\nexport function b(): void {}\nif (b !== undefined) b.read = read;"],
    ['what a function is given in an initialiser', "import { read } from './core';\nexport function b(): void {}\nconst all: unknown = (b.read = read);"],
    ['the list that a loop goes through', "import { read } from './core';\nfor (var b of [read]) {}\nexport { b };"],
    ['what it is given later', "import { read } from './core';\nlet at;\nat = read;\nexport const b = { at };"],
    ['what it is given in an initialiser', "import { read } from './core';\nconst list = [];\nconst size = list.push(read);\nexport const b = { list };"],
    ['what it is told to be in a static block', "import type { Handle } from './core';\nfunction tell(one: unknown): asserts one is Handle {}\ndeclare const at: unknown;\nclass Told { static { tell(at); } }\nexport const b = at;"],
    ['what it is told to be', "import type { Handle } from './core';\nfunction is(one: unknown): one is Handle { return true; }\ndeclare const at: unknown;\nconst isAt = is(at);\nif (!isAt) throw at;\nexport const b = at;"],
    ['a default export', "import type { Handle } from './core';\nexport default class { readonly at!: Handle }\nexport { default as b } from './b';"],
    ['what it passes on', "export { type Handle as b } from './core';"],
    ['all that it passes on', "export * from './core';\nexport * as b from './core';"],
  ])('by a name whose declaration does by %s', (_, text) => {
    expect(leads({ '/a.ts': USES_B, '/b.ts': text })).toBe(true);
  });

  it.each([
    ['its own', { '/a.ts': "import { round } from './core';\nexport interface B { readonly id: number }", '/c.ts': "import type { Handle } from './core';\ndeclare module './a' { interface B { readonly ptep: Handle } }" }],
    ['one that it imports', { '/a.ts': "import { b } from './b';", '/b.ts': 'export interface B { readonly id: number }\nexport const b: B[] = [];', '/c.ts': "import type { Handle } from './core';\ndeclare module './b' { interface B { readonly ptep: Handle } }" }],
    ['one that another passes on', { '/a.ts': 'export interface B { readonly id: number }\nexport const a: B[] = [];', '/b.ts': "export * from './a';", '/c.ts': "import type { Handle } from './core';\ndeclare module './b' { interface B { readonly ptep: Handle } }" }],
    ['one that it imports from where another passes it on', { '/a.ts': "import { d } from './d';", '/b.ts': "export * from './d';", '/c.ts': "import type { Handle } from './core';\ndeclare module './b' { interface D { readonly ptep: Handle } }", '/d.ts': 'export interface D { readonly id: number }\nexport const d: D[] = [];' }],
    ['one that exports a namespace as a whole', { '/a.ts': "import { b } from './b';", '/b.d.ts': 'declare namespace all { interface B { readonly id: number }\nconst b: B }\nexport = all;', '/c.ts': "import type { Handle } from './core';\ndeclare module './b' { interface B { readonly ptep: Handle } }" }],
    ['by itself', { '/a.ts': "export {};\ndeclare module './b' { interface B { readonly at: At } }", '/b.ts': "import type { Handle } from './core';\nexport type At = Handle;" }],
  ])('by what a file adds to a module, %s', (_, files) => {
    expect(leads(files)).toBe(true);
  });

  it('by a property of what a file is as a whole', () => {
    expect(leads({ '/a.ts': "import { at } from './b';", '/b.d.ts': "import type { Handle } from './core';\nimport type { Box } from './d';\ndeclare const box: Box<Handle>;\nexport = box;", '/d.ts': 'export interface Box<T> { readonly at: T }' })).toBe(true);
  });

  it.each([
    ['its own type', { '/b.ts': "import type { Handle } from './core';\nimport { b as B } from './d';\ninterface B { readonly at: Handle }\nexport const b: B[] = [];", '/d.ts': 'export const b = 1;' }],
    ['a value that it passes on', { '/b.ts': "import { b } from './d';\ninterface b { readonly id: number }\nexport { b };", '/d.ts': "import { read } from './core';\nexport const b = read;" }],
  ])('by a name that stands for two things, %s', (_, files) => {
    expect(leads({ '/a.ts': USES_B, ...files })).toBe(true);
  });

  it('by an element of JSX', () => {
    expect(leads({ '/a.ts': USES_B, '/b.tsx': "import * as React from './view';\nexport const b = <div/>;", '/view.d.ts': "import type { Handle } from './core';\nexport namespace JSX { interface Element { readonly at: Handle } }" })).toBe(true);
  });

  it('by what comments say', () => {
    expect(leads({ '/a.ts': "import { b } from './b.js';", '/b.js': "/** @type {import('./core').Handle | undefined} */\nexport const b = undefined;" })).toBe(true);
  });

  it.each([
    ['declare global', { '/b.ts': "import type { Handle } from './core';\ndeclare global { const entry: Handle }\nexport {};" }],
    ['export as namespace', { '/b.d.ts': "export * from './core';\nexport as namespace Core;" }],
    ['what the elements of JSX are', { '/node_modules/view/jsx-runtime.d.ts': "import type { Handle } from '../../core';\nexport namespace JSX { interface Element { readonly at: Handle } }" }],
  ])('by what is declared for all files, by %s', (_, files) => {
    expect(leads({ '/a.ts': 'export const a = 1;', ...files })).toBe(true);
  });
});

describe('a file does not lead to a declaration', () => {
  it.each([
    ['another of its file', "import { round, type Size } from './core';"],
    ['its file, and no name', "import './core';"],
    ['a module that passes it on, among others', "import { round } from './b';\nround(1n);"],
    ['its file, and a property of what another is as a whole', "import { round } from './core';\nimport { at } from './whole';"],
  ])('by %s', (_, text) => {
    expect(leads({ '/a.ts': text, '/b.ts': "export * from './core';", '/whole.d.ts': 'declare const whole: { readonly at: number };\nexport = whole;' })).toBe(false);
  });

  it.each([
    ['a body whose type is written', "import { read, type Handle } from './core';\nexport function b(n: bigint): bigint { return read as unknown as bigint; }"],
    ['an initialiser whose type is written', "import { read } from './core';\nexport const b: unknown = read;"],
    ['what is done there, to a function', "import { read } from './core';\nexport function b(): void {}\nread();"],
    ['another declaration of its own', "import { read, type Handle } from './core';\nexport const b = 1;\nexport const other: Handle[] = [];"],
    ['another variable of the same statement', "import { read } from './core';\nexport const b = 1, other = read;"],
    ['the name of a property', "import { read } from './core';\nexport const b = { read: 1 }.read;"],
  ])('by a name whose file does by %s', (_, text) => {
    expect(leads({ '/a.ts': USES_B, '/b.ts': text })).toBe(false);
  });
});

it('a file has to do with names that it has, and with what is declared with one', () => {
  const program = programOf({
    '/walk.ts': 'export function walkPageRange(): void {}\nexport interface Ops { readonly walkLock: string }\nexport const PAGE = 4096;',
    '/renamed.ts': "import { walkPageRange } from './walk';\nexport const go = walkPageRange;\nexport { type Ops as Callbacks } from './walk';\nexport { PAGE } from './walk';",
    '/has.ts': 'export const a = { walkLock: 1 };',
    '/calls.ts': "import { go } from './renamed';\ngo();",
    '/takes.ts': "import type { Callbacks } from './renamed';\nexport const a: Callbacks[] = [];",
    '/typed.ts': "import { go } from './renamed';\nexport const on: () => void = go;",
    '/callsTyped.ts': "import { on } from './typed';\non();",
    '/other.ts': "import { PAGE } from './renamed';\nexport const a = PAGE;",
  });
  const named = new Named(program, ['walkPageRange', 'walkLock']);
  expect(['/has.ts', '/calls.ts', '/takes.ts', '/callsTyped.ts', '/other.ts'].filter((name) => named.from(program.getSourceFile(name)!))).toEqual(['/has.ts', '/calls.ts', '/takes.ts', '/callsTyped.ts']);
});

it('a file leads to handles where another speaks for core', () => {
  const program = programOf({
    '/core.d.ts': "declare module '@pgtable/core' { const hw: unique symbol; export interface HwHandle { readonly [hw]: 'pte' } }",
    '/names.ts': "import type { HwHandle } from '@pgtable/core';\nexport const a: HwHandle[] = [];",
    '/asks.ts': "export const a = (): unknown => import('@pgtable/core');",
    '/other.ts': 'export const a = 1;',
  });
  const types = Types.of({ program } as never, { handleTypes: [] } as never);
  expect(['/names.ts', '/asks.ts', '/other.ts'].filter((name) => types.reachesHandles(program.getSourceFile(name)!))).toEqual(['/names.ts', '/asks.ts']);
});
