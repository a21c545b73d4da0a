import { setMemoryRo, setMemoryRw, vfree, vmalloc } from '../../../packages/mm/src/index.js';
import { vmallocHugePages } from '../../../packages/mm/src/vmalloc/kernel-entries.js';
import { boot, pagesOf, quiet } from '../../../packages/mm/test/vmalloc-machine.js';
import { same } from '../machine.js';
import { program } from '../program.js';

export default program({
  about: 'the permissions of a part of a block change: of that part, and of no other',
  run: (configuration) => {
    const kernel = boot(configuration, { bytes: 1024 * 2 ** 12 });
    const { bytes } = vmallocHugePages(kernel.initMm.arch).at(-1)!;
    const start = vmalloc(kernel, bytes, { huge: true });
    setMemoryRo(kernel, start + kernel.frames.pageBytes, 1);
    same('the pages', pagesOf(kernel, start, 3).map(({ access }) => access).join(' '), 'rw r rw');
    setMemoryRw(kernel, start + kernel.frames.pageBytes, 1);
    vfree(kernel, start);
    quiet(kernel);
  },
});
