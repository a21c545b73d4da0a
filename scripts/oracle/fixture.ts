import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

/** Registers by the name that the fixture has them under, as hexadecimal text. */
export type Registers = Readonly<Record<string, string | undefined>>;

/** regs.json, as far as it is read here. Both sets of fixtures have this shape; `guests` alone has processes. */
export interface Facts {
  readonly variant: string;
  readonly arch: 'x86_64' | 'i386' | 'aarch64' | 'riscv64' | 's390x';
  readonly pageSize: number;
  readonly guestCmdline?: string;
  readonly kernelCommandLine?: string;
  readonly currentPid?: number;
  readonly registers: Registers;
  readonly kernelModeRegisters: Registers;
  readonly perProcessRegisters?: Readonly<Record<string, Registers>>;
  readonly pagemapUnchangedUntilDump?: Readonly<Record<string, boolean>>;
  readonly kernelSymbols?: Readonly<Record<string, string | undefined>>;
  readonly symbols?: Readonly<Record<string, string | undefined>>;
  readonly wx?: readonly string[];
  readonly wxPagesInDump?: number;
}

/** A folder with a dump and what an oracle says of it. */
export interface Fixture {
  /** The last two parts of its path. */
  readonly name: string;
  readonly path: string;
  /** `guests`: addresses and QEMU's answers; `ptdump`: the kernel's own text. */
  readonly kind: 'guests' | 'ptdump';
  readonly facts: Facts;
  /** Dump files without `.zst`. */
  readonly dumps: readonly string[];
}

const FORMS = ['dump.elf', 'dump.kdump'];
/** A folder of folders of folders: `fixtures/guests/x86_64-4level`. */
const DEPTH = 2;

/** All fixtures at or below a folder, by path. */
export function discover(directory: string, depth = DEPTH): Fixture[] {
  const found = fixtureAt(resolve(directory));
  if (found !== undefined) return [found];
  if (depth === 0) return [];
  return readdirSync(directory)
    .sort()
    .map((name) => join(directory, name))
    .filter((path) => statSync(path).isDirectory())
    .flatMap((path) => discover(path, depth - 1));
}

function fixtureAt(path: string): Fixture | undefined {
  if (!existsSync(join(path, 'regs.json'))) return undefined;
  const has = (name: string): boolean => existsSync(join(path, name)) || existsSync(join(path, `${name}.zst`));
  const dumps = FORMS.filter(has);
  const kind = has('kernel_page_tables.txt') ? 'ptdump' : has('gva2gpa.tsv') ? 'guests' : undefined;
  if (kind === undefined || dumps.length === 0) return undefined;
  return {
    name: `${basename(dirname(path))}/${basename(path)}`,
    path,
    kind,
    facts: JSON.parse(readFileSync(join(path, 'regs.json'), 'utf8')) as Facts,
    dumps: dumps.map((name) => join(path, name)),
  };
}
