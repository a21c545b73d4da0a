import { Access, PgtableError, type Attributes } from '@pgtable/core';

/** gdb-pt-dump's words: what each asks of a leaf. */
const WORDS: Readonly<Record<string, (attributes: Attributes) => boolean>> = {
  w: ({ access }) => (access & (Access.KernelWrite | Access.UserWrite)) !== 0,
  _w: ({ access }) => (access & (Access.KernelWrite | Access.UserWrite)) === 0,
  x: ({ access }) => (access & (Access.KernelExecute | Access.UserExecute)) !== 0,
  _x: ({ access }) => (access & (Access.KernelExecute | Access.UserExecute)) === 0,
  ro: ({ access }) => (access & (Access.KernelWrite | Access.UserWrite)) === 0 && (access & (Access.KernelRead | Access.UserRead)) !== 0,
  u: ({ access }) => (access & (Access.UserRead | Access.UserWrite | Access.UserExecute)) !== 0,
  s: ({ access }) => (access & (Access.UserRead | Access.UserWrite | Access.UserExecute)) === 0,
  wb: (attributes) => isWriteBack(attributes),
  _wb: (attributes) => !isWriteBack(attributes),
  uc: (attributes) => isUncached(attributes),
  _uc: (attributes) => !isUncached(attributes),
};

export const FILTER_WORDS = Object.keys(WORDS);

/** What `--filter` asks for: every one of the words; alternatives within a word are separated by `|`. */
export function parseFilter(words: readonly string[]): (attributes: Attributes) => boolean {
  const tests = words.map((word) => {
    const alternatives = word.split('|').map((alternative) => {
      const test = WORDS[alternative];
      if (test === undefined) throw new PgtableError('EINVAL', `--filter ${word}: ${JSON.stringify(alternative)} is no filter`, { hint: `the words are ${FILTER_WORDS.join(' ')}; w|x is one or the other; a dump stands before --filter` });
      return test;
    });
    return (attributes: Attributes): boolean => alternatives.some((test) => test(attributes));
  });
  return (attributes) => tests.every((test) => test(attributes));
}

/** Memory that is cached in both directions, by the names that the architectures give it; none where nothing says otherwise. */
const WRITE_BACK: readonly string[] = ['', 'WB', 'PMA', 'MEM/NORMAL', 'MEM/NORMAL-TAGGED'];

function isWriteBack({ memoryType }: Attributes): boolean {
  return WRITE_BACK.includes(memoryType);
}

/** Memory that is not cached: x86's UC and UC-, arm64's devices and NORMAL-NC, riscv's NC and IO. */
function isUncached({ memoryType }: Attributes): boolean {
  return /^(UC|NC|IO|DEVICE|MEM\/NORMAL-NC)/.test(memoryType);
}
