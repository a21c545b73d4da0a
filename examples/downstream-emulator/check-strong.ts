import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/*
 * Compiles one of the two folders with handles of one of the two families, whatever its own family.ts says: that file has one line
 * that chooses, and the compiler is shown the other choice. Nothing is written.
 *
 *     node --import tsx check-strong.ts
 */

/** The two versions of the program. */
export const FOLDERS = ['before', 'after'] as const;
export type Folder = (typeof FOLDERS)[number];

/** What handles can be. */
export const FAMILIES = ['alias', 'strong'] as const;
export type FamilyName = (typeof FAMILIES)[number];

const CHOICE = /^export type Family = Families\['(?:alias|strong)'\];$/gm;

/** The one line of a family.ts, changed. */
export function chooseFamily(source: string, family: FamilyName): string {
  if (source.match(CHOICE)?.length !== 1) throw new Error('family.ts has not one line that chooses the family');
  return source.replace(CHOICE, `export type Family = Families['${family}'];`);
}

/** Files that no compilation changes: libraries, pgtable's own, and what does not choose. */
const parsed = new Map<string, ts.SourceFile | undefined>();

/** What the compiler says of the files of a folder of the example: one text for each error, `file:line: TSnumber message`. */
export function compile(folder: string, family: FamilyName): string[] {
  const root = join(import.meta.dirname, folder);
  const switched = join(root, 'family.ts');
  const config = ts.parseJsonSourceFileConfigFileContent(ts.readJsonConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path)), ts.sys, root);
  const { options, fileNames } = config;
  const host = ts.createCompilerHost(options);
  const read = host.getSourceFile.bind(host);
  host.getSourceFile = (name, language, ...rest) => {
    if (name === switched) return ts.createSourceFile(name, chooseFamily(readFileSync(name, 'utf8'), family), language, true);
    if (!parsed.has(name)) parsed.set(name, read(name, language, ...rest));
    return parsed.get(name);
  };
  const program = ts.createProgram(fileNames, options, host);
  const own = program.getSourceFiles().filter(({ fileName }) => fileNames.includes(fileName));
  const errors = [
    ...config.errors,
    ...program.getOptionsDiagnostics(),
    ...own.flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]),
  ];
  return errors.map(({ file, start, code, messageText }) => {
    const where = file === undefined ? folder : `${file.fileName.slice(root.length + 1)}:${file.getLineAndCharacterOfPosition(start ?? 0).line + 1}`;
    return `${where}: TS${code} ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
  });
}

if (process.argv[1] === import.meta.filename) {
  for (const folder of FOLDERS) {
    for (const family of FAMILIES) {
      const errors = compile(folder, family);
      console.log(`${folder}, ${family}: ${errors.length === 0 ? 'compiles' : `${errors.length} errors`}`);
      for (const error of errors.slice(0, 5)) console.log(`  ${error}`);
    }
  }
}
