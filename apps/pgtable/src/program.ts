import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { isPgtableError, PgtableError, type ArchPlugin } from '@pgtable/core';
import { ARCHITECTURES } from './architectures.js';
import { check } from './commands/check.js';
import { parseAddress, type CommandContext } from './commands/common.js';
import { extract } from './commands/extract.js';
import { info } from './commands/info.js';
import { ptdump, type ListingFormat } from './commands/ptdump.js';
import { roots } from './commands/roots.js';
import { vtop } from './commands/vtop.js';
import { ExitCode } from './exit-codes.js';
import { FILTER_WORDS } from './filter.js';
import { ReaderGone, type Io } from './io.js';
import { loadPlugin, namedPlugins } from './plugins.js';
import { SAMPLE_TITLE } from './sample.js';
import { VERSION } from './version.js';

/** Options as commander leaves them: registers by name among the others. */
type Options = Readonly<Record<string, unknown>>;

/**
 * Runs one command line.
 *
 * @param args what follows the program's name
 * @param architectures what the command knows; those of `--plugin` come before them
 * @returns the exit code; nothing is thrown but errors of the streams
 */
export async function run(args: readonly string[], io: Io, architectures: readonly ArchPlugin[] = ARCHITECTURES): Promise<ExitCode> {
  let code: ExitCode = ExitCode.Done;
  try {
    const added = await Promise.all(namedPlugins(args).map(loadPlugin));
    const program = build(io, [...added.flat(), ...architectures], (done) => {
      code = done;
    });
    await program.parseAsync([...args], { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.Done : ExitCode.Usage;
    if (error instanceof ReaderGone) return ExitCode.Done;
    if (!isPgtableError(error)) {
      // Not exit code 1, which says that something was found in the dump.
      io.stderr.write(`pgtable: this is a mistake in pgtable, please report it: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
      return ExitCode.Unreadable;
    }
    io.stderr.write(`pgtable: ${error.message}\n`);
    if (error.hint !== undefined) io.stderr.write(`  ${error.hint}\n`);
    return error.code === 'EINVAL' ? ExitCode.Usage : ExitCode.Unreadable;
  }
}

function build(io: Io, architectures: readonly ArchPlugin[], finish: (code: ExitCode) => void): Command {
  const output = {
    writeOut: (text: string) => io.stdout.write(text),
    writeErr: (text: string) => io.stderr.write(text),
    outputError: (text: string, write: (text: string) => void) => {
      write(text.replace(/^error: /, 'pgtable: '));
    },
  };
  const program = new Command('pgtable')
    .description('Page tables of real machines: the address space in a memory dump, as its kernel would list it.')
    .version(VERSION)
    .exitOverride()
    .configureOutput(output)
    .showHelpAfterError('(pgtable --help lists the commands)')
    .addHelpText('after', EPILOGUE);

  // Before the command's name or after it: it was looked for in the whole line already.
  const withPlugin = (command: Command): Command => command.option('--plugin <module>', 'a package or file with one more architecture; may be repeated', collect);
  withPlugin(program);
  const common = (command: Command): void => {
    command.exitOverride().configureOutput(output).showHelpAfterError(`(pgtable ${command.name()} --help lists the options)`);
    command.optionsGroup('About the dump:');
    command.option('--arch <name>', `the architecture, where the dump does not say: ${architectures.map(({ name }) => name).join(', ')}`);
    withPlugin(command);
    command.option('--root <which>', 'kernel, current, user, or a number from pgtable roots');
    command.option('--symbols <file>', 'System.map or kallsyms of the kernel, to name its regions and findings');
    command.option('--no-zero-fill', 'what an ELF segment leaves out of the file is not in the dump, instead of zero (dumps of makedumpfile -E)');
    for (const option of registerOptions(architectures)) command.addOption(option);
  };
  const context = (files: readonly string[], options: Options): CommandContext => {
    if (files.length === 0) io.stderr.write(`pgtable: no file given: this is ${SAMPLE_TITLE}\n`);
    const registers = new Map<string, bigint>();
    for (const { registers: flags } of architectures) {
      for (const { name } of flags) {
        const value = options[name];
        if (typeof value === 'bigint') registers.set(name, value);
      }
    }
    return {
      io,
      machine: {
        files,
        architectures,
        registers,
        beyondFileIsAbsent: options.zeroFill === false,
        warn: (text: string) => void io.stderr.write(`pgtable: ${text}\n`),
        ...(typeof options.arch === 'string' ? { arch: options.arch } : {}),
        ...(typeof options.root === 'string' ? { root: options.root } : {}),
        ...(typeof options.symbols === 'string' ? { symbols: options.symbols } : {}),
      },
    };
  };
  const textOrJson = (): Option => new Option('--format <format>', 'how to print').choices(['text', 'json']).default('text');
  const half = (options: Options): { half?: 'user' | 'kernel' } => (options.user === true ? { half: 'user' } : options.kernel === true ? { half: 'kernel' } : {});
  const withHalf = (command: Command): Command =>
    command
      .addOption(new Option('--user', 'only user addresses, by the root that the processor used').conflicts('kernel'))
      .addOption(new Option('--kernel', "only kernel addresses, by the kernel's own root").conflicts('user'));

  program
    .command('info')
    .summary('what kind of dump it is and what is in it')
    .argument('[files...]', FILES)
    .addOption(textOrJson())
    .action(async (files: string[], options: Options) => {
      finish(await info(context(files, options), options.format as 'text' | 'json'));
    });

  program
    .command('roots')
    .summary('the root tables that were found, with the evidence for each')
    .argument('[files...]', FILES)
    .addOption(textOrJson())
    .action(async (files: string[], options: Options) => {
      finish(await roots(context(files, options), options.format as 'text' | 'json'));
    });

  withHalf(program.command('ptdump').alias('pt'))
    .summary('the address space as a list of ranges')
    .description("Lists the kernel's address space, by default line for line as its own kernel_page_tables does.")
    .argument('[files...]', FILES)
    .addOption(
      new Option('--format <format>', "kernel: the kernel's own lines; table: with physical addresses and page sizes; json: one object a line; csv").choices(['kernel', 'table', 'json', 'csv']).default('kernel'),
    )
    .option('--range <range>', 'START-END or START+LENGTH, hexadecimal, END exclusive; may be repeated', collect)
    .option('--level <level>', 'only entries of this level: pte pmd pud p4d pgd; may be repeated', collect)
    .option('--filter <words...>', `only leaves that are all of these: ${FILTER_WORDS.join(' ')}, or w|x`)
    .option('--no-merge', 'one row for each entry')
    .action(async (files: string[], options: Options) => {
      finish(
        await ptdump(context(files, options), {
          format: options.format as ListingFormat,
          ...half(options),
          ranges: list(options.range),
          levels: list(options.level),
          filters: list(options.filter),
          merge: options.merge === true,
        }),
      );
    });

  program
    .command('check')
    .summary("the kernel's check for writable and executable mappings")
    .description("Checks the kernel's address space for mappings that are writable and executable, and counts as the kernel does. Ends with 1 if there are any.")
    .argument('[files...]', FILES)
    .addOption(textOrJson())
    .action(async (files: string[], options: Options) => {
      finish(await check(context(files, options), options.format as 'text' | 'json'));
    });

  withHalf(program.command('vtop').alias('translate'))
    .summary('where virtual addresses are in physical memory')
    .description(
      'Translates addresses and shows every level. With - as the address, reads addresses from standard input, one a line, and answers each on one line: 0xVA<TAB>0xPA, or unmapped, absent or non-canonical in the place of 0xPA.',
    )
    .argument('<address...>', 'hexadecimal addresses, or -; the dump (or FILE@ADDRESS) may stand before them')
    .option('--in <file>', 'the dump, where its name looks like an address; may be repeated for FILE@ADDRESS', collect)
    .addOption(textOrJson())
    .action(async (words: string[], options: Options) => {
      const given = list(options.in);
      const { files, addresses } = given.length === 0 ? splitWords(words) : { files: given, addresses: words };
      // A second dump cannot be meant, unless both are pieces of raw memory: FILE@ADDRESS.
      const wrong = given.length > 0 ? undefined : files.slice(1).find((word) => !word.includes('@'));
      if (wrong !== undefined) throw notAnAddress(wrong);
      if (addresses.length === 0) throw noAddress(files);
      finish(await vtop(context(files, options), { addresses, format: options.format as 'text' | 'json', ...half(options) }));
    });

  program
    .command('extract')
    .summary('a small dump of the page tables alone')
    .description("Writes an ELF core with the pages that hold page tables, the dump's notes, and nothing else: it can be attached to a bug report without anyone's data in it.")
    .argument('[files...]', FILES)
    .requiredOption('--tables-only', 'the only thing that extract does: say that you want it')
    .requiredOption('-o, --output <file>', 'where to write')
    .option('--plain', 'every page as a segment that any tool reads, also where the file is over 400 kB: else dense tables are then compressed into a note that pgtable reads')
    .action(async (files: string[], options: Options) => {
      finish(await extract(context(files, options), options.output as string, options.plain === true));
    });
  // After what is the command's own, so that its help begins with that.
  for (const command of program.commands) common(command);
  return program;
}

const FILES = 'a dump (ELF core, kdump-compressed, LiME), or raw memory as FILE@ADDRESS; without it the embedded sample is used';

const EPILOGUE = `
Without a file every command works on the embedded sample.

Exit codes: 0 done; 1 a finding, or an address that is not mapped; 2 usage; 3 unreadable input.

  pgtable ptdump vmcore --symbols System.map    what /sys/kernel/debug/kernel_page_tables would print
  pgtable vtop vmcore ffffffff81000000          one address, with every level
  pgtable check vmcore                          is anything writable and executable?
  pgtable roots vmcore                          which root tables were found, and how`;

/** `--cr3 VALUE` and its siblings: the value is the register's. Architectures that call a register alike share the option. */
function registerOptions(architectures: readonly ArchPlugin[]): Option[] {
  const named = architectures.flatMap(({ name: owner, registers }) => registers.map((register) => ({ ...register, owner })));
  return named.filter(({ name }, at) => named.findIndex((other) => other.name === name) === at).map(({ name, help, owner }) =>
    new Option(`--${name} <value>`, help).helpGroup(`Registers of ${owner}, hexadecimal, where the dump does not hold them:`).argParser((text: string) => {
      try {
        return parseAddress(text, `--${name}`);
      } catch (error) {
        throw new InvalidArgumentError(error instanceof Error ? error.message.replace(/^--\w+: /, '') : '');
      }
    }),
  );
}

function collect(text: string, before: string[] | undefined): string[] {
  return [...(before ?? []), text];
}

/** An option that may be repeated, and may not be there. */
function list(value: unknown): string[] {
  return (value as string[] | undefined) ?? [];
}

/** Addresses are hexadecimal; the other words are files. What begins with 0x is meant as an address, right or wrong. */
function splitWords(words: readonly string[]): { files: string[]; addresses: string[] } {
  const isAddress = (word: string): boolean => word === '-' || /^(0x[^/.@]*|[0-9a-f_]{1,20})$/i.test(word);
  return { files: words.filter((word) => !isAddress(word)), addresses: words.filter(isAddress) };
}

function notAnAddress(word: string): PgtableError {
  return new PgtableError('EINVAL', `vtop: ${JSON.stringify(word)} is not an address`, { hint: 'give up to 16 hexadecimal digits, and no symbols; one dump stands before the addresses, or pieces of raw memory as FILE@ADDRESS' });
}

function noAddress(files: readonly string[]): PgtableError {
  return new PgtableError('EINVAL', `vtop ${files.join(' ')}: no address was given`, { hint: 'give hexadecimal addresses, or - to read them from standard input' });
}
