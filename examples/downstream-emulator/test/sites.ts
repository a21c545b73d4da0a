import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Folder } from '../check-strong.js';

/** The folder that both versions are in. */
export const ROOT = join(import.meta.dirname, '..');

/** What a site is, in a line of `before`; README.md says what each kind is. */
export type SiteKind =
  | 'get' | 'set' | 'once' | 'next' | 'recast' | 'zero'
  | 'halves' | 'word' | 'view' | 'times' | 'atomic' | 'order' | 'text' | 'number' | 'destructure' | 'other' | 'beside' | 'cast'
  | 'stack' | 'bug' | 'use' | 'useindex';

/** A place in `before` that the conversion is about. */
export interface Site {
  /** From the folder of the example. */
  readonly file: string;
  readonly line: number;
  readonly kind: SiteKind;
  /** Who mends it: the lint's fix, a person, nobody (it is right), or whoever mends the place that it follows from. */
  readonly class: 'rote' | 'thought' | 'stack' | 'bug' | 'follows';
  /** The rule that is about it. */
  readonly rule: string;
  /** Its number in README.md. */
  readonly bug?: number;
}

/** A value held aside that remains in `after`. */
export interface Kept {
  readonly file: string;
  readonly line: number;
  readonly kind: 'stack';
}

/** The manifest. */
export interface Sites {
  readonly before: readonly Site[];
  readonly after: readonly Kept[];
}

export function readSites(): Sites {
  return JSON.parse(readFileSync(join(ROOT, 'SITES.json'), 'utf8')) as Sites;
}

/** The lines of every source of a folder, by `folder/file`. */
export function sources(folder: Folder): Map<string, string[]> {
  const files = readdirSync(join(ROOT, folder)).filter((name) => name.endsWith('.ts'));
  return new Map(files.map((name) => [`${folder}/${name}`, readFileSync(join(ROOT, folder, name), 'utf8').split('\n')]));
}
