import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { openFile, openMemoryFiles } from '../src/node.js';
import { expectFailure, expectMemory } from './model.js';
import { elfImage, kdumpImage, texturedPage } from './synthetic.js';

const folder = mkdtempSync(join(tmpdir(), 'pgtable-memory-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});
const BLOCKS = [{ address: 0x1000, bytes: texturedPage(1, 8192) }];

function file(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

test('a file is read at random', async () => {
  const source = await openFile(file('plain', texturedPage(2)));
  expect(source.size).toBe(4096);
  expect(await source.read(100, 50)).toEqual(texturedPage(2).slice(100, 150));
  expect((await source.read(4096, 0)).length).toBe(0);
  await expectFailure(source.read(4000, 97), 'EBADMSG');
  await expectFailure(source.read(-1, 1), 'EBADMSG');
  truncateSync(join(folder, 'plain'), 1000);
  await expectFailure(source.read(900, 200), 'EIO');
  await source.close();
  await source.close();
  await expectFailure(source.read(0, 1), 'EIO');
});

test('what is not a file is refused', async () => {
  expect((await expectFailure(openFile(join(folder, 'missing')), 'ENOENT')).message).toContain('missing');
  expect((await expectFailure(openFile(folder), 'ENOTSUP')).message).toContain('directory');
  expect((await expectFailure(openFile('/dev/zero'), 'ENOTSUP')).message).toContain('device');
  expect((await expectFailure(openFile(file('empty', new Uint8Array(0))), 'EBADMSG')).message).toContain('empty');
  await expectFailure(openFile(join(file('f', Uint8Array.of(1)), 'g')), 'ENOENT');
});

test('dumps and raw files from a command line', async () => {
  const elf = file('dump.elf', elfImage(BLOCKS, { bits: 64, littleEndian: true }));
  const kdump = file('odd@1000', kdumpImage(BLOCKS, { bits: 64, littleEndian: true }));
  const low = file('low', texturedPage(3));
  const high = file('high', texturedPage(4));
  for (const path of [elf, kdump]) {
    const memory = await openMemoryFiles([path]);
    await expectMemory(memory, { present: BLOCKS });
    await memory.close();
  }
  const raw = await openMemoryFiles([`${low}@0`, `${high}@0x4000`]);
  await expectMemory(raw, { present: [{ address: 0, bytes: texturedPage(3) }, { address: 0x4000, bytes: texturedPage(4) }] });
  await raw.close();
  await expectFailure(openMemoryFiles([elf, `${low}@0`]), 'EINVAL');
  await expectFailure(openMemoryFiles([elf, kdump]), 'EINVAL');
  await expectFailure(openMemoryFiles([]), 'EINVAL');
  await expectFailure(openMemoryFiles([`${low}@0`, `${high}@800`]), 'EINVAL');
  await expectFailure(openMemoryFiles([`${low}-missing@0`]), 'ENOENT');
});

test('what stands after the @ of a file that is there is said to be no address', async () => {
  const ram = file('ram', texturedPage(5));
  for (const address of ['', '1_000', '4000K', '-1', '0x', '0x0x1']) {
    const error = await expectFailure(openMemoryFiles([`${ram}@${address}`]), 'EINVAL');
    expect(error.message).toContain(`${JSON.stringify(address)} is not a physical address`);
    expect(error.hint).toContain('hexadecimal');
  }
  expect((await expectFailure(openMemoryFiles([`${ram}x@zz`]), 'ENOENT')).message).toContain('no such file');
});

test('only node.ts imports from Node', () => {
  const sources = resolve(import.meta.dirname, '../src');
  for (const name of readdirSync(sources)) {
    if (name === 'node.ts') continue;
    expect(readFileSync(join(sources, name), 'utf8'), name).not.toMatch(/from 'node:|import\('node:|\bBuffer\.|\bprocess\.|reference types/);
  }
});
