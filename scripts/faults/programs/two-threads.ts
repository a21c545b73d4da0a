import { attachKernel, munmap, readUser, writeUser, type SharedMachine } from '../../../packages/mm/src/index.js';
import { as, map, refused, run, same } from '../machine.js';
import { program } from '../program.js';

export default program({
  about: 'what one thread maps and unmaps, another finds and misses',
  run: (configuration) => {
    run(configuration, {}, ({ kernel, mm }) => {
      const image: SharedMachine = kernel.share();
      const other = attachKernel(image, configuration);
      const start = map(mm, 2);
      writeUser(mm, start, 2);
      writeUser(mm, start + mm.pageBytes, 1);
      as(other, 'other', () => {
        const theirs = other.mm(mm.id);
        munmap(theirs, start, mm.pageBytes);
        same('what another thread wrote', readUser(theirs, start + mm.pageBytes), 1);
      });
      refused('a read of what another thread unmapped', () => readUser(mm, start), /no VMA allows it/);
    });
  },
});
