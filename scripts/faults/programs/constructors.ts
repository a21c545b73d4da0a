import { LEVELS, type Level } from '@pgtable/core';
import { writeUser } from '../../../packages/mm/src/index.js';
import { map, run, same } from '../machine.js';
import { program } from '../program.js';

export default program({
  about: 'every table has its constructor run and is counted, hooks hear of all, and init_mm has no split locks',
  run: (configuration) => {
    run(configuration, {}, ({ kernel, mm }) => {
      const { pageTables, initMm } = kernel;
      const made: Level[] = [];
      const before = LEVELS.map((level) => pageTables.nrPageTables(level));
      const remove = pageTables.addHook({ constructed: ({ level }) => { made.push(level); } });
      writeUser(mm, map(mm, 1), 1);
      const table = pageTables.alloc(initMm.arch, initMm, 'pte');
      same('split locks of init_mm', pageTables.locksInitialised(initMm.id), 0);
      remove();
      LEVELS.forEach((level, number) => {
        same(`${level} tables that hooks heard of`, made.filter((one) => one === level).length, pageTables.nrPageTables(level) - before[number]!);
      });
      pageTables.free(table.address);
    });
  },
});
