import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findVmcoreinfo, vmcoreinfoNotes } from '../src/index.js';
import { FakeMemory } from './fake-memory.js';

const bytes = (text: string) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const infoText = (release: string, crash?: number) =>
  `OSRELEASE=${release}\nBUILD-ID=00ff\nPAGESIZE=4096\nSYMBOL(init_uts_ns)=ffffffff82000000\nNUMBER(phys_base)=-4096\n${crash === undefined ? '' : `CRASHTIME=${crash}\n`}`;

async function found(memory: FakeMemory): Promise<string[]> {
  return (await findVmcoreinfo(memory)).map(({ text }) => text);
}

function zeroed(pages: number): FakeMemory {
  const memory = new FakeMemory();
  memory.writeBytes(0, new Uint8Array(pages * 4096));
  return memory;
}

describe('findVmcoreinfo', () => {
  it('finds a text wherever it is aligned to 4 bytes, over the edges of chunks too', async () => {
    const text = infoText('6.12.1');
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.nat(4 * 1024 - 60), fc.integer({ min: 1024 - 60, max: 1024 + 2 })), async (word) => {
        const memory = zeroed(5);
        memory.chunkSize = 4096;
        memory.writeBytes(word * 4, bytes(text));
        const infos = await findVmcoreinfo(memory);
        expect(infos.map((info) => info.text)).toEqual([text]);
        expect(infos[0]!.source).toContain(`0x${(word * 4).toString(16)}`);
        expect(infos[0]!.release).toBe('6.12.1');
        expect(infos[0]!.number('phys_base')).toBe(-4096n);
      }),
      { numRuns: 40 },
    );
  });

  it('counts copies once, and the longest of them', async () => {
    const memory = zeroed(4);
    memory.writeBytes(0, bytes(infoText('6.12.1')));
    memory.writeBytes(0x1000, bytes(infoText('6.12.1', 17)));
    memory.writeBytes(0x2000, bytes(infoText('6.12.1') + 'NUMBER(extra)=1\n'));
    expect(await found(memory)).toEqual([infoText('6.12.1') + 'NUMBER(extra)=1\n']);
    const reversed = zeroed(4);
    reversed.writeBytes(0, bytes(infoText('6.12.1') + 'NUMBER(extra)=1\n'));
    reversed.writeBytes(0x1000, bytes(infoText('6.12.1')));
    expect(await found(reversed)).toEqual([infoText('6.12.1') + 'NUMBER(extra)=1\n']);
  });

  it('finds two kernels', async () => {
    const memory = zeroed(4);
    memory.writeBytes(0x100, bytes(infoText('6.12.1')));
    memory.writeBytes(0x2000, bytes(infoText('6.1.0-crash')));
    expect(await found(memory)).toEqual([infoText('6.12.1'), infoText('6.1.0-crash')]);
  });

  it.each([
    ['text about it', 'OSRELEASE= is the first line of it\nfoo\n\nbar'],
    ['too little', 'OSRELEASE=6.12.1\nPAGESIZE=4096\n'],
    ['no symbol', 'OSRELEASE=6.12.1\nBUILD-ID=0\nPAGESIZE=4096\nNUMBER(a)=1\nNUMBER(b)=2\n'],
    ['no page size', 'OSRELEASE=6.12.1\nBUILD-ID=0\nSYMBOL(a)=1\nNUMBER(a)=1\nNUMBER(b)=2\n'],
    ['a beginning like it', infoText('6').replace('OSRELEASE', 'OSRELEASED')],
  ])('leaves alone %s', async (_name, text) => {
    const memory = zeroed(2);
    memory.writeBytes(0x10, bytes(text));
    expect(await found(memory)).toEqual([]);
  });

  it('drops a last line that memory cuts off, and what follows bytes that are no text', async () => {
    const whole = infoText('6.12.1');
    const cut = zeroed(1);
    cut.writeBytes(0x1000 - whole.length - 3 + ((whole.length + 3) % 4), bytes(whole));
    expect(await found(cut)).toEqual([whole]);
    const torn = zeroed(2);
    torn.writeBytes(0x10, Uint8Array.of(...bytes(whole + 'NUMBER(half)=12'), 0xff, 0x41));
    expect(await found(torn)).toEqual([whole]);
  });

  it('finds nothing in nothing', async () => {
    expect(await found(new FakeMemory())).toEqual([]);
  });
});

describe('vmcoreinfoNotes', () => {
  it('takes the notes of that name', () => {
    const notes = [{ name: 'CORE', type: 1, desc: bytes('x') }, { name: 'VMCOREINFO', type: 0, desc: bytes(infoText('6.12.1') + '\0\0') }];
    const infos = vmcoreinfoNotes(notes);
    expect(infos).toHaveLength(1);
    expect(infos[0]!.release).toBe('6.12.1');
    expect(infos[0]!.text).toBe(infoText('6.12.1'));
  });
});
