import faultAgainstCollapse from './scenarios/fault-against-collapse.js';
import type { Race } from './race.js';

/** All races, by name. */
export const RACES: Readonly<Record<string, Race>> = {
  'fault against collapse': faultAgainstCollapse,
};
