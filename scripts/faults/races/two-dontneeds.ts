import { madvise, readUser, writeUser } from '../../../packages/mm/src/index.js';
import { insertVma, race, same } from '../../races/race.js';

export default race({
  about: 'two threads of one process have the same page unmapped, both with the mmap lock to read: the lock of the table is all that is between them',
  frames: 64,
  setup: (place) => {
    insertVma(place, place.base, place.base + 4 * place.mm.pageBytes);
    writeUser(place.mm, place.base, 7);
  },
  threads: {
    first: ({ mm, base }) => { madvise(mm, base, mm.pageBytes, 'dontneed'); },
    second: ({ mm, base }) => { madvise(mm, base, mm.pageBytes, 'dontneed'); },
  },
  check: ({ mm, base }) => {
    same('what is read of a page that is gone', readUser(mm, base), 0);
    return undefined;
  },
  search: { kind: 'reduced' },
});
