import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EntryKind, geometryOf, ScanBuffer, scanFilter, TableMemory, type AnyArch, type Level } from '@pgtable/core';
import { x86Arch, x86Root, type X86Config } from '../src/index.js';
import { classify, LEVELS_OF } from './manual.js';

/** Scans a table of these entries and gives every entry's kind and address. */
function scanAll(config: X86Config, level: Level, values: readonly bigint[], contiguous: boolean): { kind: EntryKind; pa: bigint }[] {
  const entryBytes = config.mode === '2-level' ? 4 : 8;
  const tables = new TableMemory({ entryBytes });
  const arch: AnyArch = x86Arch(config, tables);
  const base = tables.allocate(level, 0x1000, values.length);
  values.forEach((value, at) => {
    if (entryBytes === 8) tables.elements[base + at] = value;
    else tables.words[base + at] = Number(BigInt.asIntN(32, value));
  });
  const bytes = 2 ** geometryOf(arch.geometry, level).shift;
  const out = new ScanBuffer(3);
  const found: { kind: EntryKind; pa: bigint }[] = [];
  for (let at = 0; at < values.length; ) {
    out.count = 0;
    const next = arch.ops[level].scan(base, at, values.length, scanFilter(contiguous), out);
    expect(next).toBeGreaterThan(at);
    for (let row = 0; row < out.count; row++) {
      expect(out.index[row]).toBe(found.length);
      for (let i = 0; i < out.length[row]!; i++) {
        const kind = out.kind[row] as EntryKind;
        const step = contiguous && kind === EntryKind.Leaf ? i * bytes : 0;
        found.push({ kind, pa: BigInt(out.pa[row]! + step) });
      }
    }
    at = next;
  }
  return found;
}

describe.each(LEVELS_OF)('$name of $mode paging', (manual) => {
  const width = manual.mode === '2-level' ? 32 : 64;
  const word = fc.oneof(
    fc.bigInt({ min: 0n, max: (1n << BigInt(width)) - 1n }),
    // Entries as kernels make them: few bits, so that every branch is taken often.
    fc.tuple(fc.bigInt({ min: 0n, max: 0xfffn }), fc.integer({ min: 12, max: width - 1 }), fc.boolean()).map(([low, at, high]) => low | (high ? 1n << BigInt(at) : 0n)),
    fc.constant(0n),
  );
  const options = fc.record({ nx: fc.boolean(), pse: fc.boolean(), physicalBits: fc.constantFrom(36, 40, 46, 52) });

  it('gives every word exactly the kind and address of the manual', () => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 24 }), options, (values, given) => {
        const config: X86Config = { mode: manual.mode, ...given };
        const expected = values.map((value) => classify(manual, value, given));
        expect(scanAll(config, manual.level, values, true)).toEqual(expected);
        expect(scanAll(config, manual.level, values, false).map(({ kind }) => kind)).toEqual(expected.map(({ kind }) => kind));
      }),
      { numRuns: 150 },
    );
  });
});

describe('formats', () => {
  const one = (config: X86Config, level: Level, value: bigint): { kind: EntryKind; pa: bigint } => scanAll(config, level, [value], true)[0]!;

  it('reads entries of running kernels', () => {
    const config: X86Config = { mode: '4-level' };
    expect(one(config, 'pte', 0x80000000_0383a867n)).toEqual({ kind: EntryKind.Leaf, pa: 0x383a000n });
    expect(one(config, 'pmd', 0x80000000_006001e3n)).toEqual({ kind: EntryKind.Leaf, pa: 0x600000n });
    // 2 MiB with the PAT bit at bit 12, which is no address bit.
    expect(one(config, 'pmd', 0x80000000_006011e3n)).toEqual({ kind: EntryKind.Leaf, pa: 0x600000n });
    expect(one(config, 'pud', 0x80000001_400001e3n)).toEqual({ kind: EntryKind.Leaf, pa: 0x140000000n });
    expect(one(config, 'pgd', 0x642b067n)).toEqual({ kind: EntryKind.Table, pa: 0x642b000n });
    expect(one(config, 'pte', 0x000ffffffc7c5120n)).toMatchObject({ kind: EntryKind.NonPresent });
  });

  it('puts bits 20:13 of a 4 MiB page above bit 31 (PSE-36)', () => {
    expect(one({ mode: '2-level' }, 'pgd', 0x0041e0e3n)).toEqual({ kind: EntryKind.Leaf, pa: 0xf_00400000n });
    expect(one({ mode: '2-level', pse: false }, 'pgd', 0x0041e0e3n)).toEqual({ kind: EntryKind.Table, pa: 0x41e000n });
    expect(one({ mode: '2-level' }, 'pgd', 0x002000e3n)).toMatchObject({ kind: EntryKind.Bad });
  });

  it('takes the encryption bit for no part of an address', () => {
    const config: X86Config = { mode: '4-level', encryptionMask: 1n << 47n, physicalBits: 43 };
    const c = 1n << 47n;
    expect(one(config, 'pte', c | 0x1067n)).toEqual({ kind: EntryKind.Leaf, pa: 0x1000n });
    expect(one(config, 'pmd', c | 0x2000e3n)).toEqual({ kind: EntryKind.Leaf, pa: 0x200000n });
    expect(one(config, 'pgd', c | 0x3067n)).toEqual({ kind: EntryKind.Table, pa: 0x3000n });
    expect(one(config, 'pte', (1n << 46n) | 0x1067n)).toMatchObject({ kind: EntryKind.Bad });
  });

  it('accepts what QEMU leaves in the low reserved bits of a PDPTE', () => {
    expect(one({ mode: 'PAE' }, 'pgd', 0x6e94021n)).toEqual({ kind: EntryKind.Table, pa: 0x6e94000n });
  });

  it('refuses configurations that make no sense', () => {
    const make = (config: X86Config, entryBytes: 4 | 8 = 8) => () => x86Arch(config, new TableMemory({ entryBytes }));
    expect(make({ mode: '4-level', physicalBits: 60 })).toThrow(/32 to 52/);
    expect(make({ mode: '4-level', encryptionMask: 1n << 63n })).toThrow(/no address bit/);
    expect(make({ mode: '2-level', encryptionMask: 1n << 20n }, 4)).toThrow(/no address bit/);
    expect(make({ mode: '4-level' }, 4)).toThrow(/entries of 8 bytes/);
    expect(make({ mode: '3-level' as '4-level' })).toThrow(/no paging mode 3-level/);
    expect(() => x86Root('toString' as 'PAE', 0)).toThrow(/no paging mode toString/);
    expect(() => x86Root('4-level', 0x1010)).toThrow(/no address of a root table/);
    expect(() => x86Root('PAE', 0x1020, 0xb0000000)).toThrow(/PAGE_OFFSET/);
    expect(x86Root('2-level', 0x1000, 0xb0000000).windows[1]).toMatchObject({ start: 0xb0000000, index: 0x2c0 });
  });
});
