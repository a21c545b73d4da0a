import type { WritableArch } from '../writable.js';

/** What functions over values need of an architecture: nothing that knows tables or handles. */
export type ValueArch = Pick<WritableArch, 'values'>;
