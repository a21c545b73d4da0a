import { collapseHugePage, getUserPagesFast, madvise, putPages, readUser, writeUser } from '../../../packages/mm/src/index.js';
import { mapHuge, run, same } from '../machine.js';
import { program } from '../program.js';

export default program({
  about: 'a collapse that must be refused, one that succeeds, a split of what came of it, and another collapse',
  run: (configuration) => {
    run(configuration, { huge: 3 }, (place) => {
      const { mm } = place;
      const start = mapHuge(place, 1);
      writeUser(mm, start, 1);
      writeUser(mm, start + 2 * mm.pageBytes, 2);
      const pages = getUserPagesFast(mm, start, 1, true);
      same('the collapse of a page that a device writes to', collapseHugePage(mm, start), 'pageCount');
      putPages(mm, pages, true);
      same('the collapse', collapseHugePage(mm, start), 'succeed');
      same('the first page', readUser(mm, start), 1);
      madvise(mm, start + mm.pageBytes, mm.pageBytes, 'dontneed');
      writeUser(mm, start + mm.pageBytes, 3);
      same('the page beside', readUser(mm, start + 2 * mm.pageBytes), 2);
      madvise(mm, start + mm.pageBytes, mm.pageBytes, 'dontneed');
      same('a page that was never written', readUser(mm, start + 3 * mm.pageBytes), 0);
    });
  },
});
