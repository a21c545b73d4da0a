/*
 * npm run qemu: the MMU that QEMU has must agree with address spaces that our accessors wrote.
 *
 * For each configuration of each architecture: builds an address space at random with the writing accessors (every page size,
 * groups, permissions, holes, entries that are not present), puts the tables into the memory of a virtual machine that never boots,
 * sets its root registers, and asks its MMU (`gva2gpa`, as the kernel and, where it makes a difference, as a user) and our Translator about
 * many addresses. Both must answer what was mapped. Where QEMU lists tables (`info tlb`, `info mem`), each leaf must allow what was asked for;
 * where its processor can be asked about writing and executing (arm64, s390), the rights of addresses must be those.
 *
 * Then the same of address spaces that packages/mm made, by the system calls and faults of several processes and by the kernel's own memory (scripts/qemu/mm/): the frames are put into the machine whole, and words are
 * read through its MMU.
 *
 * Exit code: 1 if anything differs. A QEMU that is not installed is installed where that may be done
 * (scripts/debian.ts); else it is named, and is no error.
 */
import { spawnSync } from 'node:child_process';
import { Translator } from '@pgtable/walk';
import { Argument } from 'commander';
import { ARCHITECTURE_NAMES } from '../packages/arch-testkit/test/configurations.js';
import { installMissing } from './debian.js';
import { parsed, script, whole } from './options.js';
import { openEmpty, TRIALS, type Trial } from './qemu/architectures.js';
import { Machine } from './qemu/machine.js';
import { compareMm } from './qemu/mm/compare.js';
import { Random } from './random.js';
import { Filler, TableRoom, writeTables, type Asking } from './qemu/space.js';

/** Addresses that are asked of each configuration. */
const ASKED = 12_000;
/** Those of them that are written to or executed one by one, where that can be asked. */
const SINGLE = 200;
/** Differences that are shown of each configuration. */
const SHOWN = 10;

interface Counts {
  asked: number;
  agree: number;
  differ: number;
  mapped: number;
}

function hex(address: bigint | undefined): string {
  return address === undefined ? 'unmapped' : `0x${address.toString(16)}`;
}

