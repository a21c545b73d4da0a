/**
 * Dumps of real guests, where they are at hand: QEMU wrote each of them twice, or a whole machine's memory must come out
 * of them. Unpacked into a temporary directory with the `zstd` program.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { BLOCK_PRESENT, vmcoreinfoText } from '../src/index.js';
import { openMemoryFiles } from '../src/node.js';

const FIXTURES = resolve(import.meta.dirname, '../../../../shared/fixtures');
const DUMPS = ['guests/s390x', 'ptdump/arm64-4k-va48-blocks', 'ptdump/x86_64-4level'];

function whyNot(): string | undefined {
  if (!existsSync(FIXTURES)) return `there is no ${FIXTURES}`;
  try {
    execFileSync('zstd', ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'the zstd program is not installed';
  }
}

const reason = whyNot();
const available = reason === undefined ? DUMPS.filter((name) => existsSync(join(FIXTURES, name, 'dump.elf.zst'))) : [];
console.log(available.length > 0 ? `fixtures used: ${available.join(', ')}` : `fixture tests skipped: ${reason ?? 'no known dump is there'}`);

const scratch = mkdtempSync(join(tmpdir(), 'pgtable-memory-'));
afterAll(() => {
  rmSync(scratch, { recursive: true });
});

function unpacked(name: string): string {
  const target = join(scratch, `${name.replaceAll('/', '-')}.elf`);
  if (!existsSync(target)) execFileSync('zstd', ['-dqf', join(FIXTURES, name, 'dump.elf.zst'), '-o', target]);
  return target;
}

describe.skipIf(available.length === 0)('dumps of real guests', () => {
  test.each(available)('%s: all that the segments cover is present', async (name) => {
    const memory = await openMemoryFiles([unpacked(name)]);
    expect(memory.format).toMatch(/^ELF core, 64-bit/);
    expect(memory.notes.length).toBeGreaterThan(0);
    const size = memory.ranges.reduce((sum, { start, end }) => sum + end - start, 0);
    let scanned = 0;
    for await (const { bytes } of memory.chunks()) scanned += bytes.length;
    expect(scanned).toBe(size);
    await memory.close();
  });

  test.skipIf(!available.includes('guests/s390x'))('s390x: the flattened big-endian kdump holds the same memory as the ELF core', async () => {
    const elf = await openMemoryFiles([unpacked('guests/s390x')]);
    const kdump = await openMemoryFiles([join(FIXTURES, 'guests/s390x/dump.kdump')]);
    expect(kdump.format).toBe('kdump-compressed, header version 6, 64-bit big-endian, flattened');
    expect(kdump.machine).toMatchObject({ bits: 64, littleEndian: false, utsMachine: 'S390X' });
    const states = new Uint8Array(256);
    const buffer = new Uint8Array(256 * 4096);
    let compared = 0;
    for await (const { address, bytes } of elf.chunks()) {
      const count = bytes.length / 4096;
      await kdump.readBlocks(Float64Array.from({ length: count }, (_, i) => address + i * 4096), 4096, buffer, states);
      for (let i = 0; i < count; i++) {
        const page = bytes.subarray(i * 4096, (i + 1) * 4096);
        if (states[i] === BLOCK_PRESENT) {
          if (Buffer.compare(page, buffer.subarray(i * 4096, (i + 1) * 4096)) !== 0) expect.fail(`pages differ at 0x${(address + i * 4096).toString(16)}`);
          compared++;
        } else if (page.some((byte) => byte !== 0)) {
          expect.fail(`the page at 0x${(address + i * 4096).toString(16)} is missing from the kdump file`);
        }
      }
    }
    expect(compared).toBeGreaterThan(1000);
    console.log(`s390x: ${compared} pages are the same in both dumps`);
    await Promise.all([elf.close(), kdump.close()]);
  });

  test.skipIf(!available.includes('ptdump/x86_64-4level'))('x86-64: VMCOREINFO where the guest gave it to QEMU', async () => {
    const memory = await openMemoryFiles([unpacked('ptdump/x86_64-4level')]);
    const text = vmcoreinfoText(memory);
    if (text !== undefined) expect(memory.machine?.release).toMatch(/^\d+\.\d+/);
    await memory.close();
  });
});
