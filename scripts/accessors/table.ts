import { LEVELS, TableMemory, type Level, type WritableArch } from '@pgtable/core';
import { BasicLevelOps, FlagValues, TableLevelOps } from '@pgtable/core/arch';
import { arm64Arch } from '@pgtable/arch-arm64';
import { riscvArch } from '@pgtable/arch-riscv';
import { s390Arch } from '@pgtable/arch-s390';
import { LAWS } from '@pgtable/arch-testkit';
import { x86Arch } from '@pgtable/arch-x86';

/** The columns: configurations that have as many levels of their own as there are. */
const ARCHITECTURES: readonly { readonly title: string; readonly arch: WritableArch }[] = [
  { title: 'x86', arch: x86Arch({ mode: '5-level' }, new TableMemory()) },
  { title: 'x86 PAE', arch: x86Arch({ mode: 'PAE' }, new TableMemory()) },
  { title: 'arm64', arch: arm64Arch({ half: 'ttbr0', granule: 4096, vaBits: 52, lpa2: true }, new TableMemory()) },
  { title: 'riscv', arch: riscvArch({ mode: 'Sv57' }, new TableMemory()) },
  { title: 's390', arch: s390Arch({ top: 'pgd' }, new TableMemory()) },
];

/** The accessors by name: what the generic classes have, less what they keep to themselves. */
interface Family {
  readonly title: string;
  readonly generic: readonly object[];
  /** Helpers of the classes that no interface has. */
  readonly inner: ReadonlySet<string>;
  readonly of: (arch: WritableArch, level: Level) => object;
}

const FAMILIES: readonly Family[] = [
  {
    title: 'Live entries: `arch.ops[level]`',
    generic: [TableLevelOps.prototype, BasicLevelOps.prototype],
    inner: new Set([
      'constructor', 'load', 'exchange', 'compareExchange', 'unlinked', 'childLevel', 'childIndex', 'childAt', 'replace', 'change', 'promise', 'withNotesOf', 'withFlagsOf',
      'withoutIgnored', 'value', 'wrprotectRun', 'gatherRun', 'orRun', 'writer', 'exchangeMade', 'unwatched', 'fillRun', 'anyValid', 'stepOf',
    ]),
    of: (arch, level) => arch.ops[level],
  },
  {
    title: 'Values: `arch.values[level]`',
    generic: [FlagValues.prototype],
    inner: new Set(['constructor', 'make', 'has', 'isTable']),
    of: (arch, level) => arch.values[level],
  },
];

/** The object that a method is found on. */
function owner(instance: object, name: string): object | null {
  let at: object | null = instance;
  while (at !== null && !Object.hasOwn(at, name)) at = Object.getPrototypeOf(at) as object | null;
  return at;
}

function cell(family: Family, arch: WritableArch, name: string): string {
  return LEVELS.map((level) => {
    if (arch.geometry.levels[LEVELS.indexOf(level)]!.folded) return '·';
    const found = owner(family.of(arch, level), name);
    return found !== null && family.generic.includes(found) ? 'd' : 'O';
  }).join(' ');
}

function section(family: Family): string {
  const names = [...new Set(family.generic.flatMap((prototype) => Object.getOwnPropertyNames(prototype)))].filter((name) => !family.inner.has(name)).sort();
  const rows = names.map((name) => {
    const laws = LAWS.filter(({ covers }) => covers.includes(name)).map((law) => law.name);
    return `| \`${name}\` | ${ARCHITECTURES.map(({ arch }) => `\`${cell(family, arch, name)}\``).join(' | ')} | ${laws.join(', ')} |`;
  });
  return [`## ${family.title}`, '', `| accessor | ${ARCHITECTURES.map(({ title }) => title).join(' | ')} | laws |`, `|---|${ARCHITECTURES.map(() => '---').join('|')}|---|`, ...rows, ''].join('\n');
}

/** Accessors that no law covers: there must be none. */
export function uncovered(): string[] {
  const covered = new Set(LAWS.flatMap(({ covers }) => covers));
  return FAMILIES.flatMap((family) => family.generic.flatMap((prototype) => Object.getOwnPropertyNames(prototype)).filter((name) => !family.inner.has(name) && !covered.has(name)));
}

/** docs/accessors.md */
export function accessorTable(): string {
  return `# Accessors

Made by \`npm run accessors\`; a test holds that it is up to date.

Each cell says of the levels pte, pmd, pud, p4d, pgd, in this order: \`d\` the generic default, \`O\` the architecture's own,
\`·\` the level is folded. The kernel's names (\`ptepGet\`, \`pmdMkhuge\`) are functions over these methods, see
[kernel-names.md](kernel-names.md). The contract of each stands at its declaration, in \`LevelOps\`, \`WritableOps\` and
\`EntryValues\`. "Laws" are those of \`@pgtable/arch-testkit\` that test it, on every architecture, variant and level.

${FAMILIES.map(section).join('\n')}`;
}
