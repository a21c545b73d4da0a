import { mremap, readUser, writeUser } from '../../../packages/mm/src/index.js';
import { map, mapHuge, run, same } from '../machine.js';
import { program } from '../program.js';

export default program({
  about: 'memory moves to other addresses: entry by entry, and by whole tables',
  run: (configuration) => {
    run(configuration, {}, (place) => {
      const { mm, hugeBytes } = place;
      const small = map(mm, 2);
      writeUser(mm, small, 1);
      const elsewhere = map(mm, 600) + 3 * mm.pageBytes;
      const whole = mapHuge(place, 2);
      writeUser(mm, whole, 2);
      same('where the pages went', mremap(mm, small, 2 * mm.pageBytes, 2 * mm.pageBytes, { to: elsewhere }), elsewhere);
      same('what was moved', readUser(mm, elsewhere), 1);
      same('where the table went', mremap(mm, whole, hugeBytes, hugeBytes, { to: whole + hugeBytes }), whole + hugeBytes);
      same('what was moved with its table', readUser(mm, whole + hugeBytes), 2);
    });
  },
});
