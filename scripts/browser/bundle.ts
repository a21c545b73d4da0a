import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Bundle {
  readonly code: Uint8Array;
  readonly gzipped: number;
  /** Sources of ours that are in it. */
  readonly sources: number;
  /** What it should not be: nothing, if all is well. */
  readonly problems: readonly string[];
}

/** The page's module out of the sources. Node's modules cannot be resolved for a browser, so with one of them this fails. */
export async function bundlePage(): Promise<Bundle> {
  const { outputFiles, metafile, warnings } = await build({
    entryPoints: [fileURLToPath(new URL('page.ts', import.meta.url))],
    absWorkingDir: ROOT,
    bundle: true,
    write: false,
    metafile: true,
    minify: true,
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    conditions: ['@pgtable/source', 'module'],
    outfile: 'page.js',
    logLevel: 'silent',
  });
  const inputs = Object.entries(metafile.inputs);
  const imports = [...inputs.flatMap(([from, { imports: all }]) => all.map(({ path, external }) => ({ from, path, external }))), ...Object.values(metafile.outputs).flatMap(({ imports: all }) => all.map(({ path, external }) => ({ from: 'the bundle', path, external })))];
  const ours = inputs.map(([path]) => relative('.', path)).filter((path) => /^(packages|apps)\//.test(path));
  return {
    code: outputFiles[0]!.contents,
    gzipped: gzipSync(outputFiles[0]!.contents).length,
    sources: ours.length,
    problems: [
      ...warnings.map(({ text }) => text),
      ...imports.filter(({ path, external }) => external === true || path.startsWith('node:')).map(({ from, path }) => `${from} imports ${path}`),
      ...ours.filter((path) => !/\/src\/([^/]+\/)*[^/]+\.ts$/.test(path)).map((path) => `${path} is no source`),
      ...['core', 'memory', 'walk', 'mm', 'arch-x86', 'arch-arm64', 'arch-riscv', 'arch-s390'].filter((name) => !ours.some((path) => path.startsWith(`packages/${name}/src/`))).map((name) => `nothing of @pgtable/${name} is in it`),
    ],
  };
}
