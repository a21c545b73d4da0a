import eslint from '@eslint/js';
import pgtable from '@pgtable/eslint-plugin';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['**/dist/**', '**/node_modules/**', '**/.turbo/**', '**/.corpus/**'] },
  eslint.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.strictTypeChecked, ...tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      // Bit layouts and addresses are numbers and bigints in messages on purpose.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // Typed arrays under noUncheckedIndexedAccess: `words[i]!` reads better than an assertion of the same strength.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // A type parameter that names a handle family stands once in some signatures and is still the point of them.
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
    },
  },
  {
    // Our own rules, as they were built. What looks inside of architectures is what settings.pgtable.architecture is for: the architectures, their tests, and what is made up for tests.
    files: ['**/*.ts'],
    // This program has its own command, `npm run downstream`, and half of it is wrong on purpose.
    ignores: ['examples/downstream-emulator/**'],
    settings: {
      pgtable: {
        architecture: [
          'packages/arch-*/{src,test}/**', 'packages/core/{src,test}/**', 'packages/create-arch/template/**', 'packages/walk/test/{map-arch,map-toy,toy}.ts',
          'examples/{arm64-d128,loongarch64,powerpc64-radix}/**', 'scripts/accessors/**',
        ],
      },
    },
    ...pgtable.configs.strict,
  },
  {
    // Tests leave flushes owed to see that they are found, and read entries twice to see that they are the same.
    files: ['**/test/**/*.ts', 'packages/arch-testkit/src/**'],
    rules: { 'pgtable/no-dropped-flush': 'off', 'pgtable/no-double-get': 'off' },
  },
  {
    files: ['**/*.{js,mjs}'],
    languageOptions: { globals: { process: 'readonly', console: 'readonly', URL: 'readonly', Buffer: 'readonly', setTimeout: 'readonly', performance: 'readonly' } },
  },
);
