import ts from 'typescript';
import { Modules, parsed } from './modules.js';
import { isOrIsIn, packageOfFile } from './packages.js';

/**
 * Which files of a program can have to do with something: those from which a file can be reached, from import to import, that has. In the others there is nothing to look at,
 * and they are most of a program of which one part is about page tables.
 *
 * What is declared for all files is reached from everywhere, and so is what such a declaration imports.
 */
export class Reach {
  private readonly program: ts.Program;
  private readonly isIt: (file: ts.SourceFile) => boolean;

  /** @param isIt whether a file itself has to do with it */
  constructor(program: ts.Program, isIt: (file: ts.SourceFile) => boolean) {
    this.program = program;
    this.isIt = isIt;
  }

  from(file: ts.SourceFile): boolean {
    this.leading ??= this.found();
    return this.isEverywhere || this.leading.has(file);
  }
  private leading: ReadonlySet<ts.SourceFile> | undefined;
  private isEverywhere = false;

  /** Goes back from the files that have to do with it to those that import them, all of them at once. */
  private found(): ReadonlySet<ts.SourceFile> {
    const modules = Modules.of(this.program);
    const leading = new Set(this.program.getSourceFiles().filter(this.isIt));
    for (const one of leading) for (const by of modules.importersOf(one)) leading.add(by);
    for (const one of leading) this.isEverywhere ||= declaresForAll(one);
    return leading;
  }
}

/** Whether a file is a package's, or imports it: what is not found says enough. */
export function speaksOf(file: ts.SourceFile, name: string): boolean {
  return packageOfFile(file.fileName) === name || (parsed(file).imports?.some(({ text }) => isOrIsIn(text, name)) ?? true);
}

/** Whether one of the names in a file passes a test. */
export function mentions(file: ts.SourceFile, test: (name: string) => boolean): boolean {
  const { identifiers } = parsed(file);
  if (identifiers === undefined) return true;
  for (const name of identifiers.keys()) if (test(name)) return true;
  return false;
}

/** Whether what a file declares is there in all files: it is no module, or says `declare global`. */
function declaresForAll(file: ts.SourceFile): boolean {
  return !ts.isExternalModule(file) || file.statements.some((statement) => ts.isModuleDeclaration(statement) && (statement.flags & ts.NodeFlags.GlobalAugmentation) !== 0);
}
