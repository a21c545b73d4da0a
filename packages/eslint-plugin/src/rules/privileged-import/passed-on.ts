import ts from 'typescript';
import { oncePer } from '../../once-per.js';
import { isDeclaredIn, packageOfFile } from '../../types/packages.js';
import { CORE } from '../../types/types.js';

/** The entry point of core that is for the code of architectures. */
export const PRIVILEGED = `${CORE}/arch`;

/** Which modules of a program pass on what only the privileged entry point exports. */
export class PassedOn {
  static readonly of = oncePer((program: ts.Program) => new PassedOn(program));

  private readonly program: ts.Program;
  private readonly checker: ts.TypeChecker;
  /** What the privileged entry point exports and the other does not. */
  private readonly symbols: ReadonlySet<ts.Symbol>;
  private readonly byModule = new Map<ts.Symbol, ReadonlySet<string>>();
  private readonly privileged = new Map<ts.Symbol, boolean>();

  private constructor(program: ts.Program) {
    this.program = program;
    this.checker = program.getTypeChecker();
    this.symbols = this.privilegedSymbols();
  }

  /** Whether a module is the privileged entry point. */
  isPrivilegedModule(module: ts.Symbol | undefined): boolean {
    if (module === undefined) return false;
    const known = this.privileged.get(module);
    if (known !== undefined) return known;
    const found = isEntry(module, 'arch');
    this.privileged.set(module, found);
    return found;
  }

  /** The exports of a module of the project that come from the privileged entry point. */
  namesOf(module: ts.Symbol | undefined): ReadonlySet<string> | undefined {
    if (this.symbols.size === 0 || module === undefined) return undefined;
    const known = this.byModule.get(module);
    if (known !== undefined) return known;
    const names = new Set<string>();
    const isElsewhere = (module.declarations ?? []).some((declaration) => this.program.isSourceFileFromExternalLibrary(declaration.getSourceFile()));
    if (!isElsewhere) {
      for (const exported of this.checker.getExportsOfModule(module)) {
        const original = this.original(exported);
        // `export * as hw from ...`: all of it, under one name.
        if (this.symbols.has(original) || this.isPrivilegedModule(original)) names.add(exported.name);
      }
    }
    this.byModule.set(module, names);
    return names;
  }

  private original(symbol: ts.Symbol): ts.Symbol {
    return symbol.flags & ts.SymbolFlags.Alias ? this.checker.getAliasedSymbol(symbol) : symbol;
  }

  private privilegedSymbols(): ReadonlySet<ts.Symbol> {
    const modules = [
      ...this.program.getSourceFiles().filter(({ fileName }) => packageOfFile(fileName) === CORE).map((file) => this.checker.getSymbolAtLocation(file)),
      ...this.checker.getAmbientModules(),
    ].filter((symbol) => symbol !== undefined);
    const of = (entry: 'arch' | 'index'): ts.Symbol[] =>
      modules.filter((module) => isEntry(module, entry)).flatMap((module) => this.checker.getExportsOfModule(module)).map((symbol) => this.original(symbol));
    const open = new Set(of('index'));
    return new Set(of('arch').filter((symbol) => !open.has(symbol)));
  }
}

/** Whether a module is an entry point of `@pgtable/core`. */
function isEntry(module: ts.Symbol, entry: 'arch' | 'index'): boolean {
  if (module.name === `"${entry === 'arch' ? PRIVILEGED : CORE}"`) return true;
  return (module.declarations ?? []).some(
    (declaration) => ts.isSourceFile(declaration) && new RegExp(`/(src|dist)/${entry}\\.(d\\.)?[cm]?ts$`).test(declaration.fileName) && isDeclaredIn(module, CORE),
  );
}
