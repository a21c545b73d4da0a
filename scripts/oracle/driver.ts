/*
 * What scripts/oracle-independent.py asks of pgtable: reads one request as JSON from standard input, runs the command line
 * of `pgtable` in this process, and prints the answers as JSON.
 */
import { text } from 'node:stream/consumers';
import { pgtable } from './command.js';
import { unpacked } from './zstd.js';

interface Request {
  /** The dump, with or without `.zst`. */
  readonly dump: string;
  readonly runs: readonly {
    /** `--cr3 0x1000` and so on. */
    readonly flags: readonly string[];
    /** Hexadecimal. Translated by `vtop -`. */
    readonly addresses: readonly string[];
    /** Whether the edges of our own runs are wanted too (`ptdump --format csv`), and are translated with the addresses. */
    readonly edges: boolean;
  }[];
}

const { dump, runs } = JSON.parse(await text(process.stdin)) as Request;
const file = await unpacked(dump);
if (file === undefined) throw new Error(`there is no ${dump}`);
const answers: { address: string; answer: string }[][] = [];
for (const { flags, addresses, edges } of runs) {
  const asked = edges ? [...addresses, ...(await edgesOf(file, flags))] : addresses;
  const { out, err, code } = await pgtable(['vtop', '--in', file, ...flags, '--', '-'], asked.join('\n') + '\n');
  const lines = out.split('\n').filter((line) => line !== '');
  if (lines.length !== asked.length) throw new Error(`vtop answered ${lines.length} of ${asked.length} addresses, exit code ${code}: ${err}`);
  answers.push(lines.map((line) => ({ address: line.split('\t')[0] ?? '', answer: line.split('\t')[1] ?? '' })));
}
process.stdout.write(JSON.stringify({ file, answers }));

/** First and last address of each run of our own listing, and the addresses beside them. */
async function edgesOf(path: string, flags: readonly string[]): Promise<string[]> {
  const halves = flags.includes('--user') || flags.includes('--kernel') ? [[]] : [['--user'], ['--kernel']];
  const listed = await Promise.all(halves.map((half) => pgtable(['ptdump', path, '--format', 'csv', ...half, ...flags])));
  // A half whose root is not known lists nothing.
  return listed
    .map(({ out }) => out)
    .join('')
    .split('\n')
    .filter((line) => line.startsWith('0x'))
    .flatMap((line) => {
      const [start, end] = line.split(',').map((column) => BigInt(column.startsWith('0x') ? column : 0)) as [bigint, bigint];
      return [start - 1n, start, end - 1n, end].map((address) => BigInt.asUintN(64, address).toString(16));
    });
}
