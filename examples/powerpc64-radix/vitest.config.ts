import { defineConfig } from 'vitest/config';

/** Its own, so that none of a folder above is taken. */
export default defineConfig({ test: { include: ['test/**/*.test.ts'] } });
