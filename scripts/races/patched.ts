import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'esbuild';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A fault that is put into the sources while they are bundled; the files stay as they are. */
export interface Patch {
  /** From the root of the repository: `packages/mm/src/tables/pte-offset-map.ts`. */
  readonly file: string;
  /** A text that is in the file exactly once. */
  readonly find: string;
  readonly replace: string;
}

/**
 * Gives the bundler faulty texts in place of the files'. Several patches of one file are put in one after the other.
 *
 * @throws Error if a text is not there exactly once: the source has changed, and the patch must too
 */
export function patched(patches: readonly Patch[]): Plugin {
  const texts = new Map<string, string>();
  for (const { file, find, replace } of patches) {
    const path = join(ROOT, file);
    const parts = (texts.get(path) ?? readFileSync(path, 'utf8')).split(find);
    if (parts.length !== 2) throw new Error(`the text to be changed is ${parts.length - 1} times in ${file}, and must be there once:\n${find}`);
    texts.set(path, parts.join(replace));
  }
  return {
    name: 'patched',
    setup(bundler) {
      const met = new Set<string>();
      bundler.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const contents = texts.get(path);
        if (contents === undefined) return undefined;
        met.add(path);
        return { contents, loader: 'ts' };
      });
      bundler.onEnd(() => {
        const unused = [...texts.keys()].filter((path) => !met.has(path));
        return unused.length === 0 ? {} : { errors: [{ text: `no bundle has ${unused.join(', ')}, so a patch of it changes nothing` }] };
      });
    },
  };
}
