import { parentPort, workerData } from 'node:worker_threads';
import { enter, type Stage } from './scenes.js';

/** What a thread is told. */
export interface Orders {
  readonly stage: Stage;
  readonly role: 'reader' | 'writer';
  /** Of a reader: how many reads. A writer writes until it is stopped. */
  readonly reads: number;
  /** Of a reader: goes on after that many until a value is wrong, up to {@link PATIENCE} times as many. */
  readonly untilWrong: boolean;
  /** Element 0: the writer has begun; 1: it shall stop. */
  readonly signals: Int32Array;
}

/** What a thread reports. */
export interface Outcome {
  readonly done: number;
  readonly wrong: number;
  /** The first value that could not be. */
  readonly first: string;
}

const { stage, role, reads, untilWrong, signals } = workerData as Orders;
const scene = enter(stage);

/** Reads, or writes, in strides, between which a thread looks whether the others are ready. */
const STRIDE = 1024;
/** A busy machine may run the threads one after the other for a while. */
const PATIENCE = 50;

function write(): Outcome {
  let step = 0;
  for (;;) {
    for (let count = 0; count < STRIDE; count++) scene.write(step++);
    Atomics.store(signals, 0, 1);
    if (Atomics.load(signals, 1) !== 0) return { done: step, wrong: 0, first: '' };
  }
}

function read(): Outcome {
  while (Atomics.load(signals, 0) === 0) Atomics.wait(signals, 0, 0, 10);
  let wrong = 0;
  let first = '';
  let step = 0;
  for (; step < reads || (untilWrong && wrong === 0 && step < reads * PATIENCE); step++) {
    const value = scene.read(step);
    if (value === undefined) continue;
    if (wrong++ === 0) first = `0x${value.toString(16)}`;
  }
  return { done: step, wrong, first };
}

parentPort?.postMessage(role === 'writer' ? write() : read());
