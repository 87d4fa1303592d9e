/** What works beside one another, and waits for much of its time: how much of it this machine can take. */
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/** Where Node.js finds none, one. */
export const CORES = Math.max(1, cpus().length);

/** One more can begin where the cores have rested for this share of so many ms. */
const RESTING = 0.25;
const LOOK_MS = 2000;

/** Looks for 2 s whether the cores, of all programs that run, could do more. */
export async function coresRest(): Promise<boolean> {
  const rested = () => cpus().reduce((sum, { times }) => sum + times.idle, 0);
  const before = rested();
  await sleep(LOOK_MS);
  return rested() - before > RESTING * CORES * LOOK_MS;
}
