import { expect, it } from 'vitest';
import { withBundle } from '../../../scripts/soak/bundle.js';
import { CHECKS, SHORT } from '../../../scripts/soak/space/machines.js';
import { Stat, type Sabotage } from '../../../scripts/soak/space/orders.js';
import { runRound, type Report, type Round } from '../../../scripts/soak/space/round.js';

/* Short rounds of the soak: on every architecture they end well, and what is done wrong on purpose is found. */

const PATIENCE = 110_000;

function soak(round: Partial<Round>): Promise<Report> {
  return withBundle(new URL('../../../scripts/soak/space/worker.ts', import.meta.url), (file) => runRound(file, {
    configuration: 'x86 4-level', checks: {}, threads: 2, seed: 1, seconds: 30, batch: 60, meetings: 2, ...round,
  }));
}

it.each(SHORT.flatMap((configuration) => [[configuration, 'all checks', CHECKS], [configuration, 'no check', {}]] as const))('%s: nothing is lost, and nothing is left (%s)', async (configuration, _, checks) => {
  const report = await soak({ configuration, checks });
  expect(report.failure).toBe(undefined);
  expect(report.stat(Stat.Quiescent)).toBeGreaterThan(0);
  expect(report.stat(Stat.Operations)).toBeGreaterThan(100);
  expect(report.stat(Stat.Faults)).toBeGreaterThan(0);
}, PATIENCE);

it.each(SHORT)('%s: where memory and VMAs run out now and then, what is refused leaves everything as it was', async (configuration) => {
  const report = await soak({ configuration, checks: CHECKS, scarce: true });
  expect(report.failure).toBe(undefined);
  expect(report.stat(Stat.Refused)).toBeGreaterThan(0);
}, PATIENCE);

it.each<[Sabotage, RegExp]>([
  ['leak', /has \d+ references, counted anew \d+/],
  ['mapcount', /has the mapcount \d+, counted anew \d+/],
  ['stray', /has 0 and 0, and should have/],
  ['wrong counter', /AnonPages: \d+, counted anew \d+/],
])('%s is found', async (sabotage, message) => {
  // Until there is a page to do it to.
  const report = await soak({ sabotage, seconds: 60, meetings: 20 });
  expect(report.failure).toMatch(message);
  // What is needed to find out more.
  expect(report.failure).toMatch(/the last operations of thread 1 .*\n +#\d+ [a-z]/);
}, PATIENCE);

it('an addition that is lost is found', async () => {
  const report = await soak({ sabotage: 'lost update', seconds: 60, batch: 60, meetings: 100 });
  expect(report.failure).toMatch(/additions were made/);
}, PATIENCE);

it('threads that hang are found, with what they did last', async () => {
  const report = await soak({ sabotage: 'hang', patience: 4000 });
  expect(report.failure).toMatch(/thread 0: no thread has done anything for 4 s: it hangs in its last operation/);
  expect(report.failure).toMatch(/the last operations of thread 0 .*\n +#\d+ [a-z]/);
}, PATIENCE);
