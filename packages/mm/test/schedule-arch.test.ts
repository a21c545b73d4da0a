import type { StrongHandles } from '@pgtable/core';
import { describe, expect, it } from 'vitest';
import { formatReport, runLaws, type Subject } from '../../arch-testkit/src/index.js';
import { ARCHITECTURE_NAMES, CONFIGURATIONS, memoryOf } from '../../arch-testkit/test/configurations.js';
import { setScheduler, withSchedulePoints } from '../src/index.js';

describe.each(ARCHITECTURE_NAMES)('%s with scheduling points', (name) => {
  const [configuration] = CONFIGURATIONS[name];

  it.each([false, true])('obeys the laws (scheduler: %s)', (scheduled) => {
    let points = 0;
    const subject: Subject<StrongHandles> = {
      name, executeAlways: configuration!.executeAlways, oneSpace: configuration!.oneSpace,
      make: () => ({ arch: withSchedulePoints(configuration!.make<StrongHandles>('user', memoryOf(configuration!))), root: configuration!.root('user', 0x4000_0000), user: true }),
    };
    if (scheduled) setScheduler({ point() { points++; }, blocked() { throw new Error('nobody waits'); } });
    try {
      const report = runLaws(subject, { runs: 3, knownFailures: Object.keys(configuration!.known) });
      expect(report.ok, formatReport(report)).toBe(true);
    } finally {
      setScheduler(undefined);
    }
    expect(points > 1000).toBe(scheduled);
  });
});
