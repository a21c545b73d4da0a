import { VmFlags } from '@pgtable/core';
import { audit } from './audit.js';
import { userLoad, userStore } from './cpu.js';
import { residency } from './dump.js';
import { Kernel } from './kernel.js';
import { DATA, dataPage } from './process.js';
import { copyToUser, madviseWillneed, mmap, munmap } from './syscalls.js';
import type { Mm } from './mm.js';

const READ_WRITE = VmFlags.Read | VmFlags.Write;

/** Something that happens rarely: what the program or the disk shows afterwards. */
export interface Race {
  readonly name: string;
  run(): string;
}

/** What happens rarely, and is hard to find when it goes wrong. */
export const RACES: readonly Race[] = [
  { name: 'the kernel writes to a page that swap has a copy of', run: writtenByKernel },
  { name: 'a page is used between being chosen for swap and going there', run: usedWhileChosen },
  { name: 'two processors need one page from swap', run: readTwice },
  { name: 'a program says what it will need', run: willNeed },
  { name: 'a file is unmapped after a write', run: unmappedDirty },
];

/** A program with so many pages, each with its number + 1 at its start. */
function program(pages: number): { kernel: Kernel; mm: Mm } {
  const kernel = new Kernel({ frames: 64, slots: 64 });
  const mm = kernel.newMm();
  mmap(mm, DATA, pages, READ_WRITE);
  for (let page = 0; page < pages; page++) userStore(mm, dataPage(page), BigInt(page) + 1n);
  return { kernel, mm };
}

function writtenByKernel(): string {
  const { kernel, mm } = program(2);
  kernel.swapper.launder(mm);
  copyToUser(mm, dataPage(0), Uint8Array.of(0x42));
  kernel.swapper.reclaim(mm, 2);
  const first = userLoad(mm, dataPage(0))!;
  return `the page begins with 0x${first.toString(16)}, mapped ${audit(kernel).mapped}`;
}

function usedWhileChosen(): string {
  const { kernel, mm } = program(8);
  kernel.swapper.choose(mm, 8);
  kernel.swapper.choose(mm, 4);
  const { chosen } = kernel.swapper;
  userLoad(mm, dataPage(0));
  userLoad(mm, dataPage(2));
  const gone = kernel.swapper.evict(mm);
  return `${chosen} chosen, ${gone} gone: ${residency(mm, DATA, 8)}, mapped ${audit(kernel).mapped}`;
}

function readTwice(): string {
  const { kernel, mm } = program(1);
  kernel.swapper.reclaim(mm, 1);
  kernel.whileWaiting = () => {
    userStore(mm, dataPage(0) + 8n, 0x99n);
  };
  const first = userLoad(mm, dataPage(0))!;
  kernel.whileWaiting = undefined;
  const second = userLoad(mm, dataPage(0) + 8n)!;
  return `the page has 0x${first.toString(16)} and 0x${second.toString(16)}, mapped ${audit(kernel).mapped}, free ${kernel.frames.free}`;
}

function willNeed(): string {
  const { kernel, mm } = program(8);
  kernel.swapper.choose(mm, 8);
  const there = madviseWillneed(mm, DATA, 4);
  kernel.swapper.choose(mm, 4);
  kernel.swapper.evict(mm);
  return `${there} will be needed: ${residency(mm, DATA, 8)}, mapped ${audit(kernel).mapped}`;
}

function unmappedDirty(): string {
  const { kernel, mm } = program(1);
  const file = kernel.newFile('log', 2);
  mmap(mm, dataPage(4), 2, READ_WRITE, file);
  userStore(mm, dataPage(5), 0x77n);
  munmap(mm, dataPage(4), 2);
  const written = file.writeBack();
  return `${written} pages written, the disk has 0x${file.disk[4096]!.toString(16)}, mapped ${audit(kernel).mapped}`;
}
