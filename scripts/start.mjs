// npm start: installs, builds, and shows the address space of the embedded sample.
import { installAndBuild, run } from './lib.mjs';

const args = process.argv.slice(2);
const ok = installAndBuild() && run(process.execPath, ['apps/pgtable/dist/cli.js', ...(args.length > 0 ? args : ['ptdump'])]);
process.exitCode = ok ? 0 : 1;
