import { collapseFile, madvise, mmap, munmap, readUser, retractPageTables, VmaFlags, writeUser } from '../../../packages/mm/src/index.js';
import { mapHuge, run, same } from '../machine.js';
import { program } from '../program.js';

export default program({
  about: 'a file that is mapped, unmapped in part, made a huge page of, and whose empty tables are taken away',
  run: (configuration) => {
    run(configuration, { huge: 3, words: 8192 }, (place) => {
      const { kernel, mm, hugeBytes } = place;
      const file = kernel.newMapping(hugeBytes / mm.pageBytes);
      const start = mapHuge(place, 1, { mapping: file, sharing: 'shared' });
      writeUser(mm, start, 7);
      readUser(mm, start + mm.pageBytes);
      madvise(mm, start, hugeBytes, 'dontneed');
      same('tables that were taken away', retractPageTables(file, 0), 1);
      same('what the file has', readUser(mm, start), 7);
      same('the collapse of the file', collapseFile(file, 0), 'succeed');
      same('what the file has afterwards', readUser(mm, start), 7);
      munmap(mm, start, hugeBytes);
      const again = mmap(mm, { bytes: mm.pageBytes, prot: VmaFlags.Read | VmaFlags.Write, mapping: file });
      writeUser(mm, again, 8);
      munmap(mm, again, mm.pageBytes);
      file.free();
    });
  },
});
