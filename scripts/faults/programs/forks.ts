import { fork, readUser, writeUser } from '../../../packages/mm/src/index.js';
import { map, run, same } from '../machine.js';
import { program } from '../program.js';

export default program({
  about: 'a process and its copy write to what they have in common',
  run: (configuration) => {
    run(configuration, {}, ({ mm }) => {
      const start = map(mm, 4);
      writeUser(mm, start, 1);
      writeUser(mm, start + mm.pageBytes, 2);
      const child = fork(mm);
      writeUser(mm, start, 11);
      writeUser(child, start + mm.pageBytes, 12);
      same('the page that the parent wrote, in the child', readUser(child, start), 1);
      same('the page that the child wrote, in the parent', readUser(mm, start + mm.pageBytes), 2);
      child.mmput();
      writeUser(mm, start + mm.pageBytes, 22);
      same('the page that the parent wrote', readUser(mm, start), 11);
    });
  },
});