/** Builds one configuration and compares. */
async function compare(trial: Trial, seed: number): Promise<Counts> {
  const began = performance.now();
  const { machine: kind } = trial;
  const random = new Random(seed);
  // The first megabytes of a machine hold what its board puts there, and what is executed.
  const room = new TableRoom(kind.ramBase + 2 ** 24, kind.ramBase + kind.ramBytes);
  const setup = trial.setUp((half) => openEmpty(trial.configuration, half, room));
  const { parts, memories, rules } = setup;
  const fillers = parts.map((part) => new Filler(part, room, rules, random));
  const roots = new Set<unknown>();
  for (const filler of fillers) {
    if (!roots.has(filler.part.root)) filler.makeRoot();
    roots.add(filler.part.root);
    filler.fill();
  }

  const addresses: bigint[] = [];
  while (addresses.length < ASKED) addresses.push(random.pick(fillers).address());
  const absent = fillers.flatMap((filler) => filler.absent());
  addresses.push(...absent);
  const machine = await Machine.start(kind);
  let tables = 0;
  let leaves: readonly { readonly address: bigint; readonly permissions: string }[];
  let writes: Readonly<Record<Asking, readonly (bigint | undefined)[]>> | undefined;
  const single: { readonly address: bigint; readonly stored: boolean | undefined; readonly executed: boolean | undefined }[] = [];
  const answers: { readonly asking: Asking; readonly found: readonly (bigint | undefined)[] }[] = [];
  try {
    for (const memory of memories) tables += writeTables(memory.tables, memory.arch, (address, bytes) => { machine.write(address, bytes); });
    await setup.start(machine);
    answers.push({ asking: 'kernel', found: await machine.gva2gpa(addresses) });
    leaves = (await setup.leaves?.(machine)) ?? [];
    if (setup.becomeUser !== undefined) {
      await setup.becomeUser(machine);
      answers.push({ asking: 'user', found: await machine.gva2gpa(addresses) });
    }
    writes = await setup.writes?.(machine, addresses);
    // Instructions are aligned.
    for (const address of addresses.slice(0, SINGLE).map((one) => one & ~3n)) {
      single.push({ address, stored: await setup.stores?.(machine, address), executed: await setup.executes?.(machine, address) });
    }
  } finally {
    await machine.stop();
  }

  const translators = fillers.map(({ part }) => new Translator(part));
  const counts: Counts = { asked: addresses.length * answers.length, agree: 0, differ: 0, mapped: 0 };
  const shown: string[] = [];
  for (const [at, address] of addresses.entries()) {
    const owner = fillers.findIndex(({ part }) => part.root.windows.some(({ half, start, end }) => half === part.half && address >= BigInt(start) && address < BigInt(end)));
    const mapped = fillers[owner]?.mapped(address);
    const ours = translators[owner]?.explain(address).pa;
    for (const { asking, found } of answers) {
      const expected = fillers[owner]?.expected(address, asking);
      if (expected !== undefined) counts.mapped++;
      if (found[at] === expected && ours === mapped) {
        counts.agree++;
        continue;
      }
      counts.differ++;
      const forbidden = mapped === expected ? '' : `, which the ${asking} may not read`;
      if (shown.length < SHOWN) shown.push(`        ${hex(address)}: mapped to ${hex(mapped)}${forbidden}; QEMU as the ${asking} ${hex(found[at])}, Translator ${hex(ours)}`);
    }
  }

  const say = (agrees: boolean, text: () => string): void => {
    counts.asked++;
    if (agrees) {
      counts.agree++;
    } else {
      counts.differ++;
      if (shown.length < SHOWN) shown.push(`        ${text()}`);
    }
  };
  const ownerOf = (address: bigint) => fillers.find((filler) => filler.mapped(address) !== undefined);
  for (const asking of writes === undefined ? [] : ['kernel', 'user'] as const) {
    for (const [at, address] of addresses.entries()) {
      const owner = ownerOf(address);
      // The kernel may write what users may.
      const expected = asking === 'kernel' || owner?.part.half === 'user' ? owner?.written(address) : undefined;
      const found = writes![asking][at];
      say(found === expected, () => `${hex(address)}: a write as the ${asking} must go to ${hex(expected)}; QEMU ${hex(found)}`);
    }
  }
  for (const { address, stored, executed } of single) {
    const owner = ownerOf(address);
    const writable = owner?.written(address) !== undefined;
    if (stored !== undefined) say(stored === writable, () => `${hex(address)}: it may ${writable ? '' : 'not '}be written; QEMU's ${stored ? 'can' : 'cannot'}`);
    // The kernel executes no users' pages; where each has a root of its own that does not say so.
    const executable = (owner?.part.half === 'kernel' || setup.stores !== undefined) && owner?.permissionsAt(address)?.endsWith('x') === true;
    if (executed !== undefined) say(executed === executable, () => `${hex(address)}: it may ${executable ? '' : 'not '}be executed; QEMU's ${executed ? 'can' : 'cannot'}`);
  }

  // A `?` stands for what the mode cannot say.
  for (const { address, permissions } of leaves) {
    counts.asked++;
    const expected = fillers.map((filler) => filler.permissionsAt(address)).find((found) => found !== undefined);
    if (expected !== undefined && Array.from(permissions).every((letter, at) => letter === '?' || letter === expected[at])) {
      counts.agree++;
      continue;
    }
    counts.differ++;
    if (shown.length < SHOWN) shown.push(`        ${hex(address)}: mapped with ${expected ?? 'nothing'}, QEMU lists ${permissions}`);
  }
  if (setup.leaves !== undefined && leaves.length === 0) throw new Error("QEMU's listing of the tables could not be read");

  const sizes = new Map<string, number>();
  for (const [name, count] of new Set(fillers.map((filler) => filler.part.root)).size === fillers.length ? fillers.flatMap((filler) => [...filler.sizes()]) : fillers[0]!.sizes()) {
    sizes.set(name, (sizes.get(name) ?? 0) + count);
  }
  const changes = (Object.keys(fillers[0]!.changes) as (keyof Filler['changes'])[]).map((name) => `${name} ${fillers.reduce((sum, filler) => sum + filler.changes[name], 0)}`);
  const missing = [...new Set(fillers.flatMap((filler) => filler.wantedSizes()))].filter((name) => !sizes.has(name));
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(
    `    ${trial.name.padEnd(28)} ${String(counts.asked).padStart(7)} ${String(counts.agree).padStart(7)} ${String(counts.differ).padStart(6)}  ` +
      `${counts.mapped} found; ${absent.length} of what was taken away; ${tables} tables; ${[...sizes].map(([name, count]) => `${name} ${count}`).join(', ')}; ${seconds} s`,
  );
  console.log(`        ranges: ${changes.join(', ')}`);
  for (const line of shown) console.log(line);
  if (missing.length > 0) {
    counts.differ++;
    console.log(`        no page of ${missing.join(', ')} was mapped, which the architecture says it has`);
  }
  if (fillers.some(({ part, changes }) => changes.collapsed === 0 && part.arch.hugePages.some(({ count }) => count === 1))) {
    counts.differ++;
    console.log('        no large page was made of small ones');
  }
  return counts;
}

