import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { conditions: ['@pgtable/source', 'module', 'node', 'development|production'] },
  ssr: { resolve: { conditions: ['@pgtable/source', 'module', 'node', 'development|production'] } },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'apps/*/test/**/*.test.ts', 'examples/*/test/**/*.test.ts', 'scripts/test/**/*.test.ts'],
    typecheck: { enabled: false },
    testTimeout: 60_000,
    // What compiles before its tests takes longer than ten seconds on a machine that others use too.
    hookTimeout: 120_000,
    // All processors: vitest keeps one for itself, which is half of two.
    maxWorkers: '100%',
  },
});
