import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { ROOT } from './lib.mjs';

/** How many lines of one failure are kept. */
const KEPT = 60;

/** A reporter of vitest: counts the tests, and keeps of each failure what says why, that of its causes too: what a property failed with is the cause of the error that names the counterexample. Written as JSON to the path in PGTABLE_UNIT_REPORT. */
export default class UnitReport {
  onTestRunEnd(modules, unhandled) {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    const failures = [];
    const add = (title, errors) => failures.push({ title, lines: errors.flatMap(linesOf).slice(0, KEPT) });
    for (const module of modules) {
      const file = relative(ROOT, module.moduleId);
      // What cannot even be loaded has no failed test in it.
      if (module.errors().length > 0) add(file, module.errors());
      for (const test of module.children.allTests()) {
        const { state, errors } = test.result();
        counts[state in counts ? state : 'failed']++;
        if (state === 'failed') add(`${file}: ${test.fullName}`, errors);
      }
      for (const suite of module.children.allSuites()) if (suite.errors().length > 0) add(`${file}: ${suite.fullName}`, suite.errors());
    }
    if (unhandled.length > 0) add('errors that no test caught', unhandled);
    writeFileSync(process.env.PGTABLE_UNIT_REPORT, JSON.stringify({ ...counts, files: modules.length, failures }));
  }
}

function linesOf({ message, stack, diff, cause }) {
  const places = (stack ?? '').split('\n').filter((line) => /^\s+at /.test(line) && line.includes(ROOT) && !line.includes('node_modules'));
  const own = [message, ...(diff === undefined ? [] : [diff]), ...places].flatMap((text) => stripVTControlCharacters(text).split('\n'));
  return cause === undefined ? own : [...own, 'Caused by:', ...linesOf(cause)];
}
