import { madvise, readUser, writeUser } from '../../../packages/mm/src/index.js';
import { map, run, same } from '../machine.js';
import { program } from '../program.js';

export default program({
  about: 'pages that are only read, written, and given back while the process goes on',
  run: (configuration) => {
    run(configuration, {}, ({ mm }) => {
      const start = map(mm, 4);
      same('a page that nobody wrote', readUser(mm, start), 0);
      writeUser(mm, start + mm.pageBytes, 5);
      madvise(mm, start, 4 * mm.pageBytes, 'dontneed');
      same('a page that is gone', readUser(mm, start + mm.pageBytes), 0);
    });
  },
});
