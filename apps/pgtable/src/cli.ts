#!/usr/bin/env node
import { ExitCode } from './exit-codes.js';
import { blocking } from './io.js';
import { run } from './program.js';

// A reader that has seen enough (head, less) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(ExitCode.Done);
  // Node says "ENOSPC: no space left on device, write".
  process.stderr.write(`pgtable: the output cannot be written: ${error.message.replace(/^E\w+: |, \w+$/g, '')}\n`);
  process.exit(ExitCode.Unreadable);
});

blocking(process.stdout);
process.exitCode = await run(process.argv.slice(2), { stdin: process.stdin, stdout: process.stdout, stderr: process.stderr, env: process.env });
