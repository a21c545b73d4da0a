import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mebibytes, seconds, type Case, type Row } from './case.js';
import { measureCommand, missingCommand } from './command.js';

const GIB = 2 ** 30;
const PAGE = 4096;
/** The memory of the machine begins here in the file. */
const MEMORY_OFFSET = PAGE;

/**
 * Writes an x86-64 ELF core with one segment of `bytes` and 4-level tables in it: `lowest` tables of the lowest level, spread
 * over the memory, each full, in runs of eight pages. All other memory is a hole in the file.
 */
function writeDump(path: string, bytes: number, lowest: number): void {
  const file = openSync(path, 'w');
  try {
    ftruncateSync(file, MEMORY_OFFSET + bytes);
    writeSync(file, header(bytes), 0, undefined, 0);
    const pmds = Math.ceil(lowest / 512);
    const puds = Math.ceil(pmds / 512);
    const count = lowest + pmds + puds + 1;
    const step = Math.floor(bytes / count / PAGE) * PAGE;
    const address = (table: number) => table * step;
    const write = (table: number, entries: BigUint64Array) => writeSync(file, new Uint8Array(entries.buffer), 0, PAGE, MEMORY_OFFSET + address(table));
    // Table 0 is the root; then puds, pmds, and the lowest.
    const upper = (first: number, from: number, to: number) =>
      BigUint64Array.from({ length: 512 }, (_, index) => (from + index < to ? BigInt(address(first + from + index)) | 0x67n : 0n));
    write(0, upper(1, 0, puds));
    for (let pud = 0; pud < puds; pud++) write(1 + pud, upper(1 + puds, pud * 512, pmds));
    for (let pmd = 0; pmd < pmds; pmd++) write(1 + puds + pmd, upper(1 + puds + pmds, pmd * 512, lowest));
    const leaves = new BigUint64Array(512);
    for (let table = 0; table < lowest; table++) {
      for (let index = 0; index < 512; index++) leaves[index] = BigInt((((table * 64 + (index >>> 3)) * 7919) % 2 ** 21) * 8 * PAGE + (index & 7) * PAGE) | (table % 2 === 0 ? 0x67n : 0x8000_0000_0000_0065n);
      write(1 + puds + pmds + table, leaves);
    }
  } finally {
    closeSync(file);
  }
}

/** ELF header, a program header for a note and one for the memory, and a VMCOREINFO note, so that memory is not searched for one. */
function header(bytes: number): Uint8Array {
  const text = 'OSRELEASE=6.12.0\nPAGESIZE=4096\nNUMBER(pgtable_l5_enabled)=0\n';
  const page = new Uint8Array(MEMORY_OFFSET);
  const view = new DataView(page.buffer);
  page.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 4, true); // e_type: ET_CORE
  view.setUint16(18, 62, true); // e_machine: EM_X86_64
  view.setUint32(20, 1, true); // e_version
  view.setBigUint64(32, 64n, true); // e_phoff
  view.setUint16(52, 64, true); // e_ehsize
  view.setUint16(54, 56, true); // e_phentsize
  view.setUint16(56, 2, true); // e_phnum
  const segment = (at: number, type: number, offset: number, size: number) => {
    view.setUint32(at, type, true);
    view.setUint32(at + 4, 7, true);
    view.setBigUint64(at + 8, BigInt(offset), true);
    view.setBigUint64(at + 32, BigInt(size), true);
    view.setBigUint64(at + 40, BigInt(size), true);
  };
  const noteAt = 512;
  view.setUint32(noteAt, 11, true);
  view.setUint32(noteAt + 4, text.length, true);
  page.set(new TextEncoder().encode('VMCOREINFO'), noteAt + 12);
  page.set(new TextEncoder().encode(text), noteAt + 24);
  segment(64, 4, noteAt, 24 + Math.ceil(text.length / 4) * 4);
  segment(120, 1, MEMORY_OFFSET, bytes);
  return page;
}

export const sparse: Case = {
  name: 'sparse',
  title: 'A big dump with many tables',
  about: 'A sparse ELF dump, made for this: `pgtable ptdump FILE --cr3 0`, the whole process. Memory grows with the tables and not with the file.',
  run() {
    const missing = missingCommand();
    if (missing !== undefined) return Promise.resolve([{ what: missing, values: {} }]);
    const folder = mkdtempSync(join(tmpdir(), 'pgtable-bench-'));
    const rows: Row[] = [];
    try {
      for (const [gib, mib] of [[64, 512], [64, 64], [8, 64], [64, 8], [8, 8]] as const) {
        const path = join(folder, 'sparse.elf');
        writeDump(path, gib * GIB, (mib * 2 ** 20) / PAGE);
        const { milliseconds, peak } = measureCommand(['ptdump', path, '--cr3', '0']);
        rows.push({
          what: `${gib} GiB dump, ${mib} MiB of tables`,
          values: { time: seconds(milliseconds), 'peak memory': mebibytes(peak), 'peak : tables': (peak / (mib * 2 ** 20)).toFixed(1), 'ns an entry': ((milliseconds * 1e6) / (mib * 2 ** 17)).toFixed(1) },
        });
        rmSync(path);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
    return Promise.resolve(rows);
  },
};
