/**
 * ESLint rules for code that uses `@pgtable/core`: live page-table entries are reached by accessors, and by nothing else.
 *
 * @packageDocumentation
 */
import type { ESLint, Linter } from 'eslint';
import { CONFIG_RULES } from './configs.js';
import { rules } from './rules/index.js';
import { VERSION } from './version.js';

export type { AccessorNames, HandleTypeSetting, PgtableSettings } from './settings.js';

/** The plugin, with its rules under the prefix `pgtable` in its configurations. */
export interface PgtablePlugin extends ESLint.Plugin {
  readonly meta: { readonly name: string; readonly version: string; readonly namespace: string };
  readonly rules: NonNullable<ESLint.Plugin['rules']>;
  readonly configs: Record<'recommended' | 'strict' | 'architecture', Linter.Config>;
}

const plugin: PgtablePlugin = {
  meta: { name: '@pgtable/eslint-plugin', version: VERSION, namespace: 'pgtable' },
  // The rules are typed for the parser of typescript-eslint, whose tree and whose contexts are what they meet at run time.
  rules: rules as unknown as NonNullable<ESLint.Plugin['rules']>,
  configs: {
    recommended: config('recommended'),
    strict: config('strict'),
    architecture: config('architecture'),
  },
};

function config(name: keyof typeof CONFIG_RULES): Linter.Config {
  return {
    name: `pgtable/${name}`,
    plugins: {
      get pgtable() {
        return plugin;
      },
    },
    rules: CONFIG_RULES[name],
  };
}

export default plugin;
