import { fork, madvise, readUser, writeUser } from '../../../packages/mm/src/index.js';
import { mapHuge, run, same } from '../machine.js';
import { program } from '../program.js';

export default program({
  about: 'huge pages that are faulted in, forked, split and unmapped',
  run: (configuration) => {
    run(configuration, { huge: 4 }, (place) => {
      const { mm, hugeBytes } = place;
      const start = mapHuge(place, 2);
      madvise(mm, start, 2 * hugeBytes, 'hugepage');
      writeUser(mm, start, 1);
      writeUser(mm, start + hugeBytes, 2);
      const child = fork(mm);
      writeUser(mm, start, 11);
      same('what the parent wrote, in the child', readUser(child, start), 1);
      child.mmput();
      madvise(mm, start + hugeBytes, mm.pageBytes, 'dontneed');
      same('a page that is gone', readUser(mm, start + hugeBytes), 0);
      same('what the parent wrote', readUser(mm, start), 11);
    });
  },
});
