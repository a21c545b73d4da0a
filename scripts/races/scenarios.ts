import faultAgainstCollapse from './scenarios/fault-against-collapse.js';
import readerAgainstCollapse from './scenarios/reader-against-collapse.js';
import writerAgainstCollapse from './scenarios/writer-against-collapse.js';
import type { Race } from './race.js';

/** All races, by name. */
export const RACES: Readonly<Record<string, Race>> = {
  'fault against collapse': faultAgainstCollapse,
  'reader against collapse': readerAgainstCollapse,
  'writer against collapse': writerAgainstCollapse,
};
