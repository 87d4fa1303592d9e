import { sleep } from './service';

/**
 * The moments at which to send: every `intervalMs` from now on, without drift. What comes late is made up for,
 * unless more than a second is missing (a laptop that slept): then the ticks go on from now.
 */
export async function* ticks(intervalMs: number, stopping: AbortSignal): AsyncGenerator<Date> {
  let next = Date.now();
  while (!stopping.aborted) {
    const now = Date.now();
    if (now - next > Math.max(1000, intervalMs) || next - now > intervalMs) next = now;
    if (next > now) await sleep(next - now, stopping);
    else {
      yield new Date(next);
      next += intervalMs;
    }
  }
}
