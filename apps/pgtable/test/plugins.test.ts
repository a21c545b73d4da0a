import { riscv } from '@pgtable/arch-riscv';
import { describe, expect, it } from 'vitest';
import { pgtable, Scratch } from './harness.js';

const scratch = new Scratch();

/** A module with an architecture that finds one root, or none: enough to see that the command asks it. */
function module(name: string, members: string): string {
  return scratch.write(name, `const arch = { name: 'toy', title: 'toy', elfMachines: [], utsMachines: [], vmcoreinfoKeys: [], registers: [{ name: 'toyroot', help: 'the root table' }],
    findRoots: async () => ({ candidates: [], missing: ['no TOYROOT in this dump: give --toyroot'] }), markers: async () => [], kernelOffset: () => 0n };
${members}
`);
}

const raw = scratch.write('memory.raw', 'x'.repeat(4096));

describe('--plugin', () => {
  it('adds an architecture, with its registers, under any name that the module exports it by', async () => {
    const path = module('toy.mjs', 'export { arch as anything, arch as default };');
    const help = await pgtable(['ptdump', '--plugin', path, '--help']);
    expect(help.out).toContain('--toyroot <value>');
    expect(help.out).toContain('where the dump does not say: toy, x86');
    const roots = await pgtable(['roots', `${raw}@0`, '--arch', 'toy', `--plugin=${path}`]);
    expect(roots.out + roots.err).toContain('no TOYROOT in this dump: give --toyroot');
    // Its register alone says what the dump is of.
    const byRegister = await pgtable(['roots', `${raw}@0`, '--plugin', path, '--toyroot', '1000']);
    expect(byRegister.out + byRegister.err).toContain('no TOYROOT in this dump');
  });

  it('may stand before the command', async () => {
    const path = module('early.mjs', 'export default arch;');
    const { out, err } = await pgtable(['--plugin', path, 'roots', `${raw}@0`, '--arch', 'toy']);
    expect(out + err).toContain('no TOYROOT');
  });

  it('comes before the architectures that are known', async () => {
    const path = module('own.mjs', "export default { ...arch, name: 'riscv' };");
    const { out, err } = await pgtable(['roots', `${raw}@0`, '--arch', 'riscv', '--plugin', path]);
    expect(out + err).toContain('TOYROOT');
  });

  it('may call a register as another does', async () => {
    const path = module('satp.mjs', "export default { ...arch, registers: [{ name: 'satp', help: 'as RISC-V has it' }] };");
    const { code, out } = await pgtable(['ptdump', '--plugin', path, '--help']);
    expect(code).toBe(0);
    expect(out.match(/--satp/g)).toHaveLength(1);
  });

  it.each([
    ['a file that is not there', './no-such-module.mjs', /--plugin \.\/no-such-module\.mjs cannot be loaded/],
    ['a package that is not there', '@nobody/arch', /--plugin @nobody\/arch cannot be loaded/],
    ['a module with a mistake', scratch.write('broken.mjs', 'export default ;'), /broken\.mjs cannot be loaded: /],
    ['a module without an architecture', scratch.write('other.mjs', 'export const a = 1; export const b = { name: "x" };'), /exports no architecture, only a, b/],
  ])('refuses %s', async (_what, name, message) => {
    const { code, err } = await pgtable(['ptdump', '--plugin', name]);
    expect(code).toBeGreaterThanOrEqual(2);
    expect(err).toMatch(message);
    expect(err).not.toContain('mistake in pgtable');
  });

  it.each(['.ts', '.mts'])('says to build a module that ends with %s', async (ending) => {
    // As compilers want it, it imports a file that only the build makes: a Node that strips types cannot load it either.
    const { code, err } = await pgtable(['ptdump', '--plugin', scratch.write(`index${ending}`, "import { arch } from './arch.js';\nexport const plugin: object = arch;")]);
    expect(code).toBeGreaterThanOrEqual(2);
    expect(err).toMatch(/cannot be loaded: .+\n\s+this is TypeScript: build it \(npm run build\)/);
  });

  it('without a module is refused as any flag without its value', async () => {
    const { code, err } = await pgtable(['ptdump', '--plugin']);
    expect(code).toBe(2);
    expect(err).toContain("option '--plugin <module>' argument missing");
  });
});

it('knows only what it is given', async () => {
  const { code, err } = await pgtable(['ptdump'], { architectures: [riscv] });
  expect(code).toBeGreaterThanOrEqual(2);
  expect(err).toContain('one of riscv');
});
