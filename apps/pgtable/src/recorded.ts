import { PgtableError, type DumpNote, type Marker } from '@pgtable/core';

/*
 * The note that `extract` adds: what was known about the machine when the tables were cut out, so that the small file
 * answers as the whole one did. Text, one fact a line:
 *
 *   register.ttbr0=0x4a48c101                        a register that was given by flag
 *   region.ffff800000000000=Modules start            a region of the kernel, as it was found without symbols
 *   region.ffffff0000000000.16=ESPfix Area           the same, with the most lines that it is listed in
 *   symbol-region.ffff800000000000=Modules start     a region as it was found with symbols
 *   guess.register.cr3=0x1000                        the kernel's root where that was found by its shape alone: the registers that repeat it,
 *   guess.score=4161                                 how good it was, and what spoke for it. In an extract, which lacks the memory that the
 *   guess.evidence=A scan of memory found ...        tables map, it would not be found again
 *   guess.missing=no CR3 in this dump ...            what was looked for in vain
 */
export const RECORDED_NOTE = { name: 'PGTABLE', type: 1 } as const;

export interface RecordedGuess {
  readonly registers: ReadonlyMap<string, bigint>;
  readonly score: number | undefined;
  readonly evidence: readonly string[];
  /** What was looked for and not found beside it. */
  readonly missing: readonly string[];
}

export interface Recorded {
  /** Whether the dump is one that `extract` wrote. */
  readonly isExtract: boolean;
  readonly registers: ReadonlyMap<string, bigint>;
  /** The kernel's regions as they were found without symbols, and with; undefined if that was not done. */
  readonly regions: readonly Marker[] | undefined;
  readonly symbolRegions: readonly Marker[] | undefined;
  /** The kernel's root of a structural scan; undefined if something better was known. */
  readonly guess: RecordedGuess | undefined;
}

export function readRecorded(notes: readonly DumpNote[]): Recorded {
  const registers = new Map<string, bigint>();
  const regions: Marker[] = [];
  const symbolRegions: Marker[] = [];
  const guessed = new Map<string, bigint>();
  const evidence: string[] = [];
  const missing: string[] = [];
  let score: number | undefined;
  let isExtract = false;
  for (const note of notes) {
    if (note.name !== RECORDED_NOTE.name || note.type !== RECORDED_NOTE.type) continue;
    isExtract = true;
    for (const line of new TextDecoder('latin1').decode(note.desc).split('\n')) {
      const register = /^(guess\.)?register\.([a-z0-9_]+)=(0x[0-9a-f]{1,16})$/.exec(line);
      const guess = /^guess\.(?:score=(\d{1,15})|evidence=([ -~]*)|missing=([ -~]*))$/.exec(line);
      const region = /^(symbol-)?region\.([0-9a-f]{1,16})(?:\.([1-9]\d{0,5}))?=([ -~]*)$/.exec(line);
      if (register !== null) (register[1] === undefined ? registers : guessed).set(register[2]!, BigInt(register[3]!));
      else if (guess?.[1] !== undefined) score = Number(guess[1]);
      else if (guess?.[2] !== undefined) evidence.push(guess[2]);
      else if (guess?.[3] !== undefined) missing.push(guess[3]);
      else if (region !== null) {
        const list = region[1] === undefined ? regions : symbolRegions;
        list.push({ start: BigInt('0x' + region[2]!), name: region[4]!, ...(region[3] === undefined ? {} : { maxLines: Number(region[3]) }) });
      } else if (line.replaceAll('\0', '') !== '') {
        throw new PgtableError('EBADMSG', `the PGTABLE note of this dump has a line that is none of ours: ${JSON.stringify(line.slice(0, 60))}`, {
          hint: 'it was damaged, or written by a newer pgtable',
        });
      }
    }
  }
  return {
    isExtract,
    registers,
    regions: regions.length > 0 ? regions : undefined,
    symbolRegions: symbolRegions.length > 0 ? symbolRegions : undefined,
    guess: guessed.size > 0 ? { registers: guessed, score, evidence, missing } : undefined,
  };
}

export function writeRecorded({ registers, regions, symbolRegions, guess }: Omit<Recorded, 'isExtract'>): DumpNote {
  const line = (prefix: string, { start, name, maxLines }: Marker): string => `${prefix}.${start.toString(16)}${maxLines === undefined ? '' : `.${maxLines}`}=${name}`;
  const lines = [
    ...[...registers].map(([name, value]) => `register.${name}=0x${value.toString(16)}`),
    ...(regions ?? []).map((marker) => line('region', marker)),
    ...(symbolRegions ?? []).map((marker) => line('symbol-region', marker)),
    ...[...(guess?.registers ?? [])].map(([name, value]) => `guess.register.${name}=0x${value.toString(16)}`),
    ...(guess?.score === undefined ? [] : [`guess.score=${guess.score}`]),
    ...(guess?.evidence ?? []).map((sentence) => `guess.evidence=${sentence}`),
    ...(guess?.missing ?? []).map((sentence) => `guess.missing=${sentence}`),
  ];
  return { ...RECORDED_NOTE, desc: new TextEncoder().encode(lines.map((text) => text + '\n').join('')) };
}
