import { fileURLToPath } from 'node:url';

/** The dump that is part of this package: the page tables of an arm64 guest with contiguous entries. */
export const SAMPLE_PATH = fileURLToPath(new URL('../samples/arm64-contpte.elf', import.meta.url));
export const SAMPLE_TITLE = 'the embedded sample: the page tables of an arm64 Linux 6.12 guest, 4 KiB pages, with contiguous entries';
