import { sleep, stopped, unlessStopped } from '../process/service';
import type { Trouble } from '../trouble/trouble';

/** How long a stop tries to reach a broker that is away, in ms. */
const AWAY_MS = 500;
/** How long a stop waits for one thing, in ms. */
const PATIENCE_MS = 5000;
/** How long for a broker that leaves all without an answer, in ms: the process ends after 10 s. */
const SILENT_MS = 8500;

/** The patience of a stop: some seconds for whatever may still come, and hardly any once nothing gets on. */
export class Goodbye {
  private readonly giveUp = new AbortController();

  /** @param hangUp ends what is still waited for */
  constructor(ending: AbortSignal, trouble: Trouble, hangUp: () => void) {
    void stopped(ending).then(async () => {
      const latest = performance.now() + SILENT_MS;
      do await sleep(AWAY_MS);
      while (!trouble.isStanding && performance.now() < latest);
      this.giveUp.abort();
      hangUp();
    });
  }

  /** Aborted when the service is to end, and the broker is away or gives no answer. */
  get givingUp(): AbortSignal {
    return this.giveUp.signal;
  }

  /** Waits for the promise, which may fail, for at most so many ms. */
  async lastTry(promise: Promise<unknown>, ms = PATIENCE_MS): Promise<void> {
    const settled = promise.catch(() => undefined);
    await unlessStopped(this.givingUp, Promise.race([settled, sleep(ms)]));
  }
}
