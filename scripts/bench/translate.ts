import { Translator } from '@pgtable/walk';
import { best, type Case, type Row } from './case.js';
import { numbers, syntheticSpaces } from './spaces.js';

export const translate: Case = {
  name: 'translate',
  title: 'Random translations',
  about: 'The spaces of "scan", 1 Mi random addresses (64 Ki for explain). lookup answers in fields and allocates no result; explain tells every step for people.',
  run() {
    const rows: Row[] = [];
    for (const { name, space, start, bytes } of syntheticSpaces()) {
      const random = numbers(2);
      const pages = Float64Array.from({ length: 2 ** 20 }, () => start + random(bytes / 4096) * 4096);
      const some = Array.from(pages.subarray(0, 2 ** 16), (page) => BigInt(page) + 123n);
      const translator = new Translator(space);
      let mapped = 0;
      const lookup = best(() => {
        mapped = 0;
        for (const page of pages) {
          translator.lookup(page);
          if (translator.status === 'mapped') mapped++;
        }
      });
      const explain = best(() => {
        for (const address of some) translator.explain(address);
      });
      const rate = (count: number, milliseconds: number) => `${(count / milliseconds / 1000).toFixed(2)} M/s`;
      rows.push({
        what: name,
        values: { lookup: rate(pages.length, lookup), 'ns each': ((lookup * 1e6) / pages.length).toFixed(0), mapped: `${((mapped / pages.length) * 100).toFixed(0)} %`, explain: rate(some.length, explain) },
      });
    }
    return Promise.resolve(rows);
  },
};
