import { mprotect, readUser, VmaFlags, writeUser } from '../../../packages/mm/src/index.js';
import { map, READ_WRITE, refused, run, same } from '../machine.js';
import { program } from '../program.js';

export default program({
  about: 'memory loses the right to be written, and gets it again',
  run: (configuration) => {
    run(configuration, {}, ({ mm }) => {
      const start = map(mm, 2);
      writeUser(mm, start, 1);
      mprotect(mm, start, mm.pageBytes, VmaFlags.Read);
      refused('a write to what may be read alone', () => { writeUser(mm, start, 2); }, /no VMA allows it/);
      same('what may be read', readUser(mm, start), 1);
      mprotect(mm, start, mm.pageBytes, READ_WRITE);
      writeUser(mm, start, 3);
    });
  },
});
