import ts from 'typescript';
import { oncePer } from '../once-per.js';

/** The modules of a program, and which files import which. To find where a specifier leads takes the compiler some 10 µs, so it is asked once for each folder. */
export class Modules {
  static readonly of = oncePer((program: ts.Program) => new Modules(program));

  private readonly program: ts.Program;
  private readonly checker: ts.TypeChecker;
  private readonly byFolder = new Map<string, Map<string, ts.Symbol | undefined>>();
  private lastFile: ts.SourceFile | undefined;
  private lastFolder = new Map<string, ts.Symbol | undefined>();

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

  /** The files that a file imports, and those that add to what it declares or to a module that it imports: what they say there is theirs. Some of them more than once. */
  importedBy(file: ts.SourceFile): readonly ts.SourceFile[] {
    const known = this.imported.get(file);
    if (known !== undefined) return known;
    const found = [...this.addedTo(file)];
    const add = (module: ts.Symbol | undefined): void => {
      for (const declaration of module?.declarations ?? []) found.push(declaration.getSourceFile());
    };
    for (const specifier of parsed(file).imports ?? []) add(this.to(specifier));
    this.imported.set(file, found);
    return found;
  }
  private readonly imported = new Map<ts.SourceFile, readonly ts.SourceFile[]>();

  /** The files whose declarations are there in all files. */
  get forAll(): readonly ts.SourceFile[] {
    return (this.declaringForAll ??= this.program.getSourceFiles().filter(declaresForAll));
  }
  private declaringForAll: readonly ts.SourceFile[] | undefined;

  /** The files that add to what a file declares, by `declare module`, and those to which it adds: to their module, or to what another passes on of theirs. */
  addedTo(file: ts.SourceFile): ReadonlySet<ts.SourceFile> {
    this.added ??= this.findAdded();
    return this.added.get(file) ?? NONE;
  }
  private added: ReadonlyMap<ts.SourceFile, ReadonlySet<ts.SourceFile>> | undefined;

  private findAdded(): Map<ts.SourceFile, Set<ts.SourceFile>> {
    const found = new Map<ts.SourceFile, Set<ts.SourceFile>>();
    const add = (file: ts.SourceFile, other: ts.SourceFile): void => void found.set(file, (found.get(file) ?? new Set()).add(other));
    for (const file of this.program.getSourceFiles()) {
      if (!ts.isExternalModule(file)) continue;
      for (const { name } of file.statements.filter(isForeign).flatMap((module) => [module, ...declaredIn(module)])) {
        const others = (name === undefined ? undefined : this.checker.getSymbolAtLocation(name))?.declarations ?? [];
        for (const other of others.map((declaration) => declaration.getSourceFile())) {
          if (other === file) continue;
          add(file, other);
          add(other, file);
        }
      }
    }
    return found;
  }
}

const NONE: ReadonlySet<ts.SourceFile> = new Set();

/** `declare module 'other' {}`: what that declares is another module's. */
export function isForeign(declaration: ts.Node): declaration is ts.ModuleDeclaration & { readonly name: ts.StringLiteral } {
  return ts.isModuleDeclaration(declaration) && ts.isStringLiteral(declaration.name);
}

/** Whether what a file declares is there in all files: it is no module, says `declare global` or `export as namespace`, or what the elements of JSX are. */
function declaresForAll(file: ts.SourceFile): boolean {
  if (!ts.isExternalModule(file) || /\bjsx-(dev-)?runtime\b/.test(file.fileName)) return true;
  return file.statements.some((statement) => ts.isNamespaceExportDeclaration(statement) || (ts.isModuleDeclaration(statement) && (statement.flags & ts.NodeFlags.GlobalAugmentation) !== 0));
}

function declaredIn({ body }: ts.ModuleDeclaration): readonly Partial<ts.NamedDeclaration>[] {
  return body !== undefined && ts.isModuleBlock(body) ? body.statements : [];
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
