import faultAgainstCollapse from './scenarios/fault-against-collapse.js';
import faultAgainstFileCollapse from './scenarios/fault-against-file-collapse.js';
import faultAgainstLockedCollapse from './scenarios/fault-against-locked-collapse.js';
import faultAgainstMprotect from './scenarios/fault-against-mprotect.js';
import faultAgainstMunmap from './scenarios/fault-against-munmap.js';
import faultAgainstRetract from './scenarios/fault-against-retract.js';
import forkAgainstWrite from './scenarios/fork-against-write.js';
import gupAgainstCollapse from './scenarios/gup-against-collapse.js';
import gupAgainstFork from './scenarios/gup-against-fork.js';
import gupAgainstMunmap from './scenarios/gup-against-munmap.js';
import mappedCollapseAgainstWrite from './scenarios/mapped-collapse-against-write.js';
import readerAgainstCollapse from './scenarios/reader-against-collapse.js';
import readerAgainstRetract from './scenarios/reader-against-retract.js';
import setMemoryAgainstPtdump from './scenarios/set-memory-against-ptdump.js';
import splitAgainstWrite from './scenarios/split-against-write.js';
import splitAgainstZap from './scenarios/split-against-zap.js';
import twoFaults from './scenarios/two-faults.js';
import twoFaultsOneTable from './scenarios/two-faults-one-table.js';
import writerAgainstCollapse from './scenarios/writer-against-collapse.js';
import type { Race } from './race.js';

/** All races, by name. */
export const RACES: Readonly<Record<string, Race>> = {
  'fault against collapse: anonymous memory': faultAgainstCollapse,
  'fault against collapse: a file': faultAgainstFileCollapse,
  'fault against collapse: a file, its page locked': faultAgainstLockedCollapse,
  'reader against collapse': readerAgainstCollapse,
  'writer against collapse': writerAgainstCollapse,
  'fault against retract': faultAgainstRetract,
  'reader against retract': readerAgainstRetract,
  'collapse of a mapped huge page against write': mappedCollapseAgainstWrite,
  'split against write': splitAgainstWrite,
  'split against zap': splitAgainstZap,
  'set_memory against ptdump': setMemoryAgainstPtdump,
  'gup against munmap': gupAgainstMunmap,
  'gup against collapse': gupAgainstCollapse,
  'gup against fork': gupAgainstFork,
  'fork against write': forkAgainstWrite,
  'fault against munmap': faultAgainstMunmap,
  'fault against mprotect': faultAgainstMprotect,
  'two faults': twoFaults,
  'two faults, one table': twoFaultsOneTable,
};
