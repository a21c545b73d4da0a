/** The levels of page tables, lowest first, as `@pgtable/core` names them. */
export const LEVELS = ['pte', 'pmd', 'pud', 'p4d', 'pgd'] as const;
export type Level = (typeof LEVELS)[number];

export function isLevel(text: unknown): text is Level {
  return LEVELS.includes(text as Level);
}

/** `pte` as the accessors have it inside their names: `setPte`, `hwP4dNext`. */
export function capital(level: Level): string {
  return level.charAt(0).toUpperCase() + level.slice(1);
}
