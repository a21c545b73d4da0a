import ts from 'typescript';

/** A program of files that are nowhere on the disk, by their paths. */
export function programOf(files: Readonly<Record<string, string>>): ts.Program {
  const options: ts.CompilerOptions = { module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler, noLib: true, types: [], allowJs: true };
  const host = ts.createCompilerHost(options, true);
  host.getSourceFile = (name, version) => (name in files ? ts.createSourceFile(name, files[name]!, version, true) : undefined);
  host.fileExists = (name) => name in files;
  host.readFile = (name) => files[name];
  host.directoryExists = () => true;
  return ts.createProgram(Object.keys(files), options, host);
}
