// Starts fuzz.ts in a worker thread: `--import tsx` alone does not reach workers on Node 20.
import { register } from 'tsx/esm/api';

register();
await import('../fuzz.ts');
