import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ESLint } from 'eslint';
import type { Patch } from '../races/patched.js';
import type { Report } from './fault.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

let eslint: ESLint | undefined;

/**
 * Has the lint of this repository look at a file with a patch, or as it is.
 *
 * @returns what it finds
 */
export async function lint({ file, find, replace }: Patch, faulty: boolean): Promise<Report> {
  const begun = performance.now();
  eslint ??= new ESLint({ cwd: ROOT });
  const parts = readFileSync(join(ROOT, file), 'utf8').split(find);
  if (parts.length !== 2) throw new Error(`the text to be changed is ${parts.length - 1} times in ${file}, and must be there once:\n${find}`);
  const results = await eslint.lintText(parts.join(faulty ? replace : find), { filePath: file });
  const messages = results.flatMap((result) => result.messages).map(({ ruleId, line, message }) => `${ruleId ?? 'parser'}, line ${line}: ${message}`);
  return { configuration: 'all', message: messages.length === 0 ? undefined : messages.join('\n'), schedule: undefined, schedules: 0, milliseconds: performance.now() - begun };
}
