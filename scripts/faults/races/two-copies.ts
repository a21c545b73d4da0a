import { fork, readUser, writeUser } from '../../../packages/mm/src/index.js';
import { insertVma, race, same } from '../../races/race.js';

export default race({
  about: 'two threads of one process write to a page that they have in common with another process: one of them copies it',
  frames: 64,
  setup: (place) => {
    insertVma(place, place.base, place.base + 4 * place.mm.pageBytes);
    writeUser(place.mm, place.base, 7);
    return { child: fork(place.mm).id };
  },
  threads: {
    first: ({ mm, base }) => { writeUser(mm, base + 4, 1); },
    second: ({ mm, base }) => { writeUser(mm, base + 8, 2); },
  },
  check: ({ kernel, mm, base }, { child: id }) => {
    const child = kernel.mm(id);
    same('what was there before', readUser(mm, base), 7);
    same('what the first thread wrote', readUser(mm, base + 4), 1);
    same('what the second thread wrote', readUser(mm, base + 8), 2);
    same('what the other process reads', readUser(child, base + 4), 0);
    child.mmput();
    return undefined;
  },
  search: { kind: 'reduced' },
});
