import { rules, type RuleName } from './rules/index.js';

/*
 * recommended     what is wrong on every architecture, and costs nothing to obey
 * strict          recommended, and what asks for a decision at every place
 * architecture    for the files of an architecture: there handles are unwrapped, and the rest still holds
 */

/** The rules that are about unwrapping a handle, which is what an architecture is for. */
const UNWRAPPING: readonly string[] = ['no-raw-deref', 'no-handle-arithmetic', 'no-handle-cast', 'no-stack-handle', 'no-privileged-import', 'no-double-get', 'no-zero-entry'];

function entries(wanted: (name: RuleName) => boolean, severity: 'error' | 'off'): Record<string, 'error' | 'off'> {
  return Object.fromEntries((Object.keys(rules) as RuleName[]).filter(wanted).map((name) => [`pgtable/${name}`, severity]));
}

const isRecommended = (name: RuleName): boolean => rules[name].meta.docs?.config === 'recommended';

export const CONFIG_RULES = {
  recommended: entries(isRecommended, 'error'),
  strict: entries(() => true, 'error'),
  architecture: { ...entries(() => true, 'error'), ...entries((name) => UNWRAPPING.includes(name), 'off') },
} as const;
