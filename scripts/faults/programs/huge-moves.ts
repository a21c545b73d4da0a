import { madvise, mremap, readUser, writeUser } from '../../../packages/mm/src/index.js';
import { mapHuge, run, same } from '../machine.js';
import { program } from '../program.js';

export default program({
  about: 'a huge page moves to other addresses, and is split there',
  run: (configuration) => {
    run(configuration, { huge: 2 }, (place) => {
      const { mm, hugeBytes } = place;
      const start = mapHuge(place, 2);
      madvise(mm, start, hugeBytes, 'hugepage');
      writeUser(mm, start, 1);
      same('where the huge page went', mremap(mm, start, hugeBytes, hugeBytes, { to: start + hugeBytes }), start + hugeBytes);
      madvise(mm, start + hugeBytes + mm.pageBytes, mm.pageBytes, 'dontneed');
      same('what was moved', readUser(mm, start + hugeBytes), 1);
    });
  },
});
