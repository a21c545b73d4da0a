import { Access } from '@pgtable/core';
import { Translator, type TranslationStep } from '@pgtable/walk';
import { copyKernelTables, purgeVmapArea, setMemoryRo, vfree, vmalloc, vmallocAttach, vmallocExit, vmallocInit } from '../../../packages/mm/src/index.js';
import { race, same, type Place } from '../race.js';

/** Pages of the area; the first stays as it is. */
const PAGES = 2;

/** What a listing would say of each page: `w`, `r`, or `-` where nothing is mapped. */
function rights({ kernel }: Place, start: number): string {
  const { pageBytes } = kernel.frames;
  const translator = new Translator(copyKernelTables(kernel, { ranges: [{ start, end: start + PAGES * pageBytes }] }));
  return Array.from({ length: PAGES }, (_, page) => {
    const steps: TranslationStep[] = [];
    translator.lookup(start + page * pageBytes, steps);
    const access = steps.at(-1)?.attributes?.access;
    if (translator.status !== 'mapped' || access === undefined) return '-';
    return (access & Access.KernelWrite) === 0 ? 'r' : 'w';
  }).join('');
}

export default race({
  about: 'set_memory_ro() of a page of a vmalloc area, which takes no lock of the tables, and a listing of the kernel\'s tables, which finds each entry as it was or as it will be',
  frames: 64, vmalloc: true, options: { words: 4096 },
  setup: ({ kernel }) => {
    const areas = vmallocInit(kernel, { areas: 4 });
    return { areas, start: vmalloc(kernel, PAGES * kernel.frames.pageBytes) };
  },
  threads: {
    'set_memory_ro': ({ kernel }, { areas, start }) => {
      vmallocAttach(kernel, areas);
      setMemoryRo(kernel, start + kernel.frames.pageBytes, 1);
    },
    'ptdump': (place, { areas, start }) => {
      vmallocAttach(place.kernel, areas);
      const seen = rights(place, start);
      if (seen !== 'ww' && seen !== 'wr') throw new Error(`the pages are neither what they were nor what they will be: ${seen}`);
    },
  },
  check: (place, { areas, start }) => {
    const { kernel } = place;
    vmallocAttach(kernel, areas);
    same('the rights in the end', rights(place, start), 'wr');
    vfree(kernel, start);
    purgeVmapArea(kernel);
    vmallocExit(kernel);
    return undefined;
  },
  quick: true,
  search: { kind: 'reduced' },
  without: [{
    name: 'the mmap lock of init_mm where an entry is invalid in between', loses: /neither what they were nor what they will be/,
    except: { x86: 'entries are changed in one step', arm64: 'entries are changed in one step', riscv: 'entries are changed in one step' },
    patches: [{ file: 'packages/mm/src/vmalloc/set-memory.ts', find: 'const exclusive = area.huge || !changesInOneStep(arch);', replace: 'const exclusive = area.huge && !changesInOneStep(arch);' }],
  }],
});
