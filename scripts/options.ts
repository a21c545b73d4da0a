import { Command, InvalidArgumentError } from 'commander';

/**
 * The command line of one of the project's own scripts. `--help` shows it; what it does not know ends the script with code 2, and a line that says what was meant.
 *
 * @param name of the script in package.json
 * @param about what it does, in whole sentences
 */
export function script(name: string, about: string): Command {
  return new Command(`npm run ${name} --`)
    .description(about.replaceAll(/\s+/g, ' '))
    .allowExcessArguments(false)
    .showHelpAfterError('(--help shows what there is)')
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));
}

/** Reads the arguments of this process. npm takes the `--` before them away, pnpm leaves it. */
export function parsed<Options extends object>(command: Command): { readonly options: Options; readonly names: readonly string[] } {
  command.parse(process.argv.slice(2).filter((argument) => argument !== '--'), { from: 'user' });
  return { options: command.opts<Options>(), names: command.args };
}

/** Reads an option that is a whole number, at least so large. */
export function whole(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (text.trim() !== '' && Number.isSafeInteger(number) && number >= least && number <= most) return number;
    throw new InvalidArgumentError(`A whole number from ${least} ${most === Number.MAX_SAFE_INTEGER ? 'up' : `to ${most}`} is expected.`);
  };
}

/** Reads an option that may be given more than once. @param choices what may be given; left out, anything may */
export function each(choices?: readonly string[]): (text: string, before: readonly string[] | undefined) => readonly string[] {
  return (text, before = []) => {
    if (choices?.includes(text) === false) throw new InvalidArgumentError(`It is one of ${choices.join(', ')}.`);
    return [...before, text];
  };
}

/**
 * Those whose names contain one of the texts that were given; all of them where none was. Ends the script where there is none: a name with a mistake in it must not pass.
 *
 * @param what one of them is
 */
export function chosenBy<T extends { readonly name: string }>(command: Command, what: string, all: readonly T[], texts: readonly string[]): readonly T[] {
  const chosen = all.filter(({ name }) => texts.length === 0 || texts.some((text) => name.includes(text)));
  if (chosen.length > 0) return chosen;
  return command.error(`error: no ${what} has ${texts.map((text) => `'${text}'`).join(' or ')} in its name. There are: ${all.map(({ name }) => name).join(', ')}`);
}
