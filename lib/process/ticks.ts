import { sleep } from './service';

/** More than this is not made up for, in ms: a laptop slept, or the clock was put right. */
const STOOD_STILL_MS = 10_000;

/** The moments at which to send: every `intervalMs` from now on, without drift; what comes late is made up for. */
export async function* ticks(intervalMs: number, stopping: AbortSignal): AsyncGenerator<Date> {
  let next = Date.now();
  while (!stopping.aborted) {
    const now = Date.now();
    if (now - next > Math.max(STOOD_STILL_MS, intervalMs) || next - now > intervalMs) next = now;
    if (next > now) await sleep(next - now, stopping);
    else {
      yield new Date(next);
      next += intervalMs;
    }
  }
}
