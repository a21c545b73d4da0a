// npm test: installs, builds, lints and runs every test. Its last line counts them.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FIXTURES, HAS_FIXTURES, installAndBuild, run, tool } from './lib.mjs';

const counts = { passed: 0, failed: 0 };

/** One check that either holds or not; it counts as one test. */
function check(title, ok) {
  console.log(`${ok ? 'ok    ' : 'FAILED'} ${title}`);
  counts[ok ? 'passed' : 'failed']++;
  return ok;
}

function unitTests() {
  const folder = mkdtempSync(join(tmpdir(), 'pgtable-test-'));
  const report = join(folder, 'report.json');
  const ok = tool('vitest', ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`]);
  try {
    const { numPassedTests, numFailedTests, numPendingTests, numTotalTestSuites, numFailedTestSuites } = JSON.parse(readFileSync(report, 'utf8'));
    counts.passed += numPassedTests;
    counts.failed += numFailedTests;
    console.log(`unit tests: ${numPassedTests} passed, ${numFailedTests} failed, ${numPendingTests} skipped, ${numTotalTestSuites} suites`);
    // A suite that cannot even be loaded has no failed test in it.
    if (!ok && numFailedTests === 0) check(`unit tests ran (${numFailedTestSuites} suites failed)`, false);
  } catch (error) {
    check(`unit tests ran (${error.message})`, false);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const SOURCES = ['--conditions=@pgtable/source', '--import', 'tsx'];

if (check('install and build', installAndBuild())) {
  check('types', tool('turbo', ['run', 'typecheck', '--output-logs=errors-only']));
  check('lint', tool('eslint', ['.', '--max-warnings', '0']));
  check('corpus of the lint rules', run(process.execPath, [...SOURCES, 'scripts/lint-corpus.ts']));
  check('a program that the lint converts', run(process.execPath, [...SOURCES, 'scripts/downstream.ts']));
  check('layers', run(process.execPath, ['scripts/check-layers.mjs']));
  unitTests();
  check('fuzz', run(process.execPath, [...SOURCES, 'scripts/fuzz.ts', '--runs', '20000']));
  check('threads that share tables', run(process.execPath, [...SOURCES, 'scripts/soak.ts', '--only', 'accessors', '--reads', '20000000']));
  check('threads that share address spaces', run(process.execPath, [...SOURCES, 'scripts/soak.ts', '--only', 'spaces', '--seconds', '60']));
  check('faults of the model are found', run(process.execPath, [...SOURCES, 'scripts/faults.ts', '--quick']));
  check('threads in every interleaving', run(process.execPath, [...SOURCES, 'scripts/races.ts', '--quick']));
  check("QEMU's translation of what was written", run(process.execPath, [...SOURCES, 'scripts/qemu.ts']));
  check('publishing', run(process.execPath, ['scripts/check-publish.mjs']));
  check('browser', run(process.execPath, [...SOURCES, 'scripts/browser.ts']));
  if (HAS_FIXTURES) check(`oracles in ${FIXTURES}`, run(process.execPath, [...SOURCES, 'scripts/oracle.ts']));
  else console.log('left out: the oracles over whole guests, because there is no ../shared/fixtures (the small dumps in the repository were used)');
}
console.log(`tests: ${counts.passed} passed, ${counts.failed} failed`);
process.exitCode = counts.failed === 0 ? 0 : 1;
