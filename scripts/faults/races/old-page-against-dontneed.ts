import { clearYoung, madvise, readUser, writeUser } from '../../../packages/mm/src/index.js';
import { insertVma, race } from '../../races/race.js';

export default race({
  about: 'a fault that is to mark a page that was not used lately, while the page is unmapped',
  frames: 64,
  setup: (place) => {
    const { mm, base } = place;
    insertVma(place, base, base + 4 * mm.pageBytes);
    writeUser(mm, base, 7);
    mm.lock.readLock();
    clearYoung(mm, base, base + mm.pageBytes);
    mm.lock.readUnlock();
  },
  threads: {
    reader: ({ mm, base }) => {
      const word = readUser(mm, base);
      if (word !== 7 && word !== 0) throw new Error(`${word} was read, which nobody wrote there`);
    },
    unmap: ({ mm, base }) => { madvise(mm, base, mm.pageBytes, 'dontneed'); },
  },
  check: ({ mm, base }) => `reads ${readUser(mm, base)}`,
  search: { kind: 'reduced' },
});
