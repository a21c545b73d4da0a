import { mprotect, readUser, UserFaultError, VmaFlags, writeUser } from '../../../packages/mm/src/index.js';
import { race, same } from '../race.js';
import { anonymous } from '../setups.js';

const BEFORE = 0x1111;
const AFTER = 0x2222;

export default race({
  about: 'a write, and mprotect, after which nobody may write',
  frames: 64,
  setup: (place) => { anonymous(place, 'a page', BEFORE); },
  threads: {
    write: ({ mm, base }) => {
      try {
        writeUser(mm, base, AFTER);
      } catch (error) {
        if (!(error instanceof UserFaultError && error.signal === 'SIGSEGV')) throw error;
      }
    },
    mprotect: ({ mm, base }) => {
      mprotect(mm, base, mm.pageBytes, VmaFlags.Read);
      const seen = readUser(mm, base);
      same('the word that nobody may write', readUser(mm, base), seen);
    },
  },
  check: ({ mm, base }) => (readUser(mm, base) === AFTER ? 'write first' : 'mprotect first'),
  search: { kind: 'reduced' },
  without: [{
    name: 'the flush', loses: /the word that nobody may write/, except: { s390: 'no valid entry is changed but by an instruction that flushes' },
    patches: [{ file: 'packages/mm/src/ops/mprotect.ts', find: '      gather.finish();\n', replace: '' }],
  }],
});
