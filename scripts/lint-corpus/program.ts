import { readFileSync } from 'node:fs';
import { ESLint, Linter } from 'eslint';
import plugin from '@pgtable/eslint-plugin';
import ts from 'typescript';
import tseslint from 'typescript-eslint';

/** How the snippets are compiled: as the project itself, but for what would only be in the way of short snippets. */
export const COMPILER_OPTIONS = {
  target: 'ES2022',
  module: 'nodenext',
  moduleResolution: 'nodenext',
  lib: ['ES2023', 'ESNext.Disposable', 'ESNext.SharedMemory'],
  types: ['node'],
  customConditions: ['@pgtable/source'],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  jsx: 'preserve',
  skipLibCheck: true,
  noEmit: true,
} as const;

/** Files that may have other contents than on the disk, compiled together. */
export class Compiled {
  readonly program: ts.Program;
  private readonly texts: ReadonlyMap<string, string>;

  /** @param texts the text of every file @param options of tsconfig.json @param folder that they are relative to @param before whose files are used again where they are the same */
  constructor(texts: ReadonlyMap<string, string>, options: Readonly<Record<string, unknown>>, folder: string, before?: Compiled) {
    const { options: parsed, errors } = ts.convertCompilerOptionsFromJson(options, folder);
    if (errors.length > 0) throw new Error(errors.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n')).join('\n'));
    this.texts = texts;
    // typescript-eslint asks for the parents of nodes.
    const host = ts.createCompilerHost(parsed, true);
    const read = host.getSourceFile.bind(host);
    host.getSourceFile = (name, languageVersion, ...rest) => {
      const text = texts.get(name);
      const known = before?.program.getSourceFile(name);
      if (known !== undefined && (text === undefined || known.text === text)) return known;
      return text === undefined ? read(name, languageVersion, ...rest) : ts.createSourceFile(name, text, languageVersion, true);
    };
    host.readFile = (name) => texts.get(name) ?? readFileSync(name, 'utf8');
    this.program = ts.createProgram([...texts.keys()], parsed, host, before?.program);
  }

  /** What the compiler says of a file, a line each: `12: message`. */
  errors(name: string): string[] {
    const file = this.program.getSourceFile(name);
    if (file === undefined) return ['0: it is not in the program'];
    return [...this.program.getSyntacticDiagnostics(file), ...this.program.getSemanticDiagnostics(file)].map(
      ({ start, messageText }) => `${file.getLineAndCharacterOfPosition(start ?? 0).line + 1}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`,
    );
  }

  /** Lints files. `configs` says more than every rule of the plugin does, such as settings. Returns the messages by file. */
  async lint(names: readonly string[], configs: readonly Linter.Config[], cwd: string): Promise<Map<string, Linter.LintMessage[]>> {
    const eslint = new ESLint({
      cwd,
      overrideConfigFile: true,
      overrideConfig: [
        {
          ...plugin.configs.strict,
          files: ['**/*.{ts,mts,cts,tsx}'],
          languageOptions: { parser: tseslint.parser, parserOptions: { programs: [this.program] } },
          linterOptions: { reportUnusedDisableDirectives: 'off' },
        },
        ...configs,
      ],
    });
    const found = new Map<string, Linter.LintMessage[]>();
    for (const name of names) {
      try {
        const [result] = await eslint.lintText(this.texts.get(name)!, { filePath: name });
        found.set(name, result?.messages ?? []);
      } catch (error) {
        // A rule that breaks down on one file is no reason to say nothing of the others.
        const message = error instanceof Error ? `${error.message} ${error.stack?.split('\n').find((line) => line.trimStart().startsWith('at '))?.trim() ?? ''}` : String(error);
        found.set(name, [{ ruleId: null, fatal: true, severity: 2, line: 2, column: 1, message }]);
      }
    }
    return found;
  }
}

/** Applies fixes that do not touch each other, the first first, as ESLint does in one of its passes. */
export function applyFixes(text: string, messages: readonly Linter.LintMessage[]): string {
  const fixes = messages.flatMap(({ fix }) => (fix === undefined ? [] : [fix])).sort((a, b) => a.range[0] - b.range[0] || a.range[1] - b.range[1]);
  let output = '';
  let at = -1;
  for (const { range: [from, to], text: replacement } of fixes) {
    if (from <= at) continue;
    output += text.slice(Math.max(at, 0), from) + replacement;
    at = to;
  }
  return output + text.slice(Math.max(at, 0));
}

/** The comments of a file, in order. */
export function commentsOf(name: string, text: string, cwd: string): string[] {
  const linter = new Linter({ cwd });
  linter.verify(text, [{ files: ['**/*.{ts,mts,cts,tsx}'], languageOptions: { parser: tseslint.parser } }], { filename: name });
  return linter.getSourceCode().getAllComments().map(({ value }) => value.trim());
}
