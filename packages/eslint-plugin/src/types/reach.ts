import ts from 'typescript';
import { Leads } from './leads.js';
import { isForeign, Modules, parsed } from './modules.js';
import { isOrIsIn, packageOfFile } from './packages.js';

/**
 * Which files of a program can have to do with something: those from which a file can be reached, from import to import, that has. In the others there is nothing to look at,
 * and they are most of a program of which one part is about page tables.
 *
 * What is declared for all files is reached from everywhere, and so is what such a declaration imports.
 */
export class Reach {
  private readonly modules: Modules;
  private readonly leads: Leads<ts.SourceFile>;

  /** @param isIt whether a file itself has to do with it */
  constructor(program: ts.Program, isIt: (file: ts.SourceFile) => boolean) {
    this.modules = Modules.of(program);
    this.leads = new Leads(isIt, (file) => this.modules.importedBy(file));
  }

  from(file: ts.SourceFile): boolean {
    return this.leads.from(file) || this.isEverywhere;
  }

  /** Whether what is declared for all files leads there. */
  get isEverywhere(): boolean {
    return (this.everywhere ??= this.modules.forAll.some((file) => this.leads.from(file)));
  }
  private everywhere: boolean | undefined;
}

/** Whether a file is a package's, or imports it: what is not found says enough. */
export function speaksOf(file: ts.SourceFile, name: string): boolean {
  return packageOfFile(file.fileName) === name || (parsed(file).imports?.some(({ text }) => isOrIsIn(text, name)) ?? true);
}

/** Whether a file that is no module speaks for a package: `declare module 'package' {}`. */
export function speaksFor(file: ts.SourceFile, name: string): boolean {
  return !ts.isExternalModule(file) && file.statements.some((statement) => isForeign(statement) && isOrIsIn(statement.name.text, name));
}

/** Whether one of some names is in a file. */
export function mentions(file: ts.SourceFile, names: readonly string[]): boolean {
  const { identifiers } = parsed(file);
  return identifiers === undefined || names.some((name) => identifiers.has(name));
}
