import { parentPort, workerData } from 'node:worker_threads';
import type { TableHandles } from '@pgtable/core';
import { attachKernel } from '../../../packages/mm/src/index.js';
import { configurationOf } from './machines.js';
import { Abandoned, Meeting } from './meeting.js';
import type { Done, Orders } from './orders.js';
import { SoakThread } from './thread.js';

// What round.ts posts.
const orders = workerData as Orders;
const { number } = orders;

function run(): Done {
  try {
    const kernel = attachKernel<TableHandles>(orders.kernel, configurationOf(orders.configuration));
    kernel.join(`soak ${number}`);
    new SoakThread(kernel, orders).run();
    return { number, error: '', abandoned: false };
  } catch (error) {
    if (error instanceof Abandoned) return { number, error: '', abandoned: true };
    new Meeting(orders.control, orders.threads).fail();
    return { number, error: error instanceof Error ? (error.stack ?? error.message) : String(error), abandoned: false };
  }
}

parentPort?.postMessage(run());
