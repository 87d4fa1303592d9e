import { METADATA_AGE_MS } from '../client/topic';
import { sleep } from '../process/service';

/**
 * Has one line of fetches for each broker that leads some of the partitions, and follows them when another one does. A
 * line that ends has met a change, and who leads what is asked anew.
 *
 * @param leaders those who lead, as far as is known
 * @param refresh asks anew
 * @param fetchFrom one line: until it is aborted, or has met a change
 * @throws what a line throws, once all have ended
 */
export async function followLeaders(
  until: AbortSignal,
  leaders: () => Iterable<number>,
  refresh: () => Promise<void>,
  fetchFrom: (leader: number, until: AbortSignal) => Promise<void>,
): Promise<void> {
  const broken = new AbortController();
  const ended = AbortSignal.any([until, broken.signal]);
  const lines = new Map<number, Promise<void>>();
  let pause = new AbortController();
  ended.addEventListener('abort', () => pause.abort(), { once: true });
  while (!ended.aborted) {
    pause = new AbortController();
    for (const leader of new Set(leaders()))
      if (!lines.has(leader))
        lines.set(
          leader,
          fetchFrom(leader, ended)
            .catch((error) => broken.abort(error))
            .finally(() => {
              lines.delete(leader);
              pause.abort();
            }),
        );
    await sleep(METADATA_AGE_MS, pause.signal);
    if (!ended.aborted) await refresh();
  }
  await Promise.all(lines.values());
  if (broken.signal.aborted) throw broken.signal.reason;
}
