import { fork, readUser, writeUser } from '../../../packages/mm/src/index.js';
import { insertVma, race, same } from '../race.js';

const BEFORE = 0x1111;
const AFTER = 0x2222;
/** The number of the child: after init_mm and the parent. */
const CHILD = 3;

export default race({
  about: 'a write of the parent, and fork: what the child sees first is what it sees ever after',
  frames: 64,
  setup: (place) => {
    const { mm, base } = place;
    insertVma(place, base, base + 2 * mm.pageBytes);
    writeUser(mm, base, BEFORE);
  },
  threads: {
    write: ({ mm, base }) => { writeUser(mm, base, AFTER); },
    fork: ({ mm, base }) => {
      const child = fork(mm);
      writeUser(child, base + mm.pageBytes, readUser(child, base));
    },
  },
  check: ({ kernel, mm, base }) => {
    const child = kernel.mm(CHILD);
    const seen = readUser(child, base + mm.pageBytes);
    same('the word of the child', readUser(child, base), seen);
    same('the word of the parent', readUser(mm, base), AFTER);
    same('the other word of the parent', readUser(mm, base + mm.pageBytes), 0);
    child.mmput();
    return seen === AFTER ? 'write first' : 'fork first';
  },
  search: { kind: 'reduced' },
  without: [{
    name: 'the flush of the parent', loses: /the word of the child/,
    patches: [{ file: 'packages/mm/src/ops/fork.ts', find: '      flushes.finish();\n', replace: '' }],
  }],
});
