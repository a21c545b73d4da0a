import type { TSESLint, TSESTree } from '@typescript-eslint/utils';

export type Variable = TSESLint.Scope.Variable;

/** A field that has a table: `this.ptep`, `fault.ptep`. There is one object for each. */
export interface Field {
  /** The variable of the object, or `this`. */
  readonly root: Variable | 'this';
  readonly path: string;
}

export function isField(name: Variable | Field): name is Field {
  return 'path' in name;
}

/** One call that maps a table. */
export interface Mapped {
  readonly call: TSESTree.CallExpression;
  /** Whether the call may give nothing. */
  readonly fallible: boolean;
}

/** Whether a table is there; unknown where a condition asked something that is not understood. */
export type Presence = 'maybe' | 'there' | 'gone' | 'unknown';

/** Who has a table to give back: this function, nobody any more, or somebody else. */
export type Hold = 'held' | 'unmapped' | 'passed';

/** What is known of one mapped table. */
export interface State {
  readonly hold: Hold;
  readonly presence: Presence;
}

/** What is known of a variable by how conditions came out: that it is true or false, the constant that it is, as its type is written, or those that it is not. */
export type Flag = boolean | string | readonly string[];

/**
 * What is known at one place on one way: which variable has which mapped table, whether that table is there, whether it was given back, and how conditions came
 * out that may come again. Worlds never change; each step gives another.
 */
export interface World {
  readonly names: ReadonlyMap<Variable | Field, Mapped>;
  readonly state: ReadonlyMap<Mapped, State>;
  readonly flags: ReadonlyMap<Variable, Flag>;
}

/** The worlds in which a condition holds, and those in which it does not. */
export interface Split {
  readonly yes: readonly World[];
  readonly no: readonly World[];
}

export const NONE: readonly World[] = [];

/** Where every function begins. */
export const BEGIN: World = { names: new Map(), state: new Map(), flags: new Map() };

/** More ways than that are not gone through, and the function is left alone. */
const MAX_WORLDS = 256;

/** A function has more ways than are gone through. */
export class TooManyWays extends Error {}

export function withState(world: World, mapped: Mapped, change: Partial<State>): World {
  const before = world.state.get(mapped) ?? { hold: 'held', presence: 'maybe' };
  return { ...world, state: new Map(world.state).set(mapped, { ...before, ...change }) };
}

export function withName(world: World, variable: Variable | Field, mapped: Mapped | undefined): World {
  const names = new Map(world.names);
  // Another object has other fields.
  for (const name of names.keys()) if (isField(name) && (name.root === variable || (isField(variable) && name.root === variable.root && name.path.startsWith(`${variable.path}.`)))) names.delete(name);
  if (mapped === undefined) names.delete(variable);
  else names.set(variable, mapped);
  return { ...world, names };
}

/** Somebody else may have changed the fields. */
export function withoutFields(world: World): World {
  return [...world.names.keys()].some(isField) ? { ...world, names: new Map([...world.names].filter(([name]) => !isField(name))) } : world;
}

export function withFlag(world: World, variable: Variable, value: Flag | undefined): World {
  if (value === undefined && !world.flags.has(variable)) return world;
  const flags = new Map(world.flags);
  if (value === undefined) flags.delete(variable);
  else flags.set(variable, value);
  return { ...world, flags };
}

/** That a table is there, or is not: undefined if it is known to be otherwise. */
export function withPresence(world: World, mapped: Mapped, there: boolean): World | undefined {
  const presence = world.state.get(mapped)?.presence;
  if (presence === (there ? 'gone' : 'there')) return undefined;
  return withState(world, mapped, { presence: there ? 'there' : 'gone' });
}

/** That somebody else has a table from here on: what was given back before stays given back. */
export function passedOn(world: World, mapped: Mapped): World {
  return withState(world, mapped, { hold: world.state.get(mapped)?.hold === 'unmapped' ? 'unmapped' : 'passed' });
}

/** Whether this function has a table to give back, as far as is known. */
export function isOwed(state: State | undefined): boolean {
  return state?.hold === 'held' && (state.presence === 'there' || state.presence === 'maybe');
}

export function swap({ yes, no }: Split): Split {
  return { yes: no, no: yes };
}

/** Tells worlds of one function apart: those that know the same are one, so loops end. */
export class Worlds {
  private readonly ids = new Map<unknown, number>();

  /** The worlds of several ways that meet. */
  merge(...lists: readonly (readonly World[])[]): readonly World[] {
    const [first] = lists;
    if (lists.length === 1 && first !== undefined && first.length < 2) return first;
    const merged = new Map<string, World>();
    for (const world of lists.flat()) merged.set(this.key(world), world);
    this.limit(merged.size);
    return [...merged.values()];
  }

  /** The worlds that were not seen before, which are seen from then on. */
  unseen(worlds: readonly World[], seen: Set<string>): readonly World[] {
    const fresh = worlds.filter((world) => !seen.has(this.key(world)));
    for (const world of fresh) seen.add(this.key(world));
    this.limit(seen.size);
    return fresh;
  }

  private limit(count: number): void {
    if (count > MAX_WORLDS) throw new TooManyWays();
  }

  private id(what: unknown): number {
    const known = this.ids.get(what) ?? this.ids.size;
    this.ids.set(what, known);
    return known;
  }

  private key(world: World): string {
    const names = [...world.names].map(([variable, mapped]) => `${this.id(variable)}=${this.id(mapped)}`).sort();
    const state = [...world.state].map(([mapped, { hold, presence }]) => `${this.id(mapped)}:${hold}:${presence}`).sort();
    const flags = [...world.flags].map(([variable, flag]) => `${this.id(variable)}?${JSON.stringify(flag)}`).sort();
    return `${names.join()};${state.join()};${flags.join()}`;
  }
}
