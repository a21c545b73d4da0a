import ts from 'typescript';

/** The modules of a program, and which files import which. To find where a specifier leads takes the compiler some 10 µs, so it is asked once for each folder. */
export class Modules {
  private readonly program: ts.Program;
  private readonly checker: ts.TypeChecker;
  private readonly byFolder = new Map<string, Map<string, ts.Symbol | undefined>>();
  private lastFile: ts.SourceFile | undefined;
  private lastFolder = new Map<string, ts.Symbol | undefined>();

  private static readonly made = new WeakMap<ts.Program, Modules>();

  static of(program: ts.Program): Modules {
    const known = Modules.made.get(program);
    if (known !== undefined) return known;
    const modules = new Modules(program);
    Modules.made.set(program, modules);
    return modules;
  }

  private constructor(program: ts.Program) {
    this.program = program;
    this.checker = program.getTypeChecker();
  }

  /** The module that a specifier leads to; undefined where it is not found. */
  to(specifier: ts.StringLiteralLike): ts.Symbol | undefined {
    // What says more than where from (`with { 'resolution-mode': ... }`, `require`, `import()`) may lead elsewhere.
    const { parent } = specifier;
    if ((!ts.isImportDeclaration(parent) && !ts.isExportDeclaration(parent)) || parent.attributes !== undefined) return this.checker.getSymbolAtLocation(specifier);
    const known = this.folderOf(specifier.getSourceFile());
    const { text } = specifier;
    const module = known.get(text);
    if (module !== undefined || known.has(text)) return module;
    const found = this.checker.getSymbolAtLocation(specifier);
    known.set(text, found);
    return found;
  }

  /** What specifiers lead to in all files of one kind of a folder. */
  private folderOf(file: ts.SourceFile): Map<string, ts.Symbol | undefined> {
    if (file === this.lastFile) return this.lastFolder;
    const { fileName } = file;
    const folder = fileName.slice(0, fileName.lastIndexOf('/') + 1) + fileName.slice(fileName.lastIndexOf('.'));
    const known = this.byFolder.get(folder) ?? new Map<string, ts.Symbol | undefined>();
    this.byFolder.set(folder, known);
    this.lastFile = file;
    return (this.lastFolder = known);
  }

  /** The files that a file imports, and those that add to its module or to one that it imports: what they say there is theirs. Some of them more than once. */
  importedBy(file: ts.SourceFile): readonly ts.SourceFile[] {
    const known = this.imported.get(file);
    if (known !== undefined) return known;
    const found: ts.SourceFile[] = [];
    const add = (module: ts.Symbol | undefined): void => {
      for (const declaration of module?.declarations ?? []) found.push(declaration.getSourceFile());
    };
    add(this.checker.getSymbolAtLocation(file));
    for (const specifier of parsed(file).imports ?? []) add(this.to(specifier));
    this.imported.set(file, found);
    return found;
  }
  private readonly imported = new Map<ts.SourceFile, readonly ts.SourceFile[]>();
}

/**
 * What the compiler has listed of a file, and does not publish: the modules that it names (in imports and exports, `import()` and types), its names (those of
 * properties that are written as texts among them), and what it declares and imports, by name. Undefined if there is no such list any more: then every file has to be looked at.
 */
export function parsed(file: ts.SourceFile): Parsed {
  return file as Parsed;
}

interface Parsed {
  readonly imports?: readonly ts.StringLiteralLike[];
  readonly identifiers?: ReadonlyMap<string, unknown>;
  readonly locals?: ReadonlyMap<string, ts.Symbol>;
}
