import { parentPort, workerData } from 'node:worker_threads';
import { LAWS, NotApplicable } from '@pgtable/arch-testkit';
import { SUBJECTS } from './subjects.js';

/** What the kit says of a copy of the sources: the first law that does not hold. */
export interface Verdict {
  readonly law: string | undefined;
  readonly subject: string;
  readonly message: string;
}

/** The same for all mutants, so that what is caught once is caught always. */
const OPTIONS = { seed: 20261121, runs: 60 };

function judge(only: string | undefined): Verdict {
  const subjects = SUBJECTS.filter(({ name }) => only === undefined || name.startsWith(only));
  if (subjects.length === 0) throw new Error(`no subject is called ${only}`);
  for (const law of LAWS) {
    for (const subject of subjects) {
      try {
        law.check(subject, OPTIONS);
      } catch (error) {
        if (error instanceof NotApplicable) continue;
        return { law: law.name, subject: subject.name, message: error instanceof Error ? error.message : String(error) };
      }
    }
  }
  return { law: undefined, subject: only ?? 'all', message: '' };
}

parentPort?.postMessage(judge((workerData as { subjects?: string }).subjects));
