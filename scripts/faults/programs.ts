import type { Program } from './program.js';
import collapse from './programs/collapse.js';
import constructors from './programs/constructors.js';
import contiguousBlocks from './programs/contiguous-blocks.js';
import files from './programs/files.js';
import forks from './programs/forks.js';
import hugeMoves from './programs/huge-moves.js';
import hugePages from './programs/huge-pages.js';
import moves from './programs/moves.js';
import neighbours from './programs/neighbours.js';
import rights from './programs/rights.js';
import setMemory from './programs/set-memory.js';
import twoThreads from './programs/two-threads.js';
import walksWithoutLocks from './programs/walks-without-locks.js';
import zeroPage from './programs/zero-page.js';

/** All programs, by name. */
export const PROGRAMS: Readonly<Record<string, Program>> = {
  collapse, constructors, 'contiguous blocks': contiguousBlocks, files, forks, 'huge moves': hugeMoves, 'huge pages': hugePages, moves, neighbours, rights, 'set_memory': setMemory, 'two threads': twoThreads,
  'walks without locks': walksWithoutLocks, 'zero page': zeroPage,
};
