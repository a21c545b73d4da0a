import { defineConfig } from 'tsup';

/** The build of every package: ESM with types, from the given entry files. */
export function library(entry: string[]): ReturnType<typeof defineConfig> {
  return defineConfig({
    entry,
    format: ['esm'],
    target: 'es2022',
    clean: true,
    sourcemap: true,
    treeshake: true,
    // tsup 8 sets baseUrl for its type build, which TypeScript 6 reports as deprecated; see egoist/tsup#1388.
    dts: { compilerOptions: { ignoreDeprecations: '6.0', customConditions: [] } },
  });
}