async function main(): Promise<number> {
  const { options: { seed }, names } = parsed<{ seed: number }>(
    script('qemu', 'The MMU that QEMU has must agree with address spaces that our accessors wrote, and with those that packages/mm made. Ends with 1 if anything differs.')
      .addArgument(new Argument('[architectures...]', 'all where none is named').choices(ARCHITECTURE_NAMES))
      .option('--seed <n>', 'of what is built and asked', whole(0), 1),
  );
  const chosen = ARCHITECTURE_NAMES.filter((name) => names.length === 0 || names.includes(name));
  const machines = new Map(chosen.flatMap((name) => TRIALS[name]).map(({ machine }) => [machine.command, machine]));
  installMissing([...machines.values()].filter(({ command }) => versionOf(command) === undefined));
  console.log(`${'seed'.padEnd(10)} ${String(seed).padEnd(21)} ${'asked'.padStart(7)} ${'agree'.padStart(7)} ${'differ'.padStart(6)}`);
  let failed = false;
  const versions = new Map<string, string | undefined>();
  for (const architecture of chosen) {
    const total = { asked: 0, agree: 0, differ: 0 };
    for (const trial of TRIALS[architecture]) {
      const { command } = trial.machine;
      if (!versions.has(command)) {
        const version = versionOf(command);
        versions.set(command, version);
        console.log(version === undefined ? `nothing is compared with ${command}, which is not installed` : `${command}: ${version}`);
      }
      if (versions.get(command) === undefined) continue;
      try {
        for (const counts of [await compare(trial, seed), await compareMm(trial, seed, (line) => { console.log(line); })]) {
          total.asked += counts.asked;
          total.agree += counts.agree;
          total.differ += counts.differ;
        }
      } catch (error) {
        failed = true;
        console.log(`    ${trial.name}: ERROR ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      }
    }
    failed ||= total.differ > 0;
    console.log(`${architecture.padEnd(32)} ${String(total.asked).padStart(7)} ${String(total.agree).padStart(7)} ${String(total.differ).padStart(6)}`);
  }
  return failed ? 1 : 0;
}

/** The first line of what a command says of its version; undefined if there is no such command. */
function versionOf(command: string): string | undefined {
  const { status, stdout } = spawnSync(command, ['--version'], { encoding: 'utf8' });
  return status === 0 ? stdout.split('\n')[0]! : undefined;
}

process.exitCode = await main();
