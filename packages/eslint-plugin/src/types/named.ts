import ts from 'typescript';
import { Declarations } from './declarations.js';
import { mentions, Reach } from './reach.js';

/** Which files can have to do with some names: those that have one, and those that name something whose declaration has one, or leads to such. */
export class Named {
  private readonly names: readonly string[];
  private readonly declarations: Declarations;

  constructor(program: ts.Program, names: readonly string[]) {
    this.names = names;
    this.declarations = new Declarations(program, new Reach(program, this.isIn), {
      mayBeIn: this.isIn,
      is: (declaration) => {
        const text = declaration.getFullText();
        return names.some((name) => text.includes(name));
      },
      // `const map: Map = pteOffsetMap`: another name for it, whatever its type.
      beside: (declaration) => (ts.isVariableDeclaration(declaration) && declaration.type !== undefined && declaration.initializer !== undefined ? [declaration.initializer] : []),
    });
  }

  from(file: ts.SourceFile): boolean {
    return this.isIn(file) || this.declarations.from(file);
  }

  private readonly isIn = (file: ts.SourceFile): boolean => mentions(file, this.names);
}
