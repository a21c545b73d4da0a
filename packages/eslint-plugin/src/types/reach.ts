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
  private readonly known = new Map<ts.SourceFile, boolean>();

  /** @param isIt whether a file itself has to do with it */
  constructor(program: ts.Program, isIt: (file: ts.SourceFile) => boolean) {
    this.program = program;
    this.isIt = isIt;
  }

  from(file: ts.SourceFile): boolean {
    return this.leads(file) || this.isEverywhere;
  }

  /** Whether what is declared for all files leads there. */
  private get isEverywhere(): boolean {
    return (this.everywhere ??= this.program.getSourceFiles().some((file) => declaresForAll(file) && this.leads(file)));
  }
  private everywhere: boolean | undefined;

  /** Whether imports lead there from a file, or it is there itself. */
  private leads(file: ts.SourceFile): boolean {
    const known = this.known.get(file);
    if (known !== undefined) return known;
    const near = this.isNear(file);
    if (near === undefined) this.follow(file);
    else this.known.set(file, near);
    return this.known.get(file)!;
  }

  /** The same where the file itself or what is known of its imports says it, as it mostly does; undefined where they have to be followed. */
  private isNear(file: ts.SourceFile): boolean | undefined {
    if (this.isIt(file)) return true;
    let isKnown = true;
    for (const imported of Modules.of(this.program).importedBy(file)) {
      const leads = imported === file ? false : this.known.get(imported);
      if (leads === true) return true;
      isKnown &&= leads === false;
    }
    return isKnown ? false : undefined;
  }

  /** Follows imports up to files of which it is known, and goes back from those that lead there to whoever imports them. Then it is known of all that were met. */
  private follow(start: ts.SourceFile): void {
    const modules = Modules.of(this.program);
    const met = new Set([start]);
    const leading = new Set<ts.SourceFile>();
    const importers = new Map<ts.SourceFile, ts.SourceFile[]>();
    for (const file of met) {
      const known = this.known.get(file);
      if (known ?? this.isIt(file)) leading.add(file);
      if (known !== undefined || leading.has(file)) continue;
      for (const imported of modules.importedBy(file)) {
        const by = importers.get(imported);
        if (by === undefined) importers.set(imported, [file]);
        else by.push(file);
        met.add(imported);
      }
    }
    for (const file of leading) for (const by of importers.get(file) ?? []) leading.add(by);
    for (const file of met) this.known.set(file, leading.has(file));
  }
}

/** Whether a file is a package's, or imports it: what is not found says enough. */
export function speaksOf(file: ts.SourceFile, name: string): boolean {
  return packageOfFile(file.fileName) === name || (parsed(file).imports?.some(({ text }) => isOrIsIn(text, name)) ?? true);
}

/** Whether one of some names is in a file. */
export function mentions(file: ts.SourceFile, names: readonly string[]): boolean {
  const { identifiers } = parsed(file);
  return identifiers === undefined || names.some((name) => identifiers.has(name));
}

/** Whether what a file declares is there in all files: it is no module, or says `declare global`. */
function declaresForAll(file: ts.SourceFile): boolean {
  return !ts.isExternalModule(file) || file.statements.some((statement) => ts.isModuleDeclaration(statement) && (statement.flags & ts.NodeFlags.GlobalAugmentation) !== 0);
}
