import ts from 'typescript';
import { isOrIsIn, packageOfFile } from './packages.js';

/**
 * Which files of a program can have to do with something: those from which a file can be reached, from import to import, that has. In the others there is nothing to look at,
 * and they are most of a program of which one part is about page tables.
 *
 * What is declared for all files is reached from everywhere, and so is what such a declaration imports.
 */
export class Reach {
  private readonly program: ts.Program;
  private readonly checker: ts.TypeChecker;
  private readonly isIt: (file: ts.SourceFile) => boolean;
  private readonly known = new Map<ts.SourceFile, boolean>();

  /** @param isIt whether a file itself has to do with it */
  constructor(program: ts.Program, isIt: (file: ts.SourceFile) => boolean) {
    this.program = program;
    this.checker = program.getTypeChecker();
    this.isIt = isIt;
  }

  from(file: ts.SourceFile): boolean {
    this.everywhere ??= this.program.getSourceFiles().some((one) => declaresForAll(one) && this.reaches(one));
    return this.everywhere || this.reaches(file);
  }
  private everywhere: boolean | undefined;

  /** Goes from file to file, the nearest first. Of those on the way only a no is remembered: it holds for all of them. */
  private reaches(file: ts.SourceFile): boolean {
    const known = this.known.get(file);
    if (known !== undefined) return known;
    const seen = new Set([file]);
    for (const one of seen) {
      const answer = this.known.get(one) ?? (this.isIt(one) ? true : undefined);
      if (answer === true) {
        this.known.set(file, true);
        return true;
      }
      if (answer === undefined) for (const next of this.imported(one)) seen.add(next);
    }
    for (const one of seen) this.known.set(one, false);
    return false;
  }

  /** The files that declare what a file imports, those that add to it or to the file among them. */
  private imported(file: ts.SourceFile): ts.SourceFile[] {
    return [file, ...(parsed(file).imports ?? [])].flatMap((from) => this.checker.getSymbolAtLocation(from)?.declarations ?? []).map((declaration) => declaration.getSourceFile());
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

/**
 * What the compiler's parser has listed, and does not publish: the modules that a file names (in imports and exports, `import()` and types), and its names (those of
 * properties that are written as texts among them). Undefined if there is no such list any more: then every file has to be looked at.
 */
function parsed(file: ts.SourceFile): { readonly imports?: readonly ts.StringLiteralLike[]; readonly identifiers?: ReadonlyMap<string, unknown> } {
  return file as { readonly imports?: readonly ts.StringLiteralLike[]; readonly identifiers?: ReadonlyMap<string, unknown> };
}

/** Whether what a file declares is there in all files: it is no module, or says `declare global`. */
function declaresForAll(file: ts.SourceFile): boolean {
  return !ts.isExternalModule(file) || file.statements.some((statement) => ts.isModuleDeclaration(statement) && (statement.flags & ts.NodeFlags.GlobalAugmentation) !== 0);
}
