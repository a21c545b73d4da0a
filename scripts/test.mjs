// npm test: installs, builds, lints and runs every test. Its last line counts them; above it stands again what failed, and why.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FIXTURES, HAS_FIXTURES, installAndBuild, watch, watchTool } from './lib.mjs';

const counts = { passed: 0, failed: 0 };
/** What failed, with the lines that say why: the log is long. */
const failures = [];

/** One check that either holds or not; it counts as one test. */
function check(title, { ok, lines }) {
  console.log(`${ok ? 'ok    ' : 'FAILED'} ${title}`);
  counts[ok ? 'passed' : 'failed']++;
  if (!ok) failures.push({ title, lines });
  return ok;
}

async function unitTests() {
  const folder = mkdtempSync(join(tmpdir(), 'pgtable-test-'));
  const path = join(folder, 'report.json');
  const { ok, lines } = await watchTool('vitest', ['run', '--reporter=default', '--reporter=./scripts/unit-report.mjs'], { PGTABLE_UNIT_REPORT: path });
  try {
    const report = JSON.parse(readFileSync(path, 'utf8'));
    counts.passed += report.passed;
    counts.failed += report.failed;
    failures.push(...report.failures);
    console.log(`unit tests: ${report.passed} passed, ${report.failed} failed, ${report.skipped} skipped, ${report.files} files`);
    if (!ok && report.failed === 0) check('unit tests ran', { ok, lines: report.failures.length > 0 ? [] : lines });
  } catch (error) {
    check(`unit tests ran (${error.message})`, { ok: false, lines });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A script of the repository that is written in TypeScript. */
function script(name, ...args) {
  return watch(process.execPath, ['--conditions=@pgtable/source', '--import', 'tsx', `scripts/${name}.ts`, ...args]);
}

if (check('install and build', { ok: installAndBuild(), lines: [] })) {
  check('types', await watchTool('tsc', ['-p', 'tsconfig.everything.json']));
  check('types where there is no Node', await watchTool('tsc', ['-p', 'tsconfig.browser.json']));
  check('types of an architecture that stands alone', await watchTool('turbo', ['run', 'typecheck', '--output-logs=errors-only']));
  check('lint', await watchTool('eslint', ['.', '--max-warnings', '0']));
  check('corpus of the lint rules', await script('lint-corpus'));
  check('a program that the lint converts', await script('downstream'));
  check('layers', await watch(process.execPath, ['scripts/check-layers.mjs']));
  await unitTests();
  // With one seed: a change is judged by what it does, not by the clock. Other seeds are drawn where these are run by hand.
  check('fuzz', await script('fuzz', '--runs', '20000', '--seed', '1'));
  check('threads that share tables', await script('soak', '--only', 'accessors', '--reads', '20000000'));
  check('threads that share address spaces', await script('soak', '--only', 'spaces', '--seconds', '60', '--seed', '1'));
  check('faults of the model are found', await script('faults', '--quick'));
  check('threads in every interleaving', await script('races', '--quick'));
  check("QEMU's translation of what was written", await script('qemu'));
  check('publishing', await watch(process.execPath, ['scripts/check-publish.mjs']));
  check('browser', await script('browser'));
  if (HAS_FIXTURES) check(`oracles in ${FIXTURES}`, await script('oracle'));
  else console.log('left out: the oracles over whole guests, because there is no ../shared/fixtures (the small dumps in the repository were used)');
}
for (const { title, lines } of failures) console.log(['', `FAILED ${title}`, ...lines.map((line) => `    ${line}`)].join('\n'));
console.log(`tests: ${counts.passed} passed, ${counts.failed} failed`);
process.exitCode = counts.failed === 0 ? 0 : 1;
