import { munmap, readUser, writeUser } from '../../../packages/mm/src/index.js';
import { map, run, same } from '../machine.js';
import { program } from '../program.js';

export default program({
  about: 'the middle of a range is unmapped, whose neighbours have the same page tables',
  run: (configuration) => {
    run(configuration, {}, ({ mm }) => {
      const { pageBytes } = mm;
      const start = map(mm, 3);
      for (let page = 0; page < 3; page++) writeUser(mm, start + page * pageBytes, page + 1);
      munmap(mm, start + pageBytes, pageBytes);
      same('the page below', readUser(mm, start), 1);
      same('the page above', readUser(mm, start + 2 * pageBytes), 3);
      munmap(mm, start, 3 * pageBytes);
    });
  },
});
