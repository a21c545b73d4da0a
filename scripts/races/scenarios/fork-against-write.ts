import { fork, readUser, writeUser } from '../../../packages/mm/src/index.js';
import { FrameType } from '../../../packages/mm/src/frames/memmap.js';
import { race, readFrame, same, writeFrame } from '../race.js';
import { anonymous } from '../setups.js';

const BEFORE = 0x1111;
const AFTER = 0x2222;
/** The number of the child: after init_mm and the parent. */
const CHILD = 3;

export default race({
  about: 'a write of the parent, and fork: what the child sees first is what it sees ever after',
  frames: 64,
  setup: (place) => {
    anonymous(place, 'a page', BEFORE);
    // Where the thread that forks says what the child saw.
    return { note: place.kernel.frames.allocPages(0, FrameType.Allocated) };
  },
  threads: {
    write: ({ mm, base }) => { writeUser(mm, base, AFTER); },
    fork: (place, { note }) => {
      const child = fork(place.mm);
      writeFrame(place, note, readUser(child, place.base));
    },
  },
  check: (place, { note }) => {
    const { kernel, mm, base } = place;
    const child = kernel.mm(CHILD);
    const seen = readFrame(place, note);
    same('the word of the child', readUser(child, base), seen);
    same('the word of the parent', readUser(mm, base), AFTER);
    child.mmput();
    return seen === AFTER ? 'write first' : 'fork first';
  },
  after: ({ kernel }, { note }) => { kernel.frames.put(note); },
  search: { kind: 'reduced' },
  without: [{
    name: 'the flush of the parent', loses: /the word of the child/,
    except: { s390: 'no valid entry is changed but by an instruction that flushes', riscv: 'the entries of the child are flushed when they become valid, and any flush waits for all accesses that have begun' },
    patches: [{ file: 'packages/mm/src/ops/fork.ts', find: '      flushes.finish();\n', replace: '' }],
  }],
});
