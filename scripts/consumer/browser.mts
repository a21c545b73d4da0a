// What a page would import. It is bundled for the browser, where an import of a Node module is an error, and then run.
import { isPgtableError, TableMemory } from '@pgtable/core';
import { riscv, riscvArch, riscvRoot } from '@pgtable/arch-riscv';
import { blobSource, elfCore, openMemory } from '@pgtable/memory';
import { bootKernel, mmap, readUser, VmaFlags, writeUser } from '@pgtable/mm';
import { TableLoader, Translator, walkRuns } from '@pgtable/walk';

const root = new DataView(new ArrayBuffer(4096));
// Entry 0 of an Sv39 root: a 1 GiB leaf at physical 0, readable and writable.
root.setBigUint64(0, 0xc7n, true);
const dump = elfCore({ machine: { elfMachine: 243, bits: 64, littleEndian: true }, segments: [{ address: 0x80000000, bytes: new Uint8Array(root.buffer) }] });
const memory = await openMemory(blobSource(new Blob([new Uint8Array(dump)])));
const space = { arch: riscvArch({ mode: 'Sv39' }, new TableMemory()), root: riscvRoot('Sv39', 0x80000000) };
const loader = new TableLoader(space, memory);
await loader.load();
let runs = 0;
walkRuns(space, () => {
  runs++;
  return undefined;
});
const { pa } = new Translator(space, loader).explain(0x12345n);
if (pa !== 0x12345n || runs === 0 || isPgtableError(riscv)) throw new Error(`browser: 0x12345 is at ${String(pa)}, ${runs} runs`);
const kernel = bootKernel({ entryBytes: 8, make: (_half, tables) => riscvArch({ mode: 'Sv39' }, tables), root: (_half, table) => riscvRoot('Sv39', table) }, { bytes: 2 ** 20 });
kernel.join('the page');
const mm = kernel.newMm();
const at = mmap(mm, { bytes: 4096, prot: VmaFlags.Read | VmaFlags.Write });
writeUser(mm, at, 7);
if (readUser(mm, at) !== 7) throw new Error('browser: a process does not read what it wrote');
console.log('browser: all holds');
