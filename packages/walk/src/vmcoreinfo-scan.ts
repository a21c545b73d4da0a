import { Vmcoreinfo, type DumpNote, type PhysicalReader } from '@pgtable/core';

/** More of it than any kernel writes: VMCOREINFO_BYTES is one page. */
const MAX_TEXT_BYTES = 16384;
/** Texts beyond this many are copies or forgeries, and nobody reads so many. */
const MAX_TEXTS = 64;

/** The VMCOREINFO notes of a dump. */
export function vmcoreinfoNotes(notes: readonly DumpNote[]): Vmcoreinfo[] {
  return notes.filter(({ name }) => name === 'VMCOREINFO').map(({ desc }) => new Vmcoreinfo(textAt(desc), 'the VMCOREINFO note of the dump'));
}

/**
 * Looks for VMCOREINFO texts in memory, where every kernel keeps its own: once as text on a page of its own, once as an
 * ELF note. Both are aligned to 4 bytes and begin with `OSRELEASE=`.
 *
 * Copies of one text (page cache, buffers) count once: the longest is kept, and what differs only after `CRASHTIME` is a
 * copy too.
 */
export async function findVmcoreinfo(memory: PhysicalReader): Promise<Vmcoreinfo[]> {
  const texts = new Map<string, { text: string; address: number }>();
  for await (const { address, bytes } of memory.chunks({ skipZeros: true })) {
    const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
    const words = new Int32Array(aligned.buffer, aligned.byteOffset, aligned.length >>> 2);
    for (let at = words.indexOf(OSRE); at >= 0; at = words.indexOf(OSRE, at + 1)) {
      // As far as the chunk goes: the text may go on in the next one.
      if (!startsWith(aligned, at * 4, START.slice(0, aligned.length - at * 4))) continue;
      const found = await readText(memory, address + at * 4);
      if (found === undefined) continue;
      const key = found.split('\nCRASHTIME=')[0]!;
      const longer = [...texts.keys()].find((known) => known.startsWith(key));
      if (longer !== undefined) continue;
      for (const known of texts.keys()) if (key.startsWith(known)) texts.delete(known);
      texts.set(key, { text: found, address: address + at * 4 });
      if (texts.size >= MAX_TEXTS) break;
    }
    if (texts.size >= MAX_TEXTS) break;
  }
  return [...texts.values()].map(({ text, address }) => new Vmcoreinfo(text, `a VMCOREINFO text in memory at 0x${address.toString(16)}`));
}

const START = 'OSRELEASE=';

/** The first four letters of that as a word of the host. */
const OSRE = new Int32Array(Uint8Array.from(START.slice(0, 4), (letter) => letter.charCodeAt(0)).buffer)[0]!;

function startsWith(bytes: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return false;
  return true;
}

async function readText(memory: PhysicalReader, address: number): Promise<string | undefined> {
  const range = memory.ranges.find(({ start, end, state }) => state === 'present' && address >= start && address < end);
  if (range === undefined) return undefined;
  const bytes = await memory.read(address, Math.min(MAX_TEXT_BYTES, range.end - address));
  if (bytes === undefined) return undefined;
  const text = textAt(bytes);
  // Whole lines of KEY=value; the symbol is what makes it a kernel's, and not a piece of some text about it.
  const lines = text.split('\n').filter((line) => line !== '');
  const sound = text.startsWith(START) && lines.length >= 4 && lines.every((line) => /^[A-Za-z0-9_-]+(\([^)]*\))?=/.test(line)) && /\nPAGESIZE=\d+\n/.test(text) && text.includes('\nSYMBOL(');
  return sound ? text : undefined;
}

/** The text up to the first byte that cannot be in one; a last line without its end is dropped unless the text ends there. */
function textAt(bytes: Uint8Array): string {
  let end = bytes.findIndex((byte) => byte !== 10 && (byte < 32 || byte > 126));
  if (end < 0) end = bytes.length;
  const text = Array.from(bytes.subarray(0, end), (byte) => String.fromCharCode(byte)).join('');
  const complete = end === bytes.length || bytes[end] === 0;
  return complete ? text : text.slice(0, text.lastIndexOf('\n') + 1);
}
