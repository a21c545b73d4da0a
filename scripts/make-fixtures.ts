/*
 * Makes the small dumps that are part of this repository out of the whole ones in ../shared/fixtures, with `pgtable extract`:
 *
 *   node --conditions=@pgtable/source --import tsx scripts/make-fixtures.ts [DIR]
 *
 * Each folder of apps/pgtable/test/fixtures gets the tables (dump.elf), the guest kernel's own listing or a part of QEMU's
 * answers, the symbols that name regions, and a README.md with the command. The sample of the command-line package is
 * one of them.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../apps/pgtable/src/program.js';

const SOURCE = process.argv[2] ?? fileURLToPath(new URL('../../shared/fixtures', import.meta.url));
const TARGET = fileURLToPath(new URL('../apps/pgtable/test/fixtures', import.meta.url));
const SAMPLE = fileURLToPath(new URL('../apps/pgtable/samples/arm64-contpte.elf', import.meta.url));
/** The guest that the sample is made of: its processes have contiguous entries at both levels. */
const SAMPLE_GUEST = 'arm64-4k-va48';
/** Lines of QEMU's answers that are kept: spread over the file, so mapped and unmapped, user and kernel. */
const KEPT_ANSWERS = 600;

/** Registers of the processor that a dump of that architecture does not hold itself, by flag. */
const REGISTERS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  aarch64: { ttbr0: 'TTBR0_EL1', tcr: 'TCR_EL1', mair: 'MAIR_EL1' },
  riscv64: { satp: 'satp' },
};

interface Regs {
  readonly arch: string;
  readonly registers: Readonly<Record<string, string>>;
  readonly kernelModeRegisters: Readonly<Record<string, string>>;
}

const scratch = mkdtempSync(join(tmpdir(), 'pgtable-fixtures-'));
try {
  for (const kind of ['guests', 'ptdump']) {
    for (const name of readdirSync(join(SOURCE, kind))) await make(kind, name);
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

async function make(kind: string, name: string): Promise<void> {
  const from = join(SOURCE, kind, name);
  const to = join(TARGET, `${kind}-${name}`);
  rmSync(to, { recursive: true, force: true });
  mkdirSync(to, { recursive: true });
  const dump = unpack(join(from, 'dump.elf.zst'));
  const regs = JSON.parse(readFileSync(join(from, 'regs.json'), 'utf8')) as Regs;
  const flags = Object.entries(kind === 'guests' ? (REGISTERS[regs.arch] ?? {}) : {}).flatMap(([flag, register]) => [`--${flag}`, regs.registers[register] ?? missing(name, register)]);
  const symbols = existsSync(join(from, 'System.map.zst')) ? ['--symbols', unpack(join(from, 'System.map.zst'))] : [];
  const output = join(to, 'dump.elf');
  const args = ['extract', '--tables-only', dump, ...symbols, ...flags, '-o', output];
  const code = await run(args, { stdin: process.stdin, stdout: process.stdout, stderr: process.stderr, env: process.env });
  if (code !== 0) throw new Error(`pgtable ${args.join(' ')} ended with ${code}`);
  rmSync(dump);
  const files = [`- dump.elf: \`pgtable ${args.map((arg) => (arg === output ? 'dump.elf' : arg.startsWith(scratch) ? basename(arg) : arg)).join(' ')}\``];
  for (const text of ['kernel_page_tables.txt', 'current_kernel.txt', 'current_user.txt']) {
    if (!existsSync(join(from, text))) continue;
    copyFileSync(join(from, text), join(to, text));
    files.push(`- ${text}: what the guest's kernel printed`);
  }
  for (const answers of ['gva2gpa', 'gva2gpa-kernel']) {
    if (!existsSync(join(from, `${answers}.tsv.zst`))) continue;
    const lines = readFileSync(unpack(join(from, `${answers}.tsv.zst`)), 'utf8').split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    const step = Math.max(1, Math.floor(lines.length / KEPT_ANSWERS));
    writeFileSync(join(to, `${answers}.tsv`), lines.filter((_, at) => at % step === 0).map((line) => line + '\n').join(''));
    files.push(`- ${answers}.tsv: every ${step}th of QEMU's answers, address and physical address`);
  }
  writeFileSync(join(to, 'README.md'), `# ${kind}/${name}\n\nThe page tables of a Linux guest, cut out of a whole dump by \`scripts/make-fixtures.ts\`.\n\n${files.join('\n')}\n`);
  if (kind === 'guests' && name === SAMPLE_GUEST) {
    mkdirSync(join(SAMPLE, '..'), { recursive: true });
    copyFileSync(output, SAMPLE);
  }
}

function missing(name: string, register: string): never {
  throw new Error(`${name}: regs.json has no ${register}`);
}

/** The file without its .zst, in the scratch folder. */
function unpack(path: string): string {
  const plain = join(scratch, basename(path, '.zst'));
  execFileSync('zstd', ['-qdf', path, '-o', plain]);
  return plain;
}
