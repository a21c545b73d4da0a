import ts from 'typescript';
import { Leads } from './leads.js';
import { isImported, MadeOf } from './made-of.js';
import type { Reach } from './reach.js';

/** Declarations that are looked for. */
export interface Sought {
  /** Whether one of them may be in a file. */
  readonly mayBeIn: (file: ts.SourceFile) => boolean;
  /** Whether what such a file declares, and not something in it, is one of them. */
  readonly is: (declaration: ts.Node) => boolean;
  /** What a declaration leads to beside what it is made of. */
  readonly beside?: (declaration: ts.Node) => readonly ts.Node[];
}

/**
 * Which files can have to do with some declarations: those that name something which leads there, from each declaration to what it is made of. Finer than {@link Reach}, which
 * goes from file to file: most of what a file declares that imports handles is about something else, and so are those who import that.
 */
export class Declarations {
  private readonly files: Reach;
  private readonly sought: Sought;
  private readonly madeOf: MadeOf;
  private readonly leads: Leads<ts.Node>;

  /** @param files from which a file that may have such a declaration is reached at all */
  constructor(program: ts.Program, files: Reach, sought: Sought) {
    this.files = files;
    this.sought = sought;
    this.madeOf = MadeOf.of(program);
    this.leads = new Leads(
      (declaration) => (ts.isSourceFile(declaration) ? files.from(declaration) || sought.mayBeIn(declaration) : sought.mayBeIn(declaration.getSourceFile()) && sought.is(declaration)),
      (declaration) => (files.from(declaration.getSourceFile()) ? [...this.madeOf.partsOf(declaration), ...(sought.beside?.(declaration) ?? [])] : []),
    );
  }

  /** Whether what declares something may be made of one of them. What is declared in something else is part of that, and perhaps where nobody looks. */
  mayLead(declarations: readonly ts.Node[]): boolean {
    return this.files.isEverywhere || declarations.some((declaration) => !ts.isSourceFile(declaration.parent) || this.leads.from(declaration));
  }

  /** Whether anything in a file can be of a type that is made of them. */
  from(file: ts.SourceFile): boolean {
    const mayBeHere = this.sought.mayBeIn(file);
    if (!mayBeHere && !this.files.from(file)) return false;
    const names = this.files.isEverywhere ? undefined : this.madeOf.namesOf(file);
    if (names === undefined || names.files.some((one) => this.leads.from(one))) return true;
    for (const symbol of names.symbols) {
      const declarations = isImported(symbol) || mayBeHere ? this.madeOf.declarationsOf(symbol) : [];
      if (declarations.some((declaration) => (isImported(symbol) ? this.leads.from(declaration) : this.sought.is(declaration)))) return true;
    }
    return false;
  }
}
