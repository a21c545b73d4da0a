import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HIGH_WORD, LEVELS, LOW_WORD, PgtableError, TableMemory } from '../src/index.js';

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    return error instanceof PgtableError ? error.code : String(error);
  }
}

describe('TableMemory', () => {
  it.each([0, -1, 0.5, Number.NaN])('has no table of %d entries, and goes on as before', (entries) => {
    const tables = new TableMemory();
    expect(() => tables.allocate('pte', 0x1000, entries)).toThrow(`a pte table cannot have ${entries} entries`);
    expect([tables.tables, tables.entries, tables.find('pte', 0x1000)]).toEqual([0, 0, -1]);
    expect([tables.allocate('pte', 0x1000, 8), tables.allocate('pte', 0x2000, 8)]).toEqual([8, 16]);
  });

  it('keeps entries, handles and the three views while it grows', () => {
    const tables = new TableMemory();
    const bases: number[] = [];
    for (let table = 0; table < 100; table++) {
      const base = tables.allocate('pte', table * 4096, 512);
      tables.elements[base] = BigInt(table) + 1n;
      tables.elements[base + 511] = 2n ** 64n - BigInt(table) - 1n;
      bases.push(base);
    }
    expect(tables.entries).toBe(51200);
    expect(tables.tables).toBe(100);
    bases.forEach((base, table) => {
      expect(base).toBe((table + 1) * 512);
      expect(tables.elements[base]).toBe(BigInt(table) + 1n);
      expect(tables.elements[base + 511]).toBe(2n ** 64n - BigInt(table) - 1n);
      expect(tables.words[base * 2 + LOW_WORD]).toBe(table + 1);
      expect(tables.words[base * 2 + HIGH_WORD]).toBe(0);
    });
    expect(tables.words.buffer).toBe(tables.bytes.buffer);
    expect(tables.elements.buffer).toBe(tables.bytes.buffer);
  });

  it('knows the address of an entry', () => {
    const tables = new TableMemory();
    const first = tables.allocate('pte', 0x7000, 512);
    const second = tables.allocate('pmd', 0x3000, 512);
    expect([first, first + 511, second, second + 1].map((entry) => tables.addressOf(entry))).toEqual([0x7000, 0x7000 + 511 * 8, 0x3000, 0x3008]);
    tables.release('pte', 0x7000, 512);
    expect(codeOf(() => tables.addressOf(first))).toBe('EINVAL');
    const again = tables.allocate('pud', 0x9000, 512);
    expect(tables.addressOf(again + 3)).toBe(0x9018);
  });

  it('makes room once for a reserved batch', () => {
    const tables = new TableMemory();
    tables.reserve(10 * 512);
    const { bytes } = tables;
    for (let table = 0; table < 10; table++) tables.allocate('pmd', table * 4096, 512);
    expect(tables.bytes).toBe(bytes);
    while (tables.entries * 8 + 4096 < bytes.length) tables.allocate('pmd', tables.tables * 4096, 512);
    tables.allocate('pmd', tables.tables * 4096, 512);
    expect(tables.bytes).not.toBe(bytes);
  });

  it('tells who follows it where it is, at once and when it has moved', () => {
    const memory = new TableMemory();
    const seen: BigUint64Array[] = [];
    memory.follow(({ words, elements, bytes }) => {
      seen.push(elements);
      expect([words, elements, bytes]).toEqual([memory.words, memory.elements, memory.bytes]);
      expect(new Set([words.buffer, elements.buffer, bytes.buffer]).size).toBe(1);
    });
    expect(seen).toEqual([memory.elements]);
    memory.reserve(512);
    expect(seen).toHaveLength(2);
    memory.allocate('pte', 0x1000, 512);
    expect(seen).toHaveLength(2);
    memory.allocate('pte', 0x2000, 512);
    expect(seen).toHaveLength(3);
    expect(seen.at(-1)).toBe(memory.elements);
  });

  it('starts with the room that it was asked for', () => {
    const tables = new TableMemory({ entryBytes: 4, entries: 1024 });
    const { words } = tables;
    expect(words.length).toBeGreaterThanOrEqual(1024);
    expect(tables.entries).toBe(0);
    tables.allocate('pgd', 0, 1024);
    expect(tables.words).toBe(words);
  });

  it('rounds up to whole elements', () => {
    const tables = new TableMemory({ entryBytes: 4 });
    tables.allocate('pte', 0, 3);
    expect(tables.bytes.length % 16).toBe(0);
    expect(tables.allocate('pte', 64, 1)).toBe(7);
  });

  it.each([0, 1, 5, 12, 32, Number.NaN, '8'])('has no entries of %s bytes', (entryBytes) => {
    expect(() => new TableMemory({ entryBytes: entryBytes as 8 })).toThrow(/no entries of/);
  });

  it('finds a table by level and address: one page may be tables of several levels', () => {
    const tables = new TableMemory();
    const found = new Map(LEVELS.map((level) => [level, tables.allocate(level, 0x1000, 16)]));
    expect(new Set(found.values()).size).toBe(5);
    for (const [level, base] of found) expect(tables.find(level, 0x1000)).toBe(base);
    expect(tables.find('pte', 0x2000)).toBe(-1);
    expect(tables.allocate('pte', 2 ** 52 - 4096, 16)).toBe(96);
    expect([...tables.addresses('pte')]).toEqual([0x1000, 2 ** 52 - 4096]);
    expect([...tables.addresses('pgd')]).toEqual([0x1000]);
  });

  it('refuses the same table twice', () => {
    const tables = new TableMemory();
    tables.allocate('pte', 0x5000, 16);
    let thrown: unknown;
    try {
      tables.allocate('pte', 0x5000, 16);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code: 'EINVAL', address: 0x5000n });
    expect((thrown as Error).message).toContain('0x5000');
    expect(tables.entries).toBe(16);
  });

  it('refuses more entries than small integers can number, before it asks for the memory', () => {
    const tables = new TableMemory();
    expect(codeOf(() => { tables.reserve(2 ** 31); })).toBe('ENOMEM');
    expect(codeOf(() => tables.allocate('pte', 0, 2 ** 31))).toBe('ENOMEM');
    expect(tables.find('pte', 0)).toBe(-1);
    expect(tables.entries).toBe(0);
  });

  it('reports memory that the host refuses as ENOMEM', () => {
    // 2 ** 31 - 1 entries of 16 bytes are more than Node gives one ArrayBuffer, or more than this test wants: sparse if not.
    const tables = new TableMemory({ entryBytes: 16 });
    tables.allocate('pte', 0, 1);
    const original = globalThis.ArrayBuffer;
    globalThis.ArrayBuffer = class extends original {
      constructor() {
        super(0);
        throw new RangeError('Array buffer allocation failed');
      }
    };
    try {
      expect(codeOf(() => tables.allocate('pte', 4096, 512))).toBe('ENOMEM');
    } finally {
      globalThis.ArrayBuffer = original;
    }
    expect(tables.find('pte', 4096)).toBe(-1);
    expect(tables.find('pte', 0)).toBe(1);
  });

  it('is shared with other threads only when asked', () => {
    expect(new TableMemory({ entries: 1 }).words.buffer).toBeInstanceOf(ArrayBuffer);
    const shared = new TableMemory({ shared: true, entries: 1 });
    expect(shared.words.buffer).toBeInstanceOf(SharedArrayBuffer);
    shared.allocate('pte', 0, 512);
    expect(shared.words.buffer).toBeInstanceOf(SharedArrayBuffer);
  });

  it('needs no SharedArrayBuffer, which most web pages lack, unless it is to be shared', () => {
    const original = globalThis.SharedArrayBuffer;
    Reflect.deleteProperty(globalThis, 'SharedArrayBuffer');
    try {
      expect(new TableMemory().allocate('pte', 0, 512)).toBe(512);
      expect(codeOf(() => new TableMemory({ shared: true }))).toBe('ENOTSUP');
    } finally {
      globalThis.SharedArrayBuffer = original;
    }
  });

  it.each([4, 8, 16] as const)('turns entries of %i bytes into the order of the host, whatever the order they are in', (entryBytes) => {
    fc.assert(
      fc.property(fc.array(fc.bigInt(0n, 2n ** BigInt(entryBytes * 8) - 1n), { minLength: 1, maxLength: 20 }), fc.boolean(), (values, littleEndian) => {
        const tables = new TableMemory({ entryBytes });
        tables.allocate('pgd', 0, 3);
        const base = tables.allocate('pte', 0, values.length);
        values.forEach((value, at) => {
          for (let byte = 0; byte < entryBytes; byte++) {
            const significance = littleEndian ? byte : entryBytes - 1 - byte;
            tables.bytes[(base + at) * entryBytes + byte] = Number((value >> BigInt(significance * 8)) & 0xffn);
          }
        });
        tables.toHostOrder(base, values.length, littleEndian);
        const words = entryBytes / 4;
        const read = values.map((_, at) => {
          const parts = Array.from({ length: words }, (_unused, word) => BigInt(tables.words[(base + at) * words + word]! >>> 0));
          if (LOW_WORD === 0) parts.reverse();
          return parts.reduce((sum, part) => (sum << 32n) | part, 0n);
        });
        expect(read).toEqual(values);
        expect(tables.words.subarray(0, 3 * words).every((word) => word === 0)).toBe(true);
      }),
    );
  });

  it('begins a table at a multiple of its size, and leaves the gap to no one', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(1, 4, 16, 512, 2048), { minLength: 1, maxLength: 30 }), (sizes) => {
        const tables = new TableMemory();
        const taken = sizes.map((entries, at) => ({ entries, base: tables.allocate('pte', at * 65536, entries) }));
        for (const { entries, base } of taken) expect(base % entries).toBe(0);
        const sorted = taken.toSorted((a, b) => a.base - b.base);
        sorted.forEach(({ base }, at) => { if (at > 0) expect(base).toBeGreaterThanOrEqual(sorted[at - 1]!.base + sorted[at - 1]!.entries); });
        // Handles are not 0: `if (ptep)` takes that for none.
        expect(sorted[0]!.base).toBeGreaterThan(0);
        expect(tables.entries).toBe(sorted.at(-1)!.base + sorted.at(-1)!.entries - sorted[0]!.base);
      }),
    );
  });

  it('counts the gap before the first table of a reserved batch', () => {
    const tables = new TableMemory();
    tables.allocate('pgd', 0, 4);
    tables.reserve(2 * 512, 512);
    const { bytes } = tables;
    expect(tables.allocate('pte', 0x1000, 512)).toBe(512);
    expect(tables.allocate('pte', 0x2000, 512)).toBe(1024);
    expect(tables.bytes).toBe(bytes);
  });

  it('takes tables back, and uses their entries for the next of their size alone', () => {
    const tables = new TableMemory();
    const base = tables.allocate('pte', 0x1000, 16);
    tables.allocate('pmd', 0x1000, 16);
    tables.release('pte', 0x1000, 16);
    expect([tables.find('pte', 0x1000), tables.find('pmd', 0x1000), tables.tables]).toEqual([-1, 32, 1]);
    expect(codeOf(() => { tables.release('pte', 0x1000, 16); })).toBe('EINVAL');
    expect(tables.allocate('pte', 0x8000, 32)).toBe(64);
    expect(tables.allocate('pmd', 0x9000, 16)).toBe(base);
    expect(tables.allocate('pmd', 0xa000, 16)).toBe(96);
    expect(tables.tables).toBe(4);
  });

  it('is one memory for everybody who is attached', () => {
    const mine = new TableMemory({ shared: true, entries: 64, entryBytes: 8 });
    const base = mine.allocate('pmd', 0x1000, 16);
    mine.allocate('pte', 0x2000, 16);
    // As posted to a worker: cloned, but for the memory itself.
    const theirs = TableMemory.attach(structuredClone(mine.share()));
    expect([theirs.entryBytes, theirs.shared, theirs.entries, theirs.tables]).toEqual([8, true, 32, 2]);
    expect([theirs.find('pmd', 0x1000), theirs.find('pte', 0x2000), theirs.find('pte', 0x1000)]).toEqual([base, base + 16, -1]);
    mine.elements[base + 5] = 0x1234_5678_9abcn;
    expect(Atomics.load(theirs.elements, base + 5)).toBe(0x1234_5678_9abcn);
    theirs.words[(base + 6) * 2 + LOW_WORD] = 77;
    expect(mine.elements[base + 6]).toBe(77n);
    // What is allocated later is known to one side alone.
    mine.allocate('pte', 0x3000, 16);
    expect(theirs.find('pte', 0x3000)).toBe(-1);
  });

  it('that is not shared cannot be attached, and shared memory does not move', () => {
    expect(codeOf(() => new TableMemory({ entries: 16 }).share())).toBe('EINVAL');
    const shared = new TableMemory({ shared: true, entries: 16 });
    const { buffer } = shared.words;
    shared.allocate('pte', 0, 16);
    expect(codeOf(() => shared.allocate('pte', 0x1000, 16))).toBe('ENOMEM');
    expect(shared.words.buffer).toBe(buffer);
  });
});
